"""The training engine: optimisers, the loop, and what a broken-off run leaves behind."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.train import only_where_training_can

only_where_training_can()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from drti_core.cli import main  # noqa: E402
from drti_core.cli.console import Stages  # noqa: E402
from drti_core.codecs.hyper import HYPER8  # noqa: E402
from drti_core.errors import (  # noqa: E402
    FileError,
    FitError,
    FormatError,
    OptionError,
    OutputExistsError,
)
from drti_core.io.outputs import system  # noqa: E402
from drti_core.measure.tour import write_stack  # noqa: E402
from drti_core.model.network_model import NetworkModel  # noqa: E402
from drti_core.registry.doors import open_model, save_model  # noqa: E402
from drti_core.stack.samples.demo import make_stack  # noqa: E402
from drti_core.training import checkpoint  # noqa: E402
from drti_core.training.log import Session  # noqa: E402
from drti_core.training.loop import Look, Loop, Outcome, Schedule  # noqa: E402
from drti_core.training.network import few_threads  # noqa: E402
from drti_core.training.optimisers import Adam, Soap  # noqa: E402
from drti_core.training.task import Task  # noqa: E402

pytestmark = pytest.mark.train


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Bowl(Task):
    """A quadratic with axes of very different curvature; some steps can be made to fail."""

    def __init__(self, fails: frozenset[int] = frozenset()) -> None:
        self.parameters = [numbers(6, 4)]
        self.curvature = torch.logspace(-2, 1, 6)[:, None]
        self.turn = torch.linalg.qr(numbers(4, 4, seed=2))[0]
        self.fails, self.asked = set(fails), 0

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        self.asked += 1
        turned = self.parameters[0] @ self.turn
        loss = float((self.curvature * turned.square()).sum())
        if step in self.fails:
            self.fails.discard(step)
            loss = float("nan")
        return loss, [2 * (self.curvature * turned) @ self.turn.T]

    def score(self) -> float:
        return -self.gradient(-1)[0]


class Hidden(Bowl):
    """Once a parameter is no number, which its loss does not show."""

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        if step in self.fails:
            self.fails.discard(step)
            self.parameters[0][0, 0] = float("nan")
        loss, gradients = super().gradient(step)
        return float(np.nan_to_num(loss)), [torch.nan_to_num(each) for each in gradients]


def test_a_training_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "drti_core"):
        outcome = Loop(Bowl(), Schedule(100, 0.05), Adam(1)).run()
    begins, *looks, ends = (record.getMessage() for record in caplog.records)
    assert begins == "train: begins"
    assert re.fullmatch(r"train: done after [0-9.]+ s", ends)
    assert looks == [f"step {look.step} of 100: {look.score:.2f} dB" for look in outcome.looks]
    assert len(looks) > 10


def test_a_parameter_that_is_no_number_is_not_trained_on() -> None:
    task = Hidden(frozenset({230}))
    outcome = Loop(task, Schedule(400, 0.05), Adam(1)).run()
    assert outcome.notes == [
        "a parameter was not finite at step 232: continued from step 224 at 0.3 of the rate"
    ]
    assert task.parameters[0].isfinite().all()


def test_a_basis_that_single_precision_does_not_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """LAPACK gives NaN for the moments of some small gradients of low rank."""
    eigh = torch.linalg.eigh

    def failing(moment: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, vectors = eigh(moment)
        return values, vectors * float("nan") if moment.dtype == torch.float32 else vectors

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    parameter, gradient = torch.zeros(8, 40), numbers(8, 40)
    soap = Soap(1)
    for _ in range(3):
        soap.step([parameter], [gradient], 0.01)
    assert parameter.isfinite().all()
    for side, size in (("left", 8), ("right", 40)):
        basis = soap.states[0][f"{side}_basis"]
        assert torch.allclose(basis.T @ basis, torch.eye(size), atol=1e-5)


@pytest.mark.parametrize("kind", [Adam, Soap])
def test_optimisers_descend(kind: type[Adam] | type[Soap]) -> None:
    task = Bowl()
    start = -task.score()
    Loop(task, Schedule(400, 0.05), kind(1)).run()
    assert -task.score() < 0.01 * start


@pytest.mark.slow
def test_a_loss_that_is_no_number() -> None:
    task = Bowl(frozenset({230}))
    outcome = Loop(task, Schedule(400, 0.05), Soap(1)).run()
    assert outcome.notes == [
        "the loss was nan at step 230: continued from step 224 at 0.3 of the rate"
    ]
    assert -task.score() < 0.05


def test_divergence_ends() -> None:
    class Broken(Bowl):
        def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
            return float("inf"), super().gradient(step)[1]

    with pytest.raises(FitError) as error:
        Loop(Broken(), Schedule(100), Soap(1)).run()
    assert str(error.value) == (
        "training diverged 5 times, the last time at step 0; expected a finite loss. "
        "Check the photographs, or lower the learning rate."
    )


class Held(Bowl):
    """One that is held back to where it last settled."""

    def settle(self) -> None:
        self.place = self.parameters[0].clone()

    def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
        loss, (slope,) = super().gradient(step)
        return loss, [slope + self.parameters[0] - self.place]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Bowl, Held])
@pytest.mark.parametrize("stop", [1, 57, 199])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path, stop: int, kind: type[Bowl]) -> None:
    whole = kind()
    Loop(whole, Schedule(200, 0.05), Soap(1), kept=tmp_path / "a").run()

    class Interrupted(kind):  # type: ignore[misc, valid-type]
        def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
            if step == stop:
                raise KeyboardInterrupt
            return super().gradient(step)

    path = tmp_path / "b"
    with pytest.raises(KeyboardInterrupt):
        Loop(Interrupted(), Schedule(200, 0.05), Soap(1), kept=path).run()
    resumed = kind()
    outcome = Loop(resumed, Schedule(200, 0.05), Soap(1), kept=path, resume=True).run()
    assert torch.equal(whole.parameters[0], resumed.parameters[0])
    assert [look.step for look in outcome.looks] == list(range(4, 201, 4))
    again = kind()
    Loop(again, Schedule(200, 0.05), Soap(1), kept=path, resume=True).run()
    assert again.asked == 0
    assert torch.equal(again.parameters[0], whole.parameters[0])


def test_checkpoints_of_another_run(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Loop(Bowl(), Schedule(60), Soap(1), kept=path).run()
    with pytest.raises(FitError) as error:
        Loop(Bowl(), Schedule(70), Soap(1), kept=path, resume=True)
    assert str(error.value) == (
        f"{path}: the checkpoint is of another run (60 steps); expected 70 steps. "
        "Resume with the same options, or remove it."
    )
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError) as damaged:
        Loop(Bowl(), Schedule(60), Soap(1), kept=path, resume=True)
    assert str(damaged.value).startswith(f"{path}: damaged (")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "network.safetensors"
    Loop(Bowl(), Schedule(60), Soap(1), kept=path).run()
    return path


def edited(
    written: Path, path: Path, tensors: dict[str, torch.Tensor | None], **numbers: object
) -> Path:
    """A checkpoint with other tensors (None: without) and other numbers."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(written, framework="pt") as file:
        told = json.loads(file.metadata()["loop"]) | numbers
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = {n: v for n, v in (state | tensors).items() if v is not None}
    save_file(state, path, metadata={"loop": json.dumps(told)})
    return path


OTHER = "Resume with the same options, or remove it."
HOSTILE: dict[str, tuple[dict[str, torch.Tensor | None], dict[str, object], str]] = {
    "another shape": (
        {"0.value": torch.zeros(6, 5)},
        {},
        ": 0.value: a tensor (6, 5); expected finite numbers torch.float32 of shape (6, 4). "
        f"{OTHER}",
    ),
    "another type": (
        {"0.left": torch.zeros(6, 6, dtype=torch.float64)},
        {},
        ": 0.left: a tensor torch.float64; expected finite numbers torch.float32 of shape (6, 6). "
        f"{OTHER}",
    ),
    "no number": (
        {"best.0": torch.full((6, 4), float("nan"))},
        {},
        ": best.0: a number that is not finite; expected finite numbers torch.float32 of shape "
        f"(6, 4). {OTHER}",
    ),
    "a tensor too many": (
        {"1.value": torch.zeros(6, 4)},
        {},
        f": tensors too many or too few: 1.value; expected those of this training. {OTHER}",
    ),
    "a tensor too few": (
        {"0.square": None},
        {},
        f": tensors too many or too few: 0.square; expected those of this training. {OTHER}",
    ),
    "several steps": (
        {"step": torch.tensor([1, 2])},
        {},
        f": step: a tensor (2,); expected finite numbers torch.int64 of shape (). {OTHER}",
    ),
    "steps before the first": (
        {"step": torch.tensor(-3), "taken": torch.tensor(-3)},
        {},
        ": -3 steps, of which the optimiser took -3; expected 1 to 60, all of them. Remove it to "
        "start anew.",
    ),
    "steps that were not taken": (
        {"taken": torch.tensor(0)},
        {},
        ": 60 steps, of which the optimiser took 0; expected 1 to 60, all of them. Remove it to "
        "start anew.",
    ),
    "a negative rate": ({}, {"slowed": -1}, ": $.slowed: -1; expected a number above 0, up to 1"),
    "a text": ({}, {"mean_loss": "x"}, ': $.mean_loss: "x"; expected a finite number'),
    "more time than there is": (
        {},
        {"seconds": float("inf")},
        ": $.seconds: Infinity; expected a finite number of 0 or more",
    ),
    "a look without numbers": (
        {},
        {"looks": [{"step": 1}]},
        ": $.looks[0].share: is missing; expected a value",
    ),
    "looks that are none": ({}, {"looks": 7}, ": $.looks: 7; expected an array"),
    "notes that are none": ({}, {"notes": [[]]}, ": $.notes[0]: []; expected a string"),
    "no steps": ({}, {"steps": None}, f": $.steps: null; expected an integer in 1..{1 << 62}"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_in_a_checkpoint_is_believed(what: str, written: Path, tmp_path: Path) -> None:
    tensors, numbers, message = HOSTILE[what]
    path = edited(written, tmp_path / "network.safetensors", tensors, **numbers)
    with pytest.raises(FormatError) as error:
        Loop(Bowl(), Schedule(60), Soap(1), kept=path, resume=True)
    assert str(error.value) == f"{path}{message}"


def test_deep_json_in_a_checkpoint_is_damage(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "network.safetensors"
    save_file({"step": torch.tensor(1)}, path, metadata={"loop": "[" * 100_000})
    with pytest.raises(FormatError, match="damaged"):
        Loop(Bowl(), Schedule(60), Soap(1), kept=path, resume=True)


def test_a_checkpoint_is_a_regular_file(written: Path, tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.safetensors", tmp_path / "link.safetensors"
    os.mkfifo(pipe)
    link.symlink_to(written)
    for path, problem in ((pipe, "is a named pipe"), (link, "is a link")):
        with pytest.raises(FileError) as error:
            Loop(Bowl(), Schedule(60), Soap(1), kept=path, resume=True)
        assert str(error.value) == f"{path}: {problem}; expected a regular file"


def test_what_is_no_checkpoint_is_neither_removed_nor_replaced(
    written: Path, tmp_path: Path
) -> None:
    """Weights of others may lie in the folder of a log, and under the name of a stage."""
    from safetensors.torch import save_file

    weights, own = tmp_path / "weights.safetensors", tmp_path / "network.safetensors"
    save_file({"x": torch.zeros(3)}, weights)
    own.write_bytes(written.read_bytes())
    Session(tmp_path).close()
    assert weights.exists()
    assert not own.exists()
    before = weights.read_bytes()
    with pytest.raises(FileError) as error:
        Loop(Bowl(), Schedule(60), Soap(1), kept=weights)
    assert str(error.value) == (
        f"{weights}: is no checkpoint of drti's; expected a folder for checkpoints. Choose another "
        "folder, or move the file away."
    )
    assert weights.read_bytes() == before


def test_a_checkpoint_stays_the_file_that_was_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a killed run left of it would not be known again."""

    class Watching(system.System):
        made = 0

        def make_file(self, folder: system.Folder, name: str) -> None:
            super().make_file(folder, name)
            found = self.state(folder, name)
            assert found is not None
            Watching.made = found.st_ino

        def sync(self, folder: system.Folder, name: str) -> None:
            found = self.state(folder, name)
            assert found is not None
            assert found.st_ino == self.made

    monkeypatch.setattr(system, "os_", Watching())
    checkpoint.write(tmp_path / "a", {"b": numbers(2)}, {"step": 1})
    assert Watching.made == (tmp_path / "a").stat().st_ino


def test_patience_and_the_best() -> None:
    class Worse(Bowl):
        """Its score falls after the tenth look."""

        looks = 0

        def score(self) -> float:
            self.looks += 1
            self.at = getattr(self, "at", [])
            self.at.append(self.parameters[0].clone())
            return -abs(self.looks - 10)

    task = Worse()
    outcome = Loop(task, Schedule(500, patience=6), Soap(1)).run()
    assert outcome.notes == [
        "stopped after 160 of 500 steps: the left-out lights were predicted best (0.00 dB) 6 "
        "looks before"
    ]
    assert torch.equal(task.parameters[0], task.at[9])


@pytest.mark.slow
def test_max_seconds() -> None:
    outcome = Loop(Bowl(), Schedule(10_000_000, max_seconds=0.3), Soap(1)).run()
    (note,) = outcome.notes
    assert note.endswith("of 10000000 steps: max_seconds")


def test_preparation_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(100, max_seconds=8)
    for seconds, left in ((0, 8), (3, 5), (4, 4), (7, 4), (9, 4)):
        monkeypatch.setattr("time.monotonic", lambda seconds=seconds: 100.0 + seconds)
        assert schedule.since(100.0) == Schedule(100, max_seconds=left)
    assert Schedule(100).since(0.0) == Schedule(100)


@pytest.mark.slow
def test_notes_of_a_training_stay_with_the_model(tmp_path: Path) -> None:
    codec = dataclasses.replace(
        HYPER8, steps=1_000_000, max_seconds=0.05, threads=1, teacher="none"
    )
    model = codec.fit(make_stack((24, 32), lights=20))
    (note,) = model.metadata.notes
    assert note.endswith("of 1000000 steps: max_seconds")
    save_model(model, tmp_path / "a")
    found = open_model(tmp_path / "a")
    assert isinstance(found, NetworkModel)
    assert found.training is not None
    assert found.training["notes"] == [note]


def test_schedule() -> None:
    schedule = Schedule(100, 0.02, warm_up=0.1)
    rates = [schedule.rate_at(share / 100) for share in range(101)]
    assert rates[0] < 1e-4
    assert rates[10] == pytest.approx(0.02)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert max(rates) == rates[10]


@pytest.mark.slow
def test_log_and_checkpoints(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    codec = dataclasses.replace(HYPER8, steps=100, threads=1, log=log, teacher="none")
    codec.fit(make_stack((24, 32), lights=20))
    names = sorted(path.name for path in (tmp_path / "log").iterdir())
    assert names[1:] == ["network.best.json", "network.png", "network.safetensors"]
    assert names[0].startswith("events.out.tfevents")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "log"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"network/loss", "network/psnr", "network/rate"}
    assert events.Tags()["images"] == ["network/relit"]
    from PIL import Image

    with Image.open(tmp_path / "log" / "network.png") as curve:
        assert curve.size == (900, 420)


def test_without_matplotlib_there_is_no_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard", reason="the extra train is not installed")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    session = Session(tmp_path, log=True)
    session.finish("network", Outcome(LOOKS))
    session.close()
    assert json.loads((tmp_path / "network.best.json").read_text())["psnr"] == 29
    assert not (tmp_path / "network.png").exists()
    assert caplog.messages == [
        f"no loss curve in {tmp_path}: it needs the 'plot' extra (pip install 'drti[plot]')"
    ]


LOOKS = [Look(step, step / 9, 0.1, 20.0 + step, 30.0, 0.01, 1.0) for step in (0, 9)]


@pytest.mark.parametrize("name", ["network.png", "network.best.json"])
def test_a_log_replaces_its_own_files_only(tmp_path: Path, name: str) -> None:
    """B5: a picture of the user's was replaced by the loss curve, at the end of the training."""
    pytest.importorskip("tensorboard", reason="the extra train is not installed")
    session, best = Session(tmp_path, log=True), tmp_path / "network.best.json"
    session.finish("network", Outcome(LOOKS[:1]))
    session.checkpoint("network")
    session.finish("network", Outcome(LOOKS))
    assert json.loads(best.read_text())["psnr"] == 29
    (tmp_path / name).write_text('{"step": 3, "psnr": 20, "notes": []}')
    said = (
        f"{tmp_path / name}: exists already. Choose another name, or ask for it to be overwritten."
    )
    with pytest.raises(OutputExistsError) as caught:
        session.checkpoint("network")  # before the training
    assert str(caught.value) == said
    with pytest.raises(OutputExistsError) as caught:
        session.finish("network", Outcome(LOOKS))  # it came while that went on
    assert str(caught.value) == said
    assert (tmp_path / name).read_text() == '{"step": 3, "psnr": 20, "notes": []}'
    session.close()


def test_a_teachers_folder_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "teacher0").symlink_to(tmp_path)
    session = Session(tmp_path / "log")
    assert session.inside("teacher1") == tmp_path / "log" / "teacher1"
    with pytest.raises(OptionError) as caught:
        session.inside("teacher0")
    assert str(caught.value) == (
        f"{tmp_path / 'log' / 'teacher0'}: is a link; expected a folder. Remove it, or work in "
        "another folder."
    )


def test_a_link_is_no_curve(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra train is not installed")
    session = Session(tmp_path, log=True)
    session.finish("network", Outcome(LOOKS))
    (tmp_path / "network.png").rename(tmp_path / "elsewhere.png")
    (tmp_path / "network.png").symlink_to("elsewhere.png")
    with pytest.raises(OutputExistsError):
        session.checkpoint("network")
    session.close()


def test_sessions_start_anew_unless_resumed(written: Path, tmp_path: Path) -> None:
    old, another = tmp_path / "network.safetensors", tmp_path / "student.safetensors"
    old.write_bytes(written.read_bytes())
    save_file({"a": torch.zeros(1)}, another)  # weights of another make
    Session(tmp_path, resume=True).close()
    assert old.exists()
    session = Session(tmp_path)
    assert not old.exists()
    assert another.exists()
    with pytest.raises(OutputExistsError) as caught:
        session.checkpoint("student")
    assert str(caught.value) == (
        f"{another}: exists already. Choose another name, or ask for it to be overwritten."
    )
    session.close()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with few_threads():
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()


@pytest.mark.slow
def test_fit_says_how_long_each_stage_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(make_stack((24, 20), 8), tmp_path / "stack")
    command = ["fit", str(tmp_path / "stack"), "-o", str(tmp_path / "m"), "--codec", "hyper8"]
    assert main([*command, "-O", "steps=20", "-O", "threads=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"decoding the photographs \d+\.\d s, looking at the photographs \d+\.\d s, "
        r"(predicting .+ \d+\.\d s, )?training \d+\.\d s, encoding \d+\.\d s",
        lines[1],
    )


def test_stages_end_where_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 6.5, 7.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    told: list[tuple[float, str]] = []
    stages = Stages(lambda share, what: told.append((share, what)))
    for share, what in ((0.2, "training, 20 dB"), (0.5, "training, 21 dB"), (0.9, "encoding")):
        stages(share, what)
    assert stages.text() == "training 3.0 s, encoding 3.5 s"
    assert told[1] == (0.5, "training, 21 dB")
