"""Old .hsh files, faults of known tools that are mended or named, and foreign formats."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import registry
from drti_core.errors import DrtiError, FormatError, UnsupportedFormatError
from drti_core.formats.ptm import PtmReader
from drti_core.formats.rti import READER as RTI
from drti_core.lights import LightDirections
from drti_core.model import StoredModel
from drti_core.planes import Window

H, W = 5, 9
#: Our number of each term a0..a5 of a .ptm.
OURS = (3, 5, 4, 1, 2, 0)
#: Lights of relight's own renders of its folders.
RENDERED = LightDirections(
    np.array(
        [
            [0, 0, 1],
            [0.5, 0.3, 0.812],
            [-0.6, 0.2, 0.775],
            [0.1, -0.85, 0.517],
            [0.9397, 0.1, 0.3269],
        ],
        np.float32,
    )
)


def values(stored: Any) -> Any:
    """(H, W, K) dequantised planes."""
    planes = stored.planes
    return planes.read(Window(0, 0, *planes.shape)).reshape(*planes.shape, -1)


def read(path: Path) -> StoredModel:
    found = registry.find_reader(path).read(path)
    assert isinstance(found, StoredModel)
    return found


# Old .hsh files.


def hsh(
    body: Any, low: Any, high: Any, comments: bytes = b"#HSH1.0\r\n", colours: int = 3
) -> bytes:
    height, width, _, terms = body.shape
    order = round(terms**0.5)
    table = np.concatenate([low, high]).astype("<f4").tobytes()
    return comments + struct.pack("<4i", width, height, colours, order) + table + body.tobytes()


def old(terms: int, width: int = W) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(terms)
    low = rng.uniform(-1, 0, terms).astype("<f4")
    return rng.integers(0, 256, (H, width, 3, terms), np.uint8), low, low + np.float32(1.5)


@pytest.mark.parametrize("terms", [1, 4, 9, 16])
@pytest.mark.parametrize("comments", [b"", b"#HSH1.0\r\n", b"#one\n# two\n"])
def test_old_hsh(tmp_path: Path, terms: int, comments: bytes) -> None:
    body, low, high = old(terms)
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(body, low, high, comments))
    assert registry.find_reader(path).reader_id == "rti"
    stored = read(path)
    expected = body / 255 * (high.astype(float) - low) + low
    found = values(stored).reshape(H, W, -1, 3).swapaxes(2, 3)
    assert np.allclose(found[..., :terms], expected, atol=1e-6)
    assert not found[..., terms:].any()
    assert stored.config["terms"] == max(4, terms)
    assert stored.metadata.notes == ("an old .hsh file with a binary header",)
    assert stored.metadata.comments == tuple(
        line.strip()[1:].strip() for line in comments.decode().splitlines()
    )


def test_old_hsh_whose_width_is_a_hash_sign(tmp_path: Path) -> None:
    """35 is the code of '#'."""
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(*old(4, width=35), comments=b""))
    assert read(path).shape == (H, 35)


def test_old_hsh_of_one_value(tmp_path: Path) -> None:
    """A range of nothing is a constant."""
    body, low, _ = old(4)
    path = tmp_path / "a.hsh"
    path.write_bytes(hsh(body, low, low))
    assert np.allclose(values(read(path)), np.repeat(low, 3), atol=1e-6)


def test_damaged_old_hsh(tmp_path: Path) -> None:
    body, low, high = old(4)
    path = tmp_path / "a.hsh"
    whole = hsh(body, low, high)

    def error(content: bytes) -> str:
        path.write_bytes(content)
        with pytest.raises(DrtiError) as caught:
            read(path)
        return str(caught.value)

    sizes = f"{path}: {{}} bytes; expected 597: a header of 57 and 9x5 pixels of 12 bytes. {{}}"
    assert error(whole[:-1]) == sizes.format(596, "It is cut short; get another copy.")
    assert error(whole + b"x") == sizes.format(598, "Bytes were added, or the header was altered.")
    assert error(hsh(body, low, high, colours=1)) == (f"{path}, at byte 9: 1 colours; expected 3")
    assert error(whole[:9] + struct.pack("<4i", W, H, 3, 5) + whole[25:]) == (
        f"{path}, at byte 9: order 5; expected 1 to 4"
    )
    high[2] = np.nan
    assert error(hsh(body, low, high)) == (
        f"{path}, at byte 49: high nan of term 2; expected a finite number"
    )
    huge = struct.pack("<4i", 65535, 65535, 3, 4)
    assert error(b"#HSH1.0\r\n" + huge + bytes(128)) == (
        f"{path}: 153 bytes; expected 206152138953: a header of 153 and 65535x65535 pixels of 48 "
        "bytes. It is cut short; get another copy."
    )


# relight's .rti of 12 planes (B5).


def four_terms(header: bytes = b"9 2 1\n", rest: float = 0.0) -> tuple[bytes, Any]:
    body, low, high = old(4)
    scale = np.append(high - low, np.full(5, rest)).astype("<f4")
    bias = np.append(low, np.full(5, rest)).astype("<f4")
    start = f"#HSH1.2\n3\n{W} {H} 3\n".encode() + header
    return start + scale.tobytes() + bias.tobytes() + body.tobytes(), (body, low, high)


def test_four_terms_stated_as_nine(tmp_path: Path) -> None:
    path = tmp_path / "a.rti"
    content, (body, low, high) = four_terms()
    path.write_bytes(content)
    stored = read(path)
    expected = body / 255 * (high.astype(float) - low) + low
    found = values(stored).reshape(H, W, 4, 3).swapaxes(2, 3)
    assert np.allclose(found, expected, atol=1e-6)
    assert stored.metadata.notes == (
        "header lines end with LF",
        "header says 9 terms for 4 (a known fault of relight's converter, which also keeps the "
        "scale and bias of red only: green and blue may be tinted); it was read as 4",
    )


def test_nine_terms_cut_short_are_not_four(tmp_path: Path) -> None:
    """With numbers in the last five terms nothing says that there are four."""
    path = tmp_path / "a.rti"
    path.write_bytes(four_terms(rest=0.5)[0])
    with pytest.raises(FormatError) as error:
        RTI.read(path)
    assert str(error.value) == (
        f"{path}: 634 bytes; expected 1309: a header of 22, 72 of scale and bias, 9x5 pixels of "
        "27 bytes, then any XMP packet. It is cut short; get another copy."
    )


# relight's .ptm with clamped biases (B1) or without numbers (B3), and the folder of the same fit.


def ptm(planes: Any, scale: Any, bias: Any, colorspace: str) -> bytes:
    """As relight writes it, from (K, H, W) codes in our order; six of scale and bias."""
    _, height, width = planes.shape
    numbers = [" ".join(f"{v:g}" for v in row) for row in (scale, bias)]
    lines = ["PTM_1.2", f"PTM_FORMAT_{colorspace.upper()}", str(width), str(height), *numbers, ""]
    upside = planes[:, ::-1]
    if colorspace == "rgb":
        blocks = [[3 * term + channel for term in OURS] for channel in range(3)]
    else:
        blocks = [[3 + term for term in OURS], [0, 1, 2]]
    body = [np.moveaxis(upside[block], 0, -1).tobytes() for block in blocks]
    return "\n".join(lines).encode() + b"".join(body)


def clamped(bias: Any) -> Any:
    """relight's rounding of a bias, in codes."""
    return np.clip(np.floor(np.asarray(bias) * 255 + 0.5), 0, 255)


def web_folder(folder: Path, planes: Any, info: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    count, height, width = planes.shape
    for number in range(count // 3):
        picture = np.moveaxis(planes[3 * number : 3 * number + 3], 0, -1)
        Image.fromarray(picture).save(folder / f"plane_{number}.png")
    known = {"width": width, "height": height, "format": "png", "type": "ptm", "nplanes": count}
    (folder / "info.json").write_text(json.dumps({**known, **info}))
    return folder


def quantile_codes(count: int, shape: tuple[int, int] = (60, 80)) -> Any:
    """Codes whose range ends at quantiles: 0 and 255 occur, but seldom."""
    rng = np.random.default_rng(count)
    return np.rint(np.clip(rng.normal(127.5, 45, (count, *shape)), 0, 255)).astype(np.uint8)


ADVICE = (
    "the numbers that were lost are in info.json of the same fit: put its folder beside the "
    "file, under the file's own name, or name it with --reader ptm:companion=FOLDER"
)


def lrgb_fit() -> tuple[Any, dict[str, Any]]:
    """A luminance of 0.6 to 1.5 (bias -0.67) and an y² below 0 (bias 1.2)."""
    scale = [1, 1, 1, 0.9, 0.5, 0.5, 0.7, 0.6, 0.5]
    bias = [0, 0, 0, -0.6666, 0.5, 0.45, 0.9, 0.51, 1.2]
    info = {"colorspace": "lrgb", "materials": [{"scale": scale, "bias": bias}]}
    return quantile_codes(9), info


def test_clamped_biases(tmp_path: Path) -> None:
    planes, info = lrgb_fit()
    material = info["materials"][0]
    order = [3 + term for term in OURS]
    scale, bias = (np.array(material[name])[order] for name in ("scale", "bias"))
    path = tmp_path / "coin.ptm"
    path.write_bytes(ptm(planes, scale, clamped(bias), "lrgb"))
    fault = "the range of y², 1 seems to have been cut: relight clamps biases to 0..255"
    alone = read(path)
    assert alone.metadata.notes == (f"{fault}: pictures are too dark or too bright", ADVICE)
    folder = web_folder(tmp_path / "coin", planes, info)
    mended = read(path)
    note = f"{fault}; scales and biases were taken from {folder / 'info.json'}"
    assert mended.metadata.notes == (note,)
    assert np.allclose(values(mended), values(read(folder)), atol=1e-6)
    # The same folder elsewhere, if it is named.
    elsewhere = folder.rename(tmp_path / "elsewhere")
    assert read(path).metadata.notes[-1] == ADVICE
    named = PtmReader(companion=str(elsewhere)).read(path)
    assert np.allclose(values(named), values(read(elsewhere)), atol=1e-6)


def test_clamped_biases_of_rgb(tmp_path: Path) -> None:
    """A .ptm has one scale and bias for the three colours: those of their common range."""
    rng = np.random.default_rng(1)
    scale, bias = rng.uniform(0.4, 0.9, 18).round(4), rng.uniform(0.2, 0.8, 18).round(4)
    bias[:3] = -0.5, -0.9, -0.7
    low, high = (-bias * scale).reshape(6, 3), ((1 - bias) * scale).reshape(6, 3)
    common = (high.max(axis=1) - low.min(axis=1))[list(OURS)]
    true_bias = (-low.min(axis=1))[list(OURS)] / common
    planes = quantile_codes(18)
    path = tmp_path / "a.ptm"
    path.write_bytes(ptm(planes, common, clamped(true_bias), "rgb"))
    (tmp_path / "info.json").write_text(
        json.dumps(
            {
                **{"width": 80, "height": 60, "format": "jpg", "type": "ptm", "nplanes": 18},
                "colorspace": "rgb",
                "materials": [{"scale": scale.tolist(), "bias": bias.tolist()}],
            }
        )
    )
    stored = read(path)
    expected = np.empty_like(values(stored))
    for number, term in enumerate(OURS):
        codes = np.moveaxis(planes[3 * term : 3 * term + 3], 0, -1)
        part = (codes / 255 - true_bias[number]) * common[number]
        expected[..., 3 * term : 3 * term + 3] = part
    assert np.allclose(values(stored), expected, atol=1e-5)
    assert stored.metadata.notes == (
        "the range of 1 seems to have been cut: relight clamps biases to 0..255; "
        f"scales and biases were taken from {tmp_path / 'info.json'}",
    )


@pytest.mark.parametrize("kind", ["black background", "range that holds 0", "constant"])
def test_honest_biases_of_zero(tmp_path: Path, kind: str) -> None:
    """A bias of 0 is right where values reach 0."""
    planes, _ = lrgb_fit()
    if kind == "black background":
        planes[3, :20] = 0
    elif kind == "range that holds 0":
        planes[3] = 100 + planes[3] // 2
    else:
        planes[3] = 255
    path = tmp_path / "a.ptm"
    path.write_bytes(ptm(planes, np.full(6, 0.5), [100, 100, 100, 100, 100, 0], "lrgb"))
    assert read(path).metadata.notes == ()


def test_folder_of_another_fit(tmp_path: Path) -> None:
    """It is not used; if it was named, that is an error."""
    planes, info = lrgb_fit()
    material = info["materials"][0]
    order = [3 + term for term in OURS]
    scale, bias = (np.array(material[name])[order] for name in ("scale", "bias"))
    path = tmp_path / "coin.ptm"
    path.write_bytes(ptm(planes, scale, clamped(bias), "lrgb"))
    material["scale"][4] = 0.51
    folder = web_folder(tmp_path / "coin", planes, info)
    assert read(path).metadata.notes[-1] == ADVICE
    with pytest.raises(FormatError) as error:
        PtmReader(companion=str(folder)).read(path)
    assert str(error.value) == (
        f"{folder / 'info.json'}: is of another fit; expected the one that gave {path}"
    )
    info |= {"width": 90}
    folder = web_folder(tmp_path / "coin", planes, info)
    with pytest.raises(FormatError) as error:
        PtmReader(companion=str(folder / "info.json")).read(path)
    assert str(error.value) == f"{folder / 'info.json'}: 90x60 pixels; expected 80x60"


def test_scales_of_zero(tmp_path: Path) -> None:
    """B3: the codes are those of the folder, each with the scale of its own colour."""
    rng = np.random.default_rng(2)
    planes = quantile_codes(18)
    numbers = {"scale": rng.uniform(0.4, 1, 18).tolist(), "bias": rng.uniform(0, 1, 18).tolist()}
    path = tmp_path / "coin.ptm"
    path.write_bytes(ptm(planes, np.zeros(6), np.zeros(6), "rgb"))
    fault = "all scales are 0 (a known fault of relight's converter)"
    assert read(path).metadata.notes == (f"{fault}: pictures are black", ADVICE)
    info = {"colorspace": "rgb", "materials": [numbers]}
    folder = web_folder(tmp_path / "coin", planes, info)
    mended = read(path)
    assert mended.metadata.notes == (
        f"{fault}; scales and biases were taken from {folder / 'info.json'}",
    )
    assert np.allclose(values(mended), values(read(folder)), atol=1e-6)
    # Another picture of the same size is another fit, whatever its numbers.
    web_folder(folder, planes[:, ::-1], info)
    assert read(path).metadata.notes == (f"{fault}: pictures are black", ADVICE)


def test_real_fit_with_clamped_biases(data: Path, tmp_path: Path) -> None:
    """relight's lptm9 as its direct .ptm export writes it: 8 to 13 dB, and 40 and more mended."""
    folder = data / "relight_cli" / "srgb" / "lptm9"
    web = registry.open_model(folder)
    assert web.planes is not None
    order = [3 + term for term in OURS]
    path = tmp_path / "x.ptm"
    codes = np.asarray(web.planes.codes)
    bias = clamped(web.planes.bias[order])
    path.write_bytes(ptm(codes, web.planes.scale[order], bias, "lrgb"))
    broken = registry.open_model(path)
    assert "seems to have been cut" in broken.metadata.notes[-2]
    mended = registry.open_model(path, reader=f"ptm:companion={folder}")
    renders = [np.asarray(Image.open(folder / f"render_{i}.png").convert("RGB")) for i in range(5)]

    def psnr(model: Any) -> Any:
        error = (model.relight_uint8(RENDERED) - np.array(renders, float)) ** 2
        return 10 * np.log10(255**2 / error.mean(axis=(1, 2, 3)))

    assert psnr(broken).max() < 16
    assert psnr(mended).min() > 40


# rtiprep's OpenLIME exports.


def rtiprep_info(kind: str, scale: Any, bias: Any, suffix: str = "png") -> dict[str, Any]:
    triples = [[float(v) for v in row for _ in range(3)] for row in (scale, bias)]
    return {
        "width": W,
        "height": H,
        "format": suffix,
        "type": kind,
        "colorspace": "rgb",
        "nplanes": 3 * len(scale),
        "materials": [{"scale": triples[0], "bias": triples[1]}],
    }


def rtiprep(folder: Path, pictures: Any, info: dict[str, Any], tile: int) -> Path:
    """(N, h, w, 3) pictures as its tiles: in the middle of a square, whole tiles; 0: untiled."""
    folder.mkdir()
    _, height, width, _ = pictures.shape
    info |= {"width": width, "height": height}
    (folder / "info.json").write_text(json.dumps(info, indent=2))
    if not tile:
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"plane_{number}.png")
        return folder
    square = 1 << (max(height, width) - 1).bit_length()
    levels = (square // tile).bit_length()
    top, left = (square - height) // 2, (square - width) // 2
    for number, picture in enumerate(pictures):
        (folder / f"plane_{number}.dzi").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image TileSize="{tile}" Overlap="0" Format="png" '
            'xmlns="http://schemas.microsoft.com/deepzoom/2008">\n'
            f'  <Size Width="{width}" Height="{height}"/>\n</Image>'
        )
        canvas = np.zeros((square, square, 3), np.uint8)
        canvas[top : top + height, left : left + width] = picture
        level = folder / f"plane_{number}_files" / str(levels - 1)
        level.mkdir(parents=True)
        for row in range(square // tile):
            for column in range(square // tile):
                y, x = row * tile, column * tile
                if y + tile > top and y < top + height and x + tile > left and x < left + width:
                    part = canvas[y : y + tile, x : x + tile]
                    Image.fromarray(part).save(level / f"{column}_{row}.png")
    return folder


def noise(count: int, height: int, width: int) -> Any:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


SCALE, BIAS = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 1.1]), np.array([200, 190, 120, 130, 126, 3])


@pytest.mark.parametrize(("tile", "shape"), [(0, (H, W)), (16, (45, 70)), (16, (16, 5))])
def test_rtiprep_lrgb(tmp_path: Path, tile: int, shape: tuple[int, int]) -> None:
    pictures = noise(3, *shape)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("ptm", SCALE, BIAS), tile)
    stored = read(folder)
    assert stored.config == {"codec": "ptm", "version": 1, "colorspace": "lrgb", "terms": 6}
    found = values(stored)
    assert np.allclose(found[..., :3], pictures[2] / 255, atol=1e-6)
    coefficients = np.concatenate([pictures[0], pictures[1]], axis=-1)
    for number, term in enumerate(OURS):
        expected = (coefficients[..., number] - BIAS[number]) / 255 * SCALE[number]
        assert np.allclose(found[..., 3 + term], expected, atol=1e-6)
    assert stored.metadata.notes == (
        "an OpenLIME export of rtiprep, which OpenLIME shows wrongly (order and bias of a .ptm, "
        "and 18 planes are stated for the 9 of an LRGB PTM); mended",
    )


def test_rtiprep_rgb(tmp_path: Path) -> None:
    pictures = noise(6, 20, 33)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("ptm", SCALE, BIAS), 16)
    stored = read(folder)
    found = values(stored)
    for number, term in enumerate(OURS):
        expected = (pictures[number] - BIAS[number]) / 255 * SCALE[number]
        assert np.allclose(found[..., 3 * term : 3 * term + 3], expected, atol=1e-6)
    assert stored.metadata.notes == (
        "an OpenLIME export of rtiprep, which OpenLIME shows wrongly (order and bias of a .ptm); "
        "mended",
    )


@pytest.mark.parametrize("terms", [4, 9, 16])
def test_rtiprep_hsh(tmp_path: Path, terms: int) -> None:
    """What it calls bias is the scale, and the other way about."""
    pictures = noise(terms, H, W)
    scale = np.linspace(0.5, 1.5, terms)
    scale[-1] = 0
    low = np.linspace(-0.5, 0.1, terms)
    folder = rtiprep(tmp_path / "a", pictures, rtiprep_info("hsh", low, scale), 16)
    stored = read(folder)
    assert stored.config["terms"] == terms
    expected = pictures / 255 * scale[:, None, None, None] + low[:, None, None, None]
    found = values(stored).reshape(H, W, terms, 3)
    assert np.allclose(found, np.moveaxis(expected, 0, 2), atol=1e-6)
    assert "(scale and bias are swapped)" in stored.metadata.notes[0]


def test_sound_folders_are_not_mended(tmp_path: Path) -> None:
    """Six pictures with biases of 0..1, or an HSH whose scales are scales."""
    sound = rtiprep_info("ptm", SCALE, BIAS / 255)
    stored = read(rtiprep(tmp_path / "a", noise(6, H, W), sound, 0))
    assert stored.metadata.notes == ()
    planes = stored.planes
    assert planes is not None
    assert np.allclose(planes.bias, np.repeat(BIAS / 255, 3))
    sound = rtiprep_info("hsh", SCALE[:4], [-0.5, 0.5, 0.4, 0.6])
    assert read(rtiprep(tmp_path / "b", noise(4, H, W), sound, 0)).metadata.notes == ()


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "tile missing": (
        lambda folder: (folder / "plane_1_files" / "2" / "1_2.png").unlink(),
        "{folder}/plane_1_files/2/1_2.png: is missing; expected a tile",
    ),
    "tiles of another side": (
        lambda folder: edit(folder / "plane_0.dzi", 'TileSize="16"', 'TileSize="24"'),
        "{folder}/plane_0.dzi, line 2: <Image>: tiles of 24 pixels; expected a power of two of up "
        "to 64",
    ),
    "webp": (
        lambda folder: edit(folder / "info.json", '"png"', '"webp"'),
        "{folder}/info.json: $.format: pictures in 'webp'; expected jpg or png. "
        "Let rtiprep export JPEG or PNG.",
    ),
}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_rtiprep(tmp_path: Path, name: str) -> None:
    change, text = HOSTILE[name]
    folder = rtiprep(tmp_path / "a", noise(3, 45, 60), rtiprep_info("ptm", SCALE, BIAS), 16)
    change(folder)
    with pytest.raises(DrtiError) as error:
        read(folder)
    assert str(error.value) == text.replace("{folder}", str(folder))


def test_broken_off_conversion_of_sixteen_terms(tmp_path: Path) -> None:
    """B21: relight-cli crashes after 11 pictures, the last of which is empty."""
    folder = web_folder(
        tmp_path / "a",
        np.zeros((33, H, W), np.uint8),
        {
            **{"type": "hsh", "colorspace": "rgb", "nplanes": 48, "quality": 100},
            "materials": [{"scale": [1] * 48, "bias": [0] * 48}],
        },
    )
    (folder / "plane_10.png").write_bytes(b"")
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{folder / 'plane_10.png'}: is empty; expected a picture. relight-cli breaks off here "
        "when it converts a .rti of 16 terms: convert the .rti with drti instead."
    )


def test_real_broken_off_conversion(data: Path) -> None:
    with pytest.raises(FormatError, match="relight-cli breaks off here"):
        registry.open_model(data / "relight_cli" / "handmade" / "relight_hsh48_rti")


# Formats of others.


def btf() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", "{}")
        archive.writestr("data/L/a0.png", b"")
    return buffer.getvalue()


def tiff_stack() -> bytes:
    buffer = io.BytesIO()
    planes = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    info = json.dumps({"width": 4, "height": 4, "type": "ptm", "nplanes": 18})
    planes.save(buffer, "TIFF", description=info)
    return buffer.getvalue()


FOREIGN: dict[str, tuple[str, bytes, str]] = {
    "mview": (
        "a.mview",
        b"#MVIEW\n2 1 2\n0 0\n0\n1 front.rti\n2 back.rti\n1 2\n",
        "a multi-view RTI (.mview); expected a format that is read (drti plugins lists them). "
        "Open the .rti or .ptm of each view by itself; they are named in the file.",
    ),
    "oxrti": (
        "a.btf.zip",
        btf(),
        "an oxrti archive (.btf.zip); expected a format that is read (drti plugins lists them). "
        "Open the .ptm that it was made of, or export a .ptm from oxrti.",
    ),
    "pld": (
        "a.cun",
        b"CSP41\0\0\0NORC" + bytes(60),
        "a Pixel+ file of the Portable Light Dome (.cun, .zun); expected a format that is read "
        "(drti plugins lists them). Export it as .ptm or .rti with the software of the dome, or "
        "fit its photographs.",
    ),
    "scml": (
        "a.scml",
        b'{"pld": {}}\xff\xd8\xff\xe0' + bytes(60),
        "a Pixel+ container (.scml); expected a format that is read (drti plugins lists them). "
        "Export it as .ptm or .rti with the software of the dome, or fit its photographs.",
    ),
    "gltf": (
        "a.gltf",
        b'{"asset": {"version": "2.0"}, "meshes": []}',
        "glTF (.gltf, .glb); expected a format that is read (drti plugins lists them). It holds a "
        "mesh with materials, no relightable image: fit the photographs.",
    ),
    "glb": (
        "a.glb",
        b"glTF\x02\0\0\0" + bytes(20),
        "glTF (.gltf, .glb); expected a format that is read (drti plugins lists them). It holds a "
        "mesh with materials, no relightable image: fit the photographs.",
    ),
    "tiff": (
        "a.tif",
        tiff_stack(),
        "a TIFF stack of coefficient planes; expected a format that is read (drti plugins lists "
        "them). Export the model as a web folder (info.json and plane_0.jpg …) and open that.",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_formats_are_named(tmp_path: Path, name: str) -> None:
    file, content, text = FOREIGN[name]
    path = tmp_path / file
    path.write_bytes(content)
    assert registry.find_reader(path).reader_id == "foreign"
    with pytest.raises(UnsupportedFormatError) as error:
        registry.open_any(path)
    assert str(error.value) == f"{path}: {text}"


def test_other_tiffs_and_zips_are_strangers(tmp_path: Path) -> None:
    """They are not named as what they are not."""
    plain = tmp_path / "a.tif"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(plain)
    other = tmp_path / "a.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("letter.txt", "Dear")
    for path in (plain, other):
        with pytest.raises(UnsupportedFormatError, match="of a known format"):
            registry.open_any(path)


# Hostile numbers, in every format that has them.


def test_numbers_that_overflow(tmp_path: Path) -> None:
    """Scales and biases whose values float32 cannot hold."""
    body, low, high = old(4)
    path = tmp_path / "a.hsh"
    low[1], high[1] = -3e38, 3e38
    path.write_bytes(hsh(body, low, high))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: scale 6e+38 of plane 3; expected finite numbers that give values of up to 1e+12"
    )
    path = tmp_path / "a.ptm"
    planes, info = lrgb_fit()
    path.write_bytes(ptm(planes, np.full(6, 1e10), [0, 0, 0, 1e9, 0, 0], "lrgb"))
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}: bias 3.92157e+06 of plane 4; expected finite numbers that give values of up to "
        "1e+12"
    )
    info["materials"][0]["scale"][8] = 1e308
    folder = web_folder(tmp_path / "a", planes, info)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{folder / 'info.json'}: $.materials[0].scale[8]: 1e+308; expected a number of up to 1e+15"
    )


def test_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    body, low, high = old(4)
    signalling = bytes.fromhex("010080ff")
    whole = hsh(body, low, high)
    path = tmp_path / "a.hsh"
    path.write_bytes(whole[:25] + signalling + whole[29:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (f"{path}, at byte 25: low nan of term 0; expected a finite number")
    path = tmp_path / "a.rti"
    content = four_terms()[0]
    path.write_bytes(content[:22] + signalling + content[26:])
    with pytest.raises(FormatError) as error:
        read(path)
    assert str(error.value) == (
        f"{path}, at byte 22: scale nan of term 0; expected a finite number"
    )


def test_png_chunk_beyond_the_file(tmp_path: Path) -> None:
    """Pillow would allocate what it claims."""
    planes, info = lrgb_fit()
    folder = web_folder(tmp_path / "a", planes, info)
    path = folder / "plane_1.png"
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        read(folder)
    assert str(error.value) == (
        f"{path}: damaged picture (a chunk of 2147483647 bytes at byte {at} of {len(content)})"
    )
