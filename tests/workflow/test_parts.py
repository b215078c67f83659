"""One picture, fitted by several workers: the same bytes, whoever does it."""

from __future__ import annotations

import json
import shutil
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
    from PIL import Image

    from drti_core.formats.lp import write_lp

    names = [f"{number}.png" for number in range(12)]
    for name, picture in zip(names, photographs(dome(12), 70, 90), strict=True):
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(tmp_path / name)
    write_lp(tmp_path / "dirs.lp", names, dome(12))
    return tmp_path / "dirs.lp"


class InTurn:
    """An executor that does each task in this process, knowing nothing but what it is told."""

    is_here = True

    def __init__(self, change: dict[str, object] | None = None) -> None:
        self.change = change or {}

    def run(self, tasks, work, environment=None):
        assert work == "drti_core.workflow.parts:write_part"
        parts._fitted.cache_clear()
        for number, task in reversed(list(enumerate(tasks))):
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


def test_a_part_that_fails_leaves_nothing(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = InTurn({"ranges": "others"})
    monkeypatch.setattr("drti_core.workflow.fit.executor", lambda jobs, cluster: broken)
    with pytest.raises(DrtiError, match=r"lp: this worker comes to other ranges of the planes"):
        fit_file(stack, tmp_path / "out" / "o.zarr", codec="hsh", jobs=2)
    assert list((tmp_path / "out").iterdir()) == []
