"""A headless Chromium that runs one page and answers once, without a driver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from drti_core.errors import DrtiError, OptionError

_COMMON = (
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-gpu-blocklist",
)
_OWN: dict[str, tuple[str, ...]] = {
    "swiftshader": ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    "llvmpipe": ("--use-gl=angle", "--use-angle=gl-egl"),
    "gpu": (),
}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """``$DRTI_CHROMIUM``, else Chromium or Chrome in the path."""
    return os.environ.get("DRTI_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


def run_page(
    files: Mapping[str, tuple[str, bytes]], renderer: str, *, timeout: float = 3600
) -> Any:
    """Open ``/`` in a browser of its own and wait for what the page posts.

    Args:
        files: what is served on the loopback address: path → type and bytes.
        renderer: ``swiftshader``, ``llvmpipe`` (software), or ``gpu``: what the browser takes.
        timeout: seconds.

    Returns:
        The JSON that the page posts to ``done``.

    Raises:
        OptionError: no such renderer.
        DrtiError: there is no browser, it ended or said nothing in time, or the page posted to
            ``failed``; its words are in the text.
    """
    if renderer not in _OWN:
        raise OptionError(f"{renderer!r}", where="--renderer", expected=" or ".join(_OWN))
    path = find_chromium()
    if path is None:
        raise DrtiError(
            "no browser found",
            expected=f"{', '.join(_NAMES)} in the path",
            mend="Install Chromium, or name it in DRTI_CHROMIUM.",
        )
    answer: dict[str, Any] = {}
    ready = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = files.get(self.path, ("", b""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()
            answer[self.path] = json.loads(body)
            ready.set()

        def log_message(self, *_: Any) -> None:
            pass

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        tempfile.TemporaryDirectory(prefix="drti-browser-", ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        command = [path, *_COMMON, *_OWN[renderer], f"--user-data-dir={profile}", url]
        browser = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path(profile)
        )
        try:
            waited = 0.0
            while not ready.wait(0.5) and waited < timeout and browser.poll() is None:
                waited += 0.5
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    if "/failed" in answer:
        raise DrtiError(f"the page failed: {answer['/failed']}", where=path)
    if "/done" not in answer:
        raise DrtiError(f"no answer within {waited:.0f} s", where=path, expected="a measurement")
    return answer["/done"]
