"""Sheets of photographs, models and error maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drti_core import ArrayStack, LightDirections, get_codec, save_model
from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.errors import DrtiError, OptionError
from drti_core.measure.compare import compare, nearest, spread
from drti_core.measure.contact_sheet import PAPER, error_map
from drti_core.measure.metrics import psnr
from drti_core.measure.tour import write_stack
from drti_core.stack.samples.demo import make_stack
from tests.helpers.pictures import read_picture

SHAPE = (40, 60)


@pytest.fixture(scope="module")
def stack() -> ArrayStack:
    return make_stack(SHAPE, 16)


@pytest.fixture(scope="module")
def models(stack: ArrayStack) -> Any:
    return [(name, get_codec(name).fit(stack)) for name in ("ptm", "hsh4")]


def cells(sheet: Any, columns: int, rows: int, size: tuple[int, int]) -> list[list[Any]]:
    """Pictures of a sheet, found from its right and bottom edges."""
    height, width = size
    step_x, step_y = width + 8, height + 24
    left, top = sheet.shape[1] - columns * step_x, sheet.shape[0] - rows * step_y
    return [
        [
            sheet[top + r * step_y :, left + c * step_x :][:height, :width]
            for c in range(columns)
        ]
        for r in range(rows)
    ]  # fmt: skip


def test_photographs_are_chosen_by_their_lights() -> None:
    lights = LightDirections.from_disk([[0, 0], [0.5, 0], [-0.5, 0], [0, 0.9]])
    stack = ArrayStack.of(np.zeros((4, 2, 2, 3), np.uint8), lights)
    towards = LightDirections.from_disk([[-0.4, 0.1], [0.1, 0.7], [-0.6, 0]])
    assert nearest(stack, towards) == [2, 3]
    assert spread(stack, 9) == [0, 1, 2, 3]
    assert spread(stack, 1) == [1]
    five = LightDirections.from_spherical([0, 90, 180, 270, 0], [80, 10, 45, 60, 30])
    some = ArrayStack.of(np.zeros((5, 2, 2, 3), np.uint8), five)
    assert spread(some, 3) == [3, 2, 4]  # near 1/6, 1/2 and 5/6 of the elevations; high ones first
    with pytest.raises(OptionError) as caught:
        spread(stack, 0)
    assert str(caught.value) == "0 lights; expected 1 or more"


def test_the_sheet_shows_what_it_says(stack: ArrayStack, models: Any, monkeypatch: Any) -> None:
    from PIL import ImageDraw

    texts: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def text(self: Any, xy: Any, text: Any, *more: Any, **options: Any) -> None:
        texts.append(str(text))
        draw(self, xy, text, *more, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    shares: list[float] = []
    sheet = compare(stack, models, [3, 9], progress=lambda share, what: shares.append(share))
    assert shares == [0.25, 0.5, 0.75, 1.0]
    found = cells(sheet, 3, 4, SHAPE)
    means = {name: [] for name, _ in models}
    for row, index in enumerate((3, 9)):
        truth = stack.images[index]
        assert np.array_equal(found[2 * row][0], truth)
        for column, (name, model) in enumerate(models, 1):
            picture = model.relight_uint8(stack.lights[[index]])[0]
            assert np.array_equal(found[2 * row][column], picture)
            assert np.array_equal(found[2 * row + 1][column], error_map(picture, truth, 64))
            assert f"{psnr(picture, truth):.2f} dB" in texts
            means[name].append(psnr(picture, truth))
        scale = found[2 * row + 1][0]
        assert tuple(scale[0, 0]) == PAPER
        assert tuple(scale[-1, 0]) == (0, 0, 0)
        assert tuple(scale[-1, -1]) == (255, 255, 255)
    for name, values in means.items():
        assert f"{name}, mean {np.mean(values):.2f} dB" in texts


def test_a_part_that_is_enough(stack: ArrayStack, models: Any) -> None:
    part = Window(4, 10, 20, 30)
    sheet = compare(stack, models, [5], window=part)
    (pictures, _) = cells(sheet, 3, 2, (20, 30))
    assert np.array_equal(pictures[0], stack.images[5][4:24, 10:40])
    assert np.array_equal(pictures[2], models[1][1].relight_uint8(stack.lights[[5]], part)[0])


def test_linear_values_are_shown_as_srgb(stack: ArrayStack) -> None:
    linear = ArrayStack.of(stack.images, stack.lights, to_linear=True)
    model = get_codec("hsh4").fit(linear)
    (pictures, _) = cells(compare(linear, [("hsh4", model)], [2]), 2, 2, SHAPE)
    assert np.array_equal(pictures[0], stack.images[2])
    assert psnr(pictures[1], stack.images[2]) > 20


def test_what_does_not_fit_is_refused(stack: ArrayStack, models: Any) -> None:
    other = make_stack((40, 64), 16)
    with pytest.raises(DrtiError) as caught:
        compare(other, models, [0])
    assert str(caught.value) == (
        "ptm: test photographs of 64x40 pixels; expected 60x40, the size of what was fitted. "
        "Open them in the way that it was fitted in: the same crop, the same alignment."
    )
    with pytest.raises(DrtiError) as none:
        compare(stack, [], [0])
    assert str(none.value) == "0 models and 1 photographs; expected at least one of each"


@pytest.fixture(scope="module")
def folder(stack: ArrayStack, models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare")
    write_stack(stack, path / "stack")
    write_stack(make_stack(SHAPE, 5), path / "test")
    save_model(models[0][1], path / "fitted.ptm")
    return path


@pytest.mark.parametrize(
    ("arguments", "columns", "rows"),
    [
        (["fitted.ptm", "--lights", "2"], 2, 4),
        (["fitted.ptm", "--codecs", "hsh4,rbf:planes=4,sigma=0.3"], 4, 6),
        (["--test", "test", "--codecs", "hsh4,ptm,yptm,lptm", "--light", "0,0"], 5, 2),
    ],
)
def test_command_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    columns: int,
    rows: int,
) -> None:
    monkeypatch.chdir(folder)
    out = tmp_path / "a.png"
    assert main(["compare", "stack", *arguments, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    found = cells(read_picture(out), columns, rows, SHAPE)
    photographs = [
        read_picture(path)
        for path in sorted((folder / ("test" if "--test" in arguments else "stack")).iterdir())
        if path.suffix == ".jpg"
    ]
    for row in range(0, rows, 2):
        assert any(np.array_equal(found[row][0], photograph) for photograph in photographs)
    # A codec is not fitted to what is shown, so it cannot equal it.
    assert main(["compare", "stack", *arguments, "-o", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_codecs_are_not_fitted_to_what_is_shown(
    folder: Path, tmp_path: Path, stack: ArrayStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drti_core.codecs.hsh import HshCodec

    fitted: list[int] = []
    fit = HshCodec.fit

    def count(self: Any, photographs: Any, progress: Any) -> Any:
        fitted.append(len(photographs))
        return fit(self, photographs, progress)

    monkeypatch.setattr(HshCodec, "fit", count)
    arguments = ["compare", str(folder / "stack"), "--codecs", "hsh4"]
    assert main([*arguments, "-o", str(tmp_path / "a.png")]) == 0
    test = ["--test", str(folder / "test")]
    assert main([*arguments, *test, "-o", str(tmp_path / "b.png")]) == 0
    assert fitted == [13, 16]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "nothing to compare; expected a MODEL, or --codecs ptm,hsh16"),
        (
            ["--codecs", "ptm", "--lights", "16"],
            "all 16 photographs are shown; expected some left to fit to",
        ),
        (["--codecs", "ptm", "--lights", "0"], "0 lights; expected 1 or more"),
    ],
)
def test_arguments_that_are_refused(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
) -> None:
    out = tmp_path / "a.png"
    assert main(["compare", str(folder / "stack"), *arguments, "-o", str(out)]) == 1
    assert capsys.readouterr().err == f"error: {text}\n"
    assert not out.exists()
