"""Headless Chromium with each of its two software renderers, for tests that draw.

The fixture ``chromium`` of ``conftest.py`` opens them; playwright drives the Chromium of the
system (:func:`~drti_exporters.glsl.headless.find_chromium`).
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import numpy as np
import pytest

from drti_exporters.glsl.headless import find_chromium

RENDERERS = ("swiftshader", "llvmpipe")

_COMMON = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--ignore-gpu-blocklist",
]
_OWN = {
    "swiftshader": ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
    "llvmpipe": ["--use-angle=gl-egl"],
}


class Chromium:
    """Browsers that are opened when they are first asked for, one for each renderer."""

    def __init__(self) -> None:
        self.path = find_chromium()
        self.playwright: Any = None
        self.browsers: dict[str, Any] = {}
        self.names: dict[str, str] = {}

    def __call__(self, renderer: str = "swiftshader") -> Any:
        """Playwright's Browser; skips the test where there is none, or no WebGL2 in it."""
        if self.path is None:
            pytest.skip("chromium is not installed (apt-get install chromium)")
        playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
        if self.playwright is None:
            self.playwright = playwright.sync_playwright().start()
        if renderer not in self.browsers:
            self.browsers[renderer] = self.playwright.chromium.launch(
                executable_path=self.path, headless=True, args=_COMMON + _OWN[renderer]
            )
            self.names[renderer] = renderer_of(self.browsers[renderer])
        name = self.names[renderer]
        if renderer not in name.lower():
            pytest.skip(
                f"chromium has no WebGL2 by {renderer} here, but {name or 'none'} "
                "(llvmpipe: apt-get install libegl1 libgl1-mesa-dri)"
            )
        return self.browsers[renderer]

    def close(self) -> None:
        """Close what was opened."""
        for browser in self.browsers.values():
            browser.close()
        if self.playwright is not None:
            self.playwright.stop()


def renderer_of(browser: Any) -> str:
    """What WebGL2 says of its renderer; empty where there is no WebGL2."""
    page = browser.new_page()
    try:
        name: str = page.evaluate(
            """() => {
              const gl = document.createElement("canvas").getContext("webgl2");
              if (!gl) return "";
              const info = gl.getExtension("WEBGL_debug_renderer_info");
              return String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
            }"""
        )
        return name
    finally:
        page.close()


#: Draws a Shader in a page: {vertex, fragment, light, vectors, weights, window, planes, array,
#: width, height, lights} → {pictures (base64 of RGBA, rows from the bottom), first (ms)}.
_DRAW = """async (job) => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const canvas = document.createElement("canvas");
  canvas.width = job.width;
  canvas.height = job.height;
  const gl = canvas.getContext("webgl2", {antialias: false, alpha: false});
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, job.vertex], [gl.FRAGMENT_SHADER, job.fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw gl.getShaderInfoLog(shader);
    gl.attachShader(program, shader);
  }
  const start = performance.now();
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw gl.getProgramInfoLog(program);
  gl.useProgram(program);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  let unit = 0;
  const bind = (name, target) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(target, gl.createTexture());
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(target, filter, gl.NEAREST);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T])
      gl.texParameteri(target, wrap, gl.CLAMP_TO_EDGE);
    gl.uniform1i(gl.getUniformLocation(program, name), unit++);
  };
  const formats = job.float ? [gl.RGB32F, gl.RGB, gl.FLOAT] : [gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE];
  const samples = job.planes.map((text) => {
    const raw = bytes(text);
    return job.float ? new Float32Array(raw.buffer) : raw;
  });
  if (job.array) {
    bind("drti_planes", gl.TEXTURE_2D_ARRAY);
    gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, formats[0], job.width, job.height, samples.length, 0,
      formats[1], formats[2], null);
    samples.forEach((data, layer) => gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, layer,
      job.width, job.height, 1, formats[1], formats[2], data));
  } else {
    samples.forEach((data, number) => {
      bind(`plane_${number}`, gl.TEXTURE_2D);
      gl.texImage2D(gl.TEXTURE_2D, 0, formats[0], job.width, job.height, 0, formats[1], formats[2],
        data);
    });
  }
  if (job.weights) bind("drti_weights", gl.TEXTURE_2D);
  if (job.window) gl.uniform4fv(gl.getUniformLocation(program, "drti_window"), job.window);
  const light = (0, eval)(job.light);
  const pictures = [], pixels = new Uint8Array(4 * job.width * job.height);
  let first = 0;
  for (const xyz of job.lights) {
    const values = light(...xyz);
    if (job.vectors)
      gl.uniform4fv(gl.getUniformLocation(program, "drti_u"), values.subarray(0, 4 * job.vectors));
    if (job.weights)
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, ...job.weights, 0, gl.RGBA, gl.FLOAT,
        values.subarray(4 * job.vectors));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, 0, job.width, job.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    first = first || performance.now() - start;
    if (gl.getError()) throw "WebGL error";
    let text = "";
    for (let i = 0; i < pixels.length; i += 32768)
      text += String.fromCharCode(...pixels.subarray(i, i + 32768));
    pictures.push(btoa(text));
  }
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return {pictures, first};
}"""


def textures(codes: Any, count: int) -> list[bytes]:
    """(K, H, W) codes as ``count`` textures of three planes: bytes, or float32 of 16-bit codes."""
    planes, height, width = codes.shape
    padded = np.zeros((3 * count, height, width), codes.dtype)
    padded[:planes] = codes
    if codes.dtype == np.uint16:
        padded = padded.astype(np.float32) / np.float32(65535)
    together = padded.reshape(count, 3, height, width).transpose(0, 2, 3, 1)
    return [np.ascontiguousarray(each).tobytes() for each in together]


@cache
def _page(browser: Any) -> Any:
    """Where a browser draws all its shaders: opening a page takes longer than most of them."""
    return browser.new_page()


def draw(
    browser: Any, shader: Any, codes: Any, shape: tuple[int, int], lights: Any, window: Any = None
) -> tuple[Any, float]:
    """Draw a ``drti_exporters.glsl.Shader`` of the dialect webgl2 under some lights.

    Args:
        browser: of :class:`Chromium`.
        shader: the shader; the page runs its ``light_js``.
        codes: (K, H, W) uint8 or uint16, or None.
        shape: (H, W) to draw.
        lights: (L, 3).
        window: for ``drti_window``; the whole image by default.

    Returns:
        (L, H, W, 3) uint8, and the milliseconds that the first picture took, linking included.
    """
    count = 0 if codes is None else -(-len(codes) // 3)
    uniforms = {uniform.name: uniform.size for uniform in shader.uniforms}
    job = {
        "vertex": shader.vertex,
        "fragment": shader.source,
        "light": shader.light_js,
        "vectors": uniforms.get("drti_u", 0),
        "weights": shader.texture,
        "window": list(window or (0, 0, 1, 1)) if "drti_window" in uniforms else None,
        "planes": [base64.b64encode(each).decode() for each in textures(codes, count)]
        if count
        else [],
        "array": any(sampler.kind == "sampler2DArray" for sampler in shader.samplers),
        "float": count and codes.dtype == np.uint16,
        "height": shape[0],
        "width": shape[1],
        "lights": np.asarray(lights, np.float64).tolist(),
    }
    found = _page(browser).evaluate(_DRAW, job)
    pictures = [np.frombuffer(base64.b64decode(text), np.uint8) for text in found["pictures"]]
    rgba = np.stack(pictures).reshape(len(pictures), *shape, 4)
    return rgba[:, ::-1, :, :3].astype(np.uint8), float(found["first"])
