"""webRTIViewer and WebPTM trees: made by an independent writer, damaged, and real."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import open_model
from drti_core.errors import DrtiError, FormatError, MissingFileError, UnsupportedFormatError
from drti_core.formats.webptm import READER as WEBPTM
from drti_core.formats.webrti import READER as WEBRTI
from drti_core.io import scratch, strict_xml
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.registry import doors

H, W, SIDE = 75, 100, 32
LAYERS = {"LRGB_PTM": 3, "RGB_PTM": 6, "HSH_RTI": 9}
LIGHTS = LightDirections([[0, 0, 1], [0.48, 0.6, 0.64], [-0.6, 0.48, 0.64], [0.1, -0.7, 0.70711]])


def layers_of(count: int, smooth: bool = False, shape: tuple[int, int] = (H, W)) -> Any:
    """(layers, H, W, 3) codes."""
    rng = np.random.default_rng(count)
    if not smooth:
        return rng.integers(0, 256, (count, *shape, 3)).astype(np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    waves = [
        120 + 70 * np.sin((y * (k + 1) + 2 * x) / 90 + k + c)
        for k in range(count)
        for c in range(3)
    ]
    return np.rint(np.moveaxis(np.reshape(waves, (count, 3, *shape)), 1, -1)).astype(np.uint8)


def write_tiles(folder: Path, layers: Any, suffix: str, lower_first: bool) -> tuple[int, list[str]]:
    """Cut a quadtree; gives the side of the whole and the lines of its nodes."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = layers.shape[1:3]
    whole = SIDE
    while whole < max(height, width):
        whole *= 2
    top, left = (whole - height) // 2, (whole - width) // 2
    square = np.zeros((len(layers), whole + 2 * whole, whole + 2 * whole, 3), np.uint8)
    square[:, whole + top : whole + top + height, whole + left : whole + left + width] = layers
    lines: list[str] = []

    def node(index: int, parent: int, y: int, x: int, size: int) -> None:
        valid = y < top + height and y + size > top and x < left + width and x + size > left
        children = [4 * index + 1 + k for k in range(4)] if size > SIDE else [-1] * 4
        box = x / whole, 1 - (y + size) / whole, 0, (x + size) / whole, 1 - y / whole, 1
        words = [index + 1, parent, *children, SIDE, int(valid), *(f"{v:g}" for v in box)]
        lines.append(" ".join(map(str, words)))
        step = size // SIDE
        for number, layer in enumerate(square, 1):
            if not valid:
                continue
            rows = slice(whole + y - step, whole + y + size + step, step)
            columns = slice(whole + x - step, whole + x + size + step, step)
            picture = Image.fromarray(np.ascontiguousarray(layer[rows, columns]))
            name = folder / f"{index + 1}_{number}.{suffix}"
            if suffix == "png":
                picture.save(name, compress_level=1)
            else:
                picture.save(name, quality=97, subsampling=0)
        if size == SIDE:
            return
        half = size // 2
        rows_first = (half, 0) if lower_first else (0, half)
        corners = [(dy, dx) for dy in rows_first for dx in (0, half)]
        for child, (dy, dx) in zip(children, corners, strict=True):
            node(child, index, y + dy, x + dx, half)

    node(0, -1, 0, 0, whole)
    return whole, lines


def numbers(kind: str) -> tuple[list[float], list[float]]:
    """Scale and Bias as they stand in the file."""
    rng = np.random.default_rng(7)
    if kind == "HSH_RTI":
        return (
            [float(f"{v:.6g}") for v in rng.uniform(-2, 1, 9)],
            [float(f"{v:.6g}") for v in rng.uniform(0.1, 3, 9)],
        )
    return (
        [float(f"{v:.6g}") for v in rng.uniform(0.5, 2, 6)],
        [float(v) for v in rng.integers(-20, 256, 6)],
    )


def info_xml(
    kind: str, whole: int, lines: list[str], png: bool, orientation: str = "", **changes: str
) -> str:
    scale, bias = numbers(kind)
    levels = (whole // SIDE).bit_length()
    text = {
        "type": kind,
        "width": str(W),
        "height": str(H),
        "coefficients": str(len(scale)),
        "scale": " ".join(f"{v:g}" for v in scale) + " ",
        "bias": " ".join(f"{v:g}" for v in bias) + " ",
        "nodes": f"{(4**levels - 1) // 3} 0",
        "side": str(SIDE),
        "whole": f"{whole} {whole} 255",
    } | changes
    tree = [text["nodes"], text["side"], text["whole"], "0 0 0", *lines]
    return (
        f'<!DOCTYPE Doc>\n<MultiRes format="{int(png)}">\n<Content type="{text["type"]}">\n'
        f'<Size width="{text["width"]}" height="{text["height"]}" '
        f'coefficients="{text["coefficients"]}"/>\n'
        f"<Scale>{text['scale']}</Scale>\n<Bias>{text['bias']}</Bias>\n</Content>\n<Tree>"
        + "\n".join(tree)
        + f"\n</Tree>\n{orientation}</MultiRes>\n"
    )


def webrti(
    folder: Path,
    kind: str,
    *,
    suffix: str = "png",
    old: bool = True,
    smooth: bool = False,
    shape: tuple[int, int] = (H, W),
    **changes: str,
) -> Any:
    """Write a tree; gives the codes of its layers."""
    layers = layers_of(LAYERS[kind], smooth, shape)
    whole, nodes = write_tiles(folder, layers, suffix, lower_first=old)
    changes = {"width": str(shape[1]), "height": str(shape[0])} | changes
    text = info_xml(kind, whole, nodes if old else [], suffix == "png", **changes)
    (folder / "info.xml").write_text(text)
    return layers


def webptm(folder: Path, *, orientation: int = 0, suffix: str = "png", **changes: Any) -> Any:
    layers = layers_of(3)
    whole, _ = write_tiles(folder, layers, suffix, lower_first=False)
    scale, bias = numbers("LRGB_PTM")
    ptm = {
        "type": "LRGB_PTM",
        "contentSize": {"w": W, "h": H},
        "maxResolution": {"w": whole, "h": whole},
        "scale": scale,
        "bias": bias,
        "orientation": orientation,
        "imageFormat": suffix,
    }
    strategy = {"type": "IMAGE_TREE", "tileSize": {"w": SIDE, "h": SIDE}}
    for key, value in changes.items():
        (strategy if key in strategy else ptm)[key] = value
    info = {"PTM": ptm, "Geometry": {"type": "PLANE"}, "MultiresStrategy": strategy}
    (folder / "info.json").write_text(json.dumps(info))
    return layers


def expected_picture(kind: str, layers: Any, lights: LightDirections) -> Any:
    """The formulas of FORMATS.md, written out."""
    scale, bias = numbers(kind)
    xyz = lights.xyz.astype(float)
    if kind == "HSH_RTI":
        # The lists carry each other's name.
        values = layers / 255 * np.reshape(bias, (9, 1, 1, 1)) + np.reshape(scale, (9, 1, 1, 1))
        weights = Basis("hsh", 9, 1.5)(lights)
        return np.einsum("lt,thwc->lhwc", weights, values)
    u, v = xyz[:, 0], xyz[:, 1]
    weights = np.stack([u * u, v * v, u * v, u, v, np.ones_like(u)], axis=1)
    if kind == "RGB_PTM":
        factor, offset = (np.reshape(n, (6, 1, 1, 1)) for n in (scale, bias))
        return np.einsum("lt,thwc->lhwc", weights, (layers - offset) * factor) / 255
    flat = np.concatenate([np.moveaxis(layers[0], -1, 0), np.moveaxis(layers[1], -1, 0)])
    factor, offset = (np.reshape(n, (6, 1, 1)) for n in (scale, bias))
    luminance = np.einsum("lt,thw->lhw", weights, (flat - offset) * factor) / 255
    return luminance[..., None] * layers[2] / 255


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("kind", LAYERS)
def test_png_trees_are_read_exactly(tmp_path: Path, kind: str, old: bool) -> None:
    layers = webrti(tmp_path / "a", kind, old=old)
    model = open_model(tmp_path / "a")
    assert model.shape == (H, W)
    assert model.codec_id == ("hsh" if kind == "HSH_RTI" else "ptm")
    np.testing.assert_allclose(
        model.relight(LIGHTS), expected_picture(kind, layers, LIGHTS), atol=2e-5
    )


@pytest.mark.parametrize("kind", LAYERS)
def test_jpeg_trees_are_read_within_the_error_of_jpeg(tmp_path: Path, kind: str) -> None:
    layers = webrti(tmp_path / "a", kind, suffix="jpg", smooth=True)
    stored = WEBRTI.read(tmp_path / "a" / "info.xml")
    assert stored.planes is not None
    codes = stored.planes.codes.astype(int)
    if kind == "LRGB_PTM":
        found = np.concatenate([codes[:3], codes[[3 + k for k in (3, 5, 4, 1, 2, 0)]]])
        wanted = np.concatenate([np.moveaxis(layers[k], -1, 0) for k in (2, 0, 1)])
    else:
        terms = (3, 5, 4, 1, 2, 0) if kind == "RGB_PTM" else range(9)
        found = np.concatenate([codes[3 * t : 3 * t + 3] for t in terms])
        wanted = np.concatenate([np.moveaxis(layer, -1, 0) for layer in layers])
    difference = np.abs(found - wanted)
    assert difference.mean() < 1.2
    assert difference[:, 8:-8, 8:-8].max() <= 8
    # Beside the black margin, a block of JPEG holds an edge.
    assert difference.max() <= 16


@pytest.mark.parametrize("shape", [(1, 1), (1, 33), (64, 64), (65, 31), (32, 32)])
def test_odd_sizes_lie_in_the_middle(tmp_path: Path, shape: tuple[int, int]) -> None:
    for name, old in (("a", True), ("b", False)):
        layers = webrti(tmp_path / name, "RGB_PTM", shape=shape, old=old)
        stored = WEBRTI.read(tmp_path / name)
        assert stored.planes is not None
        np.testing.assert_array_equal(stored.planes.codes[9:12], np.moveaxis(layers[0], -1, 0))


def test_nine_numbers_for_six_terms(tmp_path: Path) -> None:
    scale, bias = numbers("LRGB_PTM")
    layers = webrti(
        tmp_path / "a",
        "LRGB_PTM",
        coefficients="9",
        scale=" ".join(map(str, [*scale, 4, 1, 1])),
        bias=" ".join(map(str, [*bias, -1, 0, 0])),
    )
    np.testing.assert_allclose(
        open_model(tmp_path / "a").relight(LIGHTS),
        expected_picture("LRGB_PTM", layers, LIGHTS),
        atol=2e-5,
    )


def test_constant_term_of_hsh(tmp_path: Path) -> None:
    scale, bias = numbers("HSH_RTI")
    bias[4] = 0
    webrti(tmp_path / "a", "HSH_RTI", bias=" ".join(map(str, bias)))
    model = open_model(tmp_path / "a")
    assert model.planes is not None
    assert not model.planes.codes[12:15].any()
    value = (0 - model.planes.bias[12]) * model.planes.scale[12]
    assert value == pytest.approx(scale[4])


@pytest.mark.parametrize("orientation", [0, 1, 2, 3])
def test_webptm_with_a_turned_light(tmp_path: Path, orientation: int) -> None:
    layers = webptm(tmp_path / "a", orientation=orientation)
    x, y, z = LIGHTS.xyz.astype(float).T
    # rti.js: the direction that the stored polynomial takes.
    u, v = [(x, y), (y, -x), (-x, -y), (-y, x)][orientation]
    stored_lights = LightDirections(np.stack([u, v, z], axis=1))
    model = open_model(tmp_path / "a")
    np.testing.assert_allclose(
        model.relight(LIGHTS), expected_picture("LRGB_PTM", layers, stored_lights), atol=2e-5
    )
    notes = (f"the light of the stored polynomial was turned by {90 * orientation}°",)
    assert model.metadata.notes == (notes if orientation else ())


@pytest.mark.parametrize("kind", ["LRGB_PTM", "RGB_PTM"])
def test_orientation_of_webrti(tmp_path: Path, kind: str) -> None:
    layers = webrti(tmp_path / "a", kind, orientation="<Orientation>1</Orientation>")
    x, y, z = LIGHTS.xyz.astype(float).T
    stored_lights = LightDirections(np.stack([y, -x, z], axis=1))
    np.testing.assert_allclose(
        open_model(tmp_path / "a").relight(LIGHTS),
        expected_picture(kind, layers, stored_lights),
        atol=2e-5,
    )


def test_readers_do_not_claim_each_others_folders(tmp_path: Path) -> None:
    webrti(tmp_path / "a", "LRGB_PTM")
    webptm(tmp_path / "b")
    # The maker of rti.js writes both descriptions.
    webrti(tmp_path / "c", "LRGB_PTM")
    webptm(tmp_path / "c")
    found = [
        doors.find_reader(tmp_path / name).reader_id
        for name in ("a", "a/info.xml", "b", "b/info.json", "c", "c/info.xml")
    ]
    assert found == ["webrti", "webrti", "webptm", "webptm", "webptm", "webrti"]


# Damage


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><MultiRes>&b;</MultiRes>'

#: name: what is done to info.xml, the message after the folder's name.
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "entities": (
        lambda p: p.write_text(LAUGHS),
        "/info.xml, line 1: the entity 'a'; expected no entities: they can claim gigabytes or "
        "other files",
    ),
    "outer entity": (
        lambda p: p.write_text('<!DOCTYPE a SYSTEM "file:///etc/passwd"><MultiRes>&x;</MultiRes>'),
        "/info.xml, line 1: the entity 'x'; expected no entities: they can claim gigabytes or "
        "other files",
    ),
    "no XML": (
        lambda p: p.write_text("<MultiRes><"),
        "/info.xml: line 1, column 10: unclosed token; expected XML",
    ),
    "no content": (
        lambda p: p.write_text("<MultiRes/>"),
        "/info.xml, line 1: <MultiRes>: has no element <Content>; expected one",
    ),
    "a million": (
        lambda p: edit(p, 'width="100" height="75"', 'width="1000000" height="1000000"'),
        "/info.xml, line 4: <Size> height: '1000000'; expected an integer in 1..65535",
    ),
    "negative": (
        lambda p: edit(p, 'width="100"', 'width="-100"'),
        "/info.xml, line 4: <Size> width: '-100'; expected an integer in 1..65535",
    ),
    "image": (
        lambda p: edit(p, "LRGB_PTM", "IMAGE"),
        "/info.xml, line 3: <Content> type: type 'IMAGE' is not read (a picture, nothing to "
        "relight); expected LRGB_PTM, RGB_PTM, HSH_RTI",
    ),
    "gloss": (
        lambda p: edit(p, "LRGB_PTM", "LRGBG_PTM"),
        "/info.xml, line 3: <Content> type: type 'LRGBG_PTM' is not read (with a gloss layer, of "
        "which no sample is known); expected LRGB_PTM, RGB_PTM, HSH_RTI",
    ),
    "path as a type": (
        lambda p: edit(p, "LRGB_PTM", "../../x"),
        "/info.xml, line 3: <Content> type: type '../../x' is not read; expected LRGB_PTM, "
        "RGB_PTM, HSH_RTI",
    ),
    "coefficients": (
        lambda p: edit(p, 'coefficients="6"', 'coefficients="4"'),
        "/info.xml, line 4: <Size> coefficients: 4; expected 6 for LRGB_PTM",
    ),
    "not a number": (
        lambda p: edit(p, "<Bias>", "<Bias>nan "),
        "/info.xml, line 6: <Bias>: 7 values; expected 6 finite numbers",
    ),
    "infinite": (
        lambda p: edit(p, f"<Scale>{numbers('LRGB_PTM')[0][0]:g}", "<Scale>inf"),
        "/info.xml, line 5: <Scale>: 'inf'; expected a finite number",
    ),
    "picture format": (
        lambda p: edit(p, 'format="1"', 'format="2"'),
        "/info.xml, line 2: <MultiRes> format: '2'; expected an integer in 0..1",
    ),
    "no power of two": (
        lambda p: edit(p, "128 128 255", "96 96 255"),
        "/info.xml, line 10: <Tree>: 96x96 pixels; expected 32, the side of a tile, times a power "
        "of two, both ways",
    ),
    "too small a whole": (
        lambda p: edit(p, "128 128 255", "64 64 255"),
        "/info.xml, line 10: <Tree>: 64x64 pixels; expected room for the image of 100x75 pixels",
    ),
    "tile of one pixel": (
        lambda p: edit(p, "\n32\n", "\n1\n"),
        "/info.xml, line 9: <Tree>: '1'; expected an integer in 16..4096",
    ),
    "number of nodes": (
        lambda p: edit(p, "<Tree>21 0", "<Tree>22 0"),
        "/info.xml, line 8: <Tree>: 22 nodes, root 0; expected 21 nodes, root 0, for 4x4 tiles",
    ),
    "lines of nodes": (
        lambda p: edit(p, "\n</Tree>", "\n1 2 3\n</Tree>"),
        "/info.xml, line 8: <Tree>: 22 lines of nodes; expected 21 or none",
    ),
    "path as a node": (
        lambda p: edit(p, "\n6 1", "\n../../6 1"),
        "/info.xml, line 14: <Tree>: '../../6'; expected an integer in 1..21",
    ),
    "words of a node": (
        lambda p: edit(p, "0.25 0.25 1\n", "0.25 0.25\n"),
        "/info.xml, line 14: <Tree>: 13 words; expected 14 for a node",
    ),
    "box of a node": (
        lambda p: edit(p, "7 1 -1 -1 -1 -1 32 1 0.25 0 0 0.5", "7 1 -1 -1 -1 -1 32 1 0.3 0 0 0.55"),
        "/info.xml, line 15: <Tree>: box 0.3 0 0 0.55 0.25 1; expected one of 4x4 equal parts of "
        "0..1",
    ),
    "same box twice": (
        lambda p: edit(p, "7 1 -1 -1 -1 -1 32 1 0.25 0 0 0.5", "7 1 -1 -1 -1 -1 32 1 0 0 0 0.25"),
        "/info.xml, line 15: <Tree>: node 7; expected not the part of node 6",
    ),
    "node without tiles": (
        lambda p: edit(p, "7 1 -1 -1 -1 -1 32 1", "7 1 -1 -1 -1 -1 32 0"),
        "/info.xml, line 8: <Tree>: no node for the tile in row 3, column 1; expected a node for "
        "each part of the 100x75 image",
    ),
    "too few lines": (
        lambda p: p.write_text(re.sub(r"<Tree>[^<]*", "<Tree>21 0\n32\n", p.read_text())),
        "/info.xml, line 8: <Tree>: 2 lines; expected at least 3: nodes and root, side of a tile, "
        "size of the whole",
    ),
    "orientation": (
        lambda p: edit(p, "</MultiRes>", "<Orientation>4</Orientation></MultiRes>"),
        "/info.xml, line 34: <Orientation>: '4'; expected an integer in 0..3",
    ),
    "missing tile": (
        lambda p: (p.parent / "7_2.png").unlink(),
        "/7_2.png: is missing; expected a tile",
    ),
    "wrong size of a tile": (
        lambda p: Image.new("RGB", (32, 34)).save(p.parent / "7_2.png"),
        "/7_2.png: 32x34 pixels, 8-bit RGB; expected 34x34 pixels, 8-bit RGB",
    ),
    "text for a tile": (
        lambda p: (p.parent / "7_2.png").write_bytes(b"tile"),
        "/7_2.png: is no JPEG, PNG or WebP; expected JPEG, PNG or WebP",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    harm, message = DAMAGE[name]
    folder = tmp_path / "a"
    webrti(folder, "LRGB_PTM")
    harm(folder / "info.xml")
    with pytest.raises(DrtiError) as caught:
        WEBRTI.read(folder)
    assert str(caught.value) == f"{folder}{message}"


#: name: what is changed in info.json, the message after its name.
WEBPTM_DAMAGE: dict[str, tuple[dict[str, Any], str]] = {
    "type": (
        {"type": "IIIF"},
        "$.MultiresStrategy.type: strategy IIIF (its tiles come from an image server); expected "
        "IMAGE_TREE",
    ),
    "content size": (
        {"contentSize": {"w": 10**6, "h": 10**6}},
        "$.PTM.contentSize.h: 1000000; expected an integer in 1..65535",
    ),
    "negative": (
        {"contentSize": {"w": -1, "h": 1}},
        "$.PTM.contentSize.w: -1; expected an integer in 1..65535",
    ),
    "too small": (
        {"maxResolution": {"w": 64, "h": 64}},
        '$.PTM.maxResolution: {"w": 64, "h": 64}; expected room for an image of 100x75 pixels',
    ),
    "no power of two": (
        {"maxResolution": {"w": 128, "h": 64}},
        '$.PTM.maxResolution: {"w": 128, "h": 64}; expected the 32x32 pixels of a tile times a '
        "power of two",
    ),
    "nan": (
        {"scale": [float("nan")] * 6},
        "$.PTM.scale[0]: NaN; expected a finite number",
    ),
    "count": ({"bias": [1, 2, 3]}, "$.PTM.bias: 3 values; expected 6 (or 9) values"),
    "wrong type": ({"scale": "2 2 2"}, '$.PTM.scale: "2 2 2"; expected an array'),
    "path": (
        {"imageFormat": "/../../etc/passwd"},
        '$.PTM.imageFormat: "/../../etc/passwd"; expected "jpg" or "png"',
    ),
    "orientation": (
        {"orientation": 9},
        "$.PTM.orientation: 9; expected an integer in 0..3",
    ),
}


@pytest.mark.parametrize("name", WEBPTM_DAMAGE)
def test_damage_of_webptm_is_named(tmp_path: Path, name: str) -> None:
    changes, message = WEBPTM_DAMAGE[name]
    webptm(tmp_path / "a", **changes)
    with pytest.raises(DrtiError) as caught:
        WEBPTM.read(tmp_path / "a")
    assert str(caught.value) == f"{tmp_path / 'a' / 'info.json'}: {message}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "RGB_PTM",
            '$.PTM.type: "RGB_PTM"; expected "LRGB_PTM", the only type of WebPTM',
        ),
        (
            "LRGBG_PTM",
            "$.PTM.type: type 'LRGBG_PTM' is not read (with a gloss layer, of which no sample is "
            "known); expected LRGB_PTM, RGB_PTM, HSH_RTI",
        ),
    ],
)
def test_other_types_of_webptm_are_refused(tmp_path: Path, kind: str, message: str) -> None:
    webptm(tmp_path / "a")
    edit(tmp_path / "a" / "info.json", "LRGB_PTM", kind)
    with pytest.raises(DrtiError) as caught:
        WEBPTM.read(tmp_path / "a")
    assert str(caught.value) == f"{tmp_path / 'a' / 'info.json'}: {message}"


def test_other_geometries_of_webptm_are_refused(tmp_path: Path) -> None:
    webptm(tmp_path / "a")
    edit(tmp_path / "a" / "info.json", '"PLANE"', '"HALFDOME"')
    with pytest.raises(UnsupportedFormatError) as caught:
        WEBPTM.read(tmp_path / "a")
    assert str(caught.value) == (
        f"{tmp_path / 'a' / 'info.json'}: $.Geometry.type: geometry 'HALFDOME'; expected PLANE"
    )


def test_largest_claim_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """65535 x 65535 in a tree of small tiles: refused at the first tile that is missing."""
    text = info_xml("LRGB_PTM", 65536, [], True, width="65535", height="65535")
    (tmp_path / "info.xml").write_text(text)
    monkeypatch.setattr(scratch, "empty", None)
    with pytest.raises(MissingFileError) as caught:
        WEBRTI.read(tmp_path)
    assert str(caught.value) == f"{tmp_path}/1398102_1.png: is missing; expected a tile"


def test_links_out_of_a_tree_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    webrti(folder, "LRGB_PTM")
    (folder / "7_2.png").rename(tmp_path / "outside")
    (folder / "7_2.png").symlink_to(tmp_path / "outside")
    with pytest.raises(FormatError) as caught:
        WEBRTI.read(folder)
    assert str(caught.value) == (
        f"{folder}/7_2.png: is a link to {tmp_path.resolve()}/outside; "
        "expected a file inside the folder"
    )


# XML

XML: list[tuple[bytes, str]] = [
    (b"", ": line 1, column 0: no element found; expected XML"),
    (b"<a/>", ", line 1: the root element is <a>; expected <MultiRes>"),
    (b"<MultiRes>\xff</MultiRes>", ": line 1, column 10: not well-formed (invalid token); "
     "expected XML"),
    (b'<?xml version="1.0" encoding="zz"?><MultiRes/>',
     ": unreadable XML (unknown encoding: zz); expected XML"),
    (b"<MultiRes>" + b"<a>" * 10**5, ", line 1: element 33, inside 32 others; expected at most "
     "1000 elements and 32 inside each other"),
    (b"<MultiRes>\n" + b"<a/>" * 10**6, ", line 2: element 1001, inside 1 others; expected at "
     "most 1000 elements and 32 inside each other"),
    (b" " * (9 << 20), ": 9437184 bytes; expected at most 8388608 bytes of XML"),
    (b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><MultiRes/>',
     ", line 1: the entity 'x'; expected no entities: they can claim gigabytes or other files"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), XML, ids=range(len(XML)))
def test_hostile_xml_is_refused_at_once(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "info.xml"
    path.write_bytes(data)
    start = time.process_time()
    with pytest.raises(FormatError) as caught:
        strict_xml.load(path, "MultiRes")
    assert str(caught.value) == f"{path}{message}"
    assert time.process_time() - start < 2


def test_missing_and_doubled_elements(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    with pytest.raises(MissingFileError) as caught:
        strict_xml.load(path, "a")
    assert str(caught.value) == f"{path}: is missing; expected an XML file"
    path.write_text('<a n="1_0">\n<b/>text &amp; more<b/></a>')
    root = strict_xml.load(path, "a")
    assert root.text == "\ntext & more"
    for act, message in (
        (lambda: root.child("b"), "2 elements <b>; expected one"),
        (lambda: root.attribute("m"), "has no attribute m; expected a value"),
    ):
        with pytest.raises(FormatError) as caught:
            act()
        assert str(caught.value) == f"{path}, line 1: <a>: {message}"
    with pytest.raises(FormatError) as caught:
        root.integer("n", 0, 99)
    assert str(caught.value) == f"{path}, line 1: <a> n: '1_0'; expected an integer in 0..99"


def test_real_webrti_tree(data: Path) -> None:
    model = open_model(data / "files" / "webrti")
    assert (model.codec_id, model.shape) == ("ptm", (512, 512))
    assert model.planes is not None
    # The root node holds the whole at half the size.
    root = Image.open(data / "files" / "webrti" / "1_3.jpg")
    with root:
        half = np.moveaxis(np.asarray(root)[1:-1, 1:-1].astype(float), -1, 0)
    mean = model.planes.codes[:3].reshape(3, 256, 2, 256, 2).mean(axis=(2, 4))
    assert np.abs(mean - half).mean() < 1.5
    # A light from the right brightens what faces right: renders differ as light and shade do.
    right, left = model.relight(LightDirections([[0.8, 0, 0.6], [-0.8, 0, 0.6]])).mean(axis=-1)
    rim = slice(200, 300)
    assert right[rim, 440:480].mean() > 2 * left[rim, 440:480].mean()
