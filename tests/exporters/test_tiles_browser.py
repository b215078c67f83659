"""Pages of pictures in tiles: what a browser fetches, shows and forgets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drti_core import demo_stack, get_codec
from drti_core.colour import to_uint8
from drti_core.formats._shared.levels import halved
from drti_core.lights import LightDirections
from drti_core.options import with_options
from drti_core.workflow.server import serving
from drti_exporters.html import EXPORTER
from drti_exporters.openlime import EXPORTER as OPENLIME
from tests.helpers.html_page import opened

SHAPE = (601, 1130)
LIGHT = (0.3, -0.4)


@pytest.fixture(scope="module")
def model():
    small = get_codec("ptm").fit(demo_stack((60, 113), 16))
    codes = np.kron(small.planes.codes, np.ones((1, 11, 10), np.uint8))[:, : SHAPE[0]]
    codes = np.ascontiguousarray(codes)
    noise = np.random.default_rng(0).integers(0, 9, codes.shape, np.uint8)
    codes = np.maximum(codes, noise) - noise
    planes = replace(small.planes, codes=codes)
    return replace(small, planes=planes, shape=SHAPE)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("tiles") / "a.html"
    with_options(EXPORTER, {"layout": "tiles"}).export(model, out)
    return out


def shown(model, light=LIGHT):
    found = model.relight(LightDirections.from_disk([light]), runtime="auto")[0]
    return to_uint8(found, model.metadata.encoding)


def differ(a, b) -> int:
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b).max())


def shown_half(model):
    """What a page shows at half size, but for the last row and column: half of them is picture."""
    half = replace(model.planes, codes=halved(model.planes.codes, SHAPE[0] // 2 + 1, SHAPE[1] // 2))
    return shown(replace(model, planes=half, shape=half.shape))[: SHAPE[0] // 2, : SHAPE[1] // 2]


def half_of(page):
    box = page.page.locator("canvas").bounding_box()
    left, top = page.run("v.painter.placed(v.view, [v.canvas.width, v.canvas.height]).to(0, 0)")
    left, top = round(box["x"] + left), round(box["y"] + top)
    return page.screen()[top : top + SHAPE[0] // 2, left : left + SHAPE[1] // 2]


WINDOW = {"viewport": {"width": 1300, "height": 860}}


def test_a_file_of_tiles_shows_what_numpy_says(model, file, chromium):
    """At actual size from the finest level, at half size from the next one, across seams."""
    with opened(chromium(), file, **WINDOW) as page:
        page.run(f"(v.setLight{LIGHT}, v.$('.lamp').hidden = true)")
        page.run("v.zoomTo(1)")
        assert differ(page.picture(), shown(model)) <= 1
        page.run("v.zoomTo(0.5)")
        page.still()
        assert differ(half_of(page), shown_half(model)) <= 1
        assert page.errors == []


def test_a_folder_is_fetched_where_it_is_seen(model, chromium, tmp_path):
    with_options(EXPORTER, {"layout": "tiles"}).export(model, tmp_path / "page")
    with serving(tmp_path / "page") as server, opened(chromium(), server.url, **WINDOW) as page:

        def nodes():
            tiles = [url.partition("tiles_0/")[2] for url in page.requests if "tiles_0" in url]
            assert len(set(tiles)) == len(tiles)
            return tiles

        first = nodes()
        assert first[0] == "0/0_0.bin"
        page.run(f"(v.setLight{LIGHT}, v.$('.lamp').hidden = true)")
        page.run("v.zoomTo(1)")
        assert differ(page.picture(), shown(model)) <= 1
        before = len(nodes())
        page.run("v.zoomTo(4)")
        page.still()
        assert len(nodes()) == before
        assert page.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["deepzoom", "google", "zoomify", "tarzoom", "itarzoom"])
def test_every_layout_is_read_by_levels(layout, model, chromium, tmp_path):
    """Whole, from a coarse level that is right, and at actual size from the finest."""
    options = {"layout": layout, "format": "png"}
    with_options(OPENLIME, options).export(model, tmp_path / "page")
    with serving(tmp_path / "page") as server, opened(chromium(), server.url, **WINDOW) as page:
        page.run(f"(v.setLight{LIGHT}, v.$('.lamp').hidden = true)")
        page.run("v.zoomTo(1)")
        assert differ(page.picture(), shown(model)) <= 1
        page.run("v.zoomTo(0.5)")
        page.still()
        assert page.run("v.painter.layers[0].tree.shown.every(({scale}) => scale === 2)")
        assert differ(half_of(page), shown_half(model)) <= 1
        assert page.errors == []
