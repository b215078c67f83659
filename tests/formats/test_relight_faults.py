"""Faults of relight that are mended or named.

A .rti of 12 planes (B5), a .ptm with clamped biases (B1) or without numbers (B3) and the folder
of the same fit, and a conversion that broke off (B21).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.errors import FormatError
from drti_core.formats.ptm import PtmReader
from drti_core.formats.rti import READER as RTI
from drti_core.lights import LightDirections
from drti_core.measure.metrics import psnr
from drti_core.registry import doors
from tests.helpers.legacy_files import (
    OURS,
    H,
    W,
    four_terms,
    lrgb_fit,
    ptm,
    quantile_codes,
    read,
    values,
    web_folder,
)

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


def clamped(bias: Any) -> Any:
    """relight's rounding of a bias, in codes."""
    return np.clip(np.floor(np.asarray(bias) * 255 + 0.5), 0, 255)


ADVICE = (
    "the numbers that were lost are in info.json of the same fit: put its folder beside the "
    "file, under the file's own name, or name it: the reader ptm:companion=FOLDER"
)


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
    web = doors.open_model(folder)
    assert web.planes is not None
    order = [3 + term for term in OURS]
    path = tmp_path / "x.ptm"
    codes = np.asarray(web.planes.codes)
    bias = clamped(web.planes.bias[order])
    path.write_bytes(ptm(codes, web.planes.scale[order], bias, "lrgb"))
    broken = doors.open_model(path)
    assert "seems to have been cut" in broken.metadata.notes[-2]
    mended = doors.open_model(path, reader=f"ptm:companion={folder}")
    renders = [np.asarray(Image.open(folder / f"render_{i}.png").convert("RGB")) for i in range(5)]

    def scores(model: Any) -> list[float]:
        pictures = model.relight_uint8(RENDERED)
        return [psnr(a, b) for a, b in zip(pictures, renders, strict=True)]

    assert max(scores(broken)) < 16
    assert min(scores(mended)) > 40


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
        doors.open_model(data / "relight_cli" / "handmade" / "relight_hsh48_rti")
