"""What the campaigns over made-up captures share: numbered captures, a journal, processes.

Capture N of a campaign has the seed ``1000 * seed + N``. Its photographs are written once for each
state of the renderer's source and used again; what a run found is one line of a journal, so the
same command goes on after an interruption, and starts anew with ``--anew``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.stack import samples
from drti_core.stack.samples.made_up import MadeUpCapture, write_capture

Row = dict[str, Any]


def arguments(program: str, description: str) -> argparse.Namespace:
    """The options that all campaigns have."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.capture.{program}")
    parser.description = description
    parser.add_argument("--captures", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photographs", type=int, default=40, help="of a capture")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--anew", action="store_true", help="forget what was found before")
    parser.add_argument("--keep", type=Path, help="folder [build/PROGRAM-SEED]")
    given = parser.parse_args()
    if given.keep is None:
        given.keep = Path("build") / f"{program}-{given.seed}"
    return given


def photographs(capture: MadeUpCapture, name: str, keep: Path) -> Path:
    """The folder of a capture's photographs, written unless it is there."""
    source = Path(samples.__file__).parent
    state = hashlib.blake2b(digest_size=6)
    for file in sorted(source.glob("*.py")):
        state.update(file.read_bytes())
    folder = keep / "photographs" / f"{name}-{state.hexdigest()}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_capture(capture, folder)
    return folder


def run(given: argparse.Namespace, names: Iterable[str], work: Callable[..., Row]) -> list[Row]:
    """Rows of the named captures: from the journal, or by ``work(name, given)`` in processes."""
    given.keep.mkdir(parents=True, exist_ok=True)
    journal = given.keep / "journal.jsonl"
    if given.anew:
        journal.unlink(missing_ok=True)
    wanted = list(names)
    lines = journal.read_text().splitlines() if journal.exists() else []
    rows = {row["name"]: row for row in map(json.loads, lines) if row["name"] in wanted}
    missing = [name for name in wanted if name not in rows]
    with ProcessPoolExecutor(given.jobs) as pool, journal.open("a") as out:
        for done in as_completed([pool.submit(_timed, work, name, given) for name in missing]):
            row = done.result()
            rows[row["name"]] = row
            out.write(json.dumps(row) + "\n")
            out.flush()
            say = row.get("error", "").strip().splitlines()[-1:] or [f"{row['seconds']:.1f} s"]
            print(f"{row['name']}: {say[0]}", file=sys.stderr, flush=True)
    return [rows[name] for name in wanted]


def _timed(work: Callable[..., Row], name: str, given: argparse.Namespace) -> Row:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start = time.process_time()
    try:
        row = work(name, given)
    except Exception:  # noqa: BLE001  a program that fails is a finding
        row = {"error": traceback.format_exc()}
    return {"name": name, **row, "seconds": time.process_time() - start}


def quantiles(values: Iterable[float]) -> str:
    """Median, 95 % and worst, as text."""
    found = np.array(list(values), np.float64)
    if not found.size:
        return "-"
    middle, most, worst = np.percentile(found, [50, 95, 100], method="higher")
    return f"median {middle:.3g}, 95 % {most:.3g}, worst {worst:.3g} (of {found.size})"
