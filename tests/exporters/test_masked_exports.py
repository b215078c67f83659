"""What exporters make of a mask: transparency in pages and shaders, a second output in ONNX."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from drti_core import demo_stack, get_codec, open_model
from drti_core.errors import UnsupportedFormatError
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_exporters.glsl import emit
from drti_exporters.glsl.exporter import GlslExporter
from drti_exporters.html import EXPORTER as HTML
from drti_exporters.onnx import EXPORTER as ONNX
from tests.helpers.html_page import opened

SHAPE = (37, 53)
LIGHT = LightDirections.from_disk([[0.3, 0.4]])
LOST = "the mask is left out: only the form image holds one, of up to 1073741824 pixels"


@pytest.fixture(scope="module")
def mask() -> Any:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y - 18) ** 2 + (x - 30) ** 2 < 200


@pytest.fixture(scope="module")
def model(mask: Any) -> RelightableModel:
    return get_codec("ptm").fit(demo_stack(SHAPE, 24).adjusted(mask=mask))


# --- ONNX


def image(model: RelightableModel, path: Path, **options: Any) -> Any:
    return with_options(ONNX, {"form": "image", **options}).export(model, path)


@pytest.mark.parametrize("external", [0, 10**9])
def test_an_onnx_image_tells_alpha(model, mask, tmp_path, external):
    report = image(model, tmp_path / "a.onnx", external_over=external)
    assert report.notes == ()
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    assert [item.name for item in session.get_outputs()] == ["images", "alpha"]
    images, alpha = session.run(None, {"light": LIGHT.xyz})
    assert np.array_equal(alpha, np.where(mask, 255, 0))
    assert images.shape == (1, *SHAPE, 3)
    back = open_model(tmp_path / "a.onnx")
    assert np.array_equal(back.metadata.mask, mask)
    assert np.array_equal(back.relight_uint8(LIGHT), images)
    assert back.planes is not None


def test_a_graph_that_is_passed_on_keeps_it(model, mask, tmp_path):
    """Of the form image, which holds its pixels where planes cannot be taken apart."""
    image(model, tmp_path / "a.onnx")
    proto = onnx.load(tmp_path / "a.onnx")
    for item in proto.metadata_props:
        item.value = "another" if item.key == "contract" else item.value
    onnx.save(proto, tmp_path / "b.onnx")
    found = open_model(tmp_path / "b.onnx")
    assert found.planes is None
    assert np.array_equal(found.metadata.mask, mask)
    image(found, tmp_path / "c.onnx")
    assert np.array_equal(open_model(tmp_path / "c.onnx").metadata.mask, mask)


@pytest.mark.parametrize(("form", "name"), [("decoder", "a.onnx"), ("stages", "a")])
def test_forms_without_pixels_say_that_it_is_lost(model, tmp_path, form, name):
    report = with_options(ONNX, {"form": form}).export(model, tmp_path / name)
    assert report.notes[-1] == LOST
    plain = with_options(ONNX, {"form": form}).export(
        model.with_metadata(mask=None), tmp_path / f"plain {name}"
    )
    assert LOST not in plain.notes


@pytest.mark.parametrize("what", ["computed", "another size", "used twice"])
def test_an_alpha_of_another_make_is_refused(model, tmp_path, what):
    image(model, tmp_path / "a.onnx")
    proto = onnx.load(tmp_path / "a.onnx")
    (tensor,) = (each for each in proto.graph.initializer if each.name == "mask")
    (node,) = (each for each in proto.graph.node if each.name == "alpha")
    if what == "computed":
        node.op_type = "Not"
    elif what == "another size":
        tensor.CopyFrom(numpy_helper.from_array(np.ones((2, 2), np.uint8), "mask"))
    else:
        proto.graph.node.append(helper.make_node("Identity", ["mask"], ["other"]))
    (tmp_path / "a.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(UnsupportedFormatError) as caught:
        open_model(tmp_path / "a.onnx")
    assert str(caught.value).startswith(
        f"{tmp_path / 'a.onnx'}: inputs light; outputs images, alpha; expected planes "
    )


def test_images_without_a_mask_are_as_they_were(model, tmp_path):
    image(model.with_metadata(mask=None), tmp_path / "a.onnx")
    proto = onnx.load(tmp_path / "a.onnx")
    assert [value.name for value in proto.graph.output] == ["images"]
    assert "mask" not in [tensor.name for tensor in proto.graph.initializer]


# --- GLSL


def test_a_shader_takes_alpha_from_the_mask(model, tmp_path):
    GlslExporter().export(model, tmp_path / "a")
    text = (tmp_path / "a/shader.frag").read_text()
    assert "uniform sampler2D drti_mask;" in text
    assert text.endswith(
        "  drti_color = vec4(drti_sample(v_texcoord), texture(drti_mask, v_texcoord).r);\n}\n"
    )
    samplers = json.loads((tmp_path / "a/shader.json").read_text())["samplers"]
    assert samplers[-1] == {"name": "drti_mask", "type": "sampler2D", "planes": [], "binding": 6}
    plain = model.with_metadata(mask=None)
    GlslExporter().export(plain, tmp_path / "b")
    assert "drti_mask" not in (tmp_path / "b/shader.frag").read_text()
    assert emit(model).source == emit(plain).source  # a host of its own has the mask by itself
    vulkan = emit(model, dialect="vulkan", mask=True)
    assert vulkan.samplers[-1].binding == 7
    assert "layout(set = 0, binding = 7) uniform sampler2D drti_mask;" in vulkan.source


def test_a_mask_counts_as_a_texture():
    sixteen = get_codec("hsh16").fit(demo_stack((16, 18), 24))
    assert len(emit(sixteen).samplers) == 16
    assert [s.name for s in emit(sixteen, mask=True).samplers] == ["drti_planes", "drti_mask"]


# --- HTML


def test_a_page_holds_the_mask(model, mask, tmp_path):
    page = with_options(HTML, {"form": "folder", "format": "jpeg"})
    page.export(model, tmp_path / "a")
    with Image.open(tmp_path / "a/mask_0.png") as picture:
        assert np.array_equal(np.asarray(picture), np.where(mask, 255, 0))
    scene = json.loads((tmp_path / "a/drti-scene.json").read_text())
    assert scene["layers"][0]["mask"] == [{"src": "mask_0.png"}]
    page.export(model.with_metadata(mask=None), tmp_path / "a", overwrite=True)
    assert not (tmp_path / "a/mask_0.png").exists()
    assert "mask" not in json.loads((tmp_path / "a/drti-scene.json").read_text())["layers"][0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_seen_outside_the_mask(model, mask, tmp_path, chromium, scheme):
    HTML.export(model, tmp_path / "a.html")
    ground = {"light": (228, 226, 222), "dark": (19, 20, 22)}[scheme]
    with opened(chromium(), tmp_path / "a.html", color_scheme=scheme) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, 0.4)")
        shown = page.picture()
        assert (shown[~mask] == ground).all()
        inside = np.abs(shown.astype(int) - model.relight_uint8(LIGHT)[0])[mask]
        assert inside.max() <= 1
        for mode in (1, 2):
            page.run(f"v.setMode({mode})")
            assert (page.picture()[~mask] == ground).all()
        page.run("v.setMode(0)")
        data = page.page.evaluate(
            """async () => {
              const v = document.querySelector("[data-drti]").drti;
              const blob = await v.painter.picture({...v.look, light: v.light});
              return Array.from(new Uint8Array(await blob.arrayBuffer()));
            }"""
        )
        assert page.errors == []
    with Image.open(io.BytesIO(bytes(data))) as saved:
        pixels = np.asarray(saved)
    assert np.array_equal(pixels[..., 3], np.where(mask, 255, 0))
    assert not pixels[~mask].any()
    assert np.abs(pixels[..., :3].astype(int) - model.relight_uint8(LIGHT)[0])[mask].max() <= 1


def test_two_models_of_which_one_has_a_mask(model, mask, tmp_path, chromium):
    from drti_core import save_model

    save_model(model.with_metadata(mask=None), tmp_path / "whole")
    page = with_options(HTML, {"split": str(tmp_path / "whole")})
    page.export(model, tmp_path / "a.html")
    with opened(chromium(), tmp_path / "a.html") as shown:
        shown.run("v.zoomTo(1)")
        shown.run("v.setSplit(0.5)")
        picture = shown.picture()
        cut = (picture == (228, 226, 222)).all(axis=2)
    assert cut[:, :8].all()  # the handle of the divider hides what is between
    assert not cut[:, 46:].any()
