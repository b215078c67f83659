"""A mutation campaign over every reader: ``python -m tests.fuzz.run_campaign --inputs 100000``.

Input K of a seed file follows from the campaign's seed, the name of the seed file and K alone, so
one line reproduces it: ``--reproduce "NAME" K --seed S``. What was done is noted in ``--keep``; the
same command goes on after it. Inputs run in worker processes with limits of time and memory; one
that hangs or dies is killed, and its input is a finding like any other: the files of each finding
lie in ``findings``, with the line that reproduces it. ``--coverage`` also states which lines of
the readers were reached (needs ``pip install coverage``; takes about twice as long).
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import os
import queue
import random
import select
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.fuzz import mutations, reached
from tests.fuzz.check import HANGS, limit_memory, open_input
from tests.fuzz.entries import Files, put
from tests.fuzz.larger import larger
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import Seed, seeds

#: Inputs of one worker process, whose start takes as long as some 800.
CHUNK = 10_000
#: After so many seconds more than an input may hang for, its process is killed.
PATIENCE = 10


def chosen(part: str, large: bool) -> dict[str, Seed]:
    """Seeds by name whose reader or name is ``part``; all if it is empty."""
    known = seeds() | (larger() if large else {})
    return {n: s for n, s in sorted(known.items()) if not part or part in (n, s.reader)}


def input_of(name: str, number: int, seed: int) -> Files:
    """The files of one input."""
    known = seeds() | (larger() if name not in seeds() else {})
    rng = random.Random(f"{seed} {name} {number}")
    return mutated(known[name], rng, list(seeds().values()))


def made_by(names: list[str]) -> str:
    """A digest of all seed files, which may come together, and of the code that changes them."""
    found = hashlib.sha256()
    for name in sorted({*names, *seeds()}):
        found.update(repr(sorted(seeds_of(name).files.items())).encode())
    for module in sorted(Path(mutations.__file__).parent.glob("*.py")):
        found.update(module.read_bytes())
    return found.hexdigest()[:16]


def work(names: list[str], numbers: range, seed: int) -> None:
    """Open inputs, and print a line of JSON before and after each."""
    faulthandler.enable()
    # Libraries print too; what they say goes the way of errors.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    known = seeds() | (larger() if any(name not in seeds() for name in names) else {})
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as scratch:
        folder = Path(scratch) / "in"
        # What is loaded once (decoders, libraries) is not part of an input.
        for name in names:
            put(known[name].files, folder)
            open_input(known[name], folder)
        limit_memory()
        for number in numbers:
            name = names[number % len(names)]
            put(input_of(name, number // len(names), seed), folder)
            print(json.dumps({"begins": number}), file=answers, flush=True)
            start = time.process_time()
            said = {"ends": number, "reader": known[name].reader, "found": ""}
            try:
                reader, said["result"] = open_input(known[name], folder)
                if reader != known[name].reader:
                    said["result"] += f" by {reader or 'nobody'}"
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
                last = traceback.extract_tb(error.__traceback__)[-1]
                text = str(error).strip().splitlines()
                place = f"{last.filename}:{last.lineno}"
                said["result"] = "finding"
                said["found"] = f"{type(error).__name__}: {' '.join(text[:1])[:300]} ({place})"
            said["seconds"] = time.process_time() - start
            print(json.dumps(said), file=answers, flush=True)
        put({}, folder)


def _memory_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass
class Campaign:
    """What runs, and what came of it so far.

    Args:
        given: the command's arguments.
        names: of the seed files.
    """

    given: argparse.Namespace
    names: list[str]
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, -1)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def title(self) -> dict[str, Any]:
        """What makes the inputs of this campaign those that they are."""
        return {"seed": self.given.seed, "names": self.names, "made": made_by(self.names)}

    @property
    def journal(self) -> Path:
        """Where each finished chunk has a line."""
        return Path(self.given.keep) / "done.jsonl"

    def done(self) -> set[int]:
        """Chunks of earlier runs of the same campaign, which are counted."""
        found = set()
        for line in self.journal.read_text().splitlines() if self.journal.exists() else ():
            try:
                said = json.loads(line)
            except ValueError:  # it was being written when the campaign was killed
                continue
            alike = said["title"] == self.title and said["size"] == self.size(said["first"])
            inside = said["first"] + said["size"] <= self.given.inputs
            if alike and inside and said["first"] not in found:
                found.add(said["first"])
                self.take(said)
        return found

    def size(self, first: int) -> int:
        """How many inputs the chunk has that begins there."""
        return min(CHUNK, int(self.given.inputs) - first)

    def take(self, said: dict[str, Any]) -> None:
        """Count a chunk."""
        self.counts.update(said["counts"])
        self.findings += said["findings"]
        self.slowest = max(self.slowest, tuple(said["slowest"]))

    def chunk(self, first: int) -> None:
        """Run a chunk, in as many processes one after the other as it kills."""
        counts: Counter[str] = Counter()
        findings: list[str] = []
        slowest = (0.0, -1)
        at, end = first, first + self.size(first)
        while at < end:
            for said in self._worker(at, end):
                at = said["ends"] + 1
                counts[f"{said['reader']}: {said['result']}"] += 1
                slowest = max(slowest, (said["seconds"], said["ends"]))
                if said["found"]:
                    findings.append(self._keep(said["ends"], said["found"]))
        line = {"title": self.title, "first": first, "size": self.size(first)}
        line |= {"counts": counts, "findings": findings, "slowest": slowest}
        with self.lock:
            self.take(line)
            with self.journal.open("a") as file:
                # In front too: what a killed one left is no part of it.
                file.write("\n" + json.dumps(line) + "\n")

    def _worker(self, at: int, end: int) -> Any:
        """What a process says of each input; of the last one, if it had to be killed or died."""
        command = [sys.executable]
        if self.given.coverage:
            data = Path(self.given.keep) / "coverage"
            command += ["-m", "coverage", "run", "--parallel-mode", f"--data-file={data}"]
            command += ["--source=drti_core"]
        command += ["-m", "tests.fuzz.run_campaign", "--work", str(at), str(end)]
        command += ["--seed", str(self.given.seed), *(["--large"] * self.given.large)]
        command += ["--reader", self.given.reader, "--keep", str(self.given.keep)]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
        ):
            assert process.stdout is not None
            started: int | None = None
            killed, buffer = False, b""
            while True:
                patience = HANGS + PATIENCE if started is not None else 600
                if not select.select([process.stdout], [], [], patience)[0]:
                    process.kill()
                    killed = True
                got = process.stdout.read1()
                if not got:
                    break
                *lines, buffer = (buffer + got).split(b"\n")
                for said in map(json.loads, lines):
                    started = said.get("begins")
                    if "ends" in said:
                        yield said
            status = process.wait()
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip()[-1500:]
        if started is not None:
            reader = seeds_of(self.names[started % len(self.names)]).reader
            why = "took too long and was killed" if killed else f"the process ended with {status}"
            said = {"ends": started, "reader": reader, "result": "finding"}
            yield said | {"found": f"{why}: {last}", "seconds": float(killed) * HANGS}
        elif status:
            raise RuntimeError(f"a worker ended with {status} before its inputs:\n{last}")

    def _keep(self, number: int, found: str) -> str:
        """Keep the files of a finding, and how to reproduce it."""
        name, of_seed = self.names[number % len(self.names)], number // len(self.names)
        folder = Path(self.given.keep) / "findings" / f"{name} {of_seed} {self.given.seed}"
        put(input_of(name, of_seed, self.given.seed), folder / "in")
        line = f'python -m tests.fuzz.run_campaign --reproduce "{name}" {of_seed}'
        line += f" --seed {self.given.seed}"
        (folder / "finding.txt").write_text(f"{found}\n{line}\n", encoding="utf-8")
        return f"{line}\n    {found}"


def seeds_of(name: str) -> Seed:
    """A seed, small or large."""
    return seeds()[name] if name in seeds() else larger()[name]


def reproduce(name: str, number: int, seed: int, folder: Path) -> int:
    """Open one input in this process, without the limit of memory, and say what comes of it."""
    put(input_of(name, number, seed), folder / "in")
    print(f"its files are in {folder / 'in'}")
    limit_memory()
    print(*open_input(seeds_of(name), folder / "in"))
    return 0


def run(campaign: Campaign, jobs: int, console: Console) -> None:
    """Run what is not done yet, in so many processes."""
    done = campaign.done()
    total = int(campaign.given.inputs)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for first in range(0, total, CHUNK):
        if first not in done:
            todo.put(first)
    if done:
        console.print(f"{sum(campaign.counts.values())} inputs were done before")
    failures: list[BaseException] = []

    def feed() -> None:
        while not failures:
            try:
                campaign.chunk(todo.get_nowait())
            except queue.Empty:
                return
            except BaseException as error:  # noqa: BLE001 - of a thread, raised below
                failures.append(error)

    threads = [threading.Thread(target=feed, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    with Progress(console=console) as progress:
        bar = progress.add_task("inputs", total=total)
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.5)
            known = sum(campaign.counts.values())
            found = f"inputs, {len(campaign.findings)} findings"
            progress.update(bar, completed=known, description=found)
    if failures:
        raise failures[0]


def report(campaign: Campaign, console: Console) -> None:
    """Counts by reader and outcome, and the findings."""
    table = Table("reader", "outcome", "inputs")
    for name, count in sorted(campaign.counts.items()):
        table.add_row(*name.split(": ", 1), str(count))
    console.print(table)
    slowest, number = campaign.slowest
    if number >= 0:
        name = campaign.names[number % len(campaign.names)]
        console.print(
            f"slowest: {slowest:.2f} s of computing ({name} {number // len(campaign.names)})"
        )
    console.print(f"{sum(campaign.counts.values())} inputs, {len(campaign.findings)} findings")
    for finding in campaign.findings:
        console.print(finding, markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    """Run the campaign; 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--reader", default="", help="of this reader, or this seed file, only")
    parser.add_argument("--large", action="store_true", help="with larger seed files")
    parser.add_argument("--coverage", action="store_true", help="state the lines that were run")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "drti-fuzz")
    parser.add_argument("--reproduce", nargs=2, metavar=("NAME", "K"), help="open one input")
    parser.add_argument("--work", nargs=2, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    if given.reproduce:
        name, number = given.reproduce
        return reproduce(name, int(number), given.seed, given.keep / "reproduced")
    names = list(chosen(given.reader, given.large))
    if not names:
        parser.error(f"no reader or seed file is called {given.reader!r}")
    if given.work:
        work(names, range(*given.work), given.seed)
        return 0
    console = Console()
    campaign = Campaign(given, names)
    run(campaign, given.jobs, console)
    report(campaign, console)
    if given.coverage:
        reached.report(given.keep / "coverage", console)
    return 1 if campaign.findings else 0


if __name__ == "__main__":
    sys.exit(main())
