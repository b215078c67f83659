"""One photograph: its header, and its pixels decoded to rows.

JPEG, PNG, TIFF and PGM of 8 or 16 bits, camera RAW, EXR and TIFF of floats; RGB or grey, judged by
content, and never by a preview in the file. The orientation is applied; an ICC profile is carried,
never applied. Pixels come through LibRaw (RAW), OpenEXR (EXR), libvips where the ``tiles`` extra is
installed (bounded memory, any 16-bit RGB), else through tifffile (TIFF, by strips and tiles) and
Pillow (whole images, 8-bit RGB).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from drti_core.arrays import MAX_SIDE, Array, Codes, Window
from drti_core.colour import Encoding
from drti_core.errors import (
    DrtiError,
    FileError,
    FormatError,
    MissingExtraError,
    MissingFileError,
    StackError,
    raise_if_short,
)
from drti_core.io.pictures import decoders, exif, exr, pgm, raw, spaces, tiff
from drti_core.io.pictures.raw import Development, RawHeader
from drti_core.io.pictures.raw_exif import exif_of_raw
from drti_core.io.pictures.tiff_pictures import Read, TiffPicture, TiffPictures, tiff_pictures
from drti_core.io.pictures.xmp import split
from drti_core.io.places import mounts
from drti_core.io.regular import look_into, open_file

#: File endings of photographs, lower case.
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".pgm", ".exr", *raw.SUFFIXES)
#: No photograph has more pixels; a header that claims more is not believed.
MAX_PIXELS = 10**9

#: Pictures that are named so are no photographs.
_NONE = re.compile(r"(?i)(^|[^a-z])(mask|normal|normals|albedo)([^a-z]|$)")
_READABLE = "an 8- or 16-bit RGB or grey JPEG, PNG, TIFF or PGM"
_OWN_TIFF = "Save the photograph itself as the first picture of a TIFF, or develop it again."
_RESAVE = f"Save it as {_READABLE}."
#: Pillow's modes that hold colour, or grey.
_COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA")
_GREY = ("1", "L", "LA", "I;16", "I;16B", "I;16L", "I")
_EXIF_ORIENTATION = 274
#: Rows that are copied at a time: they stay in the processor's cache.
_COPIED = 64
#: Tags of a TIFF, and the format of samples that are floats.
_BITS, _PHOTOMETRIC, _SAMPLES, _XMP, _FORMAT, _ICC, _FLOAT = 258, 262, 277, 700, 339, 34675, 3
#: Of red, green and blue.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Warnings of libjpeg that leave the pixels right: some cameras' files have these oddities.
_HARMLESS = ("Invalid SOS parameters", "extraneous bytes before marker")


@dataclass(frozen=True)
class PhotoInfo:
    """What the header of a photograph says.

    Args:
        path: the file.
        format: by its content.
        width: pixels, after the orientation was applied.
        height: pixels, after the orientation was applied.
        channels: 1 (grey) or 3; an alpha channel is not counted.
        bits: 8 or 16 for a sample, 32 of floats.
        orientation: EXIF orientation 1..8.
        dropped: what is left out ("transparency", see :mod:`.alpha`), or "".
        icc: ICC profile.
        xmp: XMP packet, without what drti added.
        exif: EXIF block, see :func:`drti_core.io.pictures.exif.clean`.
        pixel_size_mm: side of a pixel on the object, millimetres, of a picture that drti wrote.
        dpi: horizontal resolution, dots an inch.
        luma: whether it is a colour photograph of which the luma alone is decoded.
        development: how RAW becomes pixels.
    """

    path: Path
    format: Literal["jpeg", "png", "tiff", "pgm", "raw", "exr"]
    width: int
    height: int
    channels: int
    bits: int
    orientation: int = 1
    dropped: str = ""
    icc: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    pixel_size_mm: float | None = None
    dpi: float | None = None
    luma: bool = False
    development: Development | None = None
    #: Keeps what the path is a stand-in of.
    _place: object = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_place", mounts.of(self.path))

    def as_luma(self) -> PhotoInfo:
        """The photograph in grey: of a JPEG, decoding that takes half as long."""
        return self if self.channels == 1 else replace(self, channels=1, luma=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.height, self.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the decoded samples."""
        return np.dtype({8: np.uint8, 16: np.uint16, 32: np.float32}[self.bits])

    @property
    def encoding(self) -> Encoding:
        """What the samples are: linear light of RAW, floats, and where the ICC profile says so."""
        linear = self.format == "raw" or self.bits == 32 or spaces.is_linear(self.icc)
        return "linear" if linear else "srgb"

    def developed(self, development: Development, header: RawHeader | None = None) -> PhotoInfo:
        """The photograph, RAW, developed in another way.

        Args:
            development: how.
            header: of its file, if it was read already.
        """
        height, width = raw.size_of(header or raw.probe(self.path), development)
        icc = (
            spaces.profile(development.space) if development.space and self.channels == 3 else None
        )
        return replace(self, development=development, height=height, width=width, icc=icc)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``img2`` comes before ``img10``.

    >>> sorted(["img10.jpg", "img2.jpg"], key=natural_key)
    ['img2.jpg', 'img10.jpg']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]


def pictures(folder: Path) -> list[Path]:
    """The picture files of a folder in natural order; none if there is no such folder.

    RAW that lies there developed too, under its name with another ending, is left out.
    """
    try:
        entries = list(look_into(folder).iterdir())
    except OSError:
        return []
    found = [
        path
        for path in entries
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    developed = {path.stem.casefold() for path in found if not _ends_as_raw(path)}
    found = [
        path for path in found if not _ends_as_raw(path) or path.stem.casefold() not in developed
    ]
    return sorted(found, key=lambda path: natural_key(path.name))


def _ends_as_raw(path: Path) -> bool:
    return path.suffix.lower() in raw.SUFFIXES


def photographs(found: Sequence[Path], wanted: int = 0) -> tuple[list[Path], tuple[str, ...]]:
    """Those of a folder's pictures that are photographs, and a note of the others, if any.

    Pictures whose names call them a mask or a map of normals are none, unless half of them are
    called so: then it is what was photographed, or unless there are as many as ``wanted`` with
    them.
    """
    files = [file for file in found if not _NONE.search(file.stem)]
    if len(found) == wanted or 2 * len(files) <= len(found):
        return list(found), ()
    left = ", ".join(file.name for file in found if file not in files)
    notes = () if not left else (f"Left out, as they are no photographs by their names: {left}.",)
    return files, notes


def probe(path: Path) -> PhotoInfo:
    """Read the header of a photograph; no pixel is decoded.

    Raises:
        MissingFileError: it is not there.
        StackError: unreadable, of a kind that is not supported, or too large; or a TIFF whose
            first picture is a preview.
        MissingExtraError: RAW without rawpy, EXR without OpenEXR, or a 16-bit RGB PNG without
            pyvips.
    """
    try:
        head = decoders.head_of(path)
        kind = decoders.kind_of(head)
        if pgm.is_graymap(head):
            return _bounded(_graymap_info(path))
        if exr.is_exr(head):
            return _bounded(_exr_info(path))
        if kind == "tiff" or raw.is_raw(head):
            inside = _read_from(path, tiff_pictures)
            if inside.raw or raw.is_raw(head):
                return _bounded(_raw_info(path, inside))
            if inside.preview:
                raise StackError(
                    f"is no photograph: {inside.preview}", where=str(path), mend=_OWN_TIFF
                )
            if inside.all and _of_floats(inside.all[0]):
                return _bounded(_float_info(path, inside.all[0]))
        if kind is None or kind == "webp":
            raise StackError(
                f"starts with {head[:8]!r}" if head else "is empty",
                where=str(path),
                expected=_READABLE,
                mend=_RESAVE if head else "Restore the file from its original.",
            )
        with decoders.quiet(), decoders.open_image(path, kind, str(path)) as image:
            info = _header(path, image, kind)
        if kind == "tiff":
            info = replace(info, exif=_read_from(path, _exif_of))
    except FileNotFoundError:
        raise MissingFileError(
            "is not there", where=str(path), expected="a photograph", mend="Restore the file."
        ) from None
    except DrtiError:
        raise
    except decoders.DAMAGE as error:
        raise decoders.system_error(error, path) or StackError(
            f"its header cannot be read ({error})",
            where=str(path),
            expected=_READABLE,
            mend="Restore the file from its original, or save it anew.",
        ) from error
    return _bounded(info)


def exif_of(path: Path) -> bytes | None:
    """The EXIF block of a photograph, of RAW without rawpy too; None where there is none.

    Raises:
        DrtiError: see :func:`probe`, of what is no RAW.
    """
    if not _ends_as_raw(path):
        return probe(path).exif
    try:
        found: bytes | None = _read_from(path, exif_of_raw)
        return found
    except OSError as error:
        raise FileError.of(error, path) from None


def _bounded(info: PhotoInfo) -> PhotoInfo:
    """A photograph that is not too large."""
    if max(info.shape) > MAX_SIDE or info.width * info.height > MAX_PIXELS:
        raise StackError(
            f"claims {info.width}x{info.height} pixels",
            where=str(info.path),
            expected=f"sides up to {MAX_SIDE} and {MAX_PIXELS} pixels in all",
            mend="Scale or crop the photographs first.",
        )
    return info


def _graymap_info(path: Path) -> PhotoInfo:
    header = pgm.probe(path)
    return PhotoInfo(path, "pgm", header.width, header.height, channels=1, bits=header.bits)


def _read_from(path: Path, parse: Callable[[Read], Any]) -> Any:
    """What is made of the bytes of a file, some here and some there."""
    with open_file(path) as file:

        def read(at: int, size: int) -> bytes:
            file.seek(at)
            return file.read(size)

        return parse(read)


def _exif_of(read: Read) -> bytes | None:
    return exif.write(exif.parse(read))


def _raw_info(path: Path, inside: TiffPictures) -> PhotoInfo:
    header, development = raw.probe(path), Development()
    height, width = raw.size_of(header, development)
    packet = inside.all[0].tags.get(_XMP, (0, b""))[1] if inside.all else b""
    xmp, size = _packet(packet, path)
    return PhotoInfo(
        path,
        "raw",
        width,
        height,
        channels=header.channels,
        bits=16,
        xmp=xmp,
        exif=_read_from(path, exif_of_raw),
        pixel_size_mm=size,
        development=development,
        icc=spaces.profile("srgb") if header.channels == 3 else None,
    )


def _exr_info(path: Path) -> PhotoInfo:
    try:
        header = exr.probe(path, MAX_PIXELS)
    except FormatError as error:
        raise StackError(error.problem, where=error.where, expected=error.expected) from error
    icc = None
    if header.channels == 3:
        primaries = header.chromaticities
        icc = spaces.profile_of(primaries, "the photographs' primaries") if primaries else None
        icc = icc or spaces.profile("srgb")  # the primaries where none are stated
    return PhotoInfo(
        path, "exr", header.width, header.height, channels=header.channels, bits=32, icc=icc
    )


def _of_floats(first: TiffPicture) -> bool:
    bits = first.numbers(_BITS)
    return first.number(_FORMAT) == _FLOAT and set(bits) == {32}


def _float_info(path: Path, first: TiffPicture) -> PhotoInfo:
    channels = 3 if first.number(_PHOTOMETRIC) == 2 else 1
    if reason := tiff.refusal(path, channels):
        raise StackError(
            f"floats with {reason}",
            where=str(path),
            expected="RGB or grey without compression or with deflate (LZW needs imagecodecs)",
            mend="Save it so.",
        )
    turn = first.number(_EXIF_ORIENTATION)
    turn = turn if turn in range(1, 9) else 1
    clear = first.number(_SAMPLES) in (2, 4) and decoders.libvips() is not None
    sides = first.width, first.height
    width, height = sides[::-1] if turn > 4 else sides
    packet, size = _packet(first.tags.get(_XMP, (0, b""))[1], path)
    return PhotoInfo(
        path,
        "tiff",
        width,
        height,
        channels=channels,
        bits=32,
        orientation=turn,
        dropped="transparency" if clear else "",
        icc=first.tags.get(_ICC, (0, b""))[1] or None,
        xmp=packet,
        exif=_read_from(path, _exif_of),
        pixel_size_mm=size,
    )


def decode(info: PhotoInfo, window: Window | None = None) -> Array:
    """Decode a photograph, or a window of it, at once.

    Returns:
        (h, w, channels) uint8, uint16 or float32.

    Raises:
        MissingExtraError: RAW or EXR without what reads it.
        StackError: it is truncated or damaged, or holds a value that is not finite. (Damage in the
            midst of a JPEG that leaves its length as it was is found by libvips, not by Pillow;
            rows below the window are not looked at.)
    """
    window = window or Window(0, 0, *info.shape)
    pixels: Any
    if info.format == "pgm":
        try:
            return pgm.read(pgm.probe(info.path), window)
        except (ValueError, OSError) as error:
            raise decoders.system_error(error, info.path) or damaged(info, error) from error
    if info.luma and info.format != "jpeg":
        return luma_of(decode(replace(info, channels=3, luma=False), window))
    if info.format == "raw":
        assert info.development is not None
        return _of_shape(
            raw.decode(info.path, info.development, window, info.channels), info, window
        )
    if info.bits == 32:
        return _floats(info, window)
    turn = info.orientation
    part = window if turn == 1 else None  # what must be turned is decoded whole
    if decoders.libvips() is not None and not info.luma:
        pixels = _vips_run(info, part, _vips_array)
    elif (pixels := _tiff_pixels(info, part)) is None:
        (pixels, turn), part = _pillow_pixels(info), None
    if part is not None:
        return pixels  # type: ignore[no-any-return]
    pixels = oriented(pixels, turn)
    if pixels.shape != (*info.shape, info.channels):
        raise damaged(info, f"decodes to {pixels.shape}, not {(*info.shape, info.channels)}")
    pixels = np.ascontiguousarray(pixels[window.slices])
    return pixels  # type: ignore[no-any-return]


def _of_shape(pixels: Array, info: PhotoInfo, window: Window) -> Array:
    """The pixels, if they are as many as the header says."""
    wanted = (window.height, window.width, info.channels)
    if pixels.shape != wanted:
        raise damaged(info, f"decodes to {pixels.shape}, not {wanted}")
    return pixels


def _floats(info: PhotoInfo, window: Window) -> Array:
    """(h, w, channels) float32 of an EXR or a TIFF."""
    if info.format == "exr":
        try:
            pixels: Array = exr.read_exr(info.path, MAX_PIXELS)
        except FormatError as error:
            raise damaged(info, error.problem) from error
    else:
        whole = _tiff_pixels(info, None)
        if whole is None:
            raise damaged(info, "it was exchanged")
        pixels = oriented(whole, info.orientation)
    part = np.ascontiguousarray(pixels[(*window.slices, slice(info.channels))], np.float32)
    if not np.isfinite(part).all():
        raise StackError(
            "holds a value that is not finite",
            where=str(info.path),
            expected="numbers, nominally 0..1",
            mend="Save the photograph anew.",
        )
    return _of_shape(part, info, window)


def luma_of(codes: Array) -> Array:
    """(…, 3) codes, RGB, to their (…, 1) luma (ITU-R BT.601, which JPEG uses), of their type."""
    luma = codes @ _LUMA
    if codes.dtype.kind != "f":
        luma = np.rint(luma)
    return np.asarray(luma[..., None].astype(codes.dtype))


def stream(info: PhotoInfo, window: Window, file: IO[bytes]) -> None:
    """Decode a window of a photograph onto an unbuffered file, at its position.

    Rows from the top, samples interleaved, native byte order. With libvips a few rows are in
    memory at a time; a photograph that must be turned, and any one without libvips, whole.

    Raises:
        StackError: see :func:`decode`.
        OSError: the file cannot be written.
    """
    vips = decoders.libvips()
    by_itself = info.format in ("pgm", "raw", "exr") or info.bits == 32
    if vips is None or info.orientation != 1 or by_itself or info.luma:
        pixels: Any = decode(info, window)
        rows = memoryview(pixels).cast("B")
        while rows:
            rows = rows[file.write(rows) :]
        return
    start = file.tell()

    def save(image: Any) -> None:
        file.seek(start)  # the second run, if there is one, begins anew
        image.rawsave_target(vips.Target.new_to_descriptor(file.fileno()))

    _vips_run(info, window, save)


def damaged(info: PhotoInfo, reason: object) -> StackError:
    """The error that says that the pixels of a photograph cannot be decoded, and why."""
    return StackError(
        f"its pixels cannot be decoded ({reason})",
        where=str(info.path),
        expected="a whole, undamaged photograph",
        mend="Restore the file from its original.",
    )


def _header(path: Path, image: Any, kind: Literal["jpeg", "png", "tiff"]) -> PhotoInfo:
    width, height = image.size
    raw_mode = decoders.raw_mode(image)
    own = None
    if kind == "tiff":
        width, height = image.tag_v2[256], image.tag_v2[257]
        bits = max(image.tag_v2.get(258, (1,)))
        orientation = image.tag_v2.get(_EXIF_ORIENTATION, 1)
        sample = image.tag_v2.get(339, (1,))
        xmp = image.tag_v2.get(700)
    else:
        own = decoders.png_exif(path) if kind == "png" else image.info.get("exif")
        bits = 16 if "16" in raw_mode else 8
        orientation = _exif_orientation(own)
        sample = (1,)
        xmp = image.info.get("xmp")
    packet, size = _packet(xmp, path)
    if image.mode not in _COLOUR + _GREY or bits not in (1, 2, 4, 8, 16) or set(sample) != {1}:
        raise StackError(
            f"has {bits}-bit samples of mode {image.mode}",
            where=str(path),
            expected=_READABLE,
            mend=_RESAVE,
        )
    if bits == 16 and not image.mode.startswith("I") and decoders.libvips() is None:
        _check_sixteen(path, kind)
    clear = image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info
    dpi = image.info.get("dpi", (0,))[0]
    turned = orientation in (5, 6, 7, 8)
    return PhotoInfo(
        path=path,
        format=kind,
        width=height if turned else width,
        height=width if turned else height,
        channels=3 if image.mode in _COLOUR and not raw_mode.startswith("LA") else 1,
        bits=16 if bits == 16 else 8,
        orientation=orientation if orientation in range(1, 9) else 1,
        dropped="transparency" if clear else "",
        icc=image.info.get("icc_profile") or None,
        xmp=packet,
        exif=exif.clean(own),
        pixel_size_mm=size,
        dpi=float(dpi) if 1 < float(dpi) < 1e6 else None,
    )


def _check_sixteen(path: Path, kind: str) -> None:
    """Check that 16-bit RGB can be read without libvips: Pillow would give 8 bits unasked."""
    if kind != "tiff":
        raise MissingExtraError("16-bit RGB photographs", "tiles")
    if reason := tiff.refusal(path, 3):
        raise StackError(
            f"16-bit RGB with {reason}",
            where=str(path),
            expected="RGB without compression or with deflate (LZW needs imagecodecs)",
            mend="Save it so, or install what reads others: pip install 'drti[tiles]'.",
        )


def _packet(xmp: Any, path: Path) -> tuple[bytes | None, float | None]:
    """The XMP packet of a picture, and the size of its pixels if drti wrote it."""
    if not isinstance(xmp, bytes) or not xmp:
        return None, None
    try:
        packet, facts = split(xmp, path)
        size = facts["pixelSizeInMM"].positive() if facts and "pixelSizeInMM" in facts else None
    except FormatError:
        return xmp, None  # what is written about a photograph does not spoil it
    return packet, size


def _exif_orientation(block: bytes | None) -> int:
    if not block:
        return 1
    from PIL import Image

    tags = Image.Exif()
    try:
        tags.load(block)
        value = tags.get(_EXIF_ORIENTATION, 1)
    except (SyntaxError, ValueError, OSError, KeyError, TypeError, IndexError):
        return 1  # damaged EXIF says nothing; the pixels are whole
    return value if isinstance(value, int) else 1


def _tiff_pixels(info: PhotoInfo, window: Window | None) -> Array | None:
    """Pixels of a TIFF by tifffile, not turned; None of what is left to Pillow."""
    if info.format != "tiff":
        return None
    height, width = info.shape if info.orientation < 5 else info.shape[::-1]
    try:
        return tiff.read(info.path, window or Window(0, 0, height, width), info.channels)
    except ValueError as error:
        raise_if_short(error)
        raise damaged(info, error) from error


def _pillow_pixels(info: PhotoInfo) -> tuple[Codes, int]:
    """Whole pixels as Pillow gives them, and the orientation still to be applied."""
    assert info.format in ("jpeg", "png", "tiff")
    try:
        where = str(info.path)
        with decoders.quiet(), decoders.open_image(info.path, info.format, where) as image:
            if info.luma:
                image.draft("L", image.size)  # libjpeg leaves the colour differences alone
            image.load()
            # Pillow turns TIFFs itself and says so by taking the tag away.
            tags = getattr(image, "tag_v2", None)
            turned = info.format == "tiff" and _EXIF_ORIENTATION not in (tags or {})
            if info.channels == 3:
                pixels: Any = np.asarray(image.convert("RGB"))
            elif info.bits == 16:
                pixels = np.asarray(image).astype(np.uint16)
            else:
                pixels = _bytes_of(image if image.mode == "L" else image.convert("L"))
    except decoders.DAMAGE as error:
        raise decoders.system_error(error, info.path) or damaged(info, error) from error
    return pixels.reshape(*pixels.shape[:2], -1), 1 if turned else info.orientation


def _bytes_of(image: Any) -> Array:
    """(H, W) uint8 of a grey image; numpy's own way copies it twice, through fresh memory."""
    pixels = np.empty((image.height, image.width), np.uint8)
    for top in range(0, image.height, _COPIED):
        bottom = min(image.height, top + _COPIED)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _vips_run(info: PhotoInfo, window: Window | None, save: Callable[[Any], Any]) -> Any:
    """Call ``save`` with the photograph as a libvips image, cropped, not turned."""
    vips: Any = decoders.libvips()
    assert info.format in ("jpeg", "png", "tiff")
    # A JPEG's warnings are damage, but for some; a TIFF's may be no more than unknown tags.
    for fail_on in ("warning", "error") if info.format == "jpeg" else ("error",):
        try:
            image = decoders.vips_image(info.path, info.format, fail_on)
            return save(_vips_prepare(image, info, window))
        except vips.Error as error:
            raise_if_short(error)
            reason = str(error).strip()
            if fail_on == "warning" and any(text in reason for text in _HARMLESS):
                continue
            # The last line is libvips' reason, the others name its functions.
            raise damaged(info, reason.splitlines()[-1].strip()) from error
    raise AssertionError("the last run returns or raises")


def _vips_prepare(image: Any, info: PhotoInfo, window: Window | None) -> Any:
    vips: Any = decoders.libvips()
    if image.format != {8: "uchar", 16: "ushort"}[info.bits]:
        raise damaged(info, f"samples are {image.format}")
    if image.bands > info.channels:
        image = image[: info.channels]
    elif image.bands < info.channels:  # a palette of greys
        image = image[0].bandjoin([image[0]] * (info.channels - 1))
    if window is not None:
        if (image.height, image.width) != info.shape:
            raise damaged(info, f"decodes to {image.width}x{image.height}")
        if (window.height, window.width) != info.shape:
            image = image.crop(window.x, window.y, window.width, window.height)
    # One thread for each photograph: several are decoded at a time.
    image = image.copy()
    image.set_type(vips.GValue.gint_type, "concurrency", 1)
    return image


def _vips_array(image: Any) -> Any:
    dtype = {"uchar": np.uint8, "ushort": np.uint16}[image.format]
    pixels = np.frombuffer(image.write_to_memory(), dtype)
    return pixels.reshape(image.height, image.width, image.bands)


def oriented(pixels: Array, orientation: int) -> Array:
    """Turn (H, W, C) pixels upright by their EXIF orientation (EXIF 2.3, 4.6.4, tag 274)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
