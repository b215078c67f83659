"""OpenLIME's type ``neural``: nine latent planes and the light → hidden → hidden → R, G, B.

Facts (OPENLIME.md): ELU, ELU, linear; inputs are the nine latents, x and y of the light, and zeros
up to a multiple of four; ``weights`` are flat, row by row, each row as long as the padded input;
``min`` and ``max`` are the values of the codes 0 and 255; ``colorspace`` is a swizzle, applied to
the channels of each picture and to the result. ``samples`` is the hidden width, or, as
Disk-NeuralRTI writes it, the number of photographs: it is not read, the lengths of the weights tell
the width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, F64, Codes
from drti_core.decoder import Dense, Planes, Terms
from drti_core.errors import FormatError
from drti_core.io.regular import look_into
from drti_core.io.strict_json import Node, nine_digits
from drti_core.model import StoredModel

#: OpenLIME's layer knows no other number of planes.
PLANES = 9
#: Names of the pictures.
NAMES = ("plane_1", "plane_2", "plane_3")
#: Pixels of a shader's vector.
_PAD = 4
_MAX_WIDTH = 1024
_ACTIVATIONS = ("elu", "elu", "none")


def keys(stored: StoredModel) -> dict[str, Any] | None:
    """What OpenLIME needs to know of a network, or None if its layer cannot show it.

    It can if there are up to nine planes of 8 bits, two hidden ELU layers of constants, whose first
    bias may be a linear function of the light's x and y, and a linear output.
    """
    planes, decoder = stored.planes, stored.decoder
    if planes is None or planes.code_max != 255 or planes.count > PLANES or decoder is None:
        return None
    plain = decoder.inputs == ("planes",) and decoder.tint is None
    if not plain or tuple(layer.activation for layer in decoder.layers) != _ACTIVATIONS:
        return None
    columns = _light_columns(decoder.layers[0])
    if columns is None:
        return None
    weights = [layer.weight for layer in decoder.layers]
    biases = [columns[0], *(layer.bias for layer in decoder.layers[1:])]
    arrays = [part for part in (*weights, *biases) if isinstance(part, np.ndarray)]
    if len(arrays) != 6:
        return None
    hidden = max(len(arrays[0]), len(arrays[1]))
    width = -(-hidden // _PAD) * _PAD
    first = np.zeros((width, 12), np.float64)
    first[: len(arrays[0]), : planes.count] = arrays[0]
    first[: len(arrays[0]), PLANES : PLANES + 2] = columns[1]
    lacking = np.zeros(PLANES - planes.count)
    low = -planes.bias * planes.scale
    return {
        "planes": PLANES,
        "samples": hidden,
        "colorspace": "rgb",
        "min": nine_digits(np.append(low, lacking)),
        "max": nine_digits(np.append(low + planes.scale, lacking)),
        "weights": [
            nine_digits(first.ravel()),
            nine_digits(_padded(arrays[1], (width, width)).ravel()),
            nine_digits(_padded(arrays[2], (3, width)).ravel()),
        ],
        "biases": [
            nine_digits(_padded(arrays[3], (width,))),
            nine_digits(_padded(arrays[4], (width,))),
            nine_digits(arrays[5]),
        ],
    }


def nine(codes: Codes) -> Codes:
    """The codes with planes of 0 up to nine."""
    if len(codes) == PLANES:
        return codes
    from drti_core.io import scratch

    out: Any = scratch.empty((PLANES, *codes.shape[1:]), codes.dtype)
    out[: len(codes)], out[len(codes) :] = codes, 0
    return out  # type: ignore[no-any-return]


def read(info: Node) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]], F64, F64]:
    """Config and arrays of the codec ``neural``, and the values of code 0 and of code 255.

    All are those of the planes as the pictures hold them: the swizzle is folded in.

    Raises:
        FormatError: lengths that do not fit, or another number of planes or layers.
    """
    if info["planes"].value != PLANES:
        raise info["planes"].fails(f"{PLANES}")
    swizzle = _swizzle(info["colorspace"])
    place = np.concatenate([swizzle + first for first in range(0, PLANES, 3)])
    low, high = np.empty(PLANES), np.empty(PLANES)
    low[place] = info["min"].numbers(PLANES)
    high[place] = info["max"].numbers(PLANES)
    weights, biases = list(info["weights"].items(3)), list(info["biases"].items(3))
    first, bias = _layer(weights[0], biases[0], 12)
    second, second_bias = _layer(weights[1], biases[1], len(first))
    third, third_bias = _layer(weights[2], biases[2], len(second))
    if len(third) != 3:
        raise FormatError(
            f"{third.size} values",
            where=f"{info.file}: {weights[2].path}",
            expected=f"{3 * len(second)}: 3 rows of {len(second)}",
        )
    used = _used(third)
    third, second, second_bias = third[:, :used], second[:used], second_bias[:used]
    used = _used(second)
    second, first, bias = second[:, :used], first[:used], bias[:used]
    latents = np.empty((used, PLANES))
    latents[:, place] = first[:, :PLANES]
    table = np.stack([bias, first[:, PLANES], first[:, PLANES + 1], np.zeros(used)], axis=1)
    arrays = {
        "layer0.weight": latents,
        "layer0.bias": table,
        "layer1.weight": second,
        "layer1.bias": second_bias,
        "layer2.weight": third[swizzle],
        "layer2.bias": third_bias[swizzle],
    }
    layers: list[dict[str, Any]] = [{"activation": name} for name in _ACTIVATIONS]
    layers[0]["bias"] = {"basis": "affine", "terms": 4}
    config = {"codec": "neural", "version": 1, "inputs": "planes", "layers": layers}
    return config, {name: np.asarray(a, np.float32) for name, a in arrays.items()}, low, high


def planes(codes: Codes, low: F64, high: F64, where: str) -> Planes:
    """Planes from the values of code 0 and of code 255."""
    found: Any = codes
    scale = high - low
    for plane in np.flatnonzero(scale == 0):  # a constant, whatever its codes say
        found[plane] = 0
        scale[plane] = 1
    return Planes(codes, scale, -low / scale, where)


def names(folder: Path, suffix: str) -> tuple[str, ...]:
    """Names of the three pictures: OpenLIME's, those counted from 0, or Disk-NeuralRTI's.

    Raises:
        FormatError: the folder holds several sets of Disk-NeuralRTI's.
    """
    if any(look_into(folder).glob("plane_0*")):
        return "plane_0", "plane_1", "plane_2"
    found = sorted(path.name for path in folder.glob(f"*_plane_0.{suffix}"))
    if any(folder.glob("plane_1*")) or not found:
        return NAMES
    if len(found) > 1:
        raise FormatError(
            f"holds {' and '.join(found)}", where=str(folder), expected="the planes of one network"
        )
    stem = found[0].removesuffix(f"0.{suffix}")
    return tuple(f"{stem}{number}" for number in range(3))


def _light_columns(layer: Dense) -> tuple[F32, F32] | None:
    """Bias (out,) and columns (out, 2) of the light's x, y; None if it is no such function."""
    bias = layer.bias
    if isinstance(bias, np.ndarray):
        return bias, np.zeros((len(bias), 2), np.float32)
    if not isinstance(bias, Terms) or bias.basis.name != "affine" or bias.table[:, 3].any():
        return None
    return bias.table[:, 0], bias.table[:, 1:3]


def _padded(values: Any, shape: tuple[int, ...]) -> F64:
    return np.pad(
        np.asarray(values, np.float64),
        [(0, n - m) for n, m in zip(shape, values.shape, strict=True)],
    )


def _swizzle(node: Node) -> npt.NDArray[np.intp]:
    """(3,) channel of the picture that each of three latents lies in."""
    text = node.text()
    for letters in ("rgb", "xyz", "stp"):
        if sorted(text) == sorted(letters):
            return np.array([letters.index(letter) for letter in text])
    raise node.fails("an order of r, g, b")


def _layer(weight: Node, bias: Node, width: int) -> tuple[F64, F64]:
    """(out, width) weight and (out,) bias, whose padding may be left out."""
    values, offsets = np.array(weight.numbers()), np.array(bias.numbers())
    out = len(values) // width
    if not 0 < len(values) == out * width <= width * _MAX_WIDTH:
        raise FormatError(
            f"{len(values)} values",
            where=f"{weight.file}: {weight.path}",
            expected=f"up to {_MAX_WIDTH} rows of {width}",
        )
    if not 0 <= out - len(offsets) < _PAD:
        raise FormatError(
            f"{len(offsets)} values", where=f"{bias.file}: {bias.path}", expected=f"{out}"
        )
    return values.reshape(out, width), np.append(offsets, np.zeros(out - len(offsets)))


def _used(weight: F64) -> int:
    """Inputs up to the last one that has any effect, at least one: the rest is padding."""
    columns = np.flatnonzero(weight.any(axis=0))
    return int(columns[-1]) + 1 if len(columns) else 1
