"""The viewer's three texts, put together from ``viewer/``: script, style sheet, and what unpacks.

A wheel holds them in ``built/``, made small when it was built. A checkout makes them when they are
asked for: small where rjsmin and rcssmin are installed, as they lie there elsewhere. The build runs
this file on its own, so nothing of drti is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

#: Names of the texts.
SCRIPT, STYLE, UNPACK = "viewer.js", "viewer.css", "unpack.js"
NAMES = (SCRIPT, STYLE, UNPACK)

_HERE = Path(__file__).parent
#: Where a script wants the text of a shader.
_SHADER = re.compile(r"%(\w+\.glsl)%")


@cache
def text_of(name: str) -> str:
    """One of :data:`NAMES`: the one that the build made, else :func:`make`."""
    built = _HERE / "built" / name
    return built.read_text(encoding="utf-8") if built.is_file() else make(small=can_shrink())[name]


def can_shrink() -> bool:
    """Whether the two minifiers are installed."""
    try:
        import rcssmin  # noqa: F401 - only whether it is there
        import rjsmin  # noqa: F401
    except ImportError:
        return False
    return True


def make(*, small: bool) -> dict[str, str]:
    """The texts by their names, from their sources.

    Args:
        small: without comments and needless spaces.

    Raises:
        ImportError: they are to be small, and a minifier is not installed.
    """
    script_of: Callable[[str], str] = str
    style_of: Callable[[str], str] = str
    if small:
        import rcssmin
        import rjsmin

        script_of, style_of = rjsmin.jsmin, rcssmin.cssmin
    script = script_of("".join(map(_source, ("painter.js", "tiles.js", "viewer.js", "mount.js"))))
    script = _SHADER.sub(lambda name: f"`{shrunk_glsl(_source(name[1]))}`", script)
    markup = "".join(line.strip() for line in _source("markup.html").splitlines())
    markup = re.sub(r'="([\w.-]+)"(?=[ >])', r"=\1", markup)  # quotes that HTML can do without
    script = script.replace("%markup.html%", f"`{markup}`")
    return {
        SCRIPT: f'(() => {{\n"use strict";\n{script}}})();\n',
        STYLE: style_of(_source("viewer.css")),
        UNPACK: script_of(_source("unpack.js")),
    }


def shrunk_glsl(shader: str) -> str:
    """A shader without indentation, comments that take a line of their own, and needless spaces."""
    lines = (line.strip() for line in shader.splitlines())
    return "".join(
        f"{line}\n" if line.startswith("#") else re.sub(r" ?([={}(),;:?<>*]) ?", r"\1", line)
        for line in lines
        if not line.startswith("//")
    )


def _source(name: str) -> str:
    return (_HERE / "viewer" / name).read_text(encoding="utf-8")
