"""Picture files: strips against whole encodings, bands, limits, damage."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from drti_core.errors import (
    FileError,
    FormatError,
    MissingFileError,
    OptionError,
    OutputExistsError,
    UnsupportedFormatError,
)
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.jpeg import JPEG_MAX_SIDE, Chroma, encode_jpeg, write_jpeg
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.save import save_picture
from drti_core.io.pictures.webp import encode_webp
from drti_core.io.pictures.writers import rows_of
from tests.helpers.pictures import read_picture

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(height: int, width: int, channels: int = 3, dtype: Any = np.uint8) -> Any:
    rng = np.random.default_rng(height * width)
    smooth = np.add.outer(np.arange(height) * 2, np.arange(width) * 3)[..., None]
    noise = rng.integers(0, 60, (height, width, channels))
    top = np.iinfo(dtype).max
    values = ((smooth + noise * 2) * (1 if top == 255 else 97) % (top + 1)).astype(dtype)
    return values[..., 0] if channels == 1 else values


@pytest.mark.parametrize("chroma", ["444", "420"])
@pytest.mark.parametrize("keep_rgb", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (64, 40), (130, 77), (700, 33)])
def test_a_jpeg_of_strips_decodes_like_one_of_one_piece(
    tmp_path: Path, shape: tuple[int, int], keep_rgb: bool, chroma: Chroma
) -> None:
    array = picture(*shape)
    path = tmp_path / "a.jpg"
    write_jpeg(path, rows_of(array), shape, quality=90, keep_rgb=keep_rgb, chroma=chroma, icc=ICC)
    whole = io.BytesIO()
    halved = 2 if chroma == "420" and not keep_rgb else 0
    Image.fromarray(array).save(whole, "JPEG", quality=90, subsampling=halved, keep_rgb=keep_rgb)
    expected = np.asarray(Image.open(whole))
    with Image.open(path) as image:
        assert image.size == shape[::-1]
        assert image.info["icc_profile"] == ICC
        assert ("adobe_transform" in image.info) is keep_rgb
        assert ("jfif" in image.info) is not keep_rgb
        sampling = {layer[1] for layer in image.layer[:1]}  # type: ignore[attr-defined]
        assert sampling == {2 if halved else 1}
        np.testing.assert_array_equal(np.asarray(image), expected)
    pyvips = pytest.importorskip("pyvips")
    vips = pyvips.Image.new_from_file(str(path), revalidate=True)
    np.testing.assert_array_equal(vips.numpy(), expected)


def test_a_grey_jpeg_of_strips(tmp_path: Path) -> None:
    array = picture(150, 50, 1)
    write_jpeg(tmp_path / "a.jpg", rows_of(array), (150, 50))
    whole = Image.open(io.BytesIO(encode_jpeg(array)))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg"), np.asarray(whole))


@pytest.mark.slow
def test_restart_intervals_of_the_widest_jpeg_fit_in_their_field(tmp_path: Path) -> None:
    array = picture(100, JPEG_MAX_SIDE, 1)
    write_jpeg(tmp_path / "a.jpg", rows_of(array), array.shape, quality=50)
    whole = Image.open(io.BytesIO(encode_jpeg(array, 50)))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.jpg"), np.asarray(whole))


def test_jpeg_refuses_what_libjpeg_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    text = f"{path}: a JPEG of 65501x2 pixels; expected sides of 1 to 65500. Write PNG instead."
    with pytest.raises(OptionError, match=f"^{re.escape(text)}$"):
        write_jpeg(path, rows_of(picture(2, 2)), (2, 65501))
    with pytest.raises(OptionError, match=r"quality 101; expected 1 to 100$"):
        write_jpeg(path, rows_of(picture(2, 2)), (2, 2), quality=101)


@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_png_keeps_every_sample(tmp_path: Path, channels: Any, bits: Any) -> None:
    array = picture(133, 41, channels, np.uint8 if bits == 8 else np.uint16)
    path = tmp_path / "a.png"
    write_png(path, rows_of(array), (133, 41), channels=channels, bits=bits, icc=ICC)
    pyvips = pytest.importorskip("pyvips")
    vips = pyvips.Image.new_from_file(str(path), revalidate=True).numpy()
    np.testing.assert_array_equal(vips.reshape(array.shape), array)
    with Image.open(path) as image:
        assert image.info["icc_profile"] == ICC
        image.verify()
    if (channels, bits) != (3, 16):
        np.testing.assert_array_equal(read_picture(path), array)


def test_files_are_the_same_bytes_every_time(tmp_path: Path) -> None:
    array = picture(200, 90)
    sums = []
    for name in ("a", "b"):
        write_jpeg(tmp_path / f"{name}.jpg", rows_of(array), (200, 90), icc=ICC)
        write_png(tmp_path / f"{name}.png", rows_of(array), (200, 90), icc=ICC)
        files = [tmp_path / f"{name}.{suffix}" for suffix in ("jpg", "png")]
        sums.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert sums[0] == sums[1]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_large_pictures_are_streamed_and_give_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    pytest.importorskip("pyvips")
    array = picture(600, 50)
    path = tmp_path / f"a.{suffix}"
    save_picture(path, array)
    whole = read_picture(path)
    monkeypatch.setattr(plane_pictures, "_STREAM_PIXELS", 0)
    monkeypatch.setattr(plane_pictures, "_decoded", None)  # Pillow must not be asked
    np.testing.assert_array_equal(read_picture(path), whole)


def test_a_replaced_file_is_not_taken_from_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips")
    monkeypatch.setattr(plane_pictures, "_STREAM_PIXELS", 0)
    path = tmp_path / "a.png"
    for seed in (40, 41):
        array = picture(seed, 40)[:40]
        save_picture(path, array, overwrite=True)
        np.testing.assert_array_equal(read_picture(path), array)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, streamed: bool
) -> None:
    if streamed:
        pytest.importorskip("pyvips")
        monkeypatch.setattr(plane_pictures, "_STREAM_PIXELS", 0)
    path = tmp_path / f"a.{suffix}"
    save_picture(path, picture(300, 300))
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(FormatError, match=f"^{re.escape(str(path))}: damaged picture "):
        read_picture(path)


def png(width: int, height: int, kind: int = 2) -> bytes:
    """A PNG's header that claims a size."""
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        out += struct.pack(">I", len(data)) + name + data
        out += struct.pack(">I", zlib.crc32(name + data))
    return out


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", FormatError, "is empty; expected JPEG, PNG or WebP"),
        (
            b"GIF89a....",
            UnsupportedFormatError,
            "is no JPEG, PNG or WebP; expected JPEG, PNG or WebP",
        ),
        (
            png(60000, 60000),
            FormatError,
            "claims 60000x60000 pixels in 69 bytes; expected sides of 1 to 65535 and at most "
            "23736 pixels",
        ),
        *(
            (
                head,
                FormatError,
                "claims 16000x4200 pixels; expected at most 67108864 pixels of a WebP",
            )
            for head in (
                b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x7f\x3e\0\x67\x10\0",
                b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0/" + (15999 | 4199 << 14).to_bytes(9, "little"),
                b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + b"\x80\x3e\x68\x10",
            )
        ),
        (
            png(9, 9, 6),
            UnsupportedFormatError,
            "a picture of mode RGBA with 8 bits; expected 8-bit RGB or grey, or 16-bit grey",
        ),
    ],
)
def test_headers_are_checked_before_anything_is_allocated(
    tmp_path: Path, content: bytes, kind: type[Exception], message: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(kind, match=f"^{re.escape(f'{path}: {message}')}$"):
        plane_pictures.open_picture(path)


@pytest.mark.parametrize("streamed", [False, True])
def test_webp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool) -> None:
    if streamed:
        pytest.importorskip("pyvips")
        monkeypatch.setattr(plane_pictures, "_STREAM_PIXELS", 0)
    path = tmp_path / "a.webp"
    pixels = picture(300, 70)
    path.write_bytes(encode_webp(pixels))
    np.testing.assert_array_equal(read_picture(path), pixels)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(FormatError, match=f"^{re.escape(str(path))}: damaged picture "):
        read_picture(path)
    wide = np.zeros((1, 16384, 3), np.uint8)
    with pytest.raises(OptionError) as caught:
        encode_webp(wide)
    assert str(caught.value) == "a WebP of 16384x1 pixels; expected sides of 1 to 16383"


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_disk_that_fails_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What the system says is told as it is; what the decoder says is damage."""
    path = tmp_path / f"a.{kind}"
    save_picture(path, picture(20, 30))

    def fail(number: int | None) -> None:
        def load(_: object) -> None:
            raise OSError(number, os.strerror(number)) if number else OSError("broken data stream")

        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)

    fail(errno.EIO)
    with pytest.raises(FileError) as error:
        read_picture(path)
    assert str(error.value) == f"{path}: Input/output error"
    assert error.value.errno == errno.EIO
    fail(None)
    with pytest.raises(FormatError) as damage:
        read_picture(path)
    assert str(damage.value) == f"{path}: damaged picture (broken data stream)"


@pytest.mark.parametrize("raised", [EOFError, ZeroDivisionError, AttributeError, RecursionError])
def test_whatever_a_decoder_raises_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: type[Exception]
) -> None:
    path = tmp_path / "a.png"
    save_picture(path, picture(20, 30))

    def load(_: object) -> None:
        raise raised("odd")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(FormatError) as damage:
        read_picture(path)
    assert str(damage.value) == f"{path}: damaged picture (odd)"


@pytest.mark.parametrize(("frames", "last"), [((2**32 - 1,), False), ((0,), True), ((1, 1), True)])
def test_damaged_animations(tmp_path: Path, frames: tuple[int, ...], last: bool) -> None:
    """Of which Pillow would warn, when the pixels are decoded too."""
    path = tmp_path / "a.png"
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(path)
    data, chunks = path.read_bytes(), b""
    for count in frames:
        body = b"acTL" + struct.pack(">II", count, 0)
        chunks += struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    at = len(data) - 12 if last else 33
    path.write_bytes(data[:at] + chunks + data[at:])
    at += 20 * (len(frames) - 1)
    with pytest.raises(FormatError) as error:
        plane_pictures.open_picture(path)
    problem = f"an animation of {frames[-1]} frames at byte {at}"
    assert str(error.value) == f"{path}: damaged picture ({problem})"


@pytest.mark.parametrize("place", [b"\x7f\xff\xff\xff", b"\0\0\0\x28"])
def test_damaged_exif_is_no_warning(tmp_path: Path, place: bytes) -> None:
    """Pillow looks there for a resolution; the pixels are whole."""
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x011A] = 72.0
    Image.fromarray(np.full((8, 8, 3), 7, np.uint8)).save(path, exif=exif)
    data = path.read_bytes()
    at = data.index(b"\x01\x1a\0\x05") + 8  # where the number lies
    path.write_bytes(data[:at] + place + data[at + 4 :])
    with pytest.warns(UserWarning, match="Truncated|Tag data"), Image.open(path):
        pass
    assert plane_pictures.open_picture(path).shape == (8, 8)
    assert (read_picture(path) == 7).all()


def test_a_missing_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(
        MissingFileError, match=f"^{re.escape(str(path))}: is missing; expected a pic"
    ):
        plane_pictures.open_picture(path)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        *((s, np.uint8) for s in (".png", ".tif", ".tiff", ".npy")),
        *((s, np.uint16) for s in (".png", ".tif", ".npy")),
        *((s, np.float32) for s in (".tif", ".npy")),
    ],
)
@pytest.mark.parametrize("icc", [None, ICC], ids=["plain", "icc"])  # it holds the time
def test_saved_pictures_read_back_exactly(
    tmp_path: Path, suffix: str, dtype: Any, icc: bytes | None
) -> None:
    array = picture(75, 31, 3, np.uint16).astype(dtype)
    if dtype == np.float32:
        array = array / 60000 - np.float32(0.1)
    path = save_picture(tmp_path / f"a{suffix}", array, icc=icc)
    if suffix == ".npy":
        back = np.load(path, allow_pickle=False)
    else:
        pyvips = pytest.importorskip("pyvips")
        image = pyvips.Image.new_from_file(str(path), revalidate=True)
        back = image.numpy()
        if icc:
            assert bytes(image.get("icc-profile-data")) == icc
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


def test_save_refuses_by_name(tmp_path: Path) -> None:
    array = picture(4, 4)
    path = tmp_path / "a.bmp"
    text = f"{path}: file ending '.bmp'; expected .png, .jpg, .jpeg, .tif, .tiff, .npy"
    with pytest.raises(OptionError, match=f"^{re.escape(text)}$"):
        save_picture(path, array)
    path = tmp_path / "a.jpg"
    text = (
        f"{path}: a picture float32 of shape (4, 4, 3); expected uint8 of shape (H, W, 3) for .jpg"
    )
    with pytest.raises(OptionError, match=f"^{re.escape(text)}$"):
        save_picture(path, array.astype(np.float32))
    save_picture(path, array)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="exists already"):
        save_picture(path, array[::-1])
    assert path.read_bytes() == before
    save_picture(path, array[::-1], overwrite=True)
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == ["a.jpg"]
