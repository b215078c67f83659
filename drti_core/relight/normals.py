"""Normal maps: of any relightable model without its photographs, and of stacks of photographs.

Normals are unit vectors in the frame of :mod:`drti_core.lights.directions`: +x right, +y up,
+z towards the camera.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from drti_core.arrays import F32, F64, Window, bands
from drti_core.decoder import Decoder, Terms
from drti_core.errors import OptionError
from drti_core.fitting.near_lights import distant
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model import RelightableModel
from drti_core.model.ground import mask_of, neutral
from drti_core.progress import Progress, no_progress
from drti_core.relight.photometric import check_lights, least_squares_normals, robust_normals, unit
from drti_core.stack import Stack

Method = Literal["auto", "ptm", "three", "stack", "least-squares"]
METHODS: tuple[Method, ...] = ("auto", "ptm", "three", "stack", "least-squares")

#: Lights of the method ``three``: more change nothing that can be seen.
MAX_LIGHTS = 1000
#: Pixels worked on at a time, and lights under which they are looked at together.
_PIXELS, _TOGETHER = 1 << 17, 16
#: Elevation of the lights under which a model is looked at, degrees, and azimuth of the first.
_ELEVATION, _AZIMUTH = 45.0, 30.0
#: Steps round the rim of the disk before Newton's method takes over, and steps of that.
_RIM_STEPS, _NEWTON = 64, 4


def normals(
    source: RelightableModel | Stack,
    window: Window | None = None,
    *,
    method: Method = "auto",
    lights: int = 3,
    progress: Progress = no_progress,
) -> F32:
    """Normals of a model or of a stack.

    Args:
        source: a model, or a stack of photographs (near lights: see
            :func:`drti_core.fitting.near_lights.distant`).
        window: part of the image; all of it by default.
        method: ``three``, see :func:`normals_from_lights`; ``ptm``, see :func:`normals_of_ptm`;
            ``stack``, see :func:`drti_core.relight.photometric.robust_normals`; ``least-squares``,
            plain least squares of a stack. ``auto`` is ``stack`` for a stack and ``three``
            for a model (on most PTMs the closed form is farther from the truth).
        lights: number of lights of ``three``, 3 to 1000.
        progress: called after each band.

    Returns:
        (h, w, 3) float32 unit vectors; (0, 0, 1) where there is nothing to see, and outside the
        mask.

    Raises:
        OptionError: the method does not suit the source, fewer than 3 lights or more than 1000, or
            the window is not inside the image.
        FitError: the lights of a stack do not determine normals.
    """
    chosen = check_method(source, method, lights)
    part = (window or Window(0, 0, *source.shape)).check(source.shape)
    if isinstance(source, Stack):
        source = distant(source)
        source.prepare()
        rows = source.band_rows
    else:
        rows = max(1, _PIXELS // part.width)
    out = np.empty((part.height, part.width, 3), np.float32)
    for band in bands((part.height, part.width), rows):
        strip = Window(part.y + band.y, part.x, band.height, band.width)
        if isinstance(source, Stack):
            values = replace(source, encoding="linear").read(strip).mean(axis=2)
            solve = robust_normals if chosen == "stack" else least_squares_normals
            found = solve(values, source.lights)
        elif chosen == "ptm":
            found = normals_of_ptm(source, strip)
        else:
            found = normals_from_lights(source, strip, lights)
        out[band.y : band.y + band.height] = found.reshape(band.height, band.width, 3)
        progress((band.y + band.height) / part.height, "normals")
    mask = mask_of(source)
    return neutral(out, None if mask is None else mask[part.slices])


def check_method(source: RelightableModel | Stack, method: str, lights: int = 3) -> Method:
    """The method that ``auto`` stands for, or the given one if it suits the source.

    Raises:
        OptionError: it does not; or fewer than 3 lights, or more than 1000.
        FitError: the lights of a stack do not determine normals.
    """
    if not 3 <= lights <= MAX_LIGHTS:
        raise OptionError(f"{lights} lights", expected=f"3 to {MAX_LIGHTS}")
    if isinstance(source, Stack):
        check_lights(source.lights)
        allowed: tuple[Method, ...] = ("stack", "least-squares")
    else:
        ptm = _ptm_decoder(source) is not None
        allowed = ("three", "ptm") if ptm else ("three",)
    if method == "auto":
        return allowed[0]
    for name in allowed:
        if name == method:
            return name
    what = "a stack" if isinstance(source, Stack) else f"a model of the codec {source.codec_id}"
    raise OptionError(f"method {method!r} for {what}", expected=" or ".join(("auto", *allowed)))


def ring(count: int = 3) -> LightDirections:
    """Lights at an elevation of 45°, evenly round from azimuth 30°: 30°, 150° and 270° for three.

    These three are those of RTIViewer, relight and OpenLIME for files without photographs.
    """
    return LightDirections.from_spherical(
        _AZIMUTH + 360 / count * np.arange(count), np.full(count, _ELEVATION)
    )


def normals_from_lights(model: RelightableModel, window: Window, count: int = 3) -> F32:
    """Photometric stereo of what the model shows under the lights of :func:`ring`.

    Solves n · l = R + G + B by least squares (exactly for three lights), as Woodham (1980, eq. 9)
    does for photographs.

    Args:
        model: any model.
        window: inside the image.
        count: of lights, 3 to 1000.

    Returns:
        (P, 3) float32 unit vectors.
    """
    lights = ring(count)
    operator = np.linalg.pinv(lights.xyz.astype(np.float64))
    found = np.zeros((3, window.height * window.width))
    for first in range(0, count, _TOGETHER):  # memory as for few, however many they are
        part = slice(first, first + _TOGETHER)
        shown = model.relight(lights[part], window).sum(axis=3)
        found += operator[:, part] @ shown.reshape(len(shown), -1)
    return unit(found.T.astype(np.float32))


def normals_of_ptm(model: RelightableModel, window: Window) -> F32:
    """Closed form: the light under which the biquadratic of a PTM is brightest, (P, 3) float32.

    Malzbender et al. (2001), eq. 16-17; for models with a polynomial for each colour, the mean of
    the three normals, normalised.

    Raises:
        OptionError: the model is no PTM of 6 terms.
    """
    found, decoder = ptm_coefficients(model, window, tinted=False), _ptm_decoder(model)
    if found is None or decoder is None:
        raise OptionError(f"a model of the codec {model.codec_id}", expected="a PTM of 6 terms")
    channels = found if decoder.tint is None else found[:, :1]
    return unit(np.asarray(brightest(channels).mean(axis=1)))


def ptm_coefficients(model: RelightableModel, window: Window, *, tinted: bool = True) -> F32 | None:
    """Coefficients of 1, x, y, x², xy, y² for each channel, (P, 3, 6); None if it is no PTM.

    Args:
        model: any model.
        window: inside the image.
        tinted: multiply by the colour of an LRGB model; else its luminance, three times.
    """
    decoder, features = _ptm_decoder(model), model.features(window)
    if decoder is None or features is None:
        return None
    terms = decoder.layers[0].weight
    assert isinstance(terms, Terms)
    found: F32 = np.tensordot(features, terms.table, axes=(1, 1)).astype(np.float32)
    tint = decoder.tint
    return found * features[:, tint, None] if tinted and tint is not None else found


def biquadratic(model: RelightableModel, window: Window) -> F32:
    """What the model shows as biquadratics of the light, (P, 3, 6): exact for a PTM.

    Other models are relit under 25 lights from 25° to 90° of elevation and fitted by least
    squares.
    """
    found = ptm_coefficients(model, window)
    if found is not None:
        return found
    rings = ((25.0, 10), (45.0, 8), (70.0, 6), (90.0, 1))
    elevation = np.concatenate([np.full(count, height) for height, count in rings])
    azimuth = np.concatenate([360 / count * np.arange(count) for _, count in rings])
    lights = LightDirections.from_spherical(azimuth, elevation)
    operator = np.linalg.pinv(Basis("ptm", 6)(lights)).astype(np.float32)
    shown = model.relight(lights, window).reshape(len(lights), -1)
    return np.ascontiguousarray((operator @ shown).reshape(6, -1, 3).transpose(1, 2, 0))


def brightest(coefficients: F32) -> F32:
    """The light of the upper hemisphere under which biquadratics are brightest, as unit vectors.

    Malzbender et al. (2001), eq. 16-17, where the stationary point is a maximum inside the unit
    disk. Elsewhere the maximum over the disk lies on its rim, where it is searched for.

    Args:
        coefficients: (..., 6) of 1, x, y, x², xy, y².

    Returns:
        (..., 3) float32; (0, 0, 1) where the polynomial is constant.
    """
    c = coefficients.reshape(-1, 6).astype(np.float64)
    _, x1, y1, x2, xy, y2 = c.T
    curvature = 4 * x2 * y2 - xy * xy
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (xy * y1 - 2 * y2 * x1) / curvature
        y = (xy * x1 - 2 * x2 * y1) / curvature
    peak = (curvature > 0) & (x2 < 0) & (x * x + y * y <= 1)
    x, y = np.where(peak, x, 0), np.where(peak, y, 0)
    rim = ~peak & (np.abs(c[:, 1:]).max(axis=1) > 0)
    if rim.any():
        angle = _brightest_on_rim(c[rim])
        x[rim], y[rim] = np.cos(angle), np.sin(angle)
    z = np.sqrt(np.maximum(0, 1 - x * x - y * y))
    return np.stack([x, y, z], axis=-1).astype(np.float32).reshape(*coefficients.shape[:-1], 3)


def _brightest_on_rim(c: F64) -> F64:
    """(P,) azimuths, radians, of the largest value of (P, 6) biquadratics on the unit circle."""
    steps = np.linspace(0, 2 * np.pi, _RIM_STEPS, endpoint=False)
    circle = Basis("ptm", 6)(
        LightDirections.from_spherical(np.degrees(steps), np.zeros(len(steps)))
    )
    angle = steps[np.argmax(c @ circle.T, axis=1)]
    _, x1, y1, x2, xy, y2 = c.T
    for _ in range(_NEWTON):
        cos, sin = np.cos(angle), np.sin(angle)
        cos2, sin2 = np.cos(2 * angle), np.sin(2 * angle)
        slope = y1 * cos - x1 * sin + (y2 - x2) * sin2 + xy * cos2
        bend = -y1 * sin - x1 * cos + 2 * (y2 - x2) * cos2 - 2 * xy * sin2
        step = np.where(bend < 0, slope / np.minimum(bend, -1e-300), 0)
        angle = angle - np.clip(step, -np.pi / _RIM_STEPS, np.pi / _RIM_STEPS)
    return np.asarray(angle)


def _ptm_decoder(model: RelightableModel) -> Decoder | None:
    """The decoder, where it is one layer of PTM terms."""
    decoder = model.decoder()
    if not isinstance(decoder, Decoder) or len(decoder.layers) != 1:
        return None
    layer = decoder.layers[0]
    plain = layer.activation == "none" and decoder.inputs == ("planes",)
    constant = isinstance(layer.bias, np.ndarray) and not layer.bias.any()
    if not (plain and constant and isinstance(layer.weight, Terms)):
        return None
    basis = layer.weight.basis
    return decoder if (basis.name, basis.terms) == ("ptm", 6) else None
