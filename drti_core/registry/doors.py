"""The doors: whatever is on disk is opened, and written, through one of them.

A reader recognises a path by its content, a writer by its ending; drti's own have precedence.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.errors import (
    DrtiError,
    FileError,
    FormatError,
    LightError,
    OptionError,
    PluginError,
    UnsupportedFormatError,
)
from drti_core.io import outputs, places, regular
from drti_core.io.pictures.decoders import kind_of
from drti_core.io.pictures.photos import pictures
from drti_core.io.places import Source, bring
from drti_core.io.regular import open_file
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import RelightableModel, StoredModel
from drti_core.model.contracts import LightsReader, ModelReader, Reader, StackReader, Writer
from drti_core.model.graph_model import GraphModel, restore_graph
from drti_core.options import with_options
from drti_core.registry import guard
from drti_core.registry.catalogue import registry
from drti_core.registry.shelf import Shelf, named, warn_once
from drti_core.stack import AUTO, Stack

T = TypeVar("T")

#: Names of a folder's content in a message, and folders in it that are looked into.
_SHOWN, _LOOKED_INTO = 4, 20


def find_reader(
    path: str | os.PathLike[str], reader: str | None = None, kind: type[Reader] | None = None
) -> Reader:
    """The reader for an input: by id (with options), else the one that recognises its content.

    Args:
        path: a file or folder.
        reader: id of the reader, with options.
        kind: which kind of reader is preferred where several recognise it; by default that of
            models, then of stacks, then of lights.

    Raises:
        MissingFileError: it is not there.
        FileError: it cannot be read.
        UnsupportedFormatError: it is of no format that is known.
        PluginError: several readers claim it.
    """
    if reader is not None:
        return named(registry().readers, reader)
    file, shelf = Path(path), registry().readers
    claims, head = _claims(file)
    if not claims:
        readers = shelf.load_all().values()
        wanted = [item for item in readers if kind is None or isinstance(item, kind)]
        raise _unknown(file, head, "one of: " + "; ".join(item.summary for item in wanted))
    if kind is None:
        claims = _own(shelf, claims)
    for preferred in (ModelReader, StackReader, LightsReader) if kind is None else (kind,):
        if of_kind := {name: item for name, item in claims.items() if isinstance(item, preferred)}:
            claims = of_kind
            break
    return _only(shelf, claims, "claim it", file)


def _claims(file: Path) -> tuple[dict[str, Reader], bytes]:
    """The readers that recognise a path, else those of its ending; and its head.

    Raises:
        FileError: it cannot be read.
    """
    if not os.path.lexists(file):
        outputs.clean(file.parent)  # a run that was killed while replacing it may have it aside
    try:
        head = head_of(file)
    except OSError as error:
        raise FileError.of(error, file) from None
    readers = registry().readers.load_all()
    claims = _recognised(readers, file, head)
    if len(claims) > 1:
        claims.pop("foreign", None)  # it only refuses by name what nobody else reads
    if not claims and not file.is_dir():
        ending = file.name[file.name.rfind(".") :].lower()
        claims = {name: item for name, item in readers.items() if ending in item.suffixes}
    return claims, head


def _recognised(readers: dict[str, Reader], file: Path, head: bytes) -> dict[str, Reader]:
    """The readers that recognise a path; of a stand-in those first that let files be fetched."""
    if (place := places.of(file)) is None:
        return {name: item for name, item in readers.items() if _recognises(name, file, head)}
    lazy = {name: item for name, item in readers.items() if item.lazy}
    if claims := {name: item for name, item in lazy.items() if _recognises(name, file, head)}:
        return claims
    others = {name: item for name, item in readers.items() if name not in lazy}
    if others:
        place[0].fetch_all(place[1])
    return {name: item for name, item in others.items() if _recognises(name, file, head)}


def _claimed(file: Path) -> bool:
    """Whether a reader recognises a file as it is."""
    return bool(_recognised(registry().readers.load_all(), file, head_of(file)))


places.claims.append(_claimed)


def _unknown(file: Path, head: bytes, expected: str) -> UnsupportedFormatError:
    """What was found where no reader recognises it, and what may be meant."""
    where = str(file)
    if not file.is_dir():
        if kind_of(head) is not None:
            return UnsupportedFormatError(
                "a picture by itself",
                where=where,
                expected="a model, or photographs with their lights: a folder or its light file",
            )
        return UnsupportedFormatError(
            f"not a file ({f'it starts with {head[:16]!r}' if head else 'it is empty'}) of a known "
            "format",
            where=where,
            expected=expected,
        )
    photographs = [path.name for path in pictures(file)]
    if photographs:
        return UnsupportedFormatError(
            f"{len(photographs)} photographs ({photographs[0]} to {photographs[-1]}) and no light "
            "file",
            where=where,
            expected="a light file (.lp) beside them, or a project or dome that knows their lights",
            mend="Find the lights by glossy balls in the photographs, or name the light file and "
            "their folder (images=).",
        )
    inside = sorted(path for path in file.iterdir() if not path.name.startswith("."))
    shown = ", ".join(path.name for path in inside[:_SHOWN]) + ", …" * (len(inside) > _SHOWN)
    known = next((path for path in inside[:_LOOKED_INTO] if path.is_dir() and _known(path)), None)
    return UnsupportedFormatError(
        f"not a folder ({f'it holds {shown}' if inside else 'it is empty'}) of a known format",
        where=where,
        expected=expected,
        mend="" if known is None else f"Did you mean the folder {known.name} in it?",
    )


def _known(folder: Path) -> bool:
    """Whether a reader recognises a folder."""
    return any(_recognises(name, folder, b"") for name in registry().readers.load_all())


def head_of(path: Path) -> bytes:
    """What :meth:`Reader.sniff` is given of a file or folder."""
    if path.is_dir():
        return b""
    with open_file(path) as file:
        return file.read(512)


def _recognises(name: str, file: Path, head: bytes) -> bool:
    """Whether a reader recognises a file; a stranger's that fails is named, and does not."""
    readers = registry().readers
    try:
        return readers.get(name).sniff(file, head)
    except Exception as error:
        if readers.is_builtin(name):
            raise
        source = readers.targets[name][1]
        warn_once(f"the reader {name!r} of {source} failed: {guard.describe(error)}")
        return False


def find_writer(path: str | os.PathLike[str], writer: str | None = None) -> Writer:
    """The writer for an output: by id (with options), else by file ending, else a folder.

    Raises:
        PluginError: no such writer.
        UnsupportedFormatError: no writer has this ending.
    """
    if writer is not None:
        return named(registry().writers, writer)
    suffix = Path(path).suffix.lower()
    shelf = registry().writers
    writers = shelf.load_all()
    fitting = {name: item for name, item in writers.items() if suffix in item.suffixes}
    if fitting:
        return _only(shelf, fitting, f"write {suffix}", path)
    folders = [item for item in writers.values() if not item.suffixes]  # drti's own is the first
    endings = sorted(ending for item in writers.values() for ending in item.suffixes)
    if suffix in (".json", ".html", ".onnx") or not folders:
        raise UnsupportedFormatError(
            f"no writer for the ending {suffix!r}",
            where=str(path),
            expected=", ".join(endings) + " or a folder name",
        )
    return folders[0]


def _own(shelf: Shelf[T], claims: dict[str, T]) -> dict[str, T]:
    """Those of drti itself, which have precedence; all of them where it has none."""
    return {name: item for name, item in claims.items() if shelf.is_builtin(name)} or claims


def _only(shelf: Shelf[T], claims: dict[str, T], claim: str, path: str | os.PathLike[str]) -> T:
    """The one that has precedence.

    Raises:
        PluginError: two are alike.
    """
    found = _own(shelf, claims)
    if len(found) > 1:
        raise PluginError(
            f"the {shelf.kind}s {' and '.join(found)} both {claim}",
            where=str(path),
            mend=f"Name the {shelf.kind} to use.",
        )
    return next(iter(found.values()))


#: What is done to photographs as their reader gives them. Files that it reads are its ``files``.
Develop = Callable[[Stack], Stack]


class StackOptions(TypedDict, total=False):
    """What :func:`open_stack` takes beside the path."""

    reader: str | None
    crop: Window | None
    mask: Path | npt.ArrayLike | None
    images: str | os.PathLike[str] | None
    to_linear: bool
    pixel_size_mm: float | None
    by_order: bool
    develop: Develop | None


#: Names of a file that stands for its folder end so.
_OF_A_FOLDER = (".json", ".xml", ".js")


def unit_of(path: Path) -> Path:
    """What the content of an input is: the folder of an info.json, else itself."""
    if path.suffix.lower() in _OF_A_FOLDER and not path.is_dir():
        return path.absolute().parent
    return path


def read_from(
    path: str | os.PathLike[str],
    opened: RelightableModel | Stack | None = None,
    **options: Unpack[StackOptions],
) -> list[Path]:
    """The files and folders that an input is read from, which no output may touch.

    Args:
        path: what was or will be opened.
        opened: it; of photographs all their files are known then, and their folders. Beside a light
            file that is named, among its photographs, an output may lie.
        options: it was opened with.
    """
    given = Path(path)
    mask, images = options.get("mask"), options.get("images")
    found = [given, unit_of(given)]
    found += [Path(other) for other in (_file(mask), images) if other is not None]
    found += getattr(options.get("develop"), "files", ())
    # All that recognise it are asked: what it is opened as is known to the caller alone.
    chosen, asked = options.get("reader"), []
    with suppress(DrtiError):
        asked = [*_claims(given)[0].values()] if chosen is None else [find_reader(given, chosen)]
    for each in asked:
        with suppress(DrtiError):  # of what cannot be read, opening it will tell
            reader = _told(each, given, options)
            own = getattr(reader, "images", None)
            found += [] if own is None else [Path(own)]
            found += _guarded(reader.beside, given)
    if isinstance(opened, Stack):
        named = None if given.is_dir() else Path(os.path.realpath(given.parent))
        found += opened.files
        found += {
            file.parent for file in opened.files if Path(os.path.realpath(file.parent)) != named
        }
    return found


def open_any(path: Source, **options: Unpack[StackOptions]) -> RelightableModel | Stack:
    """Open a model or a stack, whichever ``path`` is.

    Args:
        path: a file or folder, a URL, bytes, or a file that is open for reading: see
            :func:`drti_core.io.places.bring`. A zip archive is opened as what it holds.
        options: see :func:`open_stack`; of them a model takes the reader only
            (``"rti:legacy_hshfitter=true"``).

    Raises:
        MissingFileError: it, or a part of it, is not there.
        FormatError: it is damaged.
        UnsupportedFormatError: of no known format, or a variant that is not supported.
        OptionError: an option of stacks for a model.
        PluginError: its codec or reader is not installed.
    """
    place = bring(path)
    found = read(place.path, find_reader(place.path, options.get("reader")), **options)
    if isinstance(found, LightDirections):
        raise _another_kind(found, place.path, "a model or photographs")
    if isinstance(found, Stack):
        return place.kept_by(found)
    return _restored(found, place)


def _restored(stored: StoredModel, place: places.Place) -> RelightableModel:
    """A model, which keeps the place that it came from only while its codes are read from there."""
    if stored.planes is not None and not isinstance(stored.planes.codes, np.ndarray):
        place.kept_by(stored.planes.codes)
    return restore(stored)


def open_model(path: Source, *, reader: str | None = None) -> RelightableModel:
    """Open a relightable model (``.ptm``, ``.rti``, a web folder, …); see :func:`open_any`."""
    place = bring(path)
    found = read(place.path, find_reader(place.path, reader, ModelReader))
    if not isinstance(found, StoredModel):
        raise _another_kind(found, place.path, "a model")
    return _restored(found, place)


@places.anywhere(reads=("mask", "images"))
def open_stack(
    path: Source,
    *,
    reader: str | None = None,
    crop: Window | None = None,
    mask: Path | npt.ArrayLike | None = None,
    images: str | os.PathLike[str] | None = None,
    to_linear: bool = False,
    pixel_size_mm: float | None = None,
    by_order: bool = False,
    develop: Develop | None = None,
) -> Stack:
    """Open photographs and their lights; pixels are decoded when they are first needed.

    Args:
        path: whatever a reader of stacks recognises: a light file or the folder of one, a project
            or a dome of RelightLab, a project folder of RTIBuilder, …
        reader: id of the reader to use, with options; by default the one that recognises it.
        crop: the part of the photographs to keep (y down, from the top left corner).
        mask: picture (above half is inside) or (H, W) array, of the size of the photographs or of
            the crop; or ``"auto"``, see :meth:`drti_core.Stack.adjusted`. (A file of that name is
            ``Path("./auto")``.)
        images: folder of the photographs, if they are not where the input says.
        to_linear: give linear values of photographs that hold sRGB ones.
        pixel_size_mm: side of a pixel on the object, millimetres.
        by_order: give the rows of a light file to the photographs in natural order, whatever names
            they have, as the lights of a dome serve many objects.
        develop: what is done to the whole photographs before the part, the mask and linear values
            are looked at, for example a :class:`drti_core.Darkroom`.

    Raises:
        MissingFileError: it, or a photograph, is not there.
        FormatError: damaged or unknown; names the place.
        LightError: no light file, several of them, or a direction that cannot be used.
        StackError: a photograph is damaged or differs from its siblings.
        OptionError: the crop is not inside, the mask does not fit, or the reader knows no images
            or no order.
        MissingExtraError: 16-bit RGB photographs without pyvips.
        PluginError: its reader is not installed.
    """
    place = bring(path)
    found = read(
        place.path,
        find_reader(place.path, reader, StackReader),
        crop=crop,
        mask=mask,
        images=images,
        to_linear=to_linear,
        pixel_size_mm=pixel_size_mm,
        by_order=by_order,
        develop=develop,
    )
    if not isinstance(found, Stack):
        raise _another_kind(found, place.path, "photographs and a light file")
    return place.kept_by(found)


def open_lights(path: Source, *, reader: str | None = None) -> NamedLights:
    """The lights of whatever has some: a light file, a dome, a stack, a model.

    Args:
        path: a file or folder, or whatever else :func:`open_any` takes.
        reader: id of the reader to use, with options; by default the one that recognises it.

    Raises:
        LightError: malformed, or the model does not know its lights.
        FormatError: missing, damaged or unknown; names the place.
        PluginError: its reader is not installed.
    """
    place = bring(path)
    chosen = find_reader(place.path, reader, LightsReader)
    if isinstance(chosen, LightsReader):
        found = _guarded(chosen.read_lights, _fetched(chosen, place.path))
    else:
        whole = read(place.path, chosen)
        if isinstance(whole, Stack):
            return NamedLights.named(whole.lights, whole.names, whole.notes)
        lights = whole if isinstance(whole, LightDirections) else whole.metadata.lights
        if lights is None:
            raise LightError(
                "this model does not know its lights",
                where=str(place.path),
                expected="a light file, photographs, or a model that was saved with its lights",
            )
        found = lights
    return found if isinstance(found, NamedLights) else NamedLights.named(found)


def read(
    path: str | os.PathLike[str], chosen: Reader, **options: Unpack[StackOptions]
) -> StoredModel | Stack | LightDirections:
    """What a reader that was chosen gives of a path; a stack as it is to be looked at.

    Raises:
        OptionError: an option of stacks for something else, or ``images`` or ``by_order`` for a
            reader that has no such option.
        DrtiError: see :func:`open_any`.
    """
    found = _guarded(_told(chosen, path, options).read, _fetched(chosen, Path(path)))
    given: dict[str, Any] = {
        name: value
        for name, value in options.items()
        if name not in ("reader", "images", "by_order") and value is not None and value is not False
    }
    if isinstance(found, Stack):
        return looked_at(found, options)
    if (develop := given.pop("develop", None)) is not None:
        given |= dict.fromkeys(getattr(develop, "steps", ("develop",)))
    if given:
        raise OptionError(
            f"{', '.join(given)} of {'a model' if isinstance(found, StoredModel) else 'lights'}",
            where=str(path),
            expected="photographs",
        )
    return found


def looked_at(stack: Stack, options: StackOptions) -> Stack:
    """Photographs as their reader gives them, as they are to be looked at.

    Args:
        stack: whole; the size of a pixel that is told is that of these, of which half may be left.
        options: see :func:`open_stack`; those of the reader are done already.
    """
    stack = stack.adjusted(pixel_size_mm=options.get("pixel_size_mm"))
    develop = options.get("develop")
    return (stack if develop is None else develop(stack)).adjusted(
        crop=options.get("crop"),
        mask=options.get("mask"),
        to_linear=options.get("to_linear", False),
    )


def _told(chosen: Reader, path: str | os.PathLike[str], options: StackOptions) -> Reader:
    """A reader with those options of stacks that are its own.

    Raises:
        OptionError: ``images`` or ``by_order`` for a reader that has no such option.
    """
    images, mask = options.get("images"), options.get("mask")
    own = {item.name for item in fields(chosen)}
    if images is not None and "images" not in own:
        raise OptionError(
            f"images {os.fspath(images)} for the reader {chosen.reader_id}",
            where=str(path),
            expected="a reader that looks for photographs",
        )
    told: dict[str, Any] = {} if images is None else {"images": os.fspath(images)}
    if options.get("by_order") and "by_order" not in own:
        raise OptionError(
            f"photographs by their order for the reader {chosen.reader_id}",
            where=str(path),
            expected="a light file",
        )
    if options.get("by_order"):
        told["by_order"] = "always"
    if (picture := _file(mask)) is not None and "skip" in own:
        told["skip"] = str(picture)
    if options.get("pixel_size_mm") is not None and "pixel_size_mm" in own:
        told["pixel_size_mm"] = options["pixel_size_mm"]
    return with_options(chosen, told)


def _file(mask: Path | npt.ArrayLike | None) -> Path | None:
    """The picture of a mask, if it is one."""
    return Path(mask) if isinstance(mask, (str, Path)) and mask != AUTO else None


def _another_kind(
    found: StoredModel | Stack | LightDirections, path: str | os.PathLike[str], expected: str
) -> FormatError:
    what, mend = "these are lights alone", ""
    if isinstance(found, StoredModel):
        what = "this is a fitted model"
    elif isinstance(found, Stack):
        what, mend = "this is a stack of photographs", "Fit it first."
    return FormatError(what, where=str(path), expected=expected, mend=mend)


def _fetched(chosen: Reader, path: Path) -> Path:
    """A path; of a stand-in all is fetched, for a reader that opens files by itself."""
    if not chosen.lazy and (found := places.of(path)) is not None:
        mount, name = found
        beside = isinstance(chosen, StackReader) and not path.is_dir()
        mount.fetch_all(posixpath.dirname(name) if beside else name)
    return path


def _guarded(reads: Callable[[Path], T], path: str | os.PathLike[str]) -> T:
    file = Path(path)
    try:
        if places.of(file) is None and os.path.lexists(file) and not file.is_dir():
            regular.check(file)
        return reads(file)
    except DrtiError:
        raise
    except OSError as error:
        raise FileError.of(error, error.filename or path) from None


def restore(stored: StoredModel) -> RelightableModel:
    """Rebuild a model with the codec that its config names, else by the graph beside it.

    Raises:
        PluginError: that codec is not installed.
        FormatError: the parameters do not belong together.
    """
    name = stored.config.get("codec")
    if not isinstance(name, str):
        raise FormatError(f"config names the codec {name!r}", expected="an id")
    codecs = registry().codecs
    if name == GraphModel.codec_id:
        return restore_graph(stored)
    try:
        found = codecs.get(name)
    except PluginError as error:
        if stored.graph is None:
            raise
        reason = str(error) if name in codecs.ids() else f"the codec {name!r} is not installed"
        model = restore_graph(stored)
        note = f"{reason}: relit by {stored.graph.name}"
        return model.with_metadata(notes=(*model.metadata.notes, note))
    return found.restore(stored)


def save_model(
    model: RelightableModel,
    path: str | os.PathLike[str] | BinaryIO,
    *,
    writer: str | Writer | None = None,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write a model whole or not at all.

    Args:
        model: what to write.
        path: file or folder; the ending chooses the writer (``.ptm``, ``.rti``, else a folder). Or
            a URL; or a file that is open for writing, which takes a folder as a zip archive.
        writer: id of the writer, with options (``"folder:image=png"``), or a writer.
        overwrite: replace an output that exists.

    Returns:
        What was lost or changed on the way, a sentence each.

    Raises:
        UnsupportedFormatError: the format cannot hold this model; says why.
        OutputExistsError: ``path`` exists and ``overwrite`` is false.
        OptionError: an open file and no writer, or a URL that cannot be written.
    """
    if isinstance(path, (str, os.PathLike)):
        return _save(model, path, writer, overwrite)
    if writer is None:
        raise OptionError(
            "an open file, whose ending says nothing",
            where="writer",
            expected="one, for example 'rti'",
        )
    chosen = writer if isinstance(writer, Writer) else find_writer("", writer)
    with places.into(path, next(iter(chosen.suffixes), "")) as temporary:
        return _save(model, temporary, chosen, overwrite)


@places.anywhere(writes=["path"])
def _save(
    model: RelightableModel,
    path: str | os.PathLike[str],
    writer: str | Writer | None,
    overwrite: bool,
) -> tuple[str, ...]:
    chosen = writer if isinstance(writer, Writer) else find_writer(path, writer)
    stored = model.stored()
    reason = chosen.refuse(stored)
    if reason is not None:
        raise UnsupportedFormatError(reason, where=str(path))
    return chosen.write(stored, Path(path), overwrite=overwrite)
