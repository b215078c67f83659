"""The training engine: kernel, and gradients of decoder, encoder and field."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.train import only_where_training_can

only_where_training_can()

import torch  # noqa: E402

from drti_core.decoder import Decoder, evaluate  # noqa: E402
from drti_core.errors import OptionError  # noqa: E402
from drti_core.lights import LightDirections  # noqa: E402
from drti_core.lights.bases import Basis  # noqa: E402
from drti_core.runtime.llvm.kernels import BLOCK, Shape  # noqa: E402
from drti_core.stack.samples.demo import make_stack  # noqa: E402
from drti_core.training import chain as chains  # noqa: E402
from drti_core.training.chain import Chain, LightTerms, Plan  # noqa: E402
from drti_core.training.encoder import Encoder, Projection  # noqa: E402
from drti_core.training.field import Field, FieldTask  # noqa: E402
from drti_core.training.kernel import kernel  # noqa: E402

pytestmark = pytest.mark.train

LIGHTS = LightDirections.spread(12, 0.2)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.standard_normal(shape).astype(np.float32))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
