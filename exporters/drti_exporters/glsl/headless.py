"""A headless Chromium that runs one page and answers once, without a driver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drti_core.errors import DrtiError, OptionError
from drti_core.workflow.server import serving

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
#: Becomes the browser, which the system ends with this process, however that ends: Linux sends
#: signal 9 when the parent dies (prctl 1, PR_SET_PDEATHSIG). It may have died before.
_BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_chromium() -> str | None:
    """``$DRTI_CHROMIUM`` (``none``: no browser), else Chromium or Chrome in the path."""
    named = os.environ.get("DRTI_CHROMIUM")
    if named == "none":
        return None
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


def run_page(files: Mapping[str, bytes], renderer: str, *, timeout: float = 3600) -> Any:
    """Open ``index.html`` in a browser of its own and wait for what the page posts.

    Args:
        files: what is served on the loopback address: name → bytes.
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
        raise OptionError(f"{renderer!r}", where="renderer", expected=" or ".join(_OWN))
    path = find_chromium()
    if path is None:
        raise DrtiError(
            "no browser found",
            expected=f"{', '.join(_NAMES)} in the path",
            mend="Install Chromium, or name it in DRTI_CHROMIUM.",
        )
    answer: dict[str, Any] = {}
    ready = threading.Event()

    def take(path: str, body: bytes) -> None:
        answer[path] = json.loads(body)
        ready.set()

    with tempfile.TemporaryDirectory(prefix="drti-browser-", ignore_cleanup_errors=True) as made:
        folder, profile = Path(made, "page"), Path(made, "profile")
        folder.mkdir()
        profile.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        with serving(folder, take=take) as server:
            options = [*_COMMON, *_OWN[renderer], f"--user-data-dir={profile}"]
            waited = _wait([path, *options, server.url], profile, ready, timeout)
    if "/failed" in answer:
        raise DrtiError(f"the page failed: {answer['/failed']}", where=path)
    if "/done" not in answer:
        raise DrtiError(f"no answer within {waited:.0f} s", where=path, expected="a measurement")
    return answer["/done"]


def _wait(command: list[str], folder: Path, ready: threading.Event, timeout: float) -> float:
    """Run a browser until its page is ready, it ends by itself, or time is up: seconds waited."""
    quiet = subprocess.DEVNULL
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command]
    browser = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=folder)
    waited = 0.0
    try:
        while not ready.wait(0.5) and waited < timeout and browser.poll() is None:
            waited += 0.5
    finally:
        browser.terminate()
        browser.wait()
    return waited
