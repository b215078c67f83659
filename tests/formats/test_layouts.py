"""Tiled layouts of web folders: trees made by an independent writer, by libvips and by drti."""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import open_model
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, FormatError, MissingFileError, OptionError
from drti_core.formats.folder import READER, FolderWriter, layouts, pyramid
from drti_core.io import scratch, strict_json
from drti_core.io.pictures import decoders
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel

H, W = 300, 513


def make(shape: tuple[int, int] = (H, W), dtype: Any = np.uint8, smooth: bool = False) -> Any:
    """LRGB PTM of random codes, or of smooth ones."""
    rng = np.random.default_rng(5)
    top = np.iinfo(dtype).max
    codes = rng.integers(0, top + 1, (9, *shape)).astype(dtype)
    if smooth:
        for k in range(9):
            wave = np.add.outer(np.arange(shape[0]) * (k + 1), np.arange(shape[1]) * 2) / 90
            codes[k] = np.rint(120 + 70 * np.sin(wave + k))
    config = {"codec": "ptm", "version": 1, "colorspace": "lrgb", "terms": 6}
    scale = np.array([float(f"{v:.9g}") for v in rng.uniform(0.5, 2, 9)])
    bias = np.array([float(f"{v:.9g}") for v in rng.uniform(-0.5, 1.5, 9)])
    return StoredModel(config, shape, Planes(codes, scale, bias))


def encoded(pixels: Any, suffix: str) -> bytes:
    out = io.BytesIO()
    if suffix == "png":
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    else:
        Image.fromarray(pixels).save(out, "JPEG", quality=97, subsampling=0, keep_rgb=True)
    return out.getvalue()


def describe(folder: Path, stored: StoredModel, suffix: Any) -> None:
    """Info.json alone."""
    FolderWriter(image=suffix).write(stored, folder)
    for picture in folder.glob("plane_*"):
        picture.unlink()


def pictures(stored: StoredModel) -> list[Any]:
    assert stored.planes is not None
    codes = stored.planes.codes
    return [np.moveaxis(codes[i : i + 3], 0, -1).copy() for i in range(0, len(codes), 3)]


def halved(pixels: Any, up: bool) -> Any:
    """Nearest pixel; only the size matters."""
    h, w = pixels.shape[:2]
    h, w = ((h + 1) // 2, (w + 1) // 2) if up else (h // 2, w // 2)
    return pixels[: 2 * h : 2, : 2 * w : 2]


def levels(pixels: Any, side: int, up: bool = True, least: int | None = None) -> list[Any]:
    """Smallest first."""
    found = [pixels]
    while max(found[0].shape[:2]) > (least or side):
        found.insert(0, halved(found[0], up))
    return found


def cut(pixels: Any, side: int, overlap: int = 0) -> list[tuple[int, int, Any]]:
    h, w = pixels.shape[:2]
    return [
        (r, c, pixels[max(0, r * side - overlap) : (r + 1) * side + overlap,
                      max(0, c * side - overlap) : (c + 1) * side + overlap])
        for r in range(math.ceil(h / side))
        for c in range(math.ceil(w / side))
    ]  # fmt: skip


def deepzoom(folder: Path, stored: StoredModel, suffix: str, least: int = 60) -> None:
    for i, pixels in enumerate(pictures(stored)):
        h, w = pixels.shape[:2]
        (folder / f"plane_{i}.dzi").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
            f'Format="{suffix}" Overlap="2" TileSize="60">\n'
            f'  <Size Height="{h}" Width="{w}"/>\n</Image>\n'
        )
        for n, level in enumerate(levels(pixels, 60, least=least)):
            at = folder / f"plane_{i}_files" / str(n)
            at.mkdir(parents=True)
            for r, c, tile in cut(level, 60, 2):
                (at / f"{c}_{r}.{suffix}").write_bytes(encoded(tile, suffix))


def google(folder: Path, stored: StoredModel, suffix: str) -> None:
    for i, pixels in enumerate(pictures(stored)):
        for n, level in enumerate(levels(pixels, 256)):
            for r, c, tile in cut(level, 256):
                full = np.full((256, 256, 3), 255, np.uint8)
                full[: tile.shape[0], : tile.shape[1]] = tile
                at = folder / f"plane_{i}" / str(n) / str(r)
                at.mkdir(parents=True, exist_ok=True)
                (at / f"{c}.{suffix}").write_bytes(encoded(full, suffix))


def zoomify(folder: Path, stored: StoredModel, suffix: str, up: bool = True) -> None:
    for i, pixels in enumerate(pictures(stored)):
        root = folder / f"plane_{i}"
        number = 0
        for n, level in enumerate(levels(pixels, 16, up)):
            for r, c, tile in cut(level, 16):
                at = root / f"TileGroup{number // 256}"
                at.mkdir(parents=True, exist_ok=True)
                (at / f"{n}-{c}-{r}.{suffix}").write_bytes(encoded(tile, suffix))
                number += 1
        h, w = pixels.shape[:2]
        (root / "ImageProperties.xml").write_text(
            f'<IMAGE_PROPERTIES WIDTH="{w}" HEIGHT="{h}" NUMTILES="{number}" NUMIMAGES="1" '
            'VERSION="1.8" TILESIZE="16" />'
        )


def packed(folder: Path, stored: StoredModel, suffix: str, inter: bool, up: bool = True) -> None:
    groups = [pictures(stored)] if inter else [[p] for p in pictures(stored)]
    for i, group in enumerate(groups):
        name = "planes" if inter else f"plane_{i}"
        data: list[bytes] = []
        pyramids = [levels(pixels, 64, up) for pixels in group]
        for level in zip(*pyramids, strict=True):
            for tiles in zip(*(cut(part, 64, 1) for part in level), strict=True):
                data += [encoded(tile, suffix) for _, _, tile in tiles]
        info: dict[str, Any] = {
            "nlevels": len(pyramids[0]),
            "offsets": np.cumsum([0, *map(len, data)]).tolist(),
            "format": suffix,
            "overlap": 1,
            "width": stored.shape[1],
            "height": stored.shape[0],
            "tilesize": 64,
        }
        if inter:
            info |= {"mode": "interleaved", "stride": len(group)}
        (folder / f"{name}.tzi").write_text(json.dumps(info))
        (folder / f"{name}.tzb").write_bytes(b"".join(data))


MAKERS: dict[str, Callable[[Path, StoredModel, str], None]] = {
    "deepzoom": deepzoom,
    "deepzoom to one pixel": lambda f, s, e: deepzoom(f, s, e, least=1),
    "google": google,
    "zoomify": zoomify,
    "zoomify truncated": lambda f, s, e: zoomify(f, s, e, up=False),
    "tarzoom": lambda f, s, e: packed(f, s, e, False),
    "tarzoom rounded down": lambda f, s, e: packed(f, s, e, False, up=False),
    "itarzoom": lambda f, s, e: packed(f, s, e, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_png_tiles_are_read_exactly(tmp_path: Path, name: str) -> None:
    stored = make()
    describe(tmp_path / "a", stored, "png")
    MAKERS[name](tmp_path / "a", stored, "png")
    assert layouts.find(tmp_path / "a", "png") == name.split()[0]
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)
    np.testing.assert_array_equal(back.planes.scale, stored.planes.scale)
    assert back.config == stored.config
    assert open_model(tmp_path / "a").shape == (H, W)


@pytest.mark.parametrize("name", ["deepzoom", "google", "zoomify", "tarzoom", "itarzoom"])
def test_jpeg_tiles_are_read_within_the_error_of_jpeg(tmp_path: Path, name: str) -> None:
    stored = make((150, 270), smooth=True)
    describe(tmp_path / "a", stored, "jpg")
    MAKERS[name](tmp_path / "a", stored, "jpg")
    back = READER.read(tmp_path / "a" / "info.json")
    assert back.planes is not None
    difference = np.abs(back.planes.codes.astype(int) - stored.planes.codes)
    assert difference.max() <= 6
    assert difference.mean() < 1


@pytest.mark.parametrize("layout", ["dz", "google", "zoomify"])
def test_trees_by_libvips(tmp_path: Path, layout: str) -> None:
    pyvips = pytest.importorskip("pyvips")
    stored = make()
    folder = tmp_path / "a"
    describe(folder, stored, "png")
    options: dict[str, Any] = {"dz": {"depth": "onetile", "tile_size": 254, "overlap": 1}}.get(
        layout, {}
    )
    for i, pixels in enumerate(pictures(stored)):
        pyvips.Image.new_from_array(pixels).dzsave(
            str(folder / f"plane_{i}"), layout=layout, suffix=".png", skip_blanks=-1, **options
        )
    back = READER.read(folder)
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)


def test_large_planes_are_held_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTI_MEMORY", "0")
    stored = make()
    FolderWriter(image="png", layout="itarzoom").write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    assert isinstance(back.planes.codes, np.memmap)
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)


# Writing


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["deepzoom", "google", "zoomify"])
@pytest.mark.parametrize("image", ["png", "webp"])
@pytest.mark.parametrize("shape", [(H, W), (1, 1), (700, 1)])
def test_written_trees_come_back(
    tmp_path: Path, layout: Any, image: Any, shape: tuple[int, int]
) -> None:
    stored = make(shape)
    side = 256 if layout == "google" else 100
    writer = FolderWriter(image=image, layout=layout, tile=side)
    assert writer.write(stored, tmp_path / "a") == ()
    assert layouts.find(tmp_path / "a", image) == layout
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)


@pytest.mark.parametrize("layout", ["image", "tarzoom", "itarzoom"])
def test_webp_is_exact(tmp_path: Path, layout: Any) -> None:
    stored = make()
    FolderWriter(image="webp", layout=layout).write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)


@pytest.mark.parametrize("layout", ["deepzoom", "zoomify"])
def test_16_bit_trees(tmp_path: Path, layout: Any) -> None:
    stored = make((40, 50), np.uint16)
    FolderWriter(image="png", layout=layout, tile=32).write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["tarzoom", "itarzoom"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(H, W), (1, 1), (700, 1), (257, 1030)])
def test_written_png_tiles_come_back(
    tmp_path: Path, layout: Any, dtype: Any, shape: tuple[int, int]
) -> None:
    stored = make(shape, dtype)
    assert FolderWriter(image="png", layout=layout).write(stored, tmp_path / "a") == ()
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    assert back.planes.codes.dtype == dtype
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)
    stem = "plane_0" if layout == "tarzoom" else "planes"
    info = json.loads((tmp_path / "a" / f"{stem}.tzi").read_text())
    # OpenLIME's own count: sides are halved and rounded down.
    h, w, tiles = shape[0], shape[1], 0
    for _ in range(info["nlevels"]):
        tiles += math.ceil(h / 256) * math.ceil(w / 256)
        h, w = h >> 1, w >> 1
    assert len(info["offsets"]) == tiles * info.get("stride", 1) + 1
    assert info["offsets"][-1] == (tmp_path / "a" / f"{stem}.tzb").stat().st_size


@pytest.mark.slow
def test_written_pyramid_is_the_mean_of_four(tmp_path: Path) -> None:
    stored = make((513, 700))
    FolderWriter(image="png", layout="tarzoom").write(stored, tmp_path / "a")
    info = json.loads((tmp_path / "a" / "plane_1.tzi").read_text())
    assert (info["nlevels"], info["tilesize"], info["overlap"]) == (3, 256, 0)
    data = (tmp_path / "a" / "plane_1.tzb").read_bytes()
    at = info["offsets"]
    # Level 0 is one tile of 128 x 175; level 1 is 256 x 350, two tiles.
    with Image.open(io.BytesIO(data[at[1] : at[2]])) as image:
        tile = np.asarray(image)
    codes = stored.planes.codes[3:6, :512, :512].astype(float)
    mean = codes.reshape(3, 256, 2, 256, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(tile, np.floor(np.moveaxis(mean, 0, -1) + 0.5))
    with Image.open(io.BytesIO(data[at[0] : at[1]])) as image:
        assert image.size == (175, 128)


def test_written_jpeg_tiles(tmp_path: Path) -> None:
    stored = make(smooth=True)
    lights = LightDirections([[0, 0, 1], [0.6, 0, 0.8]])
    metadata = Metadata(lights=lights, icc=b"\0" * 128 + b"profile", xmp=b"<x/>")
    stored = StoredModel(stored.config, stored.shape, stored.planes, {}, metadata)
    lost = FolderWriter(quality=97, layout="tarzoom").write(stored, tmp_path / "a")
    assert lost == ("the planes are JPEGs of quality 97, which changes them a little",)
    back = READER.read(tmp_path / "a")
    assert back.planes is not None
    difference = np.abs(back.planes.codes.astype(int) - stored.planes.codes)
    assert difference.max() <= 5
    assert back.metadata.icc == metadata.icc
    assert back.metadata.xmp == metadata.xmp
    data = (tmp_path / "a" / "plane_0.tzb").read_bytes()
    assert b"profile" not in data
    info = json.loads((tmp_path / "a" / "info.json").read_text())
    assert base64.b64decode(info["drti"]["icc"]) == metadata.icc


def test_layout_is_an_option_of_the_writer(tmp_path: Path) -> None:
    writer: Any = FolderWriter(layout="iiif")  # type: ignore[arg-type]
    with pytest.raises(OptionError) as caught:
        writer.write(make(), tmp_path / "a")
    assert str(caught.value) == (
        "folder: layout 'iiif'; expected image, deepzoom, google, zoomify, tarzoom or itarzoom"
    )
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 8, "layout": "deepzoom"}, "folder: tile 8; expected 16 to 4096"),
        (
            {"tile": 512, "layout": "google"},
            "folder: tile 512 in the layout google; expected 256",
        ),
        (
            {"image": "webp", "quality": 0},
            "folder: image 'webp', quality 0, max_error None; expected image jpg, png or webp, "
            "quality 1 to 100, max_error 0 to 255 or none",
        ),
    ],
)
def test_options_of_tiles_are_checked(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        FolderWriter(**options).write(make(), tmp_path / "a")
    assert str(caught.value) == message


def test_webp_refuses_what_it_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FolderWriter(image="webp")
    assert writer.refuse(make((9, 9), np.uint16)) == (
        "WebP holds 8-bit planes and these have 16 bits; write image=png"
    )
    assert writer.refuse(make((1, 16384))) == (
        "WebP holds sides of up to 16383 pixels; write image=png"
    )
    monkeypatch.setattr(decoders, "WEBP_MAX_PIXELS", 100)
    assert writer.refuse(make((11, 10))) == (
        "110 pixels are too many for one WebP; write tiles or image=png"
    )
    assert FolderWriter(image="webp", layout="tarzoom").refuse(make((11, 10))) is None


@pytest.mark.parametrize("layout", ["deepzoom", "google", "zoomify", "tarzoom"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 600), (513, 20), (600, 1027)])
def test_levels_are_those_that_openlime_counts(layout: Any, shape: tuple[int, int]) -> None:
    tiles = pyramid.Tiles(layout)
    found = [level.shape[1:] for level in tiles.levels(np.zeros((1, *shape), np.uint8))]
    assert found[0] == shape
    assert max(found[-1]) <= 256 or (layout == "tarzoom" and min(found[-1]) == 1)
    if layout != "tarzoom":  # its .tzi states them
        assert len(found) == 1 + max(0, math.ceil(math.log2(max(shape) / 256)))
    up = layout in ("deepzoom", "google")
    for fine, coarse in itertools.pairwise(found):
        assert coarse == tuple(max(1, (side + up) // 2) for side in fine)


@pytest.mark.slow
def test_deepzoom_and_zoomify_as_written(tmp_path: Path) -> None:
    stored = make((513, 700))
    FolderWriter(image="png", layout="deepzoom", tile=100).write(stored, tmp_path / "a")
    assert (tmp_path / "a" / "plane_1.dzi").read_text() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
        'Format="png" Overlap="0" TileSize="100">\n'
        '  <Size Height="513" Width="700"/>\n</Image>\n'
    )
    root = tmp_path / "a" / "plane_1_files"
    counts = {path.name: len(list(path.iterdir())) for path in root.iterdir()}
    assert counts == {"3": 42, "2": 12, "1": 4, "0": 1}
    with Image.open(root / "2" / "3_2.png") as image:  # of 257 x 350
        assert image.size == (50, 57)
        tile = np.asarray(image)
    codes = stored.planes.codes[3:6].astype(float)
    grown = np.concatenate([codes, codes[:, -1:]], axis=1)[:, 400:514, 600:700]
    mean = grown.reshape(3, 57, 2, 50, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(tile, np.floor(np.moveaxis(mean, 0, -1) + 0.5))
    FolderWriter(image="png", layout="zoomify", tile=16).write(stored, tmp_path / "b")
    root = tmp_path / "b" / "plane_0"
    # 33 x 44 tiles, then 16 x 22, 8 x 11, 4 x 6, 2 x 3, 1 x 2 and 1: sides are rounded down.
    total = 33 * 44 + 16 * 22 + 8 * 11 + 4 * 6 + 2 * 3 + 1 * 2 + 1
    assert f'NUMTILES="{total}"' in (root / "ImageProperties.xml").read_text()
    before = total - 33 * 44
    for row, column in ((0, 0), (20, 7), (32, 43)):
        group = (before + row * 44 + column) // 256
        assert (root / f"TileGroup{group}" / f"6-{column}-{row}.png").is_file()


def test_google_tiles_are_full(tmp_path: Path) -> None:
    stored = make((300, 513))
    FolderWriter(image="png", layout="google").write(stored, tmp_path / "a")
    with Image.open(tmp_path / "a" / "plane_0" / "2" / "1" / "2.png") as image:
        tile = np.asarray(image)
    assert tile.shape == (256, 256, 3)
    corner = stored.planes.codes[:3, 299, 512]
    np.testing.assert_array_equal(tile[43, 0], corner)
    np.testing.assert_array_equal(tile[255, 255], corner)


def test_pyramid_of_a_side_of_one() -> None:
    codes = np.zeros((1, 600, 1), np.uint8)
    assert [level.shape for level in pyramid.Tiles("tarzoom").levels(codes)] == [(1, 600, 1)]


def test_padding_repeats_the_last_row_and_column(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.arange(2 * 5 * 6, dtype=np.uint8).reshape(2, 5, 6)
    for band in (1, 3, 100):
        monkeypatch.setattr(pyramid, "band_rows", lambda width, count, band=band: band)
        found = pyramid.padded(codes, 4)
        np.testing.assert_array_equal(found, np.pad(codes, ((0, 0), (0, 3), (0, 2)), "edge"))
    whole = np.zeros((1, 8, 4), np.uint8)
    assert pyramid.padded(whole, 4) is whole


def test_four_terms_without_lights(tmp_path: Path) -> None:
    """Folders of old builds: HSH of four terms, no lights, no colour profile."""
    stored = make()
    info = {
        "width": W, "height": H, "format": "png", "type": "hsh", "colorspace": "rgb",
        "nplanes": 12, "quality": 95,
        "materials": [{"scale": [1.0] * 12, "bias": [0.5] * 12}],
    }  # fmt: skip
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "info.json").write_text(json.dumps(info))
    twelve = np.concatenate([stored.planes.codes, stored.planes.codes[:3]])
    for i in range(4):
        picture = np.moveaxis(twelve[3 * i : 3 * i + 3], 0, -1)
        (folder / f"plane_{i}.png").write_bytes(encoded(picture.copy(), "png"))
    model = open_model(folder)
    assert model.metadata.lights is None
    assert model.config()["terms"] == 4
    rgb = model.relight(LightDirections([[0, 0, 1]]))
    # At the zenith only the terms 1/√(2π) and √(3/2π) are not 0.
    values = twelve / 255 - 0.5
    expected = values[0:3] / np.sqrt(2 * np.pi) + values[6:9] * np.sqrt(3 / (2 * np.pi))
    np.testing.assert_allclose(rgb[0], np.moveaxis(expected, 0, -1), atol=1e-5)


# Damage


def edit_json(path: Path, **changes: Any) -> None:
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, **changes}))


def offsets_of(path: Path) -> list[int]:
    return list(json.loads(path.read_text())["offsets"])


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<Image Format="&b;"/>'
)

#: name: layout, what is done to the folder, the message after the folder's name.
DAMAGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing tile": (
        "deepzoom",
        lambda f: (f / "plane_1_files" / "4" / "3_2.png").unlink(),
        "/plane_1_files/4/3_2.png: is missing; expected a tile",
    ),
    "wrong size of a tile": (
        "deepzoom",
        lambda f: (f / "plane_1_files/4/3_2.png").write_bytes(
            (f / "plane_1_files/4/0_0.png").read_bytes()
        ),
        "/plane_1_files/4/3_2.png: 62x62 pixels, 8-bit RGB; expected 64x64 pixels, 8-bit RGB",
    ),
    "no tile at all": (
        "deepzoom",
        lambda f: (f / "plane_0_files/4/0_0.png").write_bytes(b""),
        "/plane_0_files/4/0_0.png: 0 bytes; expected at least 1 bytes",
    ),
    "text for a tile": (
        "deepzoom",
        lambda f: (f / "plane_0_files/4/0_0.png").write_bytes(b"tile"),
        "/plane_0_files/4/0_0.png: is no JPEG, PNG or WebP; expected JPEG, PNG or WebP",
    ),
    "levels": (
        "deepzoom",
        lambda f: (f / "plane_0_files" / "7").mkdir(),
        "/plane_0_files: the highest level is 7; expected 4 or 10",
    ),
    "no levels": (
        "deepzoom",
        lambda f: (f / "plane_0_files").rename(f / "files"),
        "/plane_0_files: has no levels; expected folders 0, 1, 2 …",
    ),
    "entities": (
        "deepzoom",
        lambda f: (f / "plane_0.dzi").write_text(BOMB),
        "/plane_0.dzi, line 1: the entity 'a'; expected no entities: they can claim gigabytes or "
        "other files",
    ),
    "path in a format": (
        "deepzoom",
        lambda f: swap(f / "plane_0.dzi", 'Format="png"', 'Format="/../../x"'),
        "/plane_0.dzi, line 2: <Image> Format: '/../../x'; expected jpg, jpeg, png or webp",
    ),
    "size of the picture": (
        "deepzoom",
        lambda f: swap(f / "plane_2.dzi", 'Width="513"', 'Width="530"'),
        "/plane_2.dzi, line 3: <Size>: 530x300 pixels; expected 513x300 pixels, as info.json "
        "states",
    ),
    "negative size": (
        "deepzoom",
        lambda f: swap(f / "plane_2.dzi", 'Width="513"', 'Width="-513"'),
        "/plane_2.dzi, line 3: <Size> Width: '-513'; expected an integer in 1..65535",
    ),
    "tile size": (
        "deepzoom",
        lambda f: swap(f / "plane_0.dzi", 'TileSize="60"', 'TileSize="1"'),
        "/plane_0.dzi, line 2: <Image> TileSize: '1'; expected an integer in 16..4096",
    ),
    "missing column": (
        "google",
        lambda f: (f / "plane_2/2/1/2.png").unlink(),
        "/plane_2/2/1/2.png: is missing; expected a tile",
    ),
    "levels of google": (
        "google",
        lambda f: (f / "plane_2" / "2").rename(f / "plane_2" / "3"),
        "/plane_2: the highest level is 3; expected 2",
    ),
    "number of tiles": (
        "zoomify",
        lambda f: swap(f / "plane_0/ImageProperties.xml", 'NUMTILES="', 'NUMTILES="1'),
        "/plane_0/ImageProperties.xml, line 1: <IMAGE_PROPERTIES> NUMTILES: 1866 tiles; "
        "expected 844 or 845 or 866",
    ),
    "tile group": (
        "zoomify",
        lambda f: (f / "plane_1/TileGroup2").rename(f / "plane_1/TileGroup9"),
        "/plane_1/TileGroup2/6-9-8.png: is missing; expected a tile",
    ),
    "offset outside": (
        "tarzoom",
        lambda f: edit_json(
            f / "plane_1.tzi", offsets=[*offsets_of(f / "plane_1.tzi")[:-1], 1 << 60]
        ),
        "/plane_1.tzi: $.offsets[69]: 1152921504606846976; expected an integer in {low}..{size} "
        "(the size of plane_1.tzb)",
    ),
    "offset not a number": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", offsets=[0, float("nan"), *range(68)]),
        "/plane_1.tzi: $.offsets[1]: NaN; expected an integer in 1..{size} "
        "(the size of plane_1.tzb)",
    ),
    "offsets going back": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", offsets=[0, 9, 9, *range(67)]),
        "/plane_1.tzi: $.offsets[2]: 9; expected an integer in 10..{size} "
        "(the size of plane_1.tzb)",
    ),
    "negative offset": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", offsets=[-1, *range(69)]),
        "/plane_1.tzi: $.offsets[0]: -1; expected an integer in 0..{size} "
        "(the size of plane_1.tzb)",
    ),
    "number of offsets": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", offsets=[0, 10]),
        "/plane_1.tzi: $.offsets: 2 values; expected 64 or 70 for 5 levels",
    ),
    "offsets of another kind": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", offsets={"0": 1}),
        '/plane_1.tzi: $.offsets: {{"0": 1}}; expected an array',
    ),
    "number of levels": (
        "tarzoom",
        lambda f: edit_json(f / "plane_1.tzi", nlevels=10**6),
        "/plane_1.tzi: $.nlevels: 1000000; expected an integer in 1..32",
    ),
    "truncated tiles": (
        "tarzoom",
        lambda f: (f / "plane_1.tzb").write_bytes((f / "plane_1.tzb").read_bytes()[:-1]),
        "/plane_1.tzi: $.offsets[69]: {top}; expected an integer in {low}..{size} "
        "(the size of plane_1.tzb)",
    ),
    "damaged tile": (
        "tarzoom",
        lambda f: (f / "plane_1.tzb").write_bytes(bytes((f / "plane_1.tzb").stat().st_size)),
        "/plane_1.tzb, tile 24: is no JPEG, PNG or WebP; expected JPEG, PNG or WebP",
    ),
    "no tiles": (
        "tarzoom",
        lambda f: (f / "plane_1.tzb").unlink(),
        "/plane_1.tzb: is missing; expected the tiles of its .tzi",
    ),
    "no .tzi": (
        "tarzoom",
        lambda f: (f / "plane_2.tzi").unlink(),
        "/plane_2.tzi: is missing; expected a JSON file",
    ),
    "size in .tzi": (
        "tarzoom",
        lambda f: edit_json(f / "plane_0.tzi", width=10**6),
        "/plane_0.tzi: $.width: 1000000; expected 513, as info.json states",
    ),
    "stride": (
        "itarzoom",
        lambda f: edit_json(f / "planes.tzi", stride=2),
        "/planes.tzi: $.stride: 2; expected 3, the number of pictures",
    ),
    "iiif": (
        "tarzoom",
        lambda f: [
            *(p.unlink() for p in f.glob("plane_*")),
            (f / "plane_0").mkdir(),
            (f / "plane_0" / "info.json").write_text("{}"),
        ],
        ": layout iiif; expected layout image, deepzoom, google, zoomify, tarzoom or itarzoom",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    layout, harm, message = DAMAGE[name]
    folder = tmp_path / "a"
    describe(folder, make(), "png")
    MAKERS[layout](folder, make(), "png")
    offsets = offsets_of(folder / "plane_1.tzi") if layout == "tarzoom" else [0, 0]
    harm(folder)
    blob = folder / "plane_1.tzb"
    values = {
        "low": offsets[-2] + 1,
        "top": offsets[-1],
        "size": blob.stat().st_size if blob.exists() else 0,
    }
    with pytest.raises(DrtiError) as caught:
        READER.read(folder)
    assert str(caught.value) == f"{folder}{message.format(**values)}"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["deepzoom", "tarzoom", "zoomify"])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "a"
    describe(folder, make(), "png")
    MAKERS[layout](folder, make(), "png")
    name = {
        "deepzoom": "plane_0_files/4/1_1.png",
        "tarzoom": "plane_0.tzb",
        "zoomify": "plane_0/TileGroup0",
    }[layout]
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(FormatError) as caught:
        READER.read(folder)
    assert str(caught.value) == (
        f"{folder / name}: is a link to {tmp_path.resolve() / 'outside'}; "
        "expected a file inside the folder"
    )


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["deepzoom", "google", "zoomify", "tarzoom", "itarzoom"])
def test_largest_claims_cost_nothing(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """65535 x 65535 in a few bytes: refused before anything is allocated."""
    folder = tmp_path / "a"
    describe(folder, make(), "png")
    MAKERS[layout](folder, make(), "png")
    edit_json(folder / "info.json", width=65535, height=65535)
    for path in folder.glob("*.tzi"):
        edit_json(path, width=65535, height=65535)
    for path in folder.glob("*.dzi"):
        path.write_text(path.read_text().replace("513", "65535").replace("300", "65535"))
    for path in folder.glob("*/*.xml"):
        text = path.read_text().replace('"513"', '"65535"').replace('"300"', '"65535"')
        path.write_text(text.replace('NUMTILES="866"', 'NUMTILES="22369621"'))
    if layout == "deepzoom":
        (folder / "plane_0_files" / "16").mkdir()
        (folder / "plane_1_files" / "16").mkdir()
        (folder / "plane_2_files" / "16").mkdir()
    if layout == "google":
        for i in range(3):
            (folder / f"plane_{i}" / "8").mkdir()
    monkeypatch.setattr(scratch, "empty", None)
    with pytest.raises((FormatError, MissingFileError)) as caught:
        READER.read(folder)
    message = {
        "deepzoom": "/plane_0_files/16/0_0.png: is missing; expected a tile",
        "google": "/plane_0/8/0/0.png: is missing; expected a tile",
        "zoomify": "/plane_0/TileGroup21845/12-0-0.png: is missing; expected a tile",
        "tarzoom": "/plane_0.tzi: $.offsets: 70 values; expected 1396737 for 5 levels",
        "itarzoom": "/planes.tzi: $.offsets: 208 values; expected 4190209 for 5 levels",
    }[layout]
    assert str(caught.value) == f"{folder}{message}"


def test_tile_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    describe(folder, make(), "png")
    deepzoom(folder, make(), "png")
    with (folder / "plane_0_files/4/0_0.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError) as caught:
        READER.read(folder)
    assert str(caught.value) == (
        f"{folder}/plane_0_files/4/0_0.png: 1099511627776 bytes; "
        "expected at most 4217368 for 62x62 pixels"
    )


def test_real_tarzoom_opens_and_is_without_seams(data: Path) -> None:
    model = open_model(data / "openlime" / "bln")
    assert model.codec_id == "bilinear"
    assert model.shape == (1024, 1024)
    assert model.planes is not None
    r, g, b = model.planes.codes[:3].astype(float)
    # Luma only: the tiles' chroma is subsampled, so that it does step from tile to tile.
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    for axis in (0, 1):
        jumps = np.abs(np.diff(luma, axis=axis)).mean(axis=1 - axis)
        for seam in (255, 511, 767):
            around = np.delete(jumps[seam - 8 : seam + 9], 8)
            assert jumps[seam] < 1.3 * around.mean()
    assert strict_json.load(data / "openlime" / "bln" / "info.json")["nplanes"].value == 18
