"""Codes of plane pictures, decoded while they are used instead of being kept.

One pass over an image needs each row of codes once. Codes that are decoded first and kept go
through memory, or a scratch file, that nothing else needs, which costs more than the decoding.

JPEGs that drti writes can be decoded from any of their strips: a restart marker follows each
(ITU-T T.81, B.2.1), and without chroma subsampling no pixel depends on the strip beside it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes
from drti_core.errors import FileError, FormatError
from drti_core.io.pictures.plane_pictures import Picture, decode_channels, read_planes
from drti_core.io.regular import open_file

_RESTART = re.compile(rb"\xff([^\x00])", re.DOTALL)


@dataclass(frozen=True)
class _Strips:
    """A JPEG whose strips can be decoded one by one.

    Args:
        picture: the file.
        rows: of a strip; the last one may have fewer.
        head: everything before the pixels; the height stands at ``height_at``.
        height_at: offset of the height in the head.
        parts: start and end of each strip in the file, markers left out.
    """

    picture: Picture
    rows: int
    head: bytes
    height_at: int
    parts: tuple[tuple[int, int], ...]

    def decode(self, number: int) -> Iterator[npt.NDArray[Any]]:
        """The channels of strip ``number``, (h, W) each, one by one.

        Raises:
            FormatError: the file is damaged.
        """
        start, end = self.parts[number]
        height, width = self.picture.shape
        height = min(self.rows, height - number * self.rows)
        try:
            with open_file(self.picture.path) as file:
                file.seek(start)
                data = file.read(end - start)
        except OSError as error:
            raise FileError.of(error, self.picture.path) from None
        if len(data) < end - start:
            raise FormatError("damaged picture (truncated)", where=str(self.picture.path))
        at = self.height_at
        jpeg = self.head[:at] + height.to_bytes(2) + self.head[at + 2 :] + data + b"\xff\xd9"
        where, channels = str(self.picture.path), self.picture.channels
        return decode_channels(jpeg, where, (height, width), channels)


def _strips(picture: Picture) -> _Strips | None:
    """The strips of a picture, or None if they cannot be decoded one by one."""
    with open_file(picture.path) as file:
        data = file.read()
    height, width = picture.shape
    height_at, interval, at = 0, 0, 2
    if data[:2] != b"\xff\xd8":
        return None
    while (marker := data[at + 1 : at + 2]) != b"\xda":
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at : at + 1] != b"\xff" or length < 2:
            return None
        if marker == b"\xdd":
            interval = int.from_bytes(data[at + 4 : at + 6])
        elif marker == b"\xc0":
            height_at = at + 5
            sampling = data[at + 11 : at + 2 + length : 3]
        at += 2 + length
    start = at + 2 + int.from_bytes(data[at + 2 : at + 4])
    units = -(-width // 8)
    if not height_at or set(sampling) != {0x11} or not interval or interval % units:
        return None
    rows = interval // units * 8
    found = list(_RESTART.finditer(data, start))
    markers = [*(0xD0 + number % 8 for number in range(-(-height // rows) - 1)), 0xD9]
    if [match[1][0] for match in found] != markers:
        return None
    starts = [start, *(match.end() for match in found[:-1])]
    ends = [match.start() for match in found]
    parts = tuple(zip(starts, ends, strict=True))
    return _Strips(picture, rows, data[:start], height_at, parts)


class StreamedCodes:
    """What stands for an array (K, H, W) of codes where windows of rows are read.

    ``codes[:, y0:y1, x0:x1]`` decodes the strips that hold these rows; each thread keeps the last
    one. Any other index, and ``np.asarray``, makes the whole array. Several threads may read.
    """

    ndim = 3

    def __init__(self, strips: Sequence[_Strips], count: int) -> None:
        self.shape = (count, *strips[0].picture.shape)
        self.dtype = np.dtype(np.uint8)
        self._strips, self._rows = tuple(strips), strips[0].rows
        self._own = threading.local()
        self._lock = threading.Lock()
        self._whole: Codes | None = None

    @property
    def size(self) -> int:
        """K · H · W."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes that the array would take."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Any:
        return np.asarray(self._all(), dtype) if copy is None else np.array(self._all(), dtype)

    def __getitem__(self, index: Any) -> Any:
        """Codes as of a numpy array.

        Raises:
            FormatError: a picture is damaged.
        """
        if not (isinstance(index, tuple) and len(index) == 3 and index[0] == slice(None)):
            return self._all()[index]
        rows, columns = index[1:]
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            return self._all()[index]
        start, stop, _ = rows.indices(self.shape[1])
        parts = []
        for number in range(start // self._rows, -(-stop // self._rows)):
            top = number * self._rows
            strip = self._strip(number)
            parts.append(strip[:, max(start - top, 0) : stop - top, columns])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _all(self) -> Codes:
        with self._lock:
            if self._whole is None:
                self._whole = read_planes([strip.picture for strip in self._strips], len(self))
            return self._whole

    def _strip(self, number: int) -> Codes:
        own = self._own
        if getattr(own, "number", None) != number:
            height = min(self._rows, self.shape[1] - number * self._rows)
            codes: Any = np.empty((len(self), height, self.shape[2]), self.dtype)
            for at, strips in enumerate(self._strips):
                channels = strips.decode(number)
                planes = codes[at * strips.picture.channels :]
                for plane, channel in zip(planes, channels, strict=False):
                    plane[...] = channel
            own.number, own.codes = number, codes
        found: Codes = own.codes
        return found


def read_streamed(pictures: Sequence[Picture], count: int) -> Any:
    """Codes as of :func:`~.plane_pictures.read_planes`, decoded while they are read.

    Pictures that cannot be decoded so are decoded at once.

    Raises:
        FormatError: a picture is damaged; for those that can, it may show only while reading.
    """
    strips = [_strips(picture) for picture in pictures if picture.bits == 8]
    whole = [strip for strip in strips if strip is not None]
    if len(whole) < len(pictures) or len({strip.rows for strip in whole}) > 1:
        return read_planes(pictures, count)
    return StreamedCodes(whole, count)
