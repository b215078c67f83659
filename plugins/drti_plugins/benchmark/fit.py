"""What fitting costs: a big stack, and every fit in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from drti_core.arrays import MAX_SIDE, Window
from drti_core.codec import Progress, no_progress, part_of
from drti_core.errors import DrtiError, OptionError
from drti_core.formats.lp import write_lp
from drti_core.io import outputs
from drti_core.io.outputs import size_of
from drti_core.io.pictures.jpeg import JPEG_MAX_SIDE
from drti_core.registry import catalogue, doors


@dataclass(frozen=True)
class Cost:
    """What one fit cost, from reading the photographs to the saved model.

    Args:
        codec: its id and options.
        width: of the photographs, pixels.
        height: of the photographs, pixels.
        photographs: how many.
        cpu_seconds: user and system time of the process and its children.
        wall_seconds: by the clock.
        peak_bytes: largest resident memory of the whole process.
        output_bytes: size of the saved model.
    """

    codec: str
    width: int
    height: int
    photographs: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    output_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def upscale_stack(
    source: Path,
    size: tuple[int, int],
    folder: Path,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> Path:
    """Enlarge every photograph of a stack (bicubic) and save it as JPEG (quality 95, 4:2:0).

    The work is done in two other processes, so that this one stays small.

    Args:
        source: whatever :func:`drti_core.open_stack` opens.
        size: (height, width) to enlarge to.
        folder: where the photographs and ``dirs.lp`` go; it is there already.
        progress: called after each photograph.
        options: see :func:`drti_core.open_stack`.

    Returns:
        The light file.

    Raises:
        OptionError: a side is not in 1..65500.
        StackError: a photograph is missing or damaged.
    """
    if not all(1 <= side <= min(MAX_SIDE, JPEG_MAX_SIDE) for side in size):
        raise OptionError(f"size {size[1]}x{size[0]}", expected=f"sides of 1 to {JPEG_MAX_SIDE}")
    stack = doors.open_stack(source, **options)
    names = [f"photo{number + 1:03}.jpg" for number in range(len(stack))]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_upscale, source, number, size, folder / name, options)
            for number, name in enumerate(names)
        ]
        for number, job in enumerate(jobs):
            job.result()
            progress((number + 1) / len(jobs), f"enlarging to {size[1]}x{size[0]}")
    write_lp(folder / "dirs.lp", names, stack.lights)
    return folder / "dirs.lp"


def _upscale(
    source: Path, number: int, size: tuple[int, int], out: Path, options: doors.StackOptions
) -> None:
    from PIL import Image

    stack = doors.open_stack(source, **options).select([number])
    values = stack.read(Window(0, 0, *stack.shape)).reshape(*stack.shape, 3)
    picture = Image.fromarray(np.rint(values * 255).astype(np.uint8))
    big = picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    with outputs.atomic_file(out) as temporary:
        big.save(temporary, "JPEG", quality=95, subsampling="4:2:0")


def fit_cost(codec: str, lights: Path, out: Path, arguments: Sequence[str] = ()) -> Cost:
    """Run ``drti fit`` in a fresh process and take what the system says that it used.

    Args:
        codec: id with options.
        lights: the stack's light file.
        out: the model to write; must not exist.
        arguments: more of ``drti fit``.

    Raises:
        DrtiError: the process failed, with what it said; or the system is Windows.
    """
    if sys.platform == "win32":
        raise DrtiError(
            "Windows does not say what a process has used", expected="Linux or macOS to measure on"
        )
    stack = doors.open_stack(lights)
    command = [sys.executable, "-m", "drti_core", "fit", str(lights), "-o", str(out)]
    command += ["--codec", codec, *arguments]
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        # The resources of this very process and its children; RUSAGE_CHILDREN would add up.
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise DrtiError(f"exit status {process.returncode}: {text}", where=" ".join(command[2:]))
    # Linux counts kilobytes, macOS bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    height, width = stack.shape
    cpu = used.ru_utime + used.ru_stime
    return Cost(codec, width, height, len(stack), cpu, wall, peak, size_of(out))


def benchmark_fit(
    source: Path,
    codecs: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    *,
    arguments: Sequence[str] = (),
    keep: Path | None = None,
    progress: Progress = no_progress,
    **options: Unpack[doors.StackOptions],
) -> list[Cost]:
    """Enlarge a stack to each size and measure each codec on it.

    Args:
        source: whatever :func:`drti_core.open_stack` opens.
        codecs: ids with options.
        sizes: (height, width) to enlarge to.
        arguments: more of ``drti fit``.
        keep: folder for the enlarged stacks and the models; a temporary one, removed at the end,
            by default.
        progress: called with the share done and what is being done.
        options: see :func:`drti_core.open_stack`.

    Raises:
        PluginError: no such codec.
        DrtiError: a fit failed, or ``keep`` holds results already, or a link in their place.
    """
    for spec in codecs:
        catalogue.codec(spec)  # a mistyped one should not cost the enlarging
    costs = []
    with tempfile.TemporaryDirectory(prefix="drti-benchmark-") as temporary:
        root = keep or Path(temporary)
        outputs.check_apart(root, doors.read_from(source, **options))
        for number, size in enumerate(sizes):
            folder = outputs.check_within(root, f"{size[1]}x{size[0]}")
            try:
                (folder / "stack").mkdir(parents=True)
            except FileExistsError:
                raise DrtiError(
                    "exists already", where=str(folder), mend="Choose another folder to keep."
                ) from None
            part = part_of(progress, number / len(sizes), (number + 1) / len(sizes))
            half = part_of(part, 0, 0.5)
            lights = upscale_stack(source, size, folder / "stack", half, **options)
            for index, codec in enumerate(codecs):
                part((1 + index / len(codecs)) / 2, f"fitting {codec}")
                out = folder / f"model{index + 1}"
                costs.append(fit_cost(codec, lights, out, arguments))
    return costs
