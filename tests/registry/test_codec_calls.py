"""What holds for every fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drti_core as drti
from drti_core.codecs.ptm import PtmCodec, PtmModel
from drti_core.progress import Progress, no_progress
from drti_core.registry import catalogue

SIZE = (24, 32)


def named(model: drti.RelightableModel, report: drti.FitReport) -> drti.RelightableModel:
    return model.with_metadata(notes=(report.codec.codec_id,))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register hooks for one test."""
    known = catalogue.registry()
    hooks = known.hooks

    def register(name: str, function: Any) -> None:
        mine = ("mine", lambda **given: [function(**given)])
        monkeypatch.setattr(
            type(known), "hooks", lambda self, asked: [mine] if asked == name else hooks(asked)
        )

    return register


def test_model_and_report() -> None:
    stack = drti.demo_stack(SIZE, 12)
    model, report = drti.fit(stack, "hsh:terms=4", {"bits": 16}, notes=("first",))
    assert model.config()["terms"] == 4
    assert model.planes.code_max == 65535
    assert report.stack is stack
    assert report.codec == drti.get_codec("hsh:terms=4,bits=16")
    assert report.output is None
    assert report.seconds > 0
    assert report.notes == ("first", *model.metadata.notes)
    said = model.metadata.provenance
    assert said["codec"]["id"] == "hsh"
    assert said["photographs"] == list(stack.names)
    own = drti.get_codec("hsh:terms=4,bits=16").fit(stack)
    assert np.array_equal(own.planes.codes, model.planes.codes)


def test_hooks_change_stack_and_model(registered: Any) -> None:
    stack = drti.demo_stack(SIZE, 12)
    registered("before_fit", lambda stack, codec: stack.select(range(7)))
    model, report = drti.fit(stack, "ptm")
    assert len(report.stack) == 7
    assert len(model.metadata.lights) == 7
    registered(
        "after_fit", lambda model, report: model.with_metadata(notes=(report.codec.codec_id,))
    )
    model, report = drti.fit(stack, "ptm", output=Path("x.ptm"))
    assert model.metadata.notes == report.notes == ("ptm",)
    assert report.output == Path("x.ptm")


@dataclass(frozen=True)
class Trained(PtmCodec):
    """Keeps a checkpoint, and fits only what it may."""

    codec_id = "ptm"
    trains = True
    steps: int = 100
    checkpoints: str | None = None

    def keeping(self, folder: Path, *, resume: bool = False) -> Trained:
        return self if self.checkpoints else replace(self, checkpoints=str(folder))

    def trial(self) -> Trained:
        return replace(self, steps=1, checkpoints=None)

    def fit(self, stack: drti.Stack, progress: Progress = no_progress) -> PtmModel:
        progress(0.0, "training")
        assert self.steps == 1 or stack.shape == SIZE
        if self.checkpoints:
            Path(self.checkpoints).mkdir()
        return super().fit(stack, progress)


def test_what_a_codec_declares_decides(tmp_path: Path, demo_folder: Path) -> None:
    """A file is tried with the codec's trial; checkpoints lie beside it until it is saved."""
    seen: list[tuple[float, str]] = []
    out, mine = tmp_path / "a.ptm", tmp_path / "mine"
    drti.fit_file(demo_folder, out, codec=Trained(), progress=lambda *told: seen.append(told))
    # After the look for bad photographs, and decoding.
    assert any(what == "training" and 0.3 < share < 0.4 for share, what in seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ptm"]
    drti.fit_file(demo_folder, out, codec=Trained(checkpoints=str(mine)), overwrite=True)
    assert mine.is_dir()
    assert not (tmp_path / "a.ptm.training").exists()


@pytest.fixture
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from drti_core.measure.tour import write_stack

    folder = tmp_path_factory.mktemp("demo") / "stack"
    write_stack(drti.demo_stack(SIZE, 12), folder)
    return folder


@pytest.mark.parametrize(
    ("codec", "count", "found"),
    [
        ("ptm", 18, "ptm"),
        ("lptm", 9, "lptm"),
        ("hsh", 48, "hsh16"),
        ("lhsh", 7, "lhsh:terms=4"),
        ("sh", 12, "sh:terms=4"),
        ("rbf", 21, "rbf:planes=21"),
        ("neural", 6, "neural:latents=6"),
    ],
)
def test_codecs_with_so_many_planes(codec: str, count: int, found: str) -> None:
    assert drti.get_codec(codec).with_planes(count) == drti.get_codec(found)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        ("hsh", "5 planes of hsh; expected 12 or 27 or 48"),
        ("lptm", "5 planes of ptm; expected 9"),
        ("siren", "5 planes of siren; expected no number: it has no such option"),
    ],
)
def test_numbers_of_planes_that_cannot_be(codec: str, message: str) -> None:
    with pytest.raises(drti.OptionError) as caught:
        drti.get_codec(codec).with_planes(5)
    assert str(caught.value) == message


def test_teachers_and_trials_are_declared() -> None:
    assert drti.get_codec("ptm").learns_from() == ()
    teachers = drti.get_codec("disk20:preset=fast").learns_from()
    assert [teacher.codec_id for teacher in teachers] == ["hyper", "hyper"]
    trial = drti.get_codec("disk20:max_seconds=9,log=x,resume=true").trial()
    assert (trial.steps, trial.taught_by, trial.max_seconds) == (1, None, None)
    assert (trial.log, trial.checkpoints, trial.resume) == (None, None, False)
    kept = drti.get_codec("siren").keeping(Path("here"), resume=True)
    assert (kept.checkpoints, kept.resume) == ("here", True)
    told = drti.get_codec("siren:log=there")
    assert told.keeping(Path("here")) is told
    assert drti.get_codec("hsh").keeping(Path("here")) is drti.get_codec("hsh")
