"""The object on a dark or plain ground, found in its photographs; masks of transparency."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.errors import StackError
from drti_core.io.pictures import alpha, decoders
from drti_core.io.pictures.alpha import read_alpha
from drti_core.io.pictures.photos import probe
from drti_core.registry import doors
from drti_core.stack import ArrayStack, ImageStack, silhouette
from drti_core.stack.regions import closed, eroded, grown, labelled, largest, majority
from drti_core.stack.samples.demo import rings
from drti_core.stack.samples.renderer import Renderer
from drti_core.stack.samples.scene import Scene
from drti_core.stack.silhouette import find_object

SIZE = (72, 96)
COUNT = 12
VELVET = 0.01, 0.01, 0.012


def scene(ground: tuple[float, float, float], grain: float) -> tuple[Scene, np.ndarray]:
    """A lobed, bumpy thing that throws shadows on a ground, and where it is."""
    random = np.random.default_rng(1)
    height, width = SIZE
    y, x = np.mgrid[:height, :width]
    u, v = (x - width / 2) / (height / 2), (y - height / 2) / (height / 2)
    edge = 0.6 + 0.12 * np.sin(3 * np.arctan2(v, u))
    inside = np.hypot(u, v) < edge

    def bumps(side: int, strength: float) -> np.ndarray:
        lattice = Image.fromarray(random.normal(size=(side, side)).astype(np.float32))
        return strength * np.asarray(lattice.resize((width, height), Image.Resampling.BICUBIC))

    body = 8 * np.sqrt(np.clip(1 - (np.hypot(u, v) / edge) ** 2, 0, 1)) + 1.5 + bumps(12, 0.6)
    albedo = np.array(ground) * (1 + bumps(50, grain))[..., None]
    albedo[inside] = (np.array([0.45, 0.4, 0.35]) * (1 + bumps(10, 0.25))[..., None])[inside]
    flat = np.zeros(SIZE, np.float32)
    heights = np.where(inside, body, 0).astype(np.float32)
    colours = np.clip(albedo, 0.002, 1).astype(np.float32)
    return Scene(heights, colours, flat + 0.6, flat, 2 / height), inside


@cache
def photographed(ground: tuple[float, float, float], grain: float) -> tuple[ArrayStack, np.ndarray]:
    made, inside = scene(ground, grain)
    renderer, lights = Renderer.of(made), rings(COUNT)
    random = np.random.default_rng(2)
    pictures = np.stack([renderer.photograph(lights[[n]]) for n in range(COUNT)])
    noisy = np.clip(np.rint(pictures + random.normal(0, 2, pictures.shape)), 0, 255)
    return ArrayStack.of(noisy.astype(np.uint8), lights), inside


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return np.count_nonzero(found & true) / np.count_nonzero(found | true)


@pytest.fixture(scope="module")
def on_velvet():
    return photographed(VELVET, 0.4)


@pytest.mark.parametrize(
    ("ground", "grain", "least", "word"),
    [
        (VELVET, 0.4, 0.95, "dark"),
        pytest.param((0.35, 0.22, 0.1), 0.12, 0.95, "plain", marks=pytest.mark.slow),
        ((0.8, 0.8, 0.78), 0.0, 0.8, "plain"),  # bright paper: shadows where it stands
    ],
)
def test_an_object_is_found(ground, grain, least, word):
    stack, inside = photographed(ground, grain)
    found, note = find_object(stack)
    assert overlap(found, inside) > least
    assert not np.count_nonzero(inside & ~found) > 0.02 * np.count_nonzero(inside)
    share = f"{found.mean():.1%}"
    assert note.startswith(
        f"Mask auto: {COUNT} photographs show an object on {share} of the picture, on a {word} "
    )


def test_large_photographs_are_looked_at_in_small_and_then_in_full(on_velvet, monkeypatch):
    stack, inside = on_velvet
    monkeypatch.setattr(silhouette, "_SIDE", 32)
    monkeypatch.setattr(silhouette, "_TILE", 40)
    found, _ = find_object(stack)
    assert overlap(found, inside) > 0.95
    numbers, sizes = labelled(found)
    assert numbers.max() == len(sizes) - 1 == 1  # no hairs


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_small_copies_are_means_whatever_is_read_at_a_time(monkeypatch, rows):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 23, 31, 3), np.uint8)
    stack = ArrayStack.of(pictures, rings(3))
    monkeypatch.setattr("drti_core.stack.stack.BAND_BYTES", rows * 3 * 31 * 3)
    found = silhouette._small(stack, 4)
    assert found.shape == (3, 6, 8, 3)
    for y, x in ((0, 0), (5, 7), (2, 7), (5, 3)):
        part = pictures[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        assert np.allclose(found[:, y, x], part.mean(axis=(1, 2)) / 255, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("side", [512, 160])
def test_a_coin_on_white_paper(data, monkeypatch, side):
    """It is round, at any resolution of the search."""
    stack = doors.open_stack(data / "realrti" / "item10")
    monkeypatch.setattr(silhouette, "_SIDE", side)
    found, _ = find_object(stack)
    assert len(labelled(found)[1]) == 2
    y, x = np.nonzero(found)
    radius = np.sqrt(found.sum() / np.pi)
    off = np.hypot(y - y.mean(), x - x.mean()).max() - radius
    assert 145 < radius < 150
    assert 0 < off < 5


def test_what_fills_the_picture_is_no_object(on_velvet):
    stack, _ = on_velvet
    part = stack.cropped(Window(26, 36, 20, 24))
    with pytest.raises(StackError) as caught:
        part.adjusted(mask="auto")
    assert str(caught.value) == (
        "mask auto: no object is found: 0.0% of the picture differ from what its rim shows; "
        "expected an object whose ground, dark or of one colour, is seen all around it. "
        "Give a picture of the mask."
    )


def test_auto_within_a_crop_and_another_mask(on_velvet):
    stack, inside = on_velvet
    part = Window(4, 6, 64, 84)
    half = np.zeros(SIZE, bool)
    half[:, :48] = True
    masked = stack.adjusted(mask=half).adjusted(crop=part, mask="auto")
    assert overlap(masked.mask, (inside & half)[part.slices]) > 0.95
    assert masked.notes[-1].startswith("Mask auto: ")
    assert not masked.codes(Window(0, 0, 64, 84)).reshape(COUNT, 64, 84, 3)[:, ~masked.mask].any()


@pytest.fixture(scope="module")
def folder(on_velvet, tmp_path_factory):
    from drti_core.formats.lp import write_lp

    stack, _ = on_velvet
    path = tmp_path_factory.mktemp("velvet")
    names = [f"{n:02}.png" for n in range(COUNT)]
    for name, picture in zip(names, stack.images, strict=True):
        Image.fromarray(picture).save(path / name)
    write_lp(path / "dirs.lp", names, stack.lights)
    return path


@pytest.mark.slow
def test_a_fit_and_normals_take_it(folder, on_velvet, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auto").write_text("no picture of a mask")
    lights = str(folder / "dirs.lp")
    assert main(["fit", lights, "--mask", "auto", "--codec", "ptm", "-o", "m"]) == 0
    assert "note: Mask auto: 12 photographs show an object on " in capsys.readouterr().out
    model = doors.open_model("m")
    assert overlap(model.metadata.mask, on_velvet[1]) > 0.95
    assert model.metadata.provenance["mask"] == "auto"
    assert main(["normals", lights, "-o", "n.png", "--mask", "auto"]) == 0
    with Image.open("n.png") as image:
        assert np.array_equal(np.asarray(image)[..., 3] == 255, model.metadata.mask)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["info", "evaluate", "compare", "check"])
def test_every_verb_takes_it(folder, tmp_path, capsys, verb):
    more = {"evaluate": ["--codec", "ptm"], "compare": ["-o", str(tmp_path / "c.png")]}
    more["compare"] += ["--codecs", "ptm"]
    run = [verb, str(folder / "dirs.lp"), *more.get(verb, []), "--mask", "auto"]
    status = main(run)
    said = capsys.readouterr()
    assert (status, said.err) in ((0, ""), (2 if verb == "check" else 0, "")), said.out
    if verb == "info":
        assert "note: Mask auto: " in said.out
    if verb == "evaluate":
        assert "note: Only pixels inside the mask count: " in said.out


# --- Transparency


def test_transparency_is_a_mask(on_velvet, tmp_path):
    stack, inside = on_velvet
    cut = np.where(inside, np.uint8(255), np.uint8(90))
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(np.dstack([stack.images[number], cut])).save(paths[-1])
    found = ImageStack.open(paths, stack.lights[:5])
    assert np.array_equal(found.mask, inside)
    assert found.notes == (
        "5 of 5 photographs are transparent in places, which are outside the mask: "
        f"{inside.sum()} of {inside.size} pixels are inside.",
    )
    pixels = found.codes(Window(0, 0, *SIZE)).reshape(5, *SIZE, 3)
    assert not pixels[:, ~inside].any()
    assert np.array_equal(pixels[:, inside], stack.images[:5, inside])
    # One that differs is found by the others' being looked at.
    more = cut.copy()
    more[:36] = 0
    Image.fromarray(np.dstack([stack.images[4], more])).save(paths[4])
    found = ImageStack.open(paths, stack.lights[:5])
    assert np.array_equal(found.mask, inside & (np.arange(SIZE[0]) >= 36)[:, None])
    half = Window(0, 0, SIZE[0], 40)
    assert np.array_equal(found.cropped(half).mask, found.mask[half.slices])


def turned(path: Path, mode: str) -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).convert(mode)
    opaque = Image.fromarray(np.array([[255, 0, 255], [200, 255, 100]], np.uint8))
    image.putalpha(opaque)
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    image.save(path, exif=exif)


@pytest.mark.parametrize("decoder", ["vips", "pillow"])
@pytest.mark.parametrize(("mode", "name"), [("L", "a.png"), ("RGB", "a.png"), ("RGB", "a.tif")])
def test_alpha_is_turned_upright(tmp_path, monkeypatch, decoder, mode, name):
    if decoder == "pillow":
        monkeypatch.setattr(decoders, "libvips", lambda: None)
    elif decoders.libvips() is None:
        pytest.skip("pyvips is missing: extra tiles")
    turned(tmp_path / name, mode)
    found = read_alpha(probe(tmp_path / name))
    assert found.tolist() == [[True, True], [True, False], [False, True]]
    Image.new("RGBA", (3, 2), (1, 2, 3, 255)).save(tmp_path / f"b{name}")
    assert read_alpha(probe(tmp_path / f"b{name}")) is None
    Image.new("RGB", (3, 2)).save(tmp_path / f"c{name}")
    assert read_alpha(probe(tmp_path / f"c{name}")) is None


@pytest.mark.parametrize("decoder", ["vips", "pillow"])
def test_a_truncated_photograph_with_alpha(tmp_path, monkeypatch, decoder):
    if decoder == "pillow":
        monkeypatch.setattr(alpha.decoders, "libvips", lambda: None)
    elif decoders.libvips() is None:
        pytest.skip("pyvips is missing: extra tiles")
    random = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    Image.fromarray(random).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(StackError) as caught:
        read_alpha(probe(tmp_path / "a.png"))
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: its pixels cannot be decoded (")


# --- Regions


def drawn(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_parts_hang_together_by_their_sides():
    mask = drawn("##..#", ".#..#", "..#..", "###.#")
    numbers, sizes = labelled(mask)
    assert sorted(sizes[1:].tolist()) == [1, 2, 3, 4]
    assert sizes[0] == 10
    assert np.array_equal(numbers > 0, mask)
    assert np.array_equal(largest(mask, 0.7), drawn("##...", ".#...", "..#..", "###.."))
    assert not largest(np.zeros((3, 3), bool), 0.5).any()


def test_holes_are_closed_up_to_a_size():
    mask = drawn("######.", "#.##.##", "####.##", "#######", "##.....")
    found, filled, left = closed(mask, 0.05)
    assert (filled, left) == (1, 1)
    assert np.array_equal(found, mask | drawn(*["......."] * 1, ".#.....", *["......."] * 3))
    assert closed(mask, 0.2)[1:] == (2, 0)


def test_grown_eroded_and_smoothed():
    mask = drawn("......", "..#...", "......", "......")
    assert np.array_equal(grown(mask, 1), drawn(".###..", ".###..", ".###..", "......"))
    assert np.array_equal(eroded(grown(mask, 1), 1), drawn("..#...", "..#...", "......", "......"))
    assert not majority(mask).any()
    assert majority(~mask).all()
