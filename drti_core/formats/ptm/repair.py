"""Faults of relight's .ptm writers, recognised and, with the folder of the same fit, mended.

relight-cli clamps the integer biases of a .ptm to 0..255 (RELIGHT.md, B1), which shifts every
coefficient of a term whose values exclude 0; and its converter writes scales and biases of 0 (B3).
Neither can be undone from the file alone: the numbers that were lost are in the ``info.json`` of
the same fit, if that is still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drti_core.arrays import F64, Codes, Window, bands
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, FormatError
from drti_core.formats.ptm.layout import OURS, TERMS, Colorspace
from drti_core.io import strict_json
from drti_core.io.pictures import plane_pictures
from drti_core.io.regular import look
from drti_core.io.strict_json import Node

#: Largest share of the pixels in the first and last code of a range that ends at quantiles:
#: relight's own quantile leaves out 0.25 % at either end.
_QUANTILE = 0.01
#: info.json states six significant digits.
_SAME_SCALE = 2e-5
#: Pictures of the folder are JPEGs of the very codes: they differ by less, on average.
_SAME_CODES = 4.0
_BAND_ROWS = 256


@dataclass(frozen=True, eq=False)
class Companion:
    """Scales and biases of a fit, as its info.json states them.

    Args:
        info: info.json.
        scale: (K,) of the planes, in our order.
        bias: (K,) likewise.
    """

    info: Node
    scale: F64
    bias: F64

    def _shared(self, colorspace: Colorspace) -> tuple[F64, F64]:
        """(6,) scale and bias of each term of the file, for the range of all its colours."""
        if colorspace == "lrgb":
            return self.scale[3:][list(OURS)], self.bias[3:][list(OURS)]
        low = (-self.bias * self.scale).reshape(6, 3).min(axis=1)
        high = ((1 - self.bias) * self.scale).reshape(6, 3).max(axis=1)
        scale = high - low
        return scale[list(OURS)], (-low / scale)[list(OURS)]

    def mend(self, planes: Planes, scale: list[float], colorspace: Colorspace) -> Planes | None:
        """The planes with true biases (and scales, if the file has none); None of another fit."""
        if not any(scale):
            same = colorspace == "rgb" and self._same_codes(planes.codes)
            if not same:
                return None
            return Planes(planes.codes, self.scale, self.bias, str(self.info.file))
        true_scale, true_bias = self._shared(colorspace)
        if not np.allclose(true_scale, scale, rtol=_SAME_SCALE, atol=1e-6):
            return None
        return Planes(planes.codes, planes.scale, _of_planes(true_bias, planes, colorspace))

    def _same_codes(self, codes: Codes) -> bool:
        """Whether the first picture of the folder shows planes 0 to 2 of these codes."""
        path = self.info.file.parent / f"plane_0.{self.info['format'].choice('jpg', 'png')}"
        if not look(path).is_file():
            return False
        picture = plane_pictures.open_picture(path)
        if (picture.shape, picture.channels, picture.bits) != (codes.shape[1:], 3, 8):
            return False
        window, part = next(picture.bands(_BAND_ROWS))
        mine = np.moveaxis(codes[:3, : window.height], 0, -1)
        return float(np.abs(mine.astype(np.int16) - part).mean()) < _SAME_CODES


def mended(
    planes: Planes,
    scale: list[float],
    bias: list[float],
    colorspace: Colorspace,
    path: Path,
    given: str | None,
    notes: list[str],
) -> Planes:
    """The planes, with scales and biases of the companion if the file has a fault that it mends.

    Args:
        planes: as the file states them.
        scale: (6,) of the file.
        bias: (6,) of the file.
        colorspace: of the file.
        path: the file.
        given: folder (or info.json) of the same fit; else it is looked for under the file's stem
            and beside the file.
        notes: is told what was found, and what was done or can be done about it.

    Raises:
        FormatError: ``given`` is no folder of the same fit.
    """
    own = None if given is None else _load(_info_of(Path(given)), planes.shape, colorspace)
    empty = not any(scale)
    cut = [] if empty else _cut_terms(planes, bias, colorspace)
    if not (empty or cut):
        return planes
    fit = own or _beside(path, planes.shape, colorspace)
    try:
        found = None if fit is None else fit.mend(planes, scale, colorspace)
    except DrtiError:
        if own is not None:
            raise
        found = None  # a neighbour with a damaged picture
    if found is None and own is not None:
        raise FormatError(
            "is of another fit", where=str(own.info.file), expected=f"the one that gave {path}"
        )
    terms = ", ".join(TERMS[term] for term in cut)
    fault = (
        "all scales are 0 (a known fault of relight's converter)"
        if empty
        else f"the range of {terms} seems to have been cut: relight clamps biases to 0..255"
    )
    if fit is not None and found is not None:
        notes.append(f"{fault}; scales and biases were taken from {fit.info.file}")
        return found
    notes.append(f"{fault}: pictures are {'black' if empty else 'too dark or too bright'}")
    notes.append(
        "the numbers that were lost are in info.json of the same fit: put its folder beside the "
        "file, under the file's own name, or name it: the reader ptm:companion=FOLDER"
    )
    return planes


def _of_planes(values: F64, planes: Planes, colorspace: Colorspace) -> F64:
    """(K,) biases of the planes, from (6,) of the file's terms."""
    out = planes.bias.copy()
    for number, term in enumerate(OURS):
        group = slice(3 * term, 3 * term + 3) if colorspace == "rgb" else slice(3 + term, 4 + term)
        out[group] = values[number]
    return out


def _cut_terms(planes: Planes, bias: list[float], colorspace: Colorspace) -> list[int]:
    """Terms whose bias is 0 or 255 though their codes fill the whole range up to quantiles.

    A range that ends where the values do has many pixels at 0 only if the values do, and a range
    that was widened to hold 0 has none there.
    """
    found = []
    for number, term in enumerate(OURS):
        if bias[number] not in (0, 255):
            continue
        group = slice(3 * term, 3 * term + 3) if colorspace == "rgb" else slice(3 + term, 4 + term)
        ends = np.zeros(2, np.int64)
        for band in bands(planes.shape, _BAND_ROWS):
            codes = planes.read_codes(Window(band.y, 0, band.height, band.width))[group]
            ends += np.count_nonzero(codes == 0), np.count_nonzero(codes == 255)
        pixels = planes.shape[0] * planes.shape[1] * (group.stop - group.start)
        if ends.min() > 0 and ends.max() <= max(1, _QUANTILE * pixels):
            found.append(number)
    return found


def _info_of(place: Path) -> Path:
    return place / "info.json" if look(place).is_dir() else place


def _beside(path: Path, shape: tuple[int, int], colorspace: Colorspace) -> Companion | None:
    for place in (path.with_suffix("") / "info.json", path.parent / "info.json"):
        try:
            if look(place).is_file():
                return _load(place, shape, colorspace)
        except DrtiError:
            continue  # a neighbour, but not the one that is looked for
    return None


def _load(path: Path, shape: tuple[int, int], colorspace: Colorspace) -> Companion:
    info = strict_json.load(path)
    info["type"].choice("ptm")
    info["colorspace"].choice(colorspace)
    height, width = (info[name].integer(1, 65535) for name in ("height", "width"))
    # The JPEG writer crops the width to a multiple of 8.
    if height != shape[0] or shape[1] not in (width, width // 8 * 8):
        raise FormatError(
            f"{width}x{height} pixels", where=str(path), expected=f"{shape[1]}x{shape[0]}"
        )
    count = 18 if colorspace == "rgb" else 9
    (material,) = info["materials"].items(1)
    scale, bias = material["scale"].numbers(count), material["bias"].numbers(count)
    return Companion(info, np.array(scale), np.array(bias))
