"""What every writer promises."""

from __future__ import annotations

import io
import uuid
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from drti_core.errors import DrtiError, OutputExistsError, UnsupportedFormatError
from drti_core.io.pictures.exif import Exif, write
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import Reader, Writer
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import restore, save_model
from drti_core.testing.compare import files_of, metadata_changes, same_content
from drti_core.testing.stacks import dome

#: Metadata of which every field is set but the mask, which has the size of the model.
METADATA = Metadata(
    lights=dome(12),
    encoding="linear",
    icc=b"\x00\x00\x02\x0cADBE" + bytes(516),
    pixel_size_mm=0.0625,
    xmp=b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"/><?xpacket end="w"?>',
    exif=write(Exif({271: (2, b"A camera\0")}, {33434: (5, bytes([1, 0, 0, 0, 60, 0, 0, 0]))})),
    provenance={"software": "drti 0", "photographs": ["Königsgrab <1> & 2.jpg"]},
    comments=("first line", "Königsgrab"),
)
#: A word of the sentence that says that a field is lost.
LOST = {
    "lights": "light",
    "encoding": "linear",
    "icc": "colour profile",
    "pixel_size_mm": "pixel size",
    "xmp": "XMP",
    "exif": "EXIF",
    "provenance": "provenance",
    "mask": "mask",
    "comments": "comment",
}


class WriterSuite(ABC):
    """Subclass it, name it ``Test…``, state writer and reader, and make models for it.

    Attributes:
        writer: the writer with the options to be tested.
        reader: the reader that its outputs are for.
        name: of the output, with the ending that the format has.
        exact: whether a model comes back bit for bit: codes, scales, biases, config, arrays.
        min_psnr: where not, the PSNR in dB of relit pictures after and before.
        keeps: the fields of :class:`Metadata` that come back; of each other one the writer's
            notes say that it is lost (a word of :data:`LOST`).
    """

    writer: ClassVar[Writer]
    reader: ClassVar[Reader]
    name: ClassVar[str] = "output"
    exact: ClassVar[bool] = False
    min_psnr: ClassVar[float] = 40
    keeps: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def models(self) -> Mapping[str, StoredModel]:
        """Models that the format holds, by a name for each; at least one."""

    @abstractmethod
    def refused(self) -> Mapping[str, StoredModel]:
        """Models that the format cannot hold, by a name for each; may be none."""

    def test_identity(self) -> None:
        """It has an id and a summary; its file endings begin with a dot."""
        assert self.writer.writer_id.replace("-", "_").isidentifier()
        assert self.writer.summary
        assert all(suffix.startswith(".") for suffix in self.writer.suffixes)

    def test_round_trip(self, tmp_path: Path) -> None:
        """One reader, the stated one, recognises an output; it reads what was written.

        Bit for bit if the suite says ``exact``, else to pictures of at least ``min_psnr``.
        """
        assert self.models()
        for number, (what, stored) in enumerate(self.models().items()):
            path = tmp_path / str(number) / self.name
            assert self.writer.refuse(stored) is None, what
            self.writer.write(stored, path)
            head = b"" if path.is_dir() else path.read_bytes()[:512]
            readers = {**registry().readers.load_all(), self.reader.reader_id: self.reader}
            claims = [name for name, reader in readers.items() if reader.sniff(path, head)]
            assert claims == [self.reader.reader_id], what
            back = self.reader.read(path)
            assert isinstance(back, StoredModel), what
            if self.exact:
                assert same_content(back, stored), what
            lights = LightDirections(np.concatenate([dome(8).xyz, [[1, 0, 0], [0, 0, 1]]]))
            before, after = (np.clip(restore(m).relight(lights), 0, 1) for m in (stored, back))
            assert psnr(after, before, peak=1) >= self.min_psnr, what

    def test_metadata(self, tmp_path: Path) -> None:
        """What is known beside the decoder comes back, or the notes say that it is lost."""
        for number, (what, stored) in enumerate(self.models().items()):
            path = tmp_path / str(number) / self.name
            # The lights may be the codec's own parameters as well: they stay the model's.
            mask = np.indices(stored.shape).sum(axis=0) % 3 > 0
            metadata = replace(
                METADATA, lights=stored.metadata.lights or METADATA.lights, mask=mask
            )
            notes = self.writer.write(replace(stored, metadata=metadata), path)
            back = self.reader.read(path)
            assert isinstance(back, StoredModel)
            lost = metadata_changes(metadata, back.metadata)
            assert not lost & self.keeps, what
            silent = [field for field in lost if LOST[field] not in " ".join(notes)]
            assert silent == [], (what, notes)

    def test_notes_are_sentences(self, tmp_path: Path) -> None:
        """Notes are texts of one line."""
        for number, stored in enumerate(self.models().values()):
            notes = self.writer.write(stored, tmp_path / str(number) / self.name)
            assert isinstance(notes, tuple)
            assert all(note and "\n" not in note for note in notes)

    def test_refused(self, tmp_path: Path) -> None:
        """What ``refuse`` gives a reason against is not written, and the error gives it."""
        for what, stored in self.refused().items():
            reason = self.writer.refuse(stored)
            assert reason, what
            path = tmp_path / self.name
            with pytest.raises(UnsupportedFormatError) as caught:
                self.writer.write(stored, path)
            assert reason in str(caught.value)
            assert list(tmp_path.iterdir()) == [], what

    def test_same_bytes_twice(self, tmp_path: Path) -> None:
        """The same model gives the same bytes."""
        for number, (what, stored) in enumerate(self.models().items()):
            paths = [tmp_path / f"{number}{side}" / self.name for side in "ab"]
            for path in paths:
                self.writer.write(stored, path)
            assert files_of(paths[0]) == files_of(paths[1]), what

    def test_to_anywhere(self, tmp_path: Path) -> None:
        """An open file and a store take the same bytes; a folder is a zip archive of them."""
        model = restore(next(iter(self.models().values())))
        path, file = tmp_path / self.name, io.BytesIO()
        notes = save_model(model, path, writer=self.writer)
        assert save_model(model, file, writer=self.writer) == notes
        written = files_of(path)
        if path.is_dir():
            with zipfile.ZipFile(file) as archive:
                assert {name: archive.read(name) for name in archive.namelist()} == written
        else:
            assert file.getvalue() == written[""]
        store = pytest.importorskip("fsspec").filesystem("memory")
        place = f"drti/{uuid.uuid4().hex}/{self.name}"
        assert save_model(model, f"memory://{place}", writer=self.writer) == notes
        put = {name.removeprefix(f"/{place}").strip("/"): name for name in store.find(f"/{place}")}
        assert {name: store.cat_file(own) for name, own in put.items()} == written
        store.rm(f"/{place}", recursive=True)

    def test_overwrites_only_when_asked(self, tmp_path: Path) -> None:
        """An output that is there stays as it is, unless overwriting is asked for."""
        path = tmp_path / self.name
        first, *_, last = [*self.models().values()] * 2
        self.writer.write(first, path)
        before = files_of(path)
        with pytest.raises(OutputExistsError) as caught:
            self.writer.write(last, path)
        assert str(path) in str(caught.value)
        assert files_of(path) == before
        self.writer.write(last, path, overwrite=True)
        self.writer.write(last, tmp_path / "fresh" / self.name)
        assert files_of(path) == files_of(tmp_path / "fresh" / self.name)

    def test_disk_full(self, tmp_path: Path) -> None:
        """When writing fails half-way, nothing is left behind; an old output stays whole."""
        stored = next(iter(self.models().values()))
        path = tmp_path / self.name
        self.writer.write(stored, path)
        before = files_of(path)
        largest = max(len(content) for content in before.values())
        for size in sorted({0, 1, largest // 4, largest // 2, largest - 1}):
            with pytest.raises((OSError, DrtiError)), _disk_full(size):
                self.writer.write(stored, path, overwrite=True)
            assert files_of(path) == before, size
            with pytest.raises((OSError, DrtiError)), _disk_full(size):
                self.writer.write(stored, tmp_path / "new" / self.name)
            assert not (tmp_path / "new" / self.name).exists(), size
            assert list((tmp_path / "new").glob("*")) == [], size
            assert {entry.name for entry in tmp_path.iterdir()} <= {self.name, "new"}, size


@contextmanager
def _disk_full(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes."""
    resource = pytest.importorskip("resource", reason="the system has no limit on file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
