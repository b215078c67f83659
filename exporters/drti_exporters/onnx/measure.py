"""How far a written graph is from ``decode``, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.decoder import Planes
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel

#: Larger images are measured on a part of them.
MOST_PIXELS = 1 << 18
#: Rows that are measured where pixels are independent.
_ROWS = 8


def lights() -> LightDirections:
    """20 lights: the zenith, three on the horizon, the others spread evenly between."""
    edge = [[0, 0, 1], [1, 0, 0], [0, -1, 0.001], [-0.7, 0.7, 0.01]]
    return LightDirections(np.concatenate([edge, LightDirections.spread(16).xyz]))


def crop(model: RelightableModel) -> RelightableModel:
    """The middle of a model, at most as large as is measured at once."""
    side = int(MOST_PIXELS**0.5)
    height, width = (min(side, size) for size in model.shape)
    window = Window((model.shape[0] - height) // 2, (model.shape[1] - width) // 2, height, width)
    planes = model.planes
    if planes is not None:
        planes = Planes(planes.read_codes(window), planes.scale, planes.bias)
    mask = model.metadata.mask
    metadata = model.metadata if mask is None else replace(model.metadata, mask=mask[window.slices])
    return replace(model, shape=(height, width), planes=planes, metadata=metadata)


def session(graph: Path | bytes) -> Any:
    """An ONNX Runtime session on the processor, that says nothing but errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def of_decoder(path: Path, model: RelightableModel) -> float:
    """Largest difference, in 0..1 units, of the form ``decoder``."""
    run = session(path)
    names = [item.name for item in run.get_inputs()]

    def relight(pixels: dict[str, Any], light: Any) -> Any:
        given = {**pixels, "light": light}
        return run.run(None, {name: given[name] for name in names})[0]

    return _of_pixels(relight, model)


def of_stages(light: Path, pixel: Path, model: RelightableModel) -> float:
    """Largest difference, in 0..1 units, of the form ``stages``."""
    first, second = session(light), session(pixel)
    uniforms = [item.name for item in first.get_outputs()]
    names = [item.name for item in second.get_inputs()]

    def relight(pixels: dict[str, Any], direction: Any) -> Any:
        values = first.run(uniforms, {"light": direction})
        given = {**pixels, **dict(zip(uniforms, values, strict=True))}
        return second.run(None, {name: given[name] for name in names})[0]

    return _of_pixels(relight, model)


def of_image(graph: Path | bytes, model: RelightableModel) -> float:
    """Largest difference, in 0..1 units, of the form ``image``."""
    run = session(graph)
    worst = 0.0
    for light in lights():
        found = run.run(None, {"light": light.xyz})[0]
        worst = max(worst, _difference(found, model.relight(light)))
    return worst


def _of_pixels(relight: Callable[[dict[str, Any], Any], Any], model: RelightableModel) -> float:
    """Of rows spread over the image."""
    height, width = model.shape
    worst = 0.0
    for y in np.unique(np.linspace(0, height - 1, _ROWS).astype(int)):
        window = Window(int(y), 0, 1, min(width, MOST_PIXELS // _ROWS))
        features, coords = model.features(window), model.coords(window)
        pixels: dict[str, npt.NDArray[Any]] = {"coords": coords}
        if model.planes is not None:
            codes = model.planes.read_codes(window).reshape(model.planes.count, -1)
            pixels["planes"] = np.ascontiguousarray(codes.T)
        wanted = model.decode(features, coords, lights())
        for number, light in enumerate(lights().xyz):
            worst = max(worst, _difference(relight(pixels, light), wanted[number]))
    return worst


def _difference(found: Any, wanted: Any) -> float:
    if found.dtype == np.uint8:
        found, wanted = found / 255.0, np.clip(wanted, 0, 1)
    return float(np.abs(np.asarray(found, np.float64) - wanted).max())
