"""Many rounds of open, relight, export, close in one process: ``python -m tests.fuzz.run_long``.

Memory, open files, threads and mappings must not grow from round to round. What they are is noted
after each round; the first quarter of the rounds is left out, for it fills caches.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from drti_core.arrays import Window
from drti_core.errors import UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.registry import doors
from drti_core.registry.catalogue import registry
from drti_core.registry.codec_calls import fit
from drti_core.relight.save import save_relit
from drti_core.stack import Stack
from tests.fuzz.entries import put
from tests.fuzz.seeds import seeds

#: Inputs of every kind, by their seed's name.
INPUTS = (
    *("ptm lrgb", "ptm jpeg", "rti bytes", "folder jpg", "folder png", "folder 16", "folder rbf"),
    *("folder bilinear", "folder itarzoom", "folder graph", "onnx image", "onnx decoder"),
    *("webrti hsh", "webptm", "lp", "lp tif", "project"),
)
#: Exporters, and the ending of what each makes.
EXPORTS = (("onnx", ".onnx"), ("glsl", ""), ("html", ".html"), ("openlime", ""))
#: Bytes that memory may grow by, over the last three quarters of any number of rounds.
_GROWTH = 12 << 20
#: Threads that libraries may start so late; one that was lost in each round would be many more.
_STARTED = 4


@dataclass(frozen=True)
class Use:
    """What a process holds.

    Args:
        memory: resident bytes.
        files: open descriptors.
        threads: of the process.
        mappings: of its memory.
    """

    memory: int
    files: int
    threads: int
    mappings: int

    @classmethod
    def now(cls) -> Use:
        """Of this process (Linux)."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            pages * resource.getpagesize(),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - of no path of ours
            len(os.listdir("/proc/self/task")),  # noqa: PTH208
            Path("/proc/self/maps").read_text().count("\n"),
        )


def one_round(number: int, folder: Path) -> None:
    """Open an input, use it up, close it."""
    seed = seeds()[INPUTS[number % len(INPUTS)]]
    source, out = folder / "in", folder / "out"
    put(seed.files, source)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    light = LightDirections(np.array([[0.3, 0.2, 0.9]], np.float32))
    found = doors.open_any(source / seed.target)
    if isinstance(found, Stack):
        found, _ = fit(found, "ptm")
    save_relit(found, light, out / "a.png")
    with found.relighter(light) as relighter:
        relighter.relight(Window(0, 0, *found.shape))
    exporter, ending = EXPORTS[number // len(INPUTS) % len(EXPORTS)]
    with suppress(UnsupportedDecoderError):  # an image in a graph is taken by few
        registry().exporters.get(exporter).export(found, out / f"b{ending}")


def grown(uses: Sequence[Use]) -> list[str]:
    """What grew after the first quarter; nothing if it is flat."""
    kept = uses[len(uses) // 4 :]
    third = max(1, len(kept) // 3)
    said = []
    for name, most in (("memory", _GROWTH), ("files", 0), ("threads", _STARTED), ("mappings", 40)):
        first, last = (
            statistics.median(getattr(use, name) for use in part)
            for part in (kept[:third], kept[-third:])
        )
        if last - first > most:
            said.append(f"{name} grew from {first:,.0f} to {last:,.0f}; expected at most {most:,}")
    return said


def main() -> int:
    """Run the rounds; 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    given = parser.parse_args()
    console = Console()
    uses = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        for number in track(range(given.rounds), "rounds", console=console, transient=True):
            one_round(number, Path(folder))
            uses.append(Use.now())
    for at in (0, len(uses) // 4, len(uses) // 2, len(uses) - 1):
        use = uses[at]
        row = f"round {at + 1:>5}: {use.memory >> 20} MB, {use.files} files, "
        console.print(f"{row}{use.threads} threads, {use.mappings} mappings")
    said = grown(uses)
    for each in said:
        console.print(each)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
