"""Faults at every call of everything that is written: ``python -m tests.fuzz.run_faults``.

Every task × state × fault × call, until the task succeeds; see :mod:`tests.fuzz.faults`. What
breaks a promise is printed with the line that reproduces it. ``--every 7`` takes one call of seven.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.fuzz.faults import ERRORS, KILL, STATES, Bench, Fault, State
from tests.fuzz.written import tasks, warm

#: File sizes at which writing fails: so many over the largest file, besides 0 and 1.
_SIZES = 24


def faults(bench: Bench, kinds: tuple[str, ...], every: int, first: int) -> Iterator[Fault]:
    """The faults of a task in a state; without one it makes so many calls."""
    counted, _ = bench.run(None)
    assert counted.status == "done", f"{bench.task.name} without a fault: {counted.text}"
    for kind in kinds:
        if kind == "size":
            sizes = {0, 1, *(bench.size * n // _SIZES for n in range(1, _SIZES)), bench.size - 1}
            yield from (Fault(kind, size) for size in sorted(sizes)[first % every :: every])
        else:
            yield from (Fault(kind, at) for at in range(first % every, counted.calls, every))


def line(bench: Bench, fault: Fault) -> str:
    """What reproduces one fault."""
    task = f'--task "{bench.task.name}" --state "{bench.state}"'
    return f"python -m tests.fuzz.run_faults {task} --fault {fault.what} --at {fault.at}"


def main() -> int:
    """Run them; 1 if a promise was broken."""
    kinds = (*ERRORS, KILL, "size")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", action="append", default=[], help="name; by default all")
    parser.add_argument("--state", action="append", default=[], choices=STATES)
    parser.add_argument("--fault", action="append", default=[], choices=kinds)
    parser.add_argument("--at", type=int, help="number of one call, or a size in bytes")
    parser.add_argument("--every", type=int, default=1, help="one call of so many")
    given = parser.parse_args()
    known = tasks()
    unknown = sorted(set(given.task) - set(known))
    if unknown:
        parser.error(f"no task {unknown[0]!r}; there are {', '.join(known)}")
    warm()
    console = Console()
    states: list[State] = given.state or list(STATES)
    counts: Counter[str] = Counter()
    broken = 0
    root = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        work = [(known[name], state) for name in given.task or known for state in states]
        for number, (task, state) in enumerate(track(work, console=console, transient=True)):
            bench = Bench(root / str(number), task, state)
            chosen = tuple(given.fault) or kinds
            if given.at is None:
                todo = list(faults(bench, chosen, given.every, number))
            else:
                todo = [Fault(kind, given.at) for kind in chosen]
            for fault in todo:
                outcome, said = bench.run(fault)
                counts[f"{fault.what}: {outcome.status}"] += 1
                broken += bool(said)
                for each in said:
                    where = f" at {outcome.sprung}" if outcome.sprung else ""
                    console.print(
                        f"{each}{where}\n    {line(bench, fault)}", markup=False, soft_wrap=True
                    )
            shutil.rmtree(root / str(number))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    for name, count in sorted(counts.items()):
        console.print(f"{name:<20}{count:>8}")
    console.print(f"{sum(counts.values())} faults, {broken} broke a promise")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
