"""Every codec, reader and writer that is installed passes the conformance suites.

The classes are made from the registry: a new file in ``drti_core/codecs`` or
``drti_core/formats`` is covered without an edit here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core.errors import UnsupportedFormatError
from drti_core.formats.lp import write_lp
from drti_core.model import RelightableModel, StoredModel
from drti_core.model.contracts import LightsReader, StackReader
from drti_core.options import parse_spec, with_options
from drti_core.registry.catalogue import codec, registry
from drti_core.registry.doors import save_model
from drti_core.testing import (
    CodecSuite,
    LightsReaderSuite,
    ModelSuite,
    ReaderSuite,
    StackReaderSuite,
    WriterSuite,
    dome,
    make_stack,
)
from drti_core.testing.stacks import photographs
from drti_core.testing.writers import LOST
from tests.helpers.kept import TWINS, fit_or_kept, kept
from tests.helpers.quick import quick
from tests.helpers.train import marks

CODECS = {name: quick(item) for name, item in registry().codecs.load_all().items()}
READERS = registry().readers.load_all()
WRITERS = registry().writers.load_all()

#: Trained codecs that are another one of :data:`CODECS` with a wider or narrower network. Training
#: them is that one's affair, so their suite is that of models, for the kept ones.
PRESETS = {"disk20": "disk10", "hyper12": "hyper8", "hyper20": "hyper8"}

#: PSNR in dB on the training photographs of the small stack; 25 for a codec not named.
MIN_PSNR = {
    "ptm": 36,
    "lptm": 35,
    "yptm": 36,
    "hsh4": 37,
    "hsh": 43,
    "yhsh": 43,
    "lhsh": 41,
    "hsh16": 47,
    "sh": 44,
    "rbf": 41,
    "yrbf": 44,
    "bilinear": 42,
    "ybilinear": 44,
}

#: Linear codecs that fit for long and differ from one that is in the quick loop by their colours.
SLOW = {"yrbf", "ybilinear"}

#: Options of writers beside the default ones; those of folders are not in the quick loop.
VARIANTS = {
    "folder": (
        "folder:image=png",
        "folder:layout=tarzoom",
        "folder:layout=itarzoom",
        "folder:layout=deepzoom",
        "folder:layout=zoomify,image=png",
    ),
    "ptm": ("ptm:bias=any", "ptm:version=1.1", "ptm:format=jpeg_rgb,predict=true,max_error=3"),
    "rti": ("rti:element=float", "rti:eol=lf"),
}

#: Writers (with their options) that give back every bit.
EXACT = {"zarr", "folder:image=png", "folder:layout=zoomify,image=png"}
#: PSNR in dB of relit pictures through a file; 40 for a writer not named.
FILE_PSNR = {
    "folder": 30,
    "folder:layout=tarzoom": 30,
    "folder:layout=itarzoom": 30,
    "folder:layout=deepzoom": 30,
    "ptm:format=jpeg_rgb,predict=true,max_error=3": 30,
}

#: Metadata that a format holds.
KEEPS = {
    "folder": set(LOST),
    "ptm": set(),
    "rti": set(LOST),
    "zarr": set(LOST),
}

#: Writers that hold one codec's models only, and why; the others hold every codec's.
KNOWN_GAPS = {
    "ptm": ("ptm", "a .ptm holds polynomials of the light only"),
    "rti": ("hsh", "a .rti holds hemispherical harmonics only"),
}


@cache
def fitted(name: str) -> StoredModel:
    """The small stack, fitted by a codec."""
    return fit_or_kept(name, make_stack()).stored()


def gap(writer: str, name: str) -> str | None:
    """Why this writer cannot hold this codec's models, or None if it can."""
    held, reason = KNOWN_GAPS.get(writer, (CODECS[name].codec_id, ""))
    return None if held == CODECS[name].codec_id else reason


def models(writer: str) -> dict[str, StoredModel]:
    return {name: fitted(name) for name in CODECS if gap(writer, name) is None and _own(name)}


def refused(writer: str) -> dict[str, StoredModel]:
    return {name: fitted(name) for name in CODECS if gap(writer, name) is not None and _own(name)}


def _own(name: str) -> bool:
    """Whether the codec is no twin, nor a preset that is trained: they differ in numbers only."""
    return name not in TWINS and name not in PRESETS and name != "neural-pca"


def title(kind: str, name: str) -> str:
    words = "".join(part if part.isalnum() else "_" for part in name)
    return f"Test{kind}_{words}"


LIGHTS = dome(5)
NAMES = [f"image{number}.png" for number in range(5)]


def write_photographs(folder: Path) -> None:
    from PIL import Image

    for name, picture in zip(NAMES, photographs(LIGHTS, 6, 7), strict=True):
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(folder / name)


def make_lp(folder: Path) -> Path:
    write_photographs(folder)
    write_lp(folder / "dirs.lp", NAMES, LIGHTS)
    return folder / "dirs.lp"


def _dome() -> dict[str, Any]:
    directions = [dict(zip("xyz", light, strict=True)) for light in LIGHTS.xyz.tolist()]
    return {"lightConfiguration": "directional", "directions": directions}


def make_dome(folder: Path) -> Path:
    write_photographs(folder)
    (folder / "lights.dome").write_text(json.dumps(_dome()))
    return folder / "lights.dome"


def make_photometric(folder: Path) -> Path:
    write_photographs(folder)
    (folder / "filenames.txt").write_text("\n".join(NAMES))
    for name, table in (("directions", LIGHTS.xyz), ("intensities", [[1, 2, 1.5]] * len(LIGHTS))):
        rows = (" ".join(map(str, row)) for row in np.asarray(table).tolist())
        (folder / f"light_{name}.txt").write_text("\n".join(rows))
    return folder


def make_project(folder: Path) -> Path:
    write_photographs(folder)
    images = [{"filename": name, "skip": False} for name in NAMES]
    project = {"application": "RelightLab", "width": 7, "height": 6, "folder": "."}
    project = {**project, "images": images, "dome": _dome()}
    (folder / "coin.relight").write_text(json.dumps(project))
    return folder / "coin.relight"


def write_tiles(folder: Path) -> None:
    """Six coefficients and the colour of one node: 64x64 pixels and a border of one."""
    from PIL import Image

    for number in (1, 2, 3):
        codes = np.random.default_rng(number).integers(0, 256, (66, 66, 3), np.uint8)
        Image.fromarray(codes).save(folder / f"1_{number}.png")


def make_webrti(folder: Path) -> Path:
    write_tiles(folder)
    (folder / "info.xml").write_text(
        '<!DOCTYPE Doc>\n<MultiRes format="1">\n<Content type="LRGB_PTM">\n'
        '<Size width="60" height="50" coefficients="6"/>\n<Scale>2 2 2 2 2 2</Scale>\n'
        "<Bias>149 151 68 77 77 0</Bias>\n</Content>\n<Tree>1 0\n64\n64 64 255\n0 0 0\n"
        "</Tree>\n</MultiRes>\n"
    )
    return folder


def make_webptm(folder: Path) -> Path:
    write_tiles(folder)
    ptm = {
        "type": "LRGB_PTM",
        "contentSize": {"w": 60, "h": 50},
        "maxResolution": {"w": 64, "h": 64},
        "scale": [2] * 6,
        "bias": [149, 151, 68, 77, 77, 0],
        "imageFormat": "png",
    }
    strategy = {"type": "IMAGE_TREE", "tileSize": {"w": 64, "h": 64}}
    info = {"PTM": ptm, "Geometry": {"type": "PLANE"}, "MultiresStrategy": strategy}
    (folder / "info.json").write_text(json.dumps(info))
    return folder


def make_onnx(folder: Path) -> Path:
    from drti_core.runtime.onnx.forms import to_bytes
    from drti_exporters.onnx.graphs import image_graph

    model = codec("hsh4").restore(fitted("hsh4"))
    graph = image_graph(model.decoder(), model.planes, model.shape)
    (folder / "coin.onnx").write_bytes(to_bytes(graph))
    return folder / "coin.onnx"


#: Inputs of readers whose format has no writer.
EXAMPLES = {
    "onnx": make_onnx,
    "lp": make_lp,
    "dome": make_dome,
    "photometric": make_photometric,
    "project": make_project,
    "webrti": make_webrti,
    "webptm": make_webptm,
}
#: Readers of which no valid input exists, and why.
NO_EXAMPLE = {"foreign": "it refuses everything that it recognises"}


def preset_class(name: str) -> type:
    class Suite(ModelSuite):
        codec = CODECS[name]

        @pytest.fixture
        def model(self) -> RelightableModel:
            return kept(name)

    return type(title("Codec", name), (Suite,), {})


def codec_class(name: str) -> type:
    if name in PRESETS:
        return preset_class(name)
    # NeuralRTI is trained a third as wide: the kept ones, in the other tests, have its own width.
    narrow = {"width": 16} if name in ("neural", "neural-pca") else {}
    trained = with_options(CODECS[name], narrow)
    bars: dict[str, Any] = {"codec": trained, "min_psnr": MIN_PSNR.get(name, 25)}
    bars["pytestmark"] = marks(CODECS[name]) + [pytest.mark.slow] * (name in SLOW)
    if name == "siren":  # a short run of a field leaves ripples
        bars["flat_error"] = 0.05
    return type(title("Codec", name), (CodecSuite,), bars)


def _marks(name: str, spec: str) -> list[Any]:
    return [pytest.mark.slow] if name == "folder" and spec != name else []


def writer_class(spec: str) -> type:
    name, options = parse_spec(spec)
    writer = with_options(WRITERS[name], options)

    class Suite(WriterSuite):
        def models(self) -> Mapping[str, StoredModel]:
            return models(name)

        def refused(self) -> Mapping[str, StoredModel]:
            return refused(name)

    stated: dict[str, Any] = {
        "writer": writer,
        "reader": READERS[name],
        "name": "output" + (writer.suffixes[0] if writer.suffixes else ""),
        "exact": spec in EXACT,
        "pytestmark": _marks(name, spec),
        "min_psnr": FILE_PSNR.get(spec, 40),
        "keeps": frozenset(KEEPS.get(name, ())),
    }
    return type(title("Writer", spec), (Suite,), stated)


def reader_class(name: str, what: str = "") -> type:
    kinds = [StackReaderSuite] if isinstance(READERS[name], StackReader) else []
    # A model's lights are read by one way of writing it: that takes no longer for each of them.
    if isinstance(READERS[name], LightsReader) and what in ("", name):
        kinds.append(LightsReaderSuite)

    class Suite(*(kinds or [ReaderSuite])):
        reader = READERS[name]
        # A light file without its last row is still one; its notes say what is left out. A graph
        # ends with metadata, each of which may be absent. A number may lose its last digit.
        end_is_known = name not in ("lp", "photometric", "onnx")

        def make(self, folder: Path) -> Path:
            if name in EXAMPLES:
                return EXAMPLES[name](folder)
            if name not in WRITERS:
                pytest.skip(NO_EXAMPLE.get(name, "no example"))
            writer, options = parse_spec(what or name)
            item = with_options(WRITERS[writer], options)
            target = folder / ("output" + (item.suffixes[0] if item.suffixes else ""))
            item.write(next(iter(models(writer).values())), target)
            return target

    marked = {"pytestmark": _marks(name, what or name)}
    return type(title("Reader", what or name), (Suite,), marked)


for _name in CODECS:
    if _name in TWINS:
        continue
    globals()[title("Codec", _name)] = codec_class(_name)
for _name in WRITERS:
    for _spec in (_name, *VARIANTS.get(_name, ())):
        globals()[title("Writer", _spec)] = writer_class(_spec)
for _name in READERS:
    for _spec in (_name, *VARIANTS.get(_name, ())):
        globals()[title("Reader", _spec)] = reader_class(_name, _spec)


def test_everything_is_covered() -> None:
    """Every id has its class, and nothing failed to load."""
    shelves = {"Codec": registry().codecs, "Reader": registry().readers}
    shelves["Writer"] = registry().writers
    for kind, shelf in shelves.items():
        for name in shelf.working():
            twin = TWINS.get(name) if kind == "Codec" else None
            assert title(kind, twin or name) in globals(), name
            assert twin is None or CODECS[twin] == CODECS[name]
    for name, trained in PRESETS.items():
        narrow: Any = CODECS[trained]
        assert replace(CODECS[name], width=narrow.width) == narrow
    assert [listing for listing in registry().report() if listing.error] == []
    # A reader needs an input: its format's writer makes it, or EXAMPLES has one.
    without = READERS.keys() - WRITERS.keys() - EXAMPLES.keys() - NO_EXAMPLE.keys()
    assert without == set(), "add a function to EXAMPLES that writes an input for it"


@pytest.mark.parametrize("name", sorted(CODECS))
@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_codec_and_writer(writer: str, name: str, tmp_path: Path) -> None:
    """Every codec goes into every format, or stands in KNOWN_GAPS and is refused by name."""
    reason = WRITERS[writer].refuse(fitted(name))
    if gap(writer, name) is None:
        assert reason is None
        return
    assert reason is not None
    assert f"codec {CODECS[name].codec_id}" in reason
    model = codec(name).restore(fitted(name))
    target = tmp_path / "refused"
    with pytest.raises(UnsupportedFormatError) as caught:
        save_model(model, target, writer=WRITERS[writer])
    assert str(caught.value) == f"{target}: {reason}"
    assert not target.exists()
