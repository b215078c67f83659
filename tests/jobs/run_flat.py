"""What a worker holds after each of many jobs: ``python -m tests.jobs.run_flat [--jobs 1000]``.

One worker, a process of its own or of dask, converts the same small models (of several formats, one
of them damaged) again and again. Memory and open files after every tenth part of the jobs are
printed; from the second tenth on they are to stay as they are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median

from drti_core.jobs.executor import Executor, Processes, executor
from drti_core.jobs.workers import Answer
from drti_core.registry import doors
from drti_core.registry.codec_calls import fit
from drti_core.stack.samples.demo import make_stack

#: A leak is more than this of memory in bytes over nine tenths of the jobs; or one file.
MOST = 8 << 20


def models(folder: Path) -> list[Path]:
    """Small models of several formats, and a file that is none."""
    stack = make_stack((40, 60), 12)
    found = []
    for name, codec in (("a.ptm", "ptm"), ("b.rti", "hsh:terms=4"), ("c", "rbf"), ("d.zarr", "sh")):
        doors.save_model(fit(stack, codec)[0], folder / name)
        found.append(folder / name)
    damaged = folder / "damaged.ptm"
    damaged.write_bytes(found[0].read_bytes()[:-99])
    return [*found, damaged]


def held(workers: Executor, sources: Sequence[Path], out: Path, jobs: int) -> list[Answer]:
    """What the worker held after each job.

    Raises:
        RuntimeError: a job did not end as it was to.
    """
    tasks = [
        {
            "source": str(sources[number % len(sources)]),
            "output": str(out / str(number % len(sources))),
        }
        for number in range(jobs)
    ]
    found = []
    with closing(workers.run(tasks, "tests.jobs.work:converted")) as answers:
        for number, answer in answers:
            damaged = sources[number % len(sources)].name.startswith("damaged")
            if answer["status"] != ("refused" if damaged else "done"):
                raise RuntimeError(f"{tasks[number]}: {answer}")
            found.append(answer)
    return found


def curve(found: Sequence[Answer], key: str) -> list[int]:
    """The median of each tenth part."""
    part = len(found) // 10
    return [int(median(each[key] for each in found[i * part : (i + 1) * part])) for i in range(10)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--executor", choices=("processes", "dask"), action="append")
    told = parser.parse_args()
    flat = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = models(folder)
        for kind in told.executor or ("processes", "dask"):
            workers = Processes(1) if kind == "processes" else executor(1, "local")
            found = held(workers, sources, folder / "out", told.jobs)
            memory, files = curve(found, "memory"), curve(found, "files")
            print(f"{kind}, {told.jobs} jobs, by tenths:")
            print("  memory, MB:", " ".join(f"{each / 1e6:.1f}" for each in memory))
            print("  open files:", " ".join(map(str, files)))
            flat &= memory[-1] - memory[1] < MOST and files[-1] <= files[1]
    return 0 if flat else 1


if __name__ == "__main__":
    raise SystemExit(main())
