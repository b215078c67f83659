"""Stacks of photographs and of arrays: windows, masks, selections, samples, and refusals."""

from __future__ import annotations

import gc
import pickle
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drti_core.arrays import Window, bands
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import DrtiError, MissingFileError, OptionError, ResourceError, StackError
from drti_core.io.pictures import decoders
from drti_core.io.pictures.photos import decode
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.stack import ArrayStack, ImageStack, Stack
from drti_core.stack import decoded as decoding
from drti_core.stack.stack import load_mask

L, H, W = 7, 30, 21
LIGHTS = LightDirections.from_spherical(np.arange(L) * 50, 40)
PIXELS = np.random.default_rng(3).integers(0, 256, (L, H, W, 3), dtype=np.uint8)
WHOLE = Window(0, 0, H, W)
PARTS = [WHOLE, Window(0, 0, 1, W), Window(29, 0, 1, W), Window(4, 3, 9, 11), Window(29, 20, 1, 1)]


def save(folder: Path, images: np.ndarray, suffix: str = ".png") -> list[Path]:
    from PIL import Image

    paths = [folder / f"image{i}{suffix}" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image.squeeze()).save(path)
    return paths


@pytest.fixture(params=["memory", "file", "file, pillow"])
def storage(request, monkeypatch):
    """Where decoded photographs are kept, and who decodes them."""
    if request.param != "memory":
        monkeypatch.setenv("DRTI_MEMORY", "0")
    if request.param.endswith("pillow"):
        monkeypatch.setattr(decoders, "libvips", lambda: None)
    return request.param


@pytest.fixture
def decoded(monkeypatch):
    """Names of the photographs that were decoded, in order."""
    names: list[str] = []
    for name in ("decode", "stream"):
        original = getattr(decoding, name)

        def counted(info, *rest, _original=original):
            names.append(info.path.name)
            return _original(info, *rest)

        monkeypatch.setattr(decoding, name, counted)
    return names


# --- What it is, and copies of it


def test_a_stack_says_what_it_is_in_a_line(tmp_path):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS, to_linear=True)
    assert repr(stack) == "<ImageStack 7 photographs 30 x 21 uint8 linear>"
    assert repr(ArrayStack.of(PIXELS, LIGHTS)) == "<ArrayStack 7 photographs 30 x 21 uint8 srgb>"


@pytest.mark.parametrize("used", [False, True])
def test_stacks_pickle(tmp_path, storage, used):
    """The photographs are decoded anew where the copy is used."""
    whole = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    part = Window(4, 3, 9, 11)
    changed = whole.mapped(partial(np.subtract, 255)).cropped(part)
    arrays = ArrayStack.of(PIXELS, LIGHTS)
    for stack in (
        whole,
        whole.select([2, 0]),
        changed,
        changed.cropped(Window(2, 1, 5, 6)),
        arrays,
    ):
        if used:
            stack.prepare()
        again = pickle.loads(pickle.dumps(stack))  # noqa: S301
        window = Window(0, 0, *stack.shape)
        assert np.array_equal(again.codes(window), stack.codes(window))
        assert np.array_equal(again.lights.xyz, stack.lights.xyz)
        assert repr(again) == repr(stack)
    assert np.array_equal(
        changed.codes(Window(0, 0, 9, 11)),
        255 - PIXELS[:, part.slices[0], part.slices[1]].reshape(L, -1, 3),
    )


def test_a_stack_says_why_it_does_not_pickle(tmp_path):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS).mapped(lambda pixels: 255 - pixels)
    with pytest.raises(StackError) as error:
        pickle.dumps(stack)
    text = str(error.value)
    assert text.startswith(
        "image0.png: the pixels of the photographs are changed by a function that does not pickle ("
    )
    assert "<lambda>" in text
    assert text.endswith(
        "); expected a function of a module. Define it with def at the top of a module, or open "
        "the stack where it is to be used."
    )


# --- Windows


@pytest.mark.parametrize("window", PARTS)
def test_windows(tmp_path, storage, window):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    wanted = PIXELS[:, window.slices[0], window.slices[1]].reshape(L, -1, 3)
    codes = stack.codes(window)
    assert codes.dtype == np.uint8
    assert np.array_equal(codes, wanted)
    values = stack.read(window)
    assert values.dtype == np.float32
    assert np.allclose(values, wanted / 255, atol=1e-7)


def test_facts(tmp_path):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    assert (len(stack), stack.shape, stack.channels, stack.code_max) == (L, (H, W), 3, 255)
    assert stack.names == tuple(f"image{i}.png" for i in range(L))
    assert (stack.encoding, stack.notes, stack.mask) == ("srgb", (), None)


@pytest.mark.parametrize("window", [Window(0, 0, H + 1, W), Window(-1, 0, 2, 2)])
def test_a_window_outside_is_refused(tmp_path, window):
    for stack in (ImageStack.open(save(tmp_path, PIXELS), LIGHTS), ArrayStack.of(PIXELS, LIGHTS)):
        with pytest.raises(OptionError, match="expected a part of the 21x30 image"):
            stack.codes(window)


def test_crop(tmp_path, storage):
    crop = Window(5, 2, 20, 10)
    paths = save(tmp_path, PIXELS)
    inside = PIXELS[:, 5:25, 2:12]
    for stack in (
        ImageStack.open(paths, LIGHTS, crop=crop),
        ArrayStack.of(PIXELS, LIGHTS, crop=crop),
    ):
        assert stack.shape == (20, 10)
        assert np.array_equal(stack.codes(Window(0, 0, 20, 10)), inside.reshape(L, -1, 3))
        assert np.array_equal(
            stack.codes(Window(3, 4, 6, 5)), inside[:, 3:9, 4:9].reshape(L, -1, 3)
        )
    with pytest.raises(OptionError) as error:
        ImageStack.open(paths, LIGHTS, crop=Window(0, 0, 31, 10))
    assert str(error.value) == "window 10x31+0+0; expected a part of the 21x30 image"


def test_turned_photographs(tmp_path, storage):
    """All orientations of one upright picture, cropped: the same pixels."""
    from PIL import Image

    upright = Image.fromarray(PIXELS[0])
    # What a camera held that way stores: the inverse of what the tag asks for.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    paths = []
    for tag, turn in stored.items():
        exif = Image.Exif()
        exif[274] = tag
        paths.append(tmp_path / f"o{tag}.png")
        (upright if turn is None else upright.transpose(turn)).save(paths[-1], exif=exif)
    lights = LightDirections.from_spherical(np.arange(8), 40)
    stack = ImageStack.open(paths, lights, crop=Window(3, 2, 20, 15))
    for codes in stack.codes(Window(1, 1, 10, 12)):
        assert np.array_equal(codes, PIXELS[0, 4:14, 3:15].reshape(-1, 3))


def test_bands_are_of_a_bounded_size():
    wide = np.broadcast_to(np.zeros((), np.uint8), (L, 40_000, 20_000, 3))
    stack = ArrayStack.of(wide, LIGHTS)
    assert 12e6 < stack.band_rows * 20_000 * 3 * L < 24e6
    assert ArrayStack.of(PIXELS, LIGHTS).band_rows == H
    one = np.broadcast_to(np.zeros((), np.float32), (L, 2, 10_000_000, 3))
    assert ArrayStack.of(one, LIGHTS).band_rows == 1


def test_bands_join_to_the_whole(tmp_path, storage):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    joined = np.concatenate([stack.codes(band) for band in bands(stack.shape, 7)], axis=1)
    assert np.array_equal(joined, stack.codes(WHOLE))


# --- Kinds of photographs


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_grey_photographs(tmp_path, storage, suffix):
    """Not read as RGB triples (B7)."""
    grey = np.broadcast_to(np.arange(L, dtype=np.uint8)[:, None, None] * 30 + 9, (L, H, W))
    stack = ImageStack.open(save(tmp_path, grey, suffix), LIGHTS)
    assert stack.channels == 1
    assert np.array_equal(stack.codes(WHOLE), np.repeat(grey.reshape(L, -1, 1), 3, axis=2))


def test_grey_among_colour(tmp_path, storage):
    paths = save(tmp_path, PIXELS)
    save(tmp_path, PIXELS[:2, ..., 0])
    stack = ImageStack.open(paths, LIGHTS)
    assert stack.channels == 3
    assert stack.notes == ("2 of 7 photographs are grey among colour ones (image0.png, …).",)
    codes = stack.codes(WHOLE).reshape(L, H, W, 3)
    assert np.array_equal(codes[:2], PIXELS[:2, ..., :1].repeat(3, axis=3))
    assert np.array_equal(codes[2:], PIXELS[2:])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("memory", [True, False])
def test_sixteen_bits(tmp_path, monkeypatch, suffix, memory):
    pyvips = pytest.importorskip("pyvips", reason="16-bit RGB needs libvips")
    if not memory:
        monkeypatch.setenv("DRTI_MEMORY", "0")
    deep = PIXELS.astype(np.uint16) * 257 - (PIXELS > 9)
    paths = [tmp_path / f"i{i}{suffix}" for i in range(L)]
    for path, image in zip(paths, deep, strict=True):
        pyvips.Image.new_from_array(image).copy(interpretation="rgb16").write_to_file(str(path))
    stack = ImageStack.open(paths, LIGHTS)
    assert (stack.dtype, stack.code_max) == (np.uint16, 65535)
    assert np.array_equal(stack.codes(PARTS[3]), deep[:, 4:13, 3:14].reshape(L, -1, 3))
    assert np.allclose(stack.read(WHOLE), deep.reshape(L, -1, 3) / 65535, atol=1e-7)


def test_transparency_and_profiles(tmp_path):
    from PIL import Image, ImageCms

    paths = save(tmp_path, PIXELS)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(PIXELS[3])
    image.putalpha(40)
    image.save(paths[3], icc_profile=profile)
    stack = ImageStack.open(paths, LIGHTS)
    assert stack.icc == profile
    assert stack.notes == (
        "1 of 7 photographs have transparency that leaves no pixel; it is left out.",
        "The photographs have different ICC profiles; the first one found is kept.",
    )
    assert np.array_equal(stack.codes(WHOLE)[3], PIXELS[3].reshape(-1, 3))


# --- Encodings


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_values_in_either_encoding(dtype):
    scale = {np.uint8: 1, np.uint16: 257, np.float64: 1 / 255}[dtype]
    images = (PIXELS.astype(np.float64) * scale).astype(dtype)
    plain = PIXELS.reshape(L, -1, 3) / 255
    as_is = ArrayStack.of(images, LIGHTS)
    linear = ArrayStack.of(images, LIGHTS, to_linear=True)
    assert (as_is.encoding, linear.encoding) == ("srgb", "linear")
    assert np.allclose(as_is.read(WHOLE), plain, atol=1e-6)
    assert np.allclose(linear.read(WHOLE), srgb_to_linear(plain), atol=1e-6)
    assert np.array_equal(linear.codes(WHOLE), as_is.codes(WHOLE))
    assert linear.read(WHOLE).dtype == np.float32


def test_linear_photographs_stay_linear(tmp_path):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS, code_encoding="linear", to_linear=True)
    assert stack.encoding == "linear"
    assert np.allclose(stack.read(WHOLE), PIXELS.reshape(L, -1, 3) / 255, atol=1e-7)
    from dataclasses import replace

    encoded = replace(stack, encoding="srgb").read(WHOLE)
    assert np.allclose(encoded, linear_to_srgb(PIXELS.reshape(L, -1, 3) / 255), atol=1e-6)


# --- Masks


def test_mask(tmp_path, storage):
    from PIL import Image

    mask = np.zeros((H, W), bool)
    mask[5:20, 3:12] = True
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    crop = Window(4, 2, 20, 15)
    paths = save(tmp_path, PIXELS)
    wanted = (PIXELS * mask[..., None])[:, 4:24, 2:17].reshape(L, -1, 3)
    for given in (tmp_path / "mask.png", str(tmp_path / "mask.png"), mask, mask[crop.slices]):
        for stack in (
            ImageStack.open(paths, LIGHTS, crop=crop, mask=given),
            ArrayStack.of(PIXELS, LIGHTS, crop=crop, mask=given),
        ):
            assert np.array_equal(stack.codes(Window(0, 0, 20, 15)), wanted)


def test_bad_masks():
    with pytest.raises(OptionError) as size:
        ArrayStack.of(PIXELS, LIGHTS, mask=np.ones((3, 4)), crop=Window(0, 0, 5, 5))
    assert str(size.value) == (
        "mask: a mask of 4x3 pixels; expected 21x30 or 5x5, as the photographs or what is left of "
        "them. Save the mask in the size that the photographs are opened in."
    )
    with pytest.raises(OptionError) as empty:
        ArrayStack.of(PIXELS, LIGHTS, mask=np.zeros((H, W)))
    assert str(empty.value) == "mask: the mask is empty; expected a pixel inside"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_of_a_mask_that_is_an_object_cut_out_the_opaque_part_is_inside(mode, tmp_path):
    from PIL import Image

    inside = np.zeros((6, 8), bool)
    inside[2:5, 3:7] = True
    grey = Image.fromarray(np.full((6, 8), 30, np.uint8))  # of a dark object
    picture = grey.convert("RGB")
    picture.putalpha(Image.fromarray(inside.astype(np.uint8) * 255))
    path = tmp_path / "cut.png"
    (picture.quantize(8) if mode == "P" else picture.convert(mode)).save(path)
    assert np.array_equal(load_mask(path, (6, 8), Window(0, 0, 6, 8)), inside)


# --- Selections


def test_nothing_is_decoded_twice_or_in_vain(tmp_path, storage, decoded):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    assert decoded == []
    part = stack.select([4, 1])
    assert np.array_equal(part.codes(WHOLE), PIXELS[[4, 1]].reshape(2, -1, 3))
    assert sorted(decoded) == ["image1.png", "image4.png"]
    assert np.array_equal(
        part.select([1]).codes(PARTS[3]), PIXELS[1:2, 4:13, 3:14].reshape(1, -1, 3)
    )
    assert len(decoded) == 2
    stack.prepare()
    stack.codes(WHOLE)
    assert sorted(decoded) == [f"image{i}.png" for i in range(L)]


def test_selection_carries_lights_and_names(tmp_path):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS).select(np.array([6, 0]))
    assert stack.names == ("image6.png", "image0.png")
    assert np.array_equal(stack.lights.xyz, LIGHTS.xyz[[6, 0]])
    assert len(stack) == 2
    arrays = ArrayStack.of(PIXELS, LIGHTS).select([6, 0]).select([1])
    assert arrays.names == ("image 0",)
    assert np.array_equal(arrays.codes(WHOLE), PIXELS[:1].reshape(1, -1, 3))


@pytest.mark.parametrize("indices", [[], [7], [-1]])
def test_bad_selections(indices):
    with pytest.raises(OptionError) as error:
        ArrayStack.of(PIXELS, LIGHTS).select(indices)
    assert str(error.value) == f"photographs {indices}; expected some of 0 to 6"


# --- Samples


def rows_of(sample: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(pixel.ravel().tolist()) for pixel in sample.swapaxes(0, 1)}


def test_samples(tmp_path, storage):
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    sample = stack.sample(100, seed=5)
    assert sample.shape == (L, 100, 3)
    assert sample.dtype == np.float32
    assert np.array_equal(sample, stack.sample(100, seed=5))
    assert not np.array_equal(sample, stack.sample(100, seed=6))
    drawn = rows_of(sample)
    assert len(drawn) == 100  # no pixel twice
    assert drawn <= rows_of(stack.read(WHOLE))
    every = stack.sample(10**6, seed=0)
    assert np.array_equal(every, stack.read(WHOLE))


def test_samples_are_spread_over_the_rows():
    rows = np.broadcast_to(np.arange(3000, dtype=np.uint16)[:, None], (1, 3000, 50))
    stack = ArrayStack.of(rows, LIGHTS[:1])
    drawn = np.rint(stack.sample(1000, seed=1)[0, :, 0] * 65535)
    counts = np.histogram(drawn, bins=10, range=(0, 3000))[0]
    assert len(drawn) == 1000
    assert counts.min() >= 90
    assert counts.max() <= 110


def test_samples_keep_to_the_mask():
    mask = np.zeros((H, W), bool)
    mask[3, 4] = mask[20, 1:9] = mask[25:] = True
    images = np.where(mask[..., None], np.maximum(PIXELS, 1), 0)
    stack = ArrayStack.of(images, LIGHTS, mask=mask)
    for count in (1, 7, 50, 114, 1000):
        sample = stack.sample(count, seed=2)
        assert sample.shape[1] == min(count, mask.sum())
        assert (sample > 0).all()
    assert rows_of(stack.sample(1000, seed=0)) == rows_of(stack.read(WHOLE)[:, mask.ravel()])
    with pytest.raises(OptionError) as error:
        stack.sample(0, seed=0)
    assert str(error.value) == "a sample of 0 pixels; expected 1 or more"


# --- Arrays


@pytest.mark.parametrize("shape", [(L, H, W), (L, H, W, 1)])
def test_grey_arrays(shape):
    stack = ArrayStack.of(PIXELS[..., 0].reshape(shape), LIGHTS)
    assert stack.channels == 1
    assert np.array_equal(stack.codes(WHOLE), PIXELS[..., :1].repeat(3, 3).reshape(L, -1, 3))


def test_float_arrays():
    images = PIXELS / 255
    stack = ArrayStack.of(images, LIGHTS, names=[f"n{i}" for i in range(L)])
    assert (stack.dtype, stack.code_max) == (np.float32, 1.0)
    assert np.array_equal(stack.read(WHOLE), images.astype(np.float32).reshape(L, -1, 3))
    images[2, 7, 3] = np.nan
    assert np.isfinite(stack.read(Window(8, 0, 5, W))).all()
    with pytest.raises(StackError) as error:
        stack.read(WHOLE)
    assert str(error.value) == (
        "n2: holds a value that is not finite; expected numbers, nominally 0..1"
    )


def test_the_array_is_neither_copied_nor_changed():
    images = PIXELS.copy()
    stack = ArrayStack.of(images, LIGHTS, mask=np.eye(H, W))
    stack.codes(WHOLE)
    assert np.array_equal(images, PIXELS)
    assert np.shares_memory(stack.images, images)


@pytest.mark.parametrize(
    ("images", "names", "text"),
    [
        (
            np.zeros((L, H, W, 2), np.uint8),
            (),
            "image array of shape (7, 30, 21, 2); expected (L, H, W), (L, H, W, 1) or (L, H, W, 3)",
        ),
        (
            np.zeros((L, H, W), np.int32),
            (),
            "image array of int32; expected uint8, uint16 or float",
        ),
        (PIXELS[:6], (), "6 photographs and 7 lights; expected one light for each"),
        (PIXELS, ("a",), "1 names; expected 7, one for each image"),
    ],
)
def test_bad_arrays(images, names, text):
    with pytest.raises(StackError) as error:
        ArrayStack.of(images, LIGHTS, names=names)
    assert str(error.value) == text


# --- Photographs that do not belong together, or are damaged


def test_another_size_is_found_before_anything_is_decoded(tmp_path, decoded):
    paths = save(tmp_path, PIXELS)
    from PIL import Image

    Image.fromarray(PIXELS[5, :29]).save(paths[5])
    with pytest.raises(StackError) as error:
        ImageStack.open(paths, LIGHTS)
    assert str(error.value) == (
        f"{paths[5]}: has 21x29 pixels; expected 21x30, as image0.png has. "
        "Use photographs of one capture, all processed alike."
    )
    assert decoded == []


def test_another_depth(tmp_path):
    from PIL import Image

    paths = save(tmp_path, PIXELS)
    Image.fromarray(PIXELS[2, ..., 0].astype(np.uint16)).save(paths[2])
    with pytest.raises(StackError) as error:
        ImageStack.open(paths, LIGHTS)
    assert str(error.value) == (
        f"{paths[2]}: has 16 bits a sample; expected 8, as image0.png has. "
        "Use photographs of one capture, all processed alike."
    )


def test_a_missing_photograph(tmp_path):
    paths = save(tmp_path, PIXELS)
    paths[3].unlink()
    with pytest.raises(MissingFileError) as error:
        ImageStack.open(paths, LIGHTS)
    assert str(error.value) == f"{paths[3]}: is not there; expected a photograph. Restore the file."
    with pytest.raises(StackError, match="6 photographs and 7 lights; expected one light for each"):
        ImageStack.open(paths[:6], LIGHTS)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_truncated_photograph_is_named_each_time(tmp_path, storage, suffix):
    paths = save(tmp_path, PIXELS, suffix)
    raw = paths[4].read_bytes()
    paths[4].write_bytes(raw[: len(raw) * 4 // 5])
    stack = ImageStack.open(paths, LIGHTS)
    for _ in range(2):
        with pytest.raises(DrtiError, match="its pixels cannot be decoded") as error:
            stack.codes(WHOLE)
        assert str(error.value).startswith(f"{paths[4]}: ")
    others = stack.select([0, 1, 2, 3, 5, 6])
    clean = ImageStack.open([p for p in paths if p != paths[4]], others.lights)
    assert np.array_equal(others.codes(WHOLE), clean.codes(WHOLE))


def test_a_photograph_that_changes_after_opening(tmp_path, storage):
    from PIL import Image

    paths = save(tmp_path, PIXELS)
    stack = ImageStack.open(paths, LIGHTS)
    Image.fromarray(PIXELS[1, :20]).save(paths[1])
    with pytest.raises(StackError, match="its pixels cannot be decoded") as error:
        stack.codes(WHOLE)
    assert str(paths[1]) in str(error.value)


# --- Scratch


def test_progress(tmp_path, storage):
    said: list[tuple[float, str]] = []
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    stack.prepare(lambda share, what: said.append((share, what)))
    assert [share for share, _ in said] == [(i + 1) / L for i in range(L)]
    assert {what for _, what in said} == {"decoding the photographs"}
    stack.prepare(lambda share, what: said.clear())
    assert len(said) == L


def test_an_interrupt_stops_at_once(tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(decoding, "WORKERS", 1)
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)

    def interrupt(share, what):
        raise KeyboardInterrupt

    original = decode

    def slow(*args):
        import time

        time.sleep(0.02)
        return original(*args)

    monkeypatch.setattr(decoding, "decode", slow)
    with pytest.raises(KeyboardInterrupt):
        stack.prepare(interrupt)
    assert len(decoded) <= 3
    assert np.array_equal(stack.codes(WHOLE), PIXELS.reshape(L, -1, 3))


@pytest.mark.slow
def test_scratch_files_have_no_name_and_go_with_the_stack(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("DRTI_SCRATCH", str(folder))
    monkeypatch.setenv("DRTI_MEMORY", "0")
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    stack.codes(WHOLE)
    assert list(folder.iterdir()) == []
    if Path("/proc/self/fd").is_dir():
        assert scratch_links(folder)
        del stack
        gc.collect()
        assert not scratch_links(folder)


def scratch_links(folder: Path) -> list[str]:
    links = []
    for fd in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(fd.readlink()))
        except OSError:
            continue
    return [link for link in links if link.startswith(str(folder))]


def test_scratch_space_is_checked_first(tmp_path, monkeypatch, decoded):
    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path))
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    usage = SimpleNamespace(free=2 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(stack.spool, "_bytes", lambda index: 10**9)
    with pytest.raises(ResourceError) as error:
        stack.codes(WHOLE)
    assert str(error.value) == (
        f"{tmp_path}: has 200 MB free; expected 7 GB for the decoded photographs. "
        "Set DRTI_SCRATCH (or TMPDIR) to a folder with more room."
    )
    assert decoded == []


def test_a_scratch_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path / "no"))
    stack = ImageStack.open(save(tmp_path, PIXELS), LIGHTS)
    with pytest.raises(ResourceError) as error:
        stack.codes(WHOLE)
    assert str(error.value) == (
        f"{tmp_path / 'no'}: cannot hold temporary files (No such file or directory); "
        "expected a folder that may be written. Set DRTI_SCRATCH (or TMPDIR) to one."
    )


# --- Real photographs


@pytest.mark.slow
def test_real_collections(data):
    from PIL import Image

    from drti_core.registry.doors import open_stack

    for folder in (data / "realrti/item1", data / "synthrti/Single/Object3/material3/Dome"):
        stack = open_stack(folder)
        part = Window(20, 30, 40, 50)
        codes = stack.codes(part).reshape(len(stack), 40, 50, 3)
        for index in (0, len(stack) // 2, len(stack) - 1):
            with Image.open(folder / stack.names[index]) as image:
                reference = np.asarray(image.convert("RGB"))[20:60, 30:80]
            assert np.abs(codes[index].astype(int) - reference).max() <= 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Own(Stack):
    """A stack of somebody else's: no more than windows of pixels."""

    def _read(self, window):
        return PIXELS[list(self.order)][:, *window.slices].copy()


def test_a_part_of_any_stack(tmp_path):
    """Mask, linear values, near lights and a choice of photographs, of a part of a part."""
    positions = LightPositions(LIGHTS.xyz * 100.0)
    given = {"lights": LIGHTS, "positions": positions, "names": tuple("abcdefg")}
    shape, order = PIXELS.shape[1:3], tuple(range(len(PIXELS)))
    mask = np.random.default_rng(0).random(shape) < 0.7
    own = Own(**given, shape=shape, dtype=PIXELS.dtype, order=order).adjusted(mask=mask)
    image = ImageStack.open(save(tmp_path, PIXELS), LIGHTS, positions=positions, mask=mask)
    for crop in (Window(3, 2, 9, 15), Window(1, 4, 5, 6)):
        own = own.adjusted(crop=crop, to_linear=True, pixel_size_mm=0.1)
        image = image.adjusted(crop=crop, to_linear=True, pixel_size_mm=0.1)
        window = Window(1, 1, crop.height - 1, crop.width - 2)
        chosen = [5, 0, 2]
        for one, other in ((own, image), (own.select(chosen), image.select(chosen))):
            assert np.array_equal(one.codes(window), other.codes(window))
            assert np.array_equal(one.read(window), other.read(window))
            assert np.array_equal(one.lights.xyz, other.lights.xyz)
            assert np.array_equal(one.positions.xyz, other.positions.xyz)
            assert (one.shape, one.encoding, one.pixel_size_mm) == (
                (crop.height, crop.width),
                "linear",
                0.1,
            )
    with pytest.raises(OptionError) as error:
        own.adjusted(mask=np.zeros(own.shape))
    assert str(error.value) == "mask: the mask is empty; expected a pixel inside"
    with pytest.raises(OptionError) as error:
        own.adjusted(pixel_size_mm=-1.0)
    assert str(error.value) == "pixel size -1.0; expected millimetres, more than 0"
