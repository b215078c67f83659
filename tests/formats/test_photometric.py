"""Folders of photometric-stereo benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core.arrays import Window
from drti_core.errors import DrtiError, MissingFileError
from drti_core.registry.doors import find_reader, open_lights, open_stack
from drti_core.relight.photometric import least_squares_normals

LIGHTS = np.array([[0.6, 0, 0.8], [0, 0.6, 0.8], [-0.6, 0, 0.8], [0, -0.6, 0.8], [0, 0, 1]])
STRENGTHS = np.array([[1, 2, 1], [2, 2, 2], [0.5, 0.5, 1], [1, 1, 1], [0.5, 1, 0.5]])
H, W = 5, 6


def text(table: np.ndarray) -> str:
    return "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in table)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Grey photographs of 16 bits whose linear values are the row's number times its strength."""
    names = [f"{number:03}.png" for number in range(len(LIGHTS))]
    for number, name in enumerate(names):
        codes = np.full((H, W), 6000 * (number + 1), np.uint16)
        Image.fromarray(codes).save(tmp_path / name)
    (tmp_path / "filenames.txt").write_text("\r\n".join(names))
    (tmp_path / "light_directions.txt").write_text(text(LIGHTS))
    (tmp_path / "light_intensities.txt").write_text(text(STRENGTHS))
    return tmp_path


def test_photographs_are_linear_and_divided_by_their_strengths(folder):
    stack = open_stack(folder)
    assert find_reader(folder).reader_id == "photometric"
    assert (stack.encoding, stack.shape, len(stack)) == ("linear", (H, W), len(LIGHTS))
    assert stack.lights.xyz == pytest.approx(LIGHTS, abs=1e-6)
    assert stack.notes == ("The photographs are divided by their lamps' strengths, 0.5 to 2.",)
    raw = 6000 * np.arange(1, 6)[:, None] / 65535
    wanted = raw / (STRENGTHS / STRENGTHS.mean())
    assert stack.read(Window(0, 0, 1, 1))[:, 0] == pytest.approx(wanted, rel=1e-5)
    some = stack.select([3, 1]).read(Window(2, 2, 1, 1))[:, 0]
    assert some == pytest.approx(wanted[[3, 1]], rel=1e-5)
    assert len(stack.files) == len(LIGHTS)


def test_srgb_photographs_are_divided_in_linear_light(folder):
    for path in folder.glob("*.png"):
        Image.new("L", (W, H), 188).save(path)
    stack = open_stack(folder)
    assert (stack.encoding, stack.notes[0]) == (
        "srgb",
        "The photographs have 8 bits: they are taken for sRGB, not for linear.",
    )
    grey = ((188 / 255 + 0.055) / 1.055) ** 2.4
    first = open_stack(folder, to_linear=True).read(Window(0, 0, 1, 1))[:, 0]
    assert first == pytest.approx(grey / (STRENGTHS / STRENGTHS.mean()), rel=1e-3)


def test_a_mask_and_a_matrix_of_directions(folder):
    inside = np.zeros((H, W), np.uint8)
    inside[1:3, 2] = 255
    Image.fromarray(inside).save(folder / "mask.png")
    (folder / "light_directions.txt").write_text(text(LIGHTS.T))
    (folder / "light_intensities.txt").write_text("1\n" * 5)
    stack = open_stack(folder)
    assert stack.mask is not None
    assert np.array_equal(stack.mask, inside > 0)
    assert stack.notes[:1] == (
        "light_directions.txt is a matrix of 3 rows, taken as x, y and z of each light.",
    )
    assert open_lights(folder).names == tuple(f"{number:03}.png" for number in range(5))
    assert stack.lights.xyz == pytest.approx(LIGHTS, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "light_directions.txt",
            "0 0 1\n1 0 0\n",
            "{file}: 2 rows of 3 numbers; expected 5 rows of x, y, z, as filenames.txt has 5 names",
        ),
        (
            "light_directions.txt",
            "0 0 1\n1 0 zero\n",
            "{file}, line 2: '1 0 zero'; expected as many numbers in each row, and nothing else",
        ),
        (
            "light_intensities.txt",
            text(STRENGTHS[:4]) + "0 1 1\n",
            "{file}, row 5: strength 0 1 1; expected 1e-06 to 1e+06",
        ),
        (
            "light_intensities.txt",
            "1 1\n" * 5,
            "{file}: 5 rows of 2 numbers; expected 5 rows of the strength of red, green and blue, "
            "or of one for all",
        ),
        (
            "filenames.txt",
            "../../secret.png\n" * 5,
            "{file}, line 1: '../../secret.png'; expected a photograph inside the folder",
        ),
        ("filenames.txt", "\n", "{file}: is empty; expected a line for each photograph"),
    ],
)
def test_what_is_wrong_is_named(folder, name, content, words):
    (folder / name).write_text(content)
    with pytest.raises(DrtiError) as error:
        open_stack(folder)
    assert str(error.value) == words.format(file=folder / name)


def test_without_strengths_nothing_is_guessed(folder):
    (folder / "light_intensities.txt").unlink()
    with pytest.raises(MissingFileError) as error:
        open_stack(folder)
    assert str(error.value) == (
        f"{folder / 'light_intensities.txt'}: is not there; expected a line for each photograph. "
        "Where all lamps are equally strong, write a 1 for each photograph."
    )


def test_a_light_file_beside_it_is_read_instead(folder):
    (folder / "dirs.lp").write_text("1\n000.png 0 0 1\n")
    assert find_reader(folder).reader_id == "lp"


def test_normals_know_nothing_of_the_strengths(folder):
    normal = np.array([0.2, -0.3, np.sqrt(0.87)])
    for number, (light, strength) in enumerate(zip(LIGHTS, STRENGTHS, strict=True)):
        value = 20000 * (light @ normal) * strength[0]
        Image.fromarray(np.full((H, W), round(value), np.uint16)).save(folder / f"{number:03}.png")
    (folder / "light_intensities.txt").write_text(text(STRENGTHS[:, :1]))
    stack = open_stack(folder)
    values = stack.read(Window(0, 0, 1, 2))[..., 0]
    assert least_squares_normals(values, stack.lights)[0] == pytest.approx(normal, abs=1e-3)
