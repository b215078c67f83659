"""Many captures, on each of which codecs are evaluated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from drti_core.capture.many import captures, opened
from drti_core.capture.opening import notes_of, open_lit
from drti_core.errors import DrtiError
from drti_core.io import outputs, strict_json
from drti_core.io.outputs import size_of
from drti_core.jobs.batch import BatchOptions, BatchReport, Step, answered, run_batch
from drti_core.jobs.report import Report
from drti_core.jobs.workers import Answer, Task
from drti_core.measure.evaluation import Evaluation, evaluate
from drti_core.measure.metrics import ssim_wanted
from drti_core.progress import logged
from drti_core.registry import catalogue, doors
from drti_core.stack import Stack

_EVALUATED = "evaluated"


@logged("evaluate many")
def evaluate_many(
    sources: Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    codecs: Sequence[str],
    holdout: int = 5,
    with_ssim: bool | None = None,
    lights: str | os.PathLike[str] | None = None,
    photographs: doors.StackOptions | None = None,
    **batch: Unpack[BatchOptions],
) -> BatchReport:
    """Evaluate codecs on many captures; see :func:`drti_core.jobs.batch.run_batch`.

    The results of each are a JSON file in ``out``, and ``found`` of an item's report.

    Args:
        sources: captures, folders that are searched for captures, and patterns.
        out: folder of the results; made if it is not there.
        codecs: ids, with options.
        holdout: so many photographs of each capture are held out; see :func:`drti_core.evaluate`.
        with_ssim: whether to take SSIM; by default if scikit-image is installed.
        lights: light file for all captures, which are then folders of photographs.
        photographs: how they are opened, see :func:`drti_core.open_stack`; the same for all.
        batch: see :func:`drti_core.jobs.batch.run_batch`.

    Raises:
        OptionError: an option that does not fit, or that other processes could not be told.
        MissingExtraError: SSIM is wanted without scikit-image.
        DrtiError: see :func:`drti_core.jobs.batch.run_batch`.
    """
    for name in codecs:
        catalogue.codec(name)
    search, files, task = captures(lights, photographs or {})
    task |= {"codecs": list(codecs), "holdout": holdout, "ssim": ssim_wanted(with_ssim)}
    step = Step(
        f"{__name__}:evaluate_one",
        task,
        "evaluate",
        ".json",
        _EVALUATED,
        search,
        files,
        again=_evaluated,
    )
    return run_batch(step, sources, out, **batch)


def evaluate_one(task: Task) -> Answer:
    """Evaluate on one of many; see :func:`drti_core.jobs.batch.answered`."""

    def make(output: Path, overwrite: bool) -> Report:
        source, how = opened(task)
        outputs.check_output(output, overwrite, inputs=doors.read_from(source, **how))
        stack, _ = open_lit(source, **how)
        outputs.check_apart(output, doors.read_from(source, stack, **how))
        codecs = [(name, catalogue.codec(name)) for name in task["codecs"]]
        result = evaluate(codecs, stack, holdout=task["holdout"], with_ssim=task["ssim"])
        found = results_of(result, stack)
        with outputs.atomic_file(output, overwrite=overwrite) as temporary:
            temporary.write_bytes(strict_json.dump(found))
        return _report(found, output)

    return answered(task, _EVALUATED, make)


def results_of(result: Evaluation, stack: Stack, test: Stack | None = None) -> dict[str, Any]:
    """An evaluation and what was done to its photographs first, strictly JSON-able."""
    done = {"notes": list(notes_of(stack, test)), "darkroom": dict((test or stack).history)}
    return {**result.as_dict(), "photographs": done}


def mean_scores(done: BatchReport) -> dict[str, dict[str, float | None]]:
    """Mean PSNR, SSIM and error of each codec over all captures of a batch that tell them."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for item in done.items:
        if item.written is not None and item.written.found is not None:
            for score in item.written.found["codecs"]:
                rows.setdefault(score["label"], []).append(score)
    keys = ("psnr", "ssim", "mean_absolute_error")
    return {
        label: {
            key: sum(known) / len(known)
            if (known := [score[key] for score in scores if score[key] is not None])
            else None
            for key in keys
        }
        | {"captures": float(len(scores))}
        for label, scores in rows.items()
    }


def _evaluated(path: Path) -> Report | None:
    """What an evaluation has found, by its file; None where that is none any more."""
    try:
        found = strict_json.load(path)
        for score in found["codecs"].items():
            score["label"].text()
            for key in ("psnr", "ssim", "mean_absolute_error"):
                if score[key].value is not None:
                    score[key].number()
    except DrtiError:
        return None
    return _report(found.object(), path)


def _report(found: dict[str, Any], path: Path) -> Report:
    psnrs = ((score["label"], score["psnr"]) for score in found["codecs"])
    told = [f"{label} {'equal' if psnr is None else f'{psnr:.2f} dB'}" for label, psnr in psnrs]
    return Report(", ".join(told), size_of(path), found=found)
