"""What a giant costs: ``python -m tests.workflow.run_giant --side 8192 --jobs 2``.

Fits HSH to made-up photographs of SIDE x SIDE pixels by several workers into a Zarr store, and to
3464 x 3464 (12 megapixels) for comparison; relights a window of it; with ``--deepzoom`` writes a
web folder of tiles. CPU seconds are those of all processes; what the drawing of the photographs
costs is measured apart, and subtracted. Memory is the most that any one process held.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import gettempdir

from drti_core.io.outputs import size_of

_SMALL = 3464
_LIGHTS = 24


def plugin(folder: Path) -> dict[str, str]:
    """The environment in which the reader of drawn photographs is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("giant_stack.py"), folder / "giant_stack.py")
    return {**os.environ, "DRTI_PLUGINS": str(folder)}


def describe(path: Path, side: int) -> Path:
    about = {"giant": {"height": side, "width": side, "lights": _LIGHTS}}
    path.write_text(json.dumps(about))
    return path


def run(arguments: list[str], environment: dict[str, str]) -> tuple[float, float, int]:
    """CPU seconds, wall seconds, and the peak of the largest process in bytes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, "-m", "drti_core", *arguments], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.monotonic() - began, after.ru_maxrss * 1024


_DRAW = """
import sys, time
from pathlib import Path
from drti_core import open_stack
from drti_core.arrays import Window
stack = open_stack(sys.argv[1])
windows = [Window(y, 0, 256, 2048) for y in range(0, 2048, 256)]
began, pixels = time.process_time(), 0
for window in windows:
    stack.codes(window)
    pixels += window.height * window.width
print((time.process_time() - began) / pixels * 1e6)
"""


def drawing(path: Path, environment: dict[str, str]) -> float:
    """CPU seconds that a megapixel of all photographs takes to draw."""
    told = subprocess.run(
        [sys.executable, "-c", _DRAW, str(path)], env=environment, check=True, capture_output=True
    )
    return float(told.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--codec", default="hsh:terms=9")
    parser.add_argument("--folder", type=Path, default=Path(gettempdir(), "drti-giant"))
    parser.add_argument("--deepzoom", action="store_true")
    told = parser.parse_args()
    environment = plugin(told.folder / "plugins")
    cost = drawing(describe(told.folder / "draw.giant", 4096), environment)
    print(f"drawing: {cost:.3f} CPU s per megapixel")
    per: list[float] = []
    for side in (_SMALL, told.side):
        source = describe(told.folder / f"{side}.giant", side)
        out = told.folder / f"{side}.zarr"
        fit = ["fit", str(source), "-o", str(out), "--codec", told.codec, "--overwrite"]
        cpu, wall, peak = run([*fit, "--jobs", str(told.jobs)], environment)
        megapixels = side * side / 1e6
        per.append(cpu / megapixels - cost)
        print(
            f"{side} x {side}: {cpu:.1f} CPU s, {wall:.1f} s, {cpu / megapixels:.3f} CPU s per "
            f"megapixel, {per[-1]:.3f} without drawing; peak {peak / 1e6:.0f} MB; "
            f"{size_of(out) / 1e6:.0f} MB"
        )
    print(f"ratio to 12 megapixels: {per[1] / per[0]:.2f} (bar: 1.3)")
    out = told.folder / f"{told.side}.zarr"
    middle = told.side // 2
    began = time.perf_counter()
    from drti_core import Window, open_model

    model = open_model(out)
    opened = time.perf_counter() - began
    picture = model.relight_uint8([[0.3, 0.4, 0.866]], Window(middle, middle, 1024, 1024))
    print(
        f"opened in {opened:.3f} s; a window of 1024 x 1024 relit in "
        f"{time.perf_counter() - began - opened:.3f} s (mean {picture.mean():.1f})"
    )
    if told.deepzoom:
        web = told.folder / f"{told.side}.web"
        to = ["convert", str(out), str(web), "--to", "folder:layout=deepzoom", "--overwrite"]
        cpu, wall, peak = run(to, environment)
        print(f"deepzoom: {cpu:.1f} CPU s, {wall:.1f} s, peak {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
