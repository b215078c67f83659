"""Batches whose workers, scheduler and client are killed: nothing lost, nothing done twice.

``python -m tests.jobs.run_kills [--executor processes|dask] [--models N] [--size N] [--every S]``

A batch converts models in two workers. One of these is killed every so often, the scheduler of a
dask cluster once (whatever keeps a cluster up starts it again: here this program), the client once
(and the same command is given again). At the end the outputs are the bytes that models converted
one by one give, the journal names each once, and what was finished was not made again, but for what
a worker died over between the last byte and its answer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from drti_core.codecs.ptm import CODEC
from drti_core.jobs import journal
from drti_core.jobs.cluster import AHEAD
from drti_core.jobs.executor import VARIABLE
from drti_core.registry import doors
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow import convert_file

#: Seconds between two looks at what is there.
LOOK = 0.05


@dataclass
class Kills:
    """What was killed, and what became of the batch.

    Args:
        workers: killed.
        schedulers: killed.
        clients: killed.
        made_again: outputs that were there, and were replaced.
        counts: statuses of the last run.
        seconds: of all.
    """

    workers: int = 0
    schedulers: int = 0
    clients: int = 0
    made_again: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def make_models(folder: Path, count: int, side: int) -> None:
    """Models that differ in some bytes."""
    folder.mkdir(parents=True)
    doors.save_model(CODEC.fit(make_stack((side, side), 8)), folder / "0.ptm")
    data = (folder / "0.ptm").read_bytes()
    for number in range(1, count):
        (folder / f"{number}.ptm").write_bytes(data[:-2] + number.to_bytes(2, "little"))


def contents(folder: Path) -> dict[str, str]:
    """A digest of each output of a batch."""
    found = {}
    for output in folder.iterdir():
        if output.name == journal.NAME:
            continue
        digest = sha256()
        for file in sorted(output.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        found[output.name] = digest.hexdigest()
    return found


class Processes:
    """Workers that are the client's own."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.schedulers = 0

    def workers(self, client: int) -> list[int]:
        """Their process ids."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if words[1] == str(client) and words[0] != "Z":
                found.append(int(entry.name))
        return found

    def look_after(self) -> None:
        """The client does it."""

    def kill_scheduler(self) -> None:
        """There is none."""

    def close(self) -> None:
        """They end with the client."""


class Dask:
    """A scheduler and workers, started again when they end, as SLURM or Kubernetes would."""

    def __init__(self, workers: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}"
        self.environment = {VARIABLE: address}
        scheduler = f"scheduler --host 127.0.0.1 --port {port} --no-dashboard --no-show"
        worker = f"worker {address} --nthreads 1 --no-nanny --no-dashboard --death-timeout 10"
        self._commands = [scheduler.split(), *[worker.split()] * workers]
        self._running = [self._start(command) for command in self._commands]
        self.schedulers = 0

    @staticmethod
    def _start(command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{command[0]}", *command[1:]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def workers(self, client: int) -> list[int]:
        """Their process ids."""
        del client
        return [process.pid for process in self._running[1:] if process.poll() is None]

    def look_after(self) -> None:
        """Start again what has ended."""
        for number, process in enumerate(self._running):
            if process.poll() is not None:
                self._running[number] = self._start(self._commands[number])

    def kill_scheduler(self) -> None:
        """Once."""
        self._running[0].kill()
        self._running[0].wait()
        self.schedulers += 1

    def close(self) -> None:
        """End all."""
        for process in self._running:
            process.kill()
            process.wait()


def run(
    kind: str,
    folder: Path,
    *,
    count: int,
    side: int,
    every: float,
    most: int | None = None,
    jobs: int = 2,
    kill_client: bool = True,
    seed: int = 0,
) -> Kills:
    """Run a batch under fire, and check what it has made.

    Args:
        kind: ``processes`` or ``dask``.
        folder: for all files.
        count: models.
        side: of each, pixels.
        every: seconds between two workers' deaths.
        most: so many workers are killed at most; a task over which three died has failed.
        jobs: workers.
        kill_client: whether to do so.
        seed: which they are.
    """
    make_models(folder / "models", count, side)
    (folder / "alone").mkdir()
    for model in (folder / "models").iterdir():
        convert_file(model, folder / "alone" / model.stem, writer_options={"image": "png"})
    begun, out, report = time.monotonic(), folder / "out", folder / "report.json"
    workers: Processes | Dask = Dask(jobs) if kind == "dask" else Processes()
    command = [sys.executable, "-m", "drti_core", "convert", str(folder / "models")]
    command += [
        "--to",
        "folder:image=png",
        "--out",
        str(out),
        "--json",
        str(report),
        "--jobs",
        str(jobs),
    ]
    environment = os.environ | workers.environment
    kills, seen, dice = Kills(), dict[str, str](), random.Random(seed)
    try:
        client = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        next_kill = time.monotonic() + every
        while client.poll() is None:
            time.sleep(LOOK)
            workers.look_after()
            kills.made_again += look(out, seen)
            due = time.monotonic() > next_kill and seen and kills.workers != most
            if due and (pids := workers.workers(client.pid)):
                os.kill(dice.choice(pids), signal.SIGKILL)
                kills.workers += 1
                next_kill = time.monotonic() + every
            if kind == "dask" and not kills.schedulers and len(seen) > count // 4:
                workers.kill_scheduler()
                kills.schedulers += 1
            if kill_client and not kills.clients and len(seen) > count // 2:
                client.kill()
                client.wait()
                kills.clients += 1
                client = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    finally:
        client.kill()
        client.wait()
        workers.close()
    kills.seconds = time.monotonic() - begun
    kills.made_again += look(out, seen)
    kills.counts = json.loads(report.read_text())["counts"]
    assert client.returncode == 0, f"exit status {client.returncode}, {kills.counts}"
    assert sum(kills.counts.values()) == count, kills.counts
    assert set(kills.counts) <= {"converted", "unchanged"}, kills.counts
    assert contents(out) == contents(folder / "alone"), "other bytes than one by one"
    entries = journal.load(out)
    assert sorted(entries) == sorted(model.stem for model in (folder / "models").iterdir())
    assert len({entry.source for entry in entries.values()}) == count
    assert all(entry.finished(out / name) for name, entry in entries.items())
    # A worker that dies between its last byte and its answer has done what is done again; with a
    # scheduler go the answers that it held; and what a killed client had asked for may go on for
    # a moment, one job in each worker.
    deaths = kills.workers + AHEAD * jobs * kills.schedulers + jobs * kills.clients
    assert kills.made_again <= deaths, f"{kills.made_again} made again, {deaths} deaths"
    return kills


def look(out: Path, seen: dict[str, str]) -> int:
    """Note what is there; returns how many outputs were replaced since."""
    replaced = 0
    if out.is_dir():
        for path in out.iterdir():
            if path.name.startswith(".drti-"):
                continue
            now = journal.identity_of(path)
            replaced += now != seen.get(path.name, now)
            seen[path.name] = now
    return replaced


def main() -> None:
    """Run both, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", choices=("processes", "dask"))
    parser.add_argument("--models", type=int, default=600)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    for kind in (wanted.executor,) if wanted.executor else ("processes", "dask"):
        folder = Path(tempfile.mkdtemp(prefix="drti-kills-"))
        try:
            kills = run(
                kind,
                folder,
                count=wanted.models,
                side=wanted.size,
                every=wanted.every,
                seed=wanted.seed,
            )
            print(f"{kind}: {kills}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
