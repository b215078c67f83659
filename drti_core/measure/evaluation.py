"""How well codecs predict photographs under lights that they were not fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from drti_core.arrays import U8, Bool, Window, bands
from drti_core.colour import Encoding, linear_to_srgb, srgb_to_linear, to_uint8
from drti_core.errors import DrtiError, OptionError
from drti_core.fitting.near_lights import cells
from drti_core.io.pictures.colours import colours_apart
from drti_core.lights import LightDirections
from drti_core.lights.coverage import outside_note
from drti_core.measure.metrics import Comparison, ssim_wanted
from drti_core.model import RelightableModel
from drti_core.model.contracts import Codec
from drti_core.model.ground import mask_of
from drti_core.progress import Progress, logged, no_progress, part_of
from drti_core.registry.codec_calls import fit
from drti_core.registry.hookspecs import FitReport
from drti_core.stack import Stack

#: Values (lights × pixels × 3) of test photographs in memory at a time.
_VALUES = 6 << 20


@dataclass(frozen=True)
class LightScore:
    """How close the picture under one test light is to its photograph.

    Args:
        name: of the photograph.
        light: unit vector towards the light.
        psnr: dB, over the 8-bit RGB values; ``inf`` for equal pictures.
        ssim: :func:`drti_core.measure.metrics.ssim`; None where it was not wanted or cannot be
            taken.
        mean_absolute_error: grey levels.
    """

    name: str
    light: tuple[float, float, float]
    psnr: float
    ssim: float | None
    mean_absolute_error: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; an infinite PSNR (equal pictures) becomes None."""
        return {
            "name": self.name,
            "light": [round(value, 6) for value in self.light],
            "psnr": self.psnr if isfinite(self.psnr) else None,
            "ssim": self.ssim,
            "mean_absolute_error": self.mean_absolute_error,
        }


@dataclass(frozen=True, eq=False)
class Score:
    """One codec's result.

    Args:
        label: its name in tables.
        lights: one score for each test light.
        plane_bytes: size of the codes of its planes, uncompressed.
        fit_cpu: CPU seconds of the fit, decoding of the photographs left out; None if not fitted
            here.
        fit_wall: the same in seconds of the clock.
        notes: what the fit reported.
        outside: which test lights lie outside the fitted ones, a sentence; None where none does.
        pixels: how many are inside the masks and count; None where all do.
        colours: that they are in another space than the photographs', a sentence; else None.
        darkroom: that the photographs were not levelled as those of the model, likewise.
    """

    label: str
    lights: tuple[LightScore, ...]
    plane_bytes: int
    fit_cpu: float | None = None
    fit_wall: float | None = None
    notes: tuple[str, ...] = ()
    outside: str | None = None
    pixels: int | None = None
    colours: str | None = None
    darkroom: str | None = None

    @property
    def psnr(self) -> float:
        """Mean of the finite PSNRs in dB: a picture equal to its photograph is left out.

        ``inf`` if all are equal.
        """
        finite = [light.psnr for light in self.lights if isfinite(light.psnr)]
        return sum(finite) / len(finite) if finite else float("inf")

    @property
    def ssim(self) -> float | None:
        """Mean SSIM, or None where it was not taken."""
        values = [light.ssim for light in self.lights if light.ssim is not None]
        return sum(values) / len(values) if values else None

    @property
    def mean_absolute_error(self) -> float:
        """Mean absolute difference in grey levels."""
        return sum(light.mean_absolute_error for light in self.lights) / len(self.lights)

    @property
    def told(self) -> tuple[str, ...]:
        """What lies outside, and how model and photographs differ; sentences."""
        found = (self.outside, self.colours, self.darkroom)
        return tuple(note for note in found if note is not None)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; an infinite PSNR becomes None."""
        return {
            "label": self.label,
            "psnr": self.psnr if isfinite(self.psnr) else None,
            "ssim": self.ssim,
            "mean_absolute_error": self.mean_absolute_error,
            "plane_bytes": self.plane_bytes,
            "fit_cpu_seconds": self.fit_cpu,
            "fit_wall_seconds": self.fit_wall,
            "notes": [*self.notes, *self.told],
            "lights": [light.as_dict() for light in self.lights],
            **({} if self.pixels is None else {"pixels_in_mask": self.pixels}),
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Several codecs' results on the same test photographs.

    Args:
        protocol: how the test photographs were chosen, a sentence.
        shape: (H, W) of the photographs.
        train_lights: number of photographs that were fitted.
        scores: one for each codec.
    """

    protocol: str
    shape: tuple[int, int]
    train_lights: int
    scores: tuple[Score, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What lies outside the fitted lights, or masks, or is of other colours; sentences."""
        size = self.shape[0] * self.shape[1]
        found = [note for score in self.scores for note in score.told]
        found += [
            f"Only pixels inside the mask count: {score.pixels} of {size}."
            for score in self.scores
            if score.pixels is not None
        ]
        return tuple(dict.fromkeys(found))

    def as_dict(self) -> dict[str, Any]:
        """Strictly JSON-able: no infinity, no NaN."""
        return {
            "protocol": self.protocol,
            "measures": "PSNR over rounded 8-bit RGB, for each picture, then averaged; SSIM by "
            "scikit-image: Gaussian 11x11 window of sigma 1.5, use_sample_covariance=False, "
            "channel_axis=-1, data_range=255",
            "height": self.shape[0],
            "width": self.shape[1],
            "train_lights": self.train_lights,
            "test_lights": len(self.scores[0].lights) if self.scores else 0,
            "codecs": [score.as_dict() for score in self.scores],
        }


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model with its name in tables, and how its fit went if it was fitted here."""

    label: str
    model: RelightableModel
    report: FitReport | None = None


def holdout_lights(lights: LightDirections, holdout: int | Sequence[int]) -> list[int]:
    """Which lights to hold out, sorted.

    Args:
        lights: all lights.
        holdout: a number n: the lights nearest to the (i + ½)/n quantiles of elevation (10, 30,
            50, 70 and 90 % for five), the first of equally near ones; or the lights themselves.

    Raises:
        OptionError: not between 1 and all but one of the lights, or an index that is not there.
    """
    count = len(lights)
    if isinstance(holdout, int):
        chosen: list[int] = []
        if 1 <= holdout < count:
            elevation = np.arcsin(np.clip(lights.xyz[:, 2].astype(np.float64), -1, 1))
            for number in range(holdout):
                distance = np.abs(elevation - np.quantile(elevation, (number + 0.5) / holdout))
                distance[chosen] = np.inf
                # Rounded, so that lights of one ring are ties and not an accident of float32.
                chosen.append(int(np.argmin(np.round(distance, 4))))
    else:
        chosen = sorted(set(holdout))
    if not 1 <= len(chosen) < count or min(chosen) < 0 or max(chosen) >= count:
        raise OptionError(
            f"holdout {holdout if isinstance(holdout, int) else list(holdout)}",
            expected=f"1 to {count - 1} of the {count} lights, counted from 0",
        )
    return sorted(chosen)


def split(stack: Stack, holdout: int | Sequence[int]) -> tuple[Stack, Stack]:
    """(training, test) views of a stack; see :func:`holdout_lights`."""
    chosen = holdout_lights(stack.lights, holdout)
    rest = [index for index in range(len(stack.lights)) if index not in chosen]
    return stack.select(rest), stack.select(chosen)


@logged("evaluate")
def evaluate(
    codecs: Sequence[tuple[str, Codec]],
    stack: Stack,
    test: Stack | None = None,
    *,
    holdout: int | Sequence[int] = 5,
    with_ssim: bool | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Fit codecs to a part of the photographs and compare them on the rest.

    Args:
        codecs: label and codec.
        stack: the photographs; all are fitted if there is a test stack.
        test: photographs under other lights, of the same size.
        holdout: which lights to hold out where there is no test stack; see
            :func:`holdout_lights`.
        with_ssim: whether to take SSIM; by default if scikit-image is installed.
        progress: called with the share done and what is being done.

    Returns:
        A score for each codec: PSNR (dB), SSIM and mean absolute error over rounded 8-bit values,
        as a whole and for each test light.

    Raises:
        OptionError: see :func:`holdout_lights`.
        DrtiError: the test photographs are of another size or encoding.
        FitError: a codec cannot be fitted.
        MissingExtraError: SSIM is wanted without scikit-image.
    """
    held_out = test is None
    train = stack
    if test is None:
        train, test = split(stack, holdout)
    check_test(train.shape, train.encoding, test)
    scores = []
    for number, (label, codec) in enumerate(codecs):
        start, half = number / len(codecs), 0.5 / len(codecs)
        fitted = Fitted(label, *fit(train, codec, progress=part_of(progress, start, start + half)))
        part = part_of(progress, start + half, start + 2 * half)
        scores.append(score(fitted, test, with_ssim=with_ssim, progress=part))
    return evaluation_of(train, test, scores, held_out=held_out)


def evaluation_of(
    train: Stack, test: Stack, scores: Sequence[Score], *, held_out: bool = False
) -> Evaluation:
    """Put scores together with a sentence on how the photographs were chosen."""
    protocol = f"fitted to {len(train)} photographs, "
    if held_out:
        protocol += f"{len(test)} held out: {', '.join(test.names)}"
    else:
        protocol += f"tested on {len(test)} others"
    return Evaluation(protocol, train.shape, len(train), tuple(scores))


def evaluation_of_models(test: Stack, scores: Sequence[Score]) -> Evaluation:
    """Put scores of models that were fitted elsewhere together."""
    return Evaluation(f"models compared with {len(test)} photographs", test.shape, 0, tuple(scores))


def evaluate_model(
    model: RelightableModel,
    stack: Stack,
    *,
    label: str | None = None,
    with_ssim: bool | None = None,
    progress: Progress = no_progress,
) -> Score:
    """Compare a fitted model with photographs, for example those that it was fitted to.

    Args:
        model: any model.
        stack: photographs of its size and encoding, with their lights.
        label: its name in tables; the codec's id by default.
        with_ssim: whether to take SSIM, which needs the ``metrics`` extra.
        progress: called with the share done and what is being done.

    Raises:
        DrtiError: the photographs are of another size or encoding.
        MissingExtraError: SSIM is wanted without scikit-image.
    """
    fitted = Fitted(label or model.codec_id, model)
    return score(fitted, stack, with_ssim=with_ssim, progress=progress)


def score(
    fitted: Fitted, test: Stack, *, with_ssim: bool | None = None, progress: Progress = no_progress
) -> Score:
    """Relight at every test light and compare, band by band in bounded memory.

    Near test lights shine from their own direction, and as bright, on every part of the picture.
    Linear pictures and photographs are compared in their sRGB encoding. Pixels outside the mask
    of the stack or of the model do not count.

    Raises:
        DrtiError: the photographs are of another size or encoding.
        MissingExtraError: SSIM is wanted without scikit-image.
    """
    model, lights = fitted.model, test.lights
    check_test(model.shape, model.metadata.encoding, test)
    comparisons = [Comparison(ssim_wanted(with_ssim)) for _ in range(len(lights))]
    rows = max(1, _VALUES // (3 * test.shape[1] * len(lights)))
    pixels = 0
    for window in bands(test.shape, rows):
        relit = predicted(model, test, window)
        photographs = to_uint8(test.read(window), test.encoding).reshape(relit.shape)
        mask = inside_both(model, test, window)
        pixels += 0 if mask is None else int(np.count_nonzero(mask))
        for comparison, mine, true in zip(comparisons, relit, photographs, strict=True):
            comparison.add(mine, true, mask)
        progress((window.y + window.height) / test.shape[0], "relighting")
    results = (
        LightScore(name, (x, y, z), c.psnr, c.ssim, c.mean_absolute_error)
        for name, (x, y, z), c in zip(test.names, lights.xyz.tolist(), comparisons, strict=True)
    )
    size = 0 if model.planes is None else model.planes.codes.nbytes
    far = outside_note(model.metadata.lights, lights, test.names)
    report, counted = fitted.report, pixels or None
    if report is None:
        notes = model.metadata.notes
        others = (
            _other_colours(model.metadata.icc, test.icc),
            _other_darkroom(model.metadata.provenance.get("darkroom"), test.history),
        )
        return Score(fitted.label, tuple(results), size, None, None, notes, far, counted, *others)
    times = report.cpu_seconds, report.seconds
    return Score(fitted.label, tuple(results), size, *times, report.notes, far, counted)


def _other_colours(model: bytes | None, photographs: bytes | None) -> str | None:
    """A sentence where a model and photographs are in different colour spaces."""
    found = colours_apart("model", model, photographs)
    return None if found is None else f"{found}: bring these to the space of the model (colour=)."


def _other_darkroom(model: Any, photographs: Mapping[str, Any]) -> str | None:
    """A sentence where levels or exposures were divided out of a model's photographs alone."""
    own = model if isinstance(model, dict) else {}
    missing = [
        step
        for step in ("exposures", "levels")
        if set(own.get(step, ())) - {"by"} and step not in photographs  # something was found
    ]
    if not missing:
        return None
    return (
        f"The {' and '.join(missing)} of the photographs that the model was fitted to were divided "
        "out, of these they are not: divide them out likewise."
    )


def predicted(model: RelightableModel, test: Stack, window: Window) -> U8:
    """What photographs should look like by a model: under near lights with their fall-off.

    Args:
        model: of the size of the photographs.
        test: only its lights are looked at.
        window: inside the picture.

    Returns:
        (L, h, w, 3) uint8, sRGB encoded.
    """
    if test.positions is None:
        return model.relight_uint8(test.lights, window)  # what a user gets, to the last bit
    linear = model.metadata.encoding == "linear"
    out = np.empty((len(test), window.height, window.width, 3), np.uint8)
    for cell, lights, levels in cells(test.positions, test.shape, window):
        values = model.relight(lights, cell)
        values = (values if linear else srgb_to_linear(values)) * levels[..., None]
        rows, columns = cell.y - window.y, cell.x - window.x
        place = slice(rows, rows + cell.height), slice(columns, columns + cell.width)
        out[:, *place] = to_uint8(linear_to_srgb(values))
    return out


def inside_both(model: RelightableModel, stack: Stack, window: Window) -> Bool | None:
    """Pixels of a window, (h, w), inside the masks of a model and of photographs; None: all."""
    masks = [mask[window.slices] for mask in (mask_of(model), mask_of(stack)) if mask is not None]
    return masks[0] & masks[-1] if masks else None


def check_test(shape: tuple[int, int], encoding: Encoding, test: Stack) -> None:
    """Check that photographs can be compared with what has this shape and encoding.

    Raises:
        DrtiError: they are of another size or encoding.
    """
    if test.shape != shape:
        raise DrtiError(
            f"test photographs of {test.shape[1]}x{test.shape[0]} pixels",
            expected=f"{shape[1]}x{shape[0]}, the size of what was fitted",
            mend="Open them in the way that it was fitted in: the same crop, the same alignment.",
        )
    if test.encoding != encoding:
        raise DrtiError(f"test photographs with {test.encoding} values", expected=encoding)
