"""Photographs decoded once, kept in memory while small, else on unlinked temporary files.

JPEG has no random access, and holding a decoder open for each of 50 photographs costs more memory
and time than decoding each of them once to raw rows, after which any window is a cheap read.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window
from drti_core.errors import StackError
from drti_core.io import memory, scratch
from drti_core.io.pictures.photos import PhotoInfo, decode, stream
from drti_core.io.threads import Pool

#: Called with the share done (0..1) and what is being done.
Progress = Callable[[float, str], None]

#: Photographs decoded at a time.
WORKERS = min(4, os.cpu_count() or 1)
#: Encodings, for messages.
_LIGHT = {"srgb": "sRGB-encoded", "linear": "linear"}
#: What the scratch files hold, for messages.
_WHAT = "the decoded photographs"
#: A note of :func:`check_siblings`.
DIFFERENT_PROFILES = "The photographs have different ICC profiles; the first one found is kept."


@dataclass(eq=False)
class _Lane:
    """A scratch file that one worker at a time appends decoded photographs to."""

    file: IO[bytes]
    end: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def check_siblings(photos: Sequence[PhotoInfo]) -> tuple[str, ...]:
    """Check that photographs can be spooled together, by their headers.

    Returns:
        A sentence for each harmless difference.

    Raises:
        StackError: one differs from the first in size, bits or encoding; names it.
    """
    first = photos[0]
    for info in photos:
        for what, mine, theirs in (
            ("pixels", f"{info.width}x{info.height}", f"{first.width}x{first.height}"),
            ("bits a sample", str(info.bits), str(first.bits)),
            ("light", _LIGHT[info.encoding], _LIGHT[first.encoding]),
        ):
            if mine != theirs:
                raise StackError(
                    f"has {mine} {what}",
                    where=str(info.path),
                    expected=f"{theirs}, as {first.path.name} has",
                    mend="Use photographs of one capture, all processed alike.",
                )
    notes = []
    grey = [info.path.name for info in photos if info.channels == 1]
    if 0 < len(grey) < len(photos):
        notes.append(
            f"{len(grey)} of {len(photos)} photographs are grey among colour ones ({grey[0]}, …)."
        )
    if len({info.icc for info in photos}) > 1:
        notes.append(DIFFERENT_PROFILES)
    return tuple(notes)


class Spool:
    """Windows of photographs, each decoded when it is first asked for, and then only once.

    Thread-safe. The scratch files have no name, so nothing is left behind, however the process
    ends; they are freed with this object.

    Args:
        photos: headers of equally large photographs of one sample type; channels may differ.
        crop: the part that is kept; windows are relative to it.
        resample: gives the pixels that are kept from those of a whole photograph, in place of
            the crop, which then says only how many they are.
    """

    def __init__(
        self,
        photos: Sequence[PhotoInfo],
        crop: Window,
        resample: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
    ) -> None:
        self.photos, self.crop, self.resample = tuple(photos), crop, resample
        self._in_memory: bool | None = None
        self._arrays: dict[int, npt.NDArray[Any]] = {}
        self._places: dict[int, tuple[_Lane, int]] = {}
        self._idle: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        self._lanes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """What was decoded stays here: a copy decodes anew.

        Raises:
            StackError: ``resample`` does not pickle.
        """
        try:
            pickle.dumps(self.resample)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise StackError(
                f"the pixels of the photographs are changed by a function that does not pickle "
                f"({error})",
                where=self.photos[0].path.name,
                expected="a function of a module",
                mend="Define it with def at the top of a module, or open the stack where it is "
                "to be used.",
            ) from None
        return Spool, (self.photos, self.crop, self.resample)

    def prepare(self, indices: Iterable[int], progress: Progress | None = None) -> None:
        """Decode those of these photographs that were not decoded before.

        Raises:
            StackError: a photograph is damaged.
            ResourceError: neither memory nor the folder for temporary files suffices.
        """
        with self._lock:
            todo = [i for i in dict.fromkeys(indices) if not self._has(i)]
            if not todo:
                return
            if self._in_memory is None:
                size = sum(map(self._bytes, range(len(self.photos))))
                self._in_memory = memory.keep(self, size)
            if not self._in_memory:
                self._open_lanes(todo)
            pool = Pool(WORKERS, thread_name_prefix="drti-decode")
            try:
                futures = [pool.submit(self._decode, index) for index in todo]
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    if progress is not None:
                        progress(done / len(todo), "decoding the photographs")
            finally:
                # After an error or an interrupt only the photographs under way are finished.
                pool.shutdown(wait=True, cancel_futures=True)

    def read(self, index: int, window: Window, out: npt.NDArray[Any]) -> None:
        """Copy a window of a photograph into ``out`` (h, w, channels of the photograph).

        It must have been prepared. ``out`` is C-contiguous and of the photographs' type.
        """
        if self._in_memory:
            out[...] = self._arrays[index][window.slices]
            return
        lane, start = self._places[index]
        pixel = self._bytes(index) // (self.crop.height * self.crop.width)
        row = self.crop.width * pixel
        start += window.y * row + window.x * pixel
        with lane.lock:
            if window.width == self.crop.width:
                _read_into(lane.file, start, out)
            else:
                for y in range(window.height):
                    _read_into(lane.file, start + y * row, out[y])

    def held(self, index: int, window: Window) -> npt.NDArray[Any] | None:
        """(h, w, channels) window of a prepared photograph, read-only; None if not in memory."""
        if not self._in_memory:
            return None
        part = self._arrays[index][window.slices]
        part.flags.writeable = False
        return part

    def _has(self, index: int) -> bool:
        return index in self._arrays or index in self._places

    def _bytes(self, index: int) -> int:
        info = self.photos[index]
        return self.crop.height * self.crop.width * info.channels * info.dtype.itemsize

    def _decode(self, index: int) -> None:
        if self._in_memory:
            info = self.photos[index]
            if self.resample is None:
                self._arrays[index] = decode(info, self.crop)
            else:
                self._arrays[index] = self.resample(decode(info))
            return
        lane = self._idle.get()
        try:
            with lane.lock:
                self._append(index, lane)
        finally:
            self._idle.put(lane)

    def _append(self, index: int, lane: _Lane) -> None:
        info = self.photos[index]
        # libvips writes to the file by itself, and would say little of a full disk.
        scratch.reserve(lane.file, lane.end, self._bytes(index), _WHAT)
        lane.file.seek(lane.end)
        if self.resample is None:
            stream(info, self.crop, lane.file)
        else:
            pixels: Any = np.ascontiguousarray(self.resample(decode(info)))
            rows = memoryview(pixels).cast("B")
            while rows:
                rows = rows[lane.file.write(rows) :]
        written = lane.file.tell() - lane.end
        if written != self._bytes(index):
            raise StackError(
                f"gives {written} bytes of pixels",
                where=str(info.path),
                expected=f"{self._bytes(index)} bytes",
                mend="Restore the file from its original.",
            )
        self._places[index] = (lane, lane.end)
        lane.end += written

    def _open_lanes(self, todo: Sequence[int]) -> None:
        """Have a file for each worker, where there is room for all of these photographs."""
        scratch.check_room(sum(map(self._bytes, todo)), _WHAT)
        while self._lanes < WORKERS:
            file = scratch.unnamed_file()
            weakref.finalize(self, file.close)
            self._idle.put(_Lane(file))
            self._lanes += 1


def _read_into(file: IO[bytes], start: int, out: npt.NDArray[Any]) -> None:
    raw: Any = file
    flat: Any = out.reshape(-1).view(np.uint8)
    rest = memoryview(flat)
    file.seek(start, io.SEEK_SET)
    while rest:
        count = raw.readinto(rest)
        if not count:
            raise StackError("the scratch file of decoded photographs ends early")
        rest = rest[count:]
