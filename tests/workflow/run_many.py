"""Many small captures fitted by workers: the same bytes as one by one, and how long it takes.

    python -m tests.workflow.run_many [CAPTURES]

Fits 200 captures (or as many as are asked for) one by one in this process, then by one and by two
processes and by a dask cluster of two workers, and compares every byte.
"""

from __future__ import annotations

import filecmp
import resource
import sys
import tempfile
import time
from pathlib import Path

import drti_core as drti
from drti_core.jobs.journal import NAME
from drti_core.measure.tour import write_stack
from drti_core.stack.samples.demo import make_stack

#: What fits them, beside this process.
WAYS: dict[str, dict[str, object]] = {
    "1 process": {"jobs": 1},
    "2 processes": {"jobs": 2},
    "dask, 2 workers": {"jobs": 2, "cluster": "local"},
}


def make_captures(folder: Path, count: int, size: tuple[int, int] = (48, 64)) -> list[Path]:
    """Captures that differ in height, each with its light file."""
    made = [folder / f"c{number:03}" for number in range(count)]
    for number, capture in enumerate(made):
        write_stack(make_stack((size[0] + number % 7, size[1]), 12), capture)
    return made


def files_in(folder: Path) -> dict[str, Path]:
    """Files by their names from the folder, without a journal."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): path for path in found}


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, to the last byte."""
    mine, others = files_in(one), files_in(other)
    return mine.keys() == others.keys() and all(
        filecmp.cmp(path, others[name], shallow=False) for name, path in mine.items()
    )


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    """Measure, and say what was found; returns 1 where bytes differ."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="drti-") as place:
        folder = Path(place)
        captures = make_captures(folder / "captures", count)
        began, cpu = time.monotonic(), _cpu()
        for capture in captures:
            drti.fit_file(capture, folder / "one by one" / capture.name, codec="hsh:terms=4")
        alone = time.monotonic() - began
        print(f"{count} captures one by one: {alone:.1f} s, CPU {_cpu() - cpu:.1f} s")
        differs = False
        for name, way in WAYS.items():
            out, began, cpu = folder / name, time.monotonic(), _cpu()
            options: dict[str, object] = {"codec": "hsh:terms=4", **way}
            report = drti.fit_many([folder / "captures"], out, **options)  # type: ignore[arg-type]
            seconds, equal = time.monotonic() - began, same(folder / "one by one", out)
            differs = differs or not equal or report.counts != {"fitted": count}
            print(
                f"{name}: {seconds:.1f} s, CPU {_cpu() - cpu:.1f} s, {report.counts}, "
                f"bytes {'equal' if equal else 'DIFFER'}"
            )
    return int(differs)


if __name__ == "__main__":
    raise SystemExit(main())
