"""Pictures of an export as OpenLIME shows them, read back from a headless browser.

OpenLIME is the ES module at ``$DRTI_OPENLIME``; it is kept outside the repository. What is read is
what the layer gives: the viewer has no second pass, so that no value is rounded twice.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = """<!doctype html><meta charset="utf-8"><style>body { margin: 0 }
#view { position: relative } canvas { position: absolute; width: 100%; height: 100% }</style>
<div id="view"></div>"""

_SHOW = """async (job) => {
  const at = (path) => new URL(path, document.baseURI).href;
  const OpenLIME = await import(at("openlime.js"));
  const {register} = await import(at(`${job.folder}/drti-layer.js`));
  register(OpenLIME);
  const div = document.getElementById("view");
  div.style.width = `${job.width}px`;
  div.style.height = `${job.height}px`;
  const viewer = new OpenLIME.Viewer(div, {canvas: {targetfps: 0, useOffscreenFramebuffer: false}});
  const url = at(`${job.folder}/info.json`);
  const size = {width: job.width, height: job.height};
  const options = job.type === "drti" ? {type: "drti", url, encoded: job.encoded}
    : {type: job.type, url, layout: job.layout, ...size};
  const layer = new OpenLIME.Layer(options);
  viewer.addLayer("case", layer);
  const end = performance.now() + 20000;
  const settled = () => layer.status === "ready" && layer.tiles.size > 0
    && layer.requested.size === 0 && layer.queue.length === 0
    && [...layer.tiles.values()].every((tile) => tile.missing === 0)
    && (job.type !== "neural" || layer.networkParameters !== undefined);
  while (!settled()) {
    if (performance.now() > end) {
      throw new Error(`not settled: ${layer.status} ${layer.tiles.size} tiles`);
    }
    viewer.canvas.prefetch();
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  viewer.redraw = () => {};
  if (job.zoom) viewer.camera.setPosition(0, 0, 0, job.zoom, 0);
  const {x, y, z} = viewer.camera.getCurrentTransform(performance.now() + 1000);
  if (x || y || z !== (job.zoom || 1)) throw new Error(`camera ${x} ${y} ${z}`);
  if (job.mode) layer.setMode(job.mode);
  const gl = viewer.canvas.gl, pixels = new Uint8Array(4 * job.width * job.height);
  const pictures = [];
  for (const light of job.lights) {
    layer.setLight(light, 0);
    for (let n = 0; n < 3; n++) viewer.canvas.draw(performance.now());
    gl.readPixels(0, 0, job.width, job.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let text = "";
    for (let i = 0; i < pixels.length; i += 32768)
      text += String.fromCharCode(...pixels.subarray(i, i + 32768));
    pictures.push(btoa(text));
  }
  const error = gl.getError();
  if (error) throw new Error(`WebGL error ${error}`);
  const levels = new Set([...layer.tiles.values()].map((tile) => tile.level));
  return {pictures, tiles: layer.tiles.size, levels: levels.size, modes: layer.getModes()};
}"""


def openlime() -> Path:
    """The bundle; skips the test where it is not set."""
    path = os.environ.get("DRTI_OPENLIME")
    if not path:
        pytest.skip("DRTI_OPENLIME is not set: the path of an ES module bundle of OpenLIME")
    return Path(path)


def prepare(root: Path, script: Path) -> None:
    """Make a folder that is to be served: OpenLIME and an empty page."""
    shutil.copyfile(script, root / "openlime.js")
    (root / "empty.html").write_text(PAGE)


def show(
    browser: Any,
    url: str,
    folder: str,
    shape: tuple[int, int],
    lights: Any,
    *,
    kind: str = "drti",
    **job: Any,
) -> tuple[Any, dict[str, Any]]:
    """Show an export in a page of its own.

    Args:
        browser: of ``tests.helpers.browser``.
        url: of the folder of :func:`prepare`.
        folder: its folder that holds the export.
        shape: (H, W) of the image.
        lights: (L, 2).
        kind: type of the layer: ``drti``, ``rti`` or ``neural``.
        job: more of the job (layout, mode, encoded, zoom).

    Returns:
        (L, H, W, 4) uint8, rows from the top, and what the page tells.
    """
    context = browser.new_context(
        viewport={"width": max(shape[1], 200), "height": max(shape[0], 200)}, device_scale_factor=1
    )
    try:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{url}empty.html")
        job = {
            "folder": folder,
            "type": kind,
            "height": shape[0],
            "width": shape[1],
            "lights": np.asarray(lights, float).tolist(),
            "encoded": False,
            **job,
        }
        try:
            found = page.evaluate(_SHOW, job)
        except Exception as error:
            error.add_note("\n".join(said)[-3000:])
            raise
    finally:
        context.close()
    pictures = [np.frombuffer(base64.b64decode(text), np.uint8) for text in found["pictures"]]
    rgba = np.stack(pictures).reshape(len(pictures), *shape, 4)
    return rgba[:, ::-1], found
