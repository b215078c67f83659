"""Pages: one file that holds everything, or the files of a folder.

Nothing of a model is ever markup or script: texts stand in JSON, whose ``<``, ``>`` and ``&`` are
escaped, and the viewer sets them as text. A Content-Security-Policy allows the page's own script
and style and nothing else, no network at all in the case of one file.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import zlib
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from drti_core.model import RelightableModel
from drti_exporters._viewer import bundle
from drti_exporters._viewer.scene import Layer, Part, Scene, make_scene

#: Files of the viewer in a folder, beside the pictures.
VIEWER = ("drti-viewer.js", "drti-viewer.css", "drti-light.js", "drti-scene.json")
#: What shows the scene in a page of a folder: in its head, and where the picture goes (the element
#: fills the window).
HEAD = (
    '<link rel="stylesheet" href="drti-viewer.css">\n'
    '<script defer src="drti-light.js"></script>\n'
    '<script defer src="drti-viewer.js"></script>\n'
)
BODY = '<main data-drti="drti-scene.json"></main>\n'

_NO_SCRIPT = (
    "<noscript><p>This picture can be lit from any side, which takes JavaScript: "
    "allow it for this page.</p></noscript>\n"
)
#: A long string of base64, between quotes that may be escaped.
_BASE64 = re.compile(r'(?<=")(?:[A-Za-z0-9+/]{4}){50,}(?:[A-Za-z0-9+/]{2,3}={1,2})?(?=\\?")')
#: Bytes that are turned into base64 at a time, a multiple of 3.
_PIECE = 3 << 18


def viewer_files(
    model: RelightableModel,
    pictures: Sequence[Sequence[Part]],
    *,
    title: str,
    credit: str = "",
    relief: Sequence[Part] | None = None,
    mask: Sequence[Part] | None = None,
) -> dict[str, bytes]:
    """The viewer for the page of a folder, which holds the planes in its own way.

    A page shows the scene with :data:`HEAD` in its head and :data:`BODY` in its body, once a
    server hands the folder out. A script may show it later instead:
    ``await drti.mount(element, "drti-scene.json")``.

    Args:
        model: its planes, if any, have 8 bits.
        pictures: for every three planes the parts that cover their picture, at full resolution.
        title: the picture's name, if its metadata tell none.
        credit: who made it; by default what the metadata say.
        relief: parts of the picture that :func:`~drti_exporters._viewer.pictures.write_relief`
            makes; without it there are no views of normals and highlights.
        mask: parts of the picture that is white where the object is, and black where the page's
            ground is to be seen; by default it is all seen.

    Returns:
        Contents by file name (:data:`VIEWER`).

    Raises:
        UnsupportedDecoderError: the decoder has no shader.
    """
    parts = [[part.as_dict() for part in picture] for picture in pictures]
    bumps, cut = (
        None if found is None else [part.as_dict() for part in found] for found in (relief, mask)
    )
    return files_of(make_scene([Layer(model, parts, bumps, cut)], title=title, credit=credit))


def files_of(scene: Scene) -> dict[str, bytes]:
    """The viewer's files for a scene whose pictures lie beside them."""
    own = bundle.text_of(bundle.SCRIPT), bundle.text_of(bundle.STYLE)
    return dict(
        zip(VIEWER, (text.encode() for text in (*own, scene.script, scene.json)), strict=True)
    )


def folder_page(scene: Scene) -> bytes:
    """``index.html`` of a folder with :func:`files_of`."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return f"{_head(scene, policy)}{HEAD}<body>\n{BODY}{_NO_SCRIPT}</body>\n</html>\n".encode()


def write_file(
    file: BinaryIO, scene: Scene, pictures: Iterable[tuple[str, str, Path | bytes]]
) -> tuple[int, int]:
    """Write the page that holds everything: first the viewer, then the pictures in their order.

    Args:
        file: what is written to.
        scene: its parts and trees have ids.
        pictures: id, media type, and file or bytes of each.

    Returns:
        Bytes that are no pictures, and those of the whole page.
    """
    script, style = scene.script + bundle.text_of(bundle.SCRIPT), bundle.text_of(bundle.STYLE)
    unpack = bundle.text_of(bundle.UNPACK)
    policy = (
        f"default-src 'none'; script-src {_hash(unpack)} {_hash(script)}; "
        f"style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    packed = _packed(f"[{scene.json},{json.dumps(style)},{json.dumps(script)}]")
    start = (
        f'{_head(scene, policy)}<body>\n<main data-drti="drti-scene"></main>\n{_NO_SCRIPT}'
        f'<script type="application/zlib" id="drti-packed">{base64.b64encode(packed).decode()}'
        f"</script>\n<script>{unpack}</script>\n"
    ).encode()
    end = b"</body>\n</html>\n"
    file.write(start)
    size, whole = len(start) + len(end), 0
    for name, media_type, content in pictures:
        size += file.write(f'<script type="{media_type}" id="{name}">'.encode())
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
            while piece := source.read(_PIECE):
                whole += file.write(base64.b64encode(piece))
        size += file.write(b"</script>\n")
    file.write(end)
    return size, size + whole


def _packed(texts: str) -> bytes:
    """JSON compressed, its long base64 strings as the bytes that they stand for, behind the rest.

    In their places stand their sizes between characters 1, which JSON never holds.
    """
    found: list[bytes] = []

    def taken_out(match: re.Match[str]) -> str:
        found.append(base64.b64decode(match[0]))
        return f"\1{len(found[-1])}\1"

    texts = _BASE64.sub(taken_out, texts)
    # Little memory means small blocks: of script, numbers and text each has its own statistics.
    pack = zlib.compressobj(9, memLevel=6)
    return pack.compress(b"\0".join([texts.encode(), b"".join(found)])) + pack.flush()


def _head(scene: Scene, policy: str) -> str:
    title = str(scene.data["title"]).encode("utf-8", "replace").decode("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="drti {version("drti")}">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:,">\n'
    )


def _hash(text: str) -> str:
    """A source of a Content-Security-Policy: the text of one inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
