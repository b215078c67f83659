"""Exports in the real OpenLIME: each layout × each model, and the page.

What its own layers show is compared with what their source computes, by numpy: for HSH a light
that is lifted to 0.15 rad above the horizon, for SH one with x and y exchanged and its term of z²
doubled, for RBF weights of a width of their own, for mycc every three components as one of Y, Co
and Cg, for LRGB a colour that is blended by the luminance. Pixels whose value is below 0 are left
out there: OpenLIME raises them to a power.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import open_model
from drti_core.codecs.rbf import RbfModel
from drti_core.colour import YCC_TO_RGB
from drti_core.lights import LightDirections
from drti_core.workflow.server import serving
from drti_exporters.openlime import OpenlimeExporter
from tests.helpers import openlime_models as models
from tests.helpers import openlime_view

LAYOUTS = ("image", "deepzoom", "google", "zoomify", "tarzoom", "itarzoom")
NAMES = (
    "ptm",
    "lptm",
    "hsh",
    "bilinear",
    "rbf",
    "rbf8",
    "yrbf",
    "neural50",
    "disk20",
    "hyper12",
    "hsh16",
    "stranger",
    "siren",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openlime")
    openlime_view.prepare(folder, openlime_view.openlime())
    return folder


def exported(root: Path, name: str, layout: str) -> str:
    """Name of the folder of an export whose planes are exact where OpenLIME's layers take PNG."""
    folder = f"{name}-{layout}"
    if not (root / folder).exists():
        format: Any = "jpg" if layout == "image" else "png"
        exporter = OpenlimeExporter(layout=layout, format=format, quality=100)  # type: ignore[arg-type]
        exporter.export(models.MODELS[name](), root / folder)
    return folder


def shown_model(root: Path, name: str, folder: str) -> Any:
    """The model with the planes as the pictures have them."""
    model = models.MODELS[name]()
    if not folder.endswith("-image") or model.planes is None:
        return model
    back = open_model(root / folder)
    assert back.planes is not None
    count = model.planes.count
    return replace(model, planes=back.planes.select(range(count)))


def linear(values: Any) -> Any:
    """What a linear 8-bit pixel holds of values 0..1."""
    return np.rint(255 * np.clip(values, 0, 1) ** 2.2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_our_layer_shows_every_model_in_every_layout(
    root: Path, chromium: Any, name: str, layout: str
) -> None:
    folder = exported(root, name, layout)
    expected = models.reference(shown_model(root, name, folder))
    with serving(root) as server:
        browser = chromium()
        found, told = openlime_view.show(
            browser, server.url, folder, models.SHAPE, models.LIGHTS, encoded=True
        )
        if layout == "image":  # OpenLIME's own chain, which starts from linear values
            through, _ = openlime_view.show(
                browser, server.url, folder, models.SHAPE, models.LIGHTS[:2]
            )
            assert np.abs(through[..., :3] - linear(expected[:2])).max() <= 1
    assert (found[..., 3] == 255).all()
    assert np.abs(found[..., :3] - 255 * expected).max() <= 1
    assert told["tiles"] == (1 if layout == "image" else 5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["ptm", "lptm", "hsh", "sh", "bilinear", "rbf", "rbf8", "yrbf"])
def test_openlimes_rti_layer(root: Path, chromium: Any, name: str, layout: str) -> None:
    folder = exported(root, name, layout)
    model = shown_model(root, name, folder)
    with serving(root) as server:
        found, _ = openlime_view.show(
            chromium(), server.url, folder, models.SHAPE, models.LIGHTS, kind="rti", layout=layout
        )
    values = as_openlime_computes(model)
    above = values >= 0
    if name == "lptm":
        # Its alpha is the luminance.
        grey = replace(model, planes=grey_tint(model))
        alpha = np.clip(grey.relight(LightDirections.from_disk(models.LIGHTS)), 0, 1)
        expected = np.rint(255 * np.clip(values, 0, 1) ** 2.2 * alpha)
    else:
        expected = linear(values)
    off = np.abs(found[..., :3] - expected)[above]
    assert above.mean() > 0.99
    assert off.max() <= 1


def as_openlime_computes(model: Any) -> Any:
    """(L, H, W, 3), not clipped."""
    lights = LightDirections.from_disk(models.LIGHTS)
    if model.codec_id == "hsh":
        x, y, z = lights.xyz.astype(float).T
        polar = np.minimum(np.arccos(z), np.pi / 2 - 0.15)
        azimuth = np.arctan2(y, x)
        lights = LightDirections(
            np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth),
                      np.cos(polar)], axis=1).astype(np.float32)
        )  # fmt: skip
    if model.codec_id == "sh":
        lights = LightDirections(lights.xyz[:, [1, 0, 2]])
        scale = model.planes.scale.copy()
        scale[18:21] *= 2
        model = replace(model, planes=replace(model.planes, scale=scale, where=""))
    return adaptive(model, lights) if isinstance(model, RbfModel) else model.relight(lights)


def adaptive(model: RbfModel, lights: LightDirections) -> Any:
    """An RBF model whose Gaussians are as wide as OpenLIME makes them, whatever its sigma."""
    nodes = model.lights.xyz.astype(float)
    distance = np.linalg.norm(lights.xyz[:, None].astype(float) - nodes, axis=-1)
    near = np.exp(-2 * distance)
    mean = (distance * near).sum(axis=1) / near.sum(axis=1)
    weights = np.exp(-8 / mean[:, None] * distance**2)
    weights /= weights.sum(axis=1, keepdims=True)
    given, table = model.planes, model.tables
    assert given is not None
    values = (given.codes / 255 - given.bias[:, None, None]) * given.scale[:, None, None]
    components = table.components
    if model.colorspace == "mycc":  # each three planes are taken for one of Y, Co and Cg
        components = components * np.tile(np.eye(3), (len(components) // 3, 1))[:, None]
    basis = np.einsum("ln,knc->lkc", weights, components)
    found = np.einsum("lkc,khw->lhwc", basis, values) + (weights @ table.mean)[:, None, None]
    return found @ YCC_TO_RGB.T if model.colorspace == "mycc" else found


def grey_tint(model: Any) -> Any:
    """Planes of an LRGB model whose colour is white: its renders are the luminance."""
    codes = model.planes.codes.copy()
    codes[:3] = 255
    scale, bias = model.planes.scale.copy(), model.planes.bias.copy()
    scale[:3], bias[:3] = 1, 0
    return replace(model.planes, codes=codes, scale=scale, bias=bias, where="")


@pytest.mark.parametrize("layout", ["image", "deepzoom"])
@pytest.mark.parametrize("name", ["neural50", "disk20", "neural18"])
def test_openlimes_neural_layer(root: Path, chromium: Any, name: str, layout: str) -> None:
    """Widths of 50 and 20, and one of 18 and 11 over 7 planes, which are filled up."""
    folder = exported(root, name, layout)
    model = shown_model(root, name, folder)
    height, width = models.SHAPE
    # Filled up to whole tiles, which is what the layer shows.
    whole = (512, 512) if layout == "deepzoom" else models.SHAPE
    with serving(root) as server:
        found, _ = openlime_view.show(
            chromium(), server.url, folder, whole, models.LIGHTS[:3], kind="neural", layout=layout
        )
    # The layer keeps sRGB values of 8 bits before it makes them linear.
    first = np.rint(255 * models.reference(model)[:3]) / 255
    off = np.abs(found[:, :height, :width, :3] - linear(first))
    # One level of the first rounding is up to 2.2 levels of the second.
    assert off.max() <= 3
    assert off.mean() < 0.05


def test_the_page(tmp_path: Path, chromium: Any) -> None:
    """Dragging on the picture and on the dial moves the light; pixels are those of numpy."""
    model = models.MODELS["hsh"]()
    script = str(openlime_view.openlime())
    OpenlimeExporter(layout="deepzoom", format="png", openlime=script).export(model, tmp_path / "a")
    height, width = models.SHAPE
    with serving(tmp_path / "a") as server:
        context = chromium().new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: message.type == "error" and said.append(message.text))
        page.on("requestfailed", lambda request: said.append(request.url))
        try:
            page.goto(server.url)
            page.wait_for_function(_SETTLED)
            lights, pictures = [], []
            for act in (
                lambda: None,
                lambda: drag(page, (width / 2, height / 2), (0.3 * width, 0.2 * height)),
                lambda: press(page, "#dial", ["ArrowRight", "ArrowUp", "Shift+ArrowUp"]),
                lambda: press(page, "#dial", ["Home"]),
            ):
                act()
                page.wait_for_function(_SETTLED)
                lights.append(page.evaluate("layer.controls.light.current.value"))
                page.evaluate(f"document.styleSheets[0].insertRule('@media all {{ {_HIDE} }}', 0)")
                page.wait_for_timeout(100)
                with Image.open(io.BytesIO(page.screenshot())) as image:
                    pictures.append(np.asarray(image.convert("RGB")).astype(int))
                page.evaluate("document.styleSheets[0].deleteRule(0)")
            dial = page.locator("#dial").get_attribute("aria-valuetext")
            drawn = page.evaluate(_COUNT)
            page.get_by_role("button", name="Normals").click()
            assert page.evaluate("layer.getMode()") == "normals"
            page.get_by_role("button", name="Zoom in", exact=True).click()
            page.wait_for_timeout(400)
            assert page.evaluate("viewer.camera.target.z") == pytest.approx(1.5)
        finally:
            context.close()
    assert said == []
    assert lights[0] == pytest.approx([0.35, 0.45])
    # Up in the picture is +y.
    assert lights[1] == pytest.approx([-0.4, 0.6], abs=0.02)
    assert lights[2] == pytest.approx([-0.35, 0.85], abs=0.02)
    assert lights[3] == [0, 0]
    assert dial == "Light overhead"
    assert drawn == 0
    expected = model.relight_uint8(LightDirections.from_disk(lights)).astype(int)
    assert np.abs(np.stack(pictures) - expected).max() <= 1


def test_the_page_falls_back(tmp_path: Path, chromium: Any) -> None:
    """A URL that gives nothing: drti's own viewer shows the picture."""
    model = models.MODELS["hsh"]()
    (tmp_path / "lime.js").write_text("throw new Error('no such release')")
    exporter = OpenlimeExporter(format="png", openlime=str(tmp_path / "lime.js"))
    exporter.export(model, tmp_path / "a")
    with serving(tmp_path / "a") as server:
        page = chromium().new_page(viewport={"width": 900, "height": 700})
        try:
            page.goto(server.url)
            page.wait_for_function("() => document.querySelector('main').drti?.alive")
            page.wait_for_timeout(300)
            assert (
                page.locator("nav[aria-label=View]").count() == 0
                or not page.locator("nav[aria-label=View]").is_visible()
            )
            with Image.open(io.BytesIO(page.screenshot())) as image:
                pixels = np.asarray(image.convert("RGB")).astype(int)
        finally:
            page.close()
    # Something of the picture's variety is on the screen.
    assert pixels[200:500, 300:600].std() > 10


_HIDE = "header, nav, #dial { visibility: hidden }"
_SETTLED = """() => typeof layer !== "undefined" && layer.status === "ready" && layer.tiles.size > 0
  && layer.requested.size === 0 && !viewer.animaterequest
  && document.querySelectorAll("#modes button").length === 3"""
_COUNT = """async () => {
  let count = 0;
  const draw = viewer.canvas.draw;
  viewer.canvas.draw = (time) => { count++; return draw(time); };
  await new Promise((resolve) => setTimeout(resolve, 700));
  viewer.canvas.draw = draw;
  return count;
}"""


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def press(page: Any, where: str, keys: list[str]) -> None:
    page.locator(where).focus()
    for key in keys:
        page.keyboard.press(key)
