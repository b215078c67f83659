"""Multi-light image collections (MLIC): L registered photographs, one known light each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32, Bool, Window
from drti_core.colour import Encoding, linear_to_srgb, srgb_to_linear
from drti_core.errors import OptionError, StackError
from drti_core.io.pictures.alike import alike
from drti_core.io.pictures.alpha import read_alpha
from drti_core.io.pictures.photos import PhotoInfo, decode, luma_of, probe
from drti_core.io.pictures.spaces import shown_profile
from drti_core.io.places import mounts
from drti_core.io.threads import in_order
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.stack.decoded import Progress, Spool, check_siblings
from drti_core.stack.lens import Lens
from drti_core.stack.transparency import opaque_in_all

if TYPE_CHECKING:
    from drti_core.stack.reading import Reading

#: (H, W, C) codes of a photograph → those that are kept.
_Change = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]

#: The mask that is found in the photographs.
AUTO = "auto"
#: A band of codes has about this many bytes.
BAND_BYTES = 16 << 20
#: Rows that :meth:`Stack.sample` looks at, at least.
_SAMPLE_ROWS = 256
#: Heads of photographs elsewhere that are asked for at a time.
_ASKED_AT_ONCE = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class Stack(ABC):
    """L registered photographs (H, W) and their lights.

    Pixels are read window by window, as *codes* (the samples as stored) or as *values* (float32,
    0..1, in :attr:`encoding`).

    Args:
        lights: one for each photograph, in their order.
        shape: (H, W) of the photographs, after cropping.
        names: of the photographs, for messages and reports.
        dtype: type of the codes: uint8, uint16 or float32.
        channels: 1 if all photographs are grey, else 3. Codes and values always have 3.
        code_encoding: colour encoding of the codes.
        encoding: colour encoding of the values; codes of the other one are converted.
        mask: (H, W), true where the object is; pixels outside are 0. None: all are inside.
        icc: ICC profile of the photographs; carried, never applied. Of linear light it is that of
            the pictures that are made of it, under sRGB's curve.
        xmp: XMP packet of the first photograph that has one.
        exif: EXIF of the first photograph that has it, see :mod:`drti_core.io.pictures.exif`.
        pixel_size_mm: side of a pixel on the object, millimetres.
        positions: of the lights, where they are near; ``lights`` are their directions from the
            centre of the picture (:mod:`drti_core.fitting.near_lights`).
        notes: oddities met while opening, a sentence each.
        history: what was done to the photographs, JSON-able, a key for each step.
        frame: (H, W) of the photographs, in which parts and masks are told; None: as they are now.
        area: what is left of it, once they were laid on one another.
        reading: how their reader made them, where it did more than open them
            (:mod:`drti_core.stack.reading`).
    """

    lights: LightDirections
    shape: tuple[int, int]
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    channels: int = 3
    code_encoding: Encoding = "srgb"
    encoding: Encoding = "srgb"
    mask: Bool | None = None
    icc: bytes | None = field(default=None, repr=False)
    xmp: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    pixel_size_mm: float | None = None
    positions: LightPositions | None = None
    notes: tuple[str, ...] = ()
    history: Mapping[str, Any] = field(default_factory=dict, repr=False)
    frame: tuple[int, int] | None = None
    area: Window | None = None
    reading: Reading | None = field(default=None, repr=False)
    #: Which photographs of the source these are.
    order: tuple[int, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The photographs' files, which no output may touch; none of a stack in memory."""
        return ()

    @property
    def profiles(self) -> tuple[bytes | None, ...]:
        """The ICC profile of each photograph."""
        return (self.icc,) * len(self)

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """The EXIF of each photograph, where it is known of each."""
        return (None,) * len(self)

    @abstractmethod
    def _read(self, window: Window) -> npt.NDArray[Any]:
        """(L, h, w, 3) codes of a window that is known to be inside; a fresh array."""

    def prepare(self, progress: Progress | None = None) -> None:  # noqa: B027 (arrays need none)
        """Decode the photographs now, reporting progress; else it is done when first needed.

        Raises:
            StackError: a photograph is damaged.
            ResourceError: neither memory nor the folder for temporary files suffices.
        """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]  # else dataclass makes one

    def __repr__(self) -> str:
        height, width = self.shape
        return (
            f"<{type(self).__name__} {len(self)} photographs {height} x {width} "
            f"{self.dtype} {self.encoding}>"
        )

    def __len__(self) -> int:
        return len(self.order)

    @property
    def code_max(self) -> float:
        """The code of white: 255, 65535, or 1.0 for float data."""
        return 1.0 if self.dtype.kind == "f" else float(np.iinfo(self.dtype).max)

    @property
    def band_rows(self) -> int:
        """Rows of full width whose codes take about 16 MB (at least one)."""
        row = len(self) * self.shape[1] * 3 * self.dtype.itemsize
        return int(min(self.shape[0], max(1, BAND_BYTES // row)))

    def codes(self, window: Window) -> npt.NDArray[Any]:
        """Samples of a window as stored, (L, P, 3), pixels row by row.

        Grey is repeated to three channels; pixels outside the mask are 0.

        Raises:
            OptionError: the window is not inside the image.
            StackError: a photograph is damaged.
            ResourceError: neither memory nor the folder for temporary files suffices.
        """
        part = self._read(window.check(self.shape))
        if self.mask is not None:
            part *= self.mask[window.slices][..., None]
        return part.reshape(len(self), -1, 3)

    def luma(self, window: Window) -> npt.NDArray[Any]:
        """Luma of a window, (L, h, w), of the codes' type; pixels outside the mask are 0.

        It may be read-only: what is in memory is not copied.

        Raises:
            as :meth:`codes`.
        """
        part = self._read(window.check(self.shape))
        grey = part[..., 0] if self.channels == 1 else luma_of(part)[..., 0]
        return grey if self.mask is None else grey * self.mask[window.slices]

    def in_luma(self) -> Stack:
        """The same photographs, of which only the luma is decoded where that is quicker."""
        return self

    def values(self, codes: npt.NDArray[Any]) -> F32:
        """Codes of any shape → float32 values, nominally 0..1, in :attr:`encoding`."""
        if self.encoding == self.code_encoding:
            if self.dtype.kind == "f":
                return codes.astype(np.float32)
            values: F32 = np.multiply(codes, np.float32(1 / self.code_max), dtype=np.float32)
            return values
        convert = srgb_to_linear if self.encoding == "linear" else linear_to_srgb
        if self.dtype.kind == "f":
            return convert(codes)
        table = convert(np.arange(self.code_max + 1) / self.code_max)
        return np.take(table, codes)

    def read(self, window: Window) -> F32:
        """Values of a window, (L, P, 3) float32, nominally 0..1, in :attr:`encoding`.

        Raises:
            OptionError: the window is not inside the image.
            StackError: a photograph is damaged.
            ResourceError: neither memory nor the folder for temporary files suffices.
        """
        return self.values(self.codes(window))

    def select(self, indices: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """The same stack with some of its photographs, in this order; nothing is decoded again.

        Raises:
            OptionError: no index, or one outside 0..L-1.
        """
        picked = [int(i) for i in indices]
        if not picked or min(picked) < 0 or max(picked) >= len(self):
            raise OptionError(f"photographs {picked}", expected=f"some of 0 to {len(self) - 1}")
        return replace(
            self,
            lights=self.lights[picked],
            positions=None if self.positions is None else self.positions[picked],
            names=tuple(self.names[i] for i in picked),
            order=tuple(self.order[i] for i in picked),
        )

    def cropped(self, window: Window) -> Stack:
        """A part of the same photographs; near lights are looked at from its centre.

        Args:
            window: inside this stack's picture (y down, from the top left corner).

        Raises:
            OptionError: it is not.
        """
        part, positions = window.check(self.shape), self.positions
        changes: dict[str, Any] = {"shape": (part.height, part.width), "frame": None, "area": None}
        if positions is not None:
            right = part.x + part.width / 2 - self.shape[1] / 2
            positions = positions.moved(right, self.shape[0] / 2 - part.y - part.height / 2)
            changes |= {"positions": positions, "lights": positions.directions()}
        if self.mask is not None:
            changes["mask"] = self.mask[part.slices]
        return self._part(part, changes)

    def _part(self, part: Window, changes: Mapping[str, Any]) -> Stack:
        """What :meth:`cropped` gives, with these of its fields changed."""
        own = {item.name: getattr(self, item.name) for item in fields(Stack)}
        order = tuple(range(len(self)))
        return _Part(**{**own, **changes, "order": order}, source=self, part=part)

    def adjusted(
        self,
        *,
        crop: Window | None = None,
        mask: Path | npt.ArrayLike | None = None,
        to_linear: bool = False,
        pixel_size_mm: float | None = None,
    ) -> Stack:
        """The same photographs as they are to be looked at; nothing is decoded.

        Args:
            crop: the part to keep (y down, from the top left corner); of photographs that were laid
                on one another, told as they were before, as the mask is.
            mask: picture (above half is inside) or (H, W) array, of the size of the photographs
                or of the crop; or ``"auto"``: the object on a dark or plain ground, for which they
                are decoded. What is outside a mask that is there stays outside.
            to_linear: give linear values.
            pixel_size_mm: side of a pixel on the object, millimetres.

        Raises:
            OptionError: the crop is not inside, the mask does not fit, or the size is not over 0.
            StackError: of ``"auto"``: no object is found on a plain ground.
        """
        check_pixel_size(pixel_size_mm)
        if self.frame is not None and self.area is not None:
            asked = (crop or Window(0, 0, *self.frame)).check(self.frame)
            part = overlap(asked, self.area)
            if mask is not None and not (isinstance(mask, str) and mask == AUTO):
                y, x = part.y - asked.y, part.x - asked.x
                inside = load_mask(mask, self.frame, asked)
                mask = not_empty(inside[y : y + part.height, x : x + part.width], mask)
            if crop is not None:
                y, x = part.y - self.area.y, part.x - self.area.x
                crop = Window(y, x, part.height, part.width)
        found = self if crop is None else self.cropped(crop)
        changes: dict[str, Any] = {}
        if mask is not None:
            if isinstance(mask, str) and mask == AUTO:
                from drti_core.stack.silhouette import find_object  # it looks at stacks

                inside, note = find_object(found)
                changes["notes"] = (*self.notes, note)
            else:
                inside = load_mask(mask, self.shape, crop or Window(0, 0, *self.shape))
            changes["mask"] = inside if found.mask is None else not_empty(inside & found.mask, mask)
        if to_linear:
            changes["encoding"] = "linear"
        if pixel_size_mm is not None:
            changes["pixel_size_mm"] = pixel_size_mm
        return replace(found, **changes) if changes else found

    def sample(self, count: int, seed: int) -> F32:
        """Values of up to ``count`` pixels, (L, P, 3) float32, the same ones for the same seed.

        Pixels are drawn from rows spread evenly over the image, from each as many as it deserves;
        pixels outside the mask are left out. P < count if fewer are there.

        Raises:
            OptionError: ``count`` is below 1.
            StackError: see :meth:`codes`.
        """
        if count < 1:
            raise OptionError(f"a sample of {count} pixels", expected="1 or more")
        random = np.random.default_rng(seed)
        height, width = self.shape
        inside = np.full(height, width) if self.mask is None else self.mask.sum(axis=1)
        rows = np.flatnonzero(inside)
        wanted = max(_SAMPLE_ROWS, -(-2 * count * len(rows) // max(1, int(inside.sum()))))
        if wanted < len(rows):
            # One row from each of `wanted` equal strata.
            edges = np.linspace(0, len(rows), wanted + 1)
            rows = rows[(edges[:-1] + random.random(wanted) * np.diff(edges)).astype(np.intp)]
        share = min(1.0, count / max(1, int(inside[rows].sum())))
        quota = np.diff(np.rint(np.cumsum(inside[rows]) * share).astype(np.intp), prepend=0)
        parts = []
        rows, quota = rows[quota > 0], quota[quota > 0]
        for band in self._runs(rows):
            chosen = []
            for row, pixels in zip(rows[band].tolist(), quota[band].tolist(), strict=True):
                columns = np.arange(width) if self.mask is None else np.flatnonzero(self.mask[row])
                start = (row - rows[band.start]) * width
                chosen.append(start + np.sort(random.choice(columns, pixels, replace=False)))
            window = Window(int(rows[band.start]), 0, band.stop - band.start, width)
            parts.append(self.codes(window)[:, np.concatenate(chosen)])
        return self.values(np.concatenate(parts, axis=1))

    def _runs(self, rows: npt.NDArray[np.intp]) -> Iterator[slice]:
        """Of ascending rows those that follow one another, at most :attr:`band_rows` at a time."""
        ends = np.append(np.flatnonzero(np.diff(rows) > 1) + 1, len(rows)).tolist()
        start = 0
        for end in ends:
            for first in range(start, end, self.band_rows):
                yield slice(first, min(first + self.band_rows, end))
            start = end


@dataclass(frozen=True, eq=False, kw_only=True)
class _Part(Stack):
    """A part of any stack.

    Args:
        source: the whole.
        part: of it.
    """

    source: Stack = field(repr=False)
    part: Window

    @property
    def profiles(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.profiles`; the stack's own for all, if it was given another one."""
        own = self.source.profiles
        if self.icc != self.source.icc:
            return super().profiles
        return tuple(own[index] for index in self.order)

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.exifs`."""
        return tuple(self.source.exifs[index] for index in self.order)

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now; see :meth:`Stack.prepare`."""
        self.source.prepare(progress)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        y, x = self.part.y + window.y, self.part.x + window.x
        # Not its codes: outside its mask is outside this one's.
        return self.source.select(self.order)._read(Window(y, x, window.height, window.width))


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageStack(Stack):
    """Photographs on disk; make one with :meth:`open`.

    Args:
        spool: decodes each photograph once, when it is first needed.
        lens: what distorts the photographs, where a project says so; it is not undone.
    """

    spool: Spool = field(repr=False)
    lens: Lens | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """See :attr:`Stack.files`: of all that were opened, whichever are selected."""
        return tuple(info.path for info in self.spool.photos)

    @property
    def profiles(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.profiles`; the stack's own for all, if it was given another one."""
        own = [info.icc for info in self.spool.photos]
        if self.icc != next((icc for icc in own if icc), None):
            return super().profiles
        return tuple(own[index] for index in self.order)

    @property
    def exifs(self) -> tuple[bytes | None, ...]:
        """See :attr:`Stack.exifs`."""
        return tuple(self.spool.photos[index].exif for index in self.order)

    @classmethod
    def open(
        cls,
        paths: Sequence[Path],
        lights: LightDirections,
        *,
        crop: Window | None = None,
        mask: Path | npt.ArrayLike | None = None,
        to_linear: bool = False,
        code_encoding: Encoding | None = None,
        pixel_size_mm: float | None = None,
        positions: LightPositions | None = None,
        notes: Sequence[str] = (),
    ) -> ImageStack:
        """Open photographs by their headers; pixels are decoded when they are first needed.

        RAW is developed alike, as shot of the first photograph
        (:func:`drti_core.stack.developing.develop` does it otherwise).

        Args:
            paths: one for each light.
            lights: in the order of the paths.
            crop: the part of the photographs to keep (y down, from the top left corner).
            mask: see :meth:`adjusted`. Where photographs are transparent is outside in any case.
            to_linear: give linear values.
            code_encoding: what the photographs hold, but for RAW, which is linear; by default
                what the first one says (:attr:`drti_core.io.pictures.photos.PhotoInfo.encoding`).
            pixel_size_mm: side of a pixel on the object, millimetres; by default what the first
                photograph says, if drti wrote it.
            positions: of the lights, from the centre of the photographs; ``lights`` then become
                their directions from that of the crop.
            notes: oddities already met.

        Raises:
            MissingFileError: a photograph is not there.
            StackError: one is unreadable, or differs in size, bits or encoding from the
                first one; or their number is not that of the lights.
            OptionError: the crop is not inside, or the mask does not fit.
            LightError: the lamps' positions are in the picture.
            MissingExtraError: RAW without rawpy, EXR without OpenEXR, 16-bit RGB PNGs without
                pyvips.
        """
        _check_count(len(paths), lights)
        files = list(map(Path, paths))
        elsewhere = any(mounts.of(file) for file in files)  # where an answer takes its time
        photos: Sequence[PhotoInfo] = list(
            in_order(probe, files, _ASKED_AT_ONCE) if elsewhere else map(probe, files)
        )
        more: tuple[str, ...] = ()
        history: Mapping[str, Any] = {}
        if all(info.format == "raw" for info in photos):
            developed = alike(photos)
            photos, more = developed.photos, developed.notes
            history, code_encoding = {"raw": developed.history}, "linear"
        more += check_siblings(photos)
        opaque, seen = opaque_in_all(photos)
        code_encoding = code_encoding or photos[0].encoding
        shape = photos[0].shape
        if positions is not None:
            positions.check(shape[1])
        found = cls(
            lights=lights if positions is None else positions.directions(),
            positions=positions,
            shape=shape,
            names=tuple(info.path.name for info in photos),
            dtype=photos[0].dtype,
            channels=max(info.channels for info in photos),
            code_encoding=code_encoding,
            encoding=code_encoding,
            icc=shown_profile(next((info.icc for info in photos if info.icc), None)),
            xmp=next((info.xmp for info in photos if info.xmp), None),
            exif=next((info.exif for info in photos if info.exif), None),
            mask=opaque,
            pixel_size_mm=pixel_size_mm or photos[0].pixel_size_mm,
            notes=(*notes, *seen, *more),
            history=history,
            order=tuple(range(len(photos))),
            spool=Spool(photos, Window(0, 0, *shape)),
        )
        adjusted = found.adjusted(crop=crop, mask=mask, to_linear=to_linear)
        assert isinstance(adjusted, cls)
        return adjusted

    def prepare(self, progress: Progress | None = None) -> None:
        """Decode the photographs now, reporting progress; else it is done when first needed.

        Raises:
            StackError: a photograph is damaged.
            ResourceError: neither memory nor the folder for temporary files suffices.
        """
        self.spool.prepare(self.order, progress)

    def cropped(self, window: Window) -> ImageStack:
        """A part of the same photographs, of which no more is decoded; see :meth:`Stack.cropped`.

        Raises:
            OptionError: it is not inside.
        """
        found = super().cropped(window)
        assert isinstance(found, ImageStack)
        return found

    def in_luma(self) -> ImageStack:
        """The same photographs in grey, decoded anew; see :meth:`Stack.in_luma`."""
        if self.spool.resample is not None:
            return self
        photos = [info.as_luma() for info in self.spool.photos]
        return replace(self, channels=1, spool=Spool(photos, self.spool.crop))

    def luma(self, window: Window) -> npt.NDArray[Any]:
        """See :meth:`Stack.luma`."""
        if self.channels > 1 or self.mask is not None or self.spool.resample is not None:
            return super().luma(window)
        self.prepare()
        window.check(self.shape)
        if len(self) == 1 and (one := self.spool.held(self.order[0], window)) is not None:
            return one[None, ..., 0]
        out = np.empty((len(self), window.height, window.width, 1), self.dtype)
        for to, index in enumerate(self.order):
            self.spool.read(index, window, out[to])
        return out[..., 0]

    def _part(self, part: Window, changes: Mapping[str, Any]) -> ImageStack:
        spool = self.spool
        if (resample := spool.resample) is None:
            crop = Window(spool.crop.y + part.y, spool.crop.x + part.x, part.height, part.width)
            kept = Spool(spool.photos, crop)
        else:
            crop = Window(0, 0, part.height, part.width)
            kept = Spool(spool.photos, crop, partial(_cut, resample, part))
        return replace(self, spool=kept, **changes)

    def mapped(
        self, function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], **changes: Any
    ) -> ImageStack:
        """The same photographs with their pixels changed.

        Args:
            function: called with the (H, W, C) codes of each photograph, gives as many; the stack
                pickles only if it does.
            changes: of other fields, for example ``icc``.
        """
        spool = self.spool
        before = spool.resample or partial(_cut, None, spool.crop)
        kept = Spool(spool.photos, spool.crop, partial(_changed, before, function))
        return replace(self, spool=kept, **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        self.prepare()
        size = (window.height, window.width)
        out = np.empty((len(self), *size, 3), self.dtype)
        for to, index in enumerate(self.order):
            if self.spool.photos[index].channels == 3:
                self.spool.read(index, window, out[to])
            else:
                grey = np.empty((*size, 1), self.dtype)
                self.spool.read(index, window, grey)
                out[to] = grey
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayStack(Stack):
    """Photographs in an array; make one with :meth:`of`.

    Args:
        images: (N, H, W, C) of uint8, uint16 or float, of which ``order`` names L.
    """

    images: npt.NDArray[Any] = field(repr=False)

    @classmethod
    def of(
        cls,
        images: npt.ArrayLike,
        lights: LightDirections,
        *,
        names: Sequence[str] = (),
        mask: Path | npt.ArrayLike | None = None,
        crop: Window | None = None,
        to_linear: bool = False,
        code_encoding: Encoding = "srgb",
        icc: bytes | None = None,
        pixel_size_mm: float | None = None,
        notes: Sequence[str] = (),
    ) -> ArrayStack:
        """Make a stack of an array, which is not copied.

        Args:
            images: (L, H, W), (L, H, W, 1) or (L, H, W, 3) uint8, uint16, or float 0..1.
            lights: one for each image.
            names: of the images; "image 0", "image 1" … by default.
            mask: see :meth:`ImageStack.open`.
            crop: see :meth:`ImageStack.open`.
            to_linear: give linear values.
            code_encoding: what the array holds.
            icc: ICC profile.
            pixel_size_mm: side of a pixel on the object, millimetres.
            notes: oddities already met.

        Raises:
            StackError: shape or type do not fit, or their number is not that of the lights.
            OptionError: the crop is not inside, or the mask does not fit.
        """
        array: Any = np.asanyarray(images)
        if array.ndim == 3:
            array = array[..., None]
        if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
            raise StackError(
                f"image array of shape {array.shape}",
                expected="(L, H, W), (L, H, W, 1) or (L, H, W, 3)",
            )
        if array.dtype not in (np.uint8, np.uint16) and array.dtype.kind != "f":
            raise StackError(f"image array of {array.dtype}", expected="uint8, uint16 or float")
        _check_count(len(array), lights)
        names = tuple(names) or tuple(f"image {i}" for i in range(len(array)))
        if len(names) != len(array):
            raise StackError(f"{len(names)} names", expected=f"{len(array)}, one for each image")
        found = cls(
            lights=lights,
            shape=(int(array.shape[1]), int(array.shape[2])),
            names=names,
            dtype=np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype,
            channels=int(array.shape[3]),
            code_encoding=code_encoding,
            encoding=code_encoding,
            icc=icc,
            pixel_size_mm=pixel_size_mm,
            notes=tuple(notes),
            order=tuple(range(len(array))),
            images=array,
        )
        adjusted = found.adjusted(crop=crop, mask=mask, to_linear=to_linear)
        assert isinstance(adjusted, cls)
        return adjusted

    def _part(self, part: Window, changes: Mapping[str, Any]) -> ArrayStack:
        return replace(self, images=self.images[:, part.slices[0], part.slices[1]], **changes)

    def _read(self, window: Window) -> npt.NDArray[Any]:
        out = np.empty((len(self), window.height, window.width, 3), self.dtype)
        for to, index in enumerate(self.order):
            out[to] = self.images[index][window.slices]
            if self.dtype.kind == "f" and not np.isfinite(out[to]).all():
                raise StackError(
                    "holds a value that is not finite",
                    where=self.names[to],
                    expected="numbers, nominally 0..1",
                )
        return out


def _cut(resample: _Change | None, part: Window, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A part of a photograph, or of what is made of it."""
    return (pixels if resample is None else resample(pixels))[part.slices]


def _changed(before: _Change, function: _Change, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One change after another; no closure, so that a stack pickles."""
    return function(before(pixels))


def _check_count(count: int, lights: LightDirections) -> None:
    if count != len(lights):
        raise StackError(
            f"{count} photographs and {len(lights)} lights", expected="one light for each"
        )


def check_pixel_size(pixel_size_mm: float | None) -> None:
    """Raise OptionError where the size of a pixel is none; NaN is none."""
    if pixel_size_mm is not None and not 1e-12 <= pixel_size_mm <= 1e6:
        raise OptionError(f"pixel size {pixel_size_mm}", expected="millimetres, more than 0")


def overlap(asked: Window, area: Window) -> Window:
    """What is left of a part that was asked for.

    Args:
        asked: the part, told in the photographs as they were.
        area: what all of them show once they are laid on one another.

    Raises:
        OptionError: nothing.
    """
    top, left = max(asked.y, area.y), max(asked.x, area.x)
    bottom = min(asked.y + asked.height, area.y + area.height)
    right = min(asked.x + asked.width, area.x + area.width)
    if bottom <= top or right <= left:
        raise OptionError(
            f"window {asked.width}x{asked.height}+{asked.x}+{asked.y}",
            expected=f"a part of {area.width}x{area.height}+{area.x}+{area.y}, which all "
            "photographs show once they are aligned",
        )
    return Window(top, left, bottom - top, right - left)


def load_mask(mask: Path | npt.ArrayLike, whole: tuple[int, int], crop: Window) -> Bool:
    """(h, w) of the crop, from a mask of the size of the photographs or of the crop.

    Of a picture that is transparent in places the opaque part is inside, whatever its colour: it is
    an object that was cut out.

    Raises:
        OptionError: it has another size, or nothing is inside.
    """
    if isinstance(mask, (str, Path)):
        info = probe(Path(mask))
        half = 0.5 if info.dtype.kind == "f" else np.iinfo(info.dtype).max // 2
        where, opaque = str(mask), read_alpha(info)
        values = decode(info).max(axis=2) > half if opaque is None else opaque
    else:
        where, values = "mask", np.asarray(mask) != 0
    size = (crop.height, crop.width)
    if values.shape == whole:
        values = values[crop.slices]
    elif values.shape != size:
        sizes = dict.fromkeys((_size_text(whole), _size_text(size)))
        raise OptionError(
            f"a mask of {_size_text(values.shape)} pixels",
            where=where,
            expected=f"{' or '.join(sizes)}, as the photographs or what is left of them",
            mend="Save the mask in the size that the photographs are opened in.",
        )
    return not_empty(np.ascontiguousarray(values), mask)


def _size_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[::-1]))


def not_empty(inside: Bool, mask: Path | npt.ArrayLike) -> Bool:
    """The mask itself, if a pixel is inside.

    Raises:
        OptionError: none is; names the file that it was read from.
    """
    if not inside.any():
        where = str(mask) if isinstance(mask, (str, Path)) else "mask"
        raise OptionError("the mask is empty", where=where, expected="a pixel inside")
    return inside
