"""``drti-relight-cli``: what is done, in relight-cli's words."""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits

from drti_core.cli.process import Ending, say, visible
from drti_core.codec import Progress, Writer, no_progress, part_of
from drti_core.errors import (
    DrtiError,
    FormatError,
    OptionError,
    ResourceError,
    UnsupportedFormatError,
)
from drti_core.io.outputs import EITHER, check_apart, check_output
from drti_core.measure.evaluation import Score, evaluate_model
from drti_core.model import RelightableModel, StoredModel
from drti_core.registry import doors
from drti_core.registry.codec_calls import fit
from drti_core.relight.normal_maps import save_normals
from drti_core.relight.save import save_relit
from drti_core.stack import Stack
from drti_core.workflow.fit import check_refusal
from drti_plugins.relight import outputs
from drti_plugins.relight.arguments import NAME, Arguments, help_text, parse
from drti_plugins.relight.averages import save_mean, save_quantile
from drti_plugins.relight.bases import SKIP, basis_of, codec_of
from drti_plugins.relight.photographs import light_file, model_of, photographs

#: The quantile of ``-M``, "7/8".
_MEDIAN = 7 / 8


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say.

    Args:
        argv: without the program's name; by default those of the process.

    Returns:
        0 if the work is done, 1 with a reason of one line on the error output if not; 130 after an
        interrupt, 143 and 129 after SIGTERM and SIGHUP; 74 if the machine is at fault, as by a
        full disk. ``DRTI_DEBUG=1`` raises errors instead.
    """
    ending = Ending()
    try:
        with warnings.catch_warnings(), ending:
            warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
            arguments = parse(sys.argv[1:] if argv is None else argv)
            if arguments.help:
                print(help_text())
                return 0
            with _cores(arguments.workers):
                run(arguments)
    except (Exception, KeyboardInterrupt) as error:  # a script is told, and shown no traceback
        if ending.number is not None or isinstance(error, KeyboardInterrupt):
            say(ending.word)
            return ending.status
        if os.environ.get("DRTI_DEBUG") == "1":
            raise
        told = ResourceError.of(error) or error
        say(f"error: {_words(told)}")
        return told.exit_status if isinstance(told, DrtiError) else 1
    return 0


def run(arguments: Arguments) -> None:
    """Do what the arguments say.

    Raises:
        DrtiError: of many kinds; see :mod:`drti_core.errors`.
        OSError: a file cannot be read or written.
    """
    if arguments.redraw is not None:
        return _redraw(arguments, arguments.redraw)
    kind = None if outputs.is_file(arguments.output) else EITHER
    check_output(arguments.output, True, kind)
    file = light_file(arguments.source)
    if file is None:
        return _convert(arguments)
    stack = photographs(file, arguments)
    return _skip(stack, arguments) if basis_of(arguments) == SKIP else _fit(stack, file, arguments)


def _fit(stack: Stack, file: Path, arguments: Arguments) -> None:
    start = time.monotonic()
    wanted, test = _held_out(stack, arguments)
    codec, notes = codec_of(arguments, len(wanted))
    inputs = [file, *stack.files]
    if outputs.is_file(arguments.output):
        check_apart(arguments.output, inputs)
    writer = outputs.writer_of(arguments, getattr(codec, "colorspace", None))
    check_refusal(codec, writer, wanted, arguments.output)
    dome = None if arguments.dome is None else "{:g}:{:g}".format(*arguments.dome)
    model, report = fit(
        wanted,
        codec,
        output=arguments.output,
        provenance={"light_file": file, "crop": arguments.crop, "dome": dome, "command": NAME},
        notes=notes,
        progress=part_of(_progress(arguments), 0, 0.9),
    )
    used = report.stack
    with outputs.staged(arguments.output, inputs) as folder:
        losses = outputs.write_model(model, folder, arguments, writer)
        _summaries(used, folder, arguments)
        line = _score_line(folder, model, test or used, arguments)
    _tell_notes((*report.notes, *losses))
    say(f"wrote {arguments.output} ({basis_of(arguments)}) in {time.monotonic() - start:.1f} s")
    if line:
        print(visible(line))


def _skip(stack: Stack, arguments: Arguments) -> None:
    if not (arguments.normals or arguments.mean or arguments.median):
        raise OptionError("skip leaves nothing to do", where="-b", expected="-n, -m or -M with it")
    if outputs.is_file(arguments.output):
        raise OptionError(
            f"{arguments.output} of skip", where=NAME, expected="a folder for the pictures"
        )
    _refuse(arguments, ("evaluate", "-e"), ("left_out", "-E"), why="without a model")
    with outputs.staged(arguments.output, stack.files) as folder:
        _summaries(stack, folder, arguments)
    _tell_notes(stack.notes)


def _convert(arguments: Arguments) -> None:
    inputs = _parts(arguments.source)
    if outputs.is_file(arguments.output):
        check_apart(arguments.output, inputs)
    model = outputs.with_pixel_size(model_of(arguments.source), arguments)
    _refuse(
        arguments,
        ("basis", "-b"),
        ("planes", "-p"),
        ("mean", "-m"),
        ("median", "-M"),
        ("crop", "-k"),
        ("dome", "-3"),
        ("evaluate", "-e"),
        ("left_out", "-E"),
        why=f"of {arguments.source}, which is a model and holds no photographs",
    )
    writer = outputs.writer_of(arguments, model.config().get("colorspace"))
    _check(writer, model.stored(), arguments.output)
    with outputs.staged(arguments.output, inputs) as folder:
        notes = outputs.write_model(model, folder, arguments, writer)
        if arguments.normals:
            save_normals(model, folder / "normals.png")
    _tell_notes((*model.metadata.notes, *notes))
    say(f"wrote {arguments.output}")


def _redraw(arguments: Arguments, target: Path) -> None:
    model, inputs = model_of(arguments.source), _parts(arguments.source)
    if arguments.light is not None:
        save_relit(
            model,
            arguments.light,
            target,
            quality=arguments.quality,
            overwrite=True,
            inputs=inputs,
        )
        return
    lights = model.metadata.lights
    if lights is None:
        raise FormatError(
            "knows no lights",
            where=str(arguments.source),
            expected="the lights of its photographs in info.json",
            mend="Choose one: -L x:y:z.",
        )
    save_relit(
        model,
        lights,
        target / "light.png",
        overwrite=True,
        inputs=inputs,
        progress=_progress(arguments),
    )


def _parts(source: Path) -> list[Path]:
    """What a model is read from: nothing is written in its place, but much may be beside it."""
    return sorted(source.iterdir()) if source.is_dir() else [source]


def _summaries(stack: Stack, folder: Path, arguments: Arguments) -> None:
    if arguments.normals:
        save_normals(stack, folder / "normals.png")
    if arguments.mean:
        save_mean(stack, folder / "means.png")
    if arguments.median:
        save_quantile(stack, folder / "medians.png", _MEDIAN)


def _held_out(stack: Stack, arguments: Arguments) -> tuple[Stack, Stack | None]:
    """What is fitted, and what is looked at of ``-E``."""
    number = arguments.left_out
    if number is None:
        return stack, None
    if number >= len(stack) or len(stack) < 2:
        raise OptionError(
            f"photograph {number} of {len(stack)}",
            where="-E",
            expected=f"0 to {len(stack) - 1}, and others to be fitted",
        )
    return stack.select([i for i in range(len(stack)) if i != number]), stack.select([number])


def _score_line(folder: Path, model: RelightableModel, test: Stack, arguments: Arguments) -> str:
    """relight-cli's line of -e and -E, about what was written; empty if neither is given."""
    if not arguments.evaluate and arguments.left_out is None:
        return ""
    if outputs.is_file(arguments.output):
        written = doors.open_model(folder / arguments.output.name)
        size = (folder / arguments.output.name).stat().st_size
    else:
        written, size = doors.open_model(folder), outputs.size_of_planes(folder)
    if test.encoding == "linear":  # a .ptm or .rti cannot say so
        written = written.with_metadata(encoding="linear")
    found = evaluate_model(written, test, with_ssim=False)
    planes = 0 if model.planes is None else model.planes.count
    colorspace = model.config().get("colorspace", "")
    ycc = model.config().get("yccplanes", [0])
    basis = basis_of(arguments).replace(",", ";")  # the options of a codec
    words = [str(arguments.output), basis, colorspace, planes, ycc[0], size]
    words += [f"{found.psnr:.6g}", f"{_rmse(found):.6g}"]
    if arguments.left_out is not None:
        x, y, z = test.lights.xyz[0].tolist()
        sigma = model.config().get("sigma", arguments.sigma or 0)
        regularisation = arguments.regularisation or 0.1
        theta = math.acos(min(1.0, z))
        words += [f"{value:.6g}" for value in (theta, sigma, regularisation, x, y)]
    return ",".join(map(str, words))


def _rmse(found: Score) -> float:
    """Root mean square error over all pictures, grey levels of 255."""
    squares = [255.0**2 / 10 ** (light.psnr / 10) for light in found.lights]
    return math.sqrt(sum(squares) / len(squares))


def _check(writer: Writer, stored: StoredModel, output: Path) -> None:
    if outputs.is_file(output) and (reason := writer.refuse(stored)):
        raise UnsupportedFormatError(reason, where=str(output))


def _refuse(arguments: Arguments, *options: tuple[str, str], why: str) -> None:
    for field, flag in options:
        if getattr(arguments, field) not in (None, False):
            raise OptionError(f"{flag} {why}", where=NAME, expected=f"no {flag}")


@contextmanager
def _cores(count: int | None) -> Iterator[None]:
    """Work on so many cores, where the system lets a process choose them."""
    if count is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        with threadpool_limits(min(count, len(before))):
            yield
    finally:
        os.sched_setaffinity(0, before)


def _progress(arguments: Arguments) -> Progress:
    if not arguments.verbose:
        return no_progress
    last = -1

    def show(share: float, what: str) -> None:
        nonlocal last
        percent = int(100 * share)
        if percent != last:
            last = percent
            say(f"{what} {percent}%")

    return show


def _words(error: Exception) -> str:
    if isinstance(error, DrtiError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _tell_notes(notes: Sequence[str]) -> None:
    for note in dict.fromkeys(notes):
        say(f"note: {note}")
