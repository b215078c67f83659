"""What is done to photographs as their files are read: RAW developed, a lens' distortion undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from drti_core.arrays import Window
from drti_core.errors import OptionError, StackError
from drti_core.io.pictures import exif, raw
from drti_core.io.pictures.alike import NOTES, alike
from drti_core.io.pictures.photos import PhotoInfo
from drti_core.io.pictures.raw import Development, Gains
from drti_core.io.pictures.spaces import SPACES, Space
from drti_core.stack.decoded import Spool
from drti_core.stack.lens import Affine, Lens, Undistortion
from drti_core.stack.reading import photographs_of, read_again
from drti_core.stack.rotation import Rotation
from drti_core.stack.stack import ImageStack, Stack

#: The lens that the project of the photographs describes.
OfProject = Literal["project"]


def is_raw(stack: Stack) -> bool:
    """Whether photographs are camera RAW, as their reader gives them."""
    photographs = photographs_of(stack)
    return photographs is not None and photographs.spool.photos[0].format == "raw"


def develop(
    stack: Stack,
    *,
    white_balance: Gains | None = None,
    white_patch: Window | None = None,
    colour_space: Space | None = None,
    half_size: bool = False,
) -> Stack:
    """The same RAW photographs, developed in another way than as shot of the first one to sRGB.

    All have one white balance and one scale of exposure: see :mod:`drti_core.io.pictures.raw`.

    Args:
        stack: as its reader gives it.
        white_balance: gains of red, green and blue, of which the smallest becomes 1.
        white_patch: a part of the photograph whose light stands highest that becomes grey;
            pixels, upright, of half size where that is wanted.
        colour_space: of the pixels: srgb (by default), adobe, p3, rec2020 or prophoto.
        half_size: a pixel for each 2x2 block of the mosaic; positions of near lights, the size of
            a pixel and the crop of a project go with it.

    Raises:
        OptionError: numbers that are no gains, two white balances, another space, a patch outside;
            or photographs that are not RAW.
        StackError: a photograph is damaged, or the patch saturated or dark.
        MissingExtraError: rawpy is not installed.
    """
    what = "a white balance, a colour space or half size"
    whole = photographs_of(stack)
    if whole is None and "raw" in stack.history:
        raise _changed(stack, what)
    if whole is None or not is_raw(stack):
        raise OptionError(
            f"{what} for {stack.names[0]}",
            expected="camera RAW: other photographs are developed already",
        )
    space: Space = colour_space or "srgb"
    if space not in SPACES:
        raise OptionError(f"the colour space {space!r}", expected=", ".join(SPACES))
    if white_balance is not None and white_patch is not None:
        raise OptionError("a white balance in numbers and a white patch", expected="one of them")
    photos = whole.spool.photos
    gains, source = None, "as shot"
    if white_balance is not None:
        gains, source = _checked(white_balance), "given"
    if white_patch is not None:
        # Where the light stands highest, a patch that lies flat is lit best.
        photo = photos[whole.order[int(np.argmax(whole.lights.xyz[:, 2]))]]
        before = photo.development or Development()
        as_wanted = replace(before, half_size=half_size)
        gains = raw.gains_of_patch(photo.path, white_patch, as_wanted)
        x, y, width, height = (getattr(white_patch, side) for side in ("x", "y", "width", "height"))
        source = f"patch {x},{y},{width},{height} of {photo.path.name}"
    found = alike(photos, gains=gains, source=source, space=space, half_size=half_size)
    changes = _halved(whole, found.photos) if half_size else {}
    spool = Spool(found.photos, whole.spool.crop, whole.spool.resample)
    developed = replace(
        whole,
        **{"spool": spool, **changes},
        icc=found.photos[0].icc,
        notes=(*(note for note in whole.notes if note not in NOTES), *found.notes),
        history={**whole.history, "raw": found.history},
    )
    return read_again(stack, developed)


def _checked(gains: Gains) -> Gains:
    numbers = [float(gain) for gain in gains]
    if len(numbers) != 3 or not all(1e-3 <= number <= 1e3 for number in numbers):
        raise OptionError(
            f"the white balance {', '.join(f'{number:g}' for number in numbers)}",
            expected="gains of red, green and blue, from 0.001 to 1000",
        )
    return numbers[0], numbers[1], numbers[2]


def _halved(stack: ImageStack, photos: Sequence[PhotoInfo]) -> dict[str, Any]:
    """Fields of a stack whose photographs have half the size now."""
    crop, resample = stack.spool.crop, stack.spool.resample
    changes: dict[str, Any] = {}
    if isinstance(resample, Rotation):
        resample = Rotation(resample.angle, photos[0].shape, half_of(resample.crop))
        part = Window(0, 0, resample.crop.height, resample.crop.width)
        changes["mask"] = resample.inside()
    elif resample is not None or stack.mask is not None:
        raise _changed(stack, "half size")
    elif (crop.height, crop.width) == stack.spool.photos[0].shape:
        part = Window(0, 0, *photos[0].shape)
    else:
        part = half_of(crop)
    if stack.positions is not None:
        changes["positions"] = stack.positions.halved()
    if stack.pixel_size_mm is not None:
        changes["pixel_size_mm"] = 2 * stack.pixel_size_mm
    if stack.lens is not None:
        changes["lens"] = stack.lens.scaled(0.5)
    spool = Spool(photos, part, resample)
    return {**changes, "spool": spool, "shape": (part.height, part.width)}


def half_of(part: Window) -> Window:
    """A part of photographs of half the size."""
    return Window(part.y // 2, part.x // 2, max(1, part.height // 2), max(1, part.width // 2))


def _changed(stack: Stack, what: str) -> OptionError:
    return OptionError(
        f"{what} of photographs that were changed before ({stack.names[0]})",
        expected="photographs as they are on disk",
    )


def undistort(stack: Stack, distortion: OfProject | Sequence[float]) -> Stack:
    """The photographs as a lens without distortion would have made them.

    See :mod:`drti_core.stack.lens` for the model. Each photograph is resampled once (Lanczos),
    together with a turned crop of its project. What the lens did not show is outside the mask.

    Args:
        stack: as its reader gives it, or developed.
        distortion: ``"project"``, for the lens of the RelightLab project; or k1, k2, p1, p2, with
            the focal length in terms of 35-mm film, millimetres, as a fifth number where neither
            the project nor EXIF says it.

    Raises:
        OptionError: other than four or five numbers, or no lens'; ``"project"`` for photographs
            without one; or photographs that were changed before.
        StackError: the focal length is not known.
    """
    whole, before = photographs_of(stack), stack
    if whole is None:
        raise _changed(stack, "undoing the lens' distortion")
    stack, spool = whole, whole.spool
    shape = spool.photos[0].shape
    lens = _lens(stack, distortion)
    if not lens.distorts:
        note = "The lens does not distort: the photographs are left alone."
        return replace(before, notes=(*before.notes, note))
    affine: Affine
    if isinstance(spool.resample, Rotation):
        affine = spool.resample.affine
    elif spool.resample is None:
        affine = (1.0, 0.0, spool.crop.x, 0.0, 1.0, spool.crop.y)
    else:
        raise _changed(stack, "undoing the lens' distortion")
    straight = Undistortion(lens, shape, stack.shape, affine)
    inside = straight.inside()
    note = f"The lens' distortion is undone, which moves pixels by up to {straight.reach():.1f}."
    if inside is not None:
        share = 100 * (1 - float(inside.mean()))
        note += f" {share:.1f} % of the picture lie beyond what the lens showed, and are left out."
    done = {
        **{name: getattr(lens, name) for name in ("k1", "k2", "p1", "p2")},
        "focal_pixels": round(lens.focal, 3),
        "principal_point": [shape[1] / 2 + lens.x, shape[0] / 2 + lens.y],
    }
    undistorted = replace(
        stack,
        spool=Spool(spool.photos, Window(0, 0, *stack.shape), straight),
        mask=inside if stack.mask is None else straight.inside(stack.mask),
        lens=None,
        notes=(*stack.notes, note),
        history={**stack.history, "undistort": done},
    )
    return read_again(before, undistorted)


def _lens(stack: ImageStack, distortion: OfProject | Sequence[float]) -> Lens:
    """The project's lens, or one by numbers; what they do not say is the project's, or EXIF's."""
    if isinstance(distortion, str):
        if stack.lens is None:
            raise OptionError(
                f"the lens of a project, for photographs without one ({stack.names[0]})",
                expected="a RelightLab project with its lens and focal length",
                mend="Give k1, k2, p1, p2 in numbers.",
            )
        return stack.lens
    numbers = [float(number) for number in distortion]
    if len(numbers) not in (4, 5):
        raise OptionError(
            f"{len(numbers)} numbers of a lens",
            expected="k1, k2, p1, p2, and perhaps the focal length in terms of 35-mm film",
        )
    k1, k2, p1, p2 = numbers[:4]
    if len(numbers) == 4 and stack.lens is not None:
        return replace(stack.lens, k1=k1, k2=k2, p1=p1, p2=p2)
    focal = numbers[4] if len(numbers) == 5 else exif.focal_length_35mm(stack.exif)
    if focal is None:
        raise StackError(
            "says no focal length in terms of 35-mm film (EXIF 41989)",
            where=stack.names[0],
            expected="one, as distortion is in units of the focal length",
            mend="Give it as a fifth number.",
        )
    return Lens.of_film(focal, stack.spool.photos[0].shape, k1, k2, p1, p2)
