"""Renders of relight-cli's planes and of drti-relight-cli's against photographs: a table.

    python tests/relight_cli_benchmark.py RELIGHT_CLI DATA [BASIS ...]

RELIGHT_CLI is relight-cli's program, DATA a folder with ``synthrti`` and ``realrti``. SynthRTI is
fitted to ``Dome`` and tested on ``Test``; of RealRTI five lights are held out. Both tools get the
same folder and arguments; both results are relit by drti under the test lights and compared with
the photographs, PSNR over rounded 8-bit RGB. Direct .ptm and .rti exports are compared with the
folders of the same fit.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from drti_core.errors import DrtiError
from drti_core.formats.lp import parse_lp, write_lp
from drti_core.measure.evaluation import evaluate_model, holdout_lights
from drti_core.registry import doors
from drti_core.registry.doors import open_stack
from drti_core.stack import Stack
from drti_plugins.relight import main

#: Arguments of each line of the table.
BASES = {
    "ptm": "-b ptm -p 18",
    "lptm": "-b lptm -p 9",
    "hsh 12": "-b hsh -p 12",
    "hsh 27": "-b hsh -p 27",
    "sh 27": "-b sh -p 27",
    "rbf 9": "-b rbf -p 9",
    "rbf 18": "-b rbf -p 18",
    "bilinear 9": "-b bilinear -p 9",
    "bilinear 18": "-b bilinear -p 18",
    "yrbf 18": "-b yrbf -p 18 -y 10",
    "ybilinear 18": "-b ybilinear -p 18 -y 10",
    "yptm": "-b yptm -p 18",
    "yhsh": "-b yhsh -p 27",
    "lhsh": "-b lhsh -p 12",
}
#: Those that a .ptm or .rti holds.
DIRECT = {"ptm": "x.ptm", "lptm": "x.ptm", "hsh 12": "x.rti", "hsh 27": "x.rti"}


def collections(data: Path, work: Path) -> Iterator[tuple[str, Path, Stack]]:
    """Set, folder to be fitted, and test photographs."""
    for folder in sorted(data.glob("synthrti/*/*/*/Dome")):
        yield folder.parts[-4], folder, open_stack(folder.parent / "Test")
    for item in sorted(data.glob("realrti/item*")):
        stack = open_stack(item)
        (lp,) = item.glob("*.lp")
        lights = parse_lp(lp).lights
        chosen = holdout_lights(stack.lights, 5)
        kept = [i for i in range(len(stack)) if i not in chosen]
        folder = work / item.name
        folder.mkdir()
        for i in kept:
            shutil.copy(stack.spool.photos[i].path, folder)
        names = [stack.spool.photos[i].path.name for i in kept]
        order = sorted(range(len(kept)), key=lambda i: names[i].lower())  # as relight sorts them
        write_lp(folder / "dirs.lp", [names[i] for i in order], lights[[kept[i] for i in order]])
        yield "Real", folder, stack.select(chosen)


def psnr(result: Path, test: Stack) -> float | None:
    """Of a folder or file; None if it cannot be read."""
    try:
        return evaluate_model(doors.open_model(result), test, with_ssim=False).psnr
    except DrtiError:
        return None


def run(program: Path, data: Path, wanted: list[str]) -> None:
    """Print a line for each basis and set as it is done, then the table."""
    found: dict[tuple[str, str, str], list[float | None]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for kind, folder, test in collections(data, work):
            for basis in wanted:
                arguments = [*BASES[basis].split(), "-I", "srgb", str(folder)]
                theirs, ours = work / "theirs", work / "ours"
                subprocess.run(
                    [str(program), *arguments, str(theirs)],
                    capture_output=True,
                    check=False,
                    env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
                )
                results = {"relight": theirs, "drti": ours}
                with contextlib.redirect_stderr(io.StringIO()) as told:
                    if main([*arguments, str(ours)]):
                        raise SystemExit(told.getvalue())
                    if basis in DIRECT:
                        results["direct"] = work / DIRECT[basis]
                        main([*arguments, str(results["direct"])])
                line = {tool: psnr(path, test) for tool, path in results.items()}
                print(kind, folder, basis, line, flush=True)
                for tool, value in line.items():
                    found[basis, kind, tool].append(value)
                for path in results.values():
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink(missing_ok=True)
    table(found, wanted)


def table(found: dict[tuple[str, str, str], list[float | None]], wanted: list[str]) -> None:
    """Means over each set, and the worst single difference."""
    kinds = list(dict.fromkeys(kind for _, kind, _ in found))
    print("| basis |", " | ".join(f"{k}: relight, drti, direct" for k in kinds), "| worst |")
    print("|---" * (len(kinds) + 2) + "|")
    for basis in wanted:
        cells, worst = [], [0.0]
        for kind in kinds:
            rows = {tool: found[basis, kind, tool] for tool in ("relight", "drti", "direct")}
            means = []
            for values in rows.values():
                known = [value for value in values if value is not None]
                means.append(f"{sum(known) / len(known):.2f}" if known else "-")
            cells.append(", ".join(means))
            pairs = zip(rows["drti"], rows["relight"], strict=True)
            worst += [
                mine - other for mine, other in pairs if mine is not None and other is not None
            ]
        print(f"| {basis} |", " | ".join(cells), f"| {min(worst):+.2f} |")


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or list(BASES))
