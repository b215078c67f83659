"""A model in the browser: a page in a private folder that is served on the loopback address.

Tiles of large models are made when the browser asks for them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drti_core.errors import DrtiError
from drti_core.io import scratch
from drti_core.io.places import bring
from drti_core.model.contracts import LivePage
from drti_core.options import parse_spec
from drti_core.workflow.export import show
from drti_core.workflow.server import serving

_INDEX = "index.html"


@dataclass(frozen=True)
class View:
    """What is being served.

    Args:
        url: where.
        folder: nothing outside it is served.
        notes: what the exporter says, a sentence each.
    """

    url: str
    folder: Path
    notes: tuple[str, ...] = ()


@contextmanager
def viewing(
    source: str | os.PathLike[str],
    *,
    exporter: str = "html",
    options: Mapping[str, Any] | None = None,
    reader: str | None = None,
    port: int = 0,
) -> Iterator[View]:
    """Serve a model as a page until the block is left; then the page is gone.

    Args:
        source: a model; or a page that was exported before (an ``.html`` file, or a folder with
            an ``index.html``), which is served as it is.
        exporter: its id, with options; it writes a folder with an ``index.html``.
        options: more of them.
        reader: id of the reader, with options.
        port: 0 for any that is free.

    Yields:
        Where it is served, and notes.

    Raises:
        DrtiError: the exporter writes no page, the port is taken, or see
            :func:`~drti_core.workflow.export_file`.
    """
    place = bring(source)
    path = place.path
    if (path / _INDEX).is_file():
        with serving(path, port) as server:
            yield View(server.url, path)
        return
    # Only its owner may read a folder that mkdtemp makes.
    with tempfile.TemporaryDirectory(
        dir=scratch.directory(), prefix="drti-view-", ignore_cleanup_errors=True
    ) as temporary:
        folder = Path(temporary) / _name(path)
        notes: tuple[str, ...] = ()
        make = None
        if path.suffix.lower() in (".html", ".htm") and path.is_file():
            folder.mkdir()
            shutil.copyfile(path, folder / _INDEX)
        else:
            page = _export(path, folder, exporter, options or {}, reader)
            notes, make = page.report.notes, page.make
        with serving(folder, port, make=make) as server:
            yield View(server.url, folder, notes)


def _export(
    source: Path, folder: Path, exporter: str, options: Mapping[str, Any], reader: str | None
) -> LivePage:
    """Export into a folder what is seen at first."""
    name, own = parse_spec(exporter)
    given = {**own, **options}
    if name == "html":
        # One file would take a third more, and a browser keeps its text in memory.
        given.setdefault("form", "folder")
    page = show(source, folder, exporter=name, options=given, reader=reader)
    if not (folder / _INDEX).is_file():
        raise DrtiError(
            f"the exporter {name!r} writes no {_INDEX}",
            where=str(source),
            expected="an exporter of pages, such as html or openlime",
        )
    return page


def _name(source: Path) -> str:
    """The folder's name, from which a page without a title takes one."""
    name = Path(os.path.realpath(source)).stem or "picture"
    return f"{name}_" if Path(name).suffix else name
