"""Reading and writing .rti; files to read are put together here, without drti's writer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.codecs.hsh import CODEC
from drti_core.colour import RGB_TO_YCC
from drti_core.decoder import Planes
from drti_core.errors import DrtiError, FormatError, OutputExistsError, UnsupportedFormatError
from drti_core.formats.rti import READER, WRITER
from drti_core.formats.rti.read import RtiReader
from drti_core.io import scratch
from drti_core.lights import LightDirections
from drti_core.model import Metadata, StoredModel
from drti_core.options import with_options

H, W = 5, 9
LIGHTS = LightDirections(np.array([[0, 0, 1], [0.6, 0.2, 0.7], [-0.5, 0.5, 0.7]], np.float32))
XMP = b'<?xpacket begin=""?>\r\n<x:xmpmeta/>\x00\xff<?xpacket end="w"?>'


def tables(terms: int) -> tuple[Any, Any]:
    scale = np.linspace(0.5, 1.5, terms).astype("<f4")
    return scale, np.linspace(-0.5, 0.1, terms).astype("<f4")


def file(
    body: Any, *, eol: str = "\r\n", comments: str = "", stated: int = 0, tail: bytes = b""
) -> bytes:
    """A file of (H, W, 3, terms) codes or floats."""
    terms = body.shape[3]
    lines = ["#HSH1.2", *(comments.split("|") if comments else ()), "3"]
    lines += [f"{body.shape[1]} {body.shape[0]} 3"]
    lines += [f"{stated or terms} 2 {body.dtype.itemsize}", ""]
    head = eol.join(lines).encode("latin-1")
    return head + b"".join(table.tobytes() for table in tables(terms)) + body.tobytes() + tail


def codes_of(terms: int, dtype: str = "u1", seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if dtype == "u1":
        return random.integers(0, 256, (H, W, 3, terms), np.uint8)
    return random.normal(0, 1, (H, W, 3, terms)).astype(dtype)


def values(stored: StoredModel) -> Any:
    """(H, W, 3, terms)."""
    assert stored.planes is not None
    flat = stored.planes.read(Window(0, 0, *stored.shape)).astype(float)
    return flat.reshape(*stored.shape, -1, 3).swapaxes(2, 3)


def codes(stored: StoredModel) -> Any:
    """(H, W, 3, terms)."""
    assert stored.planes is not None
    shape = stored.shape
    return stored.planes.codes.reshape(-1, 3, *shape).transpose(2, 3, 1, 0)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def put(content: bytes) -> Path:
        path = tmp_path / "a.rti"
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("eol", ["\r\n", "\n"])
@pytest.mark.parametrize("terms", [4, 9, 16])
def test_byte_files(terms: int, eol: str, write: Callable[[bytes], Path]) -> None:
    """B21 for 16 terms."""
    body = codes_of(terms)
    body[0, 0, 0, :4] = [0x20, 0x0A, 0x0D, 0x09]
    stored = READER.read(write(file(body, eol=eol)))
    assert stored.config == {
        "codec": "hsh",
        "version": 1,
        "colorspace": "rgb",
        "terms": terms,
        "exponent": 1.5,
    }
    np.testing.assert_array_equal(codes(stored), body)
    scale, bias = tables(terms)
    np.testing.assert_allclose(values(stored), body / 255 * scale + bias, atol=1e-6)
    assert stored.metadata.notes == (() if eol == "\r\n" else ("header lines end with LF",))
    assert CODEC.restore(stored).relight(LIGHTS).shape == (3, H, W, 3)


@pytest.mark.parametrize("terms", [4, 9, 16])
def test_float_files(terms: int, write: Callable[[bytes], Path]) -> None:
    body = codes_of(terms, "<f4")
    body[:, :, 1, 2] = 0.25
    stored = READER.read(write(file(body)))
    assert stored.planes is not None
    assert stored.planes.codes.dtype == np.uint16
    scale, bias = tables(terms)
    error = np.abs(values(stored) - (body.astype(float) * scale + bias))
    assert error.max() < 1.5 * 8 / 65535 / 2 + 1e-6
    assert error[:, :, 1, 2].max() < 1e-6, "a constant plane is exact"


def test_terms_of_scale_0_are_constants(write: Callable[[bytes], Path]) -> None:
    for body in (codes_of(4), codes_of(4, "<f4")):
        scale, bias = tables(4)
        content = file(body).replace(scale.tobytes(), np.array([0.5, 0, 0.8, 1], "<f4").tobytes())
        stored = READER.read(write(content))
        np.testing.assert_allclose(values(stored)[..., 1], bias[1], atol=1e-6)


def test_rtiviewer_s_orders(write: Callable[[bytes], Path]) -> None:
    for stated, terms in ((1, 4), (2, 9)):
        body = codes_of(terms)
        stored = READER.read(write(file(body, stated=stated)))
        np.testing.assert_array_equal(codes(stored), body)
        assert stored.metadata.notes == (
            f"header says {stated} terms for {terms}, as RTIViewer allows",
        )


def test_one_term_is_padded(write: Callable[[bytes], Path]) -> None:
    body = codes_of(1)
    stored = READER.read(write(file(body)))
    assert stored.config["terms"] == 4
    scale, bias = tables(1)
    np.testing.assert_allclose(values(stored)[..., :1], body / 255 * scale + bias, atol=1e-6)
    assert not values(stored)[..., 1:].any()
    assert stored.metadata.notes == ("one term, a constant; RTIViewer would take it for four",)


def test_comments_and_packet_are_kept(write: Callable[[bytes], Path]) -> None:
    content = file(codes_of(4), comments="# made by me |#größe", tail=XMP)
    stored = READER.read(write(content))
    assert stored.metadata.comments == (" made by me", "größe")
    assert stored.metadata.xmp == XMP
    assert stored.metadata.notes == ("header lines have trailing blanks",)
    stored = READER.read(write(file(codes_of(4), tail=b"\x01\x02\x03")))
    assert stored.metadata.xmp == b"\x01\x02\x03"
    assert stored.metadata.notes == ("3 bytes after the data are no XMP packet; they are kept",)


def test_other_signatures_are_noted(write: Callable[[bytes], Path]) -> None:
    content = file(codes_of(4))
    old = READER.read(write(content.replace(b"#HSH1.2", b"#HSH1.1")))
    assert old.metadata.notes == ("header says #HSH1.1",)
    blank = READER.read(write(content.replace(b"#HSH1.2\r\n", b"#HSH1.2\r\n\r\n")))
    assert blank.metadata.notes == ()
    none = READER.read(write(content.replace(b"#HSH1.2\r\n", b"")))
    assert none.metadata.notes == ("header does not begin with #HSH1.2",)


def test_hshfitter_s_exponent_is_an_option(write: Callable[[bytes], Path]) -> None:
    path = write(file(codes_of(16)))
    legacy = with_options(READER, {"legacy_hshfitter": "true"})
    assert legacy == RtiReader(legacy_hshfitter=True)
    one, other = CODEC.restore(READER.read(path)), CODEC.restore(legacy.read(path))
    assert other.config()["exponent"] == 1
    assert np.abs(one.relight(LIGHTS) - other.relight(LIGHTS)).max() > 0.01


def header(text: str, body: int = 0) -> bytes:
    return text.replace("\n", "\r\n").encode() + bytes(body)


ONLY = "expected type 3 (HSH), the only one of which files are known"


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", FormatError, ", line 1: is empty; expected a line with {what}"),
        (
            b"alkdf\n",
            FormatError,
            ", line 1: b'alkdf'; expected {what}",
        ),
        (
            header("#HSH1.2\n0\n"),
            UnsupportedFormatError,
            f", line 2: type 0 (reserved); {ONLY}",
        ),
        (header("#PTM1.2\n1\n"), UnsupportedFormatError, f", line 2: type 1 (PTM); {ONLY}"),
        (
            header("#HSH1.2\n2\n"),
            UnsupportedFormatError,
            f", line 2: type 2 (spherical harmonics); {ONLY}",
        ),
        (
            header("#HSH1.2\n4\n"),
            UnsupportedFormatError,
            f", line 2: type 4 (adaptive basis); {ONLY}",
        ),
        (header("#HSH1.2\n5\n"), FormatError, ", line 2: b'5'; expected {what}"),
        (
            header("#HSH1.2\n3\n1000000 1000000 3\n"),
            FormatError,
            ", line 3: width 1000000; expected 1 to 65535",
        ),
        (
            header("#HSH1.2\n3\n9 -5 3\n"),
            FormatError,
            ", line 3: height -5; expected 1 to 65535",
        ),
        (
            header("#HSH1.2\n3\n9 5 1\n"),
            UnsupportedFormatError,
            ", line 3: 1 colours; expected 3",
        ),
        (
            header("#HSH1.2\n3\n9 5 3\n9 1 1\n"),
            UnsupportedFormatError,
            ", line 4: basis type 1 (LRGB-like); "
            "expected 2 (RGB); no sample of basis type 1 exists",
        ),
        (
            header("#HSH1.2\n3\n9 5 3\n9 3 1\n"),
            FormatError,
            ", line 4: basis type 3; expected 2 (RGB)",
        ),
        (
            header("#HSH1.2\n3\n9 5 3\n9 2 2\n"),
            UnsupportedFormatError,
            ", line 4: element size 2; expected 1 (byte) or 4 (float)",
        ),
        (
            header("#HSH1.2\n3\n9 5 3\n25 2 1\n"),
            UnsupportedFormatError,
            ", line 4: 25 terms; expected 4, 9 or 16 (or 1 or 2, for 4 or 9)",
        ),
        (
            header("#HSH1.2\n3\n9 5 3\n9 2\n"),
            FormatError,
            ", line 5: the header breaks off at b''; "
            "expected a line with number of terms, basis type and element size",
        ),
        (
            file(codes_of(4))[:-1],
            FormatError,
            ": 597 bytes; expected 598: a header of 26, 32 of scale and bias, 9x5 pixels of 12 "
            "bytes, then any XMP packet. It is cut short; get another copy.",
        ),
        (
            header("#HSH1.2\n3\n65535 65535 3\n16 2 4\n", 128),
            FormatError,
            ": 163 bytes; expected 824608555363: a header of 35, 128 of scale and bias, "
            "65535x65535 pixels of 192 bytes, then any XMP packet. "
            "It is cut short; get another copy.",
        ),
        (
            file(codes_of(4)).replace(tables(4)[1].tobytes(), b"\0\0\0\0\0\0\xc0\x7f" + bytes(8)),
            FormatError,
            ", at byte 46: bias nan of term 1; expected a finite number",
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
    monkeypatch.setattr(scratch, "empty", None)
    path = write(content)
    text = str(path) + message.format(what="#HSH1.2, a comment or the type 3")
    with pytest.raises(kind, match=f"^{re.escape(text)}$") as caught:
        READER.read(path)
    assert type(caught.value) is kind


def test_too_many_bytes_after_the_data(
    write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drti_core.formats.rti.read._MAX_TAIL", 10)
    path = write(file(codes_of(4), tail=bytes(11)))
    message = (
        f"{path}: 609 bytes; expected 598: a header of 26, 32 of scale and bias, 9x5 pixels of "
        "12 bytes, then any XMP packet. The header was altered."
    )
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        READER.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_coefficient_that_is_no_number(
    value: float, write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drti_core.decoder.requantise._BAND_VALUES", 300)
    body = codes_of(4, "<f4")
    body[3, 2, 1, 0] = value
    path = write(file(body))
    place = 26 + 32 + 4 * (((3 * W + 2) * 3 + 1) * 4)
    message = f"{path}, at byte {place}: coefficient {value}; expected a finite number"
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        READER.read(path)


def test_every_truncation_is_an_error(write: Callable[[bytes], Path]) -> None:
    content = file(codes_of(9), comments="#a")
    READER.read(write(content))
    for length in range(0, len(content), 3):
        with pytest.raises(DrtiError):
            READER.read(write(content[:length]))


def test_sniff() -> None:
    path = Path("any name")
    assert READER.sniff(path, file(codes_of(4)))
    assert READER.sniff(path, b"#HSH1.2\n3\n9 5 3\n")
    assert READER.sniff(path, b"#PTM1.2\r\n#comment\r\n1\r\n9 5 3\r\n")
    assert not READER.sniff(path, b"PTM_1.2\nPTM_FORMAT_RGB\n")
    assert not READER.sniff(path, b"3\na.jpg 0 0 1\n")
    assert not READER.sniff(path, b"alkdfjlkasdjf\n")
    assert not READER.sniff(path, b"")


# Writing --------------------------------------------------------------------------------------


def per_colour(terms: int, dtype: Any = np.uint8, colorspace: str = "rgb") -> StoredModel:
    """Every plane has its own scale and bias, as in a web folder."""
    count = terms + 3 if colorspace == "lrgb" else 3 * terms
    random = np.random.default_rng(3)
    top = np.iinfo(dtype).max
    planes = Planes(
        random.integers(0, top, (count, H, W), dtype, endpoint=True),
        random.uniform(0.2, 2, count),
        random.uniform(-0.4, 1.4, count),
    )
    config = {"codec": "hsh", "version": 1, "colorspace": colorspace, "terms": terms}
    return StoredModel({**config, "exponent": 1.5}, (H, W), planes)


@pytest.mark.parametrize("terms", [4, 9, 16])
@pytest.mark.parametrize(("element", "dtype"), [("byte", "u1"), ("float", "<f4")])
@pytest.mark.parametrize("eol", ["crlf", "lf"])
def test_files_come_back_byte_for_byte(
    terms: int, element: str, dtype: str, eol: str, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    """B5 for 4 terms."""
    end = {"crlf": "\r\n", "lf": "\n"}[eol]
    content = file(codes_of(terms, dtype), eol=end, comments="# by me|#two", tail=XMP)
    stored = READER.read(write(content))
    out = tmp_path / "b.rti"
    notes = with_options(WRITER, {"element": element, "eol": eol}).write(stored, out)
    assert notes == ()
    if element == "byte":
        assert out.read_bytes() == content
    else:
        again = READER.read(out)
        np.testing.assert_allclose(values(again), values(stored), atol=1e-6)
        assert out.stat().st_size == len(content)
        assert again.metadata.comments == (" by me", "two")
        assert again.metadata.xmp == XMP


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("terms", [4, 9, 16])
def test_scales_of_single_colours_are_requantised_without_a_tint(
    terms: int, dtype: Any, tmp_path: Path
) -> None:
    """B4: every colour's own scale and bias counts, not red's alone."""
    stored = per_colour(terms, dtype)
    notes = WRITER.write(stored, tmp_path / "a.rti")
    again = READER.read(tmp_path / "a.rti")
    assert again.planes is not None
    error = np.abs(values(again) - values(stored)).reshape(-1, 3, terms).max(axis=0)
    step = again.planes.scale.reshape(terms, 3).T / 255
    assert (error <= step / 2 + 1e-6).all()
    largest = re.fullmatch(
        r"requantised to one scale and bias for each term; "
        r"a coefficient changes by up to ([0-9.]+) of 255",
        notes[0],
    )
    assert largest
    assert float(largest[1]) == pytest.approx(255 * error.max(), rel=0.05)


def test_constant_planes_give_numbers(tmp_path: Path) -> None:
    stored = per_colour(4)
    assert stored.planes is not None
    stored.planes.codes[:] = 7
    scale = np.repeat([1.0, 0.0, 2.0, 0.5], 3)
    planes = Planes(stored.planes.codes.astype(np.uint16), scale, np.full(12, 0.3))
    WRITER.write(replace(stored, planes=planes), tmp_path / "a.rti")
    again = READER.read(tmp_path / "a.rti")
    assert again.planes is not None
    assert (again.planes.scale == 1).all()
    np.testing.assert_allclose(values(again), values(replace(stored, planes=planes)), atol=1e-6)


def test_ycc_and_lrgb_become_rgb(tmp_path: Path) -> None:
    for colorspace in ("ycc", "lrgb"):
        stored = per_colour(9, np.uint16, colorspace)
        notes = WRITER.write(stored, tmp_path / f"{colorspace}.rti")
        assert notes[0] == f"{colorspace} coefficients were converted to RGB"
        again = READER.read(tmp_path / f"{colorspace}.rti")
        assert again.planes is not None
        assert stored.planes is not None
        flat = stored.planes.read(Window(0, 0, H, W)).astype(float)
        if colorspace == "lrgb":
            wanted = flat[:, None, :3] * flat[:, 3:, None]
        else:
            wanted = flat.reshape(-1, 9, 3) @ np.linalg.inv(RGB_TO_YCC.astype(float)).T
        error = np.abs(values(again).reshape(-1, 3, 9).swapaxes(1, 2) - wanted).max(axis=0)
        assert (error <= again.planes.scale.reshape(9, 3) / 255 * 0.51).all()


def test_an_exponent_of_1_is_said(tmp_path: Path) -> None:
    stored = per_colour(16)
    stored = replace(stored, config={**stored.config, "exponent": 1.0})
    notes = WRITER.write(stored, tmp_path / "a.rti")
    assert notes[0] == ("a .rti cannot say that its exponent is 1: read it with legacy_hshfitter")


def test_comments_of_many_lines_stay_comments(tmp_path: Path) -> None:
    metadata = Metadata(comments=("one\ntwo\r\n3",))
    WRITER.write(replace(per_colour(4), metadata=metadata), tmp_path / "a.rti")
    assert READER.read(tmp_path / "a.rti").metadata.comments == ("one", "two", "3")


@pytest.mark.parametrize(
    ("config", "count", "reason"),
    [
        (
            {"codec": "ptm", "terms": 6},
            18,
            "a .rti holds hemispherical harmonics (codec hsh), not codec ptm; "
            "fit hsh to the photographs, or to pictures relit from this model",
        ),
        ({"codec": "hsh", "terms": 5}, 15, "a .rti holds 4, 9 or 16 terms, not 5"),
        (
            {"codec": "hsh", "terms": 4, "colorspace": "mrgb"},
            12,
            "a .rti holds RGB coefficients, and colorspace mrgb is unknown",
        ),
        (
            {"codec": "hsh", "terms": 9},
            12,
            "9 terms in rgb are 27 planes, and the model has 12",
        ),
    ],
)
def test_other_models_are_refused_by_name(
    config: dict[str, Any], count: int, reason: str, tmp_path: Path
) -> None:
    planes = Planes(np.zeros((count, 1, 1), np.uint8), np.ones(count), np.zeros(count))
    stored = StoredModel(config, (1, 1), planes)
    assert WRITER.refuse(stored) == reason
    path = tmp_path / "a.rti"
    with pytest.raises(UnsupportedFormatError, match=f"^{re.escape(f'{path}: {reason}')}$"):
        WRITER.write(stored, path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.rti"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        WRITER.write(per_colour(4), path)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("element", ["byte", "float"])
def test_bands_do_not_change_a_thing(
    element: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = with_options(WRITER, {"element": element})
    writer.write(per_colour(9), tmp_path / "a.rti")
    one = READER.read(tmp_path / "a.rti")
    monkeypatch.setattr("drti_core.decoder.requantise._BAND_VALUES", 27 * W * 2)
    monkeypatch.setenv("DRTI_MEMORY", "0")
    writer.write(per_colour(9), tmp_path / "b.rti")
    assert (tmp_path / "a.rti").read_bytes() == (tmp_path / "b.rti").read_bytes()
    np.testing.assert_array_equal(codes(READER.read(tmp_path / "b.rti")), codes(one))


# Real files -----------------------------------------------------------------------------------


def test_genuine_file(data: Path, tmp_path: Path) -> None:
    path = data / "files" / "vase.rti"
    stored = READER.read(path)
    assert (stored.shape, stored.config["terms"]) == ((470, 320), 9)
    assert (stored.metadata.notes, stored.metadata.xmp) == ((), None)
    model = CODEC.restore(stored)
    lights = LightDirections(np.array([[0, 0, 1], [0.7, 0, 0.7], [-0.7, 0, 0.7]], np.float32))
    front, right, left = model.relight(lights)
    # A green vase before black; each light brightens its own flank.
    assert front[250:300, 120:200, 1].mean() > 1.2 * front[250:300, 120:200, 0].mean() > 0.2
    assert front[250:300, :15].mean() < 0.1
    assert right[250:300, 230:260].mean() > 2 * left[250:300, 230:260].mean()
    assert left[250:300, 55:85].mean() > 2 * right[250:300, 55:85].mean()
    assert WRITER.write(stored, tmp_path / "a.rti") == ()
    assert (tmp_path / "a.rti").read_bytes() == path.read_bytes()


def test_junk_is_refused(data: Path) -> None:
    path = data / "files" / "fake.rti"
    assert not READER.sniff(path, path.read_bytes()[:512])
    message = f"{path}, line 1: b'alkdfjlkasdjf'; expected #HSH1.2, a comment or the type 3"
    with pytest.raises(FormatError, match=f"^{re.escape(message)}$"):
        READER.read(path)


@pytest.mark.parametrize(
    ("name", "terms"), [("hsh11", 9), ("hsh12", 4), ("hsh27", 9), ("hsh27_c", 9)]
)
def test_handmade_files_hold_the_known_coefficients(name: str, terms: int, data: Path) -> None:
    folder = data / "relight_cli" / "handmade"
    truth = np.load(folder / "truth.npz")
    stored = READER.read(folder / f"{name}.rti")
    np.testing.assert_array_equal(codes(stored), truth["hs"][..., :terms])
    wanted = truth["hs"] / 255 * truth["sc"] + truth["bi"]
    np.testing.assert_allclose(values(stored), wanted[..., :terms], atol=1e-6)


def test_handmade_files_of_1_and_16_terms(data: Path) -> None:
    """B21: 16 terms are no crash."""
    folder = data / "relight_cli" / "handmade"
    assert READER.read(folder / "hsh48.rti").config["terms"] == 16
    one = READER.read(folder / "hsh3.rti")
    np.testing.assert_allclose(values(one)[..., 0], 128 / 255, atol=1e-6)


def test_relight_s_own_file(data: Path) -> None:
    stored = READER.read(data / "relight_cli" / "direct" / "hsh27.rti")
    assert stored.metadata.notes == ("header lines end with LF",)
    assert stored.shape == (83, 107)
