"""Reading .ptm: every variant is put together here, byte by byte, without drti's writer."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.codecs.ptm import CODEC
from drti_core.errors import DrtiError, FormatError, UnsupportedFormatError
from drti_core.formats.ptm import READER
from drti_core.io import scratch
from drti_core.lights import LightDirections

SCALE, BIAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.1), (10, 20, 30, 40, 50, 60)
#: Place in the file (x², y², xy, x, y, 1) of 1, x, y, x², xy, y².
PLACES = (5, 3, 4, 0, 2, 1)
H, W = 5, 9
LIGHTS = LightDirections(np.array([[0, 0, 1], [0.5, 0.3, 0.81], [-0.6, -0.2, 0.77]], np.float32))


@pytest.fixture
def rgb() -> Any:
    """Coefficients in the order of the file, (H, W, 3, 6) uint8, top-down."""
    return np.random.default_rng(1).integers(0, 256, (H, W, 3, 6), np.uint8)


@pytest.fixture
def lrgb() -> Any:
    """Six coefficients and a colour in the order of the file, (H, W, 9) uint8, top-down."""
    return np.random.default_rng(2).integers(0, 256, (H, W, 9), np.uint8)


def header(name: str, version: str = "1.2", size: str = f"{W}\n{H}", end: str = "\n") -> bytes:
    lines = [f"PTM_{version}", f"PTM_FORMAT_{name}", *size.split("\n")]
    lines += [" ".join(map(str, SCALE)), " ".join(map(str, BIAS)), ""]
    return end.join(lines).encode()


def rgb_body(rgb: Any) -> bytes:
    return b"".join(rgb[::-1, :, channel].tobytes() for channel in range(3))


def expected_rgb(rgb: Any) -> Any:
    return np.stack([rgb[:, :, c, place] for place in PLACES for c in range(3)])


def expected_lrgb(lrgb: Any) -> Any:
    return np.stack([lrgb[:, :, n] for n in (6, 7, 8, *PLACES)])


def grey(plane: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(out, "JPEG", quality=100)
    return out.getvalue()


def smooth(seed: int, shape: tuple[int, int] = (16, 24)) -> Any:
    """A plane that JPEG keeps to within a code or two."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    return np.rint(128 + 90 * np.sin(seed + 2 * x + (1 + seed % 3) * y)).astype(np.uint8)


def jpeg_file(
    name: str,
    shape: tuple[int, int],
    bodies: Sequence[bytes],
    *,
    transforms: Sequence[int] | None = None,
    motion: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
    references: Sequence[int] | None = None,
    sides: Sequence[bytes] | None = None,
) -> bytes:
    n = len(bodies)
    sides = sides or [b""] * n
    lists = [
        transforms or [0] * n,
        motion or [0] * n,
        [0] * n,
        order or list(range(n)),
        references or [-1] * n,
        [len(body) for body in bodies],
        [len(side) for side in sides],
    ]
    text = header(name, size=f"{shape[1]}\n{shape[0]}") + b"90\n"
    text += "".join(" ".join(map(str, numbers)) + "\n" for numbers in lists).encode()
    return text + b"".join(body + side for body, side in zip(bodies, sides, strict=True))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(content: bytes) -> Path:
        path = tmp_path / "a.ptm"
        path.write_bytes(content)
        return path

    return put


def full(text: str) -> str:
    """Pattern of a whole message."""
    return f"^{re.escape(text)}$"


def test_rgb_codes_scale_bias_and_rows(rgb: Any, write: Callable[[bytes], Path]) -> None:
    stored = READER.read(write(header("RGB") + rgb_body(rgb)))
    assert stored.config == {"codec": "ptm", "version": 1, "colorspace": "rgb", "terms": 6}
    assert stored.shape == (H, W)
    assert stored.metadata.notes == ()
    assert stored.planes is not None
    np.testing.assert_array_equal(stored.planes.codes, expected_rgb(rgb))
    np.testing.assert_array_equal(stored.planes.scale, np.repeat([SCALE[p] for p in PLACES], 3))
    biases = np.repeat([BIAS[p] / 255 for p in PLACES], 3)
    np.testing.assert_array_equal(stored.planes.bias, biases)


def test_relit_pixels_follow_the_formula_of_the_format(
    rgb: Any, lrgb: Any, write: Callable[[bytes], Path]
) -> None:
    u, v = LIGHTS.xyz[:, 0].astype(float), LIGHTS.xyz[:, 1].astype(float)
    terms = np.stack([u * u, v * v, u * v, u, v, np.ones_like(u)], axis=1)
    model = CODEC.restore(READER.read(write(header("RGB") + rgb_body(rgb))))
    wanted = np.einsum("lt,hwct->lhwc", terms, (rgb.astype(float) - BIAS) * SCALE)
    np.testing.assert_allclose(model.relight(LIGHTS) * 255, wanted, atol=1e-3)
    body = lrgb[::-1, :, :6].tobytes() + lrgb[::-1, :, 6:].tobytes()
    model = CODEC.restore(READER.read(write(header("LRGB") + body)))
    luminance = np.einsum("lt,hwt->lhw", terms, (lrgb[:, :, :6].astype(float) - BIAS) * SCALE)
    wanted = luminance[..., None] * lrgb[:, :, 6:] / 255
    np.testing.assert_allclose(model.relight(LIGHTS) * 255, wanted, atol=2e-3)


def test_lrgb_is_two_blocks_in_1_2_and_one_in_1_1(
    lrgb: Any, write: Callable[[bytes], Path]
) -> None:
    body = lrgb[::-1, :, :6].tobytes() + lrgb[::-1, :, 6:].tobytes()
    new = READER.read(write(header("LRGB") + body))
    assert new.planes is not None
    np.testing.assert_array_equal(new.planes.codes, expected_lrgb(lrgb))
    np.testing.assert_array_equal(new.planes.scale, [1, 1, 1, *(SCALE[p] for p in PLACES)])
    np.testing.assert_array_equal(new.planes.bias, [0, 0, 0, *(BIAS[p] / 255 for p in PLACES)])
    old = READER.read(write(header("LRGB", "1.1") + lrgb[::-1].tobytes()))
    assert old.planes is not None
    np.testing.assert_array_equal(old.planes.codes, expected_lrgb(lrgb))
    assert old.metadata.notes == ("header says PTM_1.1",)


SCALES, BIASES = " ".join(map(str, SCALE)), " ".join(map(str, BIAS))


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (header("RGB", end="\r\n"), ["header lines end with CR LF"]),
        (header("RGB", size=f"{W} {H}"), ["width and height stand on one line"]),
        (header("RGB", end=" \n"), ["header lines have trailing blanks"]),
        (
            f"PTM_1.2\nPTM_FORMAT_RGB\n{W}\n{H}\n{SCALES} {BIASES}\n".encode(),
            ["scales and biases stand on one line"],
        ),
        (
            "\n".join(
                ["PTM_1.2\nPTM_FORMAT_RGB", f"{W}", f"{H}", *SCALES.split(), BIASES, ""]
            ).encode(),
            ["scales and biases stand on 7 lines"],
        ),
        (header("RGB").replace(b" ", b"  "), []),
        (header("RGB").replace(b"0.5", b".5"), []),
        (header("RGB").replace(b"10 20", b"10.0 2e1"), []),
        (header("RGB", "1.1"), ["header says PTM_1.1"]),
    ],
    ids=["crlf", "wh", "trailing", "twelve", "lines", "blanks", "dot", "float-bias", "1.1"],
)
def test_header_variants(
    text: bytes, notes: list[str], rgb: Any, write: Callable[[bytes], Path]
) -> None:
    stored = READER.read(write(text + rgb_body(rgb)))
    assert stored.planes is not None
    np.testing.assert_array_equal(stored.planes.codes, expected_rgb(rgb))
    np.testing.assert_array_equal(stored.planes.scale, np.repeat([SCALE[p] for p in PLACES], 3))
    np.testing.assert_allclose(
        stored.planes.bias, np.repeat([BIAS[p] / 255 for p in PLACES], 3), rtol=1e-15
    )
    assert list(stored.metadata.notes) == notes


def test_white_space_among_the_first_coefficients_is_data(
    rgb: Any, write: Callable[[bytes], Path]
) -> None:
    rgb[-1, 0, 0] = [0x20, 0x0A, 0x09, 0x0D, 0x0B, 0x0C]
    for end in ("\n", "\r\n", " \n"):
        stored = READER.read(write(header("RGB", end=end) + rgb_body(rgb)))
        assert stored.planes is not None
        np.testing.assert_array_equal(stored.planes.codes, expected_rgb(rgb))


def test_negative_large_and_broken_biases_keep_their_value(
    rgb: Any, write: Callable[[bytes], Path]
) -> None:
    """B1: biases outside 0..255 are legal and occur."""
    text = header("RGB").replace(b"10 20 30", b"-20 300 30.5")
    stored = READER.read(write(text + rgb_body(rgb)))
    assert stored.planes is not None
    np.testing.assert_allclose(stored.planes.bias[[9, 15, 12]] * 255, [-20, 300, 30.5], rtol=1e-15)
    assert stored.metadata.notes == ("biases beyond the integers 0..255: -20, 300, 30.5",)


def test_scales_of_zero_are_named(rgb: Any, write: Callable[[bytes], Path]) -> None:
    """B3: relight's converter writes them."""
    text = header("RGB").replace(SCALES.encode(), b"0 0 0 0 0 0")
    stored = READER.read(write(text + rgb_body(rgb)))
    assert stored.metadata.notes == (
        "all scales are 0 (a known fault of relight's converter): pictures are black",
        "the numbers that were lost are in info.json of the same fit: put its folder beside the "
        "file, under the file's own name, or name it: the reader ptm:companion=FOLDER",
    )
    assert not CODEC.restore(stored).relight(LIGHTS).any()
    text = header("RGB").replace(b"0.6", b"0.0")
    assert READER.read(write(text + rgb_body(rgb))).metadata.notes == ("the scale of y² is 0",)


def test_jpeg_rgb_is_six_red_six_green_six_blue(write: Callable[[bytes], Path]) -> None:
    """B20."""
    planes = [smooth(n) for n in range(18)]
    stored = READER.read(write(jpeg_file("JPEG_RGB", (16, 24), [grey(p[::-1]) for p in planes])))
    assert stored.metadata.notes == ("stored as PTM_FORMAT_JPEG_RGB, quality 90",)
    assert stored.planes is not None
    wanted = np.stack([planes[6 * c + place] for place in PLACES for c in range(3)])
    assert np.abs(stored.planes.codes.astype(int) - wanted).max() <= 1


def decoded(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data))).astype(int)


def test_jpeg_prediction_inversion_wrap_and_side_information(
    write: Callable[[bytes], Path],
) -> None:
    shape = (16, 24)
    bodies = [grey(smooth(n)) for n in range(9)]
    codes = [decoded(body) for body in bodies]
    side = struct.pack(">IBIB", 0, 7, 30, 201)
    # Plane 2 is decoded first, then 5 from it, then 0 from 5 inverted; the rest on their own.
    content = jpeg_file(
        "JPEG_LRGB",
        shape,
        bodies,
        transforms=[1, 1, 0, 0, 0, 0, 2, 0, 0],
        order=[2, 3, 0, 4, 5, 1, 6, 7, 8],
        references=[5, -1, -1, -1, -1, 2, -1, -1, -1],
        sides=[b"", b"", side, *[b""] * 6],
    )
    codes[2].flat[0], codes[2].flat[30] = 7, 201
    five = (codes[2] + codes[5] - 128) % 256
    assert ((codes[2] + codes[5] - 128) != five).any(), "the sample must wrap"
    codes[0] = (255 - five + codes[0] - 128) % 256
    codes[5] = five
    stored = READER.read(write(content))
    assert stored.planes is not None
    wanted = np.stack([codes[n][::-1] for n in (6, 7, 8, *PLACES)])
    np.testing.assert_array_equal(stored.planes.codes, wanted)
    assert stored.metadata.notes == (
        "plane 1 (y²) is marked as inverted but is not predicted",
        "2 planes are predicted from another",
        "2 codes are corrected by side information",
        "stored as PTM_FORMAT_JPEG_LRGB, quality 90",
    )


LRGB9 = [grey(smooth(n)) for n in range(9)]
SHAPE = (16, 24)
WHOLE = jpeg_file("JPEG_LRGB", SHAPE, LRGB9)
START = len(WHOLE) - sum(map(len, LRGB9))


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", FormatError, ", line 1: is empty; expected a line with PTM_1.2 or PTM_1.1"),
        (
            b"hello\0\0",
            FormatError,
            ", line 1: the header breaks off at b'hello\\x00\\x00'; "
            "expected a line with PTM_1.2 or PTM_1.1",
        ),
        (b"P6\n", FormatError, ", line 1: 'P6'; expected PTM_1.2 or PTM_1.1"),
        (b"P\xe9\n", FormatError, ", line 1: b'P\\xe9'; expected PTM_1.2 or PTM_1.1"),
        (
            b"PTM_2.0\n",
            UnsupportedFormatError,
            ", line 1: 'PTM_2.0'; expected PTM_1.2 or PTM_1.1",
        ),
        (
            b"PTM_1.2\nRGB\n",
            FormatError,
            ", line 2: 'RGB'; expected PTM_FORMAT_ and one of RGB, LRGB, JPEG_RGB, JPEG_LRGB",
        ),
        *(
            (
                header(name) + bytes(1000),
                UnsupportedFormatError,
                f", line 2: PTM_FORMAT_{name} is not read ({reason}); "
                "expected RGB, LRGB, JPEG_RGB, JPEG_LRGB",
            )
            for name, reason in [
                ("LUM", "no description and no sample"),
                ("PTM_LUT", "no description and no sample"),
                ("PTM_C_LUT", "no description and no sample"),
                ("JPEGLS_RGB", "no description and no sample"),
                ("JPEGLS_LRGB", "no description and no sample"),
                ("HSV", "unknown"),
            ]
        ),
        (header("RGB", size="0\n5"), FormatError, ", line 4: width 0; expected 1 to 65535"),
        (header("RGB", size="9\n-5"), FormatError, ", line 4: height -5; expected 1 to 65535"),
        (
            header("RGB", size="1000000 1000000"),
            FormatError,
            ", line 3: height 1000000; expected 1 to 65535",
        ),
        (header("RGB", size="9\n5x"), FormatError, ", line 4: '5x'; expected width and height"),
        (
            header("RGB", size="9 5 3"),
            FormatError,
            ", line 3: '9 5 3' (3 words); expected width and height, and then the end of the line",
        ),
        (
            header("RGB").replace(b"0.6", b"nan"),
            FormatError,
            ", line 6: 'nan'; expected six scales and six biases",
        ),
        (
            header("RGB").replace(b"0.6", b"1e999"),
            FormatError,
            ", line 6: '1e999'; expected six scales and six biases",
        ),
        (
            header("RGB").replace(b"0.6", b"0,6"),
            FormatError,
            ", line 6: '0,6'; expected six scales and six biases",
        ),
        (
            header("RGB") + bytes(H * W * 18 - 1),
            FormatError,
            ": 878 bytes; expected 879: a header of 69 and 9x5 pixels of 18 bytes. "
            "It is cut short; get another copy.",
        ),
        (
            header("LRGB") + bytes(H * W * 9 + 1),
            FormatError,
            ": 476 bytes; expected 475: a header of 70 and 9x5 pixels of 9 bytes. "
            "Bytes were added, or the header was altered.",
        ),
        (
            header("RGB", size="65535\n65535") + bytes(99),
            FormatError,
            ": 176 bytes; expected 77307052127: a header of 77 and 65535x65535 pixels of 18 "
            "bytes. It is cut short; get another copy.",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, references=[9, *[-1] * 8]),
            FormatError,
            ", line 12: reference planes of plane 0 (x²): 9; expected -1 to 8",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, order=[0, 1, 2, 3, 4, 5, 6, 7, 9]),
            FormatError,
            ", line 11: order of plane 8 (B): 9; expected 0 to 8",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, references=[1, 0, *[-1] * 7]),
            FormatError,
            ", plane 0 (x²): is predicted from plane 1, which is decoded at position 1 and "
            "itself at 0; expected a plane that is decoded earlier",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, transforms=[2, *[0] * 8], motion=[3, *[0] * 8]),
            UnsupportedFormatError,
            ", line 8: motion compensation of plane 0 (x²) by 3, 0; "
            "expected no vector but 0, 0 (no sample of another exists)",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, transforms=[0, 4, *[0] * 7]),
            UnsupportedFormatError,
            ", line 8: transform 4 of plane 1 (y²); "
            "expected 0 to 3 (1 inversion, 2 motion compensation)",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, sides=[b"1234", *[b""] * 8]),
            FormatError,
            ", line 14: 4 bytes of side information of plane 0 (x²); expected a multiple of 5",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, LRGB9, sides=[struct.pack(">IB", 384, 1), *[b""] * 8]),
            FormatError,
            f", plane 0 (x²), at byte {START + len(LRGB9[0])}: "
            "side information for pixel 384; expected 0 to 383",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, [*LRGB9[:8], grey(smooth(1, (16, 23)))]),
            FormatError,
            ", plane 8 (B): a JPEG of 23x16 pixels, mode L; "
            "expected 24x16 as in the header, mode L (grey)",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, [grey(np.zeros((16, 24, 3), np.uint8)), *LRGB9[1:]]),
            FormatError,
            ", plane 0 (x²): a JPEG of 24x16 pixels, mode RGB; "
            "expected 24x16 as in the header, mode L (grey)",
        ),
        (
            jpeg_file("JPEG_LRGB", SHAPE, [b"no JPEG", *LRGB9[1:]]),
            FormatError,
            ", plane 0 (x²): damaged JPEG (not a JPEG file)",
        ),
        (
            jpeg_file("JPEG_LRGB", (60000, 60000), [b"\xff\xd8" + bytes(1000)] * 9),
            FormatError,
            ", plane 0 (x²): 1002 bytes of JPEG; expected at least 7031250 for 60000x60000",
        ),
        (
            WHOLE[:-1],
            FormatError,
            f": {len(WHOLE) - 1} bytes; expected {len(WHOLE)}: a header of {START} and the sizes "
            "of its planes. It is cut short; get another copy.",
        ),
    ],
)
def test_hostile_files_are_refused_before_anything_is_allocated(
    content: bytes,
    kind: type[DrtiError],
    message: str,
    write: Callable[[bytes], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    empty = scratch.empty

    def counted(shape: Sequence[int], dtype: Any) -> Any:
        sizes.append(int(np.prod(shape)))
        return empty(shape, dtype)

    monkeypatch.setattr(scratch, "empty", counted)
    path = write(content)
    with pytest.raises(kind, match=full(f"{path}{message}")) as caught:
        READER.read(path)
    assert type(caught.value) is kind
    assert sum(sizes) <= 9 * SHAPE[0] * SHAPE[1]


@pytest.mark.slow
def test_every_truncation_is_an_error(write: Callable[[bytes], Path], lrgb: Any) -> None:
    body = lrgb[::-1, :, :6].tobytes() + lrgb[::-1, :, 6:].tobytes()
    for content in (header("LRGB") + body, WHOLE):
        READER.read(write(content))
        for length in range(0, len(content), 7):
            with pytest.raises(DrtiError):
                READER.read(write(content[:length]))


def test_damaged_jpegs_are_errors_or_pictures(write: Callable[[bytes], Path]) -> None:
    """Whatever happens to the bytes of a JPEG, nothing but a FormatError comes out."""
    random = np.random.default_rng(3)
    failed = 0
    for _ in range(150):
        damaged = bytearray(WHOLE)
        for place in random.integers(START, len(WHOLE), 4):
            damaged[place] = random.integers(256)
        try:
            READER.read(write(bytes(damaged)))
        except FormatError:
            failed += 1
    assert 0 < failed < 150


def test_bands_do_not_change_the_codes(
    rgb: Any, write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also with codes on a temporary file."""
    monkeypatch.setattr("drti_core.decoder.requantise._BAND_VALUES", 100)
    monkeypatch.setenv("DRTI_MEMORY", "0")
    monkeypatch.setenv("DRTI_SCRATCH", str(tmp_path))
    stored = READER.read(write(header("RGB") + rgb_body(rgb)))
    assert stored.planes is not None
    assert isinstance(stored.planes.codes, np.memmap)
    np.testing.assert_array_equal(stored.planes.codes, expected_rgb(rgb))


def test_sniff() -> None:
    path = Path("any name")
    assert READER.sniff(path, header("RGB"))
    assert not READER.sniff(path, b"#HSH1.2\r\n3\r\n")
    assert not READER.sniff(path, b"")


# Real files -----------------------------------------------------------------------------------


def test_genuine_jpeg_file(data: Path) -> None:
    stored = READER.read(data / "files" / "tablet1.ptm")
    assert stored.shape == (512, 512)
    assert stored.config["colorspace"] == "lrgb"
    assert stored.metadata.notes == (
        "4 planes are predicted from another",
        "stored as PTM_FORMAT_JPEG_LRGB, quality 95",
    )
    model = CODEC.restore(stored)
    lights = LightDirections(np.array([[0, 0, 1], [0.7, 0, 0.7], [-0.7, 0, 0.7]], np.float32))
    front, right, left = model.relight(lights)
    # A pale tablet on black cloth; the light of the wrong plane order or sign shows at once.
    assert 0.4 < front[150:350, 150:350].mean() < 0.7
    assert front[:40].mean() < 0.15
    rim = slice(200, 300)
    assert right[rim, 470:480].mean() > 1.5 * left[rim, 470:480].mean()
    assert left[rim, 35:45].mean() > 1.5 * right[rim, 35:45].mean()


def test_reference_file_matches_its_photographs(data: Path) -> None:
    folder = data / "files" / "reference_8x5"
    path = folder / "reference_8x5.ptm"
    assert path.read_bytes().startswith(
        b"PTM_1.2\nPTM_FORMAT_LRGB\n8\n5\n0.500000 0.500000 0.250000 0.500000 0.250000 1.000000 \n"
        b"167 97 0 0 0 0 \n"
    )
    rows = [line.split() for line in (folder / "reference_8x5.lp").read_text().splitlines()[1:]]
    photos = np.stack([np.asarray(Image.open(folder / row[0]).convert("RGB")) for row in rows])
    lights = LightDirections(np.array([[float(v) for v in row[1:]] for row in rows], np.float32))
    relit = CODEC.restore(READER.read(path)).relight(lights) * 255
    assert np.sqrt(np.mean((relit - photos) ** 2)) < 1
    assert np.sqrt(np.mean((relit[:, ::-1] - photos) ** 2)) > 20, "rows are bottom-up in the file"


@pytest.mark.parametrize(
    "name",
    [
        *("crlf", "dblspace", "negbias", "rgb11", "rgb12", "scale_lines", "trail", "wh_oneline"),
        *("jrgb", "lrgb11", "lrgb12", "jlrgb"),
    ],
)
def test_handmade_files_hold_the_known_coefficients(name: str, data: Path) -> None:
    folder = data / "relight_cli" / "handmade"
    truth = np.load(folder / "truth.npz")
    stored = READER.read(folder / f"{name}.ptm")
    assert stored.planes is not None
    if "lrgb" in name:
        wanted = expected_lrgb(np.concatenate([truth["lum"], truth["rgb"]], axis=2))
    else:
        wanted = expected_rgb(truth["coef"])
    loss = 1 if name.startswith("j") else 0
    assert np.abs(stored.planes.codes.astype(int) - wanted).max() <= loss


@pytest.mark.parametrize("name", ["lum", "empty", "garbage", "trunc"])
def test_handmade_broken_files_are_refused_by_name(name: str, data: Path) -> None:
    path = data / "relight_cli" / "handmade" / f"{name}.ptm"
    with pytest.raises(DrtiError, match=re.escape(str(path))):
        READER.read(path)
