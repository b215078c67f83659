"""A page of tiles in Firefox, which nobody drives: the page itself tells what it shows."""

from __future__ import annotations

import base64
import os
import queue
import shutil
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest

from drti_core import demo_stack, get_codec
from drti_core.colour import to_uint8
from drti_core.lights import LightDirections
from drti_core.options import with_options
from drti_core.workflow.server import serving
from drti_exporters.html import EXPORTER

#: Posts what the canvas shows at actual size under a light, once nothing is to come any more.
_PROBE = """
(async () => {
  const wait = async (ready) => { while (!ready()) await new Promise((d) => setTimeout(d, 50)); };
  const main = document.querySelector("main");
  const tell = (body) => fetch("told", {method: "POST", body});
  try {
    await wait(() => main.drti || main.textContent.includes("could not"));
    const v = main.drti;
    await wait(() => v.alive || !v.$(".message").hidden);
    if (!v.alive) throw new Error(v.$(".message").textContent);
    v.zoomTo(1);
    v.setLight(0.3, -0.4, false);
    await wait(() => !v.asked && !v.painter.waiting);
    const {gl} = v.painter, {width, height} = v.canvas, data = new Uint8Array(4 * width * height);
    v.frame();
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    const [left, top] = v.painter.placed(v.view, [width, height]).to(0, 0);
    let text = "";
    for (let at = 0; at < data.length; at += 32768)
      text += String.fromCharCode(...data.subarray(at, at + 32768));
    await tell([left, top, width, height, btoa(text)].join(" "));
  } catch (error) {
    await tell(`failed: ${error} ${main.textContent.slice(0, 300)}`);
  }
})();
"""


@contextmanager
def display():
    """The environment of a screen that nobody sees: without one Firefox has no WebGL."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1200x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            number = process.stdout.readline().decode().strip()
            yield {**os.environ, "DISPLAY": f":{number}"}
        finally:
            process.terminate()


@pytest.mark.slow
def test_firefox_shows_tiles(tmp_path):
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None or shutil.which("Xvfb") is None:
        pytest.skip("firefox or Xvfb is not installed (apt-get install firefox-esr xvfb)")
    model = get_codec("ptm").fit(demo_stack((530, 300), 12))
    with_options(EXPORTER, {"layout": "tiles"}).export(model, tmp_path / "page")
    index = tmp_path / "page" / "index.html"
    (tmp_path / "page" / "probe.js").write_text(_PROBE)
    index.write_text(
        index.read_text().replace("</body>", '<script src="probe.js"></script></body>')
    )
    told: queue.Queue[str] = queue.Queue()
    (tmp_path / "profile").mkdir()
    preferences = {"webgl.force-enabled": "true", "browser.shell.checkDefaultBrowser": "false"}
    (tmp_path / "profile" / "user.js").write_text(
        "".join(f'user_pref("{name}", {value});\n' for name, value in preferences.items())
    )
    with (
        display() as environment,
        serving(tmp_path / "page", take=lambda _, body: told.put(body.decode())) as server,
    ):
        size = ["--width", "1000", "--height", "900"]
        command = [firefox, "--no-remote", *size, "--profile", tmp_path / "profile"]
        with subprocess.Popen(
            [*command, server.url],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                answer = told.get(timeout=90)
            finally:
                process.terminate()
    assert not answer.startswith("failed"), answer
    left, top, width, height, data = answer.split(" ")
    rgba = np.frombuffer(base64.b64decode(data), np.uint8)
    screen = rgba.reshape(int(height), int(width), 4)[::-1, :, :3]
    rows, columns = slice(int(top), int(top) + 530), slice(int(left), int(left) + 300)
    wanted = to_uint8(model.relight(LightDirections.from_disk([(0.3, -0.4)]))[0])
    assert np.abs(screen[rows, columns].astype(int) - wanted).max() <= 1
