"""A mutation campaign over every reader: ``python -m tests.fuzz.campaign --inputs 100000``.

Each input follows from the seed and its number. Inputs that fail are kept under ``--keep``. The
workers are processes of their own: one that dies by a signal is reported with the inputs that it
had before it.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.check import limit_memory, open_input, put
from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds

#: Inputs of one worker process.
CHUNK = 2000


def run(first: int, count: int, seed: int, keep: Path, only: str) -> None:
    """Open inputs ``first`` … and print their counts as JSON; progress goes to a file."""
    known = {name: s for name, s in seeds().items() if only in name}
    names, all_seeds = sorted(known), list(seeds().values())
    counts: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, -1)
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as scratch:
        folder = Path(scratch) / "in"
        # What is loaded once (decoders, libraries) is not part of an input.
        for item in known.values():
            put(item.files, folder)
            open_input(folder / item.target)
        limit_memory()
        for number in range(first, first + count):
            rng = random.Random(f"{seed} {number}")
            name = names[number % len(names)]
            item = known[name]
            files = mutated(item, rng, all_seeds)
            put(files, folder)
            (keep / f"at {first}").write_text(str(number))
            start = time.monotonic()
            try:
                reader, result = open_input(folder / item.target)
                counts[f"{item.reader} {result}{'' if reader else ' unclaimed'}"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                counts[f"{item.reader} failed"] += 1
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{last.filename}:{last.lineno}"
                failures.append(f"{number} {name}: {type(error).__name__}: {error} ({place})")
                put(files, keep / f"{number} {name}")
            slowest = max(slowest, (time.monotonic() - start, number))
    (keep / f"at {first}").unlink()
    print(json.dumps({"counts": counts, "failures": failures, "slowest": slowest}))


def _memory_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    """Run the campaign in worker processes; 1 if an input failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="", help="seeds whose name holds this")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "drti-fuzz")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    if given.worker is not None:
        faulthandler.enable()
        run(given.worker, given.inputs, given.seed, given.keep, given.only)
        return 0
    end = given.first + given.inputs
    todo = list(range(given.first, end, CHUNK))
    active: dict[int, subprocess.Popen[str]] = {}
    counts: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, -1)
    while todo or active:
        while todo and len(active) < given.jobs:
            first = todo.pop(0)
            command = [sys.executable, "-m", "tests.fuzz.campaign", "--worker", str(first)]
            command += ["--inputs", str(min(CHUNK, end - first)), "--seed", str(given.seed)]
            command += ["--keep", str(given.keep), "--only", given.only]
            active[first] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)
        for first, process in list(active.items()):
            if process.poll() is None:
                continue
            del active[first]
            text = process.stdout.read() if process.stdout else ""
            if process.returncode:
                at = (given.keep / f"at {first}").read_text()
                failures.append(f"{at}: the worker ended with {process.returncode}")
                counts["worker failed"] += 1
                continue
            found = json.loads(text)
            counts.update(found["counts"])
            failures += found["failures"]
            slowest = max(slowest, tuple(found["slowest"]))
            print(f"{sum(counts.values())} inputs, {len(failures)} failures", flush=True)
    for name, number in sorted(counts.items()):
        print(f"{name:<28}{number:>8}")
    print(f"slowest: {slowest[0]:.2f} s (input {slowest[1]})")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
