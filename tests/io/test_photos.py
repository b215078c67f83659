"""One photograph: what its header says, and its pixels by either decoder."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.errors import MissingExtraError, MissingFileError, StackError
from drti_core.io.pictures import decoders
from drti_core.io.pictures.photos import decode, probe, stream

WINDOW = Window(3, 2, 10, 20)


@pytest.fixture(params=["libvips", "pillow"])
def decoder(request, monkeypatch):
    """Both decoders, one after the other."""
    if request.param == "libvips":
        pytest.importorskip("pyvips", reason="libvips is not installed")
    else:
        monkeypatch.setattr(decoders, "libvips", lambda: None)
    return request.param


def pixels(channels: int = 3) -> np.ndarray:
    """24 rows of 40 pixels in flat blocks, which JPEG keeps nearly."""
    blocks = np.random.default_rng(1).integers(30, 226, (3, 5, channels), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


def save(path: Path, array: np.ndarray, orientation: int = 1, **options) -> Path:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    quality = {"quality": 98, "subsampling": 0} if path.suffix == ".jpg" else {}
    image.save(path, exif=exif, **quality, **options)
    return path


def save16(path: Path, array: np.ndarray) -> Path:
    pyvips = pytest.importorskip("pyvips", reason="libvips writes 16-bit RGB")
    kind = "rgb16" if array.shape[2] >= 3 else "grey16"
    pyvips.Image.new_from_array(array).copy(interpretation=kind).write_to_file(str(path))
    return path


def check(path: Path, expected: np.ndarray, tolerance: int = 0) -> None:
    """`decode` and `stream`, of the whole and of a window, give the expected pixels."""
    info = probe(path)
    assert (*info.shape, info.channels) == expected.shape
    assert info.dtype == expected.dtype
    whole = decode(info)
    assert whole.dtype == expected.dtype
    assert np.abs(whole.astype(int) - expected).max() <= tolerance
    part = decode(info, WINDOW)
    assert np.array_equal(part, whole[WINDOW.slices])
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"before")
        stream(info, WINDOW, file)
        assert file.tell() == 6 + part.nbytes
        file.seek(6)
        assert file.read() == part.tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_eight_bits(tmp_path, decoder, suffix, channels):
    """A grey photograph is grey, not RGB triples (B7)."""
    array = pixels(channels)
    path = save(tmp_path / f"a{suffix}", array)
    assert probe(path).bits == 8
    check(path, array, tolerance=4 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, decoder, suffix, orientation):
    from PIL import Image, ImageOps

    path = save(tmp_path / f"a{suffix}", pixels(), orientation)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert probe(path).orientation == orientation
    check(path, upright, tolerance=4 if suffix == ".jpg" else 0)


def test_exif_of_a_png_may_stand_after_its_pixels(tmp_path, decoder):
    """As exiftool puts it there."""
    path = save(tmp_path / "a.png", pixels(), 6)
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    last = data.index(b"IEND") - 4
    path.write_bytes(data[:start] + data[end:last] + data[start:end] + data[last:])
    assert probe(path).orientation == 6
    check(path, np.rot90(pixels(), -1), tolerance=0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey(tmp_path, decoder, suffix):
    array = pixels(1).astype(np.uint16) * 257 - 5
    check(save16(tmp_path / f"a{suffix}", array), array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour(tmp_path, decoder, suffix, channels):
    if (decoder, suffix) == ("pillow", ".png"):
        pytest.skip("refused, see below")
    array = pixels(channels).astype(np.uint16) * 257 - 5
    path = save16(tmp_path / f"a{suffix}", array)
    assert probe(path).bits == 16
    check(path, array[..., :3])


def test_sixteen_bit_colour_is_not_cut_to_eight(tmp_path, monkeypatch):
    path = save16(tmp_path / "a.png", pixels(3).astype(np.uint16))
    monkeypatch.setattr(decoders, "libvips", lambda: None)
    with pytest.raises(MissingExtraError) as error:
        probe(path)
    assert str(error.value) == (
        "16-bit RGB photographs needs the 'tiles' extra, which is not installed. "
        "Install it with: pip install 'drti[tiles]'"
    )


@pytest.mark.parametrize(
    ("mode", "suffix", "channels", "dropped"),
    [
        ("LA", ".png", 1, "transparency"),
        ("RGBA", ".png", 3, "transparency"),
        ("RGBA", ".tif", 3, "transparency"),
        ("P", ".png", 3, ""),
        ("P", ".tif", 3, ""),
        ("1", ".png", 1, ""),
        ("1", ".tif", 1, ""),
    ],
)
def test_other_kinds(tmp_path, decoder, mode, suffix, channels, dropped):
    from PIL import Image

    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(pixels()).convert(mode)
    image.save(path)
    assert probe(path).dropped == dropped
    wanted = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    check(path, wanted.reshape(24, 40, channels))


def test_profile_packet_and_resolution_are_carried(tmp_path, decoder):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = save(tmp_path / "a.jpg", pixels(), icc_profile=profile, xmp=b"<x/>", dpi=(300, 300))
    info = probe(path)
    assert (info.icc, info.xmp, info.dpi) == (profile, b"<x/>", 300)
    check(path, pixels(), tolerance=4)  # the profile is not applied


# --- Graymaps


GREY = np.arange(24, dtype=np.uint16).reshape(4, 6) * 170


@pytest.mark.parametrize(
    ("head", "data", "bits", "factor"),
    [
        (b"P5\n6 4\n255\n", (GREY // 17).astype(np.uint8).tobytes(), 8, 1 / 17),
        (b"P5 # by a toolbox\n# two\n6 4 65535 ", GREY.astype(">u2").tobytes(), 16, 1),
        (b"P5\t6\r4 4095\n", GREY.astype(">u2").tobytes(), 16, 65535 / 4095),
        (b"P2\n6 4\n4095\n", " ".join(map(str, GREY.ravel())).encode(), 16, 65535 / 4095),
    ],
)
def test_graymaps(tmp_path, decoder, head, data, bits, factor):
    path = tmp_path / "a.dat"  # judged by content
    path.write_bytes(head + data)
    info = probe(path)
    assert (info.format, info.shape, info.channels, info.bits) == ("pgm", (4, 6), 1, bits)
    whole = decode(info)
    assert (whole.dtype, whole.shape) == (info.dtype, (4, 6, 1))
    assert np.abs(whole[..., 0] - GREY * factor).max() <= 0.5
    part = Window(1, 2, 2, 3)
    assert np.array_equal(decode(info, part), whole[part.slices])
    with tempfile.TemporaryFile(buffering=0) as file:
        stream(info, part, file)
        file.seek(0)
        assert file.read() == whole[part.slices].tobytes()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"P5\n6 4\n255\n" + bytes(23), "34 bytes for 6x4 pixels"),
        (b"P5\n6 4\n70000\n" + bytes(99), "6x4 pixels of values up to 70000"),
        (b"P5\n6 four\n", "no width, height and value of white"),
    ],
)
def test_damaged_graymaps(tmp_path, content, text):
    path = tmp_path / "a.pgm"
    path.write_bytes(content)
    with pytest.raises(StackError) as error:
        probe(path)
    assert str(error.value) == (
        f"{path}: its header cannot be read ({text}); expected {READABLE}. Restore the file from "
        "its original, or save it anew."
    )


def test_a_graymap_of_words_or_too_bright(tmp_path):
    path = tmp_path / "a.pgm"
    for content, reason in (
        (b"P2 2 1 9 1 x ", "2 words for 2 values"),
        (b"P5 2 1 9 \x01\x0a", "a value of 10, above white at 9"),
    ):
        path.write_bytes(content)
        with pytest.raises(StackError) as error:
            decode(probe(path))
        assert str(error.value) == f"{path}: its pixels cannot be decoded ({reason}); {WHOLE}"


# --- Damage

WHOLE = "expected a whole, undamaged photograph. Restore the file from its original."
READABLE = "an 8- or 16-bit RGB or grey JPEG, PNG, TIFF or PGM"


def noisy(path: Path) -> Path:
    """A photograph of many bytes."""
    return save(path, np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(tmp_path, decoder, suffix, share):
    path = noisy(tmp_path / f"a{suffix}")
    if suffix == ".tif":  # with the directory first, so that the header is still there
        from PIL import Image

        image = Image.open(path)
        image.load()
        image.save(path, big_tiff=False, compression=None)
        raw = path.read_bytes()
        assert struct.unpack("<I", raw[4:8])[0] < 100
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    info = probe(path)
    for read in (lambda: decode(info), lambda: stream_to_nowhere(info)):
        with pytest.raises(StackError) as error:
            read()
        text = str(error.value)
        assert text.startswith(f"{path}: its pixels cannot be decoded (")
        assert text.endswith(f"); {WHOLE}")


def stream_to_nowhere(info):
    with tempfile.TemporaryFile(buffering=0) as file:
        stream(info, Window(0, 0, *info.shape), file)


def test_a_jpeg_damaged_in_its_midst(tmp_path):
    pytest.importorskip("pyvips", reason="Pillow hides libjpeg's warnings")
    path = noisy(tmp_path / "a.jpg")
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 40] = b"\xff\xd9" * 20
    path.write_bytes(raw)
    with pytest.raises(StackError) as error:
        decode(probe(path))
    assert str(error.value) == (
        f"{path}: its pixels cannot be decoded "
        f"(VipsJpeg: Corrupt JPEG data: premature end of data segment); {WHOLE}"
    )


def test_a_camera_s_oddity_is_no_damage(tmp_path, decoder):
    """Some cameras write Se = 0 in the scan header: libjpeg warns, the pixels are right."""
    path = save(tmp_path / "a.jpg", pixels())
    raw = bytearray(path.read_bytes())
    start = raw.index(b"\xff\xda")
    length = struct.unpack(">H", raw[start + 2 : start + 4])[0]
    end = start + 2 + length
    assert raw[end - 3 : end] == b"\0\x3f\0"
    raw[end - 2] = 0
    path.write_bytes(raw)
    check(path, pixels(), tolerance=4)


def test_missing(tmp_path):
    path = tmp_path / "no.jpg"
    with pytest.raises(MissingFileError) as error:
        probe(path)
    assert str(error.value) == f"{path}: is not there; expected a photograph. Restore the file."


def test_not_a_photograph(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"GIF89a and so on")
    with pytest.raises(StackError) as error:
        probe(path)
    assert str(error.value) == (
        f"{path}: starts with b'GIF89a a'; expected {READABLE}. Save it as {READABLE}."
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_header_cut(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", pixels())
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(StackError) as error:
        probe(path)
    text = str(error.value)
    assert text.startswith(f"{path}: its header cannot be read (")
    assert text.endswith(
        f"); expected {READABLE}. Restore the file from its original, or save it anew."
    )


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", ".jpg"), ("CMYK", ".tif"), ("I", ".tif")])
def test_other_colours_are_refused(tmp_path, mode, suffix):
    from PIL import Image

    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels()).convert("L" if mode == "I" else mode).convert(mode).save(path)
    bits = 32 if mode == "I" else 8
    with pytest.raises(StackError) as error:
        probe(path)
    assert str(error.value) == (
        f"{path}: has {bits}-bit samples of mode {mode}; "
        f"expected {READABLE}. Save it as {READABLE}."
    )


def png_of_size(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0"))


@pytest.mark.parametrize(("width", "height"), [(70000, 10), (10, 70000), (40000, 40000)])
def test_bombs_are_refused_by_their_header(tmp_path, width, height):
    path = tmp_path / "a.png"
    path.write_bytes(png_of_size(width, height))
    with pytest.raises(StackError) as error:
        probe(path)
    assert str(error.value) == (
        f"{path}: claims {width}x{height} pixels; expected sides up to 65535 and 1000000000 "
        "pixels in all. Scale or crop the photographs first."
    )


def test_a_large_honest_header_raises_no_warning(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_of_size(20000, 10000))
    assert probe(path).shape == (10000, 20000)
