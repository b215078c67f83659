"""Projects of RelightLab (.relight): photographs, lights and crop in one JSON (RELIGHT.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from drti_core.arrays import F64, MAX_SIDE, Window
from drti_core.colour import Encoding
from drti_core.errors import FormatError, LightError, MissingFileError, OptionError, StackError
from drti_core.formats._shared.dome import Dome, EvenLamps, even_lamps, parse_dome, vectors
from drti_core.formats._shared.folders import files
from drti_core.io import strict_json
from drti_core.io.regular import look, open_file
from drti_core.io.strict_json import Node
from drti_core.lights import LightDirections, NamedLights
from drti_core.lights.positions import LightPositions
from drti_core.model.contracts import LightsReader, StackReader
from drti_core.stack import ImageStack, Stack
from drti_core.stack.aligned import held, inside_all, laid, pixel_map
from drti_core.stack.decoded import Spool
from drti_core.stack.developing import half_of
from drti_core.stack.lens import Lens
from drti_core.stack.reading import Step, read_by
from drti_core.stack.rotation import Rotation
from drti_core.stack.stack import check_pixel_size
from drti_core.stack.white_patch import patch_strengths

__all__ = ["READER", "WRITER", "ProjectReader"]

#: The head of a file that is looked at.
_HEAD = 64 << 10


@dataclass(frozen=True)
class ProjectReader(StackReader, LightsReader):
    """A .relight file, or a folder that holds one and no light file, as a stack.

    The photographs without the skipped ones, their lights, and the crop. A crop without an angle
    keeps the pixels as they are; one with an angle resamples each photograph (bicubic) and turns
    the lights with it. Lights that are positions become their directions from the centre of the
    crop, and are kept where the size of a pixel is known.

    Args:
        images: folder of the photographs, if it is not the one that the project names.
        pixel_size_mm: side of a pixel on the object, millimetres, if it is not what the project
            says.
    """

    reader_id: ClassVar[str] = "project"
    lazy: ClassVar[bool] = True
    summary: ClassVar[str] = "project of RelightLab (.relight) with its photographs"
    suffixes: ClassVar[tuple[str, ...]] = (".relight",)

    images: str | None = None
    pixel_size_mm: float | None = None

    def sniff(self, path: Path, head: bytes) -> bool:
        """A JSON object with images, a folder and a size; or a folder that holds one."""
        if path.is_dir():
            return not files(path, ".lp") and len(files(path, ".relight")) == 1
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        with open_file(path) as file:
            start = file.read(_HEAD)
        return b'"RelightLab"' in start or (b'"images"' in start and b'"folder"' in start)

    def read(self, path: Path) -> Stack:
        """Open the stack; photographs that the project says were moved lie on one another.

        Raises:
            FormatError: damaged, or a path that leaves the project's folder; names the JSON path.
            LightError: other than one light for each photograph, or an unusable one.
            StackError: a photograph is missing, damaged or of another size.
            OptionError: a pixel without a size.
        """
        check_pixel_size(self.pixel_size_mm)
        project = strict_json.load(_file(path))
        shape, names, rows, rotation = _frame(project)
        notes: list[str] = []
        folder = _folder(project) if self.images is None else Path(self.images)
        paths = [folder / name for name in names]
        encoding: Encoding | None = None
        if "forcedInputColorspace" in project:
            forced = project["forcedInputColorspace"].choice("linear", "srgb")
            encoding = "linear" if forced == "linear" else "srgb"
        lit = _lights(project, rows, names, shape, rotation, notes, self.pixel_size_mm)
        lens = _lens(project, shape, notes)
        straight = rotation is None or rotation.angle == 0
        offsets = _offsets(project, rows)
        crop = rotation.crop if rotation is not None and straight else None
        stack = ImageStack.open(
            paths,
            lit.lights,
            crop=None if offsets.any() else crop,
            positions=lit.near if straight else None,
            code_encoding=encoding,
            pixel_size_mm=self.pixel_size_mm or _pixel_size(project),
            notes=notes,
        )
        whole = stack.spool.photos[0].shape
        if whole != shape:
            raise StackError(
                f"has {whole[1]}x{whole[0]} pixels",
                where=str(paths[0]),
                expected=f"{shape[1]}x{shape[0]}, as {project.file} says",
            )
        stack = replace(stack, lens=lens)
        photos = stack.spool.photos
        levelled = _levels(project, shape, lit)
        if offsets.any():
            turn = None if straight else rotation
            return read_by(stack, _Aligned(offsets, crop, shape, turn, lit.near), *levelled)
        if rotation is None or straight:
            return read_by(stack, *levelled)
        size = (rotation.crop.height, rotation.crop.width)
        spool = Spool(photos, Window(0, 0, *size), rotation)
        mask = rotation.inside()
        if stack.mask is not None:  # where the photographs are opaque
            opaque = rotation(stack.mask[..., None].astype(np.uint8) * 255)[..., 0] > 127
            mask = opaque if mask is None else opaque & mask
        turned = replace(stack, spool=spool, shape=size, mask=mask, positions=lit.near)
        return read_by(turned, *levelled)

    def beside(self, path: Path) -> list[Path]:
        """The photographs that it names, the skipped ones too."""
        project = strict_json.load(_file(path))
        folder = _folder(project) if self.images is None else Path(self.images)
        found = []
        for image in project["images"].items():
            with suppress(FormatError):  # a skipped one may be called anything
                found.append(folder / _relative(image["filename"]))
        return found

    def read_lights(self, path: Path) -> NamedLights:
        """The lights alone, as :meth:`read` gives them."""
        project = strict_json.load(_file(path))
        shape, names, rows, rotation = _frame(project)
        notes: list[str] = []
        lit = _lights(project, rows, names, shape, rotation, notes, self.pixel_size_mm)
        return NamedLights.named(lit.lights, names, notes)


def _file(path: Path) -> Path:
    """The one .relight file of a folder, or the file itself."""
    found = files(path, ".relight") if path.is_dir() else [path]
    if len(found) != 1:
        raise StackError(f"{len(found)} projects", where=str(path), expected="one file *.relight")
    return found[0]


def _frame(project: Node) -> tuple[tuple[int, int], list[str], list[int], Rotation | None]:
    """(H, W) of the photographs; names and numbers of those that are not skipped; the crop."""
    shape = project["height"].integer(1, MAX_SIDE), project["width"].integer(1, MAX_SIDE)
    return shape, *_names(project), _crop(project, shape)


def _names(project: Node) -> tuple[list[str], list[int]]:
    """Names of the photographs that are not skipped, and their numbers among all."""
    names: list[str] = []
    rows: list[int] = []
    for number, image in enumerate(project["images"].items()):
        if "skip" in image and _flag(image["skip"]):
            continue
        names.append(str(_relative(image["filename"])))
        rows.append(number)
    if not names:
        raise StackError(
            "no photograph that is not skipped",
            where=f"{project.file}: $.images",
            expected="one or more",
        )
    return names, rows


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise node.fails("true or false")
    return node.value


def _relative(node: Node) -> PurePosixPath:
    """A path below the folder that it is relative to."""
    text = node.text()
    path = PurePosixPath(text.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", text)
    if outside or "\0" in text:
        raise node.fails(
            "a path inside the project's folder",
            mend="Name the folder of the photographs yourself: the reader project:images=FOLDER",
        )
    return path


def _folder(project: Node) -> Path:
    """Folder of the photographs."""
    own = project.file.parent
    if "folder" not in project:
        return own
    folder = own / _relative(project["folder"])
    if not look(folder).is_dir():
        raise MissingFileError(
            "is no folder",
            where=str(folder),
            expected=f"the photographs of {project.file.name}",
            mend="Name their folder: the reader project:images=FOLDER",
        )
    return folder


def _crop(project: Node, shape: tuple[int, int]) -> Rotation | None:
    """The crop; its angle is exactly 0 if it does not turn the photographs."""
    if "crop" not in project:
        return None
    node = project["crop"]
    angle = node["angle"].number() % 360 if "angle" in node else 0.0
    width, height = (node[name].integer(1, 2 * MAX_SIDE) for name in ("width", "height"))
    left, top = (node[name].integer(0, 2 * MAX_SIDE) for name in ("left", "top"))
    found = Rotation(angle, shape, Window(top, left, height, width))
    frame = found.frame
    if left + width > frame[1] or top + height > frame[0]:
        raise FormatError(
            f"crop {width}x{height}+{left}+{top}",
            where=f"{project.file}: $.crop",
            expected=f"a part of the {frame[1]}x{frame[0]} pixels"
            + (f" of the photograph turned by {angle:g} degrees" if angle else ""),
        )
    if max(width, height) > MAX_SIDE:
        raise node.fails(f"sides of up to {MAX_SIDE}")
    return found


@dataclass(frozen=True, eq=False)
class _Lit:
    """The lights of the photographs that are not skipped.

    Args:
        lights: their directions, from the centre of the crop.
        near: their positions from the centre of the photograph; of a turned one, from that of the
            crop.
        whole: their positions from the centre of the photograph, as it was taken.
        strengths: (L, 3) of the lamps, where the project says them.
    """

    lights: LightDirections
    near: LightPositions | None
    whole: LightPositions | None
    strengths: F64 | None


def _lights(
    project: Node,
    rows: Sequence[int],
    names: Sequence[str],
    shape: tuple[int, int],
    rotation: Rotation | None,
    notes: list[str],
    size: float | None,
) -> _Lit:
    """One light for each photograph that is not skipped, and where they stand.

    Args:
        project: the whole.
        rows: of the photographs that are not skipped.
        names: their names.
        shape: (H, W) of them.
        rotation: the crop.
        notes: oddities, to which others are added.
        size: of a pixel, millimetres, if it is not what the project says.
    """
    dome, count = _dome(project, notes), len(rows)
    total = len(project["images"].value)
    if len(dome.directions) == count:
        chosen = list(range(count))
    elif len(dome.directions) == total:
        chosen = list(rows)
        notes.append(
            f"The project has lights for all {total} photographs; "
            f"those of the {total - count} skipped ones are left out."
        )
    else:
        raise LightError(
            f"{len(dome.directions)} lights",
            where=dome.where,
            expected=f"{count}, one for each photograph that is not skipped",
            mend="Let RelightLab compute the lights again, and save the project.",
        )
    if size is None:
        size = _pixel_size(project) if dome.width_mm is None else dome.width_mm / shape[1]
    near = dome.near(size, chosen)
    x, y = (0.0, 0.0) if rotation is None else rotation.centre()
    centre = (0.0, 0.0) if size is None else (x * size, -y * size)
    found, odd = dome.lights(centre, chosen, names, near=near is not None)
    notes.extend(odd)
    strengths = None if dome.strengths is None else dome.strengths[chosen]
    if rotation is None or rotation.angle == 0:
        return _Lit(found, near, near, strengths)
    notes.append(f"The photographs and their lights are turned by {rotation.angle:g} degrees.")
    turned = near
    if near is not None:
        turned = LightPositions(rotation.turn(near.moved(x, -y).xyz))
    lights = LightDirections(rotation.turn(found.xyz).astype("float32"))
    return _Lit(lights, turned, near, strengths)


def _dome(project: Node, notes: list[str]) -> Dome:
    """The dome; older RelightLabs kept a direction with each photograph, and none in the dome."""
    images = list(project["images"].items())
    lists = ("directions", "positionsSphere", "positions3d")
    stated = "dome" in project and any(
        name in project["dome"] and project["dome"][name].value for name in lists
    )
    if stated or not all("direction" in image for image in images):
        return parse_dome(project["dome"])
    directions = vectors([image["direction"] for image in images])
    notes.append(
        "The project is of an older RelightLab: the lights are the directions of its photographs."
    )
    return Dome(f"{project.file}: $.images[].direction", directions, positions=False)


def _pixel_size(project: Node) -> float | None:
    """Side of a pixel, millimetres; 0 and nothing mean unknown."""
    for key in ("pixelSize", "pixelSizeInMM"):
        if key in project:
            return project[key].positive_or_none()
    return None


def _lens(project: Node, shape: tuple[int, int], notes: list[str]) -> Lens | None:
    """The lens; None where its focal length, in whose units distortion is, is not known.

    RelightLab keeps the focal length in millimetres, or in terms of 35-mm film by the diagonal;
    sides of the sensor's pixels in millimetres, and the principal point in pixels from the middle.
    """
    if "lens" not in project:
        return None
    node = project["lens"]

    def number(key: str) -> float:
        return node[key].number() if key in node else 0.0

    k1, k2, p1, p2 = (number(key) for key in ("k1", "k2", "p1", "p2"))
    focal, pixel = number("focalLength"), number("pixelSizeX")
    of_film = "focal35equivalent" not in node or _flag(node["focal35equivalent"])
    try:
        if focal > 0 and of_film:
            lens = Lens.of_film(focal, shape, k1, k2, p1, p2)
        elif focal > 0 and pixel > 0:
            lens = Lens(focal / pixel, k1, k2, p1, p2)
        elif any((k1, k2, p1, p2)):
            notes.append(
                "The project's lens distorts, but its focal length is not known: that cannot be "
                "undone."
            )
            return None
        else:
            return None
        lens = replace(lens, x=number("principalOffsetX"), y=number("principalOffsetY"))
    except OptionError as error:
        notes.append(f"The project's lens cannot be used: {error}.")
        return None
    if lens.distorts:
        notes.append("The project's lens distorts, which is undone where that is asked for.")
    return lens


def _levels(project: Node, shape: tuple[int, int], lit: _Lit) -> list[Step]:
    """What divides the lamps' strengths out, where the project tells them.

    What ``ledAdjust`` says counts; else the first white reference with an area.
    """
    if lit.strengths is not None:
        return [EvenLamps(lit.strengths, "ledAdjust")]
    patch = _white(project, shape)
    return [] if patch is None else [_ByWhite(lit, patch, shape)]


@dataclass(frozen=True, eq=False)
class _ByWhite:
    """The colour of something white in each photograph, which is that of the lamp, divided out.

    Args:
        lit: the lights.
        patch: where it is.
        shape: (H, W) of the photographs, in which that is told.
    """

    lit: _Lit
    patch: Window
    shape: tuple[int, int]

    def __call__(self, stack: Stack, photographs: ImageStack) -> Stack:
        photos, patch, near = photographs.spool.photos, self.patch, self.lit.whole
        if photos[0].shape != self.shape:
            patch = half_of(patch)
            near = None if near is None else near.halved()
        found = patch_strengths(photos, patch, self.lit.lights, near, stack.code_encoding)
        if isinstance(found, str):
            note = f"The project's white reference is not applied: it is {found}."
            return replace(stack, notes=(*stack.notes, note))
        even = even_lamps(stack, found, "the project's white reference")
        # Measured in the photographs themselves, so that it tells how each was exposed as well.
        history = {**even.history, "exposures": {"by": "the project's white reference"}}
        return replace(even, history=history)


def _white(project: Node, shape: tuple[int, int]) -> Window | None:
    """The first white reference that has an area; RelightLab misspells ``whitess``."""
    for key in ("whites", "whitess"):
        for white in project[key].items() if key in project else ():
            if "rect" not in white:
                continue
            rect = white["rect"]
            width, height = (
                rect[name].integer(-MAX_SIDE, MAX_SIDE) for name in ("width", "height")
            )
            if width < 1 or height < 1:
                continue
            left, top = (rect[name].integer(0, MAX_SIDE) for name in ("left", "top"))
            if left + width > shape[1] or top + height > shape[0]:
                raise rect.fails(f"a part of the {shape[1]}x{shape[0]} pixels")
            return Window(top, left, height, width)
    return None


def _offsets(project: Node, rows: Sequence[int]) -> F64:
    """(L, 2) whole pixels, right and down, by which each photograph lies off the common picture.

    As RelightLab has it: the mean of what each of its alignments says, rounded.
    """
    total = len(project["images"].value)
    found = []
    for align in project["aligns"].items() if "aligns" in project else ():
        offsets = list(align["offsets"].items()) if "offsets" in align else []
        if len(offsets) not in (0, len(rows), total):
            raise align["offsets"].fails(f"{total} offsets, one for each photograph")
        told = np.array([offset.numbers(2) for offset in offsets])
        # Of all photographs, or of those that are not skipped, as directions are.
        found += [told if len(told) == len(rows) else told[list(rows)]] if len(told) else []
    if not found:
        return np.zeros((len(rows), 2))
    return np.asarray(np.rint(np.mean(found, axis=0)))


@dataclass(frozen=True, eq=False)
class _Aligned:
    """Lays photographs on one another by a project's offsets: what all show, of that the crop.

    No pixel is resampled, but of half-sized ones moved by an odd number, and for a turned crop.

    Args:
        offsets: (L, 2) whole pixels.
        crop: of the project, where it is not turned.
        shape: (H, W) of the photographs, in which both are told.
        turned: the crop, where it is turned.
        near: positions of the lights from the centre of that.
    """

    offsets: F64
    crop: Window | None
    shape: tuple[int, int]
    turned: Rotation | None
    near: LightPositions | None

    def __call__(self, stack: Stack, photographs: ImageStack) -> Stack:
        crop, turned, near = self.crop, self.turned, self.near
        maps = np.tile(np.eye(3), (len(stack), 1, 1))
        maps[:, :2, 2] = self.offsets
        whole = photographs.spool.photos[0].shape
        if whole != self.shape:
            crop = None if crop is None else half_of(crop)
            maps[:, :2, 2] /= 2
            near = None if near is None else near.halved()
            if turned is not None:
                turned = Rotation(turned.angle, whole, half_of(turned.crop))
        far = int(np.abs(self.offsets).max())
        note = f"The project's alignment offsets, up to {far} pixel{'s' * (far > 1)}, are applied."
        history = {"offsets": self.offsets.astype(int).tolist()}
        if turned is None:
            if stack.mask is not None:
                stack = replace(stack, mask=stack.mask & inside_all(stack.mask, maps))
            return laid(stack, maps, [note], history).adjusted(crop=crop)
        maps = maps @ pixel_map(turned.affine)
        size = (turned.crop.height, turned.crop.width)
        mask = inside_all(np.ones(whole, bool) if stack.mask is None else stack.mask, maps, size)
        return replace(
            held(stack, maps),
            shape=size,
            positions=near,
            mask=None if mask.all() else mask,
            notes=(*stack.notes, note),
            history={**stack.history, **history},
        )


READER = ProjectReader()
WRITER = None
