"""The training engine: kernel, gradients, loop, and what a broken-off run leaves behind."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")
pytest.importorskip("llvmlite", reason="the extra train is not installed")

from drti_core.bases import Basis  # noqa: E402
from drti_core.cli import main  # noqa: E402
from drti_core.cli.console import Stages  # noqa: E402
from drti_core.codecs.disk import DISK10  # noqa: E402
from drti_core.codecs.hyper import HYPER8  # noqa: E402
from drti_core.decoder import Decoder, evaluate  # noqa: E402
from drti_core.demo import make_stack, write_stack  # noqa: E402
from drti_core.errors import FitError, FormatError, OptionError  # noqa: E402
from drti_core.kriging import Kriging  # noqa: E402
from drti_core.lights import LightDirections  # noqa: E402
from drti_core.network_model import NetworkModel  # noqa: E402
from drti_core.neural import LatentCodec  # noqa: E402
from drti_core.registry import codec, open_model, save_model  # noqa: E402
from drti_core.runtime.kernel_ir import BLOCK, Shape  # noqa: E402
from drti_core.training import chain as chains  # noqa: E402
from drti_core.training.balance import Balance  # noqa: E402
from drti_core.training.blind import BlindSpots, deal, left_out  # noqa: E402
from drti_core.training.chain import Chain, LightTerms, Plan  # noqa: E402
from drti_core.training.encoder import Encoder, Projection  # noqa: E402
from drti_core.training.field import Field, FieldTask  # noqa: E402
from drti_core.training.kernel import kernel  # noqa: E402
from drti_core.training.loop import Loop, Outcome, Schedule  # noqa: E402
from drti_core.training.network import few_threads  # noqa: E402
from drti_core.training.optimisers import Adam, Soap  # noqa: E402
from drti_core.training.sample import Sample  # noqa: E402
from drti_core.training.session import Session  # noqa: E402
from drti_core.training.task import DecoderTask, Mix, Task  # noqa: E402
from drti_core.training.teachers import novel_lights, taught, with_kriging  # noqa: E402

LIGHTS = LightDirections.spread(12, 0.2)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize(
    "widths", [(9, 20, 20, 3), (9, 12, 12, 3), (5, 7, 3), (4, 3), (6, 10, 9, 5, 3), (1, 1, 3)]
)
def test_kernel_is_the_chain_in_torch(widths: tuple[int, ...]) -> None:
    shape = Shape(widths)
    count, pixels = 5, 2 * BLOCK
    latents, packed = numbers(widths[0], pixels), 0.3 * numbers(count, shape.size)
    targets, scale = numbers(count, 3, pixels), numbers(count).abs()
    made = kernel(shape)
    found = made.step(latents.numpy(), packed.numpy(), targets.numpy(), scale.numpy())
    loss, slope, change = chains._step(shape, latents, packed, targets, scale)
    assert found[0].sum() == pytest.approx(loss, rel=1e-5)
    for ours, theirs in ((found[1], slope), (found[2], change)):
        assert np.abs(ours - theirs.numpy()).max() < 1e-5 * theirs.abs().max()
    rgb = chains._forward(shape, latents, packed)[-1].numpy()
    predicted = made.predict(latents.numpy(), packed.numpy())
    assert np.abs(predicted - rgb).max() < 1e-5 * np.abs(rgb).max()


def test_kernel_takes_large_values() -> None:
    """exp does not overflow, and far below 0 ELU is -1."""
    shape = Shape((1, 1, 3))
    packed = np.array([[1, 0, 1, 0, 0, 0, 0, 0]], np.float32)
    latents = np.linspace(-1e4, 1e4, BLOCK, dtype=np.float32)[None]
    rgb = kernel(shape).predict(latents, packed)
    wanted = np.where(latents[0] > 0, latents[0], np.expm1(np.minimum(latents[0], 0)))
    assert np.abs(rgb[0, 0] - wanted).max() < 1e-2


def test_kernel_sums_alike_on_any_number_of_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    shape = Shape((9, 12, 12, 3))
    arguments = [
        numbers(9, BLOCK).numpy(),
        numbers(7, shape.size).numpy(),
        numbers(7, 3, BLOCK).numpy(),
        np.ones(7, np.float32),
    ]
    alone = kernel(shape).step(*arguments)
    with ThreadPoolExecutor(3) as pool:
        together = kernel(shape).step(*arguments, pool)
    for one, other in zip(alone, together, strict=True):
        assert one.tobytes() == other.tobytes()


def test_kernel_refuses_what_does_not_fit() -> None:
    made = kernel(Shape((9, 12, 12, 3)))
    with pytest.raises(OptionError) as error:
        made.predict(np.zeros((9, 100), np.float32), np.zeros((1, 315), np.float32))
    assert str(error.value) == "100 pixels; expected a multiple of 128"
    with pytest.raises(OptionError) as error:
        made.predict(np.zeros((9, 128)), np.zeros((1, 315), np.float32))
    assert str(error.value) == (
        "latents: float64 of shape (9, 128); expected contiguous float32 of shape (9, 128)"
    )


def plan(weights: str = "affine", biases: str = "affine") -> Plan:
    terms = {
        "affine": LightTerms(Basis("affine", 4)),
        "hsh": LightTerms(Basis("hsh", 9)),
        "constant": LightTerms(),
        "network": LightTerms(Basis("affine", 4), units=5),
    }
    return Plan(4, (6, 5), (terms[weights],) * 3, (terms[biases],) * 3)


@pytest.mark.parametrize(
    "made",
    [
        plan(),
        plan("constant"),
        plan("hsh", "hsh"),
        plan("network", "network"),
        plan("affine", "network"),
        Plan.plain(4, (6, 5)),
    ],
)
def test_chain_gradient(made: Plan) -> None:
    """Against autograd, through the packed parameters to the matrices."""
    chain = Chain(made, LIGHTS)
    chain.initialise(0, LIGHTS, np.full((12, 3), 0.5, np.float32))
    assert sum(matrix.numel() for matrix in chain.matrices) == made.parameters
    features = chain.features(LIGHTS)
    latents, targets = numbers(4, BLOCK), numbers(12, 3, BLOCK)
    scale = torch.full((12,), 1 / BLOCK)
    packed = chain.packed(features)
    loss, slope, change = chain.step(latents, packed, targets, scale)
    found = chain.gradient(features, change)
    for matrix in chain.matrices:
        matrix.requires_grad_()
    latents.requires_grad_()
    rgb = chains._forward(made.shape, latents, chain.packed(features))[-1]
    wanted = ((rgb - targets).square() * scale[:, None, None]).sum()
    wanted.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(float(wanted.detach()), rel=1e-5)
    for ours, parameter in zip([slope, *found], [latents, *chain.matrices], strict=True):
        assert parameter.grad is not None
        assert (ours - parameter.grad).abs().max() < 1e-4 * parameter.grad.abs().max()


@pytest.mark.parametrize(
    "made", [plan(), plan("constant"), plan("network", "affine"), Plan.plain(4, (6, 5))]
)
def test_chain_as_data(made: Plan) -> None:
    """The layers give what the chain predicts, under lights that it was not scaled for."""
    chain = Chain(made, LIGHTS)
    chain.initialise(3, LIGHTS, np.full((12, 3), 0.5, np.float32))
    lights = LightDirections.spread(5)
    latents = numbers(4, BLOCK)
    rgb = chain.predict(latents, chain.packed(chain.features(lights))).numpy()
    decoder = Decoder(("planes",), chain.layers())
    wanted = evaluate(decoder, latents.numpy().T.copy(), None, lights).transpose(0, 2, 1)
    assert np.abs(rgb - wanted).max() < 1e-5


@pytest.mark.parametrize("hidden", [0, 7])
def test_encoder_gradient(hidden: int) -> None:
    encoder = Encoder(6, hidden, 4)
    encoder.initialise(0)
    components, slope = numbers(6, 50), numbers(4, 50, seed=1)
    latents, taken = encoder.forward(components)
    found = encoder.gradient(taken, slope)
    assert len(found) == (2 if hidden else 0)
    if not hidden:
        assert torch.equal(latents, components[:4])
        return
    for matrix in encoder.matrices:
        matrix.requires_grad_()
    (encoder.forward(components)[0] * slope).sum().backward()
    for ours, matrix in zip(found, encoder.matrices, strict=True):
        assert matrix.grad is not None
        assert (ours - matrix.grad).abs().max() < 1e-4 * matrix.grad.abs().max()


def test_projection_whitens() -> None:
    pixels = make_stack((16, 24), lights=12).sample(10_000, 0)
    projection = Projection(pixels.copy(), 6)
    components = projection(pixels)
    assert components.shape == (6, 16 * 24)
    assert np.abs(np.cov(components) - np.eye(6)).max() < 0.02


def test_field_gradient() -> None:
    field = Field(8, 2, 10.0, 5.0, 10.0, 64)
    stack = make_stack((16, 16), lights=5)
    coords = np.random.default_rng(0).random((2, 64)).astype(np.float32)
    task = FieldTask(field, coords, stack.sample(64, 0), stack.lights, 0, "cpu")
    loss, found = task.gradient(3)
    for parameter in task.parameters:
        parameter.requires_grad_()
    random = np.random.default_rng((0, 3))
    pixels, lights = random.integers(0, 64, 64), random.integers(0, 5, 64)
    rgb = task.forward(task._inputs(pixels, lights))[-1]
    wanted = (rgb - task.colours[lights, pixels].T).square().mean()
    wanted.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(float(wanted.detach()), rel=1e-5)
    for ours, parameter in zip(found, task.parameters, strict=True):
        assert parameter.grad is not None
        assert (ours - parameter.grad).abs().max() < 1e-4 * parameter.grad.abs().max()


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


@pytest.mark.parametrize("kind", [Bowl, Held])
@pytest.mark.parametrize("stop", [1, 57, 199])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path: Path, stop: int, kind: type[Bowl]) -> None:
    whole = kind()
    Loop(whole, Schedule(200, 0.05), Soap(1), checkpoint=tmp_path / "a").run()

    class Interrupted(kind):  # type: ignore[misc, valid-type]
        def gradient(self, step: int) -> tuple[float, list[torch.Tensor]]:
            if step == stop:
                raise KeyboardInterrupt
            return super().gradient(step)

    path = tmp_path / "b"
    with pytest.raises(KeyboardInterrupt):
        Loop(Interrupted(), Schedule(200, 0.05), Soap(1), checkpoint=path).run()
    resumed = kind()
    outcome = Loop(resumed, Schedule(200, 0.05), Soap(1), checkpoint=path, resume=True).run()
    assert torch.equal(whole.parameters[0], resumed.parameters[0])
    assert [look.step for look in outcome.looks] == list(range(4, 201, 4))
    again = kind()
    Loop(again, Schedule(200, 0.05), Soap(1), checkpoint=path, resume=True).run()
    assert again.asked == 0
    assert torch.equal(again.parameters[0], whole.parameters[0])


def test_checkpoints_of_another_run(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Loop(Bowl(), Schedule(60), Soap(1), checkpoint=path).run()
    with pytest.raises(FitError) as error:
        Loop(Bowl(), Schedule(70), Soap(1), checkpoint=path, resume=True)
    assert str(error.value) == (
        f"{path}: the checkpoint is of another run (60 steps, [(6, 4)]); expected 70 steps, "
        "[(6, 4)]. Resume with the same options, or remove it."
    )
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError) as damaged:
        Loop(Bowl(), Schedule(60), Soap(1), checkpoint=path, resume=True)
    assert str(damaged.value).startswith(f"{path}: damaged (")


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


def test_max_seconds() -> None:
    outcome = Loop(Bowl(), Schedule(10_000_000, max_seconds=0.3), Soap(1)).run()
    (note,) = outcome.notes
    assert note.endswith("of 10000000 steps: max_seconds")


@pytest.mark.parametrize("teacher", ["hyper8", "hyper8+hyper8", "hsh+hyper8", "auto"])
def test_max_seconds_are_those_of_teachers_and_student_together(
    teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    run = Loop.run

    def watched(loop: Loop) -> Outcome:
        assert loop.schedule.max_seconds is not None
        given.append(loop.schedule.max_seconds)
        return run(loop)

    monkeypatch.setattr(Loop, "run", watched)
    codec = dataclasses.replace(DISK10, preset="best", max_seconds=0.6, teacher=teacher, threads=1)
    model = codec.fit(make_stack((24, 32), lights=20))
    taught_by = codec.taught_by
    assert taught_by == ("hyper20+hyper20+hyper20" if teacher == "auto" else teacher)
    assert model.training is not None
    assert model.training["teacher"] == taught_by
    assert len(given) == taught_by.count("hyper") + 1
    assert set(given) == {0.6 / (2 + taught_by.count("+"))}


def test_any_network_is_taught(tmp_path: Path) -> None:
    stack = make_stack((24, 32), lights=20)
    short = {"steps": 60, "threads": 1}
    teachers = [codec("hyper8", {**short, "seed": seed}).fit(stack) for seed in (0, 1)]
    names = [str(tmp_path / f"teacher{number}") for number in range(2)]
    for teacher, name in zip(teachers, names, strict=True):
        save_model(teacher, name)
    together = "+".join(names)
    for student, share in (("hyper8", 0.1), ("neural:width=10", 0.7)):
        free = codec(student, {"steps": 400, "threads": 1, "teacher": "none"})
        held = codec(student, {"steps": 400, "threads": 1, "teacher": together, "alpha": 0})
        wanted = np.mean([open_model(name).relight(LIGHTS) for name in names], axis=0)
        errors = []
        for each in (free, held):
            model = each.fit(stack)
            assert isinstance(model, NetworkModel)
            assert model.training is not None
            assert model.training.get("teacher") == (together if each is held else None)
            errors.append(float(np.mean((model.relight(LIGHTS) - wanted) ** 2)))
        assert errors[1] < share * errors[0]


def test_teachers_have_seeds_of_their_own_and_tell_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []
    run = LatentCodec.train

    def watched(self: Any, *given: Any) -> Any:
        seeds.append(self.seed)
        return run(self, *given)

    monkeypatch.setattr(LatentCodec, "train", watched)
    told: list[tuple[float, str]] = []
    small = {"steps": 10, "components": 4, "encoder": 0, "threads": 1, "preset": "fast"}
    for seed in (0, 1, 2**63 - 1):
        codec("hyper8", {**small, "seed": seed}).fit(
            make_stack((24, 32), lights=20), lambda share, what: told.append((share, what))
        )
    assert seeds == [0, 0, 1, 1, 2, 3, 2**63 - 1, 2**63 - 2, 2**63 - 1]
    shares = [share for share, _ in told[: len(told) // 3]]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    stages = [re.sub(r"-?[\d.]+ dB", "x dB", what) for _, what in told[: len(told) // 3]]
    assert list(dict.fromkeys(stages)) == [
        "training, teacher 1 of 2, x dB",
        "encoding, teacher 1 of 2",
        "training, teacher 2 of 2, x dB",
        "encoding, teacher 2 of 2",
        "training, x dB",
        "encoding",
    ]


@pytest.mark.parametrize("name", ["hyper8", "disk10", "neural:teacher=hyper8"])
def test_teachers_do_not_see_what_the_student_is_scored_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    run = LatentCodec.train

    def watched(self: Any, *given: Any) -> Any:
        left.append(self.left_out)
        return run(dataclasses.replace(self, steps=5), *given)

    monkeypatch.setattr(LatentCodec, "train", watched)
    small = {"components": 4, "encoder": 0, "threads": 1, "preset": "fast", "left_out": 0.2}
    codec(name, small).fit(make_stack((24, 32), lights=20))
    assert len(left) >= 2
    assert set(left) == {0.2}


def test_what_suits_a_teacher() -> None:
    assert HYPER8.between == (12, 2.0, 0.0)
    assert dataclasses.replace(HYPER8, teacher="none").between == (12, 0.1, 0.125)
    assert DISK10.between == (24, 2.0, 0.0)
    assert dataclasses.replace(DISK10, teacher="none").between == (12, 0.1, 0.125)
    taught_one = dataclasses.replace(HYPER8, teacher="hsh", novel=0, blind=0.25)
    assert taught_one.between == (0, 2.0, 0.25)
    with pytest.raises(OptionError) as error:
        dataclasses.replace(HYPER8, teacher="hsh+").fit(make_stack((24, 32), lights=20))
    assert str(error.value) == ("hyper: teacher 'hsh+'; expected codecs or models, + between them")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"preset": "fast"}, "hyper:width=20+hyper:width=20"),
        (
            {"steps": 50, "alpha": 0.1, "seed": 3, "threads": 1},
            "+".join(["hyper:width=20,steps=50"] * 3),
        ),
        (
            {"width": 32, "terms": "affine/constant/hsh9", "preset": "fast"},
            "+".join(["hyper:width=32,terms=affine/constant/hsh9"] * 2),
        ),
        ({"teacher": "none"}, None),
        ({"teacher": "hsh16"}, "hsh16"),
    ],
)
def test_weights_that_follow_the_light_are_taught_by_their_like(
    options: dict[str, Any], expected: str | None
) -> None:
    assert codec("hyper8", options).taught_by == expected  # type: ignore[attr-defined]


def test_encoders_are_wide_where_a_teacher_holds_them() -> None:
    for options, width in (
        ({"preset": "fast"}, 128),
        ({}, 384),
        ({"preset": "best"}, 384),
        ({"teacher": "none"}, 128),
        ({"encoder": 64}, 64),
    ):
        hyper = dataclasses.replace(HYPER8, **options)  # type: ignore[arg-type]
        assert hyper.recipe().encoder == width
    assert DISK10.recipe().encoder == 384


def test_a_student_may_have_no_teacher() -> None:
    for name in ("disk20", "hyper12", "neural"):
        assert codec(f"{name}:teacher=none").taught_by is None  # type: ignore[attr-defined]


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


def test_a_sample_of_the_pixels_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that a few pixels do not fill the kernel's last block."""
    codec = dataclasses.replace(HYPER8, steps=2, components=4, encoder=0, threads=1, teacher="none")
    stack = make_stack((25, 33), lights=20)
    assert codec.fit(stack).metadata.notes == ()
    monkeypatch.setattr("drti_core.training.sample.MAX_PIXELS", 400)
    (note,) = codec.fit(stack).metadata.notes
    share = float(note.removeprefix("trained on ").removesuffix("% of the pixels"))
    assert share == pytest.approx(50, abs=20)


def test_schedule() -> None:
    schedule = Schedule(100, 0.02, warm_up=0.1)
    rates = [schedule.rate_at(share / 100) for share in range(101)]
    assert rates[0] < 1e-4
    assert rates[10] == pytest.approx(0.02)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert max(rates) == rates[10]


def test_left_out_lights_are_spread() -> None:
    lights = LightDirections.spread(40)
    found = left_out(lights, 0.1)
    assert len(found) == 4
    heights = lights.xyz[found, 2]
    assert heights.max() > 0.8
    assert heights.min() < 0.2
    assert len(left_out(lights[:15], 0.5)) == 0


def sample_of(lights: int = 20, shape: tuple[int, int] = (24, 32)) -> tuple[Sample, object]:
    stack = make_stack(shape, lights=lights)
    return Sample.of(stack, 12, 0), stack


def test_sample() -> None:
    sample, _ = sample_of()
    assert sample.targets.shape == (20, 3, 768)
    assert sample.targets.dtype == np.uint8
    assert sample.share == 1
    colours = sample.colours(np.array([3, 5]), np.array([1, 4]))
    assert colours.shape == (2, 3, 2 * BLOCK)
    truth = sample.targets[3, :, BLOCK : 2 * BLOCK] / 255
    assert np.allclose(colours[0, :, :BLOCK], truth, atol=1e-6)
    tiny, _ = sample_of(shape=(16, 16))
    assert tiny.size == 2 * BLOCK


def test_labels() -> None:
    """A teacher's pictures, and kriging, which is much like them."""
    stack = make_stack((24, 32), lights=49)
    kept = [i for i in range(49) if i != 20]
    rest = stack.select(kept)
    sample = Sample.of(rest, 12, 0)
    lights = novel_lights(rest.lights, 30)
    from drti_core.registry import codec

    teacher = codec("hsh16").fit(rest)
    wanted = teacher.relight_uint8(lights).mean(axis=(1, 2))
    for labels, off in (
        (taught(rest, [teacher, teacher], 0, alpha=0.5, novel=30), 0.01),
        (with_kriging(rest, 30), 6),
    ):
        found = labels(sample)
        assert found.real == 48
        assert len(found.lights) == 78
        assert found.targets.dtype == np.uint8
        assert np.abs(found.targets[48:].mean(axis=2) - wanted).max() < off
    blended = taught(rest, [teacher], 0, alpha=0.5, novel=0)(sample)
    assert len(blended.lights) == 48
    error = np.abs(blended.targets.astype(int) - sample.targets)
    assert 0 < error.mean() < 3
    with pytest.raises(OptionError) as wrong:
        taught(make_stack((16, 16)), [teacher], 0, alpha=0.5, novel=0)(sample)
    assert str(wrong.value) == "a teacher of 32x24 pixels; expected 16x16, as the photographs"


def test_every_pixel_once_in_an_epoch() -> None:
    sample, _ = sample_of()
    chain = Chain(Plan.plain(9, (5,)), sample.lights)
    chain.initialise(0, sample.lights, np.zeros((20, 3), np.float32))
    encoder = Encoder(sample.projection.count, 4, 9)
    encoder.initialise(0)
    task = DecoderTask(sample, chain, encoder, Mix(256), 0, np.array([4]))
    seen = np.concatenate([task._blocks(step) for step in range(3)])
    assert sorted(seen) == list(range(6))
    assert 4 not in task.kept


def test_log_and_checkpoints(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra train is not installed")
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


def test_sessions_start_anew_unless_resumed(tmp_path: Path) -> None:
    old = tmp_path / "network.safetensors"
    old.write_bytes(b"")
    Session(tmp_path, resume=True).close()
    assert old.exists()
    Session(tmp_path).close()
    assert not old.exists()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with few_threads():
        assert torch.get_num_threads() == 1
        assert torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before
    assert not torch.is_inference_mode_enabled()


def test_fit_says_how_long_each_stage_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(make_stack((24, 20), 8), tmp_path / "stack")
    command = ["fit", str(tmp_path / "stack"), "-o", str(tmp_path / "m"), "--codec", "hyper8"]
    assert main([*command, "-O", "steps=20", "-O", "threads=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"decoding the photographs \d+\.\d s, training \d+\.\d s, encoding \d+\.\d s", lines[1]
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


def altered(sample: Sample, part: npt.NDArray[np.intp]) -> Sample:
    """The same pixels, whose photographs of a part are other ones."""
    photographs = sample.photographs.copy()
    photographs[part] = 255 - photographs[part]
    return dataclasses.replace(sample, photographs=photographs)


def test_what_is_hidden_does_not_reach_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, _ = sample_of()
    parts = deal(np.arange(20), np.array([], np.intp), 0.2, 0)
    other = altered(sample, parts[0])
    monkeypatch.setattr(Sample, "kriging", lambda _: Kriging())
    one, two = BlindSpots(sample, parts), BlindSpots(other, parts)
    blocks = np.array([0, 3])
    assert np.array_equal(one.components(0, blocks), two.components(0, blocks))
    assert np.abs(one.components(1, blocks) - two.components(1, blocks)).max() > 0.1
    # What stands in for them is much like them.
    whole = sample.of_blocks(blocks)
    assert np.abs(one.components(0, blocks)[:2] - whole[:2]).mean() < 0.1
    assert np.abs(one.components(0, blocks) - whole).max() > 0.01


def test_every_photograph_is_hidden_as_often() -> None:
    kept, left = np.setdiff1d(np.arange(40), [3, 17]), np.array([3, 17])
    parts = deal(kept, left, 0.125, 0)
    assert len(parts) == 32
    assert all(np.isin(left, part).all() for part in parts)
    counts = np.bincount(np.concatenate(parts), minlength=40)
    assert set(counts[kept]) == {4}
    assert {len(part) for part in parts} == {6, 7}
    assert [list(part) for part in deal(kept, left, 0, 0)] == [[3, 17]]
    assert deal(np.arange(15), left[:0], 0.5, 0) == []


def test_left_out_photographs_are_scored_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sample, "kriging", lambda _: Kriging())
    sample, _ = sample_of()
    sample = dataclasses.replace(sample, targets=np.zeros_like(sample.targets))
    other = altered(sample, np.array([4, 9]))
    scores = []
    for given in (sample, other):
        chain = Chain(Plan.plain(9, (5,)), given.lights)
        chain.initialise(0, given.lights, np.zeros((20, 3), np.float32))
        encoder = Encoder(given.projection.count, 4, 9)
        encoder.initialise(0)
        task = DecoderTask(given, chain, encoder, Mix(256, blind=0.2), 0, np.array([4, 9]))
        _, first = task.gradient(0)
        scores.append((task.score(), first, task.decode(task._scored[1], task.kept)))
    assert scores[0][0] != scores[1][0]
    assert np.array_equal(scores[0][2], scores[1][2])
    for one, two in zip(scores[0][1], scores[1][1], strict=True):
        assert np.array_equal(one, two)


def test_kriging_without_a_part_is_kriging_of_the_rest() -> None:
    lights = LightDirections.spread(30, 0.1)
    parts = [np.array([2, 11, 29]), np.array([7])]
    for kriging in (Kriging(), Kriging("gauss", 1.0, 1e-4)):
        for part, found in zip(parts, kriging.without(lights, parts), strict=True):
            rest = np.setdiff1d(np.arange(30), part)
            assert not found[:, part].any()
            expected = kriging.weights(lights[rest], lights[part])
            np.testing.assert_allclose(found[:, rest], expected, atol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_a_hidden_photograph_weighs_what_is_asked(weight: float) -> None:
    sample, _ = sample_of()
    losses = []
    for add in (0, 40):
        targets = sample.targets.copy()
        chain = Chain(Plan.plain(9, (5,)), sample.lights)
        chain.initialise(0, sample.lights, np.zeros((20, 3), np.float32))
        encoder = Encoder(sample.projection.count, 4, 9)
        encoder.initialise(0)
        mix = Mix(256, blind=0.2, blind_weight=weight)
        task = DecoderTask(sample, chain, encoder, mix, 0, np.array([], np.intp))
        part = task.blind.parts[int(np.random.default_rng((0, 0)).integers(20))]
        assert len(task.blind.parts) == 20
        targets[part] = np.minimum(targets[part], 200) + add
        task.sample = dataclasses.replace(sample, targets=targets)
        losses.append(task.gradient(0)[0])
    assert (losses[0] == losses[1]) == (weight == 0)


def test_balanced_photographs() -> None:
    known, others = LightDirections.spread(21, 0.1), LightDirections.spread(50, 0.1)
    balance = Balance(known, others)
    high = known.xyz[:, 2] > 0.5
    found, between = balance.weights(np.where(high, 1e-3, 4e-3), 1.0)
    assert found.mean() == pytest.approx(1)
    assert between.mean() == pytest.approx(1)
    assert np.ptp(found[high]) == 0 == np.ptp(found[~high])
    assert found[high][0] / found[~high][0] == pytest.approx(4, rel=0.01)
    assert between[others.xyz[:, 2] > 0.7].min() > 2 * between[others.xyz[:, 2] < 0.3].max()
    half = balance.weights(np.where(high, 1e-3, 4e-3), 0.5)[0]
    assert half[high][0] / half[~high][0] == pytest.approx(2, rel=0.01)
    # No photograph is given up, and below half a grey level nothing is told apart.
    far = balance.weights(np.where(high, 1e-5, 1e-1), 1.0)[0]
    assert far[high][0] / far[~high][0] == pytest.approx(10)
    fine = balance.weights(np.where(high, 1e-9, 4e-9), 1.0)[0]
    assert fine.max() / fine.min() < 1.01
    assert balance.weights(np.ones(21), 1.0)[1].shape == (50,)
    assert Balance(known).weights(np.ones(21), 1.0)[1].shape == (0,)


@pytest.mark.parametrize(("photographs", "balance"), [(20, 1.0), (20, 0.0), (15, 1.0)])
def test_what_is_made_badly_weighs_less(photographs: int, balance: float) -> None:
    sample, stack = sample_of(photographs)
    sample = with_kriging(stack, 30)(sample)
    chain = Chain(Plan.plain(9, (5,)), stack.lights)
    chain.initialise(0, stack.lights, np.zeros((photographs, 3), np.float32))
    encoder = Encoder(sample.projection.count, 4, 9)
    encoder.initialise(0)
    # The chain gives black, so that a photograph's error is its brightness.
    chain.matrices[-1].zero_()
    left = np.array([4, 9])
    mix = Mix(256, novel=10, novel_weight=0.5, balance=balance)
    task = DecoderTask(sample, chain, encoder, mix, 0, left)
    before = task._lights(np.random.default_rng(0), 256)[1]
    task.settle()
    lights, scale = task._lights(np.random.default_rng(0), 256)
    kept = np.setdiff1d(np.arange(photographs), left)
    assert np.array_equal(lights[:-10], kept)
    if photographs < 16 or not balance:
        assert np.array_equal(scale, before)
        return
    photos = sample.photographs[:, :, :2048].astype(np.float64) / 255
    errors = (photos[kept] ** 2).mean(axis=(1, 2)) + (0.5 / 255) ** 2
    expected = 1 / errors / np.mean(1 / errors)
    np.testing.assert_allclose(scale[:-10] * len(kept) * 3 * 256, expected, rtol=1e-3)
    assert np.ptp(scale[-10:]) > 0
    # Settling again from the same parameters changes nothing: a resumed run goes on as before.
    task.settle()
    assert np.array_equal(task._lights(np.random.default_rng(0), 256)[1], scale)
