"""PIL.Image.open of relightable images."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

import drti_core as drti
import drti_core.pillow
from drti_core.io import scratch
from drti_core.io.pictures.exif import Exif, write
from drti_core.testing import make_stack

FRONT = drti.LightDirections.from_disk([[0, 0]])


@pytest.fixture
def model():
    known = {"pixel_size_mm": 0.05, "xmp": b"<x:xmpmeta></x:xmpmeta>", "icc": bytes(200)}
    known |= {"exif": write(Exif({271: (2, b"A camera\0")})), "comments": ("Königsgrab",)}
    return drti.get_codec("hsh:terms=4").fit(make_stack()).with_metadata(**known)


@pytest.mark.parametrize("name", ["a.ptm", "a.rti", "no ending"])
def test_it_is_a_picture(tmp_path, name, model):
    if name == "a.ptm":
        model = drti.get_codec("ptm").fit(make_stack())
    writer = "ptm" if name == "a.ptm" else "rti"
    drti.save_model(model, tmp_path / name, writer=writer)
    model = drti.open_model(tmp_path / name)
    with Image.open(tmp_path / name) as picture:
        assert picture.format == writer.upper()
        assert picture.mode == "RGB"
        assert picture.size == model.shape[::-1]
        assert picture.get_format_mimetype() == f"image/x-{writer}"
        expected = model.relight_uint8(FRONT)[0]
        assert np.array_equal(np.asarray(picture), expected)
        for x, y in ((0.5, -0.3), (0, 0), (-1, 0)):
            other = picture.relight(x, y)
            light = drti.LightDirections.from_disk([[x, y]])
            assert np.array_equal(np.asarray(other), model.relight_uint8(light)[0])
            assert type(other) is Image.Image
        with pytest.raises(ValueError, match="unit disk"):
            picture.relight(1, 1)
        # What Pillow does with pictures.
        picture.save(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as saved:
            assert np.array_equal(np.asarray(saved), expected)
        assert picture.copy().resize((4, 4)).size == (4, 4)
        assert np.array_equal(
            np.asarray(picture.convert("L")), np.asarray(Image.fromarray(expected).convert("L"))
        )


def test_what_the_file_knows(tmp_path, model):
    drti.save_model(model, tmp_path / "a.rti")
    with Image.open(tmp_path / "a.rti") as picture:
        info = picture.info
        assert info["pixel_size_mm"] == 0.05
        assert info["dpi"] == pytest.approx((508, 508))
        assert info["xmp"] == model.metadata.xmp
        assert info["icc_profile"] == model.metadata.icc
        assert info["comments"] == ["Königsgrab"]
        assert np.allclose(info["lights"], model.metadata.lights.xyz, atol=1e-6)
        assert picture.getexif()[271] == "A camera"
        assert picture.relight(0.1, 0.2).info == info
    assert picture._model is not None
    drti.save_model(drti.get_codec("ptm").fit(make_stack()), tmp_path / "a.ptm")
    with Image.open(tmp_path / "a.ptm") as picture:
        assert picture.info == {}


def test_opening_is_lazy_and_bounded(tmp_path, monkeypatch):
    stack = drti.ArrayStack.of(
        np.zeros((4, 600, 900, 3), np.uint8), drti.LightDirections.from_disk(np.eye(4)[:, :2] / 2)
    )
    drti.save_model(drti.get_codec("hsh:terms=4").fit(stack), tmp_path / "a.rti")
    size = (tmp_path / "a.rti").stat().st_size
    assert size > 6_000_000
    with monkeypatch.context() as patched:
        patched.setattr(drti_core.pillow.RTI.__class__, "read", None)
        Image.open(tmp_path / "a.rti").close()  # Pillow imports its plugins
        tracemalloc.start()
        picture = Image.open(tmp_path / "a.rti")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert picture.size == (900, 600)
        assert peak < size / 10
    picture.load()
    picture.close()


def test_streams(tmp_path, monkeypatch, model):
    """The bytes of a stream are spooled to a file that goes with the picture."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("DRTI_SCRATCH", str(folder))
    assert scratch.directory() == folder
    drti.save_model(model, tmp_path / "a.rti")
    picture = Image.open(io.BytesIO((tmp_path / "a.rti").read_bytes()))
    with Image.open(tmp_path / "a.rti") as same:
        assert np.array_equal(np.asarray(picture), np.asarray(same))
    assert len(list(folder.iterdir())) == 1
    del picture
    assert list(folder.iterdir()) == []


def damaged(content: bytes) -> dict[str, bytes]:
    return {
        "cut short": content[: len(content) // 2],
        "header only": content[:20],
        "empty": b"",
        "huge": content.replace(b"19 14", b"60000 60000", 1),
        "negative": content.replace(b"19 14", b"-19 14", 1),
        "other": b"#HSH1.2\n" + bytes(100),
    }


@pytest.mark.parametrize("what", damaged(b""))
def test_hostile_headers_are_unidentified(tmp_path, model, what):
    drti.save_model(model, tmp_path / "a.rti", writer="rti:eol=lf")
    content = (tmp_path / "a.rti").read_bytes()
    assert b"19 14" in content
    (tmp_path / "b.rti").write_bytes(damaged(content)[what])
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "b.rti")
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(damaged(content)[what]))


def test_damage_found_later_is_an_os_error(tmp_path, model):
    path = tmp_path / "a.ptm"
    drti.save_model(drti.get_codec("lptm").fit(make_stack()), path, writer="ptm:format=jpeg_lrgb")
    content = bytearray(path.read_bytes())
    start = content.index(b"\xff\xd8\xff")
    content[start : start + 200] = bytes(200)
    path.write_bytes(content)
    with Image.open(path) as picture, pytest.raises(OSError, match=r"a\.ptm, plane") as caught:
        picture.load()
    assert not isinstance(caught.value, UnidentifiedImageError)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.ptm"):
        picture.relight(0, 0)


def test_other_pictures_are_left_to_pillow(tmp_path):
    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.xbm").write_text(
        "#define b_width 8\n#define b_height 1\nstatic char b_bits[] = {\n0x01\n};\n"
    )
    for name in ("a.png", "b.xbm"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == name[2:].upper()
    (tmp_path / "c").write_bytes(b"3 is no picture")
    with pytest.raises(UnidentifiedImageError):
        Image.open(tmp_path / "c")


def test_genuine_files(data):
    for name, size in {"tablet1.ptm": (512, 512), "vase.rti": None}.items():
        path = data / "files" / name
        with Image.open(path) as picture:
            assert size is None or picture.size == size
            expected = drti.open_model(path).relight_uint8(FRONT)[0]
            assert np.array_equal(np.asarray(picture), expected)
    with pytest.raises(UnidentifiedImageError):
        Image.open(data / "files" / "fake.rti")


@pytest.mark.slow
def test_nothing_is_registered_before_it_is_imported():
    script = "import drti_core; from PIL import Image; Image.init(); print('PTM' in Image.OPEN)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(drti.__file__).parents[1],
    )
    assert done.stdout == "False\n"
