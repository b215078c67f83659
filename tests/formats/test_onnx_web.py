"""An exported image relit by onnxruntime-web in node."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import onnxruntime
import pytest

import drti_core as drti
from drti_core.runtime.onnx.forms import to_bytes
from drti_exporters.onnx.graphs import image_graph

SCRIPT = """
import fs from "node:fs";
import * as ort from "onnxruntime-web";
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(fs.readFileSync("a.onnx"));
const values = new Float32Array(JSON.parse(fs.readFileSync("lights.json")));
const light = new ort.Tensor("float32", values, [values.length / 3, 3]);
const {images} = await session.run({light});
fs.writeFileSync("images.bin", images.data);
fs.writeFileSync("shape.json", JSON.stringify(images.dims.map(Number)));
"""
LIGHTS = np.array([[0, 0, 1], [0.6, 0.3, 0.74], [-0.9, 0.3, 0.05]], np.float32)


@pytest.mark.slow
def test_onnxruntime_web_gives_the_same_pixels(tmp_path):
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]
    try:
        done = subprocess.run(
            [*command, str(tmp_path), "onnxruntime-web@1.30.0"],
            capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install onnxruntime-web: {done.stderr.strip()[-200:]}")
    model = drti.get_codec("hsh").fit(drti.demo_stack(size=(24, 32)))
    data = to_bytes(image_graph(model.decoder(), model.planes, model.shape))
    (tmp_path / "a.onnx").write_bytes(data)
    (tmp_path / "lights.json").write_text(json.dumps(LIGHTS.ravel().tolist()))
    (tmp_path / "relight.mjs").write_text(SCRIPT)
    run = subprocess.run(
        [node, "relight.mjs"], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert run.returncode == 0, run.stderr
    shape = json.loads((tmp_path / "shape.json").read_text())
    found = np.fromfile(tmp_path / "images.bin", np.uint8).reshape(shape).astype(int)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert np.abs(found - session.run(None, {"light": LIGHTS})[0]).max() <= 1
    ours = model.relight_uint8(drti.LightDirections(LIGHTS))
    assert np.abs(found - ours).max() <= 1
    assert np.abs(found - ours).mean() < 0.05
