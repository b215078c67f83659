"""Two hosts that share a network and no file system: captures in a bucket become pages there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.errors import OptionError
from drti_core.formats.lp import write_lp
from drti_core.testing import dome
from drti_core.testing.stacks import photographs

ROOT = Path(__file__).parents[2]
#: Each host has an address in a network of two, and a folder for temporary files of its own.
_ADDRESSES = {"a": "10.77.0.1", "b": "10.77.0.2"}
_PORTS = {"store": 5000, "scheduler": 8786}
_CAPTURES = 6

#: What the client does, on host a: puts captures into the bucket, and tells what became of them.
_CLIENT = """
import json, sys
from distributed import Client, get_task_stream
import drti_core as drti
import s3fs

store = s3fs.S3FileSystem()
store.mkdir("bucket")
captures = json.load(sys.stdin)
for name, data in captures.items():
    store.pipe_file(f"bucket/{name}", bytes.fromhex(data))
names = sorted({name.partition("/")[0] for name in captures})
s3 = "s3://bucket/"
fits = [("fit_file", {"stack": s3 + name, "output": f"{s3}models/{name}", "codec": "hsh:terms=4"})
        for name in names]
pages = [("export_file", {"source": f"{s3}models/{name}", "output": f"{s3}pages/{name}",
                          "exporter": "openlime"}) for name in names]
with Client(sys.argv[1], set_as_default=False) as client:
    client.wait_for_workers(2, timeout=60)
    with get_task_stream(client) as stream:
        found = drti.call_many(fits, cluster=client) + drti.call_many(pages, cluster=client)
    hosts = sorted({task["worker"].split("//")[1].split(":")[0] for task in stream.data})
    local = drti.call_many([("fit_file", {"stack": sys.argv[2], "output": "/tmp/x"})],
                           cluster=client)
told = {"status": [each.status for each in found], "reasons": [each.reason for each in found],
        "hosts": hosts, "local": local[0].reason,
        "files": {name: store.cat_file(name).hex()
                  for part in ("models", "pages") for name in store.find(f"bucket/{part}")}}
print(json.dumps(told))
"""


#: What a host needs of folders that it has for itself alone: the interpreter and the checkout.
KEPT = {str(path) for path in (Path(sys.prefix), ROOT) if path.is_relative_to("/tmp")}


class Hosts:
    """Two network namespaces of this machine, joined by a cable."""

    def __init__(self) -> None:
        self.names = {host: f"drti{os.getpid()}{host}" for host in _ADDRESSES}
        self._running: list[subprocess.Popen[bytes]] = []

    def plug(self) -> None:
        """Make them.

        Raises:
            OSError, subprocess.CalledProcessError: it is not allowed here.
        """
        a, b = self.names.values()
        for name in (a, b):
            _ip("netns", "add", name)
        _ip("-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        for host, name in self.names.items():
            _ip("-n", name, "addr", "add", f"{_ADDRESSES[host]}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
        subprocess.run(self.command("b", "true"), check=True, capture_output=True)

    def unplug(self) -> None:
        for process in self._running[::-1]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def command(self, host: str, *arguments: str) -> list[str]:
        """A command on a host, with a folder for temporary files that no other process sees."""
        private = "set -e; for each in /tmp /dev/shm; do mount -t tmpfs none $each; done; cd /tmp"
        private += '; exec "$@"'
        for number, kept in enumerate(sorted(KEPT)):  # drti itself may lie in such a folder
            aside = f"/run/drti-$$-{number}"  # of this process
            before = f"mkdir -p {aside}; mount --bind {kept} {aside}"
            after = f"mkdir -p {kept}; mount --bind {aside} {kept}; umount {aside}; rmdir {aside}"
            private = private.replace("set -e;", f"set -e; {before};", 1)
            private = private.replace("; exec", f"; {after}; exec", 1)
        inside = ["ip", "netns", "exec", self.names[host], "unshare", "-m", "bash", "-c", private]
        return [*inside, "on a host", *arguments]

    def environment(self) -> dict[str, str]:
        store = f"http://{_ADDRESSES['a']}:{_PORTS['store']}"
        keys = {"ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none", "ENDPOINT_URL": store}
        keys["DEFAULT_REGION"] = "us-east-1"
        aws = {f"AWS_{name}": value for name, value in keys.items()}
        return os.environ | aws | {"HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONPATH": str(ROOT)}

    def start(self, host: str, *arguments: str) -> None:
        self._running.append(
            subprocess.Popen(
                self.command(host, sys.executable, *arguments),
                env=self.environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """With a store on one, a scheduler there, and a worker on each."""
    for needed in ("distributed", "s3fs", "moto.server"):
        pytest.importorskip(needed)
    if sys.platform != "linux" or not all(map(shutil.which, ("ip", "unshare"))):
        pytest.skip("network namespaces need Linux, ip and unshare")
    made = Hosts()
    try:
        try:
            made.plug()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr.decode().strip()}")
        here = ("--host", _ADDRESSES["a"])
        moto = "from moto.server import main; import sys; main(sys.argv[1:])"
        made.start("a", "-c", moto, "-H", _ADDRESSES["a"], "-p", str(_PORTS["store"]))
        made.start("a", "-m", "distributed.cli.dask_scheduler", *here, "--no-dashboard")
        for host, address in _ADDRESSES.items():
            scheduler = f"tcp://{_ADDRESSES['a']}:{_PORTS['scheduler']}"
            worker = (
                "-m",
                "distributed.cli.dask_worker",
                scheduler,
                "--nthreads",
                "1",
                "--no-nanny",
            )
            made.start(host, *worker, "--host", address, "--no-dashboard")
        yield made
    finally:
        made.unplug()


def _captures(folder: Path) -> dict[str, bytes]:
    """Folders of photographs with their light files; their bytes by name."""
    lights, names = dome(8), [f"{number}.jpg" for number in range(8)]
    for number in range(_CAPTURES):
        capture = folder / f"coin{number}"
        capture.mkdir()
        pictures = photographs(lights, 40 + number, 60)
        for name, picture in zip(names, pictures, strict=True):
            Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(capture / name)
        write_lp(capture / "dirs.lp", names, lights)
    return _bytes(folder)


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@pytest.mark.slow
def test_captures_in_and_pages_out_by_hosts_that_share_no_disk(
    hosts: Hosts, tmp_path: Path
) -> None:
    (tmp_path / "captures").mkdir()
    captures = _captures(tmp_path / "captures")
    scheduler = f"tcp://{_ADDRESSES['a']}:{_PORTS['scheduler']}"
    capture = str(tmp_path / "captures" / "coin0")
    client = hosts.command("a", sys.executable, "-c", _CLIENT, scheduler, capture)
    done = subprocess.run(
        client,
        input=json.dumps({name: data.hex() for name, data in captures.items()}),
        env=hosts.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["status"], told["reasons"]) == (["done"] * 12, [""] * 12)
    assert told["hosts"] == list(_ADDRESSES.values())
    assert told["local"].startswith(f"{capture}: ")  # the hosts do not see this disk
    for number in range(_CAPTURES):
        model = tmp_path / "out" / "models" / f"coin{number}"
        drti.fit_file(tmp_path / "captures" / f"coin{number}", model, codec="hsh:terms=4")
        drti.export_file(model, tmp_path / "out" / "pages" / model.name, exporter="openlime")
    there = {name.removeprefix("bucket/"): bytes.fromhex(b) for name, b in told["files"].items()}
    assert there == _bytes(tmp_path / "out")
    assert f"pages/coin{_CAPTURES - 1}/index.html" in there


def test_calls_that_cannot_be_made_are_told_each_by_itself(tmp_path: Path) -> None:
    fit = {"stack": "a.lp", "output": "out"}
    for calls, text in (
        ([("open_model", fit)], "the function 'open_model'; expected convert_file or export_file"),
        ([("fit_file", {"stack": "a"})], "fit_file with stack; expected an input and an output"),
        ([("fit_file", fit)] * 2, f"two calls write {Path('out').absolute()}; expected an output"),
    ):
        with pytest.raises(OptionError, match="^" + text):
            drti.call_many(calls)
    missing = {"source": tmp_path / "missing.ptm", "output": tmp_path / "out"}
    (found,) = drti.call_many([("convert_file", missing)])
    assert (found.status, found.reason[: len(str(tmp_path))]) == ("refused", str(tmp_path))
