"""The ONNX exporter, ``drti export`` and folders of codecs that are not installed."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.decoder import Decoder, Dense, LightFunction, Planes
from drti_core.errors import (
    FormatError,
    OptionError,
    OutputError,
    OutputExistsError,
    PluginError,
    UnsupportedDecoderError,
)
from drti_core.formats.folder import WRITER as FOLDER
from drti_core.io import memory
from drti_core.io.outputs import system
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.graph_model import GraphModel
from drti_core.options import with_options
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import open_model
from drti_core.testing.stacks import make_stack
from drti_exporters.glsl import emit
from drti_exporters.onnx import EXPORTER, measure
from tests.helpers.openlime_models import MODELS

FOLDER_PNG = with_options(FOLDER, {"image": "png"})
LIGHTS = measure.lights()
#: Half a level of 255, and a little.
ROUNDING = 0.51 / 255


@pytest.fixture(scope="module")
def model() -> RelightableModel:
    return registry().codecs.get("lptm").fit(make_stack())


def export(model: RelightableModel, out: Path, overwrite: bool = False, **options: Any) -> Any:
    return with_options(EXPORTER, options).export(model, out, overwrite=overwrite)


def run(path: Path, **given: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return session.run(None, {name: given[name] for name in names})


def test_it_is_registered():
    assert registry().exporters.get("onnx") is EXPORTER
    assert (EXPORTER.form, EXPORTER.output) == ("decoder", "uint8")


def test_the_measure_lights():
    assert len(LIGHTS) == 20
    assert LIGHTS.xyz[0].tolist() == [0, 0, 1]
    assert (LIGHTS.xyz[:, 2] < 0.02).sum() == 3


@pytest.mark.parametrize("output", ["uint8", "float32"])
def test_decoder(model, tmp_path, output):
    out = tmp_path / "coin.onnx"
    report = export(model, out, output=output)
    assert report.files == (out,)
    assert report.notes == ()
    assert report.max_abs_error <= (ROUNDING if output == "uint8" else 1e-5)
    codes = model.planes.codes.reshape(model.planes.count, -1).T
    (rgb,) = run(out, planes=np.ascontiguousarray(codes), light=LIGHTS.xyz[5])
    wanted = model.relight(LIGHTS[5:6]).reshape(-1, 3)
    scale = 255 if output == "uint8" else 1
    assert np.abs(rgb / scale - wanted.clip(0, 1)).max() <= ROUNDING
    assert rgb.dtype == output
    assert [path.name for path in tmp_path.iterdir()] == ["coin.onnx"]


def test_stages(model, tmp_path):
    out = tmp_path / "coin"
    report = export(model, out, form="stages")
    assert report.files == (out / "light.onnx", out / "pixel.onnx")
    assert report.max_abs_error <= ROUNDING
    assert sorted(path.name for path in out.iterdir()) == ["light.onnx", "pixel.onnx"]


def test_image(model, tmp_path):
    out = tmp_path / "coin.onnx"
    report = export(model, out, form="image")
    assert report.max_abs_error <= ROUNDING
    (images,) = run(out, light=LIGHTS.xyz)
    assert images.shape == (20, *model.shape, 3)
    assert np.abs(images / 255 - model.relight(LIGHTS).clip(0, 1)).max() <= ROUNDING


def test_image_with_codes_beside_it(model, tmp_path):
    inside, out = tmp_path / "a.onnx", tmp_path / "coin.onnx"
    export(model, inside, form="image")
    report = export(model, out, form="image", external_over=0)
    beside = tmp_path / "coin.onnx.data"
    assert report.files == (out, beside)
    assert report.max_abs_error <= ROUNDING
    assert beside.stat().st_size == model.planes.codes.size
    (one,), (other,) = run(inside, light=LIGHTS.xyz), run(out, light=LIGHTS.xyz)
    assert np.array_equal(one, other)
    locations = [
        entry.value
        for tensor in onnx.load(out, load_external_data=False).graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    assert locations == ["coin.onnx.data"]  # a name, no path


def test_a_large_image_is_measured_on_a_part(model, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "MOST_PIXELS", 25)
    report = export(model, tmp_path / "a.onnx", form="image")
    assert report.notes == ("max_abs_error is that of the graph of a 5x5 part",)
    assert 0 < report.max_abs_error <= ROUNDING


def test_the_measured_error_is_that_of_the_file(model, tmp_path, monkeypatch):
    """A graph that is off is reported as off."""
    from drti_core.runtime.onnx import forms

    right = forms.decoder_graph

    def off(*args: Any, **options: Any) -> Any:
        made = right(*args, **options)
        for tensor in made.graph.initializer:
            if tensor.name == "tint_factor":
                values = 0.9 * onnx.numpy_helper.to_array(tensor)
                tensor.raw_data = values.astype(np.float32).tobytes()
        return made

    monkeypatch.setattr(forms, "decoder_graph", off)
    assert export(model, tmp_path / "a.onnx").max_abs_error > 0.05


@pytest.mark.parametrize("form", ["decoder", "stages", "image"])
def test_the_same_bytes_twice(model, tmp_path, form):
    ending = "" if form == "stages" else ".onnx"
    one, two = (
        export(model, tmp_path / f"{name}{ending}", form=form).files for name in ("one", "two")
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("a", {}, "the ending '' for the form decoder; expected .onnx"),
        ("a.bin", {"form": "image"}, "the ending '.bin' for the form image; expected .onnx"),
        (
            "a.onnx",
            {"form": "stages"},
            "the ending '.onnx' for the form stages; expected a folder's name",
        ),
    ],
)
def test_wrong_endings(model, tmp_path, name, options, text):
    with pytest.raises(OptionError) as caught:
        export(model, tmp_path / name, **options)
    assert str(caught.value) == f"{tmp_path / name}: {text}"
    assert list(tmp_path.iterdir()) == []


def test_wrong_options(model, tmp_path):
    with pytest.raises(OptionError) as caught:
        export(model, tmp_path / "a.onnx", form="half")
    assert str(caught.value) == "onnx: form: 'half'; expected decoder or stages or image"
    with pytest.raises(OptionError) as caught:
        dataclasses.replace(EXPORTER, external_over=-1).export(model, tmp_path / "a.onnx")
    assert str(caught.value) == (
        "onnx: form 'decoder', external_over -1; expected form decoder, stages or image, "
        "external_over 0 or more"
    )


@pytest.mark.parametrize("form", ["decoder", "stages", "image"])
def test_nothing_is_replaced_unless_asked(model, tmp_path, form):
    out = tmp_path / ("a" if form == "stages" else "a.onnx")
    export(model, out, form=form)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(OutputExistsError):
        export(model, out, form=form)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert export(model, out, overwrite=True, form=form).files


def test_a_folder_with_other_things_is_never_replaced(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError) as caught:
        export(model, tmp_path, overwrite=True, form="stages")
    assert str(caught.value) == (
        f"{tmp_path}: holds 'thesis.txt'; expected light.onnx and pixel.onnx only, "
        "or an empty folder. Choose another name, or move what it holds."
    )
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_codes_go_again_if_the_graph_fails(model, tmp_path, monkeypatch):
    def fails(*args: Any) -> float:
        raise OSError("the disk is full")

    monkeypatch.setattr(measure, "of_image", fails)
    with pytest.raises(OSError, match="the disk is full"):
        export(model, tmp_path / "a.onnx", form="image", external_over=0)
    assert list(tmp_path.iterdir()) == []


def test_an_old_graph_never_finds_new_codes(model, tmp_path, monkeypatch):
    """Broken off between the two files both are the old ones."""
    out = tmp_path / "a.onnx"
    export(model, out, form="image", external_over=0)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    failed = []

    class Broken(system.System):
        def step(self, call: str, path: Path) -> None:
            if call == "rename_new" and path == out and not failed:
                failed.append(path)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(system, "os_", Broken())
    with pytest.raises(OutputError) as caught:
        dataclasses.replace(EXPORTER, form="image", external_over=0).export(
            model, out, overwrite=True
        )
    assert str(caught.value) == (
        f"{out}: cannot be written: the disk is full. "
        "Free some space there, or choose another disk."
    )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@dataclasses.dataclass(frozen=True, eq=False)
class Odd(LightFunction):
    """A light function of no known kind."""

    table: Any

    def weights(self, lights: LightDirections) -> Any:
        return np.ones((len(lights), 1))


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class OddModel(RelightableModel):
    codec_id = "odd"

    def decoder(self) -> Decoder:
        table = np.ones((3, 1, 1), np.float32)
        return Decoder(("planes",), (Dense(Odd(table), np.zeros(3, np.float32)),))

    def config(self) -> dict[str, Any]:
        return {"codec": "odd", "version": 1}


@pytest.fixture
def odd() -> OddModel:
    planes = Planes(np.zeros((1, 2, 3), np.uint8), np.ones(1), np.zeros(1))
    return OddModel(shape=(2, 3), planes=planes)


@pytest.mark.parametrize("form", ["decoder", "stages", "image"])
def test_what_has_no_graph_is_named_before_anything_is_written(odd, tmp_path, form):
    with pytest.raises(UnsupportedDecoderError) as caught:
        export(odd, tmp_path / ("a" if form == "stages" else "a.onnx"), form=form)
    assert str(caught.value) == "the light function Odd; expected Terms, Rbf, Grid, Network"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_such_a_model_does_without_the_graph(odd, tmp_path):
    notes = FOLDER.write(odd.stored(), tmp_path / "a")
    assert notes[0] == (
        "decoder.onnx is left out: the light function Odd; expected Terms, Rbf, Grid, Network"
    )
    assert not (tmp_path / "a" / "decoder.onnx").exists()


def test_command_line(data, tmp_path, capsys):
    source, out = data / "files/reference_8x5/reference_8x5.ptm", tmp_path / "a.onnx"
    command = ["export", str(source), "--to", "onnx:form=image", "-o", str(out)]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        f"wrote {out} ({out.stat().st_size / 1000:.1f} kB)\n"
        "largest difference from the reference: 0.5 of 255\n"
    )
    assert main(command) == 1
    assert capsys.readouterr().err == (
        f"error: {out}: exists already. Choose another name, or ask for it to be overwritten "
        "(--overwrite).\n"
    )
    assert main([*command, "--overwrite", "-O", "output=float32"]) == 0
    (images,) = run(out, light=LIGHTS.xyz)
    assert images.dtype == np.float32
    assert main(["export", str(source), "--to", "nothing", "-o", str(out)]) == 1
    assert capsys.readouterr().err == (
        "error: there is no exporter 'nothing'; expected glsl, html, iiif, onnx, openlime\n"
    )


@pytest.fixture
def orphan(tmp_path, monkeypatch) -> tuple[RelightableModel, Any]:
    """A folder with its codec, and the same where that codec is not installed."""
    fitted = registry().codecs.get("rbf").fit(make_stack())
    FOLDER_PNG.write(fitted.stored(), tmp_path / "coin")
    monkeypatch.delitem(registry().codecs.targets, "rbf")
    return fitted, open_model(tmp_path / "coin")


@pytest.mark.slow
def test_a_folder_is_relit_without_its_codec(orphan, tmp_path):
    fitted, found = orphan
    assert isinstance(found, GraphModel)
    assert found.metadata.notes == ("the codec 'rbf' is not installed: relit by decoder.onnx",)
    assert np.array_equal(found.metadata.lights.xyz, fitted.metadata.lights.xyz)
    pixels, wanted = found.relight_uint8(LIGHTS), fitted.relight_uint8(LIGHTS)
    off = np.abs(pixels.astype(int) - wanted)
    assert off.max() <= 1
    assert off.mean() < 0.05


@pytest.mark.slow
def test_a_folder_without_the_graph_needs_its_codec(orphan, tmp_path):
    (tmp_path / "coin" / "decoder.onnx").unlink()
    with pytest.raises(PluginError) as caught:
        open_model(tmp_path / "coin")
    assert str(caught.value).startswith("there is no codec 'rbf'; expected bilinear, ")


def test_a_model_that_is_a_graph_is_saved_with_it(orphan, tmp_path):
    _, found = orphan
    FOLDER_PNG.write(found.stored(), tmp_path / "copy")
    graph = (tmp_path / "copy" / "decoder.onnx").read_bytes()
    assert graph == (tmp_path / "coin" / "decoder.onnx").read_bytes()
    again = open_model(tmp_path / "copy")
    assert np.array_equal(again.relight_uint8(LIGHTS), found.relight_uint8(LIGHTS))


@pytest.mark.slow
def test_a_graph_is_passed_through(orphan, tmp_path):
    _, found = orphan
    report = export(found, tmp_path / "a.onnx")
    assert report.notes == ("the model's own graph, with the output that it has",)
    assert report.max_abs_error <= 1 / 255
    graph = (tmp_path / "coin" / "decoder.onnx").read_bytes()
    assert (tmp_path / "a.onnx").read_bytes() == graph
    for form, name in (("stages", "b"), ("image", "b.onnx")):
        with pytest.raises(UnsupportedDecoderError) as caught:
            export(found, tmp_path / name, form=form)
        assert str(caught.value) == (
            f"{tmp_path / 'coin' / 'decoder.onnx'}: the decoder is an ONNX graph; expected a chain "
            "of dense layers. ONNX Runtime relights it; other forms need the codec that made it."
        )
        assert not (tmp_path / name).exists()


def test_a_strangers_image_is_passed_through(model, tmp_path):
    export(model, tmp_path / "a.onnx", form="image")
    found = onnx.load(tmp_path / "a.onnx")
    del found.metadata_props[:]
    (tmp_path / "a.onnx").write_bytes(found.SerializeToString(deterministic=True))
    report = export(open_model(tmp_path / "a.onnx"), tmp_path / "b.onnx", form="image")
    assert report.max_abs_error is None
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "external_over"),
    [
        ("ptm", 0),
        ("ptm", 10**9),
        ("lptm", 0),
        ("hsh", 10**9),
        ("neural50", 0),
        ("hyper12", 10**9),
        ("stranger", 0),
        ("stranger", 10**9),
    ],
)
def test_our_image_comes_apart(name, external_over, tmp_path, monkeypatch):
    """Planes, mapped if they are large and beside it, and a decoder that other exporters take."""
    monkeypatch.setattr(memory, "SMALL", 0)
    model = MODELS[name]()
    export(model, tmp_path / "a.onnx", form="image", external_over=external_over)
    found = open_model(tmp_path / "a.onnx")
    assert np.array_equal(found.planes.codes, model.planes.codes)
    assert isinstance(found.planes.codes, np.memmap) == (external_over == 0)
    lights = LIGHTS[::7]  # exporting has measured it under all of them
    pictures = found.relight_uint8(lights)
    assert abs(pictures.astype(int) - model.relight_uint8(lights)).max() <= 1
    window = Window(3, 5, 7, 11)
    assert np.array_equal(found.relight_uint8(lights, window), pictures[:, 3:10, 5:16])
    export(found, tmp_path / "b.onnx")
    assert onnx.load(tmp_path / "b.onnx").metadata_props
    assert emit(found).notes[0] == "compiled from an ONNX graph"


def test_damaged_codes_of_an_image(model, tmp_path):
    path = tmp_path / "a.onnx"
    export(model, path, form="image", external_over=0)
    given, beside = path.read_bytes(), tmp_path / "a.onnx.data"
    size = beside.stat().st_size
    beside.write_bytes(beside.read_bytes()[:-1])
    with pytest.raises(FormatError) as error:
        open_model(path)
    assert str(error.value) == (
        f"{path}, tensor planes: takes {size} bytes from 0 of 'a.onnx.data', which has {size - 1}; "
        f"expected {size} bytes inside the file"
    )
    path.write_bytes(given.replace(b"a.onnx.data", b"../nnx.data"))
    with pytest.raises(FormatError) as error:
        open_model(path)
    assert str(error.value) == (
        f"{path}, tensor planes: is in the file '../nnx.data'; "
        "expected a file inside the graph's folder"
    )
    export(model, path, form="image", overwrite=True)
    found = onnx.load(path)
    height, width = model.shape
    shape = found.graph.output[0].type.tensor_type.shape.dim
    for sides in ((-height, -width), (0, 0), (width * height, 70_000)):
        shape[1].dim_value, shape[2].dim_value = sides
        path.write_bytes(found.SerializeToString())
        with pytest.raises(FormatError):
            open_model(path)
    shape[1].dim_value, shape[2].dim_value = height, width
    for tensor in found.graph.initializer:
        if tensor.name == "planes":
            tensor.raw_data = tensor.raw_data[:-1]
    path.write_bytes(found.SerializeToString())
    with pytest.raises(FormatError) as error:
        open_model(path)
    assert str(error.value) == f"{path}, tensor planes: {size - 1} bytes; expected {size}"
    # Two nodes that wait for each other.
    del found.graph.node[:]
    for a, b in (("images", "x"), ("x", "images")):
        found.graph.node.append(onnx.helper.make_node("Reshape", [a, "shape"], [b]))
    path.write_bytes(found.SerializeToString())
    with pytest.raises(FormatError):
        open_model(path)


def test_window_of_measure_is_the_middle(model):
    part = measure.crop(dataclasses.replace(model))
    assert part.shape == model.shape
    whole = model.relight(LIGHTS[:1], Window(0, 0, *model.shape))
    assert np.array_equal(part.relight(LIGHTS[:1]), whole)
