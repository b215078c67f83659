"""A tour of what drti does with a stack of photographs: ``drti demo``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drti_core.arrays import Array, Window
from drti_core.colour import to_uint8
from drti_core.formats.folder import FolderWriter
from drti_core.formats.lp import write_lp
from drti_core.io import outputs
from drti_core.io.pictures.save import save_picture
from drti_core.measure.contact_sheet import Row, contact_sheet, error_map, light_labels
from drti_core.measure.evaluation import Evaluation, Fitted, Score, evaluation_of, score
from drti_core.progress import Progress, no_progress, part_of
from drti_core.registry import doors
from drti_core.registry.codec_calls import fit
from drti_core.stack import Stack
from drti_core.stack.samples.demo import make_stack, make_test_stack, picture_names

#: What the demo fits: label, codec, and the file or folder that it is saved to.
CODECS = (
    ("PTM", "ptm", "ptm.ptm"),
    ("HSH, 9 terms", "hsh", "hsh.rti"),
    ("PCA + RBF, 18 planes", "rbf:planes=18", "rbf"),
)
_STACK = outputs.FolderKind("photographs with dirs.lp", ("photo[0-9]*.jpg",), "dirs.lp")
_SHEET = "contact-sheet.png"
_TOUR = outputs.FolderKind(
    "a demo's folder",
    (*(name for _, _, name in CODECS), _SHEET),
    folders=(("stack", _STACK), ("test", _STACK), ("rbf", FolderWriter.folder)),
)


def write_stack(
    stack: Stack, folder: Path, *, overwrite: bool = False, progress: Progress = no_progress
) -> Path:
    """Write the photographs as JPEG (quality 95) with a light file ``dirs.lp``.

    Returns:
        The light file.

    Raises:
        OutputExistsError: the folder exists and ``overwrite`` is false.
        OptionError: the folder holds something else than photographs and lights.
    """
    outputs.check_output(folder, overwrite, _STACK)
    names = picture_names(len(stack))
    whole = Window(0, 0, *stack.shape)
    with outputs.atomic_folder(folder, overwrite=overwrite, kind=_STACK) as temporary:
        for number, name in enumerate(names):
            values = stack.select([number]).read(whole).reshape(*stack.shape, 3)
            save_picture(temporary / name, to_uint8(values), icc=stack.icc)
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
        OptionError: a size outside 16..4096, or ``out`` holds something else than a demo.
    """
    outputs.check_output(out, overwrite, _TOUR)
    with outputs.atomic_folder(out, overwrite=overwrite, kind=_TOUR) as folder:
        write_stack(
            make_stack(size, seed=seed, progress=part_of(progress, 0, 0.3)), folder / "stack"
        )
        write_stack(make_test_stack(size, seed=seed), folder / "test")
        train, test = (doors.open_stack(folder / name) for name in ("stack", "test"))
        fitted: list[Fitted] = []
        scores: list[Score] = []
        for number, (label, spec, name) in enumerate(CODECS):
            start = 0.4 + 0.5 * number / len(CODECS)
            part = part_of(progress, start, start + 0.5 / len(CODECS))
            fitted.append(Fitted(label, *fit(train, spec, progress=part)))
            doors.save_model(fitted[-1].model, folder / name)
            scores.append(score(fitted[-1], test, with_ssim=with_ssim))
        progress(0.95, "drawing the contact sheet")
        save_picture(folder / _SHEET, compare_sheet(fitted, test, scores))
        made = ("stack", "test", *(name for _, _, name in CODECS), _SHEET)
    progress(1, "done")
    evaluation = evaluation_of(train, test, scores)
    return DemoResult(out, tuple(Path(name) for name in made), evaluation)


def compare_sheet(
    fitted: Sequence[Fitted], test: Stack, scores: Sequence[Score], *, columns: int = 4
) -> Array:
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
    photographs = test.select(chosen).read(whole)
    true = to_uint8(photographs, test.encoding).reshape(len(chosen), *test.shape, 3)
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
