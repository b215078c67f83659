"""``drti evaluate``: codecs against photographs that they were not fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drti_core.capture.opening import notes_of, open_with_test
from drti_core.cli import batches, console
from drti_core.cli.photographs import Many, StackOptions, opens_photographs, under
from drti_core.errors import MissingExtraError
from drti_core.io import outputs
from drti_core.jobs.batch import BatchReport
from drti_core.measure import evaluation
from drti_core.measure.many import evaluate_many, mean_scores, results_of
from drti_core.measure.metrics import ssim_wanted
from drti_core.registry import catalogue, doors

Ssim = Annotated[
    bool | None, typer.Option(help="Take SSIM; by default if scikit-image is installed.")
]


@opens_photographs
def evaluate(
    stack: Many,
    codec: Annotated[
        list[str] | None,
        typer.Option(help="For example hsh:terms=16; repeatable. By default ptm, hsh and rbf."),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="A fitted model to compare with all photographs; repeatable."),
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Stack to test on; else --holdout.")] = None,
    holdout: Annotated[
        int, typer.Option(help="So many photographs, spread over elevation, are held out.")
    ] = 5,
    ssim: Ssim = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the results to this file; of many the report.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of many inputs: the results of each into this folder."),
    ] = None,
    light_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The lights of a dome, for a folder of photographs (or many); see --by-order.",
        ),
    ] = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    per_light: Annotated[bool, typer.Option("--lights", help="Also a row for each light.")] = False,
    *,
    how: StackOptions,
    overwrite: console.Overwrite = False,
) -> None:
    """Fit codecs, relight under the test lights, and report PSNR and SSIM.

    What is said of the photographs holds for those of --test too, but for their folder.
    """
    names = codec or ["ptm", "hsh", "rbf"]
    if out is not None:
        batches.of_one(None, model=model, test=test)
        done = batches.run(
            evaluate_many,
            stack,
            out,
            codecs=names,
            holdout=holdout,
            with_ssim=ssim,
            lights=light_file,
            photographs=how,
            jobs=jobs,
            cluster=cluster,
            report=json,
            overwrite=overwrite,
        )
        _show_means(done)
        say_ssim(ssim)
        batches.end(done)
        return
    batches.alone(jobs=jobs, cluster=cluster)
    source, how = under(light_file, batches.one(stack), how, "--light-file")
    if json is not None:
        others_named = [*(model or ()), *([] if test is None else [test])]
        named = [read for each in others_named for read in doors.read_from(each)]
        outputs.check_output(json, overwrite, inputs=[*doors.read_from(source, **how), *named])
    with console.progress_bar() as progress:
        photographs, others, progress = open_with_test(source, test, progress, **how)
        if json is not None:
            seen = [] if test is None else doors.read_from(test, others)
            outputs.check_apart(json, [*doors.read_from(source, photographs, **how), *seen])
        if model:
            target = others or photographs
            scores = [
                evaluation.evaluate_model(
                    doors.open_model(path),
                    target,
                    label=str(path),
                    with_ssim=ssim,
                    progress=progress,
                )
                for path in model
            ]
            result = evaluation.evaluation_of_models(target, scores)
        else:
            result = evaluation.evaluate(
                [(name, catalogue.codec(name)) for name in names],
                photographs,
                others,
                holdout=holdout,
                with_ssim=ssim,
                progress=progress,
            )
    show(result, per_light=per_light)
    notes = notes_of(photographs, others)
    console.say_notes(notes)
    say_ssim(ssim)
    if json is not None:
        text = console.to_json(results_of(result, photographs, others))
        console.write_text(json, text + "\n", overwrite=overwrite)
        console.say(f"wrote {json}")


def show(result: evaluation.Evaluation, *, per_light: bool = False) -> None:
    """Print an evaluation as a table."""
    rows = [
        [
            score.label,
            console.number(score.psnr, 2),
            console.number(score.ssim, 4),
            console.number(score.mean_absolute_error, 2),
            console.number(score.fit_cpu, 2),
            console.number(score.plane_bytes / 1000, 0),
        ]
        for score in result.scores
    ]
    headings = ("codec", "PSNR dB", "SSIM", "mean error", "fit CPU s", "planes kB")
    console.say(result.protocol)
    console.say_table(headings, rows)
    if per_light:
        rows = [
            [
                score.label,
                light.name,
                " ".join(f"{v:.3f}" for v in light.light),
                console.number(light.psnr, 2),
                console.number(light.ssim, 4),
            ]
            for score in result.scores
            for light in score.lights
        ]
        console.say_table(("codec", "photograph", "light", "PSNR dB", "SSIM"), rows)
    console.say_notes(result.notes)


def _show_means(done: BatchReport) -> None:
    """Print a table of codecs over all captures."""
    rows = [
        [
            label,
            console.number(mean["captures"], 0),
            console.number(mean["psnr"], 2),
            console.number(mean["ssim"], 4),
            console.number(mean["mean_absolute_error"], 2),
        ]
        for label, mean in mean_scores(done).items()
    ]
    if rows:
        console.say_table(("codec", "captures", "PSNR dB", "SSIM", "mean error"), rows)


def say_ssim(asked: bool | None) -> None:
    """Say that SSIM was left out where nobody refused it."""
    if asked is None and not ssim_wanted(asked):
        console.say_notes([f"without SSIM: {MissingExtraError('SSIM', 'metrics')}"])
