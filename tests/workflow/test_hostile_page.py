"""A page of another origin in the same browser, which even knows the address, gets nothing."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drti_core import demo_stack, get_codec
from drti_core.workflow.export import export
from drti_core.workflow.server import _Handler, serving

#: Tries each way of a page to ask for another address; says what came of it.
HOSTILE = """async (url) => {
  const found = {};
  const late = (ms) => new Promise((resolve) => setTimeout(resolve, ms, "late"));
  const load = (tag, set) => Promise.race([late(5000), new Promise((resolve) => {
    const element = document.createElement(tag);
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("failed");
    set(element);
    document.body.append(element);
  })]);
  for (const options of [{}, {mode: "no-cors"}, {credentials: "include"}, {method: "HEAD"},
      {method: "POST", mode: "no-cors", body: "x"}, {headers: {Range: "bytes=0-1"}}]) {
    found["fetch " + JSON.stringify(options)] = await fetch(url + "index.html", options).then(
      async (answer) => "read:" + answer.status + (await answer.text()), () => "failed");
  }
  found.img = await load("img", (e) => (e.src = url + "plane_0_0.png"));
  found.script = await load("script", (e) => (e.src = url + "drti-viewer.js"));
  found.module = await load("script", (e) => { e.type = "module"; e.src = url + "drti-light.js"; });
  found.style = await load("link", (e) => {
    e.rel = "stylesheet"; e.href = url + "drti-viewer.css"; });
  found.object = await load("object", (e) => (e.data = url + "index.html"));
  found.video = await Promise.race([late(1000), load("video", (e) => (e.src = url))]);
  const frame = document.createElement("iframe");
  frame.name = "frame";
  frame.src = url;
  document.body.append(frame);
  await late(1000);
  const look = (window) => {
    try { return "read:" + window.document.documentElement.outerHTML; } catch { return "failed"; }
  };
  const blank = (text) => text === "read:<html><head></head><body></body></html>" ? "blank" : text;
  found.iframe = blank(look(frame.contentWindow));
  for (const method of ["get", "post"]) {
    const form = document.createElement("form");
    Object.assign(form, {action: url + "index.html", method, target: "frame"});
    document.body.append(form);
    form.submit();
    await late(500);
    found["form " + method] = blank(look(frame.contentWindow));
  }
  found.socket = await Promise.race([late(3000), new Promise((resolve) => {
    const socket = new WebSocket(url.replace("http", "ws"));
    socket.onopen = () => resolve("loaded");
    socket.onerror = () => resolve("failed");
  })]);
  found.events = await Promise.race([late(3000), new Promise((resolve) => {
    const events = new EventSource(url);
    events.onopen = () => resolve("loaded");
    events.onerror = () => resolve("failed");
  })]);
  try {
    new SharedWorker(url + "drti-viewer.js");
    found.worker = "loaded";
  } catch { found.worker = "failed"; }
  const opened = window.open(url);
  await late(1000);
  found.window = opened ? blank(look(opened)) : "failed";
  navigator.sendBeacon(url + "done", "x");
  await late(300);
  return found;
}"""


@pytest.fixture
def elsewhere(tmp_path) -> Iterator[str]:
    """The address of an empty page of another origin."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """No news."""

    handler = functools.partial(Quiet, directory=str(tmp_path / "elsewhere"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture
def page_folder(tmp_path) -> Path:
    model = get_codec("ptm").fit(demo_stack((24, 32), 12))
    export(model, tmp_path / "page", exporter="html:form=folder")
    return tmp_path / "page"


@pytest.fixture
def answers(monkeypatch) -> list[tuple[str, str, int]]:
    """What each server of the test answers: method, path, status."""
    found = []
    real = _Handler.send_response

    def noted(self, code, message=None):
        found.append((self.command, self.path, int(code)))
        real(self, code, message)

    monkeypatch.setattr(_Handler, "send_response", noted)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_hostile_page_gets_nothing(chromium, elsewhere, page_folder, answers, host):
    posted = []
    with serving(page_folder, take=lambda *post: posted.append(post)) as server:
        context = chromium().new_context()
        try:
            page = context.new_page()
            page.goto(elsewhere)
            url = server.url.replace("127.0.0.1", host)
            found = page.evaluate(HOSTILE, url)
        finally:
            context.close()
    assert set(found.values()) <= {"failed", "blank", "late", "loaded"}
    # A frame, an object and a worker load the refusal, or nothing: neither can be read.
    assert {name for name, what in found.items() if what == "loaded"} <= {"object", "worker"}
    assert posted == []
    assert len(answers) >= 10  # it was asked, all right
    assert {status for _, _, status in answers} <= {403, 404, 421}
    assert not [method for method, path, status in answers if status < 400]


def test_its_own_page_gets_all(chromium, page_folder, answers):
    """The same browser, opened at the address: all of the page is there, and nothing is kept."""
    with serving(page_folder) as server:
        context = chromium().new_context()
        try:
            page = context.new_page()
            errors = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(server.url)
            page.wait_for_selector("canvas")
            assert page.evaluate("document.querySelector('canvas').width") > 0
            refused = """navigator.serviceWorker.register("drti-viewer.js").then(
              () => "kept", (error) => error.name)"""
            assert page.evaluate(refused) != "kept"
            assert errors == []
        finally:
            context.close()
    assert {status for method, _, status in answers} == {200, 403}
    assert all(path.startswith(f"/{server.token}/") for _, path, _ in answers)


def test_an_old_page_of_the_same_port(chromium, page_folder, tmp_path, answers):
    """A page that a stranger made cannot see what is shown later at its address."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "index.html").write_text("<!doctype html><link rel=icon href=data:,><script>1</script>")
    (old / "worker.js").write_text(
        "onfetch = (event) => event.respondWith(new Response('mine'));"
        "oninstall = () => skipWaiting(); onactivate = () => clients.claim();"
    )
    context = chromium().new_context()
    try:
        page = context.new_page()
        with serving(old) as server:
            page.goto(server.url)
            scopes = page.evaluate(
                """() => Promise.all(["/", "./"].map((scope) =>
                  navigator.serviceWorker.register("worker.js", {scope}).then(
                    () => "kept", (error) => error.name)))"""
            )
            assert "kept" not in scopes
            port = server.port
        with serving(page_folder, port) as server:
            later = context.new_page()
            later.goto(server.url)
            later.wait_for_selector("canvas")
            assert later.title() != "mine"
            tried = f"""async () => [
              await fetch("/").then((a) => a.status, () => 0),
              await fetch("{server.url}").then((a) => a.status, () => 0)]"""
            # Of the same origin it may ask, but does not know what for.
            assert page.evaluate(tried)[0] == 404
    finally:
        context.close()
