"""What every reader promises, and what those of stacks and of lights do."""

from __future__ import annotations

import json
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from drti_core.arrays import F32, Window
from drti_core.errors import DrtiError
from drti_core.io.places import bring
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import StoredModel
from drti_core.model.contracts import LightsReader, ModelReader, Reader, StackReader
from drti_core.registry.catalogue import codec, registry
from drti_core.registry.doors import head_of, read, restore
from drti_core.stack import Stack
from drti_core.testing.compare import Content, elsewhere, files_of, same_content

#: Content that belongs to no format.
STRANGERS = {
    "empty": b"",
    "zeros": bytes(600),
    "noise": np.random.default_rng(1).bytes(600),
    "text": b"Ein Bild sagt mehr als tausend Worte.\n",
    "json": b'{"name": "no picture"}\n',
    "png": b"\x89PNG\r\n\x1a\n" + bytes(40),
    "zip": b"PK\x03\x04" + bytes(60),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(60),
}
#: What may stand in the place of a file, and how it is made.
_KINDS: dict[str, Callable[[Path], None]] = {
    "folder": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path.name),
}
if hasattr(os, "mkfifo"):
    _KINDS["named pipe"] = os.mkfifo


class ReaderSuite(ABC):
    """What readers of every kind promise; those of stacks and lights have suites of their own.

    Subclass it, name it ``Test…``, state the reader and make an input for it.

    Attributes:
        reader: the reader.
        cuts: at how many places each file of the input is cut short.
        end_is_known: whether the format tells where it ends. If not (a text of rows), an input
            cut short may read as a shorter one.
        flips: how many damaged copies of each file are tried.
        seconds: the most that reading a damaged input may take.
    """

    reader: ClassVar[Reader]
    cuts: ClassVar[int] = 24
    end_is_known: ClassVar[bool] = True
    flips: ClassVar[int] = 40
    seconds: ClassVar[float] = 5

    @abstractmethod
    def make(self, folder: Path) -> Path:
        """Write a small valid input into an empty folder, and give the path that is read."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A valid input."""
        folder = tmp_path / "input"
        folder.mkdir()
        return self.make(folder)

    def test_identity(self) -> None:
        """It has an id and a summary."""
        assert self.reader.reader_id.replace("-", "_").isidentifier()
        assert self.reader.summary

    def test_recognised_by_one(self, path: Path) -> None:
        """It recognises its input, and no other installed reader does."""
        head = head_of(path)
        others = {
            name: reader
            for name, reader in registry().readers.load_all().items()
            if name != self.reader.reader_id
        }
        assert self.reader.sniff(path, head)
        assert [name for name, reader in others.items() if reader.sniff(path, head)] == []

    def test_recognised_by_content(self, path: Path) -> None:
        """Another name does not change what a file is."""
        if path.is_dir():
            pytest.skip("the input is a folder")
        renamed = path.rename(path.with_name("renamed.dat"))
        assert self.reader.sniff(renamed, head_of(renamed))

    @pytest.mark.parametrize("name", sorted(STRANGERS))
    def test_strangers(self, tmp_path: Path, name: str) -> None:
        """It does not recognise what is none of its own; reading that is an error."""
        path = tmp_path / "stranger"
        path.write_bytes(STRANGERS[name])
        assert not self.reader.sniff(path, head_of(path))
        with pytest.raises(DrtiError):
            self.reader.read(path)

    def test_empty_folder(self, tmp_path: Path) -> None:
        """It does not recognise an empty folder."""
        assert not self.reader.sniff(tmp_path, b"")

    def test_content(self, path: Path) -> None:
        """What is read is of the reader's kind; a model's parameters fit together and restore."""
        found = self.reader.read(path)
        assert isinstance(found, Stack) == isinstance(self.reader, StackReader)
        if not isinstance(found, StoredModel):
            assert not isinstance(self.reader, ModelReader)
            return
        assert isinstance(found.config["codec"], str)
        assert json.loads(json.dumps(dict(found.config), allow_nan=False)) == dict(found.config)
        assert all(array.dtype.kind in "biuf" for array in found.arrays.values())
        assert found.planes is None or found.planes.shape == tuple(found.shape)
        model = restore(found)
        pixels = model.relight(LightDirections.from_spherical([0, 30], [90, 40]))
        assert pixels.shape == (2, *found.shape, 3)
        assert np.isfinite(pixels).all()

    def test_read_twice(self, path: Path) -> None:
        """Reading again gives the same, and leaves the input and its folder as they were."""
        before = files_of(path.parent)
        assert same_content(self.reader.read(path), self.reader.read(path))
        assert files_of(path.parent) == before

    def test_from_anywhere(self, path: Path) -> None:
        """A zip archive, a store, and of a single file its bytes too: the same as from the disk.

        Whether files are fetched one by one (``lazy``) or all of them before.
        """
        whole = _load(self.reader, path)
        for what, source in elsewhere(path).items():
            place = bring(source)
            assert self.reader.sniff(place.path, head_of(place.path)) or not self.reader.lazy, what
            found = read(place.path, self.reader)
            assert same_content(found, whole), what
            if isinstance(self.reader, LightsReader):
                lights = self.reader.read_lights(place.path)
                assert same_content(lights, self.reader.read_lights(path)), what

    def test_cut_short(self, path: Path) -> None:
        """Each file of the input, cut at any place, is an error that names a file.

        Unless what is left reads as the whole did (a line feed was lost, or a packet that
        follows the data).
        """
        whole = _load(self.reader, path)
        for file in _files(path):
            content = file.read_bytes()
            places = np.linspace(0, len(content), self.cuts, endpoint=False).astype(int).tolist()
            for size in [*places, len(content) - 2, len(content) - 1]:
                file.write_bytes(content[:size])
                self._check(path, whole if self.end_is_known else None)
            file.write_bytes(content)

    def test_file_missing(self, path: Path) -> None:
        """Without one of its files the input is an error, or reads as before."""
        if not path.is_dir():
            pytest.skip("the input is one file")
        whole = _load(self.reader, path)
        for file in _files(path):
            aside = shutil.move(file, path.parent / "aside")
            self._check(path, whole)
            shutil.move(aside, file)

    def test_no_regular_file(self, path: Path) -> None:
        """What stands in the place of one of its files is an error, or reads as before.

        A folder, a named pipe, or a link to itself: none is waited for. (The file that is named is
        looked at before a reader is asked.)
        """
        whole = _load(self.reader, path)
        for file in (found for found in _files(path) if found != path):
            aside = shutil.move(file, path.parent.parent / "aside")
            for kind, make in _KINDS.items():
                make(file)
                threads = ThreadPoolExecutor(1)
                try:
                    threads.submit(self._check, path, whole).result(2 * self.seconds)
                except TimeoutError:
                    with file.open("wb"):  # the reader goes on, and the thread ends
                        pytest.fail(f"waits for {file.name}, which is a {kind}")
                finally:
                    threads.shutdown()
                    file.rmdir() if kind == "folder" else file.unlink()
            shutil.move(aside, file)

    def test_damaged(self, path: Path) -> None:
        """A few wrong bytes, in the first kilobyte or anywhere, are an error or other pixels.

        Never another exception, a number that is not finite, or a long time.
        """
        random = np.random.default_rng(0)
        for file in _files(path):
            content = file.read_bytes()
            for number in range(self.flips):
                damaged = bytearray(content)
                reach = min(len(content), 1024 if number % 2 else len(content))
                for place in random.integers(0, reach, 1 + number % 4):
                    damaged[place] = random.integers(0, 256)
                file.write_bytes(damaged)
                self._check(path, None)
            file.write_bytes(content)

    def _check(self, path: Path, whole: Content | None) -> None:
        """A damaged input: an error that names a file, or what ``whole`` is, in bounded time."""
        start = time.monotonic()
        found, message = _try(self.reader, path)
        assert time.monotonic() - start <= self.seconds
        if found is None:
            names = {path.name, *(file.name for file in path.parent.rglob("*"))}
            assert any(name in message for name in names), message
        elif whole is not None:
            assert same_content(found, whole)
        elif isinstance(found, StoredModel):
            pixels = _relit(found)
            assert pixels is None or np.isfinite(pixels).all()


class StackReaderSuite(ReaderSuite):
    """What a reader of photographs promises, and what makes its stacks work in every verb."""

    reader: ClassVar[StackReader]

    @pytest.fixture
    def stack(self, path: Path) -> Stack:
        """The stack of a valid input."""
        return self.reader.read(path)

    def test_photographs(self, stack: Stack) -> None:
        """Lights, names and pixels of as many photographs; the pixels of the stated type."""
        height, width = stack.shape
        codes = stack.codes(Window(0, 0, height, width))
        assert codes.shape == (len(stack), height * width, 3)
        assert codes.dtype == stack.dtype
        assert len(stack.lights) == len(stack.names) == len(stack)
        assert stack.positions is None or len(stack.positions.xyz) == len(stack)
        values = stack.values(codes)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()

    def test_windows(self, stack: Stack) -> None:
        """A window has the pixels that the whole picture has there; every array is a fresh one."""
        whole = _pixels(stack)
        for window in (_inner(stack), Window(0, 0, 1, 1)):
            found = stack.codes(window).reshape(len(stack), window.height, window.width, 3)
            assert np.array_equal(found, whole[:, window.slices[0], window.slices[1]])
            found[...] = 0
        assert np.array_equal(_pixels(stack), whole)

    def test_some_photographs(self, stack: Stack) -> None:
        """Any of the photographs, in any order, with their lights."""
        chosen = [len(stack) - 1, 0]
        some = stack.select(chosen)
        assert np.array_equal(_pixels(some), _pixels(stack)[chosen])
        assert np.array_equal(some.lights.xyz, stack.lights.xyz[chosen])
        last = some.select([1])
        assert np.array_equal(_pixels(last), _pixels(stack)[[0]])

    def test_as_it_is_looked_at(self, path: Path, stack: Stack) -> None:
        """Crop, mask, linear values and the size of a pixel, as ``open_stack`` gives them."""
        crop = _inner(stack)
        mask = np.zeros((crop.height, crop.width), bool)
        mask[0, -1] = True
        mask &= np.ones_like(mask) if stack.mask is None else stack.mask[crop.slices]
        whole = _pixels(stack)
        part = read(path, self.reader, crop=crop, to_linear=True, pixel_size_mm=0.5)
        assert isinstance(part, Stack)
        assert (part.shape, part.pixel_size_mm) == ((crop.height, crop.width), 0.5)
        assert np.array_equal(_pixels(part), whole[:, crop.slices[0], crop.slices[1]])
        assert part.encoding == "linear"
        assert np.array_equal(_pixels(part.select([len(stack) - 1]))[0], _pixels(part)[-1])
        if mask.any():
            masked = read(path, self.reader, crop=crop, mask=mask)
            assert isinstance(masked, Stack)
            assert np.array_equal(_pixels(masked), _pixels(part) * mask[..., None])

    def test_fit(self, stack: Stack) -> None:
        """A codec can be fitted, whose model knows the lights."""
        model = codec("hsh:terms=4").fit(stack)
        assert model.shape == stack.shape
        assert model.metadata.lights is not None
        assert np.array_equal(model.metadata.lights.xyz, stack.lights.xyz)


class LightsReaderSuite(ReaderSuite):
    """What a reader of lights promises."""

    reader: ClassVar[LightsReader]

    def test_lights(self, path: Path) -> None:
        """Lights with a name or None each; those of a stack or a model, if it is read as one."""
        lights = self.reader.read_lights(path)
        whole = self.reader.read(path)
        if isinstance(lights, NamedLights):
            assert len(lights.names) == len(lights)
            assert all(note.strip() for note in lights.notes)
        if isinstance(whole, StoredModel):
            assert whole.metadata.lights is not None
            assert np.array_equal(whole.metadata.lights.xyz, lights.xyz)
        elif isinstance(whole, Stack) and whole.positions is None:
            assert np.array_equal(whole.lights.xyz, lights.xyz)
        else:
            assert len(whole if isinstance(whole, LightDirections) else whole.lights) == len(lights)

    def test_damaged_lights(self, path: Path) -> None:
        """Of a file that is cut short, other lights or an error that names a file."""
        for file in _files(path):
            content = file.read_bytes()
            for part in range(self.cuts):
                file.write_bytes(content[: len(content) * part // self.cuts])
                message = path.name
                try:
                    assert len(self.reader.read_lights(path))
                except DrtiError as error:
                    message = str(error)
                names = {path.name, *(beside.name for beside in path.parent.rglob("*"))}
                assert any(name in message for name in names), message
            file.write_bytes(content)


def _pixels(stack: Stack) -> npt.NDArray[Any]:
    """(L, H, W, 3) codes."""
    return stack.codes(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)


def _inner(stack: Stack) -> Window:
    """A part that touches no side of the picture, as far as it is large enough."""
    height, width = stack.shape
    top, left = min(1, height - 1), min(2, width - 1)
    return Window(top, left, max(1, height - top - 1), max(1, width - left - 1))


def _load(reader: Reader, path: Path) -> Content:
    """Read; of a stack the pixels too, which may be decoded only when they are asked for."""
    found = reader.read(path)
    if isinstance(found, Stack):
        found.prepare()
    return found


def _try(reader: Reader, path: Path) -> tuple[Content | None, str]:
    """What was read, or None and the text of the error."""
    try:
        return _load(reader, path), ""
    except DrtiError as error:
        return None, str(error)


def _relit(stored: StoredModel) -> F32 | None:
    """A picture, or None if no codec takes these parameters."""
    try:
        return restore(stored).relight(LightDirections.from_spherical(30, 60))
    except DrtiError:
        return None


def _files(path: Path) -> Iterator[Path]:
    """The file itself and those beside it, or the files of the folder."""
    folder = path if path.is_dir() else path.parent
    return (file for file in sorted(folder.rglob("*")) if file.is_file())
