"""drti view: a model, a page or a folder is shown in a browser until it is ended."""

from __future__ import annotations

import http.client
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drti_core import demo_stack, get_codec, open_model, save_model
from drti_core.errors import DrtiError
from drti_core.workflow.view import viewing
from drti_exporters._viewer.quadtree import parts_of
from drti_exporters.html import VIEWER


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "mynt åäö.ptm"
    save_model(get_codec("ptm").fit(demo_stack((24, 32), 12)), path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A page that was exported before, and a file beside it."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "index.html").write_text("<!doctype html>hello")
    (inside / "planes.tzb").write_bytes(bytes(range(200)))
    return inside


def get(url, path=""):
    _, _, place, token, _ = url.split("/")
    connection = http.client.HTTPConnection(place, timeout=10)
    try:
        connection.request("GET", f"/{token}/{path}")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_model_is_exported_and_served(model):
    with viewing(model) as found:
        private = found.folder.parent
        assert private.stat().st_mode & 0o077 == 0
        assert b"drti-viewer.js" in get(found.url)
        assert '"title":"mynt åäö"'.encode() in get(found.url, "drti-scene.json")
        assert get(found.url, "plane_0_0.png").startswith(b"\x89PNG")
    assert not private.exists()


def test_options_go_to_the_exporter(model):
    with viewing(model, exporter="html:format=webp", options={"title": "Coin"}) as found:
        assert get(found.url, "plane_0_0.webp").startswith(b"RIFF")
        assert b'"title":"Coin"' in get(found.url, "drti-scene.json")


def test_a_page_is_served_as_it_is(folder):
    with viewing(folder / "index.html") as found:
        assert get(found.url) == b"<!doctype html>hello"
        assert b"hello" not in get(found.url, "planes.tzb")  # its siblings are not
        copy = found.folder
    assert not copy.exists()
    with viewing(folder) as found:
        assert get(found.url, "planes.tzb") == bytes(range(200))
    assert (folder / "index.html").exists()


def test_an_exporter_without_a_page(model, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DrtiError) as found, viewing(model, exporter="glsl"):
        pass
    assert str(found.value) == (
        f"{model}: the exporter 'glsl' writes no index.html; "
        "expected an exporter of pages, such as html or openlime"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly(model, tmp_path, kind):
    command = [sys.executable, "-m", "drti_core", "view", str(model), "--no-browser"]
    environment = {**os.environ, "DRTI_SCRATCH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            url = re.match(
                r"(http://127\.0\.0\.1:\d+/[\w-]{22}/) shows (.*); end it with Ctrl-C\n", line
            )
            if url:
                break
        else:
            pytest.fail(process.stderr.read())
        assert url[2] == str(model)
        assert b"drti-viewer.js" in get(url[1])
        assert [path.name[:10] for path in tmp_path.iterdir()] == ["drti-view-"]
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGCONT)
        assert get(url[1])
        process.send_signal(kind)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (0, "ended\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_browser_is_opened(model, monkeypatch, capsys):
    import webbrowser

    from drti_core.cli import main, view

    opened = []

    def wait():
        assert get(opened[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or False)
    monkeypatch.setattr(view, "_wait", wait)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["view", str(model), "-O", "normals=false"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    lines = capsys.readouterr().out.splitlines()
    assert "note: without normals there are no specular and normal views" in lines
    assert lines[-3:] == [
        f"{opened[0]} shows {model}; end it with Ctrl-C",
        "no browser was found: open the address in one",
        "ended",
    ]


def test_a_damaged_model(tmp_path, capsys):
    from drti_core.cli import main

    path = tmp_path / "bad.ptm"
    path.write_bytes(b"PTM_1.2\nnonsense")
    started = time.monotonic()
    assert main(["view", str(path), "--no-browser"]) == 1
    assert time.monotonic() - started < 20
    assert str(Path(path)) in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".ptm", ".rti", ".zarr"])
def test_tiles_are_made_when_they_are_asked_for(ending, tmp_path):
    """Of any format; none is in the folder, and no other file comes of it."""
    pytest.importorskip("zarr" if ending == ".zarr" else "PIL")
    codec = "hsh" if ending == ".rti" else "ptm"
    path = tmp_path / f"a{ending}"
    save_model(get_codec(codec).fit(demo_stack((521, 40), 12)), path)
    planes = open_model(path).planes
    with viewing(path, options={"layout": "tiles"}) as found:
        assert {entry.name for entry in found.folder.iterdir()} == {*VIEWER, "index.html"}
        pictures = parts_of(get(found.url, "tiles_0/1/0_1.bin"))
        assert len(pictures) == -(-planes.count // 3) + 1
        with Image.open(io.BytesIO(pictures[1])) as image:
            shown = np.moveaxis(np.asarray(image), -1, 0)
        np.testing.assert_array_equal(shown, planes.codes[3:6, 511:])
        with Image.open(io.BytesIO(parts_of(get(found.url, "tiles_0/0/0_0.bin"))[0])) as image:
            assert image.size == (20, 261)
        for name in ("2/0_0", "1/1_0", "1/0_2", "0/0_0.bin/x", "../0/0_0"):
            assert b"tiles" not in (answer := get(found.url, f"tiles_0/{name}.bin"))
            assert b"404" in answer
