"""Web folders: round trips of every configuration, relight's keys, hostile info.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.decoder import Planes
from drti_core.errors import (
    DrtiError,
    FormatError,
    MissingFileError,
    OptionError,
    OutputExistsError,
    UnsupportedFormatError,
)
from drti_core.formats.folder import READER, FolderWriter
from drti_core.io import scratch, strict_json
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel

H, W = 21, 13
RNG = np.random.default_rng(1)
XYZ: Any = RNG.normal(size=(5, 3)) * [1, 1, 0.1] + [0, 0, 1]
LIGHTS = LightDirections(XYZ)
PNG, JPG = FolderWriter(image="png"), FolderWriter(image="jpg")


def make_planes(count: int, dtype: Any = np.uint8, shape: tuple[int, int] = (H, W)) -> Planes:
    rng = np.random.default_rng(count)
    codes = rng.integers(0, np.iinfo(dtype).max + 1, (count, *shape)).astype(dtype)
    scale = np.array([float(f"{v:.9g}") for v in rng.uniform(0.1, 9, count)])
    bias = np.array([float(f"{v:.9g}") for v in rng.uniform(-1.5, 1.5, count)])
    return Planes(codes, scale, bias)


def terms(codec: str, colorspace: str, count: int, number: int, dtype: Any = np.uint8) -> Any:
    config = {"codec": codec, "version": 1, "colorspace": colorspace, "terms": number}
    if codec == "hsh":
        config["exponent"] = 1.0 if number == 16 else 1.5
    return StoredModel(config, (H, W), make_planes(count, dtype))


def table(codec: str, colorspace: str, ycc: list[int] | int, dtype: Any = np.uint8) -> Any:
    count = ycc if isinstance(ycc, int) else sum(ycc)
    config: dict[str, Any] = {"codec": codec, "version": 1, "colorspace": colorspace}
    config |= {"sigma": 0.123456789} if codec == "rbf" else {"resolution": 4}
    config |= {} if isinstance(ycc, int) else {"yccplanes": ycc}
    nodes = len(LIGHTS) if codec == "rbf" else 16
    arrays: dict[str, Any] = {
        "basis": RNG.integers(0, 256, (count + 1, nodes, 3)).astype(np.uint8),
        "range": np.array([float(f"{v:.9g}") for v in RNG.uniform(100, 900, count)]),
    }
    if codec == "rbf":
        arrays["lights"] = LIGHTS.xyz
    return StoredModel(config, (H, W), make_planes(count, dtype), arrays)


MODELS: dict[str, Callable[[Any], StoredModel]] = {
    "ptm rgb": lambda d: terms("ptm", "rgb", 18, 6, d),
    "ptm first degree": lambda d: terms("ptm", "rgb", 9, 3, d),
    "ptm lrgb": lambda d: terms("ptm", "lrgb", 9, 6, d),
    "ptm ycc": lambda d: terms("ptm", "ycc", 18, 6, d),
    "hsh 4": lambda d: terms("hsh", "rgb", 12, 4, d),
    "hsh 9 lrgb": lambda d: terms("hsh", "lrgb", 12, 9, d),
    "hsh 16": lambda d: terms("hsh", "rgb", 48, 16, d),
    "sh": lambda d: terms("sh", "rgb", 27, 9, d),
    "sh 4 ycc": lambda d: terms("sh", "ycc", 12, 4, d),
    "rbf": lambda d: table("rbf", "mrgb", 10, d),
    "rbf mycc": lambda d: table("rbf", "mycc", [4, 2, 2], d),
    "bilinear": lambda d: table("bilinear", "mrgb", 9, d),
    "bilinear mycc": lambda d: table("bilinear", "mycc", [3, 3, 3], d),
    "a stranger's": lambda d: StoredModel(
        {"codec": "wavelet", "version": 3, "levels": [1, {"a": None}]},
        (H, W),
        make_planes(4, d),
        {"weights": RNG.normal(size=(3, 4)), "index": np.arange(6, dtype=np.int16)},
    ),
    "without planes": lambda d: StoredModel(
        {"codec": "siren", "version": 1}, (H, W), None, {"w": np.ones((2, 2), np.float32)}
    ),
}


def check_same(back: StoredModel, stored: StoredModel) -> None:
    """Everything but the codes."""
    assert back.config == stored.config
    assert back.shape == stored.shape
    assert set(back.arrays) == set(stored.arrays)
    for name, array in stored.arrays.items():
        assert back.arrays[name].dtype == array.dtype
        # Directions are normalised when read, which may turn their last bit.
        tolerance = 6e-8 if name == "lights" else 0
        np.testing.assert_allclose(back.arrays[name], array, rtol=0, atol=tolerance)
    assert (back.planes is None) == (stored.planes is None)
    if back.planes is not None and stored.planes is not None:
        np.testing.assert_array_equal(back.planes.scale, stored.planes.scale)
        np.testing.assert_array_equal(back.planes.bias, stored.planes.bias)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", MODELS)
def test_png_round_trip_is_exact(tmp_path: Path, name: str, dtype: Any) -> None:
    stored = MODELS[name](dtype)
    assert PNG.refuse(stored) is None
    assert PNG.write(stored, tmp_path / "a") == ()
    back = READER.read(tmp_path / "a")
    check_same(back, stored)
    if stored.planes is not None and back.planes is not None:
        assert back.planes.codes.dtype == dtype
        np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)
        each = 3 if dtype == np.uint8 else 1
        names = {f"plane_{i}.png" for i in range(-(-stored.planes.count // each))}
        assert {p.name for p in (tmp_path / "a").glob("plane_*")} == names


@pytest.mark.parametrize("name", MODELS)
def test_jpeg_round_trip(tmp_path: Path, name: str) -> None:
    stored = MODELS[name](np.uint8)
    if stored.planes is not None:
        stored.planes.codes[:] = np.add.outer(np.arange(H), np.arange(W)) * 7 % 256 // 2 + 60
    lost = FolderWriter(quality=97).write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a" / "info.json")
    check_same(back, stored)
    if stored.planes is not None and back.planes is not None:
        assert lost == ("the planes are JPEGs of quality 97, which changes them a little",)
        difference = np.abs(back.planes.codes.astype(int) - stored.planes.codes)
        assert difference.max() <= 4
        with Image.open(tmp_path / "a" / "plane_0.jpg") as image:
            rgb_components = image.info.get("adobe_transform") == 0
        assert rgb_components is (stored.config.get("colorspace") != "rgb")


def test_metadata_round_trip(tmp_path: Path) -> None:
    stored = terms("ptm", "rgb", 18, 6)
    metadata = Metadata(
        lights=LIGHTS,
        encoding="linear",
        icc=b"\0" * 128 + b"profile",
        pixel_size_mm=0.0173729,
        xmp=b"<x:xmpmeta/>\xff",
        comments=("# from a .rti",),
    )
    stored = StoredModel(stored.config, stored.shape, stored.planes, {}, metadata)
    for number, writer in enumerate((PNG, JPG)):
        writer.write(stored, tmp_path / f"{number}")
        back = READER.read(tmp_path / f"{number}").metadata
        assert back.lights is not None
        np.testing.assert_allclose(back.lights.xyz, LIGHTS.xyz, rtol=0, atol=6e-8)
        for name in ("encoding", "icc", "pixel_size_mm", "xmp", "comments", "notes"):
            assert getattr(back, name) == getattr(metadata, name)


def test_keys_are_relights_in_its_order_and_types(tmp_path: Path) -> None:
    JPG.write(MODELS["rbf"](np.uint8), tmp_path / "a")
    text = (tmp_path / "a" / "info.json").read_text()
    info = json.loads(text)
    assert list(info) == [
        *("width", "height", "format", "type", "colorspace", "sigma", "lights", "nplanes"),
        *("quality", "colorprofile", "basis", "materials", "drti"),
    ]
    assert list(info["materials"][0]) == ["range", "scale", "bias"]
    assert (info["width"], info["height"], info["format"], info["quality"]) == (W, H, "jpg", 95)
    assert (info["type"], info["colorspace"], info["nplanes"]) == ("rbf", "mrgb", 10)
    assert info["colorprofile"] == "sRGB"
    assert all(type(value) is int for value in info["basis"])
    JPG.write(MODELS["bilinear mycc"](np.uint8), tmp_path / "b")
    info = json.loads((tmp_path / "b" / "info.json").read_text())
    assert list(info)[3:7] == ["type", "resolution", "colorspace", "yccplanes"]
    assert "nplanes" not in info


def test_the_last_planes_are_written_where_three_do_not_divide_their_number(tmp_path: Path) -> None:
    """B11: relight writes zeros for the tenth plane."""
    stored = MODELS["rbf"](np.uint8)
    assert stored.planes is not None
    PNG.write(stored, tmp_path / "a")
    with Image.open(tmp_path / "a" / "plane_3.png") as image:
        last = np.asarray(image)
    np.testing.assert_array_equal(last[..., 0], stored.planes.codes[9])
    assert not last[..., 1:].any()


def test_output_is_reproducible_and_never_overwritten_unasked(tmp_path: Path) -> None:
    stored = MODELS["a stranger's"](np.uint8)
    sums = []
    for name in ("a", "b"):
        JPG.write(stored, tmp_path / name)
        files = sorted((tmp_path / name).iterdir())
        sums.append([(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files])
    assert sums[0] == sums[1]
    with pytest.raises(OutputExistsError, match="exists already"):
        JPG.write(stored, tmp_path / "a")
    JPG.write(stored, tmp_path / "a", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_planes_on_a_file_are_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRTI_MEMORY", "0")
    planes = make_planes(4, shape=(300, 70))
    codes: Any = scratch.empty(planes.codes.shape, np.uint8)
    codes[:] = planes.codes
    assert isinstance(codes, np.memmap)
    stored = StoredModel({"codec": "x"}, (300, 70), Planes(codes, planes.scale, planes.bias))
    PNG.write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a").planes
    assert back is not None
    assert isinstance(back.codes, np.memmap)
    np.testing.assert_array_equal(back.codes, planes.codes)


# What is refused before writing ----------------------------------------------------------------


def broken(**changes: Any) -> StoredModel:
    stored = MODELS["rbf mycc"](np.uint8)
    arrays = {**stored.arrays, **changes.pop("arrays", {})}
    config = {**stored.config, **changes.pop("config", {})}
    return StoredModel(config, stored.shape, changes.pop("planes", stored.planes), arrays)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (
            terms("ptm", "rgb", 18, 6, np.uint16),
            "JPEG holds 8-bit planes and these have 16 bits; write image=png",
        ),
        (terms("ptm", "rgb", 17, 6), "17 planes; expected 18 for 6 terms in rgb"),
        (
            terms("hsh", "mrgb", 12, 4),
            "terms 4, colorspace 'mrgb'; expected a number, and rgb, lrgb or ycc",
        ),
        (StoredModel({}, (H, W)), "config without a codec: {}; expected a codec id"),
        (
            StoredModel({"codec": "rbf"}, (H, W), make_planes(3)),
            "rbf without colorspace, sigma, lights, basis, range; expected all of its parameters",
        ),
        (
            StoredModel({"codec": "x"}, (W, H), make_planes(3)),
            f"planes of shape ({H}, {W}); expected ({W}, {H})",
        ),
        (broken(config={"yccplanes": [4, 1, 1]}), "8 planes; expected 6"),
        (
            broken(arrays={"range": np.ones(3)}),
            "array 'range' of shape (3,); expected (8,)",
        ),
        (
            broken(arrays={"basis": np.zeros((9, 5, 3))}),
            "array 'basis' of float64; expected uint8",
        ),
        (
            broken(config={"sigma": float("nan")}),
            "$.sigma: Out of range float values are not JSON compliant: nan; "
            "expected finite numbers, texts, lists and objects",
        ),
        (
            broken(arrays={"range": np.full(8, np.inf)}),
            "$.materials: Out of range float values are not JSON compliant: inf; "
            "expected finite numbers, texts, lists and objects",
        ),
        (
            broken(arrays={"extra": np.array([np.nan])}),
            "array 'extra' holds nan or inf; expected finite numbers",
        ),
        (
            broken(arrays={"extra": np.array([None])}),
            "array 'extra' of object; expected numbers",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, stored: StoredModel, reason: str
) -> None:
    refused = JPG.refuse(stored)
    assert refused is not None
    # Python 3.11 does not name the value.
    assert reason.replace(": nan", "").replace(": inf", "") == (
        refused.replace(": nan", "").replace(": inf", "")
    )
    with pytest.raises(UnsupportedFormatError, match="cannot be written as a web folder: "):
        JPG.write(stored, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_nothing_ever_writes_nan(tmp_path: Path) -> None:
    """B13: relight's yptm writes nan into info.json."""
    with pytest.raises(DrtiError, match="finite"):
        Planes(np.zeros((1, 1, 1), np.uint8), np.array([np.nan]), np.zeros(1))
    for name, make in MODELS.items():
        JPG.write(make(np.uint8), tmp_path / name)
        text = (tmp_path / name / "info.json").read_text()
        json.loads(text, parse_constant=pytest.fail)


# Reading real and hostile folders ---------------------------------------------------------------


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "info.json"
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))


def setter(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(info: dict[str, Any]) -> None:
        part: Any = info
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def dropper(*keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(info: dict[str, Any]) -> None:
        part: Any = info
        for key in keys[:-1]:
            part = part[key]
        del part[keys[-1]]

    return change


PATHS = [
    (setter("width", value="13"), '$.width: "13"; expected an integer in 1..65535'),
    (setter("width", value=True), "$.width: true; expected an integer in 1..65535"),
    (setter("height", value=10**6), "$.height: 1000000; expected an integer in 1..65535"),
    (setter("height", value=0), "$.height: 0; expected an integer in 1..65535"),
    (dropper("width"), "$.width: is missing; expected a value"),
    (setter("format", value="../../x"), '$.format: "../../x"; expected "jpg" or "png" or "webp"'),
    (setter("format", value=None), '$.format: null; expected "jpg" or "png" or "webp"'),
    (setter("type", value=["rbf"]), '$.type: ["rbf"]; expected a string'),
    (setter("type", value="h"), "$.type: type 'h'; expected ptm, hsh, sh, rbf, bilinear, neural"),
    (setter("colorspace", value="rgb"), '$.colorspace: "rgb"; expected "mrgb" or "mycc"'),
    (setter("sigma", value=-1), "$.sigma: -1; expected a finite number above 0"),
    (setter("lights", value={}), "$.lights: {}; expected an array"),
    (setter("lights", 4, value="0"), '$.lights[4]: "0"; expected a finite number'),
    (setter("lights", value=[0, 0, 1, 1]), "$.lights: 4 values; expected x, y, z of each"),
    (
        dropper("lights"),
        "$.lights: no usable lights; expected the lights that an rbf interpolates between",
    ),
    (setter("nplanes", value=9.0), "$.nplanes: 9.0; expected an integer in 1..9999"),
    (setter("nplanes", value=9), "$.materials[0].range: 10 values; expected 9 values"),
    (setter("basis", 7, value=256), "$.basis[7]: 256; expected an integer in 0..255"),
    (setter("basis", 7, value=1.5), "$.basis[7]: 1.5; expected an integer in 0..255"),
    (setter("basis", value=[1]), "$.basis: 1 values; expected 165 values"),
    (
        dropper("basis"),
        "$.basis: is missing; expected 165 integers here, or as many bytes in materials.bin",
    ),
    (setter("materials", value=[]), "$.materials: 0 values; expected 1 values"),
    (setter("materials", value={}), "$.materials: {}; expected an array"),
    (setter("materials", 0, value=3), "$.materials[0]: 3; expected an object"),
    (
        setter("materials", 0, "scale", 3, value="x"),
        '$.materials[0].scale[3]: "x"; expected a finite number',
    ),
    (
        setter("materials", 0, "scale", 3, value=float("nan")),
        "$.materials[0].scale[3]: NaN; expected a finite number",
    ),
    (
        setter("materials", 0, "bias", 9, value=float("-inf")),
        "$.materials[0].bias[9]: -Infinity; expected a finite number",
    ),
    (
        setter("materials", 0, "bias", 0, value=[1]),
        "$.materials[0].bias[0]: [1]; expected a finite number",
    ),
    (
        setter("materials", 0, "bias", 0, value=True),
        "$.materials[0].bias[0]: true; expected a finite number",
    ),
    (
        setter("materials", 0, "range", 2, value=0),
        "$.materials[0].range[2]: 0; expected a finite number above 0",
    ),
    (setter("colorprofile", value=1), "$.colorprofile: 1; expected a string"),
    (setter("pixelSizeInMM", value="1"), '$.pixelSizeInMM: "1"; expected a finite number'),
    (setter("drti", value=1), "$.drti: 1; expected an object"),
    (setter("drti", "config", "codec", value=1), "$.drti.config.codec: 1; expected a string"),
    (setter("drti", "bits", value=12), "$.drti.bits: 12; expected 8 or 16"),
    (setter("drti", "xmp", value="?"), '$.drti.xmp: "?"; expected base64'),
    (setter("drti", "comments", value=[1]), "$.drti.comments[0]: 1; expected a string"),
]


@pytest.fixture(scope="module")
def rbf_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rbf") / "a"
    PNG.write(MODELS["rbf"](np.uint8), folder)
    return folder


@pytest.mark.parametrize(("change", "message"), PATHS, ids=[m for _, m in PATHS])
def test_wrong_types_are_named_by_their_path(
    rbf_folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    text = (rbf_folder / "info.json").read_text()
    try:
        edit(rbf_folder, change)
        with pytest.raises((FormatError, UnsupportedFormatError)) as caught:
            READER.read(rbf_folder)
    finally:
        (rbf_folder / "info.json").write_text(text)
    assert str(caught.value) == f"{rbf_folder / 'info.json'}: {message}"


def test_ycc_counts_and_terms_are_checked(tmp_path: Path) -> None:
    PNG.write(MODELS["rbf mycc"](np.uint8), tmp_path / "a")
    edit(tmp_path / "a", setter("yccplanes", value=[2, 3, 3]))
    with pytest.raises(FormatError, match=r"\$\.yccplanes: \[2, 3, 3\]; expected \[ny, nc, nc\]"):
        READER.read(tmp_path / "a")
    PNG.write(MODELS["ptm rgb"](np.uint8), tmp_path / "b")
    edit(tmp_path / "b", setter("nplanes", value=17))
    with pytest.raises(FormatError, match=r"\$\.nplanes: 17; expected 9 or 18 for ptm in rgb$"):
        READER.read(tmp_path / "b")


@pytest.mark.parametrize("token", ["nan", "-nan", "NaN", "inf", "-inf", "nan(ind)", "-nan(ind)"])
def test_lights_that_are_no_numbers_are_left_out_with_a_note(tmp_path: Path, token: str) -> None:
    """relight issue 30."""
    stored = terms("ptm", "rgb", 18, 6)
    PNG.write(stored, tmp_path / "a")
    path = tmp_path / "a" / "info.json"
    path.write_text(
        path.read_text().replace('"nplanes"', f'"lights": [0, 0, 1, {token}, 0,\n1], "nplanes"')
    )
    metadata = READER.read(tmp_path / "a").metadata
    assert metadata.lights is None
    (note,) = metadata.notes
    assert re.fullmatch(
        r"the lights in info\.json are not used: light 1 is \[-?(nan|inf), 0\.0, 1\.0\]; "
        r"expected finite numbers",
        note,
    )


def test_what_is_optional_may_be_absent(tmp_path: Path) -> None:
    stored = terms("ptm", "rgb", 18, 6)
    PNG.write(stored, tmp_path / "a")
    for key in ("quality", "colorprofile", "drti"):
        edit(tmp_path / "a", dropper(key))
    edit(tmp_path / "a", setter("unheard-of", value=1))
    check_same(READER.read(tmp_path / "a"), stored)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff\xfe", "byte 0 is no UTF-8; expected JSON in UTF-8"),
        (b"{\n,", "line 2, column 1: "),
        (b"[" * 100_000, "unreadable JSON ("),
        (b'{"width": ' + b"1" * 5000 + b"}", "unreadable JSON (an integer of more"),
        (b"[]", "$: []; expected an object"),
    ],
)
def test_text_that_is_no_json(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "info.json"
    path.write_bytes(text)
    with pytest.raises(FormatError) as caught:
        READER.read(tmp_path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_huge_info_json_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_json, "MAX_BYTES", 3)
    path = tmp_path / "info.json"
    path.write_bytes(b"1234")
    with pytest.raises(FormatError) as caught:
        READER.read(tmp_path)
    assert str(caught.value) == f"{path}: 4 bytes; expected at most 3 bytes of JSON"


def test_numbers_too_large_for_a_float(tmp_path: Path) -> None:
    PNG.write(terms("ptm", "rgb", 18, 6), tmp_path / "a")
    edit(tmp_path / "a", setter("materials", 0, "scale", 0, value=10**400))
    with pytest.raises(FormatError, match=r"\$\.materials\[0\]\.scale\[0\]: 10+…; expected"):
        READER.read(tmp_path / "a")


def test_pictures_that_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    PNG.write(terms("ptm", "rgb", 18, 6), folder)
    picture = folder / "plane_3.png"
    content = picture.read_bytes()

    def message() -> str:
        with pytest.raises((FormatError, MissingFileError)) as caught:
            READER.read(folder)
        return str(caught.value)

    Image.new("RGB", (W, H + 1)).save(picture)
    assert message() == f"{picture}: 13x22 pixels, 8-bit RGB; expected 13x21 pixels, 8-bit RGB"
    Image.new("L", (W, H)).save(picture)
    assert message() == f"{picture}: 13x21 pixels, 8-bit grey; expected 13x21 pixels, 8-bit RGB"
    picture.unlink()
    assert message() == f"{picture}: is missing; expected 6 pictures for the 18 planes of info.json"
    outside = tmp_path / "outside.png"
    outside.write_bytes(content)
    picture.symlink_to(outside)
    assert message() == f"{picture}: is a link to {outside}; expected a file inside the folder"
    picture.unlink()
    picture.write_bytes(content)
    (folder / "plane_6.png").write_bytes(content)
    assert READER.read(folder).metadata.notes == (
        "plane_6.png is not used: info.json counts 18 planes",
    )


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    PNG.write(MODELS["a stranger's"](np.uint8), folder)
    path = folder / "arrays.safetensors"
    edit(folder, setter("drti", "arrays", value=["weights"]))
    with pytest.raises(FormatError) as caught:
        READER.read(folder)
    assert str(caught.value) == f"{path}: arrays ['index', 'weights']; expected ['weights']"
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(FormatError, match=r"arrays\.safetensors: damaged \("):
        READER.read(folder)
    path.unlink()
    with pytest.raises(
        MissingFileError, match=r"arrays\.safetensors: is missing; expected a file$"
    ):
        READER.read(folder)


def test_old_folders_hold_their_basis_in_materials_bin(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    stored = MODELS["bilinear"](np.uint8)
    PNG.write(stored, folder)
    edit(folder, dropper("basis"))
    (folder / "materials.bin").write_bytes(stored.arrays["basis"].tobytes())
    check_same(READER.read(folder), stored)
    (folder / "materials.bin").write_bytes(b"123")
    with pytest.raises(FormatError, match=r"materials\.bin: 3 bytes; expected 480 bytes$"):
        READER.read(folder)


def test_one_term_of_hsh_becomes_four(tmp_path: Path) -> None:
    planes = make_planes(3)
    PNG.write(
        StoredModel({**terms("hsh", "rgb", 12, 4).config, "terms": 1}, (H, W), planes),
        tmp_path / "a",
    )
    back = READER.read(tmp_path / "a")
    assert back.config["terms"] == 4
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes[:3], planes.codes)
    assert back.planes.scale.tolist() == [*planes.scale, *[1] * 9]
    assert not back.planes.codes[3:].any()
    assert back.metadata.notes == ("the one HSH term is completed with zeros to four",)


def test_sniffing_goes_by_content(tmp_path: Path) -> None:
    PNG.write(terms("ptm", "rgb", 18, 6), tmp_path / "a")
    info = tmp_path / "a" / "info.json"
    assert READER.sniff(tmp_path / "a", b"")
    assert not READER.sniff(tmp_path, b"")
    assert READER.sniff(info, info.read_bytes()[:512])
    assert not READER.sniff(info, b'{"images": []}')
    assert not READER.sniff(info, b"PTM_1.2\n")


REAL = [
    ("relight/ptm", "ptm rgb 18"),
    ("relight/lptm", "ptm lrgb 9"),
    ("relight/rbf27", "rbf mrgb 27"),
    ("relight/bilinear18", "bilinear mrgb 18"),
    ("relight_cli/srgb/yrbf18", "rbf mycc 18"),
    ("openlime/ptm", "ptm rgb 18"),
    ("openlime/bln", "bilinear mrgb 18"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), REAL)
def test_real_folders_survive_a_round_trip(
    data: Path, tmp_path: Path, name: str, what: str
) -> None:
    stored = READER.read(data / name)
    assert stored.planes is not None
    config = stored.config
    assert f"{config['codec']} {config['colorspace']} {stored.planes.count}" == what
    PNG.write(stored, tmp_path / "a")
    back = READER.read(tmp_path / "a")
    check_same(back, stored)
    assert back.planes is not None
    np.testing.assert_array_equal(back.planes.codes, stored.planes.codes)
    assert back.metadata.icc == stored.metadata.icc
    assert back.metadata.pixel_size_mm == stored.metadata.pixel_size_mm


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "relight_cli/handmade/relight_hsh48_rti",
            "/plane_10.jpg: is empty; expected a picture. relight-cli breaks off here when it "
            "converts a .rti of 16 terms: convert the .rti with drti instead.",
        ),
    ],
)
def test_real_folders_that_are_refused_by_name(data: Path, name: str, message: str) -> None:
    with pytest.raises((FormatError, UnsupportedFormatError)) as caught:
        READER.read(data / name)
    assert str(caught.value) == f"{data / name}{message}"


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_max_error_bounds_what_the_jpegs_change(tmp_path: Path, limit: int) -> None:
    stored = make_noisy()
    assert stored.planes is not None
    FolderWriter(quality=60).write(stored, tmp_path / "free")
    FolderWriter(quality=60, max_error=limit).write(stored, tmp_path / "bound")
    worst = {}
    for name in ("free", "bound"):
        found = READER.read(tmp_path / name)
        assert found.planes is not None
        assert "corrections" not in found.arrays
        off = np.abs(found.planes.codes.astype(int) - stored.planes.codes)
        worst[name] = int(off.max())
    assert worst["free"] > 10
    assert worst["bound"] <= limit


def test_halved_chroma(tmp_path: Path) -> None:
    """Of YCbCr only: planes of other models keep their full resolution."""
    for name, stored, halved in (
        ("rgb", make_noisy(), True),
        ("lrgb", terms("ptm", "lrgb", 9, 6), False),
    ):
        FolderWriter(chroma="444").write(stored, tmp_path / name / "full")
        FolderWriter(chroma="420").write(stored, tmp_path / name / "half")
        full, half = (
            (tmp_path / name / kind / "plane_0.jpg").read_bytes() for kind in ("full", "half")
        )
        assert (len(half) < 0.9 * len(full)) is halved
        assert (half == full) is not halved
    with pytest.raises(UnsupportedFormatError) as refused:
        FolderWriter(chroma="420", layout="google").write(make_noisy(), tmp_path / "g")
    assert str(refused.value) == (
        "cannot be written as a web folder: chroma 420 needs the image layout, not google"
    )
    with pytest.raises(OptionError) as wrong:
        FolderWriter(chroma="422").write(make_noisy(), tmp_path / "w")  # type: ignore[arg-type]
    assert str(wrong.value) == "folder: chroma '422'; expected 444 or 420"


def test_corrections_outside_the_planes_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    stored = make_noisy()
    FolderWriter(quality=60, max_error=0).write(stored, tmp_path / "f")
    file = tmp_path / "f" / "arrays.safetensors"
    save_file({"corrections": np.array([[10**9, 3]])}, file)
    with pytest.raises(FormatError) as error:
        READER.read(tmp_path / "f")
    assert str(error.value) == (
        f"{file}: a correction outside the planes; expected int64 rows of index, "
        "0 to 10079, and code, 0 to 255"
    )


def make_noisy() -> StoredModel:
    codes = np.random.default_rng(0).integers(0, 256, (18, 20, 28), np.uint8)
    config = {"codec": "ptm", "version": 1, "colorspace": "rgb", "terms": 6}
    return StoredModel(config, (20, 28), Planes(codes, np.ones(18), np.zeros(18)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["files/tablet1.ptm", "files/vase.rti"])
def test_legacy_files_come_back_within_a_code(data: Path, tmp_path: Path, name: str) -> None:
    from drti_core.registry.doors import open_model
    from drti_core.workflow import convert_file

    source = data / name
    back = tmp_path / source.name
    convert_file(source, tmp_path / "folder")
    convert_file(tmp_path / "folder", back)
    first, last = open_model(source).planes, open_model(back).planes
    assert first is not None
    assert last is not None
    np.testing.assert_allclose(last.scale, first.scale, rtol=1e-6)
    np.testing.assert_allclose(last.bias, first.bias, atol=1e-6)
    assert np.abs(first.codes.astype(int) - last.codes).max() <= 1
