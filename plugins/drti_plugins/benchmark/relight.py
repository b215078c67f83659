"""What relighting costs: our runtimes beside the plain way, on the same pixels in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any, Literal

import numpy as np

from drti_core.arrays import F32, Window, bands
from drti_core.codec import Progress, no_progress
from drti_core.decoder import Decoder, Dense, Planes, Terms, activate, evaluate
from drti_core.errors import OptionError
from drti_core.io.threads import one_blas_thread
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.registry.catalogue import codec
from drti_core.runtime.relighter import Relighter, Runtime
from drti_core.stack.samples.demo import make_stack

#: Names of the decoders: a chain 11 → N → N → 3 with ELU (NeuralRTI, Disk-NeuralRTI: ``dense``),
#: 9 → N → N → 3 whose weights follow the light (HyperRTI: ``hyper``), or a codec.
DECODERS: dict[str, tuple[Literal["dense", "hyper"], int] | str] = {
    "dense-50": ("dense", 50),
    "dense-20": ("dense", 20),
    "dense-10": ("dense", 10),
    "hyper-20": ("hyper", 20),
    "hyper-12": ("hyper", 12),
    "hyper-8": ("hyper", 8),
    "ptm": "ptm",
    "hsh-9": "hsh:terms=9",
    "rbf-9": "rbf:planes=9",
}
_LIGHT = LightDirections(np.array([[0.5, 0.3, 0.812]], np.float32))
#: Pixels that the plain way and the reference take at a time: 320 x 320.
_CHUNK = 102_400
#: Seconds of a way's turn.
_TURN = 0.1


@dataclass(frozen=True)
class Speed:
    """How fast one way relights.

    Args:
        decoder: one of :data:`DECODERS`.
        width: of the image, pixels.
        height: of the image, pixels.
        way: ``drti`` (the runtime that ``auto`` chooses), ``onnx``, ``numpy``, ``compiled`` (where
            llvmlite is installed and there are hidden layers), ``reference``
            (:func:`drti_core.decoder.evaluate`), or ``plain torch`` (``plain numpy`` where torch
            is not installed): latents and light concatenated for every pixel, float32.
        megapixels_per_cpu_second: of all threads together.
        megapixels_per_second: by the clock.
    """

    decoder: str
    width: int
    height: int
    way: str
    megapixels_per_cpu_second: float
    megapixels_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def benchmark_relight(
    decoders: Sequence[str] = tuple(DECODERS),
    sizes: Sequence[tuple[int, int]] = ((320, 320), (3000, 4000)),
    *,
    seconds: float = 0.5,
    progress: Progress = no_progress,
) -> list[Speed]:
    """Relight random planes in every way, from codes to uint8 pixels.

    What is timed is what a viewer does when the light has moved: the light stage and all pixels,
    with what depends on no light done before. The plain way starts from dequantised values and has
    its network ready, as its own code does. Each is run once before it is timed; then they take
    turns, and the median of each counts.

    Args:
        decoders: of :data:`DECODERS`.
        sizes: (height, width) of the images.
        seconds: each way is repeated for so long at least; the median counts.
        progress: called after each way.

    Raises:
        OptionError: no such decoder.
    """
    for name in decoders:
        if name not in DECODERS:
            raise OptionError(f"decoder {name!r}", expected=", ".join(DECODERS))
    found = []
    cases = [(name, size) for size in sizes for name in decoders]
    for number, (name, shape) in enumerate(cases):
        decoder, planes = _case(name, shape)
        ways = _ways(decoder, planes, DECODERS[name][0] == "dense")
        size = shape[0] * shape[1] / 1e6
        for way, (cpu, wall) in _timed(ways, seconds).items():
            found.append(Speed(name, shape[1], shape[0], way, size / cpu, size / wall))
        progress((number + 1) / len(cases), f"{name}, {shape[1]}x{shape[0]}")
    return found


def _case(name: str, shape: tuple[int, int]) -> tuple[Decoder, Planes]:
    """A decoder, and planes of random codes."""
    rng = np.random.default_rng(0)
    kind = DECODERS[name]
    if isinstance(kind, str):
        model = codec(kind).fit(make_stack(size=(32, 32)))
        assert model.planes is not None
        scale, bias, decoder = model.planes.scale, model.planes.bias, model.decoder()
        assert isinstance(decoder, Decoder)
    else:
        make = {"dense": _dense, "hyper": _hyper}[kind[0]]
        scale, bias, decoder = np.full(9, 4.0), np.full(9, 0.5), make(rng, kind[1])
    codes = rng.integers(0, 256, (len(scale), *shape), dtype=np.uint8)
    return decoder, Planes(codes, scale, bias)


def _dense(rng: np.random.Generator, width: int) -> Decoder:
    """11 → N → N → 3: nine latents; the light's x and y are in the first bias."""

    def weights(out: int, into: int) -> F32:
        return np.asarray(rng.normal(size=(out, into)) / np.sqrt(into), np.float32)

    bias = np.zeros((width, 4), np.float32)
    bias[:, 1:3] = weights(width, 11)[:, :2]
    zero = np.zeros(width, np.float32)
    first = Dense(weights(width, 9), Terms(Basis("affine", 4), bias), "elu")
    second = Dense(weights(width, width), zero, "elu")
    return Decoder(("planes",), (first, second, Dense(weights(3, width), zero[:3])))


def _hyper(rng: np.random.Generator, width: int) -> Decoder:
    """9 → N → N → 3; every weight and bias is affine in the light."""
    basis = Basis("affine", 4)
    layers = []
    for out, into in ((width, 9), (width, width), (3, width)):
        table = rng.normal(size=(out, into, 4)) / np.sqrt(4 * into)
        weight = Terms(basis, table.astype(np.float32))
        bias = Terms(basis, rng.normal(size=(out, 4)).astype(np.float32))
        layers.append(Dense(weight, bias, "none" if out == 3 else "elu"))
    return Decoder(("planes",), tuple(layers))


def _ways(decoder: Decoder, planes: Planes, dense: bool) -> dict[str, Callable[[], Any]]:
    window = Window(0, 0, *planes.shape)
    ways: dict[str, Callable[[], Any]] = {}
    runtimes: dict[str, Runtime] = {"drti": "auto", "onnx": "onnx", "numpy": "numpy"}
    if find_spec("llvmlite") and len(decoder.layers) > 1:
        runtimes["compiled"] = "compiled"
    for way, runtime in runtimes.items():
        made = Relighter(decoder, planes, planes.shape, _LIGHT, runtime=runtime)

        def run(made: Relighter = made) -> Any:
            return made.under(_LIGHT).relight(window)

        ways[way] = run
    rows = max(1, _CHUNK // planes.shape[1])

    def reference() -> None:
        with one_blas_thread():
            for band in bands(planes.shape, rows):
                rgb = evaluate(decoder, planes.read(band), None, _LIGHT)
                np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)

    ways["reference"] = reference
    features = planes.read(window)
    torch = find_spec("torch") is not None
    ways["plain torch" if torch else "plain numpy"] = (_torch if torch else _numpy)(
        decoder.light_stage(_LIGHT), decoder, features, dense
    )
    return ways


def _plain_layers(stage: Decoder, decoder: Decoder, dense: bool) -> list[tuple[F32, F32, str]]:
    """Weights, with two columns for the light where it is an input, and biases."""
    layers: list[tuple[F32, F32, str]] = []
    for number, layer in enumerate(stage.layers):
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, np.ndarray)
        assert isinstance(bias, np.ndarray)
        if dense and number == 0:
            function = decoder.layers[0].bias
            assert isinstance(function, Terms)
            weight, bias = np.hstack([weight, function.table[:, 1:3]]), function.table[:, 0]
        layers.append((np.ascontiguousarray(weight), bias, layer.activation))
    return layers


def _torch(stage: Decoder, decoder: Decoder, features: F32, dense: bool) -> Callable[[], Any]:
    import torch

    layers: list[Any] = []
    for weight, bias, activation in _plain_layers(stage, decoder, dense):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias.copy()))
        layers += [linear, torch.nn.ELU()] if activation == "elu" else [linear]
    network = torch.nn.Sequential(*layers)
    light = torch.from_numpy(_LIGHT.xyz[:, :2].copy())

    def run() -> None:
        with torch.no_grad():
            for start in range(0, len(features), _CHUNK):
                x = torch.from_numpy(features[start : start + _CHUNK])
                if dense:
                    x = torch.cat([x, light.expand(len(x), 2)], dim=1)
                (network(x).clamp(0, 1) * 255).round().to(torch.uint8).numpy()

    return run


def _numpy(stage: Decoder, decoder: Decoder, features: F32, dense: bool) -> Callable[[], Any]:
    layers = _plain_layers(stage, decoder, dense)

    def run() -> None:
        for start in range(0, len(features), _CHUNK):
            x = features[start : start + _CHUNK]
            if dense:
                light = np.broadcast_to(_LIGHT.xyz[:, :2], (len(x), 2))
                x = np.concatenate([x, light], axis=1)
            for weight, bias, activation in layers:
                kind: Any = activation
                x = activate(x @ weight.T + bias, kind, 1.0)
            np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)

    return run


def _timed(ways: dict[str, Callable[[], Any]], seconds: float) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds of each way, medians over its runs.

    They take turns, so that whatever else the machine does at times slows none of them alone. A
    turn's first run does not count if there are more: another's threads may still be spinning.
    """
    for run in ways.values():
        run()
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    end = time.perf_counter() + seconds * len(ways)
    while not all(runs.values()) or time.perf_counter() < end:
        for way, run in ways.items():
            turn: list[tuple[float, float]] = []
            until = time.perf_counter() + _TURN
            while not turn or time.perf_counter() < until:
                used, start = time.process_time(), time.perf_counter()
                run()
                turn.append((time.process_time() - used, time.perf_counter() - start))
            runs[way] += turn[1:] or turn
    return {
        way: (max(median(cpu for cpu, _ in turns), 1e-9), median(wall for _, wall in turns))
        for way, turns in runs.items()
    }
