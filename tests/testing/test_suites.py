"""The conformance suites notice broken promises: each one here is broken on purpose."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from drti_core.codecs.ptm import PtmCodec, PtmModel
from drti_core.decoder import Planes
from drti_core.errors import FileError, FormatError, OptionError, UnsupportedFormatError
from drti_core.fitting.near_lights import distant
from drti_core.formats.ptm import READER, WRITER
from drti_core.io.outputs import check_output
from drti_core.io.regular import open_file
from drti_core.lights import LightDirections
from drti_core.model import StoredModel
from drti_core.model.contracts import LightsReader, ModelReader, Reader, StackReader, Writer
from drti_core.progress import no_progress
from drti_core.stack import Stack
from drti_core.testing import (
    CodecSuite,
    LightsReaderSuite,
    ReaderSuite,
    StackReaderSuite,
    WriterSuite,
    make_stack,
)

MODEL = PtmCodec().fit(make_stack())


@dataclass(frozen=True, eq=False, kw_only=True)
class BrokenModel(PtmModel):
    fault: str = ""

    def decode(self, features, coords, lights):
        rgb = super().decode(features, coords, lights)
        match self.fault:
            case "decoder":
                rgb += np.float32(0.001)
            case "nan":
                rgb[:, 0] = np.nan
            case "float64":
                return rgb.astype(np.float64)
        return rgb

    def relight(self, lights, window=None, **options):
        rgb = super().relight(lights, window, **options)
        match self.fault:
            case "window":
                rgb += np.float32(1e-4) * rgb.mean()
            case "lights":
                rgb *= np.float32(1 + 1e-4 * len(lights))
            case "nan":
                rgb[:, 0] = np.nan
            case "runtime":
                rgb += np.float32(0.01)
        return rgb

    def config(self):
        extra = {"nan": {"x": float("nan")}, "tuple": {"x": (1, 2)}, "id": {"codec": "other"}}
        return {**super().config(), **extra.get(self.fault, {})}

    def arrays(self):
        extra = {
            "object": np.array([None, "text"], object),
            "infinite": np.array([1, np.inf]),
        }
        return {"x": extra[self.fault]} if self.fault in extra else {}


@dataclass(frozen=True)
class BrokenCodec(PtmCodec):
    """PTM, but with a fault; ``fits`` counts the models that were made."""

    model = BrokenModel
    fault: str = ""
    fits: ClassVar[list[int]] = []

    def fit(self, stack: Any, progress: Any = no_progress) -> Any:
        self.fits.append(1)
        if self.fault == "changes photographs":
            stack.images[:] = 0
        if self.fault == "crash on one pixel" and stack.shape == (1, 1):
            raise ZeroDivisionError
        if self.fault == "no progress":
            progress = no_progress
        model: Any = replace(super().fit(stack, progress), fault=self.fault)
        if self.fault == "random":
            model.planes.codes[0, 0, 0] = len(self.fits) % 200
        if self.fault == "forgets lights":
            return model.with_metadata(lights=None)
        if self.fault == "nan when black" and not stack.images.any():
            return replace(model, fault="nan")
        if self.fault == "bright" or (self.fault == "positions harm" and stack.positions):
            model.planes.bias[:3] -= 0.05
        if self.fault == "16 bits are 8" and self.bits == 16:
            return replace(self, bits=8).fit(stack)
        return model

    def keeping(self, folder: Path, *, resume: bool = False) -> Any:
        return replace(self) if self.fault == "keeps anew" else self

    def trial(self) -> Any:
        return replace(self, colorspace="lrgb") if "trial" in self.fault else self

    def with_planes(self, count: int) -> Any:
        if self.fault == "refuses its own number":
            raise OptionError("no")
        return self if self.fault == "other number of planes" else super().with_planes(count)

    def learns_from(self) -> Any:
        return (PtmCodec(),) if self.fault == "nameless teachers" else ()

    def restore(self, stored: StoredModel) -> Any:
        if self.fault == "trusting" and stored.planes is not None:
            stored = replace(stored, config={"codec": "ptm", "terms": 6})
            count = stored.planes.count
            if count < 18:
                stored = replace(stored, planes=stored.planes.select([*range(count), 0]))
        model: Any = replace(super().restore(stored), fault=self.fault)
        if self.fault == "restores other pixels":
            planes = model.planes
            return replace(model, planes=Planes(planes.codes, planes.scale * 1.001, planes.bias))
        return model


@dataclass(frozen=True)
class Forgetful(BrokenCodec):
    """Its default options are broken: those that restore what came from a file."""

    fault: str = "restores other pixels"


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("window", "test_windows"),
        ("runtime", "test_runtimes_agree"),
        ("lights", "test_lights_are_independent"),
        ("decoder", "test_decode_is_the_decoder"),
        ("nan", "test_pixels"),
        ("nan", "test_config"),
        ("tuple", "test_config"),
        ("id", "test_config"),
        ("float64", "test_decode_is_the_decoder"),
        ("object", "test_arrays"),
        ("infinite", "test_arrays"),
        ("changes photographs", "test_photographs_are_left_alone"),
        ("no progress", "test_progress"),
        ("random", "test_same_bytes_twice"),
        ("forgets lights", "test_model"),
        ("bright", "test_quality"),
        ("bright", "test_flat"),
        ("16 bits are 8", "test_16_bits_are_no_worse"),
        ("nan when black", "test_edges"),
        ("crash on one pixel", "test_edges"),
        ("restores other pixels", "test_restored"),
        ("trusting", "test_damaged_planes"),
        ("keeps anew", "test_declarations"),
        ("nameless teachers", "test_declarations"),
        ("trial of another make", "test_trial"),
        ("other number of planes", "test_numbers_of_planes"),
        ("refuses its own number", "test_numbers_of_planes"),
        ("positions harm", "test_near_lights"),
    ],
)
def test_codec_suite_notices(fault, test, tmp_path):
    class Suite(CodecSuite):
        codec = (Forgetful if fault.startswith("restores") else BrokenCodec)(fault=fault)
        min_psnr = 36

    suite = Suite()
    method = getattr(suite, test)
    given: dict[str, Any] = {}
    names = method.__code__.co_varnames[: method.__code__.co_argcount]
    if "stack" in names:
        given["stack"] = make_stack()
    if "model" in names:
        given["model"] = BrokenCodec(fault=fault).fit(make_stack())
    if "tmp_path" in names:
        given["tmp_path"] = tmp_path
    if "name" in names:
        given["name"] = "one pixel" if "pixel" in fault else "black"
    if "level" in names:
        given["level"] = 0
    with pytest.raises((AssertionError, ZeroDivisionError, ValueError, pytest.fail.Exception)):
        method(**given)
    if "name" in given:
        return
    Suite.codec = PtmCodec()
    if "model" in given:
        given["model"] = MODEL
    method(**{**given, **({"stack": make_stack()} if "stack" in given else {})})


@dataclass(frozen=True)
class Near(BrokenCodec):
    """Makes distant photographs of near ones by itself."""

    near_lights = True

    def fit(self, stack: Any, progress: Any = no_progress) -> Any:
        if self.fault and stack.positions:
            return super().fit(stack.select(range(8)), progress)
        return super().fit(distant(stack), progress)


def test_codec_suite_tries_near_lights():
    class Suite(CodecSuite):
        codec = Near()

    Suite().test_near_lights(make_stack())
    Suite.codec = Near(fault="fewer photographs")
    with pytest.raises(AssertionError):
        Suite().test_near_lights(make_stack())


@dataclass(frozen=True)
class BrokenWriter(Writer):
    writer_id = "broken"
    summary = "PTM, but with a fault"
    suffixes = (".ptm",)

    fault: str = ""

    def refuse(self, stored):
        if self.fault == "holds all":
            return None
        return WRITER.refuse(stored)

    def write(self, stored, path, *, overwrite=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.fault == "refuses late":
            path.write_bytes(b"PTM")
        if reason := WRITER.refuse(stored):
            raise UnsupportedFormatError(reason, where=str(path))
        if self.fault == "in place":
            check_output(path, overwrite)
            with path.open("wb") as file:
                file.write(b"PTM_1.2\n" * 100)
            return ()
        notes = WRITER.write(stored, path.with_name("aside.ptm"))
        content = path.with_name("aside.ptm").read_bytes()
        path.with_name("aside.ptm").unlink()
        match self.fault:
            case "time":
                content += os.urandom(3)
            case "silent":
                notes = ()
            case "other pixels":
                content = content[:-40] + bytes(40)
            case "other format":
                content = b"#HSH1.2\n" + content
        if self.fault != "overwrites":
            check_output(path, overwrite)
        temporary = path.with_name(".new")
        temporary.write_bytes(content)
        temporary.replace(path)
        return notes


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("time", "test_same_bytes_twice"),
        ("silent", "test_metadata"),
        ("other pixels", "test_round_trip"),
        ("other format", "test_round_trip"),
        ("overwrites", "test_overwrites_only_when_asked"),
        ("in place", "test_disk_full"),
        ("refuses late", "test_refused"),
        ("holds all", "test_refused"),
    ],
)
def test_writer_suite_notices(fault, test, tmp_path):
    class Suite(WriterSuite):
        writer = BrokenWriter(fault=fault)
        reader = READER
        name = "output.ptm"
        min_psnr = 45

        def models(self):
            return {"ptm": MODEL.stored()}

        def refused(self):
            return {"three terms": replace(MODEL.stored(), config={"codec": "ptm", "terms": 3})}

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(Suite(), test)(tmp_path / "a")
    Suite.writer = WRITER if test == "test_disk_full" else BrokenWriter()
    getattr(Suite(), test)(tmp_path / "b")


@dataclass(frozen=True)
class BrokenReader(Reader):
    reader_id = "ptm"
    summary = "PTM, but with a fault"

    fault: str = ""

    def sniff(self, path: Path, head: bytes) -> bool:
        match self.fault:
            case "by name":
                return path.suffix == ".ptm"
            case "greedy":
                return True
        return READER.sniff(path, head)

    def read(self, path: Path) -> StoredModel:
        if self.fault == "writes":
            path.with_name("cache").touch()
        try:
            return READER.read(path)
        except FormatError as error:
            if self.fault == "crashes":
                raise ValueError("cannot reshape array") from error
            if self.fault == "nameless":
                raise FormatError("damaged") from error
            if self.fault == "guesses":
                return MODEL.stored()
            raise


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("by name", "test_recognised_by_content"),
        ("greedy", "test_strangers"),
        ("greedy", "test_empty_folder"),
        ("writes", "test_read_twice"),
        ("crashes", "test_cut_short"),
        ("crashes", "test_damaged"),
        ("nameless", "test_cut_short"),
        ("guesses", "test_cut_short"),
    ],
)
def test_reader_suite_notices(fault, test, tmp_path):
    class Suite(ReaderSuite):
        reader = BrokenReader(fault=fault)

        def make(self, folder):
            raise AssertionError("the test makes it")

    def run(folder: Path) -> None:
        folder.mkdir()
        (folder / "input").mkdir()
        path = folder / "input" / "model.ptm"
        WRITER.write(MODEL.stored(), path)
        argument: dict[str, Any] = {"path": path}
        if test == "test_strangers":
            argument = {"tmp_path": folder, "name": "text"}
        if test == "test_empty_folder":
            argument = {"tmp_path": folder / "none"}
            (folder / "none").mkdir()
        getattr(Suite(), test)(**argument)

    with pytest.raises((AssertionError, ValueError)):
        run(tmp_path / "broken")
    Suite.reader = READER
    run(tmp_path / "whole")


@dataclass(frozen=True)
class WaitingReader(ModelReader):
    reader_id = "waiting"
    summary = "a folder whose second file is opened as any"

    waits: bool = True

    def sniff(self, path: Path, head: bytes) -> bool:
        raise AssertionError("never asked")

    def read(self, path: Path) -> Any:
        beside = path / "notes.txt"
        try:
            with beside.open("rb") if self.waits else open_file(beside) as file:
                file.read()
        except OSError as error:
            raise FileError.of(error, beside) from None
        return READER.read(path / "model.ptm")


@pytest.mark.slow
def test_reader_suite_notices_what_waits(tmp_path):
    class Suite(ReaderSuite):
        seconds = 1

        def make(self, folder):
            raise AssertionError("the test makes it")

    path = tmp_path / "input" / "model"
    path.mkdir(parents=True)
    WRITER.write(MODEL.stored(), path / "model.ptm")
    (path / "notes.txt").write_text("notes")
    Suite.reader = WaitingReader(waits=False)
    Suite().test_no_regular_file(path)
    Suite.reader = WaitingReader()
    with pytest.raises(pytest.fail.Exception) as error:
        Suite().test_no_regular_file(path)
    assert str(error.value) == "waits for notes.txt, which is a named pipe"


@dataclass(frozen=True, eq=False, kw_only=True)
class BrokenStack(Stack):
    fault: str
    pixels: Any

    def _read(self, window):
        order = range(len(self)) if self.fault == "all photographs" else self.order
        rows, columns = window.slices
        if self.fault == "no place":
            rows, columns = slice(window.height), slice(window.width)
        found = self.pixels[list(order), rows, columns]
        return found.astype(np.uint16) if self.fault == "another type" else found.copy()


@dataclass(frozen=True)
class BrokenStackReader(StackReader, LightsReader):
    reader_id = "broken"
    summary = "photographs, but with a fault"

    fault: str = ""

    def sniff(self, path: Path, head: bytes) -> bool:
        raise AssertionError("never asked")

    def read(self, path: Path) -> Stack:
        whole = make_stack()
        lights = whole.lights[:-1] if self.fault == "a light short" else whole.lights
        order, dtype = tuple(range(len(whole))), whole.dtype
        common = {"lights": lights, "shape": whole.shape, "names": whole.names, "order": order}
        return BrokenStack(**common, dtype=dtype, fault=self.fault, pixels=whole.images)

    def read_lights(self, path: Path) -> LightDirections:
        lights = make_stack().lights
        return lights[list(range(len(lights)))[::-1]] if self.fault == "lights reversed" else lights


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("a light short", "test_photographs"),
        ("another type", "test_photographs"),
        ("no place", "test_windows"),
        ("no place", "test_as_it_is_looked_at"),
        ("all photographs", "test_some_photographs"),
        ("a light short", "test_fit"),
        ("lights reversed", "test_lights"),
    ],
)
def test_stack_and_lights_suites_notice(fault, test, tmp_path):
    class Suite(StackReaderSuite, LightsReaderSuite):
        def make(self, folder):
            raise AssertionError("the test makes it")

    def run(reader):
        Suite.reader = reader
        possible = {"path": tmp_path, "stack": reader.read(tmp_path)}
        wanted = inspect.signature(getattr(Suite, test)).parameters
        getattr(Suite(), test)(**{name: possible[name] for name in possible if name in wanted})

    with pytest.raises((AssertionError, ValueError, IndexError)):
        run(BrokenStackReader(fault=fault))
    run(BrokenStackReader())


@pytest.mark.slow
def test_without_pytest_the_extra_is_named():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from drti_core.errors import MissingExtraError\n"
        "try:\n    import drti_core.testing\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "drti_core.testing needs the 'test' extra, which is not installed. "
        "Install it with: pip install 'drti[test]'\n"
    )
