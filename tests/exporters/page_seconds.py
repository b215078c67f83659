"""Measures pages of large pictures in Chromium: ``python -m tests.exporters.page_seconds``.

For pictures of some megapixels, made of a real model repeated, as a folder on a server and as one
file: seconds until something and until everything is seen, megabytes of the browser, seconds of its
processors. And what a frame costs, against the painter of a commit that knew no tiles, in one page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from drti_core import open_model
from drti_core.io import scratch
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_core.workflow.server import serving
from drti_exporters._viewer import bundle
from drti_exporters.glsl.headless import find_chromium
from drti_exporters.html import EXPORTER
from tests.helpers.browser import _COMMON, _OWN
from tests.helpers.real_files import folder as real_folder

#: The last commit whose painter decoded all pictures before it drew.
OLD = "e9ae9c6"
WINDOW = {"width": 1280, "height": 960}
#: Notes when something and when all is seen, after the graphics processor has drawn it.
_WATCH = """
(() => {
  const told = globalThis.told = {};
  const look = () => {
    const v = document.querySelector("[data-drti]")?.drti;
    if (v && v.alive && v.frames && !v.asked) {
      const {gl} = v.painter, pixel = new Uint8Array(4);
      const wait = () => gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      if (!told.first) { wait(); told.first = performance.now(); }
      if (!v.painter.waiting && v.share === 1) { wait(); told.all = performance.now(); return; }
    }
    setTimeout(look, 20);
  };
  look();
})();
"""


def repeated(name: str, megapixels: float) -> RelightableModel:
    """A real model, mirrored again and again up to a size."""
    model = open_model(real_folder() / "relight" / name)
    assert model.planes is not None
    height, width = model.shape
    tall = round((megapixels * 1e6 * height / width) ** 0.5)
    wide = round(megapixels * 1e6 / tall)
    rows, columns = (
        np.pad(np.arange(size), (0, max(0, to - size)), mode="symmetric")[:to]
        for size, to in ((height, tall), (width, wide))
    )
    codes: Any = scratch.empty((model.planes.count, tall, wide), np.uint8)
    for plane, small in zip(codes, model.planes.codes, strict=True):
        plane[...] = small[rows][:, columns]
        scratch.release(codes)
    return replace(model, planes=replace(model.planes, codes=codes), shape=(tall, wide))


class Processes:
    """A browser's processes: the most memory that they took together, and their seconds."""

    def __init__(self, root: int) -> None:
        self.root, self.most, self.seconds = root, 0.0, 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._spent: dict[int, float] = {}
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            memory = 0.0
            for pid in _below(self.root):
                try:
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                memory += float(rollup.partition("Pss:")[2].split()[0]) / 1e3
                self._spent[pid] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
            self.most = max(self.most, memory)
            self.seconds = sum(self._spent.values())

    def end(self) -> None:
        """Stop watching."""
        time.sleep(0.25)
        self._end.set()
        self._thread.join()


def _below(root: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


@contextmanager
def browser() -> Iterator[tuple[Any, Processes]]:
    """A Chromium of its own that draws by software."""
    from playwright.sync_api import sync_playwright

    arguments = [*_COMMON, *_OWN["swiftshader"]]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        before = set(_below(os.getpid()))
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_chromium(),
            headless=True,
            args=arguments,
            viewport=WINDOW,
        )
        mains = [pid for pid in _below(os.getpid()) if pid not in before]
        processes = Processes(mains[0])
        try:
            yield context, processes
        finally:
            processes.end()
            context.close()


def _wait(page: Any, script: str, seconds: float = 60) -> Any:
    """The value of an expression when it is true; the page's policy forbids to wait inside it."""
    end = time.monotonic() + seconds
    while not (found := page.evaluate(f"(() => {script})()")):
        if time.monotonic() > end:
            raise TimeoutError(script)
        time.sleep(0.1)
    return found


def opened(url: str, seconds: float = 300) -> dict[str, float]:
    """What it takes until a page is seen."""
    with browser() as (context, processes):
        context.add_init_script(_WATCH)
        page = context.new_page()
        page.goto(url, wait_until="commit")
        told = _wait(page, "told.all && told", seconds)
        page.wait_for_load_state("load", timeout=1000 * seconds)
        page.wait_for_timeout(500)
    return {
        "first_s": round(told["first"] / 1e3, 2),
        "all_s": round(told["all"] / 1e3, 2),
        "browser_MB": round(processes.most),
        "cpu_s": round(processes.seconds, 1),
    }


def _old_painter() -> str:
    """The class of the old painter, as an expression."""
    place = "exporters/drti_exporters/_viewer/viewer/"

    def text(name: str) -> str:
        return subprocess.run(
            ["git", "show", f"{OLD}:{place}{name}"], capture_output=True, text=True, check=True
        ).stdout

    script = text("painter.js")
    for name in ("corners.glsl", "relit.glsl", "finish.glsl"):
        script = script.replace(f"%{name}%", f"`{bundle.shrunk_glsl(text(name))}`")
    return f"(() => {{ {script}; return Painter; }})()"


_FRAMES = """async ([count]) => {
  const v = document.querySelector("[data-drti]").drti, {scene} = v, side = 1024;
  const view = {x: scene.width / 2, y: scene.height / 2, zoom: 1};
  const corner = {left: round(view.x - side / 2), top: round(view.y - side / 2), zoom: 1};
  const make = () => Object.assign(document.createElement("canvas"), {width: side, height: side});
  const Old = %OLD%, New = v.painter.constructor;
  const painters = [new Old(make(), scene, v.painter.lights, v.painter.blobOf),
    new New(make(), scene, v.painter.lights, v.painter.blobOf, () => {})];
  for (const painter of painters) await painter.build(() => {});
  const times = [[], []];
  for (let k = 0; k < count; k++) for (const [n, painter] of painters.entries()) {
    const light = [0.6 * Math.cos(k), 0.6 * Math.sin(k)], {gl} = painter;
    const start = performance.now();
    const look = {...v.look, light, split: side};
    painter.draw({view: n ? view : corner, look, size: [side, side]});
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    times[n].push(performance.now() - start);
  }
  return times;
}""".replace("round(", "Math.round(")
_TILED = """async ([count]) => {
  const v = document.querySelector("[data-drti]").drti, {painter} = v, times = [];
  for (let k = 0; k < count; k++) {
    const look = {...v.look, light: [0.6 * Math.cos(k), 0.6 * Math.sin(k)], split: 1024};
    const start = performance.now();
    painter.draw({view: v.view, look, size: [1024, 1024]});
    painter.gl.readPixels(0, 0, 1, 1, painter.gl.RGBA, painter.gl.UNSIGNED_BYTE, new Uint8Array(4));
    times.push(performance.now() - start);
  }
  return times;
}"""


def frames(name: str, count: int, folder: Path) -> dict[str, float]:
    """Milliseconds of a frame of a megapixel: the old painter, this one, and this one of tiles."""
    model = repeated(name, 1.2)
    found = {}
    for layout in ("whole", "tiles"):
        with_options(EXPORTER, {"layout": layout}).export(model, folder / f"{layout}.html")
    with browser() as (context, _):
        page = context.new_page()
        page.goto((folder / "whole.html").as_uri())
        _wait(page, "document.querySelector('[data-drti]')?.drti?.frames")
        old, new = page.evaluate(_FRAMES.replace("%OLD%", _old_painter()), [count])
        page.goto((folder / "tiles.html").as_uri())
        page.set_viewport_size({"width": 1024, "height": 1138})
        _wait(page, "document.querySelector('[data-drti]')?.drti?.frames")
        page.evaluate("document.querySelector('[data-drti]').drti.zoomTo(1)")
        page.wait_for_timeout(1500)
        tiles = page.evaluate(_TILED, [count])
    for key, times in (("old", old), ("new", new), ("tiles", tiles)):
        found[f"{key}_ms"] = round(statistics.median(times[2:]), 1)
    return found | {
        "ratio": round(found["new_ms"] / found["old_ms"], 3),
        "ratio_tiles": round(found["tiles_ms"] / found["old_ms"], 3),
    }


def main() -> None:
    """Print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="*", default=[12, 60])
    parser.add_argument("--model", default="ptm", help="of the real files of relight")
    parser.add_argument("--format", default="jpeg")
    parser.add_argument("--frames", type=int, default=0, help="of the comparison of painters")
    parser.add_argument("--folder", type=Path, help="where pages are kept from run to run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        for megapixels in chosen.megapixels:
            model = None
            for form in ("folder", "file"):
                out = folder / f"{chosen.model}-{chosen.format}-{megapixels:g}"
                out = out if form == "folder" else out.with_name(f"{out.name}.html")
                if not out.exists():
                    model = model or repeated(chosen.model, megapixels)
                    with_options(EXPORTER, {"format": chosen.format}).export(model, out)
                if form == "folder":
                    with serving(out) as server:
                        found = opened(server.url)
                else:
                    found = opened(out.as_uri())
                    found["file_MB"] = round(out.stat().st_size / 1e6)
                print(json.dumps({"megapixels": megapixels, "form": form, **found}), flush=True)
        if chosen.frames:
            print(json.dumps(frames(chosen.model, chosen.frames, folder)), flush=True)


if __name__ == "__main__":
    main()
