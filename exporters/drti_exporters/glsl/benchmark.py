"""Shaders timed against each other in a browser: ``drti benchmark shader``.

Networks have random weights and planes of noise: what a frame takes depends on neither. Every
program is of 9 latents; its first layer's bias follows the light, of ``hyper`` all weights do.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.decoder import Decoder, Dense, Terms
from drti_core.decoder.fold import Quantisation
from drti_core.errors import OptionError
from drti_core.lights.bases import Basis
from drti_exporters.glsl.emitter import emit
from drti_exporters.glsl.headless import run_page
from drti_exporters.glsl.shader import Form
from drti_exporters.glsl.texts import fill, template

LATENTS = 9
#: Hidden widths of NeuralRTI and Disk-NeuralRTI.
WIDTHS = (50, 20, 10)


@dataclass(frozen=True)
class Timing:
    """What one shader took at one size.

    Args:
        renderer: as the browser names it.
        name: of the shader.
        width: pixels.
        height: pixels.
        first_ms: compiling, linking and the first picture, at the first size; None if it failed.
        fastest_ms: the fastest frame.
        median_ms: the median over the rounds.
        rounds: that it was timed in.
        times_faster: median of what it is compared to over its own: the loops of the same network,
            and the emitted 20 for ``hyper``.
        grey_levels_off: largest difference from the first shader of the same network.
        failed: what the browser said where it did not link, or None.
    """

    renderer: str
    name: str
    width: int
    height: int
    first_ms: float | None
    fastest_ms: float | None
    median_ms: float | None
    rounds: int
    times_faster: float | None
    grey_levels_off: int | None
    failed: str | None

    @property
    def frames_per_second(self) -> float | None:
        """By the median."""
        return None if self.median_ms is None else 1000 / self.median_ms

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def benchmark_shader(
    renderer: str = "swiftshader",
    sizes: Sequence[tuple[int, int]] = ((1024, 1024),),
    *,
    seconds: float = 10,
    loops: bool = True,
    longest: float = 60,
) -> list[Timing]:
    """Time emitted shaders against loops over uniform arrays, interleaved in one page.

    Args:
        renderer: see :func:`~drti_exporters.glsl.headless.run_page`.
        sizes: (height, width) of the pictures.
        seconds: for each size, at least; every shader is timed in three rounds or more.
        loops: also the shaders that ours are compared to; with ``$DRTI_OPENLIME`` (a path of
            OpenLIME's ES module) OpenLIME's own as well.
        longest: seconds; where a frame would take longer, a shader is left out.

    Raises:
        DrtiError: see :func:`~drti_exporters.glsl.headless.run_page`.
        OptionError: a size or a time that is not positive.
    """
    if seconds <= 0 or longest <= 0 or any(side < 1 for size in sizes for side in size):
        raise OptionError(
            f"{seconds:g} s, longest {longest:g} s, sizes {list(sizes)}", expected="positive ones"
        )
    openlime = os.environ.get("DRTI_OPENLIME") if loops else None
    programs = _programs(loops, openlime is not None)
    job = {
        "programs": programs,
        "sizes": [[width, height] for height, width in sizes],
        "seconds": seconds,
        "slice": 200,
        "rounds": 3,
        "longest": 1000 * longest,
    }
    files = {
        "index.html": template("benchmark.html").encode(),
        "benchmark.js": template("benchmark.js").encode(),
        "job.json": json.dumps(job).encode(),
    }
    if openlime is not None:
        files["openlime.js"] = Path(openlime).read_bytes()
    found = run_page(files, renderer)
    return [_timing(found, result, programs) for result in found["results"]]


def _timing(found: Any, result: Any, programs: Sequence[Any]) -> Timing:
    base = next(program["base"] for program in programs if program["name"] == result["name"])
    same = (
        other
        for other in found["results"]
        if other["name"] == base and other["width"] == result["width"]
    )
    other, own = next(same)["median"], result["median"]
    return Timing(
        found["renderer"],
        result["name"],
        result["width"],
        result["height"],
        result["first"],
        result["fastest"],
        own,
        result["rounds"],
        other / own if other and own else None,
        result["worst"],
        result["failed"],
    )


def network(width: int, *, hyper: bool = False) -> Decoder:
    """A decoder with random weights: 9 latents, two hidden layers, ELU.

    Args:
        width: of the hidden layers.
        hyper: every weight and bias is affine in the light; else only the first bias is, in x, y.
    """
    rng = np.random.default_rng(width)

    def values(*shape: int) -> Any:
        return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    def affine(*shape: int) -> Terms:
        table = values(*shape)[..., None] * rng.normal(0.5, 0.5, (*shape, 4))
        return Terms(Basis("affine", 4), table.astype(np.float32))

    layers = []
    for out, into in ((width, LATENTS), (width, width), (3, width)):
        last = out == 3
        weight = affine(out, into) if hyper else values(out, into)
        bias = affine(out) if hyper else values(out)
        layers.append(Dense(weight, bias, "none" if last else "elu"))
    if not hyper:
        table = values(width, 4)
        table[:, 3] = 0
        layers[0] = Dense(layers[0].weight, Terms(Basis("affine", 4), table), "elu")
    return Decoder(("planes",), tuple(layers))


def _planes() -> Quantisation:
    rng = np.random.default_rng(LATENTS)
    return Quantisation(rng.uniform(1, 4, LATENTS), rng.uniform(0.3, 0.7, LATENTS))


def _programs(loops: bool, openlime: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for width in WIDTHS:
        same = [_looped(width)] if loops else []
        same += [_openlime(width)] if openlime else []
        same.append(_emitted(f"emitted {width}", network(width), "auto"))
        found += [{**each, "like": len(found), "base": same[0]["name"]} for each in same]
    forms: tuple[Form, ...] = ("terms", "uniforms", "texture")
    like = len(found)
    for form in forms if loops else forms[:1]:
        item = _emitted(f"hyper 12, {form}", network(12, hyper=True), form)
        found.append({**item, "like": like, "base": "emitted 20"})
    return found


def _emitted(name: str, decoder: Decoder, form: Form) -> dict[str, Any]:
    shader = emit(decoder, planes=_planes(), form=form)
    return {
        "name": name,
        "vertex": shader.vertex,
        "fragment": shader.source,
        "planes": [sampler.name for sampler in shader.samplers if sampler.planes],
        "arrays": [],
        "light": shader.light_js,
        "vectors": sum(item.size for item in shader.uniforms if item.name == "drti_u"),
        "weights": shader.texture,
    }


def _looped(width: int) -> dict[str, Any]:
    """A shader as neural viewers have them: loops over uniform arrays."""
    blocks = -(-width // 4)
    vertex = emit(network(4)).vertex
    text = fill(
        "loops.glsl",
        blocks=str(blocks),
        first=str(12 * blocks),
        second=str(4 * blocks * blocks),
        last=str(3 * blocks),
    )
    names = ("first_weights", "first_biases", "second_weights", "second_biases")
    return {
        "name": f"loops {width}",
        "vertex": vertex,
        "fragment": template("webgl2.glsl") + text,
        "planes": ["plane_0", "plane_1", "plane_2"],
        "arrays": _arrays(width, (*names, "last_weights", "last_biases", "low", "high")),
        "direction": "light",
    }


def _openlime(width: int) -> dict[str, Any]:
    layers = [f"layer{n}_{part}" for n in (1, 2, 3) for part in ("weights", "biases")]
    return {
        "name": f"OpenLIME {width}",
        "vertex": emit(network(4)).vertex,
        "openlime": "/openlime.js",
        "width": 4 * -(-width // 4),
        "planes": ["u_texture_1", "u_texture_2", "u_texture_3"],
        "arrays": _arrays(width, (*layers, "min", "max")),
        "direction": "lights",
    }


def _arrays(width: int, names: Sequence[str]) -> list[list[Any]]:
    """Uniform arrays of the network for a shader with loops: name, vector size, values."""
    layers, planes, wide = network(width).layers, _planes(), 4 * -(-width // 4)
    first: Any = layers[0].bias
    weights: list[Any] = [layer.weight for layer in layers]
    biases: list[Any] = [layer.bias for layer in layers]
    weights[0] = np.concatenate([layers[0].weight, first.table[:, 1:3]], axis=1)
    biases[0] = first.table[:, 0]
    shapes = ((wide, 12), (wide, wide), (3, wide))
    found = []
    for weight, bias, (rows, columns) in zip(weights, biases, shapes, strict=True):
        extra = (0, rows - len(weight)), (0, columns - weight.shape[1])
        found += [np.pad(weight, extra), np.pad(bias, extra[0])]
    found += [planes.offset, planes.offset + planes.scale]
    sizes = (4, 4, 4, 4, 4, 3, 3, 3)
    return [
        [name, size, values.ravel().tolist()]
        for name, size, values in zip(names, sizes, found, strict=True)
    ]


def to_csv(timings: Sequence[Timing]) -> str:
    """One line for each shader and size."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = list(asdict(timings[0]))
    writer.writerow([*fields, "pixels", "frames_per_second"])
    for timing in timings:
        values = [_text(value) for value in asdict(timing).values()]
        pixels = timing.width * timing.height
        writer.writerow([*values, pixels, _text(timing.frames_per_second)])
    return out.getvalue()


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
