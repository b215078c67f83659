"""Writing .ptm: bytes, requantisation, round trips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drti_core.arrays import Window
from drti_core.codecs.ptm import CODEC
from drti_core.colour import RGB_TO_YCC
from drti_core.decoder import Planes
from drti_core.errors import OptionError, OutputExistsError, UnsupportedFormatError
from drti_core.formats.ptm import READER, WRITER
from drti_core.formats.ptm.jpeg_write import encode_plane
from drti_core.formats.ptm.quantisation import BiasRule, choose_range
from drti_core.formats.ptm.write import PtmWriter
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr
from drti_core.model import Metadata, StoredModel
from drti_core.options import with_options

SHAPE = (12, 20)
LIGHTS = LightDirections(
    np.array([[0, 0, 1], [0.6, 0.2, 0.7], [-0.5, 0.5, 0.7], [0.1, -0.9, 0.3]], np.float32)
)


def model(
    colorspace: str, codes: Any, scale: Sequence[float], bias: Sequence[float]
) -> StoredModel:
    planes = Planes(codes, np.array(scale, float), np.array(bias, float))
    config = {"codec": "ptm", "version": 1, "colorspace": colorspace, "terms": 6}
    return StoredModel(config, (codes.shape[1], codes.shape[2]), planes)


def noise(count: int, seed: int = 0, dtype: Any = np.uint8, shape: tuple[int, int] = SHAPE) -> Any:
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (count, *shape), dtype, endpoint=True)


def smooth(count: int, shape: tuple[int, int] = (64, 96)) -> Any:
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    waves = [np.sin(n % 4 + 5 * x + (1 + n % 3) * y) for n in range(count)]
    return np.rint(128 + 100 * np.stack(waves)).astype(np.uint8)


def per_colour(dtype: Any = np.uint8) -> StoredModel:
    """A web model: every plane has its own scale and bias, some beyond 0..1."""
    random = np.random.default_rng(7)
    scale = random.uniform(0.2, 2.5, 18)
    bias = np.repeat([-0.4, 0.5, 1.4, 0.2, 0.0, 1.0], 3) + random.uniform(-0.1, 0.1, 18)
    return model("rgb", noise(18, 1, dtype), scale.tolist(), bias.tolist())


def shared(bias: Sequence[float] = (10, -20, 300, 255, 0, 47)) -> StoredModel:
    """As read from a .ptm: one scale and one integer bias for each term."""
    scale = np.repeat([0.5, 1.25, 0.123456, 2, 0.7, 0.999999], 3)
    return model("rgb", noise(18, 2), scale.tolist(), (np.repeat(bias, 3) / 255).tolist())


def values(stored: StoredModel) -> Any:
    assert stored.planes is not None
    return stored.planes.read(Window(0, 0, *stored.shape)).astype(float)


def relit(stored: StoredModel) -> Any:
    return CODEC.restore(stored).relight(LIGHTS)


def test_bytes_of_a_whole_file(tmp_path: Path) -> None:
    codes = np.arange(18, dtype=np.uint8).repeat(2).reshape(18, 2, 1)
    codes[:, 1] += 100
    WRITER.write(
        model("rgb", codes, np.repeat([1, 2, 3, 4, 5, 6.5], 3).tolist(), [0.0] * 18),
        tmp_path / "a.ptm",
    )
    rows = [[9, 15, 12, 3, 6, 0], [10, 16, 13, 4, 7, 1], [11, 17, 14, 5, 8, 2]]
    body = bytes(code + top for row in rows for top in (100, 0) for code in row)
    assert (tmp_path / "a.ptm").read_bytes() == (
        b"PTM_1.2\nPTM_FORMAT_RGB\n1\n2\n"
        b"4.000000 6.500000 5.000000 2.000000 3.000000 1.000000\n0 0 0 0 0 0\n" + body
    )


@pytest.mark.parametrize("version", ["1.2", "1.1"])
def test_bytes_of_lrgb(version: str, tmp_path: Path) -> None:
    codes = np.arange(9, dtype=np.uint8).repeat(2).reshape(9, 1, 2)
    codes[:, :, 1] += 50
    writer = with_options(WRITER, {"version": version})
    writer.write(model("lrgb", codes, [1.0] * 9, [0.0] * 9), tmp_path / "a.ptm")
    terms, colour = [6, 8, 7, 4, 5, 3], [0, 1, 2]
    groups = [terms, colour] if version == "1.2" else [terms + colour]
    body = bytes(code + right for group in groups for right in (0, 50) for code in group)
    assert (tmp_path / "a.ptm").read_bytes() == (
        f"PTM_{version}\nPTM_FORMAT_LRGB\n2\n1\n".encode()
        + b"1.000000 " * 5
        + b"1.000000\n0 0 0 0 0 0\n"
        + body
    )


def test_codes_pass_unchanged_where_the_colours_share_scale_and_integer_bias(
    tmp_path: Path,
) -> None:
    stored = shared()
    assert WRITER.write(stored, tmp_path / "a.ptm") == ()
    again = READER.read(tmp_path / "a.ptm")
    assert stored.planes is not None
    assert again.planes is not None
    np.testing.assert_array_equal(again.planes.codes, stored.planes.codes)
    np.testing.assert_array_equal(again.planes.scale, stored.planes.scale)
    np.testing.assert_allclose(again.planes.bias, stored.planes.bias, rtol=1e-15)
    WRITER.write(again, tmp_path / "b.ptm")
    assert (tmp_path / "b.ptm").read_bytes() == (tmp_path / "a.ptm").read_bytes()


def test_a_kept_scale_of_more_than_six_decimals_is_written_in_full(tmp_path: Path) -> None:
    stored = model("lrgb", noise(9), [1.0] * 3 + [0.12345678, *[1.0] * 5], [0.0] * 9)
    WRITER.write(stored, tmp_path / "a.ptm")
    assert (tmp_path / "a.ptm").read_bytes().split(b"\n")[4].split()[5] == b"0.12345678"
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    assert again.planes.scale[3] == 0.12345678


@pytest.mark.parametrize("bias", ["auto", "byte", "any"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_scales_of_single_colours_are_requantised_without_a_tint(
    bias: str, dtype: Any, tmp_path: Path
) -> None:
    """B1 and B3 and the web → .ptm rule: within half a step, for each colour."""
    stored = per_colour(dtype)
    notes = with_options(WRITER, {"bias": bias}).write(stored, tmp_path / "a.ptm")
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    assert (again.planes.scale > 0).all()
    error = np.abs(values(again) - values(stored)).max(axis=0)
    # Half a step; float32 of the planes' values adds a trifle.
    assert (error <= again.planes.scale / 255 / 2 + 1e-6).all()
    largest = re.fullmatch(
        r"requantised to one scale and one integer bias for each term; "
        r"a coefficient changes by up to ([0-9.]+) of 255",
        notes[0],
    )
    assert largest
    assert float(largest[1]) == pytest.approx(255 * error.max(), rel=0.05)
    integers = again.planes.bias * 255
    np.testing.assert_allclose(integers, np.rint(integers), atol=1e-9)
    outside = (integers < -1e-9) | (integers > 255 + 1e-9)
    assert outside.any() == (bias == "any"), "this model's ranges exclude 0 in places"


def test_auto_keeps_biases_that_byte_makes_0_to_255(tmp_path: Path) -> None:
    stored = shared()
    for rule, low, high in (("auto", -20, 300), ("any", -20, 300), ("byte", 0, 255)):
        path = tmp_path / f"{rule}.ptm"
        with_options(WRITER, {"bias": rule}).write(stored, path)
        biases = [int(word) for word in path.read_bytes().split(b"\n")[5].split()]
        assert (min(biases), max(biases)) == (low, high)
        assert psnr(relit(READER.read(path)), relit(stored), peak=1) > 50


@given(st.floats(-3000, 3000), st.floats(0, 3000), st.sampled_from(["auto", "byte", "any"]))
def test_chosen_range_covers_the_values(low: float, width: float, rule: BiasRule) -> None:
    high = low + width
    scale, bias = choose_range(low, high, rule)
    assert scale > 0
    assert float(f"{scale:.6f}") == scale
    for value in (low, high):
        code = value / scale + bias
        assert -0.501 <= code <= 255.501
    if rule != "any":
        assert 0 <= bias <= 255
    assert abs(bias) <= 255 * 1000 + 256


def test_constant_and_black_planes_give_numbers(tmp_path: Path) -> None:
    """No scale of 0, no NaN, and the value of the constant."""
    codes = np.full((18, *SHAPE), 200, np.uint8)
    stored = model("rgb", codes, [1.0] * 3 + [0.0] * 15, [0.1] * 18)
    notes = WRITER.write(stored, tmp_path / "a.ptm")
    lines = (tmp_path / "a.ptm").read_bytes().split(b"\n")
    assert lines[4] == b"1.000000 1.000000 1.000000 1.000000 1.000000 0.684314"
    assert lines[5] == b"0 0 0 0 0 0"
    again = READER.read(tmp_path / "a.ptm")
    assert np.abs(values(again) - values(stored)).max() < 1e-6
    assert len(notes) == 1
    dark = model("lrgb", np.zeros((9, *SHAPE), np.uint8), [1.0] * 9, [0.0] * 9)
    WRITER.write(replace(dark), tmp_path / "b.ptm")
    assert not relit(READER.read(tmp_path / "b.ptm")).any()


def test_lrgb_becomes_rgb_by_expansion(tmp_path: Path) -> None:
    """B19 the other way round: an LRGB model goes into either kind of file."""
    stored = model("lrgb", noise(9), [1.0] * 3 + [1.5] * 6, [0.0] * 3 + [0.4] * 6)
    assert (
        WRITER.write(stored, tmp_path / "l.ptm")
        == (
            "requantised to one scale and one integer bias for each term; "
            "a coefficient changes by up to 0 of 255",
        )
        or READER.read(tmp_path / "l.ptm").config["colorspace"] == "lrgb"
    )
    notes = PtmWriter(format="rgb").write(stored, tmp_path / "a.ptm")
    assert notes[0] == "lrgb coefficients were converted to RGB"
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    luminance, colour = values(stored)[:, 3:], values(stored)[:, :3]
    wanted = (luminance[:, :, None] * colour[:, None, :]).reshape(-1, 18)
    # Half a step of 8 bits, and half a step of the 16 bits in between.
    assert (np.abs(values(again) - wanted) <= again.planes.scale / 255 * 0.503).all()


def test_ycc_becomes_rgb(tmp_path: Path) -> None:
    rgb = per_colour(np.uint16)
    ycc = values(rgb).reshape(-1, 6, 3) @ RGB_TO_YCC.T.astype(float)
    flat = ycc.reshape(-1, 18).T.reshape(18, *SHAPE)
    low, size = flat.min(axis=(1, 2)), np.ptp(flat, axis=(1, 2))
    codes = np.rint((flat - low[:, None, None]) / size[:, None, None] * 65535).astype(np.uint16)
    stored = model("ycc", codes, size.tolist(), (-low / size).tolist())
    notes = WRITER.write(stored, tmp_path / "a.ptm")
    assert notes[0] == "ycc coefficients were converted to RGB"
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    assert again.config["colorspace"] == "rgb"
    assert (np.abs(values(again) - values(rgb)) <= again.planes.scale / 255 * 0.51).all()


def test_rgb_becomes_lrgb_only_when_asked(tmp_path: Path) -> None:
    """A model that is one colour times a luminance comes back; the note says that there is loss."""
    random = np.random.default_rng(5)
    colour = random.uniform(0.1, 1, (3, *SHAPE))
    luminance = random.uniform(-0.2, 0.2, (6, *SHAPE))
    luminance[0] = random.uniform(0.5, 0.8, SHAPE)
    flat = (luminance[:, None] * colour).reshape(18, *SHAPE)
    codes = np.rint((flat + 0.3) / 1.2 * 65535).astype(np.uint16)
    stored = model("rgb", codes, [1.2] * 18, [0.25] * 18)
    WRITER.write(stored, tmp_path / "rgb.ptm")
    assert READER.read(tmp_path / "rgb.ptm").config["colorspace"] == "rgb"
    notes = PtmWriter(format="lrgb").write(stored, tmp_path / "a.ptm")
    assert notes[0] == (
        "RGB was factored into one colour and one luminance for each pixel, with loss"
    )
    again = READER.read(tmp_path / "a.ptm")
    assert again.config["colorspace"] == "lrgb"
    assert psnr(relit(again), relit(stored), peak=1) > 45


def test_colours_with_another_quantisation_become_bytes(tmp_path: Path) -> None:
    codes = noise(9, 4, np.uint16)
    codes[0, 0, 0] = 0
    stored = model("lrgb", codes, [1.0] * 9, [0.0] * 9)
    notes = WRITER.write(stored, tmp_path / "a.ptm")
    assert len(notes) == 1
    assert np.abs(values(READER.read(tmp_path / "a.ptm")) - values(stored)).max() < 0.51 / 255
    stored = model("lrgb", codes, [1.2] * 9, [0.1] * 9)
    notes = WRITER.write(stored, tmp_path / "b.ptm")
    assert notes[1] == "colours beyond 0..1 were clipped, by up to 31 of 255"


@pytest.mark.parametrize("predict", [False, True])
@pytest.mark.parametrize(("name", "count"), [("jpeg_rgb", 18), ("jpeg_lrgb", 9)])
def test_jpeg_planes(name: str, count: int, predict: bool, tmp_path: Path) -> None:
    codes = smooth(count)
    stored = model(name.removeprefix("jpeg_"), codes, [1.0] * count, [0.0] * count)
    path = tmp_path / "a.ptm"
    notes = PtmWriter(format=name, predict=predict, quality=90).write(stored, path)  # type: ignore[arg-type]
    again = READER.read(path)
    assert again.planes is not None
    worst = int(np.abs(again.planes.codes.astype(int) - codes).max())
    assert 0 < worst <= 12
    assert notes == (f"JPEG changes codes by up to {worst} of 255",)
    lines = path.read_bytes().split(b"\n")
    assert lines[6] == b"90"
    assert (b"-1 " * count).strip() == lines[11] or predict
    assert sorted(map(int, lines[10].split())) == list(range(count))


def test_prediction_makes_similar_planes_smaller(tmp_path: Path) -> None:
    texture = np.random.default_rng(1).integers(60, 196, (64, 96), np.uint8)
    codes = np.stack([texture] * 9)
    codes[1::2] = 255 - texture
    stored = model("lrgb", codes, [1.0] * 9, [0.0] * 9)
    sizes = {}
    for predict in (False, True):
        path = tmp_path / f"{predict}.ptm"
        PtmWriter(format="jpeg_lrgb", predict=predict).write(stored, path)
        sizes[predict] = path.stat().st_size
    assert sizes[True] < sizes[False] / 2
    again = READER.read(tmp_path / "True.ptm")
    assert "8 planes are predicted from another" in again.metadata.notes
    assert again.planes is not None
    assert np.abs(again.planes.codes.astype(int) - codes).max() < 40


@pytest.mark.parametrize("max_error", [0, 2])
@pytest.mark.parametrize("predict", [False, True])
def test_side_information_bounds_the_error(max_error: int, predict: bool, tmp_path: Path) -> None:
    """On noise, where prediction wraps at most pixels."""
    stored = model("lrgb", noise(9), [1.0] * 9, [0.0] * 9)
    assert stored.planes is not None
    writer = PtmWriter(format="jpeg_lrgb", predict=predict, max_error=max_error, quality=60)
    writer.write(stored, tmp_path / "a.ptm")
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    difference = np.abs(again.planes.codes.astype(int) - stored.planes.codes)
    assert difference.max() == max_error


def test_prediction_that_wraps_is_not_used_unless_it_is_corrected(tmp_path: Path) -> None:
    """Codes at both ends of the range, equal in all planes but for a code: P near 0 and 255."""
    flip = np.indices((32, 32)).sum(axis=0) % 2
    codes = np.stack([np.where(flip, 255, 0)] * 9).astype(np.uint8)
    codes[1:] = np.where(flip, 0, 255)
    stored = model("lrgb", codes, [1.0] * 9, [0.0] * 9)
    PtmWriter(format="jpeg_lrgb", predict=True, quality=30).write(stored, tmp_path / "a.ptm")
    again = READER.read(tmp_path / "a.ptm")
    assert again.planes is not None
    assert np.abs(again.planes.codes.astype(int) - codes).max() < 128


def test_a_difference_that_wraps_is_refused_or_corrected() -> None:
    wanted = np.tile(np.arange(12, 252, 4, dtype=np.uint8), (16, 1))
    reference = 255 - wanted
    assert encode_plane(wanted, reference, 90, None) is None
    corrected = encode_plane(wanted, reference, 30, 1)
    assert corrected is not None
    assert np.abs(corrected.plane.astype(int) - wanted).max() == 1
    assert 0 < len(corrected.side) < wanted.size
    near = encode_plane(wanted, wanted // 2, 90, None)
    assert near is not None
    assert np.abs(near.plane.astype(int) - wanted).max() < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "0"}, "ptm: quality: 0; expected 1 to 100"),
        (
            {"format": "jpeg_rgb", "max_error": "256"},
            "ptm: max_error: 256; expected 0 to 255",
        ),
        (
            {"predict": "true"},
            "ptm: format: predict and max_error are for JPEG planes; "
            "expected format jpeg_rgb or jpeg_lrgb",
        ),
        (
            {"format": "jpeg_rgb", "version": "1.1"},
            "ptm: version: 1.1 with jpeg_rgb; expected 1.2",
        ),
        ({"bias": "tight"}, "ptm: bias: 'tight'; expected auto or byte or any"),
    ],
)
def test_options_are_checked(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        with_options(WRITER, options)


@pytest.mark.parametrize(
    ("config", "count", "reason"),
    [
        (
            {"codec": "rbf"},
            18,
            "a .ptm holds polynomial texture maps (codec ptm), not codec rbf; "
            "fit ptm to the photographs, or to pictures relit from this model",
        ),
        (
            {"codec": "ptm", "terms": 3, "colorspace": "rgb"},
            9,
            "a .ptm holds 6 terms, not 3; fit ptm to the photographs",
        ),
        (
            {"codec": "ptm", "terms": 6, "colorspace": "mrgb"},
            18,
            "a .ptm holds RGB or LRGB coefficients, and colorspace mrgb is unknown",
        ),
        (
            {"codec": "ptm", "terms": 6, "colorspace": "rgb"},
            17,
            "6 terms in rgb are 18 planes, and the model has 17",
        ),
    ],
)
def test_other_models_are_refused_by_name(
    config: dict[str, Any], count: int, reason: str, tmp_path: Path
) -> None:
    planes = Planes(np.zeros((count, 1, 1), np.uint8), np.ones(count), np.zeros(count))
    stored = StoredModel(config, (1, 1), planes)
    assert WRITER.refuse(stored) == reason
    path = tmp_path / "a.ptm"
    with pytest.raises(UnsupportedFormatError, match=f"^{re.escape(f'{path}: {reason}')}$"):
        WRITER.write(stored, path)
    assert list(tmp_path.iterdir()) == []


def test_jpeg_planes_have_a_largest_side(tmp_path: Path) -> None:
    stored = model("lrgb", np.zeros((9, 1, 65501), np.uint8), [1.0] * 9, [0.0] * 9)
    path = tmp_path / "a.ptm"
    message = (
        f"{path}: JPEG planes of 65501x1 pixels; expected sides of at most 65500. "
        "Choose format lrgb."
    )
    with pytest.raises(OptionError, match=f"^{re.escape(message)}$"):
        PtmWriter(format="jpeg_lrgb").write(stored, path)


def test_what_has_no_place_is_said(tmp_path: Path) -> None:
    metadata = Metadata(
        lights=LIGHTS, encoding="linear", icc=b"x", pixel_size_mm=0.1, xmp=b"<x/>", comments=("c",)
    )
    notes = WRITER.write(replace(shared(), metadata=metadata), tmp_path / "a.ptm")
    assert notes == (
        "a .ptm has no place for: lights, colour profile, pixel size, XMP packet, comments",
        "its pixels are linear, which a .ptm cannot say: viewers will show them dark",
    )
    narrow = model("rgb", noise(18, shape=(8, 9)), [1.0] * 18, [0.0] * 18)
    notes = PtmWriter(format="jpeg_rgb").write(narrow, tmp_path / "b.ptm")
    assert notes[-1] == "RTIViewer reads JPEG planes only where the width is a multiple of 4"


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.ptm"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        WRITER.write(shared(), path)
    assert path.read_bytes() == b"mine"
    WRITER.write(shared(), path, overwrite=True)
    assert READER.read(path).shape == SHAPE


@pytest.mark.parametrize("name", ["rgb", "lrgb", "jpeg_rgb", "jpeg_lrgb"])
def test_bands_do_not_change_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = per_colour(np.uint16)
    PtmWriter(format=name).write(stored, tmp_path / "a.ptm")  # type: ignore[arg-type]
    monkeypatch.setattr("drti_core.decoder.requantise._BAND_VALUES", 3 * 20 * 36)
    monkeypatch.setenv("DRTI_MEMORY", "0")
    PtmWriter(format=name).write(stored, tmp_path / "b.ptm")  # type: ignore[arg-type]
    assert (tmp_path / "a.ptm").read_bytes() == (tmp_path / "b.ptm").read_bytes()


# Real files -----------------------------------------------------------------------------------


def test_real_files_come_back_unchanged(data: Path, tmp_path: Path) -> None:
    for name in ("files/tablet1.ptm", "files/reference_8x5/reference_8x5.ptm"):
        stored = READER.read(data / name)
        path = tmp_path / Path(name).name
        assert WRITER.write(stored, path) == ()
        again = READER.read(path)
        assert stored.planes is not None
        assert again.planes is not None
        np.testing.assert_array_equal(again.planes.codes, stored.planes.codes)
        np.testing.assert_array_equal(again.planes.scale, stored.planes.scale)
        np.testing.assert_array_equal(again.planes.bias, stored.planes.bias)


@pytest.mark.slow
def test_prediction_is_as_good_as_hp_s(data: Path, tmp_path: Path) -> None:
    path = data / "files" / "tablet1.ptm"
    stored = READER.read(path)
    PtmWriter(format="jpeg_lrgb", predict=True).write(stored, tmp_path / "a.ptm")
    again = READER.read(tmp_path / "a.ptm")
    assert (tmp_path / "a.ptm").stat().st_size < 1.01 * path.stat().st_size
    assert psnr(relit(again), relit(stored), peak=1) > 50
