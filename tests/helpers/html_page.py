"""A page of the exporter html in a headless browser, for tests of what it shows."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (900, 700)


class Page:
    """A page that was opened; evaluating goes through the debugger, which its policy allows."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning") and self.errors.append(message.text)
            ),
        )
        page.on("request", lambda request: self.requests.append(request.url))

    def run(self, script: str) -> Any:
        """The value of an expression in which ``v`` is the viewer."""
        return self.page.evaluate(
            f"() => {{ const v = document.querySelector('[data-drti]').drti; return {script}; }}"
        )

    def wait(self, script: str, seconds: float = 20) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > end:
                raise AssertionError(f"{script}: never true; {self.errors}")
            time.sleep(0.02)

    def still(self) -> None:
        """Wait until nothing is to be drawn any more."""
        self.wait("v.alive && !v.asked && !v.moving && v.share === 1 && !v.painter.waiting")

    def picture(self) -> Any:
        """What the screen shows of the whole picture at actual size, (H, W, 3) uint8."""
        assert self.run("v.view.zoom") == 1
        self.still()
        box = self.page.locator("canvas").bounding_box()
        corner = self.run("v.corner()")
        left, top = round(box["x"] - corner["left"]), round(box["y"] - corner["top"])
        width, height = self.run("[v.scene.width, v.scene.height]")
        return self.screen()[top : top + height, left : left + width]

    def screen(self) -> Any:
        """The whole window, (H, W, 3) uint8."""
        with Image.open(io.BytesIO(self.page.screenshot())) as image:
            return np.asarray(image.convert("RGB"))

    @property
    def light(self) -> tuple[float, float]:
        """The light, a point of the unit disk."""
        x, y = self.run("v.light")
        return x, y


@contextmanager
def opened(
    browser: Any, where: Path | str, *, script: str = "", ready: bool = True, **options: Any
) -> Iterator[Page]:
    """Open a page, by default in a window of :data:`SIZE`, and wait until it shows its picture.

    Args:
        browser: of ``tests.helpers.browser.Chromium``.
        where: a file, or a URL.
        script: run before those of the page.
        ready: whether a picture is to be expected.
        options: of playwright's ``new_context``.
    """
    width, height = SIZE
    options = {"viewport": {"width": width, "height": height}, **options}
    context = browser.new_context(accept_downloads=True, **options)
    try:
        if script:
            context.add_init_script(script)
        page = Page(context.new_page())
        page.page.goto(where.as_uri() if isinstance(where, Path) else where)
        if ready:
            page.wait("v && v.alive")
            page.still()
        yield page
    finally:
        context.close()
