"""TIFF and BigTIFF: written strip by strip, and read without libvips."""

from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from drti_core.arrays import Window
from drti_core.errors import StackError
from drti_core.io.pictures import decoders, exif, tiff
from drti_core.io.pictures.photos import decode, probe
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import Tags, rows_of

KINDS = (np.uint8, np.uint16, np.float32)
EXIF = exif.write(
    exif.Exif(
        {271: (2, b"Makers & Sons\0")},
        {33434: (5, struct.pack("<II", 1, 60)), 36867: (2, b"2020:01:02 03:04:05\0")},
        {1: (2, b"N\0")},
    )
)
SAID = Tags(exif=EXIF, xmp=b"<x/>", pixel_size_mm=0.125)


def picture(height: int, width: int, kind: Any = np.uint16, samples: int = 3) -> Any:
    values = np.random.default_rng(height).random((height, width, samples))
    return (values * (1 if kind == np.float32 else np.iinfo(kind).max)).astype(kind)


@pytest.fixture(params=["classic", "big"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "big":
        monkeypatch.setattr(tiff, "_CLASSIC_BYTES", 0)
    return str(request.param)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvips is not installed."""
    monkeypatch.setattr(decoders, "libvips", lambda: None)


# --- Written


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (64, 5), (200, 41)])
def test_what_is_written_is_read_by_others(
    tmp_path: Path, size: str, kind: Any, shape: tuple[int, int]
) -> None:
    array, path, asked = picture(*shape, kind), tmp_path / "a.tif", []

    def rows(y: int, height: int) -> Any:
        asked.append(height)
        return array[y : y + height]

    write_tiff(path, rows, shape, kind, icc=b"profile", tags=SAID)
    assert max(asked) <= 64
    assert sum(asked) == shape[0]
    assert path.read_bytes()[:4] == (b"II*\0" if size == "classic" else b"II+\0")
    pyvips = pytest.importorskip("pyvips")
    image = pyvips.Image.new_from_file(str(path), revalidate=True)
    np.testing.assert_array_equal(image.numpy().reshape(array.shape), array)
    assert image.get("icc-profile-data") == b"profile"
    assert (image.get("xmp-data"), image.xres) == (b"<x/>", 8.0)  # pixels to a millimetre
    with tifffile.TiffFile(path) as file:
        tags = file.pages.first.tags
        assert tags["ExifTag"].value["ExposureTime"] == (1, 60)
        assert tags["GPSTag"].value == {"GPSLatitudeRef": "N"}
        assert 270 not in tags  # nothing of the library's own
        assert 305 not in tags


def test_exif_is_read_again(tmp_path: Path, size: str) -> None:
    array = picture(30, 20)
    write_tiff(tmp_path / "a.tif", rows_of(array), (30, 20), np.uint16, icc=b"icc", tags=SAID)
    info = probe(tmp_path / "a.tif")
    assert (info.exif, info.icc, info.xmp) == (EXIF, b"icc", b"<x/>")
    assert info.dpi == pytest.approx(203.2)
    np.testing.assert_array_equal(decode(info), array)


@pytest.mark.parametrize(("height", "head"), [(22000, b"II*\0"), (22400, b"II+\0")])
def test_more_than_four_gigabytes_are_a_bigtiff(tmp_path: Path, height: int, head: bytes) -> None:
    class EnoughError(Exception):
        """Of this test."""

    def rows(y: int, count: int) -> Any:
        if y:
            raise EnoughError
        return np.zeros((count, 32000, 3), np.uint16)

    with pytest.raises(EnoughError):
        write_tiff(tmp_path / "a.tif", rows, (height, 32000), np.uint16, icc=None)
    with (tmp_path / "a.tif").open("rb") as file:
        assert file.read(4) == head


# --- Read without libvips


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"rowsperstrip": 7},
        {"tile": (16, 32)},
        {"planarconfig": "separate", "rowsperstrip": 5},
        {"compression": "zlib", "rowsperstrip": 9},
        {"compression": "zlib", "predictor": True, "tile": (32, 16)},
        {"compression": "zlib", "planarconfig": "separate", "tile": (16, 16)},
    ],
)
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_layouts(
    tmp_path: Path, plain: None, layout: dict[str, Any], samples: int, order: Any, big: bool
) -> None:
    array, path = picture(61, 47, samples=samples), tmp_path / "a.tif"
    separate = layout.get("planarconfig") == "separate" and samples > 1
    tifffile.imwrite(
        path,
        np.ascontiguousarray(np.moveaxis(array, -1, 0)) if separate else array.squeeze(),
        photometric="minisblack" if samples == 1 else "rgb",
        bigtiff=big,
        byteorder=order,
        **{key: value for key, value in layout.items() if separate or key != "planarconfig"},
    )
    info = probe(path)
    wanted = array[..., : 1 if samples == 1 else 3]
    found = tiff.read(path, Window(0, 0, 61, 47), wanted.shape[2])
    assert found is not None
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(decode(info), wanted)
    window = Window(10, 20, 33, 17)
    part = decode(info, window)
    np.testing.assert_array_equal(part, wanted[window.slices])
    assert part.dtype == np.uint16


def test_samples_of_four_bits_are_left_to_pillow(tmp_path: Path, plain: None) -> None:
    """Two to a byte, which only Pillow brings to 0..255."""
    path, data = tmp_path / "a.tif", bytes([0x0F, 0x3C, 0x5A, 0x96])
    tags = {256: 4, 257: 2, 258: 4, 259: 1, 262: 1, 273: 122, 277: 1, 278: 2, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data)
    assert decode(probe(path))[..., 0].tolist() == [[0, 255, 51, 204], [85, 170, 153, 102]]
    assert tiff.refusal(path, 1) == "4-bit samples of type uint8"


@pytest.mark.parametrize("tag", [34412, 65420])  # of LSM, of NDPI
def test_what_calls_itself_a_microscopes(
    tmp_path: Path, plain: None, tag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a picture like any other: none of its other pages is looked at."""
    array, path = picture(5, 7), tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        np.stack([array] * 3),
        photometric="rgb",
        metadata=None,
        extratags=[(271, 2, None, "Maker", True), (tag, 1, 40, bytes(40), True)],
    )
    numbers = []
    monkeypatch.setattr(tifffile.TiffPages, "__getitem__", lambda self, key: numbers.append(key))
    np.testing.assert_array_equal(decode(probe(path)), array)
    assert numbers == []


def test_a_compression_that_needs_more(
    tmp_path: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyvips = pytest.importorskip("pyvips", reason="writes LZW")
    path = tmp_path / "a.tif"
    image = pyvips.Image.new_from_array(picture(40, 30)).copy(interpretation="rgb16")
    image.tiffsave(str(path), compression="lzw")
    monkeypatch.setattr(tiff, "find_spec", lambda name: None)
    with pytest.raises(StackError) as caught:
        probe(path)
    assert str(caught.value) == (
        f"{path}: 16-bit RGB with compression LZW; expected RGB without compression or with "
        "deflate (LZW needs imagecodecs). Save it so, or install what reads others: "
        "pip install 'drti[tiles]'."
    )


@pytest.mark.slow
def test_a_strip_that_inflates_without_end_is_refused(tmp_path: Path, plain: None) -> None:
    path = tmp_path / "a.tif"
    bomb = zlib.compress(bytes(1 << 27))
    tifffile.imwrite(
        path,
        iter([bomb]),
        shape=(8, 8, 3),
        dtype=np.uint16,
        photometric="rgb",
        compression="zlib",
        rowsperstrip=8,
    )
    with pytest.raises(StackError) as caught:
        decode(probe(path))
    assert str(caught.value) == (
        f"{path}: its pixels cannot be decoded ({len(bomb)} bytes of a strip or tile of 384); "
        "expected a whole, undamaged photograph. Restore the file from its original."
    )
    small = zlib.compress(bytes(1 << 20))
    data = path.read_bytes()
    path.write_bytes(
        data.replace(struct.pack("<I", len(bomb)), struct.pack("<I", len(small))).replace(
            bomb, small
        )
    )
    with pytest.raises(StackError, match="a strip or tile of 385 bytes where 384 are expected"):
        decode(probe(path))


@pytest.mark.timeout(20)
def test_tiles_that_are_not_there_cost_nothing(tmp_path: Path, plain: None) -> None:
    """A file of 200 bytes that claims 900 million tiles, of which a crop needs the last."""
    path = tmp_path / "a.tif"
    tags = {256: 30000, 257: 30000, 258: 8, 259: 1, 262: 1, 277: 1, 322: 1, 323: 1, 324: 8, 325: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(68))
    with pytest.raises(StackError, match=r"\(1 strips or tiles of 900000000\); expected a whole"):
        decode(probe(path), Window(29999, 29999, 1, 1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("layout", [{}, {"compression": "zlib", "tile": (16, 16)}])
def test_damage_is_always_refused_as_such(
    tmp_path: Path, plain: None, layout: dict[str, Any]
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(20, 20), photometric="rgb", **layout)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for number in range(300):
        data = bytearray(whole)
        for at in random.integers(0, min(len(data), 500), random.integers(1, 5)):
            data[at] = random.integers(256)
        if number % 3 == 0:
            del data[random.integers(4, len(data)) :]
        path.write_bytes(data)
        try:
            info = probe(path)
            if info.width * info.height < 1 << 22:  # many are claimed: slow, but no more
                decode(info)
        except StackError:
            continue


@pytest.mark.usefixtures("plain")
def test_odd_tags_are_not_told_while_pixels_are_decoded(tmp_path: Path) -> None:
    """By Pillow, whose warnings are the process's: in threads, and told again afterwards."""
    path = tmp_path / "a.tif"
    picked = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(picked).save(path, compression="packbits")
    data = path.read_bytes()
    at = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[at : at + 2], "little")
    odd = struct.pack("<HHII", 305, 2, 1 << 20, 8)  # a text longer than the file
    entries = data[at + 2 : at + 2 + 12 * count] + odd
    path.write_bytes(
        data[:4]
        + struct.pack("<I", len(data))
        + data[8:]
        + struct.pack("<H", count + 1)
        + entries
        + bytes(4)
    )
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: decode(probe(path)), range(12)))
    assert all((each[..., 0] == picked).all() for each in found)
    assert warnings.filters == before
    # As Pillow of either bound words it.
    with pytest.warns(UserWarning, match="Tag data larger than file|Truncated File Read"):
        decoders.open_image(path, "tiff", "a").load()
