"""Projects and domes of RelightLab, project folders of RTIBuilder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.capture.darkroom import Darkroom
from drti_core.capture.exposures import even_exposures
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.errors import DrtiError, FormatError, LightError, MissingFileError, StackError
from drti_core.formats.lp import parse_lp
from drti_core.formats.project import ProjectReader
from drti_core.registry import doors
from drti_core.registry.doors import open_lights
from drti_core.stack.rotation import Rotation
from drti_core.workflow import convert_file
from drti_core.workflow.describe import describe_file
from tests.helpers.dng import PHASES, mosaic_of, write_dng

H, W = 24, 32
XYZ = [[0.6, 0.0, 0.8], [0.0, 0.6, 0.8], [-0.6, 0.0, 0.8], [0.0, -0.6, 0.8], [0.0, 0.0, 1.0]]
NAMES = [f"photo {i}.png" for i in range(len(XYZ))]


def vectors(rows: Any) -> list[dict[str, float]]:
    return [dict(zip("xyz", row, strict=True)) for row in rows]


def dome(**changes: Any) -> dict[str, Any]:
    """A dome object as RelightLab saves it."""
    found: dict[str, Any] = {
        "label": "Dome 1",
        "notes": "",
        "imageWidth": 0,
        "domeDiameter": 0,
        "verticalOffset": 0,
        "lightConfiguration": "directional",
        "directions": vectors(XYZ),
        "positionsSphere": [],
        "positions3d": [],
        "ledAdjust": [],
    }
    return {**found, **changes}


def project(**changes: Any) -> dict[str, Any]:
    """A project as RelightLab saves it."""
    found: dict[str, Any] = {
        "application": "RelightLab",
        "version": "2026.03",
        "name": "test",
        "width": W,
        "height": H,
        "pixelSize": 0.05,
        "folder": "photos",
        "images": [{"filename": name, "skip": False, "visible": True} for name in NAMES],
        "dome": dome(),
        "whitess": [],
    }
    return {**found, **changes}


def pixels(number: int) -> Any:
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (H, W, 3), np.uint8)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Writes photographs and a project, and gives its path."""

    def write(value: dict[str, Any] | None = None, **changes: Any) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for number, name in enumerate(NAMES):
            Image.fromarray(pixels(number)).save(folder / name)
        path = tmp_path / "a.relight"
        # Qt writes keys in the order of the alphabet.
        path.write_text(json.dumps(value or project(**changes), indent=4, sort_keys=True))
        return path

    return write


def whole(stack: Any) -> Any:
    """(L, H, W, 3) codes."""
    return stack.codes(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)


def test_project(make: Callable[..., Path]) -> None:
    stack = doors.open_stack(make())
    assert stack.names == tuple(NAMES)
    assert stack.shape == (H, W)
    assert stack.pixel_size_mm == 0.05
    assert stack.encoding == "srgb"
    assert stack.notes == ()
    assert np.allclose(stack.lights.xyz, XYZ, atol=1e-6)
    assert np.array_equal(whole(stack), np.stack([pixels(i) for i in range(5)]))


def test_folder_of_a_project(make: Callable[..., Path]) -> None:
    path = make(project(folder="."))
    for name in NAMES:
        (path.parent / "photos" / name).rename(path.parent / name)
    (path.parent / "photos").rmdir()
    assert doors.find_reader(path.parent).reader_id == "project"
    assert doors.open_stack(path.parent).names == tuple(NAMES)


def test_skipped_photographs_have_no_light(make: Callable[..., Path]) -> None:
    """B16: lights are those of the photographs that are not skipped."""
    images = [{"filename": n, "skip": i in (1, 3), "visible": True} for i, n in enumerate(NAMES)]
    kept = [XYZ[i] for i in (0, 2, 4)]
    stack = ProjectReader().read(make(images=images, dome=dome(directions=vectors(kept))))
    assert stack.names == ("photo 0.png", "photo 2.png", "photo 4.png")
    assert np.allclose(stack.lights.xyz, kept, atol=1e-6)
    assert np.array_equal(whole(stack), np.stack([pixels(i) for i in (0, 2, 4)]))


def test_lights_of_skipped_photographs_are_left_out(make: Callable[..., Path]) -> None:
    images = [{"filename": n, "skip": i in (1, 3)} for i, n in enumerate(NAMES)]
    stack = ProjectReader().read(make(images=images))
    assert np.allclose(stack.lights.xyz, [XYZ[i] for i in (0, 2, 4)], atol=1e-6)
    assert stack.notes == (
        "The project has lights for all 5 photographs; those of the 2 skipped ones are left out.",
    )


def test_linear_photographs(make: Callable[..., Path]) -> None:
    assert ProjectReader().read(make(forcedInputColorspace="linear")).encoding == "linear"
    assert ProjectReader().read(make(forcedInputColorspace="srgb")).encoding == "srgb"


def linear(stack: Any) -> Any:
    """(L, H, W, 3) linear values."""
    read = replace(stack, encoding="linear").read(Window(0, 0, *stack.shape))
    return read.reshape(len(stack), *stack.shape, 3)


def test_factors_of_lamps_are_honoured(make: Callable[..., Path]) -> None:
    """What RelightLab multiplies the pixels by, in linear light."""
    factors = [{"r": 1 + 0.1 * i, "g": 1.0, "b": 0.5} for i in range(5)]
    images = [{"filename": n, "skip": i in (1, 3)} for i, n in enumerate(NAMES)]
    stack = ProjectReader().read(make(images=images, dome=dome(ledAdjust=factors)))
    plain = ProjectReader().read(make(images=images))
    rows = np.array([[f["r"], f["g"], f["b"]] for f in factors])[[0, 2, 4]]
    wanted = linear(plain) * (rows * (1 / rows).mean())[:, None, None]
    assert np.allclose(linear(stack), wanted, atol=1e-4)
    assert stack.notes[-1] == (
        "The lamps' strengths by ledAdjust, 0.5567 to 1.559, are divided out."
    )
    assert stack.history["levels"]["by"] == "ledAdjust"
    alike = dome(ledAdjust=[{"r": 2, "g": 2, "b": 2}] * 5)
    assert ProjectReader().read(make(dome=alike)).notes == ()


def test_a_white_card_takes_factors_of_lamps_into_account(make: Callable[..., Path]) -> None:
    """And divides nothing out twice."""
    path = make()
    factors = [2.0, 1.0, 0.5, 1.0, 0.8]
    (card := path.parent / "card").mkdir()
    for name, (_, _, z), factor in zip(NAMES, XYZ, factors, strict=True):
        value = linear_to_srgb(np.float32(0.4 * z / factor))
        Image.fromarray(np.full((H, W), np.rint(value * 255), np.uint8)).save(card / name)
    room = Darkroom(white=card)
    plain = doors.open_stack(path, develop=room)
    by_factors = dome(ledAdjust=[dict.fromkeys("rgb", factor) for factor in factors])
    even = doors.open_stack(make(dome=by_factors), develop=room)
    one, other = linear(plain), linear(even)
    assert np.allclose(one / one.mean(), other / other.mean(), rtol=0.02, atol=1e-4)
    assert even.history["levels"]["by"] == "card"
    assert even.history["levels"]["after"]["by"] == "ledAdjust"
    assert "strengths of 0.99" in even.notes[-1]


def test_exposures_beside_what_a_project_says_of_lamps(make: Callable[..., Path]) -> None:
    path = make(dome=dome(ledAdjust=[{"r": 2, "g": 1, "b": 1}, *[{"r": 1, "g": 1, "b": 1}] * 4]))
    exif = Image.Exif()
    exif[271] = "maker"
    for number, name in enumerate(NAMES):
        exif.get_ifd(34665)[33434] = 0.01 * (1 + (number == 2))
        Image.fromarray(pixels(number) // 4 + 100).save(path.parent / "photos" / name, exif=exif)
    assert even_exposures(doors.open_stack(path)).notes[-1] == (
        "Exposures by EXIF are divided out: 1 of 5 photographs differ by +0.0 to +1.0 stops."
    )
    white = {"rect": {"left": 2, "top": 3, "width": 8, "height": 6}}
    path.write_text(json.dumps(project(whitess=[white])))
    assert even_exposures(doors.open_stack(path)).notes[-1] == (
        "The exposures of the photographs are divided out already."
    )


def test_factors_of_a_dome_are_honoured(make: Callable[..., Path]) -> None:
    folder = make().parent / "photos"
    factors = [{"r": 1, "g": 1, "b": 1 + i} for i in range(5)]
    (folder / "a.dome").write_text(json.dumps(dome(ledAdjust=factors)))
    stack = doors.open_stack(folder / "a.dome")
    (folder / "a.dome").write_text(json.dumps(dome()))
    plain = linear(doors.open_stack(folder / "a.dome"))
    ratio = linear(stack)[..., 2].sum(axis=(1, 2)) / plain[..., 2].sum(axis=(1, 2))
    assert np.allclose(ratio / ratio[0], [1, 2, 3, 4, 5], rtol=1e-4)
    assert stack.notes[-1].startswith("The lamps' strengths by ledAdjust, 0.2")


@pytest.mark.parametrize(
    ("factors", "kind", "text"),
    [
        (
            [{"r": 1, "g": 1, "b": 1}] * 3,
            LightError,
            "$.dome.ledAdjust: 3 factors; expected 5, one for each light, or none",
        ),
        (
            [{"r": 1, "g": 0, "b": 1}] * 5,
            FormatError,
            "$.dome.ledAdjust[0].g: 0; expected a finite number above 0",
        ),
        (
            [{"r": 1, "g": 1e-9, "b": 1}] * 5,
            FormatError,
            "$.dome.ledAdjust[0].g: 1e-09; expected a number of 1e-06 to 1e+06",
        ),
    ],
)
def test_factors_that_are_none(
    make: Callable[..., Path], factors: Any, kind: type[DrtiError], text: str
) -> None:
    path = make(dome=dome(ledAdjust=factors))
    with pytest.raises(kind) as caught:
        ProjectReader().read(path)
    assert str(caught.value) == f"{path}: {text}"


@pytest.mark.parametrize("key", ["whites", "whitess"])
def test_a_white_reference_tells_the_lamps(make: Callable[..., Path], key: str) -> None:
    """By its colour in each photograph and the cosine of the light; RelightLab misspells it."""
    value = project(crop={"left": 8, "top": 6, "width": 14, "height": 11, "angle": 90})
    del value["whitess"]
    empty = {"rect": {"left": 0, "top": 0, "width": 0, "height": 0}}
    rect = {"left": 4, "top": 3, "width": 6, "height": 5}
    value[key] = [empty, {"rect": rect, "red": 1, "green": 1, "blue": 1}]
    stack = ProjectReader().read(make(value))
    codes = np.stack([pixels(i)[3:8, 4:10] for i in range(5)]).astype(np.float32)
    patch = srgb_to_linear(codes / 255).mean(axis=(1, 2))
    strengths = patch / np.array(XYZ)[:, 2:]
    found = np.array(stack.history["levels"]["strengths"])
    assert np.allclose(found, strengths / strengths.mean(), atol=2e-4)
    assert stack.notes[-1].startswith("The lamps' strengths by the project's white reference, 0.")
    assert stack.shape == (11, 14)


OFFSETS = [[0, 0], [3, -2], [-1, 2], [0, 1], [2, 2]]


def write_shifted(folder: Path) -> None:
    """Photographs of one smooth picture, moved by the offsets; one was exposed twice as long."""
    y, x = np.mgrid[:H, :W]
    exif = Image.Exif()
    exif[271] = "maker"
    for number, (name, (right, down)) in enumerate(zip(NAMES, OFFSETS, strict=True)):
        codes = 110 + 60 * np.sin((x - right) / 4) + 40 * np.cos((y - down) / 3)
        exif.get_ifd(34665)[33434] = 0.01 * (1 + (number == 2))
        Image.fromarray(np.rint(codes).astype(np.uint8)).save(folder / name, exif=exif)


def test_what_is_done_to_photographs_that_a_project_laid_on_one_another(
    make: Callable[..., Path],
) -> None:
    """Parts and masks are told in the photographs as they were, the distortion is theirs."""
    factors = dome(ledAdjust=[{"r": 1 + 0.1 * i, "g": 1.0, "b": 1.0} for i in range(5)])
    lens = {"focalLength": 40.0, "k1": 0.3}
    path = make(aligns=[{"offsets": OFFSETS}], dome=factors, lens=lens)
    write_shifted(path.parent / "photos")
    stack = doors.open_stack(path)
    assert (stack.shape, stack.frame, stack.area) == ((20, 28), (H, W), Window(2, 1, 20, 28))
    assert np.ptp(linear(stack)[..., 1], axis=0).max() < 1e-6
    mask = np.zeros((H, W), bool)
    mask[4:, 6:] = True
    exposed = doors.open_stack(path, develop=Darkroom(exposures=True), mask=mask)
    assert np.array_equal(exposed.mask, mask[2:22, 1:29])
    assert exposed.history["exposures"]["stops"] == [0, 0, 1, 0, 0]
    part = doors.open_stack(path, crop=Window(4, 6, 10, 12))
    assert np.array_equal(linear(part), linear(stack)[:, 2:12, 5:17])
    # A card as large as the photographs lies on them.
    ramp = np.linspace(0.3, 0.6, W, dtype=np.float32)
    codes = np.rint(linear_to_srgb(np.tile(ramp, (H, 1))) * 255).astype(np.uint8)
    Image.fromarray(codes).save(path.parent / "card.png")
    even = doors.open_stack(path, develop=Darkroom(white=path.parent / "card.png"))
    levels = linear(stack)[0, ..., 1] / linear(even)[0, ..., 1]
    assert np.allclose(levels / levels.mean(), ramp[1:29] / ramp[1:29].mean(), rtol=0.01)
    # The lens bent each photograph as it was taken.
    straight = doors.open_stack(path, develop=Darkroom(undistort="project"))
    assert (straight.shape, straight.history["offsets"]) == ((20, 28), OFFSETS)
    assert set(straight.history) == {"undistort", "offsets", "levels"}
    path.write_text(json.dumps(project(lens=lens)))
    each = doors.open_stack(path, develop=Darkroom(undistort="project"))
    inside = np.ones((20, 28), bool)
    for number, (x, y) in enumerate(OFFSETS):
        there = slice(2 + y, 22 + y), slice(1 + x, 29 + x)
        inside &= each.mask[there]
        one, other = linear(straight)[number, ..., 1], linear(each)[number, ..., 1][there]
        assert np.ptp(one[straight.mask] / other[straight.mask]) < 1e-4
    assert np.array_equal(straight.mask, inside)
    assert not inside.all()


def test_photographs_that_a_project_laid_on_one_another_and_turned(
    make: Callable[..., Path],
) -> None:
    crop = {"left": 4, "top": 5, "width": 14, "height": 20, "angle": 90}
    path = make(aligns=[{"offsets": OFFSETS}], crop=crop)
    write_shifted(path.parent / "photos")
    stack = doors.open_stack(path)
    with Image.open(path.parent / "photos" / NAMES[0]) as first:
        wanted = np.rot90(np.asarray(first), -1)[5:25, 4:18]
    assert stack.mask is None
    assert (whole(stack)[..., 1] == wanted).all()
    assert stack.history["offsets"] == OFFSETS
    path = make(aligns=[{"offsets": OFFSETS}], crop={**crop, "left": 0, "height": 25})
    beyond = doors.open_stack(path).mask  # what not all photographs show
    assert beyond is not None
    assert not beyond[:, :2].any()
    assert beyond[:24, 2:].all()


def test_raw_photographs_of_a_project_that_says_more_of_them(make: Callable[..., Path]) -> None:
    """Offsets, factors, a white reference and positions, with development in another way."""
    white = {"rect": {"left": 4, "top": 2, "width": 8, "height": 8}}
    near = dome(
        lightConfiguration="lights3d",
        positions3d=vectors((5 * np.array(XYZ)).tolist()),
    )
    path = make(aligns=[{"offsets": (2 * np.array(OFFSETS)).tolist()}], whites=[white], dome=near)
    value = json.loads(path.read_text())
    value["images"] = [{"filename": f"a{i}.dng"} for i in range(5)]
    path.write_text(json.dumps(value))
    y, x = np.mgrid[:H, :W]
    for number, (right, down) in enumerate(OFFSETS):
        light = 4000 + 1500 * np.sin((x - 2 * right) / 6) + 1000 * np.cos((y - 2 * down) / 5)
        colours = light[..., None] * (1 - 0.1 * number) * np.array([0.5, 1, 0.6])
        sensor = mosaic_of(np.rint(colours), PHASES["RGGB"])
        write_dng(path.parent / "photos" / f"a{number}.dng", sensor)
    stack = doors.open_stack(path)
    half = doors.open_stack(path, develop=Darkroom(half_size=True, colour_space="p3"))
    assert half.history["raw"]["colour_space"] == "Display P3"
    assert (half.shape, half.frame, half.pixel_size_mm) == ((8, 12), (H // 2, W // 2), 0.1)
    assert half.positions is not None
    assert stack.positions is not None
    assert np.allclose(half.positions.xyz, stack.positions.xyz / 2)
    one, other = (np.array(each.history["levels"]["strengths"]) for each in (stack, half))
    assert np.allclose(one.mean(axis=1), other.mean(axis=1), rtol=0.02)
    found = linear(half)[..., 1]
    found /= found.mean(axis=(1, 2), keepdims=True)
    assert np.ptp(found, axis=0).max() < 0.05
    assert "The project's alignment offsets, up to 6 pixels, are applied." in half.notes


@pytest.mark.parametrize("undistort", [None, "project"])
def test_a_card_is_turned_as_the_photographs_are(make: Callable[..., Path], undistort: Any) -> None:
    """And cropped, with and without a lens; it may be of another size."""
    path = make(
        crop={"left": 8, "top": 7, "width": 16, "height": 12, "angle": 30 if undistort else 10},
        lens={"focalLength": 200.0, "k1": 0.01},
    )
    x, y = np.meshgrid((np.arange(W) + 0.5) / W - 0.5, (np.arange(H) + 0.5) / W - 0.5)
    shade = linear_to_srgb((0.4 * np.exp(0.6 * x - 0.5 * y + 0.5 * x * x)).astype(np.float32))
    flat = Image.fromarray(np.rint(shade * 255).astype(np.uint8))
    for name in NAMES:
        flat.save(path.parent / "photos" / name)
    flat.resize((2 * W, 2 * H), Image.Resampling.BICUBIC).save(path.parent / "card.png")
    room = Darkroom(white=path.parent / "card.png", undistort=undistort)
    even = linear(doors.open_stack(path, develop=room))
    assert even.shape[1:3] == (12, 16)
    assert even.std() / even.mean() < 0.01


def test_a_white_reference_that_tells_nothing(make: Callable[..., Path]) -> None:
    rect = {"left": 0, "top": 0, "width": W, "height": H}
    path = make(whites=[{"rect": rect}])
    for number, name in enumerate(NAMES):
        flat = np.full((H, W, 3), 0 if number == 2 else 90, np.uint8)
        Image.fromarray(flat).save(path.parent / "photos" / name)
    assert ProjectReader().read(path).notes == (
        "The project's white reference is not applied: it is dark in photo 2.png.",
    )
    Image.fromarray(np.full((H, W, 3), 255, np.uint8)).save(path.parent / "photos" / NAMES[0])
    assert ProjectReader().read(path).notes == (
        "The project's white reference is not applied: it is clipped in photo 0.png.",
    )
    path = make(whites=[{"rect": {**rect, "left": 3}}])
    with pytest.raises(FormatError, match=rf"a part of the {W}x{H} pixels"):
        ProjectReader().read(path)


def test_crop_without_an_angle_is_exact(make: Callable[..., Path]) -> None:
    crop = {"left": 3, "top": 5, "width": 20, "height": 11, "angle": 0}
    stack = ProjectReader().read(make(crop=crop))
    assert stack.shape == (11, 20)
    assert stack.mask is None
    assert np.array_equal(whole(stack), np.stack([pixels(i)[5:16, 3:23] for i in range(5)]))


def test_transparency_is_turned_with_the_photographs(make: Callable[..., Path]) -> None:
    path = make(crop={"left": 0, "top": 0, "width": H, "height": W, "angle": 90})
    opaque = np.full((H, W), 255, np.uint8)
    opaque[2:9, 3:20] = 0
    for number, name in enumerate(NAMES):
        clear = np.dstack([pixels(number), opaque])
        Image.fromarray(clear).save(path.parent / "photos" / name)
    mask = doors.open_stack(path).mask
    assert np.array_equal(mask, np.rot90(opaque > 0, -1))


@pytest.mark.parametrize(("angle", "turns"), [(90, -1), (180, 2), (-90, 1), (450, -1)])
def test_quarter_turns_are_exact(make: Callable[..., Path], angle: int, turns: int) -> None:
    """Clockwise, and the lights with the photographs."""
    height, width = (H, W) if angle == 180 else (W, H)
    crop = {"left": 2, "top": 3, "width": width - 4, "height": height - 4, "angle": angle}
    stack = ProjectReader().read(make(crop=crop))
    expected = [
        np.rot90(pixels(i), turns)[3 : height - 1, 2 : width - 2].astype(int) for i in range(5)
    ]
    assert np.array_equal(whole(stack), expected)
    assert stack.mask is None
    radians = np.radians(angle)
    cos, sin = np.cos(radians), np.sin(radians)
    turned = np.array(XYZ) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]).T
    assert np.allclose(stack.lights.xyz, turned, atol=1e-6)
    assert f"turned by {angle % 360} degrees." in stack.notes[-1]


@pytest.mark.parametrize("in_memory", [True, False])
def test_turned_crop(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    """A smooth picture, turned by 10°, against the same function of turned coordinates."""
    if not in_memory:
        monkeypatch.setenv("DRTI_MEMORY", "0")

    def picture(x: Any, y: Any) -> Any:
        return 128 + 60 * np.sin(x / 6) + 50 * np.cos(y / 5)

    path = make(crop={"left": 8, "top": 7, "width": 20, "height": 15, "angle": 10})
    x, y = np.meshgrid(np.arange(W) + 0.5, np.arange(H) + 0.5)
    for name in NAMES:
        grey = np.rint(picture(x, y)).astype(np.uint8)
        Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(path.parent / "photos" / name)
    stack = ProjectReader().read(path)
    assert stack.shape == (15, 20)
    cos, sin = np.cos(np.radians(10)), np.sin(np.radians(10))
    u, v = np.meshgrid(np.arange(20) + 8.5, np.arange(15) + 7.5)
    u, v = u - (W * cos + H * sin) / 2, v - (W * sin + H * cos) / 2
    expected = picture(cos * u + sin * v + W / 2, -sin * u + cos * v + H / 2)
    assert stack.mask is None
    # Half a pixel off would be an error of up to 5.
    error = np.abs(whole(stack)[0, ..., 0] - expected)
    assert error.max() < 3
    assert error.mean() < 0.7


def test_pixels_beyond_the_photograph_are_masked(make: Callable[..., Path]) -> None:
    rotation = Rotation(10, (H, W), Window(0, 0, 1, 1))
    height, width = rotation.frame
    stack = ProjectReader().read(
        make(crop={"left": 0, "top": 0, "width": width, "height": height, "angle": 10})
    )
    assert stack.mask is not None
    assert not stack.mask[0, 0]
    assert abs(int(stack.mask.sum()) - H * W) < H + W
    assert (whole(stack)[:, ~stack.mask] == 0).all()


def test_sixteen_bits_are_turned_as_such() -> None:
    source = np.arange(H * W * 3, dtype=np.uint16).reshape(H, W, 3) * 20
    turned = Rotation(90, (H, W), Window(0, 0, W, H))(source)
    assert turned.dtype == np.uint16
    assert np.array_equal(turned, np.rot90(source, -1))


def test_positions(make: Callable[..., Path]) -> None:
    """Their directions from the centre of the crop, which lies 2 mm right and 1 mm up."""
    positions = 100 * np.array(XYZ)
    lights = dome(
        lightConfiguration="lights3d", imageWidth=W / 4, positions3d=vectors(positions.tolist())
    )
    crop = {"left": 16, "top": 0, "width": 16, "height": 16}
    stack = ProjectReader().read(make(dome=lights, crop=crop))
    expected = positions - [2, 1, 0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(stack.lights.xyz, expected, atol=1e-6)
    assert stack.positions is not None
    assert np.allclose(stack.positions.xyz, (positions - [2, 1, 0]) * 4)  # 4 pixels are 1 mm
    assert stack.notes == ()


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("$.pixelSize", {"pixelSize": 1e-320}),
        ("$.dome.imageWidth", {"dome": dome(imageWidth=1e-320)}),
    ],
)
def test_sizes_that_no_pixel_has(
    make: Callable[..., Path], place: str, changes: dict[str, Any]
) -> None:
    """Positions in so small pixels would be no numbers."""
    path = make(**changes)
    with pytest.raises(FormatError) as error:
        ProjectReader().read(path)
    problem = f"1e-320; expected a number of 1e-12 to {1e15:g}"
    assert str(error.value) == f"{path}: {place}: {problem}"


def test_positions_of_unknown_scale(make: Callable[..., Path]) -> None:
    lights = dome(
        lightConfiguration="lights3d", positions3d=vectors((100 * np.array(XYZ)).tolist())
    )
    path = make(dome=lights, pixelSize=0)
    stack = ProjectReader().read(path)
    assert stack.positions is None
    assert np.allclose(stack.lights.xyz, XYZ, atol=1e-6)
    assert stack.notes == (
        "The lights are 100 to 100 mm away, but the size of a pixel is not known: their directions "
        "from the centre of the picture are used for all of it.",
    )
    (folder := path.parent / "photos").joinpath("a.dome").write_text(json.dumps(lights))
    for known in (
        doors.open_stack(path, pixel_size_mm=0.5),
        doors.open_stack(folder, pixel_size_mm=0.5),
        ProjectReader().read(make(dome=lights, pixelSize=0.5)),
    ):
        assert known.positions is not None
        assert np.allclose(known.positions.xyz, 200 * np.array(XYZ))
        assert known.pixel_size_mm == 0.5


def test_positions_turn_with_the_photographs(make: Callable[..., Path]) -> None:
    """A quarter turn, cropped off the centre: the directions from one and the same point agree."""
    lights = dome(
        lightConfiguration="lights3d",
        imageWidth=W / 4,
        positions3d=vectors((100 * np.array(XYZ)).tolist()),
    )
    plain = ProjectReader().read(make(dome=lights))
    crop = {"left": 2, "top": 1, "width": 6, "height": 8, "angle": 90}
    turned = ProjectReader().read(make(dome=lights, crop=crop))
    assert plain.positions is not None
    assert turned.positions is not None
    # The middle of the turned crop, x right and y down in the turned frame of H x W pixels.
    x, y = 2 + 3 - H / 2, 1 + 4 - W / 2
    seen = plain.positions.directions(y, x).xyz  # clockwise: right is what was up, down is right
    expected = np.stack([seen[:, 1], -seen[:, 0], seen[:, 2]], axis=1)
    assert np.allclose(turned.positions.directions().xyz, expected, atol=1e-6)
    assert np.allclose(turned.lights.xyz, expected, atol=1e-6)


def test_spherical_positions_follow_from_the_dome(tmp_path: Path) -> None:
    path = tmp_path / "a.dome"
    value = dome(lightConfiguration="spherical", domeDiameter=200, verticalOffset=20)
    path.write_text(json.dumps(value))
    lights = open_lights(path)
    expected = 100 * np.array(XYZ) + [0, 0, 20]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(lights.xyz, expected, atol=1e-6)
    assert (
        lights.notes[0] == "The positions of the lights follow from their directions and the dome."
    )
    value["positionsSphere"] = vectors(XYZ)
    path.write_text(json.dumps(value))
    assert np.allclose(open_lights(path).xyz, XYZ, atol=1e-6)


def test_dome_beside_photographs(make: Callable[..., Path]) -> None:
    folder = make().parent / "photos"
    (folder / "a.dome").write_text(json.dumps(dome()))
    for path in (folder, folder / "a.dome"):
        stack = doors.open_stack(path)
        assert stack.names == tuple(NAMES)
        assert np.allclose(stack.lights.xyz, XYZ, atol=1e-6)
        assert stack.notes == (
            "A dome has no names: the pictures were taken in natural order, "
            "photo 0.png to photo 4.png.",
        )


def test_dome_alone(tmp_path: Path) -> None:
    """Its lights are described, converted and read."""
    path = tmp_path / "a.dome"
    path.write_text(json.dumps(dome()))
    found = describe_file(path)
    assert found.facts["kind"] == "light file"
    assert found.facts["lights"]["count"] == 5
    assert np.allclose(open_lights(path).xyz, XYZ, atol=1e-6)
    for name in ("a.lp", "a.csv"):
        report = convert_file(path, tmp_path / name)
        assert report.what == "light directions"
        assert np.allclose(parse_lp(tmp_path / name).lights.xyz, XYZ, atol=1e-6)


def test_rtibuilder_project(tmp_path: Path) -> None:
    """Names are those of another computer."""
    exports, assembly = tmp_path / "jpeg-exports", tmp_path / "assembly-files"
    exports.mkdir()
    assembly.mkdir()
    rows = ["5"]
    for number, xyz in enumerate(XYZ):
        name = f"Bild {number + 1}.jpg"
        Image.fromarray(pixels(number)).save(exports / name, quality=95)
        x, y, z = xyz
        rows.append(f"C:\\Users\\Åsa\\RTI projekt\\jpeg-exports\\{name} {x} {y} {z}")
    (assembly / "projekt.lp").write_bytes("\r\n".join([*rows, ""]).encode("cp1252"))
    assert doors.find_reader(tmp_path).reader_id == "lp"
    stack = doors.open_stack(tmp_path)
    assert stack.names == tuple(f"Bild {i + 1}.jpg" for i in range(5))
    assert np.allclose(stack.lights.xyz, XYZ, atol=1e-6)
    assert stack.shape == (H, W)


def test_rtibuilder_project_with_two_light_files(tmp_path: Path) -> None:
    (tmp_path / "jpeg-exports").mkdir()
    (tmp_path / "assembly-files").mkdir()
    for name in ("a.lp", "b.lp"):
        (tmp_path / "assembly-files" / name).write_text("1\nx.jpg 0 0 1\n")
    with pytest.raises(LightError) as error:
        doors.open_stack(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: 2 light files: a.lp, b.lp; expected one file *.lp. "
        "Name the light file itself."
    )


IMAGES_HINT = "Name the folder of the photographs yourself: the reader project:images=FOLDER"

HOSTILE: dict[str, tuple[dict[str, Any], type[DrtiError], str]] = {
    "too few lights": (
        {"dome": dome(directions=vectors(XYZ[:3]))},
        LightError,
        "{path}: $.dome.directions: 3 lights; expected 5, one for each photograph that is not "
        "skipped. Let RelightLab compute the lights again, and save the project.",
    ),
    "no light": (
        {"dome": dome(directions=[])},
        LightError,
        "{path}: $.dome.directions: no light; expected an x, y, z for each light, as "
        "lightConfiguration is directional. Let RelightLab compute the lights and save the "
        "project again.",
    ),
    "light of length 0": (
        {"dome": dome(directions=vectors([*XYZ[:4], [0, 0, 0]]))},
        LightError,
        "{path}: $.dome.directions, photo 4.png: direction 0 0 0; expected a length of 0.0001 or "
        "more",
    ),
    "light of text": (
        {"dome": dome(directions=[*vectors(XYZ[:4]), {"x": "1", "y": 0, "z": 0}])},
        FormatError,
        '{path}: $.dome.directions[4].x: "1"; expected a finite number',
    ),
    "unknown configuration": (
        {"dome": dome(lightConfiguration="ring")},
        FormatError,
        '{path}: $.dome.lightConfiguration: "ring"; expected "directional" or "spherical" or '
        '"lights3d"',
    ),
    "all skipped": (
        {"images": [{"filename": "a.jpg", "skip": True}]},
        StackError,
        "{path}: $.images: no photograph that is not skipped; expected one or more",
    ),
    "skip of text": (
        {"images": [{"filename": "a.jpg", "skip": "no"}]},
        FormatError,
        '{path}: $.images[0].skip: "no"; expected true or false',
    ),
    "name that leads out": (
        {"images": [{"filename": "../../etc/secret.jpg"}]},
        FormatError,
        '{path}: $.images[0].filename: "../../etc/secret.jpg"; expected a path inside the '
        f"project's folder. {IMAGES_HINT}",
    ),
    "absolute name": (
        {"images": [{"filename": "/etc/secret.jpg"}]},
        FormatError,
        '{path}: $.images[0].filename: "/etc/secret.jpg"; expected a path inside the project\'s '
        f"folder. {IMAGES_HINT}",
    ),
    "folder of Windows": (
        {"folder": "C:\\photos"},
        FormatError,
        '{path}: $.folder: "C:\\\\photos"; expected a path inside the project\'s folder. '
        f"{IMAGES_HINT}",
    ),
    "no folder": (
        {"folder": "elsewhere"},
        MissingFileError,
        "{folder}/elsewhere: is no folder; expected the photographs of a.relight. "
        "Name their folder: the reader project:images=FOLDER",
    ),
    "another size": (
        {"width": 31},
        StackError,
        "{folder}/photos/photo 0.png: has 32x24 pixels; expected 31x24, as {path} says",
    ),
    "a million pixels wide": (
        {"width": 10**6},
        FormatError,
        "{path}: $.width: 1000000; expected an integer in 1..65535",
    ),
    "crop beyond": (
        {"crop": {"left": 20, "top": 0, "width": 20, "height": 5}},
        FormatError,
        "{path}: $.crop: crop 20x5+20+0; expected a part of the 32x24 pixels",
    ),
    "turned crop beyond": (
        {"crop": {"left": 0, "top": 0, "width": 60, "height": 5, "angle": 30}},
        FormatError,
        "{path}: $.crop: crop 60x5+0+0; expected a part of the 40x37 pixels of the photograph "
        "turned by 30 degrees",
    ),
    "negative crop": (
        {"crop": {"left": 0, "top": 0, "width": -5, "height": 5}},
        FormatError,
        "{path}: $.crop.width: -5; expected an integer in 1..131070",
    ),
    "angle of infinity": (
        {"crop": {"left": 0, "top": 0, "width": 5, "height": 5, "angle": float("inf")}},
        FormatError,
        "{path}: $.crop.angle: Infinity; expected a finite number",
    ),
    "unknown colour space": (
        {"forcedInputColorspace": "aces"},
        FormatError,
        '{path}: $.forcedInputColorspace: "aces"; expected "linear" or "srgb"',
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_projects(make: Callable[..., Path], name: str) -> None:
    changes, kind, text = HOSTILE[name]
    path = make(**changes)
    with pytest.raises(kind) as error:
        ProjectReader().read(path)
    assert str(error.value) == text.replace("{path}", str(path)).replace(
        "{folder}", str(path.parent)
    )


def test_photographs_elsewhere(make: Callable[..., Path], tmp_path: Path) -> None:
    path = make(folder="../elsewhere")
    with pytest.raises(FormatError, match="expected a path inside"):
        ProjectReader().read(path)
    assert len(ProjectReader(images=str(tmp_path / "photos")).read(path)) == 5


def test_dome_with_too_few_photographs(make: Callable[..., Path]) -> None:
    folder = make().parent / "photos"
    (folder / "photo 4.png").unlink()
    (folder / "a.dome").write_text(json.dumps(dome()))
    with pytest.raises(StackError) as error:
        doors.open_stack(folder)
    assert str(error.value) == (
        f"{folder / 'a.dome'}: 5 lights and 4 pictures in {folder}; expected a picture for each "
        "light. Put the photographs of one object beside the dome, and no others."
    )
