"""Lamps that are not alike: white cards, positions, and what the photographs tell by themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.arrays import Window
from drti_core.capture.levels import level
from drti_core.capture.unequal_lamps import estimate_lamps
from drti_core.capture.white_card import level_by_card, measure, open_card
from drti_core.colour import linear_to_srgb, to_uint8
from drti_core.fitting.near_lights import LevelledStack, levelled
from drti_core.io.pictures.icc import profile
from drti_core.io.pictures.tiff import write_tiff
from drti_core.io.pictures.writers import rows_of
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.relight.normals import normals
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import rings
from tests.capture.levels_collections import angle, relief
from tests.stack.test_developing import STRAIGHT, linear_profile

H, W = 48, 64
LAMPS = rings(16, (30, 60))
STRENGTHS = 1 + np.random.default_rng(3).uniform(-0.25, 0.25, len(LAMPS))


def places(height: int = H, width: int = W) -> tuple[np.ndarray, np.ndarray]:
    """X and y of the pixels, from the centre of the picture, in widths of it."""
    y, x = np.mgrid[:height, :width] + 0.5
    return (x - width / 2) / width, (height / 2 - y) / width


def card_values(distance: float | None, height: int = H, width: int = W) -> np.ndarray:
    """(L, H, W) linear values of a white card under the lamps."""
    x, y = places(height, width)
    if distance is None:
        shade = np.broadcast_to(LAMPS.xyz[:, 2][:, None, None], (len(LAMPS), height, width))
    else:
        near = LightPositions.on_dome(LAMPS, distance)
        vectors = near.vectors(x, y)
        length = np.linalg.norm(vectors, axis=-1)
        shade = vectors[..., 2] / length * near.levels(x, y)
    return 0.25 * STRENGTHS[:, None, None] * shade


def write(folder: Path, values: np.ndarray, suffix: str = ".png") -> Path:
    """Grey linear pictures as 8-bit sRGB files."""
    folder.mkdir()
    for number, picture in enumerate(values):
        codes = to_uint8(picture.astype(np.float32), "linear")
        Image.fromarray(codes).save(folder / f"p{number:02d}{suffix}")
    return folder


def stack_of(values: np.ndarray) -> ArrayStack:
    """A stack of grey linear values, named as the cards' files."""
    names = [f"p{number:02d}.jpg" for number in range(len(values))]
    pictures = np.repeat(values[..., None], 3, axis=3).astype(np.float32)
    return ArrayStack.of(pictures, LAMPS, names=names, code_encoding="linear")


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card under near lamps."""
    return write(tmp_path_factory.mktemp("a") / "white", card_values(1.6))


def whole(stack: drti.Stack) -> np.ndarray:
    return stack.read(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)


def test_a_card_tells_strengths_and_how_near_the_lamps_are(cards: Path) -> None:
    stack = stack_of(card_values(1.6))
    even = level(stack, white=cards)
    assert even.positions is not None
    assert abs(even.positions.xyz[0] / W - 1.6 * LAMPS.xyz[0]).max() < 0.02
    # What is left of the card is what it reflects by its cosine, under lamps that stand level.
    seen = whole(levelled(even))[..., 0]
    x, y = places()
    vectors = even.positions.vectors(x * W, y * W)
    shown = seen / (vectors[..., 2] / np.linalg.norm(vectors, axis=-1))
    assert shown.std() / shown.mean() < 0.01
    assert even.notes[0].startswith(
        "Levels by a card under 16 lamps are divided out, strengths of 0.8"
    )
    assert even.notes[1] == (
        "The card says that the lamps stand 1.6 longer sides of the picture from its centre: their "
        "directions and fall-off are honoured."
    )
    done = even.history["levels"]
    assert (done["by"], round(done["distance"], 1), done["clipped"]) == ("card", 1.6, 0.0)
    assert np.allclose(np.mean(done["strengths"], axis=1), STRENGTHS / STRENGTHS.mean(), atol=0.01)


def test_positions_that_are_known_are_honoured_once(cards: Path) -> None:
    near = LightPositions.on_dome(LAMPS, 1.6 * W)
    stack = replace(stack_of(card_values(1.6)), positions=near)
    even = level(stack, white=cards)
    assert even.positions is near
    assert even.history["levels"]["distance"] is None
    assert isinstance(levelled(even), LevelledStack)
    assert len(even.notes) == 1
    # Photographs that were levelled before: directions alone.
    done = level(stack, "none")
    assert done.positions is not None
    assert levelled(done) is done
    assert done.notes == ("The fall-off of near lights is left alone, as of levelled ones.",)
    assert done.positions.levels([0, 9], 0).tolist() == [[1.0, 1.0]] * len(LAMPS)
    part = done.select([2, 1]).cropped(Window(0, 0, 20, 20))
    assert part.positions is not None
    assert not part.positions.falls_off
    far = stack_of(card_values(None))
    assert level(far, "none") is far
    assert level(far) is far


def test_dust_edges_and_clipping_of_a_card_are_no_level(tmp_path: Path) -> None:
    values = card_values(None) * (1 + 0.3 * places()[0])
    clean = measure(stack_of(values), stack_of(values))
    x, y = places()
    spoiled = values.copy()
    spoiled[:, 10:14, 20:25] *= 0.5  # a spot
    spoiled[:, :, :6] = 0.02  # the table beside it
    spoiled[3, 30:36, 40:50] = 1.2  # a lamp's reflection
    folder = write(tmp_path / "white", spoiled)
    stack = stack_of(values)
    found = measure(open_card(folder, stack), stack)
    at = (x * W, y * W)
    worst = np.abs(np.log(found.fields.levels(*at) / clean.fields.levels(*at)))[:, :, 6:].max()
    assert worst < 0.02
    assert np.abs(np.log(found.strengths / clean.strengths)).max() < 0.01
    assert 0.85 < found.covered < 0.95
    assert 0 < found.clipped < 0.01
    notes = level_by_card(stack, open_card(folder, stack)).notes
    assert notes[-1] == "The card covers 91% of the picture; beyond it levels go on."
    assert notes[-2] == "0.1% of the card is clipped, and was left out."


def test_one_card_for_all_lamps_takes_the_vignetting(tmp_path: Path) -> None:
    x, y = places()
    dim = 1 - 0.5 * (x**2 + y**2)
    half = dim[::2, ::2]  # of half the size
    picture = to_uint8((0.6 * half[..., None] * np.ones(3)).astype(np.float32), "linear")
    Image.fromarray(picture).save(tmp_path / "card.png")
    even = level(stack_of(card_values(None) * dim), white=tmp_path / "card.png")
    flat = whole(even)[..., 0]
    assert (flat.std(axis=(1, 2)) / flat.mean(axis=(1, 2))).max() < 0.006
    # Strengths stay as they were.
    assert np.allclose(flat[:, H // 2, W // 2], card_values(None)[:, 0, 0], rtol=0.01)
    assert even.notes == (
        "Levels by one card for all lamps are divided out, and fields that change by a factor of "
        "up to 1.24 over the picture.",
    )


def test_parts_of_a_levelled_stack_are_parts_of_the_whole(cards: Path) -> None:
    even = level(stack_of(card_values(None) * (1 + 0.3 * places()[0])), white=stack_of(
        card_values(None) * (1 + 0.3 * places()[0])
    ))  # fmt: skip
    part = even.select([5, 2]).cropped(Window(8, 30, 20, 30))
    assert np.allclose(whole(part), whole(even)[[5, 2], 8:28, 30:60], rtol=1e-5)
    assert even.dtype == np.float32


def test_cards_belong_to_photographs_by_name_or_by_order(tmp_path: Path) -> None:
    values = card_values(None)[:4]
    folder = write(tmp_path / "white", values)
    names = ("p02.jpg", "p00.jpg")
    two = ArrayStack.of(values[[2, 0]].astype(np.float32), LAMPS[[2, 0]], names=names)
    assert open_card(folder, two).names == ("p02.png", "p00.png")  # the others are of no use
    other = ArrayStack.of(values.astype(np.float32), LAMPS[[0, 1, 2, 3]])
    card = open_card(folder, other)
    assert card.names == ("p00.png", "p01.png", "p02.png", "p03.png")
    assert card.notes == (
        "The pictures of the card were taken in natural order, p00.png for image 0.",
    )


def test_a_card_means_what_its_own_file_says(tmp_path: Path) -> None:
    """Of as many bits as linear photographs it may still be sRGB; floats are white nowhere."""
    values = card_values(None) * (1 + 0.3 * places()[0])
    (folder := tmp_path / "object").mkdir()
    (encoded := tmp_path / "srgb").mkdir()
    (bright := tmp_path / "bright").mkdir()
    curves = linear_profile(STRAIGHT["none"])
    for number, picture in enumerate(np.repeat(values[..., None], 3, 3).astype(np.float32)):
        name, shape = f"p{number:02d}.tif", picture.shape[:2]
        for path, light, icc in (
            (folder, picture, curves),
            (encoded, linear_to_srgb(picture), None),
        ):
            rows = rows_of(np.rint(light * 65535).astype(np.uint16))
            write_tiff(path / name, rows, shape, np.uint16, icc=icc)
        write_tiff(bright / name, rows_of(8 * picture), shape, np.float32, icc=None)
    stack = drti.ImageStack.open(sorted(folder.iterdir()), LAMPS)
    assert stack.code_encoding == "linear"
    for white in (encoded, bright):
        flat = whole(level(stack, white=white))[..., 0]
        assert (flat.std(axis=(1, 2)) / flat.mean(axis=(1, 2))).max() < 1e-3
    high = replace(stack_of(8 * values * np.linspace(0.5, 1, W)), names=stack.names)
    assert "which is divided out" in level(high, "estimate").notes[-1]


def test_of_two_pictures_of_one_name_that_of_the_photographs_kind_is_the_card(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "white", card_values(None)[:2])
    for path in list(folder.iterdir()):
        Image.new("L", (W, H)).save(path.with_suffix(".JPG"))
    two = ArrayStack.of(np.zeros((2, H, W)), LAMPS[[0, 1]], names=("p00.png", "p01.png"))
    assert open_card(folder, two).names == ("p00.png", "p01.png")
    with pytest.raises(drti.StackError) as caught:
        open_card(folder, replace(two, names=("p00.tif", "p01.tif")))
    assert str(caught.value) == (
        f"{folder}: p00.JPG and p00.png are pictures of the card for one photograph; expected one "
        "for each"
    )


def refused(kind: type[drti.DrtiError], white: Path, values: np.ndarray | None = None) -> str:
    with pytest.raises(kind) as caught:
        level(stack_of(card_values(None) if values is None else values), white=white)
    return str(caught.value)


def test_a_card_that_is_missing(tmp_path: Path) -> None:
    assert refused(drti.MissingFileError, tmp_path / "no") == (
        f"{tmp_path / 'no'}: is not there; expected a picture of a white card, or a folder with "
        "one for each light"
    )


def test_other_than_one_card_for_each_light(tmp_path: Path) -> None:
    folder = write(tmp_path / "white", card_values(None)[:5])
    for path in sorted(folder.iterdir()):
        path.rename(folder / f"card {path.name}")
    assert refused(drti.StackError, folder) == (
        f"{folder}: 5 pictures of a card; expected 16, one for each photograph, or one for all. "
        "Give the pictures the names of the photographs under the same lights."
    )


def test_cards_of_which_one_is_misnamed_are_not_taken_in_order(tmp_path: Path) -> None:
    folder = write(tmp_path / "white", card_values(None))
    (folder / "p03.png").rename(folder / "a03.png")
    assert refused(drti.StackError, folder) == (
        f"{folder}: no picture of the card for p03.jpg; expected one of the same name for each "
        "photograph, or none that has one's name. Name the pictures of the card as the photographs "
        "under the same lights."
    )


def test_photographs_are_no_card(tmp_path: Path) -> None:
    scene = drti.demo_stack((48, 64), 16)
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, picture in enumerate(scene.images):
        Image.fromarray(picture).save(folder / f"p{number:02d}.png")
    own = drti.ImageStack.open(sorted(folder.iterdir()), scene.lights)
    for white in (folder, folder / "p05.png"):
        with pytest.raises(drti.OptionError) as caught:
            level(own, white=white)
        assert str(caught.value) == (
            f"{white}: photographs as their own white card; expected pictures of a card under the "
            "same lights"
        )
    uneven = refused(drti.StackError, folder)
    assert re.sub(r"\d+%;", "N%;", uneven) == (
        f"{folder}: what is said to be a white card is uneven by N%; expected less than 10%: a "
        "smooth and matt surface, and nothing on it"
    )
    one = refused(drti.StackError, folder / "p05.png")
    assert one.startswith(f"{folder / 'p05.png'}: what is said to be a white card is uneven by ")


def test_a_card_of_another_shape(tmp_path: Path) -> None:
    folder = write(tmp_path / "white", card_values(None, 64, 64))
    assert refused(drti.StackError, folder) == (
        f"{folder / 'p00.png'}: the card has 64x64 pixels; expected 64x48, as the photographs "
        "have, or the same shape scaled. Photograph the card with the camera where it stood, and "
        "crop neither."
    )


def test_a_dark_card(tmp_path: Path) -> None:
    values = card_values(None).copy()
    values[7] = 0.004
    folder = write(tmp_path / "white", values)
    assert refused(drti.StackError, folder) == (
        f"{folder / 'p07.png'}: the card is dark: 0.4% of white in linear light; expected 2% or "
        "more. Expose the card longer, all its pictures alike, or leave this light out."
    )


def test_a_card_of_few_pixels(tmp_path: Path) -> None:
    folder = write(tmp_path / "white", card_values(None, 3, 4))
    assert refused(drti.StackError, folder) == (
        f"{folder / 'p00.png'}: the card has 4x3 pixels; expected 8 or more along each side"
    )


def test_a_card_that_is_an_empty_file(cards: Path, tmp_path: Path) -> None:
    empty = tmp_path / "card.png"
    empty.touch()
    assert refused(drti.StackError, empty) == (
        f"{empty}: is empty; expected an 8- or 16-bit RGB or grey JPEG, PNG, TIFF or PGM. Restore "
        "the file from its original."
    )


def transparent(folder: Path, columns: int) -> Path:
    """Cards whose left columns are transparent, and as bright as the card there."""
    write(folder, card_values(None) * (1 + 0.3 * places()[0]))
    for path in folder.iterdir():
        with Image.open(path) as opened:
            codes = np.array(opened.convert("RGBA"))
        codes[:, :columns] = (110, 110, 110, 0)
        Image.fromarray(codes).save(path)
    return folder


def test_what_is_transparent_is_no_card(tmp_path: Path) -> None:
    stack = stack_of(card_values(None) * (1 + 0.3 * places()[0]))
    even = level(stack, white=transparent(tmp_path / "some", 20))
    flat = whole(even)[..., 0]
    assert (flat.std(axis=(1, 2)) / flat.mean(axis=(1, 2))).max() < 0.01
    assert even.notes[-1] == "The card covers 69% of the picture; beyond it levels go on."
    nearly = transparent(tmp_path / "all", 63)
    assert refused(drti.StackError, nearly) == (
        f"{nearly / 'p00.png'}: 2% of the card is opaque; expected all of it, or nearly so"
    )


def test_a_card_in_another_colour_space_is_told(tmp_path: Path) -> None:
    with Image.open(write(tmp_path / "white", card_values(None)) / "p00.png") as opened:
        opened.save(tmp_path / "card.png", icc_profile=profile("p3"))
    assert level(stack_of(card_values(None)), white=tmp_path / "card.png").notes[-1] == (
        "The colours of the card are those of Display P3, of the photographs those of sRGB: bring "
        "both to one (colour=)."
    )


def test_a_clipped_card(tmp_path: Path) -> None:
    values = card_values(None).copy()
    values[2, :, 8:] = 1
    folder = write(tmp_path / "white", values)
    assert refused(drti.StackError, folder) == (
        f"{folder / 'p02.png'}: 88% of the card is clipped; expected 50% at most. Expose the card "
        "less, all its pictures alike."
    )


def test_a_card_that_is_too_small(tmp_path: Path) -> None:
    values = card_values(None).copy()
    values[:, :, 20:] = 0.01
    folder = write(tmp_path / "white", values)
    assert refused(drti.StackError, folder) == (
        f"{folder / 'p00.png'}: the card covers 30% of a side of the picture; expected 40% or more "
        "of both. Photograph a larger card, one that fills the picture."
    )


def test_ways_that_do_not_go_together(cards: Path) -> None:
    stack = stack_of(card_values(None))
    for options, text in (
        ({"how": "guess"}, "levels 'guess'; expected estimate, positions, none"),
        (
            {"how": "estimate", "white": cards},
            "levels 'estimate' and a white card; expected one of them; a card tells all of it",
        ),
        (
            {"distance": 0.01},
            "lamps at a distance of 0.01; expected 0.25 to 100000 widths of the picture",
        ),
    ):
        with pytest.raises(drti.OptionError) as caught:
            level(stack, **options)
        assert str(caught.value) == text
    with pytest.raises(drti.StackError) as missing:
        level(stack, "positions")
    assert str(missing.value) == (
        "the positions of the lamps are not known; expected a project or a dome with positions, a "
        "light file in millimetres and the size of a pixel, or the distance of the lamps. Say one "
        "of these, photograph a white card, or let levels be estimated."
    )
    with pytest.raises(drti.OptionError) as known:
        level(replace(stack, positions=LightPositions.on_dome(LAMPS, 90)), distance=2)
    assert str(known.value) == (
        "lamps at a distance of 2; expected none, as the positions of these lights are known"
    )


def test_the_distance_of_lamps_is_told() -> None:
    found = level(stack_of(card_values(None)), distance=1.5)
    assert found.notes == (
        "The lamps are taken to stand 1.5 widths of the picture from its centre: their directions "
        "and fall-off are honoured.",
    )
    assert found.history == {"lamp_distance": 1.5}


def test_unequal_lamps_are_told_by_a_matte_object() -> None:
    lights = rings(24)
    strengths = 1 + np.random.default_rng(0).uniform(-0.25, 0.25, len(lights))
    stack, true = relief(lights, strengths, 32)
    even = level(stack, "estimate")
    before, after = (angle(normals(s), true) for s in (stack, even))
    assert before > 2
    assert after < 0.5
    found = np.array(even.history["levels"]["strengths"])
    assert np.abs(np.log(found / strengths * np.exp(np.log(strengths).mean()))).max() < 0.02
    assert even.notes == (
        "By the photographs the lamps' strengths are "
        f"{found.min():.3g} to {found.max():.3g}, which is divided out.",
    )


def test_lamps_that_are_alike_are_left_alone() -> None:
    lights = rings(24)
    stack, _ = relief(lights, np.ones(len(lights)), 32)
    even = level(stack, "estimate")
    assert type(even) is ArrayStack
    assert even.images is stack.images
    assert even.positions is None
    assert even.notes == (
        "The lamps are alike as far as the photographs tell (within 2 %): they are left alone.",
    )
    assert even.history == {"levels": {"by": "estimate"}}


def test_few_photographs_tell_no_strengths() -> None:
    stack = drti.demo_stack((16, 16), 8)
    even = level(stack, "estimate")
    assert even.notes == (
        "The lamps' strengths cannot be told by these photographs, of which there are fewer than "
        "12: they are left alone. A white card tells them.",
    )
    for value in (0, 255):
        flat = ArrayStack.of(np.full((14, 8, 8, 3), value, np.uint8), rings(14))
        assert not estimate_lamps(flat).told
    few = np.random.default_rng(0).integers(9, 200, (14, 2, 3, 3), np.uint8)
    assert not estimate_lamps(ArrayStack.of(few, rings(14))).told


def test_a_misfire_is_no_weak_lamp() -> None:
    lights = rings(24)
    stack, _ = relief(lights, 1 + 0.2 * (np.arange(24) % 2), 32)
    assert isinstance(stack, ArrayStack)
    dark = stack.images.copy()
    dark[5] //= 50
    even = level(replace(stack, images=dark), "estimate")
    assert even.notes[-1] == (
        "Brighter or darker than any lamp makes a photograph, and left alone: image 5; a check "
        "says more."
    )
    found = even.history["levels"]["strengths"]
    assert 1.15 < max(found) / min(found) < 1.25


def test_a_card_beside_which_a_lamp_stands() -> None:
    lights = LAMPS.xyz.copy()
    lights[3] = 0.9, 0.1, 0.01
    stack = replace(stack_of(card_values(None)), lights=LightDirections(lights))
    with pytest.raises(drti.StackError) as caught:
        level(stack, white=stack_of(card_values(None)))
    assert str(caught.value) == (
        "p03.jpg: a card under a light 0.6 degrees above it tells nothing of the lamp; expected "
        "1.1 degrees or more. Leave this light out, or correct it."
    )


@pytest.mark.slow
def test_near_lamps_are_told_by_a_matte_object() -> None:
    lights = rings(24)
    near = LightPositions.on_dome(lights, 1.4 * 40)
    _, true = relief(lights, np.ones(len(lights)), 40)
    y, x = np.mgrid[:40, :40] + 0.5
    vectors = near.vectors(x - 20, 20 - y)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    shade = np.maximum((unit * true).sum(axis=-1), 0) * near.levels(x - 20, 20 - y) / 4
    pictures = np.repeat(shade[..., None], 3, axis=3).astype(np.float32)
    even = level(ArrayStack.of(pictures, lights, code_encoding="linear"), "estimate")
    assert abs(even.history["levels"]["distance"] - 1.4) < 0.02
    assert even.positions is not None
    assert even.positions.falls_off


@pytest.mark.data
@pytest.mark.slow
def test_case_04() -> None:
    from tests.helpers import real_files

    folder = real_files.folder().parent / "cases" / "04-flat-field"
    if not folder.is_dir():
        pytest.skip("the cases are not here")
    stack, true = drti.open_stack(folder / "object"), np.load(folder / "true_normals.npy")
    assert angle(normals(level(stack, white=folder / "white")), true) < 1


def test_the_darkroom_levels_and_keeps_its_card(tmp_path: Path, cards: Path) -> None:
    from drti_core.capture.darkroom import Darkroom
    from drti_core.registry import doors

    folder = write(tmp_path / "object", card_values(1.6), ".png")
    rows = [f"p{i:02d}.png {x} {y} {z}" for i, (x, y, z) in enumerate(LAMPS.xyz.tolist())]
    (folder / "dirs.lp").write_text("\n".join([str(len(rows)), *rows]))
    room = Darkroom(white=cards)
    stack = drti.open_stack(folder, develop=room)
    assert stack.history["levels"]["by"] == "card"
    assert cards in doors.read_from(folder, develop=room)
    linear = drti.open_stack(folder, develop=Darkroom(white=cards, colour="linear"))
    a, b = whole(replace(stack, encoding="linear")), whole(linear)
    assert np.allclose(a, b, atol=0.003)
    part = drti.open_stack(folder, develop=room, crop=Window(4, 20, 20, 30))
    assert np.allclose(whole(part), whole(stack)[:, 4:24, 20:50], atol=1e-4)
    assert LightDirections is type(part.lights)


def test_the_sheet_of_a_check_shows_the_lamps(cards: Path) -> None:
    from drti_core.capture.check import check
    from drti_core.capture.check_sheet import check_sheet
    from drti_core.capture.lamp_levels import levels_of

    stack = stack_of(card_values(1.6))
    assert levels_of(stack) is None
    assert "the lamp over" not in check_sheet(check(stack, quick=True), "a")
    levels = levels_of(level(stack, white=cards))
    assert levels is not None
    near = LightPositions.on_dome(LAMPS, 1.6)
    x, y = places(36, 48)
    wanted = near.levels(x, y) * STRENGTHS[:, None, None]
    assert np.allclose(levels, wanted / wanted.mean(), rtol=0.03)
    text = check_sheet(check(level(stack, white=cards), quick=True), "a")
    assert text.count("the lamp over the picture") == len(LAMPS)
    assert f"lamp × {levels[0].mean():.2f} ({levels[0].min():.2f} to {levels[0].max():.2f})" in text
