"""Temporary files and arrays: where they are, and what a full disk does to them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drti_core as drti
from drti_core.errors import OptionError, ResourceError
from drti_core.io import memory, scratch
from drti_core.io.pictures import npy
from drti_core.io.pictures.writers import rows_of
from drti_core.jobs import workers
from tests.helpers.small_disk import small_disk

MEND = "Set DRTI_SCRATCH (or TMPDIR) to a folder with more room."


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own, which SIGBUS would end."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def is_mapped(array: Any) -> bool:
    return isinstance(array, np.memmap)


# --- A full disk


@pytest.mark.slow
def test_a_disk_that_is_full_ends_in_an_error_and_leaves_nothing(tmp_path):
    code = """
import numpy as np
from drti_core.errors import DrtiError
from drti_core.io import scratch
try:
    scratch.empty((110, 1000, 1000), np.uint8)[:] = 1
except DrtiError as error:
    print(error)
"""
    with small_disk(tmp_path / "small", "2m") as small:
        done = run(code, TMPDIR=str(small), DRTI_MEMORY="0")
        left = list(small.iterdir())
    assert (done.returncode, done.stderr, left) == (0, "", [])
    assert done.stdout == f"{small}: has 2.1 MB free; expected 110 MB for an array. {MEND}\n"


@pytest.mark.slow
def test_float_pictures_onto_a_full_disk(tmp_path):
    code = """
import sys
import numpy as np
import drti_core as drti
from drti_core.relight import save
from drti_core.relight.normal_maps import save_normals
rng = np.random.default_rng(0)
lights = drti.LightDirections.spread(8, 0.3)
images = rng.integers(0, 255, (8, 90, 120, 3)).astype(np.uint8)
stack = drti.ArrayStack.of(images, lights)
model, _ = drti.fit(stack, "ptm")
for name, work in (
    ("a", lambda: drti.save_relit(model, lights[:1], sys.argv[1] + "/o.npy", as_float=True)),
    ("b", lambda: save_normals(stack, sys.argv[1] + "/n.npy")),
):
    try:
        work()
    except OSError as error:
        print(name, error.errno)
"""
    with small_disk(tmp_path / "small", "100k") as small:
        (small / "ballast").write_bytes(bytes(60_000))
        done = subprocess.run(
            [sys.executable, "-c", code, str(small)], capture_output=True, text=True, check=False
        )
        left = [path.name for path in small.iterdir()]
    assert (done.returncode, left) == (0, ["ballast"]), done.stderr
    assert done.stdout == f"a {errno.ENOSPC}\nb {errno.ENOSPC}\n"


def test_what_is_spooled_onto_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "SMALL", 1000)
    with small_disk(tmp_path / "small", "64k") as small:
        monkeypatch.setenv("DRTI_SCRATCH", str(small))
        with scratch.Spool() as spool:
            spool.write(bytes(900))
            with pytest.raises(ResourceError) as error:
                spool.write(bytes(200_000))
        assert list(small.iterdir()) == []
    assert str(error.value) == (
        f"{small}: has 0 MB free; expected 0.2 MB for what is written next. {MEND}"
    )


def test_photographs_onto_a_disk_that_becomes_full(tmp_path, monkeypatch):
    """There was room when it was looked for: another program has taken it since."""
    from PIL import Image

    from drti_core.stack import ImageStack

    lights = drti.LightDirections.spread(3, 0.3)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.new("RGB", (200, 100)).save(path)
    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setattr(scratch, "check_room", lambda size, what: None)
    with small_disk(tmp_path / "small", "128k") as small:
        monkeypatch.setenv("DRTI_SCRATCH", str(small))
        with pytest.raises(ResourceError) as error:
            ImageStack.open(paths, lights).prepare()
        assert list(small.iterdir()) == []
    assert str(error.value).endswith(f"expected 0.06 MB for the decoded photographs. {MEND}")


def test_a_quota_is_told_from_a_full_disk(tmp_path, monkeypatch):
    def no(*_: int) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", no, raising=False)
    with pytest.raises(ResourceError) as error:
        scratch.empty((1000, 1000), np.uint8)
    assert str(error.value).endswith(
        f" free, but a quota or a limit on files says no; expected 1 MB for an array. {MEND}"
    )


# --- Setting space aside


@pytest.mark.parametrize("can", [True, False])
def test_space_is_set_aside_whether_or_not_the_system_helps(tmp_path, monkeypatch, can):
    def cannot(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    if not can:
        monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path))
    with scratch.unnamed_file() as file:
        scratch.reserve(file, 0, 3_000_001, "a test")
        there = os.fstat(file.fileno())
    assert there.st_size == 3_000_001
    assert there.st_blocks * 512 >= 3_000_001


def test_arrays_on_files_hold_what_they_are_given(tmp_path, monkeypatch):
    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path))
    array = scratch.empty((3, 5), np.uint16)
    assert is_mapped(array)
    array[:] = np.arange(15).reshape(3, 5)
    scratch.release(array)
    assert array.tolist() == np.arange(15).reshape(3, 5).tolist()
    assert list(tmp_path.iterdir()) == []


def test_no_folder_for_temporary_files(monkeypatch):
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.delenv("DRTI_SCRATCH", raising=False)
    monkeypatch.setattr(scratch.tempfile, "gettempdir", none)
    with pytest.raises(ResourceError) as error:
        scratch.directory()
    assert str(error.value) == (
        "no folder for temporary files can be written; expected one with room. "
        "Set DRTI_SCRATCH (or TMPDIR) to one."
    )


# --- Memory


def test_large_arrays_are_in_memory_while_it_suffices(monkeypatch):
    monkeypatch.delenv("DRTI_MEMORY", raising=False)
    monkeypatch.setattr(memory, "available", lambda: 4 * 250_000_000)
    first = scratch.empty((120, 1000, 1000), np.uint8)
    second = scratch.empty((120, 1000, 1000), np.uint8)
    third = scratch.empty((120, 1000, 1000), np.uint8)
    assert [is_mapped(array) for array in (first, second, third)] == [False, False, True]
    view = second[1:]
    del second
    assert is_mapped(scratch.empty((120, 1000, 1000), np.uint8)), "the view keeps it alive"
    del view
    assert not is_mapped(scratch.empty((120, 1000, 1000), np.uint8))


def test_how_much_pixels_may_take_can_be_told(monkeypatch):
    monkeypatch.setenv("DRTI_MEMORY", "2")
    first = scratch.empty((2, 1000, 1000), np.uint8)
    assert not is_mapped(first)
    assert is_mapped(scratch.empty((1, 10, 10), np.uint8))
    monkeypatch.setenv("DRTI_MEMORY", "2 GB")
    with pytest.raises(OptionError) as error:
        scratch.empty((1,), np.uint8)
    assert str(error.value) == "DRTI_MEMORY: '2 GB'; expected megabytes, 0 or more"


def test_a_file_takes_what_memory_refuses(monkeypatch):
    def refused(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(np, "empty", refused)
    assert is_mapped(scratch.empty((10, 10), np.uint8))


def test_processes_share_what_there_is(monkeypatch):
    monkeypatch.delenv("DRTI_MEMORY", raising=False)
    monkeypatch.setattr(memory, "available", lambda: 8 * 10**9)
    assert memory.parted(4) == {"DRTI_MEMORY": "500"}
    assert memory.parted(1000) == {"DRTI_MEMORY": "100"}
    with monkeypatch.context() as told:
        told.setenv("DRTI_MEMORY", "40")
        assert memory.parted(4) == {"DRTI_MEMORY": "10"}
    seen = []
    answer = {"status": "converted"}

    class Worker:
        stopped = False
        stop = ask = lambda *_: answer

        def __init__(self, _: str, environment: dict[str, str]) -> None:
            seen.append(environment)

    monkeypatch.setattr(workers, "_Worker", Worker)
    assert len(list(workers.run_tasks([{}] * 4, 2, "a:b", {"A": "1"}))) == 4
    assert seen == [{"DRTI_MEMORY": "1000", "A": "1"}] * 2


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A made-up machine: files of /proc and /sys/fs/cgroup by their names."""
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "self")
    monkeypatch.setattr(memory, "_SYSTEM", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")

    def make(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path.joinpath(*name.split("__"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    make(meminfo="MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  8000 kB\n")
    return make


def test_what_the_machine_leaves(machine):
    assert memory.available() == 8_000 * 1024


def test_what_a_control_group_leaves(machine, tmp_path):
    machine(self__cgroup="0::/user/job\n")
    folder = tmp_path / "cgroup" / "user" / "job"
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text("max\n")
    (folder / "memory.current").write_text("900000\n")
    assert memory.available() == 8_000 * 1024
    (folder.parent / "memory.max").write_text("1000000\n")
    (folder.parent / "memory.current").write_text("900000\n")
    assert memory.available() == 100_000, "a group around it counts"
    (folder.parent / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert memory.available() == 150_000, "what the system could give back is free"


def test_what_a_control_group_of_version_1_leaves(machine, tmp_path):
    machine(self__cgroup="5:cpu,cpuacct:/x\n4:memory:/docker/of the host\n0::/\n")
    folder = tmp_path / "cgroup" / "memory"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("3000000\n")
    (folder / "memory.usage_in_bytes").write_text("1000000\n")
    (folder / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 7\n")
    assert memory.available() == 2_000_007


def test_a_limit_of_the_address_space(machine, monkeypatch):
    resource = pytest.importorskip("resource", reason="the limits of POSIX")
    machine(self__statm="100 7 7\n")
    pages = 200 * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (pages, resource.RLIM_INFINITY))
    assert memory.available() == pages // 2


def test_work_that_memory_does_not_suffice_for(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 3_000_000_000)
    memory.check(2_900_000_000, "it")
    with pytest.raises(ResourceError) as error:
        memory.check(201 << 30, "a fit to 3000 photographs", where="rbf", mend="Take fewer.")
    assert str(error.value) == (
        "rbf: a fit to 3000 photographs needs 216 GB of memory; "
        "expected up to the 3 GB that are free. Take fewer."
    )
    monkeypatch.setattr(memory, "available", lambda: 0)
    memory.check(1 << 50, "nobody knows how much is free")


# --- Numpy's own files


def test_npy_files_are_numpy_s_to_the_byte(tmp_path):
    picture = np.random.default_rng(0).random((150, 7, 3), np.float32)
    npy.write_npy(tmp_path / "a.npy", rows_of(picture), (150, 7))
    np.save(tmp_path / "b.npy", picture)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_scratch_is_asked_for_by_its_own_name_only():
    """One door: nobody else makes temporary files or maps of their own to write into."""
    words = ("tempfile.TemporaryFile", "open_memmap", 'mode="w+"', "ftruncate")
    root = Path(drti.__file__).parent
    found = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    ]
    assert found == ["io/scratch.py"]
