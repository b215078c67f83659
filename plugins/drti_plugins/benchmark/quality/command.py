"""``drti benchmark quality``: codecs over folders of collections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from drti_core.cli import console
from drti_core.cli.evaluate import Ssim, say_ssim
from drti_core.errors import OptionError
from drti_core.options import split_specs
from drti_plugins.benchmark.collections import find_collections
from drti_plugins.benchmark.quality import report, run


def measure_quality(
    root: Annotated[
        Path, typer.Argument(help="Collections of SynthRTI and RealRTI, or a folder of either.")
    ],
    codecs: Annotated[
        str, typer.Option(help="For example hsh16,neural,disk20:preset=best; hsh16 is added.")
    ] = "ptm,hsh,hsh16,rbf",
    out: Annotated[
        Path, typer.Option(help="Folder of results; a run that was broken off goes on there.")
    ] = Path("drti-quality"),
    preset: Annotated[
        str | None, typer.Option(help="Of the codecs that have one: fast, standard, best.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Of the codecs that have one: 0,1,2.")] = "0",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Collections whose name holds this: Multi, Object2, item5; repeatable."),
    ] = None,
    left_out: Annotated[
        int,
        typer.Option(
            min=0,
            help="Photographs to leave out of those that are fitted, and to score instead of the "
            "test photographs: for choosing settings.",
        ),
    ] = 0,
    jobs: Annotated[int, typer.Option(help="Processes at a time, of one thread each.")] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask cluster in their place, or local."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the models, in DIR/models.")] = False,
    ssim: Ssim = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Do again what an earlier run has done, and replace what is there."
        ),
    ] = False,
) -> None:
    """Fit codecs to collections: PSNR, SSIM, bytes and CPU seconds; table, CSV, JSON and plots."""
    chosen = run.variants(split_specs(codecs), preset, _seeds(seeds))
    found = find_collections(root)
    collections = [
        replace(each, left_out=left_out)
        for each in found
        if not only or any(text in each.name for text in only)
    ]
    if not collections:
        names = ", ".join(collection.name for collection in found)
        raise OptionError(f"{only}", where="--only", expected=f"a part of one of {names}")
    inputs = [read for each in collections for read in (each.train, each.test) if read is not None]
    report.check_places(out, overwrite=overwrite, inputs=inputs)
    with console.progress_bar() as progress:
        measured = run.benchmark_quality(
            collections,
            chosen,
            out,
            jobs=jobs,
            cluster=cluster,
            keep=keep,
            with_ssim=ssim,
            overwrite=overwrite,
            progress=progress,
        )
    groups = report.means(measured)
    single = report.means(measured, by="collection")
    console.say_table(report.HEADINGS, report.rows([*single, *groups]))
    say_ssim(ssim)
    written, notes = report.write_report(measured, out, overwrite=overwrite)
    console.say(*(f"wrote {path}" for path in written))
    console.say_notes(notes)
    if measured.reused:
        console.say(f"{measured.reused} results are from an earlier run")
    for failure in measured.failures:
        console.say(f"failed: {failure.collection}, {failure.codec}: {failure.reason}")
    if measured.failures:
        raise typer.Exit(1)


def _seeds(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise OptionError(f"{text!r}", where="--seeds", expected="numbers from 0, each once: 0,1,2")
    return found
