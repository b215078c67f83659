"""Pages of the exporter html in a browser: what they show, and what users do with them."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core import demo_stack, get_codec, open_model
from drti_core.arrays import Window
from drti_core.colour import linear_to_srgb, srgb_to_linear, to_uint8
from drti_core.decoder import Dense, Planes, Terms
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model.graph_model import GraphModel
from drti_core.model.network_model import NetworkModel
from drti_core.model.rendering import relit
from drti_core.options import with_options
from drti_core.relight.enhance import Specular, enhanced
from drti_core.relight.normal_maps import encode
from drti_core.relight.normals import normals
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.forms import decoder_graph
from drti_core.workflow.server import serving
from drti_exporters._viewer import pictures
from drti_exporters.html import EXPORTER, Part, viewer_files
from tests.helpers.browser import RENDERERS
from tests.helpers.html_page import SIZE, opened

SHAPE = (37, 53)
#: Of the software renderers, by OPENLIME.md.
LEVELS = {"swiftshader": 1, "llvmpipe": 2}


@dataclass(frozen=True, eq=False, kw_only=True)
class Net(NetworkModel):
    codec_id = "net"


def network(planes: Planes | None, widths, *, hyper=False, shape=SHAPE) -> Net:
    """A network of random weights: ELU over planes, sines over coordinates."""
    random = np.random.default_rng(5)
    sizes = [planes.count if planes else 2, *widths, 3]
    kind = "elu" if planes else "sine"
    layers = []
    for number, (into, out) in enumerate(itertools.pairwise(sizes)):
        weight = random.normal(0, 1 / np.sqrt(into), (out, into)).astype(np.float32)
        light = random.normal(0, 0.3, (out, 4)).astype(np.float32)
        bias = Terms(Basis("affine", 4), light) if number == 0 or hyper else light[:, 0] + 0.4
        if hyper:
            table = random.normal(0, 0.1, (out, into, 4)).astype(np.float32)
            table[..., 0] = weight
            weight = Terms(Basis("affine", 4), table)
        last = number == len(widths)
        layers.append(Dense(weight, bias, "none" if last else kind, 1.0 if planes else 6.0))
    return Net(
        shape=shape, planes=planes, layers=tuple(layers), inputs="planes" if planes else "coords"
    )


def graph_of(model) -> GraphModel:
    """The same model by its decoder's ONNX graph."""
    graph = GraphDecoder(decoder_graph(model.decoder(), model.planes))
    return GraphModel(shape=model.shape, planes=model.planes, graph=graph)


@pytest.fixture(scope="module")
def stack():
    return demo_stack(SHAPE, 24)


@pytest.fixture(scope="module")
def models(stack):
    codecs = ("ptm", "lptm", "hsh", "hsh:terms=16", "rbf:planes=9")
    made = {name: get_codec(name).fit(stack) for name in codecs}
    nine = made["rbf:planes=9"].planes
    made["net of 20"] = network(nine, (20, 20))
    made["hyper of 8"] = network(nine, (8, 8), hyper=True)
    made["siren"] = network(None, (16, 16))
    many = Planes(np.tile(nine.codes, (6, 1, 1)), np.tile(nine.scale, 6), np.tile(nine.bias, 6))
    made["54 planes"] = network(many, (6,))
    made["graph"] = graph_of(made["net of 20"])
    made["linear"] = made["hsh"].with_metadata(encoding="linear")
    codes = nine.codes.astype(np.uint16) * 200 + 77
    made["16 bits"] = network(Planes(codes, nine.scale, nine.bias), (8,))
    return made


@pytest.fixture(scope="module")
def page_of(models, tmp_path_factory):
    """The file of a model's page."""
    folder = tmp_path_factory.mktemp("pages")
    made: dict[tuple[object, ...], Path] = {}

    def make(name, **options):
        key = (name, *sorted(options.items()))
        if key not in made:
            path = folder / f"{len(made)}.html"
            with_options(EXPORTER, options).export(models[name], path)
            made[key] = path
        return made[key]

    return make


def shown(model, xy):
    """What a page shows at actual size, by numpy."""
    found = model.relight(LightDirections.from_disk([xy]), runtime="auto")[0]
    return to_uint8(found, model.metadata.encoding)


def differ(a, b) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


THREE = [(-0.6, 0.5), (0.1, -0.85), (0.0, 0.0)]
NAMES = [
    "ptm", "lptm", "hsh:terms=16", "rbf:planes=9", "net of 20", "hyper of 8", "siren", "54 planes",
    "graph", "linear",
]  # fmt: skip


@pytest.mark.parametrize(
    ("renderer", "name"),
    [(RENDERERS[0], name) for name in NAMES]
    + [(RENDERERS[1], name) for name in ("hsh:terms=16", "net of 20", "siren")],
)
def test_the_screen_shows_what_numpy_says(name, renderer, chromium, models, page_of):
    browser = chromium(renderer)
    with opened(browser, page_of(name)) as page:
        page.run("v.zoomTo(1)")
        for x, y in THREE:
            page.run(f"v.setLight({x}, {y})")
            assert differ(page.picture(), shown(models[name], (x, y))) <= LEVELS[renderer]
        assert page.errors == []
        assert page.requests == [page_of(name).as_uri()]


def test_the_ball_says_where_no_photograph_was_lit_from(stack, chromium, tmp_path):
    upper = stack.select(np.flatnonzero(stack.lights.xyz[:, 1] > 0))
    EXPORTER.export(get_codec("ptm").fit(upper), tmp_path / "half.html")
    with opened(chromium(), tmp_path / "half.html") as page:
        words = "v.setLight(0.2, {}), v.$('.lamp output').textContent"
        assert page.run(words.format(-0.6)).endswith("° high\nno photograph near")
        assert page.run(words.format(0.5)).endswith("° high")
        assert page.errors == []


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_other_formats(format, chromium, models, page_of):
    """Of JPEG the browser decodes the codes that Pillow does, on which the loss is measured."""
    path = page_of("ptm", format=format, quality=90 if format == "jpeg" else None)
    model = models["ptm"]
    encoding = pictures.Encoding(format, 90 if format == "jpeg" else None)
    folder = path.with_suffix("")
    folder.mkdir()
    files = pictures.write_planes(model, encoding, folder / "plane")
    there = replace(model, planes=pictures.decoded(files, model.planes))
    assert encoding.exact == (format == "webp")
    with opened(chromium(), path) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, 0.4)")
        assert differ(page.picture(), shown(there, (0.3, 0.4))) <= 1


def test_planes_of_16_bits(chromium, models, page_of):
    with opened(chromium(), page_of("16 bits")) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, 0.4)")
        assert differ(page.picture(), shown(models["16 bits"], (0.3, 0.4))) <= 2


@pytest.mark.parametrize("name", ["ptm", "rbf27"])
def test_real_models(name, chromium, data, tmp_path):
    model = open_model(data / "relight" / name)
    EXPORTER.export(model, tmp_path / "a.html")
    window = {"width": 1100, "height": 760}
    with opened(chromium(), tmp_path / "a.html", viewport=window) as page:
        page.run("v.zoomTo(1)")
        for x, y in THREE:
            page.run(f"v.setLight({x}, {y})")
            assert differ(page.picture(), shown(model, (x, y))) <= 1


def centre(page):
    box = page.page.locator("canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["height"] / 2


def check_light(page, model, wanted, off=1e-6):
    assert page.light == pytest.approx(wanted, abs=off)
    assert differ(page.picture(), shown(model, page.light)) <= 1


def test_a_mouse_drags_the_light(chromium, models, page_of):
    with opened(chromium(), page_of("hsh")) as page:
        page.run("v.zoomTo(1)")
        x, y, radius = centre(page)
        mouse = page.page.mouse
        before = page.picture()
        mouse.move(x + 10, y)
        mouse.down()
        mouse.move(x + 0.25 * radius, y - 0.5 * radius, steps=4)
        mouse.up()
        mouse.move(x, y)  # no longer dragging
        check_light(page, models["hsh"], (0.25, 0.5))
        assert differ(before, page.picture()) > 20
        # Beyond the rim the light stays above the object.
        mouse.move(x, y)
        mouse.down()
        mouse.move(x - 1.5 * radius, y)
        mouse.up()
        check_light(page, models["hsh"], (-0.98, 0))
        # The ball is the hemisphere seen from above.
        box = page.page.locator(".ball").bounding_box()
        mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
        mouse.down()
        mouse.up()
        check_light(page, models["hsh"], (0.5, 0))
        assert page.page.locator(".lamp output").inner_text() == "0° · 60° high"


def touch(session, kind, *points):
    session.send(
        "Input.dispatchTouchEvent",
        {
            "type": kind,
            "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)],
        },
    )


def test_fingers_drag_the_light_and_pinch(chromium, models, page_of):
    with opened(chromium(), page_of("hsh"), has_touch=True) as page:
        page.run("v.zoomTo(1)")
        x, y, radius = centre(page)
        session = page.page.context.new_cdp_session(page.page)
        touch(session, "touchStart", (x, y))
        touch(session, "touchMove", (x - 0.5 * radius, y + 0.25 * radius))
        touch(session, "touchEnd")
        check_light(page, models["hsh"], (-0.5, -0.25), off=2e-3)  # half a pixel
        # Two fingers zoom and move; what is between them stays there, and the light where it was.
        touch(session, "touchStart", (x - 40, y))
        touch(session, "touchStart", (x - 40, y), (x + 40, y))
        touch(session, "touchMove", (x - 80, y + 20), (x + 80, y + 20))
        touch(session, "touchEnd")
        assert page.light == pytest.approx((-0.5, -0.25), abs=2e-3)
        assert page.run("v.view.zoom") == pytest.approx(2)
        height, width = SHAPE
        assert page.run("[v.view.x, v.view.y]") == pytest.approx([width / 2, height / 2 - 10])


def test_the_keyboard_does_everything(chromium, models, page_of):
    model = models["hsh"]
    with opened(chromium(), page_of("hsh")) as page:
        keys = page.page.keyboard
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0, 0)")
        keys.press("ArrowRight")  # works before anything has the focus
        check_light(page, model, (0.05, 0))
        page.page.locator("canvas").focus()
        for _ in range(4):
            keys.press("ArrowUp")
        keys.press("ArrowLeft")
        check_light(page, model, (0, 0.2))
        keys.press("+")
        assert page.run("v.view.zoom") == pytest.approx(1.5)
        keys.press("-")
        keys.press("-")
        assert page.run("v.view.zoom") == pytest.approx(1 / 1.5)
        keys.press("0")
        assert page.run("v.view.zoom") == pytest.approx(page.run("v.fit()"))
        keys.press("1")
        assert page.run("v.view.zoom") == 1
        keys.press("Shift+ArrowRight")
        assert page.run("v.view.x") == SHAPE[1]  # as far as it goes
        for key, mode in (("n", 2), ("s", 1), ("c", 0)):
            keys.press(key)
            assert page.run("v.look.mode") == mode
        keys.press("?")
        assert page.page.get_by_role("dialog").is_visible()
        keys.press("Escape")
        assert not page.page.get_by_role("dialog").is_visible()
        # Letters of other elements are their own.
        page.page.get_by_role("slider", name="Exposure").focus()
        keys.press("n")
        assert page.run("v.look.mode") == 0
        page.page.get_by_label("Height of the light, degrees").focus()
        page.run("v.setLight(0.5, 0)")
        keys.press("ArrowUp")
        assert page.light == pytest.approx((np.cos(np.radians(61)), 0), abs=1e-6)
        assert page.errors == []


def test_the_picture_is_moved_and_zoomed_by_the_mouse(chromium, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        mouse = page.page.mouse
        light = page.light
        x, y, _ = centre(page)
        page.run("v.zoomTo(8)")
        mouse.move(x, y)
        mouse.down(button="right")
        mouse.move(x + 40, y + 16)
        mouse.up(button="right")
        height, width = SHAPE
        assert page.run("[v.view.x, v.view.y]") == pytest.approx([width / 2 - 5, height / 2 - 2])
        page.page.get_by_text("Move", exact=True).click()
        mouse.move(x, y)
        mouse.down()
        mouse.move(x - 40, y - 16)
        mouse.up()
        assert page.run("[v.view.x, v.view.y]") == pytest.approx([width / 2, height / 2])
        assert page.light == light
        # What is under the pointer stays under it.
        under = "[v.view.x + 80 / v.view.zoom, v.view.y - 40 / v.view.zoom]"
        before = page.run(under)
        mouse.move(x + 80, y - 40)
        mouse.wheel(0, -400)
        page.wait("v.view.zoom > 8")
        page.still()
        assert page.run(under) == pytest.approx(before)
        for _ in range(20):
            mouse.wheel(0, -800)
        page.wait("v.view.zoom === 64")
        assert page.page.locator(".zoom").inner_text() == "6400 %"
        page.still()


def test_the_painter_turns_and_mirrors_the_picture(chromium, models, page_of):
    """Mirrored, then turned clockwise; the light stays where it is on the object."""
    wanted, light = shown(models["ptm"], (0.2, 0.3)), (0.2, 0.3)
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.zoomTo(1)")
        page.run(f"v.setLight{light}")
        for turn, mirror in ((90, "false"), (180, "true"), (270, "true")):
            page.run(f"(Object.assign(v.view, {{turn: {turn}, mirror: {mirror}}}), v.change())")
            page.still()
            after = np.rot90(wanted[:, ::-1] if mirror == "true" else wanted, -turn // 90)
            box = page.page.locator("canvas").bounding_box()
            where = "v.painter.placed(v.view, [v.canvas.width, v.canvas.height])"
            corners = page.run(
                f"[[0, 0], [v.scene.width, v.scene.height]].map((at) => {where}.to(...at))"
            )
            left, top = np.rint(np.min(corners, axis=0)).astype(int)
            left, top = left + round(box["x"]), top + round(box["y"])
            part = page.screen()[top : top + after.shape[0], left : left + after.shape[1]]
            assert differ(part, after) <= 1
            # A direction on the frame is that of the light on the picture.
            turned = page.run(f"{where}.turned(0, 1)")
            ahead = page.run(f"{where}.to({turned[0]}, {-turned[1]})")
            start = page.run(f"{where}.to(0, 0)")
            assert np.subtract(ahead, start) == pytest.approx([0, -1])


def test_single_pixels_are_seen(chromium, models, page_of):
    """Enlarged 16 times each pixel is a square of its own colour."""
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.zoomTo(16)")
        page.run("v.setLight(0.2, 0.3)")
        page.still()
        box = page.page.locator("canvas").bounding_box()
        corner = page.run("v.corner()")
        screen, wanted = page.screen(), shown(models["ptm"], (0.2, 0.3))
        for row, column in ((18, 26), (10, 20), (25, 40)):
            top = round(box["y"] + 16 * (row - corner["top"]))
            left = round(box["x"] + 16 * (column - corner["left"]))
            square = screen[top : top + 16, left : left + 16]
            assert differ(square, np.broadcast_to(wanted[row, column], square.shape)) <= 1


def test_exposure_is_light(chromium, models, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.2, 0.3)")
        page.page.get_by_role("slider", name="Exposure").fill("1.5")
        assert page.page.locator("footer output").inner_text() == "+1.5 EV"
        brighter = srgb_to_linear(shown(models["ptm"], (0.2, 0.3)) / 255) * 2**1.5
        assert differ(page.picture(), to_uint8(linear_to_srgb(np.clip(brighter, 0, 1)))) <= 2
        page.page.get_by_role("slider", name="Exposure").dblclick()
        assert differ(page.picture(), shown(models["ptm"], (0.2, 0.3))) <= 1


def test_the_specular_view(chromium, models, page_of):
    """As drti_core.relight.enhance.Specular, but for what 8 bits of the normals lose."""
    model, light = models["hsh"], (0.2, 0.3)
    whole = Window(0, 0, *SHAPE)
    with opened(chromium(), page_of("hsh")) as page:
        page.run("v.zoomTo(1)")
        page.run(f"v.setLight{light}")
        for ks, exponent in ((0.4, 75), (1, 20)):
            page.page.keyboard.press("Tab")
            page.page.get_by_text("Specular", exact=True).click()
            page.page.get_by_role("slider", name="Highlight").fill(str(ks))
            page.page.get_by_role("slider", name="Sharpness").fill(str(exponent))
            direction = LightDirections.from_disk([light])
            effect = Specular(ks=ks, exponent=exponent)
            wanted = to_uint8(enhanced(model, direction, [effect])(whole))
            plain = to_uint8(0.4 * relit(model, direction)(whole))
            assert differ(wanted, plain) > 20  # there are highlights
            off = np.abs(page.picture().astype(int) - wanted)
            assert off.max() <= 8
            assert off.mean() <= 1


def test_the_view_of_normals(chromium, models, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.zoomTo(1)")
        page.page.get_by_text("Normals", exact=True).click()
        found, wanted = page.picture(), encode(normals(models["ptm"]), 8)
        facing = normals(models["ptm"])[..., 2] > 0.3
        assert facing.mean() > 0.9
        assert differ(found[facing], wanted[facing]) <= 2


def test_without_normals_their_views_are_not_offered(chromium, page_of):
    with opened(chromium(), page_of("ptm", normals=False)) as page:
        assert not page.page.get_by_text("Specular", exact=True).is_visible()
        page.page.locator("canvas").focus()
        page.page.keyboard.press("n")
        assert page.run("v.look.mode") == 0


def test_nothing_is_drawn_unless_something_changed(chromium, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        frames, relights = page.run("[v.frames, v.relit]")
        page.page.wait_for_timeout(400)
        page.page.mouse.move(300, 300)
        page.page.wait_for_timeout(100)
        assert page.run("[v.frames, v.relit]") == [frames, relights]
        # Exposure and the views need no pixel relit, a light needs one frame.
        page.page.get_by_role("slider", name="Exposure").fill("1")
        page.wait(f"v.frames === {frames + 1}")
        assert page.run("v.relit") == relights
        page.run("v.setLight(0.1, 0.2, false)")
        page.wait(f"v.frames === {frames + 2}")
        page.page.wait_for_timeout(400)
        assert page.run("[v.frames, v.relit]") == [frames + 2, relights + 1]


def test_a_slow_device_draws_fewer_pixels_while_moving(chromium, models, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.zoomTo(1)")
        page.page.evaluate(
            """() => {
              const v = document.querySelector("[data-drti]").drti, draw = v.painter.draw;
              v.shares = [];
              v.painter.draw = function (job) {
                draw.call(this, job);
                v.shares.push(job.share);
                return job.timed ? 300 * job.share ** 2 : 0;  // a slow device
              };
            }"""
        )
        for step in range(8):
            page.run(f"v.setLight({0.1 * step}, 0)")
            page.page.wait_for_timeout(30)
        page.still()
        shares = page.run("v.shares")
        assert shares[0] == 1
        assert min(shares) == pytest.approx(np.sqrt(33 / 300))
        assert shares[-1] == 1
        assert differ(page.picture(), shown(models["ptm"], (0.7, 0))) <= 1


def test_a_fast_device_draws_them_all(chromium, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.page.evaluate(
            """() => {
              const v = document.querySelector("[data-drti]").drti, draw = v.painter.draw;
              v.shares = [];
              v.painter.draw = function (job) {
                draw.call(this, job);
                v.shares.push(job.share);
                return job.timed ? 5 : 0;
              };
            }"""
        )
        for step in range(6):
            page.run(f"v.setLight({0.1 * step}, 0)")
            page.page.wait_for_timeout(30)
        page.still()
        assert set(page.run("v.shares")) == {1}


def test_two_codecs_side_by_side(chromium, models, stack, tmp_path):
    from drti_core import save_model

    save_model(models["ptm"], tmp_path / "other.ptm")
    out = tmp_path / "both.html"
    with_options(EXPORTER, {"split": str(tmp_path / "other.ptm")}).export(models["hsh"], out)
    with opened(chromium(), out) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, -0.4)")
        left, right = (shown(models[name], (0.3, -0.4)) for name in ("hsh", "ptm"))
        assert differ(left, right) > 10
        half = SIZE[0] // 2 - round(page.run("-v.corner().left"))

        def check(column):
            picture = page.picture()
            cut = slice(max(column - 20, 0), column + 20)  # the divider's handle hides these
            for wanted, part in ((left, slice(0, cut.start)), (right, slice(cut.stop, None))):
                if picture[:, part].size:
                    assert differ(picture[:, part], wanted[:, part]) <= 1

        check(half)
        assert page.page.locator(".side.a").inner_text() == "hsh"
        assert page.page.locator(".side.b").inner_text() == "ptm"
        divider = page.page.get_by_role("slider", name="Divider")
        assert divider.get_attribute("aria-valuenow") == "50"
        divider.focus()
        page.page.keyboard.press("ArrowRight")
        assert divider.get_attribute("aria-valuenow") == "52"
        check(half + 18)
        page.page.keyboard.press("End")
        assert differ(page.picture(), left) <= 1
        page.page.keyboard.press("Home")
        assert differ(page.picture(), right) <= 1
        divider.hover()
        box = page.page.locator("canvas").bounding_box()
        page.page.mouse.down()
        page.page.mouse.move(box["x"] + 0.25 * box["width"], 300)
        page.page.mouse.up()
        assert divider.get_attribute("aria-valuenow") == "25"
        assert page.run("v.look.share") == pytest.approx(0.25, abs=0.01)
        # A saved picture is divided where the screen divides it.
        page.run("v.setSplit(0.5)")
        saved = save(page)
        assert differ(saved[:, :26], left[:, :26]) <= 1
        assert differ(saved[:, 27:], right[:, 27:]) <= 1


def save(page, name=None):
    """What "Save as PNG" writes."""
    with page.page.expect_download() as waiting:
        page.page.get_by_role("button", name="Save as PNG").click()
    if name is not None:
        assert waiting.value.suggested_filename == name
    with Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes())) as image:
        assert (image.format, image.mode) == ("PNG", "RGBA")
        pixels = np.asarray(image)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def test_a_snapshot_is_the_whole_picture(chromium, models, page_of):
    """At its own resolution, whatever part of it the screen shows."""
    path = page_of("rbf:planes=9", title="Coin/of: “Åland” 1")
    with opened(chromium(), path) as page:
        page.run("v.zoomTo(20)")
        page.run("v.setLight(0.3, 0.1)")
        saved = save(page, "Coin_of_Åland_1.png")
        assert differ(saved, shown(models["rbf:planes=9"], (0.3, 0.1))) <= 1
        assert page.page.locator(".busy").inner_text() == "Saved Coin_of_Åland_1.png"
        page.run("v.setMode(2)")
        assert differ(save(page), saved) > 20


def test_large_snapshots_are_pieced_together(chromium, tmp_path):
    model = get_codec("ptm").fit(demo_stack((1030, 40), 12))
    EXPORTER.export(model, tmp_path / "a.html")
    with opened(chromium(), tmp_path / "a.html") as page:
        assert differ(save(page), shown(model, page.light)) <= 1


#: A graphics processor whose textures are small.
SMALL = """
const given = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === this.MAX_TEXTURE_SIZE ? 18 : given.call(this, name);
};
"""


@pytest.mark.parametrize("name", ["hsh", "siren", "54 planes"])
def test_pictures_beyond_the_texture_limit_are_split(name, chromium, models, page_of):
    light = (0.3, 0.4)
    with opened(chromium(), page_of(name), script=SMALL) as page:
        assert page.run("v.painter.layers[0].tiles.length") == 12
        page.run("v.zoomTo(1)")
        page.run(f"v.setLight{light}")
        assert differ(page.picture(), shown(models[name], light)) <= 1
        page.run("v.zoomTo(2)")
        page.still()
        split = page.screen()
    with opened(chromium(), page_of(name)) as page:
        assert page.run("v.painter.layers[0].tiles.length") == 1
        page.run("v.zoomTo(2)")
        page.run(f"v.setLight{light}")
        page.still()
        # Interpolated across the seams as if there were none.
        assert differ(page.screen(), split) <= 2


@pytest.mark.parametrize("name", ["hsh", "54 planes"])
def test_a_lost_context_comes_back(name, chromium, models, page_of):
    with opened(chromium(), page_of(name)) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.4, 0.1)")
        before = page.picture()
        page.run("(window.loss = v.painter.gl.getExtension('WEBGL_lose_context')).loseContext()")
        page.wait("!v.alive")
        page.run("v.setLight(-0.4, 0.2)")
        page.page.wait_for_timeout(100)
        page.run("window.loss.restoreContext()")
        page.wait("v.alive")
        found = page.picture()
        assert differ(found, shown(models[name], (-0.4, 0.2))) <= 1
        assert differ(found, before) > 20
        assert not page.page.locator(".message").is_visible()
        # Once more: nothing of the old context is held on to.
        page.run("window.loss.loseContext()")
        page.wait("!v.alive")
        page.run("window.loss.restoreContext()")
        page.wait("v.alive")
        assert differ(page.picture(), found) == 0


def test_a_browser_that_is_too_old(chromium, page_of):
    """What packs the page came to browsers in 2020 to 2023, after WebGL2."""
    old = "delete globalThis.DecompressionStream"
    with opened(chromium(), page_of("ptm"), script=old, ready=False) as page:
        page.wait("document.querySelector('main').textContent.includes('older than 2023')")


def test_no_webgl2(chromium, page_of):
    script = """
    const given = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind === "webgl2" ? null : given.call(this, kind, ...rest);
    };"""
    with opened(chromium(), page_of("ptm"), script=script, ready=False) as page:
        page.wait("v")
        alert = page.page.get_by_role("alert")
        assert alert.is_visible()
        assert alert.inner_text().split("\n", 1)[0] == "This browser cannot show the picture."
        assert "It needs WebGL2" in alert.inner_text()
        assert page.errors == []


def test_a_damaged_file_says_so(chromium, page_of, tmp_path):
    text = page_of("ptm").read_text()
    at = text.index('id="plane_0_1">') + len('id="plane_0_1">')
    (tmp_path / "a.html").write_text(text[:at] + "AAAA" * 50 + text[text.index("</script>", at) :])
    with opened(chromium(), tmp_path / "a.html", ready=False) as page:
        page.wait("v && !v.root.querySelector('.message').hidden")
        alert = page.page.get_by_role("alert").inner_text()
        assert alert.split("\n", 1)[0] == "The picture could not be shown."


def test_a_folder_on_a_server(chromium, models, tmp_path):
    """And its planes in pieces: tiles, and pieces of one file by Range."""
    model = models["ptm"]
    out = tmp_path / "folder"
    with_options(EXPORTER, {"form": "folder", "format": "webp"}).export(model, out)
    with serving(out) as server, opened(chromium(), server.url) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, 0.4)")
        assert differ(page.picture(), shown(model, (0.3, 0.4))) <= 1
        assert page.errors == []
        assert {url.removeprefix(server.url) for url in page.requests} == {
            "", "drti-viewer.css", "drti-light.js", "drti-viewer.js", "drti-scene.json",
            *(f"plane_0_{n}.webp" for n in range(6)), "relief_0.webp",
        }  # fmt: skip


def test_planes_in_pieces(chromium, models, tmp_path):
    """Tiles that reach into each other, side by side in one file, fetched by Range."""
    model = models["ptm"]
    height, width = SHAPE
    data, picked = b"", []
    for number in range(6):
        parts = []
        for y in (0, 16, 30):
            for x in (0, 20, 40):
                codes = model.planes.codes[3 * number : 3 * number + 3, y : y + 17, x : x + 21]
                buffer = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(np.moveaxis(codes, 0, -1))).save(buffer, "PNG")
                start = len(data)
                data += buffer.getvalue()
                parts.append(Part("planes.tzb", x, y, (start, len(data) - 1)))
        picked.append(parts)
    files = viewer_files(model, picked, title="Tiles", credit="drti")
    from drti_exporters.html import BODY, HEAD

    files["index.html"] = f"<!doctype html><link rel=icon href=data:,>{HEAD}<body>{BODY}".encode()
    files["planes.tzb"] = data
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with serving(tmp_path) as server, opened(chromium(), server.url) as page:
        page.run("v.zoomTo(1)")
        page.run("v.setLight(0.3, 0.4)")
        assert differ(page.picture(), shown(model, (0.3, 0.4))) <= 1
        assert page.page.locator(".what").inner_text() == f"drti · ptm · {width} × {height}"
        assert page.errors == []


XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="&quot;&gt;&lt;b&gt;x">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>{creator}</rdf:li><rdf:li>Åsa Öberg</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© {rights}</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
HOSTILE = {
    "title": "</script><img src=x onerror=\"window.hacked=1\"> & 'åäö' \u2028 ${1} `x`",
    "creator": "</title><script>window.hacked=2</script><!--",
    "rights": '\u202eevil\u202c "quoted" \\ %00 ]]&gt;',
}


def test_hostile_metadata_are_only_text(chromium, models, tmp_path):
    escaped = {
        name: text.replace("&", "&amp;").replace("<", "&lt;") if name != "rights" else text
        for name, text in HOSTILE.items()
    }
    model = models["ptm"].with_metadata(
        xmp=XMP.format(**escaped).encode(), comments=("</style><script>window.hacked=3</script>",)
    )
    other = tmp_path / "<b onclick=x>'\"&amp;.html"
    EXPORTER.export(model, other)
    with opened(chromium(), other) as page:
        assert page.page.title() == HOSTILE["title"]
        assert page.run("v.$('h1').textContent") == HOSTILE["title"]
        facts = page.run("v.all('.facts dd').map((dd) => dd.textContent)")
        rights = "© " + HOSTILE["rights"].replace("&gt;", ">")
        assert facts[:3] == [f"{HOSTILE['creator']}, Åsa Öberg", rights, '"><b>x']
        assert facts[3] == "</style><script>window.hacked=3</script>"
        assert page.run("window.hacked === undefined && document.images.length === 0")
        assert page.page.locator("script").count() == 11  # 7 pictures and four of the page
        assert page.errors == []
        # A file name may not lead out of the downloads' folder.
        with page.page.expect_download() as waiting:
            page.run("v.save()")
        assert "/" not in waiting.value.suggested_filename.replace("_", "")


def test_hostile_names(chromium, models, tmp_path):
    names = ["</script><script>hacked()</script>", "\u202eåäö ' \" ` a & b; <i>"]
    for name in names:
        out = tmp_path / "x.html"
        with_options(EXPORTER, {"title": name, "credit": name, "normals": False}).export(
            models["ptm"], out, overwrite=True
        )
        with opened(chromium(), out) as page:
            assert page.page.title() == name.strip()
            assert page.run("v.$('h1').textContent") == name
            assert page.run("v.scene.credit") == name
            assert page.errors == []


def test_the_page_can_reach_nothing(chromium, page_of):
    """Its policy: no network, no script but its own."""
    with opened(chromium(), page_of("ptm")) as page:
        for url in ("https://example.com/", "data:text/plain,x", page_of("ptm").as_uri()):
            assert page.page.evaluate(f"() => fetch('{url}').then(() => 1, () => 0)") == 0
        page.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.hacked = 1";
              document.body.append(script);
            }"""
        )
        assert page.run("window.hacked === undefined")


def luminance(colour):
    return float(srgb_to_linear(np.array(colour, float) / 255) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_contrast_and_colour_scheme(scheme, chromium, page_of):
    """WCAG 2.2, AA: 4.5 for text, 3 for what shows the focus."""
    with opened(chromium(), page_of("ptm"), color_scheme=scheme) as page:
        found = page.page.evaluate(
            """() => {
              const probe = document.createElement("i");
              document.querySelector("[data-drti]").append(probe);
              const rgb = (name) => {
                probe.style.color = `var(--${name})`;
                return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
              };
              const names = ["back", "plate", "text", "soft", "mark", "on"];
              return Object.fromEntries(names.map((name) => [name, rgb(name)]));
            }"""
        )
        light = {name: luminance(colour) for name, colour in found.items()}

        def contrast(a, b):
            high, low = sorted((light[a], light[b]), reverse=True)
            return (high + 0.05) / (low + 0.05)

        assert (light["plate"] > 0.5) == (scheme == "light")
        for text, under in (("text", "plate"), ("soft", "plate"), ("on", "mark"), ("text", "back")):
            assert contrast(text, under) >= 4.5, (text, under)
        for edge in ("plate", "back"):
            assert contrast("mark", edge) >= 3
        # The canvas around the picture has the page's colour, and follows the scheme.
        page.still()
        assert differ(page.screen()[60, 880], np.array(found["back"])) <= 1
        page.page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        page.page.wait_for_timeout(100)
        page.still()
        assert differ(page.screen()[60, 880], np.array(found["back"])) > 50


def test_everything_has_a_name_and_shows_the_focus(chromium, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.run("v.setMode(1)")
        names = []
        for _ in range(30):
            page.page.keyboard.press("Tab")
            found = page.page.evaluate(
                """() => {
                  const e = document.activeElement;
                  if (e === document.body) return null;
                  const ring = (x) => {
                    const {outlineStyle, outlineWidth} = x ? getComputedStyle(x) : {};
                    return outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
                  };
                  const ball = e.closest(".lamp")?.querySelector(".ball");
                  const shows = ring(e) || ring(e.nextElementSibling) || ring(ball);
                  const name = e.ariaLabel || e.title || e.labels?.[0]?.textContent;
                  return [name && name.trim(), shows];
                }"""
            )
            if found is None:
                break
            names.append(found[0])
            assert found[0], names
            assert found[1], found
        assert [name.split(" (")[0].split(":")[0] for name in names] == [
            "Zoom out", "Actual size", "Zoom in",
            "Whole picture", "Save as PNG", "Full screen", "About and keys",
            "Relightable picture", "Direction of the light, degrees",
            "Height of the light, degrees", "Diffuse0.4", "Highlight0.4", "Sharpness75",
            "Light", "Specular", "Exposure0.0 EV",
        ]  # fmt: skip


def test_reduced_motion():
    """There is none to be reduced."""
    from drti_exporters._viewer import bundle

    style = bundle.text_of(bundle.STYLE)
    assert not any(word in style for word in ("transition", "animation", "@keyframes"))


@pytest.mark.parametrize(("width", "height"), [(360, 640), (320, 568), (740, 360)])
def test_phones(width, height, chromium, page_of):
    options = {"is_mobile": True, "has_touch": True, "device_scale_factor": 2}
    window = {"width": width, "height": height}
    with opened(chromium(), page_of("ptm"), viewport=window, **options) as page:
        page.run("v.setMode(1)")
        page.still()
        assert page.page.evaluate("() => document.documentElement.scrollWidth") == width
        for item in page.page.locator("button:visible, fieldset span:visible, .ball").all():
            box = item.bounding_box()
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
            assert box["height"] >= 43.9
        stage = page.page.locator("canvas").bounding_box()
        assert stage["height"] >= 0.35 * height
        assert page.run("v.canvas.width") == 2 * stage["width"]


def test_full_screen(chromium, page_of):
    with opened(chromium(), page_of("ptm")) as page:
        page.page.get_by_role("button", name="Full screen").click()
        page.wait("document.fullscreenElement === v.root")
        page.page.get_by_role("button", name="Full screen").click()
        page.wait("!document.fullscreenElement")
        page.still()
        assert page.errors == []
