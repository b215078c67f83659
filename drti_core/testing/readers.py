"""What every reader promises."""

from __future__ import annotations

import json
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from drti_core.arrays import F32, Window
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections
from drti_core.model import StoredModel
from drti_core.model.contracts import Reader
from drti_core.registry.catalogue import registry, restore
from drti_core.stack import Stack
from drti_core.testing.compare import files_of, same_content

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


class ReaderSuite(ABC):
    """Subclass it, name it ``Test…``, state the reader and make an input for it.

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
        head = _head(path)
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
        assert self.reader.sniff(renamed, _head(renamed))

    @pytest.mark.parametrize("name", sorted(STRANGERS))
    def test_strangers(self, tmp_path: Path, name: str) -> None:
        """It does not recognise what is none of its own; reading that is an error."""
        path = tmp_path / "stranger"
        path.write_bytes(STRANGERS[name])
        assert not self.reader.sniff(path, _head(path))
        with pytest.raises(DrtiError):
            self.reader.read(path)

    def test_empty_folder(self, tmp_path: Path) -> None:
        """It does not recognise an empty folder."""
        assert not self.reader.sniff(tmp_path, b"")

    def test_content(self, path: Path) -> None:
        """A model's parameters fit together and restore; a stack's pixels can be read."""
        found = self.reader.read(path)
        if isinstance(found, Stack):
            assert found.codes(Window(0, 0, *found.shape)).shape[0] == len(found.lights)
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

    def _check(self, path: Path, whole: StoredModel | Stack | None) -> None:
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


def _load(reader: Reader, path: Path) -> StoredModel | Stack:
    """Read; of a stack the pixels too, which may be decoded only when they are asked for."""
    found = reader.read(path)
    if isinstance(found, Stack):
        found.prepare()
    return found


def _try(reader: Reader, path: Path) -> tuple[StoredModel | Stack | None, str]:
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


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    with path.open("rb") as file:
        return file.read(512)


def _files(path: Path) -> Iterator[Path]:
    """The file itself and those beside it, or the files of the folder."""
    folder = path if path.is_dir() else path.parent
    return (file for file in sorted(folder.rglob("*")) if file.is_file())
