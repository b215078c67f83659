"""Enhancements of relit pictures, as users of RTIViewer know them.

Each works on a picture that is rendered window by window, so several can follow one another; those
that look at neighbours render a margin around the window, so any division into windows gives the
same picture (to rounding). Values are 0..1 in the model's encoding, like the model's own.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from drti_core.arrays import F32, Window
from drti_core.colour import LUMA
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.rendering import Render, relit
from drti_core.options import parse_spec
from drti_core.relight.normals import biquadratic, brightest, normals, ptm_coefficients, ring

#: A Gaussian is cut at so many standard deviations.
_REACH = 3.0
_MAX_RADIUS = 100.0
#: Luminance below which a pixel counts as black.
_DARK = 0.1
#: The luminance of a model that is no PTM grows at most by this factor.
_MOST = 4.0


@dataclass(frozen=True)
class Enhancement(ABC):
    """Changes a relit picture; a frozen dataclass whose fields are its options."""

    enhancement_id: ClassVar[str]

    @abstractmethod
    def apply(
        self, model: RelightableModel, picture: Render, light: LightDirections, window: Window
    ) -> F32:
        """The enhanced picture in a window, (h, w, 3) float32, not clipped.

        Args:
            model: what is relit.
            picture: so far.
            light: the one direction that ``picture`` is lit from.
            window: inside the image.
        """


@dataclass(frozen=True)
class Specular(Enhancement):
    """Specular enhancement: ``kd · I + ks · S · max(0, n·h)^exponent``.

    A highlight of the normals n that the model tells, h being the half vector between light and
    camera (Malzbender et al. 2001, section 5.1; Blinn 1977). S is the picture's luminance over
    the pixel's largest under five lights (at least 0.1, or the noise of black cloth would shine),
    so that shadows stay dark and dark materials shine too.

    Args:
        ks: of the highlight, 0 or more.
        kd: of the picture, 0 or more.
        exponent: sharpness, above 0.
    """

    enhancement_id: ClassVar[str] = "specular"
    ks: float = 0.4
    kd: float = 0.4
    exponent: float = 75.0

    def __post_init__(self) -> None:
        _check(self, "ks", 0, 100)
        _check(self, "kd", 0, 100)
        _check(self, "exponent", 0.01, 10_000)

    def apply(
        self, model: RelightableModel, picture: Render, light: LightDirections, window: Window
    ) -> F32:
        """See :class:`Enhancement`."""
        shown = picture(window)
        half = light.xyz[0] + np.array([0, 0, 1], np.float32)
        half /= max(float(np.linalg.norm(half)), 1e-6)
        near = np.maximum(normals(model, window) @ half, 0) ** np.float32(self.exponent)
        share = np.clip(shown @ LUMA / np.maximum(albedo(model, window) @ LUMA, _DARK), 0, 1)
        return np.asarray(self.kd * shown + (self.ks * share * near)[..., None], np.float32)


@dataclass(frozen=True)
class DiffuseGain(Enhancement):
    """Diffuse gain: a more directed response with the same normal and the same brightest value.

    Malzbender et al. (2001) scale the second derivatives of the biquadratic by the
    gain and leave value and slope where the light is the normal n. That is adding
    ``(gain - 1) · ½ (l - n)ᵀ H (l - n)``, H being the second derivatives and l, n points of the
    disk: exact for a PTM. Of other models H and n are those of the biquadratic fitted to the
    luminance that they show under 25 lights, and their picture is multiplied so that its luminance
    changes by this much (to 0..4 times), which keeps its hues.

    Args:
        gain: 1 changes nothing; 0..20.
    """

    enhancement_id: ClassVar[str] = "diffuse-gain"
    gain: float = 2.0

    def __post_init__(self) -> None:
        _check(self, "gain", 0, 20)

    def apply(
        self, model: RelightableModel, picture: Render, light: LightDirections, window: Window
    ) -> F32:
        """See :class:`Enhancement`."""
        c = biquadratic(model, window)
        luma = np.tensordot(c, LUMA, axes=(1, 0)).astype(np.float32)
        x, y = (light.xyz[0, :2] - brightest(luma)[:, :2]).T
        shown = picture(window)
        if ptm_coefficients(model, window) is None:
            bend = (self.gain - 1) * _bend(luma, x, y).reshape(shown.shape[:2])
            factor = 1 + bend / np.maximum(shown @ LUMA, 1e-3)
            return np.asarray(shown * np.clip(factor, 0, _MOST)[..., None], np.float32)
        bend = _bend(c, x[:, None], y[:, None]).reshape(shown.shape)
        return np.asarray(shown + (self.gain - 1) * bend, np.float32)


def _bend(c: F32, x: F32, y: F32) -> F32:
    """Second-order part of biquadratics (..., 6) at distances x, y."""
    return np.asarray(c[..., 3] * x * x + c[..., 4] * x * y + c[..., 5] * y * y)


@dataclass(frozen=True)
class LuminanceUnsharp(Enhancement):
    """Unsharp masking of the luminance: ``I + amount · (Y - blur(Y))`` in every channel.

    The classic mask on the relit picture's luma Y (Rec. 709), chroma untouched, as RTIViewer's
    mode of this name (compared with other modes by Palma et al. 2010).

    Args:
        amount: 0 changes nothing; 0..20.
        radius: standard deviation of the Gaussian, pixels; above 0, at most 100.
    """

    enhancement_id: ClassVar[str] = "luminance-unsharp"
    amount: float = 1.0
    radius: float = 2.0

    def __post_init__(self) -> None:
        _check(self, "amount", 0, 20)
        _check(self, "radius", 0.1, _MAX_RADIUS)

    def apply(
        self,
        model: RelightableModel,
        picture: Render,
        light: LightDirections,  # noqa: ARG002 (the mask is the same under any light)
        window: Window,
    ) -> F32:
        """See :class:`Enhancement`."""
        around, inner = _with_margin(window, model.shape, self.radius)
        shown = picture(around)
        luma = (shown @ LUMA)[..., None]
        sharper = shown + self.amount * (luma - _blur(luma, self.radius))
        return np.asarray(sharper[inner], np.float32)


@dataclass(frozen=True)
class NormalUnsharp(Enhancement):
    """Unsharp masking of the normals: the shading of exaggerated normals in place of the old.

    Palma et al. (2010), Dynamic shading enhancement for reflectance transformation imaging:
    n' = n + amount · (n - blur(n)), normalised. What is added is
    ``A · (max(0, n'·l) - max(0, n·l))``, A being the pixel's largest value under five lights.

    Args:
        amount: 0 changes nothing; 0..20.
        radius: standard deviation of the Gaussian, pixels; above 0, at most 100.
    """

    enhancement_id: ClassVar[str] = "normal-unsharp"
    amount: float = 1.0
    radius: float = 4.0

    def __post_init__(self) -> None:
        _check(self, "amount", 0, 20)
        _check(self, "radius", 0.1, _MAX_RADIUS)

    def apply(
        self, model: RelightableModel, picture: Render, light: LightDirections, window: Window
    ) -> F32:
        """See :class:`Enhancement`."""
        around, inner = _with_margin(window, model.shape, self.radius)
        old = normals(model, around)
        new = old + self.amount * (old - _blur(old, self.radius))
        new /= np.maximum(np.linalg.norm(new, axis=-1, keepdims=True), 1e-6)
        direction = light.xyz[0]
        change = np.maximum(new @ direction, 0) - np.maximum(old @ direction, 0)
        added = albedo(model, window) * change[inner][..., None]
        return np.asarray(picture(window) + added, np.float32)


ENHANCEMENTS: dict[str, type[Enhancement]] = {
    kind.enhancement_id: kind for kind in (Specular, DiffuseGain, LuminanceUnsharp, NormalUnsharp)
}


def parse_enhancement(text: str) -> Enhancement:
    """``"specular:ks=0.4,exponent=75"`` → an enhancement; what is not given has its default.

    Raises:
        OptionError: no such enhancement or option, or a value outside its range.

    >>> parse_enhancement("luminance-unsharp:radius=3")
    LuminanceUnsharp(amount=1.0, radius=3.0)
    """
    name, options = parse_spec(text)
    if name not in ENHANCEMENTS:
        raise OptionError(f"enhancement {name!r}", expected=", ".join(ENHANCEMENTS))
    kind = ENHANCEMENTS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    values = {}
    for option, value in options.items():
        if option not in known:
            raise OptionError(f"unknown option {option!r} of {name}", expected=", ".join(known))
        try:
            values[option] = float(value)
        except ValueError:
            raise OptionError(
                f"{value!r}", where=f"{name}: {option}", expected="a number"
            ) from None
    return kind(**values)


def enhanced(
    model: RelightableModel, light: LightDirections, enhancements: Sequence[Enhancement]
) -> Render:
    """The picture under one light with these enhancements, one after the other.

    Args:
        model: what to relight.
        light: one direction.
        enhancements: the first is applied first.

    Returns:
        A function of a window that gives (h, w, 3) float32 in the model's encoding, not clipped;
        :func:`~drti_core.save_rendered` saves what it gives.
    """
    picture = relit(model, light)
    for item in enhancements:
        picture = _after(item, model, picture, light)
    return picture


def _after(
    item: Enhancement, model: RelightableModel, picture: Render, light: LightDirections
) -> Render:
    return lambda window: item.apply(model, picture, light, window)


def _check(item: Enhancement, name: str, low: float, high: float) -> None:
    value = getattr(item, name)
    if not low <= value <= high:
        raise OptionError(
            f"{value:g}", where=f"{item.enhancement_id}: {name}", expected=f"{low:g} to {high:g}"
        )


def albedo(model: RelightableModel, window: Window) -> F32:
    """(h, w, 3) the largest values of a window under the zenith and four lights at 45°."""
    xyz = np.concatenate([ring(4).xyz, np.array([[0, 0, 1]], np.float32)])
    return np.asarray(model.relight(LightDirections(xyz), window).max(axis=0))


def _with_margin(
    window: Window, shape: tuple[int, int], radius: float
) -> tuple[Window, tuple[slice, slice]]:
    """The window and what a blur of this radius sees of the image; where the window lies in it."""
    reach = int(np.ceil(_REACH * radius))
    top, left = max(0, window.y - reach), max(0, window.x - reach)
    bottom = min(shape[0], window.y + window.height + reach)
    right = min(shape[1], window.x + window.width + reach)
    inner = Window(window.y - top, window.x - left, window.height, window.width)
    return Window(top, left, bottom - top, right - left), inner.slices


def _blur(values: F32, radius: float) -> F32:
    """Gaussian of (h, w, C) values with standard deviation ``radius``; the border is repeated."""
    reach = int(np.ceil(_REACH * radius))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        padded = np.pad(values, pad, mode="edge")
        size = values.shape[axis]
        out = np.zeros_like(values)
        for step, weight in enumerate(kernel):
            part = [slice(None)] * 3
            part[axis] = slice(step, step + size)
            out += weight * padded[tuple(part)]
        values = out
    return values
