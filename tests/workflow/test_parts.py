"""One picture, fitted by several workers: the same bytes, whoever does it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drti_core import fit_file, open_model
from drti_core.arrays import Window
from drti_core.errors import DrtiError, OptionError
from drti_core.fitting import encoded_later
from drti_core.registry.catalogue import codec
from drti_core.testing import dome, make_stack
from drti_core.testing.compare import files_of
from drti_core.testing.stacks import photographs
from drti_core.workflow import parts

PIECES = {"chunk": 64, "shard": 64}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Photographs of 70 x 90 pixels: four shards."""
    return photographed(tmp_path, 70, 90)


def photographed(folder: Path, height: int, width: int) -> Path:
    """Photographs, and their light file."""
    from PIL import Image

    from drti_core.formats.lp import write_lp

    names = [f"{number}.png" for number in range(12)]
    for name, picture in zip(names, photographs(dome(12), height, width), strict=True):
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(folder / name)
    write_lp(folder / "dirs.lp", names, dome(12))
    return folder / "dirs.lp"


class InTurn:
    """An executor that does each task in this process, knowing nothing but what it is told."""

    is_here = True

    def __init__(self, change: dict[str, object] | None = None, most: int = 1000) -> None:
        self.change, self.most, self.parts = change or {}, most, []

    def run(self, tasks, work, environment=None):
        assert work == "drti_core.workflow.parts:write_part"
        parts._fitted.cache_clear()
        for number, task in reversed(list(enumerate(tasks))):
            if len(self.parts) == self.most:
                raise KeyboardInterrupt
            self.parts.append(task["part"])
            yield number, parts.write_part(json.loads(json.dumps(task)) | self.change)


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(stack: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        target = tmp_path / "out" / f"{jobs}.zarr"
        fit_file(stack, target, codec="hsh", writer_options=PIECES, jobs=jobs)
    assert files_of(tmp_path / "out/1.zarr") == files_of(tmp_path / "out/2.zarr")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"1.zarr", "2.zarr"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        "rbf:planes=9",
        pytest.param(
            "neural:steps=20,width=8,encoder=16,threads=1",
            marks=pytest.mark.train,
        ),
    ],
)
def test_a_fit_of_parts_is_that_of_the_whole(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    """Options, crop and mask too; a network is trained once, and taken up from its checkpoint."""
    from PIL import Image

    inside = np.hypot(*np.mgrid[-30:31, -40:41]) < 35
    Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    how = {"codec": spec, "crop": Window(2, 3, 61, 81), "mask": tmp_path / "mask.png"}
    how |= {"writer_options": PIECES, "pixel_size_mm": 0.25}
    fit_file(stack, tmp_path / "out" / "1.zarr", **how)
    monkeypatch.setattr("drti_core.workflow.fit.executor", lambda jobs, cluster: InTurn())
    fit_file(stack, tmp_path / "out" / "2.zarr", **how)
    assert files_of(tmp_path / "out/1.zarr") == files_of(tmp_path / "out/2.zarr")
    fit_file(stack, tmp_path / "web", **{**how, "writer": "folder:image=png", "writer_options": {}})
    whole, back = open_model(tmp_path / "web"), open_model(tmp_path / "out" / "2.zarr")
    assert whole.planes is not None
    assert back.planes is not None
    assert np.array_equal(whole.planes.codes, back.planes.codes)


@pytest.mark.parametrize("name", ["ptm", "hsh", "lhsh", "sh", "rbf", "bilinear"])
def test_planes_that_are_made_when_they_are_read_are_the_same(name: str) -> None:
    stack = make_stack()
    now = codec(name).fit(stack)
    with encoded_later():
        later = codec(name).fit(stack)
    assert now.planes is not None
    assert later.planes is not None
    assert not isinstance(later.planes.codes, np.ndarray)
    assert np.array_equal(now.planes.codes, later.planes.codes)
    assert np.array_equal(now.planes.codes[:, 3:9, 2:], later.planes.codes[:, 3:9, 2:])
    assert now.planes.scale.tolist() == later.planes.scale.tolist()


def _task(stack: Path, **changes: object) -> dict[str, object]:
    fitting = {"source": str(stack), "opening": {}, "codec": "hsh", "options": {}}
    task = {"source": str(stack), "fitting": fitting, "folder": "", "writer": "zarr"}
    return {
        **task,
        "writer_options": {},
        "ranges": "",
        "encodes": True,
        "part": [0, 0, 0],
    } | changes


def test_a_worker_that_comes_to_another_model_writes_nothing(stack: Path, tmp_path: Path) -> None:
    parts._fitted.cache_clear()
    answer = parts.write_part(_task(stack, folder=str(tmp_path / "none")))
    assert answer == {
        "status": "failed",
        "reason": f"{stack}: this worker comes to other ranges of the planes; expected the same "
        "photographs, and the same version of drti, everywhere",
    }
    assert not (tmp_path / "none").exists()


def test_a_worker_answers_every_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone.lp"
    answer = parts.write_part(_task(gone))
    assert answer["status"] == "failed"
    assert str(gone) in answer["reason"]


def test_what_workers_cannot_open_by_name_is_refused(stack: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        fit_file(stack, tmp_path / "o.zarr", mask=np.ones((70, 90), bool), jobs=2)
    assert str(caught.value) == (
        f"{stack}: a mask in memory; expected photographs that each worker can open by name. "
        "Save it as a picture."
    )
    archive = shutil.make_archive(str(tmp_path / "stack"), "zip", stack.parent)
    with pytest.raises(OptionError) as caught:
        fit_file(archive, tmp_path / "o.zarr", jobs=2)
    assert str(caught.value) == (
        f"{archive}: photographs elsewhere; expected files of this machine, which each worker can "
        "open. Fetch them first."
    )
    with pytest.raises(OptionError, match=r"2 jobs for one output; expected one process, or a"):
        fit_file(stack, tmp_path / "o.rti", codec="hsh", jobs=2)


def _broken(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_fit_that_was_broken_off_goes_on(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is not done again, what was begun with other options or photographs is."""
    target, kept = tmp_path / "out" / "o.zarr", tmp_path / "out" / "o.zarr.parts"

    def parts_made(most: int = 1000, codec: str = "hsh") -> list[list[int]]:
        workers = InTurn(most=most)
        monkeypatch.setattr("drti_core.workflow.fit.executor", lambda jobs, cluster: workers)
        if most < 1000:
            with pytest.raises(KeyboardInterrupt):
                fit_file(stack, target, codec=codec, writer_options=PIECES, jobs=2)
            assert [file.name for file in target.parent.iterdir()] == [kept.name]
            assert kept.is_dir()
        else:
            report = fit_file(
                stack, target, codec=codec, writer_options=PIECES, jobs=2, overwrite=True
            )
            told.append(report.notes)
            assert [file.name for file in target.parent.iterdir()] == [target.name]
        return workers.parts

    told: list[tuple[str, ...]] = []
    begun = parts_made(3)
    (kept / ".output/0/planes/c/0/0/0").write_bytes(b"half of a part without a line")
    with (kept / "done").open("ab") as journal:
        journal.write(b"[0, 0,")
    again = parts_made()
    whole = files_of(target)
    assert (len(begun), len(again)) == (3, len(whole_parts := begun + again) - 3)
    assert len(set(map(tuple, whole_parts))) == len(whole_parts)
    assert "3 parts are from a run that was broken off" in told[-1]
    shutil.rmtree(target)
    assert len(parts_made()) == len(whole_parts)
    assert files_of(target) == whole
    assert told[-1] == told[0][:-1]
    shutil.rmtree(target)
    with monkeypatch.context() as patch:  # killed when all is there but the last file
        patch.setattr("drti_core.formats.zarr.writer.ZarrWriter.finish", _broken)
        assert len(parts_made(len(whole_parts))) == len(whole_parts)
    assert parts_made() == []
    assert files_of(target) == whole
    for spec, changed in (("hsh:terms=4", None), ("hsh", stack.parent / "3.png")):
        shutil.rmtree(target)
        parts_made(3)
        if changed is not None:
            os.utime(changed, (1, 1))
        assert len(parts_made(codec=spec)) == len(whole_parts)
    assert files_of(target) == whole


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_giant_whose_processes_were_killed_goes_on(tmp_path: Path) -> None:
    stack = photographed(tmp_path, 320, 384)
    target, whole = tmp_path / "out" / "o.zarr", tmp_path / "whole.zarr"
    fit = [sys.executable, "-m", "drti_core", "fit", str(stack), "--to", "zarr:chunk=64,shard=64"]
    done = target.parent / "o.zarr.parts" / "done"
    process = subprocess.Popen(
        [*fit, "-o", str(target), "--jobs", "2"], stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not (done.exists() and done.read_bytes().count(b"]") >= 2):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not target.exists()
    told = subprocess.run(
        [*fit, "-o", str(target), "--jobs", "2"], capture_output=True, text=True, check=True
    )
    assert "parts are from a run that was broken off" in told.stdout
    fit_file(stack, whole, writer_options=PIECES)
    assert files_of(target) == files_of(whole)
    assert [file.name for file in target.parent.iterdir()] == [target.name]


def test_a_part_that_fails_leaves_nothing(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = InTurn({"ranges": "others"})
    monkeypatch.setattr("drti_core.workflow.fit.executor", lambda jobs, cluster: broken)
    with pytest.raises(DrtiError, match=r"lp: this worker comes to other ranges of the planes"):
        fit_file(stack, tmp_path / "out" / "o.zarr", codec="hsh", jobs=2)
    assert list((tmp_path / "out").iterdir()) == []
