"""A stack of photographs out of thin air, and a tour of what drti does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from drti_core import files, images, registry
from drti_core.codec import Progress, no_progress, part_of
from drti_core.contact import Row, contact_sheet, error_map, light_labels
from drti_core.errors import OptionError
from drti_core.evaluation import Evaluation, Fitted, Score, evaluation_of, fit_timed, score
from drti_core.formats.lp import open_stack, write_lp
from drti_core.lights import LightDirections
from drti_core.model import to_uint8
from drti_core.planes import Window
from drti_core.renderer import Renderer
from drti_core.scene import make_scene
from drti_core.stack import ArrayStack, Stack

#: What the demo fits: label, codec, and the file or folder that it is saved to.
CODECS = (
    ("PTM", "ptm", "ptm.ptm"),
    ("HSH, 9 terms", "hsh", "hsh.rti"),
    ("PCA + RBF, 18 planes", "rbf:planes=18", "rbf"),
)
#: Elevations of the dome's rings, degrees, and of the test lights between them.
_RINGS, _BETWEEN = (10, 30, 50, 70, 90), (20, 40, 60, 80)


def dome(count: int, elevations: Sequence[float] = _RINGS) -> LightDirections:
    """Lights on rings, as many on each as its circumference deserves; neighbours are turned.

    Args:
        count: number of lights, 1 or more.
        elevations: of the rings, degrees; a ring at 90 holds one light.

    Raises:
        OptionError: no light is asked for.

    >>> len(dome(49))
    49
    """
    if count < 1:
        raise OptionError(f"{count} lights", expected="1 or more")
    rings = [e for e in elevations if e < 90]
    zenith = len(elevations) > len(rings) and count > len(rings)
    share = np.cos(np.radians(rings)) * (count - zenith) / np.cos(np.radians(rings)).sum()
    ends = np.rint(np.cumsum(share)).astype(int)
    azimuth: list[float] = []
    elevation: list[float] = []
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        step = 360 / max(1, end - start)
        azimuth += [(index + 0.5 * (number % 2)) * step for index in range(end - start)]
        elevation += [rings[number]] * (end - start)
    if zenith:
        azimuth, elevation = [*azimuth, 0.0], [*elevation, 90.0]
    return LightDirections.from_spherical(azimuth, elevation)


def make_stack(
    size: tuple[int, int] = (240, 320),
    lights: int | LightDirections = 49,
    seed: int = 0,
    progress: Progress = no_progress,
) -> ArrayStack:
    """Photographs of the procedural scene: glossy and matte materials, cast shadows.

    Args:
        size: (height, width), pixels.
        lights: how many, on a dome of elevations 10 to 90 degrees; or the lights themselves.
        seed: of the scene's strokes and textures; the same seed gives the same pixels.
        progress: called after each photograph.

    Raises:
        OptionError: a size outside 16..4096, or no light.
    """
    directions = dome(lights) if isinstance(lights, int) else lights
    renderer = Renderer.of(make_scene(size, seed))
    pictures = np.empty((len(directions), *size, 3), np.uint8)
    for number, light in enumerate(directions):
        pictures[number] = renderer.photograph(light)
        progress((number + 1) / len(directions), "photographing")
    return ArrayStack.of(pictures, directions, names=picture_names(len(directions)))


def picture_names(count: int) -> list[str]:
    """File names with as many digits as the count has.

    >>> picture_names(10)[:2]
    ['photo01.jpg', 'photo02.jpg']
    """
    return [f"photo{number + 1:0{len(str(count))}}.jpg" for number in range(count)]


def make_test_stack(
    size: tuple[int, int] = (240, 320), lights: int = 8, seed: int = 0
) -> ArrayStack:
    """Photographs of the same scene under lights that lie between the dome's rings."""
    return make_stack(size, dome(lights, _BETWEEN), seed)


def write_stack(
    stack: Stack, folder: Path, *, overwrite: bool = False, progress: Progress = no_progress
) -> Path:
    """Write the photographs as JPEG (quality 95) with a light file ``dirs.lp``.

    Returns:
        The light file.

    Raises:
        OutputExistsError: the folder exists and ``overwrite`` is false.
    """
    names = picture_names(len(stack))
    whole = Window(0, 0, *stack.shape)
    with files.atomic_folder(folder, overwrite=overwrite) as temporary:
        for number, name in enumerate(names):
            values = stack.select([number]).read(whole).reshape(*stack.shape, 3)
            images.save(temporary / name, to_uint8(values), icc=stack.icc)
            progress((number + 1) / len(names), f"writing {name}")
        write_lp(temporary / "dirs.lp", names, stack.lights)
    return folder / "dirs.lp"


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo made.

    Args:
        folder: everything lies in it.
        files: what it holds, relative to it: stacks, models and the contact sheet.
        evaluation: the codecs under test lights between the dome's.
    """

    folder: Path
    files: tuple[Path, ...]
    evaluation: Evaluation


def run_demo(
    out: Path,
    *,
    size: tuple[int, int] = (240, 320),
    seed: int = 0,
    with_ssim: bool | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> DemoResult:
    """Photograph the procedural scene, fit PTM, HSH and RBF, save them and compare.

    Writes ``out/stack`` (49 photographs), ``out/test`` (8 others), a model for each codec and
    ``out/contact-sheet.png``.

    Args:
        out: the folder to make.
        size: (height, width) of the photographs.
        seed: of the scene.
        with_ssim: whether to take SSIM; by default if scikit-image is installed.
        overwrite: replace ``out``.
        progress: called with the share done and what is being done.

    Raises:
        OutputExistsError: ``out`` exists and ``overwrite`` is false.
        OptionError: a size outside 16..4096.
    """
    if with_ssim is None:
        with_ssim = find_spec("skimage") is not None
    with files.atomic_folder(out, overwrite=overwrite) as folder:
        write_stack(
            make_stack(size, seed=seed, progress=part_of(progress, 0, 0.3)), folder / "stack"
        )
        write_stack(make_test_stack(size, seed=seed), folder / "test")
        train, test = open_stack(folder / "stack"), open_stack(folder / "test")
        fitted: list[Fitted] = []
        scores: list[Score] = []
        for number, (label, spec, name) in enumerate(CODECS):
            start = 0.4 + 0.5 * number / len(CODECS)
            part = part_of(progress, start, start + 0.5 / len(CODECS))
            fitted.append(fit_timed(label, registry.codec(spec), train, part))
            registry.save_model(fitted[-1].model, folder / name)
            scores.append(score(fitted[-1], test, with_ssim=with_ssim))
        progress(0.95, "drawing the contact sheet")
        images.save(folder / "contact-sheet.png", compare_sheet(fitted, test, scores))
        made = ("stack", "test", *(name for _, _, name in CODECS), "contact-sheet.png")
    progress(1, "done")
    evaluation = evaluation_of(train, test, scores)
    return DemoResult(out, tuple(Path(name) for name in made), evaluation)


def compare_sheet(
    fitted: Sequence[Fitted], test: Stack, scores: Sequence[Score], *, columns: int = 4
) -> images.Array:
    """Contact sheet: photographs, each model's pictures, and their errors, under some lights.

    Args:
        fitted: models of the size of the photographs.
        test: photographs.
        scores: the models' scores on them, for the captions.
        columns: so many lights are shown, spread over the elevations.

    Returns:
        (H, W, 3) uint8.
    """
    order = np.argsort(test.lights.xyz[:, 2], kind="stable")
    steps = np.linspace(0, len(order) - 1, min(columns, len(order)))
    chosen = [int(order[round(step)]) for step in steps]
    lights = test.lights[chosen]
    whole = Window(0, 0, *test.shape)
    true = to_uint8(test.select(chosen).read(whole)).reshape(len(chosen), *test.shape, 3)
    rows = [Row("Photograph", list(true), [test.names[index] for index in chosen])]
    for item, result in zip(fitted, scores, strict=True):
        relit = item.model.relight_uint8(lights)
        captions = [f"{result.lights[index].psnr:.2f} dB" for index in chosen]
        ssim = "" if result.ssim is None else f"\nSSIM {result.ssim:.3f}"
        summary = f"{item.label}\n{result.psnr:.2f} dB{ssim}\nover {len(test.lights)} lights"
        rows.append(Row(summary, list(relit), captions))
        errors = [error_map(a, b) for a, b in zip(true, relit, strict=True)]
        rows.append(Row("Error\nwhite: 64 levels", errors))
    return contact_sheet(rows, light_labels(lights), title="Under lights that were not fitted")
