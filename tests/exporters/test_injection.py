"""Texts of strangers in pages are only texts: every script and every request is told.

Hostile strings stand in everything that a page may show of a model or take a name from: XMP, EXIF,
ICC, comments, notes, keys and values of JSON, file names, and the names of an ONNX graph. The
debugger tells of every script that is compiled, and the browser of every request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from PIL import Image, ImageCms

from drti_core import demo_stack, get_codec
from drti_core.codecs.ptm import PtmModel
from drti_core.formats.folder import FolderWriter
from drti_core.model.graph_model import GraphModel
from drti_core.registry.doors import save_model
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.onnx.forms import decoder_graph
from drti_core.workflow.server import serving
from drti_core.workflow.view import viewing
from drti_exporters.html import EXPORTER as HTML
from drti_exporters.html import HtmlExporter
from drti_exporters.openlime import OpenlimeExporter
from tests.helpers.hostile import HOSTILE, NAME, WATCH, Told
from tests.helpers.html_page import SIZE, Page

NO_OPENLIME = "OpenLIME is not there (this is no build of OpenLIME): drti's own viewer is shown"


def packet(text: str) -> bytes:
    """XMP whose every property that a page shows is ``text``, or links to it."""
    said, linked = escape(text.replace("\x7f", "")), quoteattr(text.replace("\x7f", ""))
    terms = "".join(
        f"<{name}><rdf:Alt><rdf:li xml:lang={linked}>{said}</rdf:li></rdf:Alt></{name}>"
        for name in ("dc:title", "dc:creator", "dc:rights", "dc:description", "dc:date")
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
        f'-syntax-ns#"><rdf:Description photoshop:Credit={linked} dc:source={linked}>{terms}'
        f"<cc:license rdf:resource={linked}/><xmpRights:WebStatement>javascript:hacked(0)"
        "</xmpRights:WebStatement></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def block(text: str) -> bytes:
    """EXIF with texts: description, make, model, software, artist, copyright."""
    tags = Image.Exif()
    for tag in (270, 271, 272, 305, 315, 33432):
        tags[tag] = text
    return tags.tobytes()


def profile(text: str) -> bytes:
    """An ICC profile that says ``text`` where it says what it is."""
    whole: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = re.search(b"s\0R\0G\0B\0 \0b\0u\0i\0l\0t", whole)
    assert found is not None
    said = text.encode("utf-16-be")[: found.end() - found.start()]
    return whole[: found.start()] + said.ljust(found.end() - found.start()) + whole[found.end() :]


@pytest.fixture(scope="module")
def plain() -> PtmModel:
    found = get_codec("ptm").fit(demo_stack(size=(24, 32)))
    assert isinstance(found, PtmModel)
    return found.with_metadata(xmp=None, exif=None, comments=(), notes=())


def with_texts(model: Any, text: str) -> Any:
    return model.with_metadata(
        xmp=packet(text),
        exif=block(text),
        icc=profile(text),
        comments=(text,),
        notes=(text,),
        provenance={
            text: text,
            "__proto__": {"title": text},
            "software": text,
            "light_file": text,
            "photographs": [text],
            "codec": {"id": text, "options": {text: text}},
        },
    )


def as_graph(model: PtmModel, text: str) -> GraphModel:
    """The same as an ONNX graph, all of whose names and notes are ``text``."""
    proto = decoder_graph(model.decoder(), model.planes)
    graph = proto.graph
    kept = {value.name for value in [*graph.input, *graph.output]}
    for part in (proto, graph):
        part.doc_string = text
    proto.producer_name = proto.producer_version = graph.name = text
    proto.metadata_props.add(key=text, value=text)
    for number, node in enumerate(graph.node):
        node.name, node.doc_string = f"{text}{number}", text
        node.input[:] = [name if name in kept or not name else text + name for name in node.input]
        node.output[:] = [name if name in kept else text + name for name in node.output]
    for tensor in graph.initializer:
        tensor.name, tensor.doc_string = text + tensor.name, text
    del graph.value_info[:]
    decoder = GraphDecoder(proto, text)
    return GraphModel(
        shape=model.shape, planes=model.planes, metadata=model.metadata, graph=decoder
    )


@contextmanager
def watched(chromium: Any, url: str) -> Iterator[Told]:
    """Open a page, wait until it shows its picture, and use all that it offers."""
    width, height = SIZE
    context = chromium().new_context(
        viewport={"width": width, "height": height}, accept_downloads=True
    )
    try:
        context.add_init_script(WATCH)
        page = Page(context.new_page())
        told = Told(page, context.new_cdp_session(page.page))
        page.page.goto(url)
        page.page.wait_for_function(
            """() => {
              const root = [...document.querySelectorAll("*")].find((each) => each.drti);
              root?.setAttribute("data-drti", "");
              return Boolean(root);
            }"""
        )
        page.wait("v && v.alive")
        page.still()
        page.page.evaluate(
            "() => document.querySelectorAll('button').forEach((button) => button.click())"
        )
        page.page.keyboard.press("Tab")
        page.still()
        yield told
    finally:
        context.close()


def check(told: Told, base: str, benign: list[str] | None) -> list[str]:
    """Nothing was hacked, blocked or asked for, and the scripts are the benign page's."""
    page = told.page
    assert page.page.evaluate("window.told") == []
    assert page.errors in ([], [NO_OPENLIME])
    assert told.elsewhere(base) == []
    assert len(page.page.frames) == 1
    links = page.page.evaluate(
        """() => [...document.querySelectorAll("[href], [src], [action], [formaction], [srcdoc]")]
          .flatMap((each) => ["href", "src", "action", "formaction", "srcdoc"]
            .map((name) => each.getAttribute(name)).filter(Boolean))"""
    )
    assert not [link for link in links if re.match(r"\s*javascript:|//|https?:", link)]
    handlers = page.page.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap((each) => [...each.attributes])
          .map((found) => found.name).filter((name) => name.startsWith("on"))"""
    )
    assert handlers == []
    found = told.sources()
    assert found
    if benign is not None:
        assert found == benign
    return found


def open_file(chromium: Any, path: Path, benign: list[str] | None) -> list[str]:
    with watched(chromium, path.as_uri()) as told:
        return check(told, path.as_uri(), benign)


def open_folder(chromium: Any, folder: Path, benign: list[str] | None) -> list[str]:
    with serving(folder) as server, watched(chromium, server.url) as told:
        return check(told, server.url, benign)


@pytest.mark.parametrize("attack", ["<script>hacked(1)</script>", "<img src=//evil.example/i>"])
def test_what_is_let_through_is_noticed(chromium, plain, tmp_path, attack):
    """Even where the page's policy stops it: markup of strangers in a page is a fault by itself."""
    page = tmp_path / "page.html"
    HTML.export(plain, page)
    page.write_text(page.read_text(encoding="utf-8") + attack, encoding="utf-8")
    with watched(chromium, page.as_uri()) as told, pytest.raises(AssertionError):
        check(told, page.as_uri(), None)


@pytest.mark.parametrize("kind", ["codec", "graph"])
def test_a_page_of_one_file(chromium, plain, tmp_path, kind):
    model = plain if kind == "codec" else as_graph(plain, "plain")
    HTML.export(model, tmp_path / "plain.html")
    benign = open_file(chromium, tmp_path / "plain.html", None)
    hostile = with_texts(plain if kind == "codec" else as_graph(plain, HOSTILE), HOSTILE)
    out = tmp_path / f"{NAME}.html"
    HTML.export(hostile, out)
    open_file(chromium, out, benign)
    given = HtmlExporter(title=HOSTILE, credit=HOSTILE)
    given.export(hostile, out, overwrite=True)
    open_file(chromium, out, benign)


def test_a_page_of_two_models(chromium, plain, tmp_path):
    """The other one's name is a file's."""
    for name, text in (("plain", "plain"), (NAME, HOSTILE)):
        save_model(with_texts(plain, text), tmp_path / name)
    pages = {}
    for name, text in (("plain", "plain"), (NAME, HOSTILE)):
        HtmlExporter(split=str(tmp_path / name)).export(
            with_texts(plain, text), tmp_path / f"{name}.html"
        )
        pages[name] = open_file(chromium, tmp_path / f"{name}.html", pages.get("plain"))


@pytest.mark.parametrize("with_openlime", [False, True])
def test_a_page_for_openlime(chromium, plain, tmp_path, with_openlime):
    """A script that is no OpenLIME will do: drti's own viewer shows the picture in its page."""
    (tmp_path / "lime.js").write_text("export const nothing = 1;")
    openlime = str(tmp_path / "lime.js") if with_openlime else None
    benign = None
    for name, text in (("plain", "plain"), (NAME, HOSTILE)):
        exporter = OpenlimeExporter(openlime=openlime, title=text, credit=text, format="png")
        exporter.export(with_texts(plain, text), tmp_path / name)
        benign = open_folder(chromium, tmp_path / name, benign)


def test_what_drti_view_serves(chromium, plain, tmp_path):
    """A folder whose name and JSON are hostile, and which says it of its own keys."""
    pages = []
    for name, text in (("plain", "plain"), (NAME, HOSTILE)):
        save_model(with_texts(plain, text), tmp_path / name, writer=FolderWriter(image="png"))
        with viewing(tmp_path / name) as view, watched(chromium, view.url) as told:
            pages.append(check(told, view.url, pages[0] if pages else None))
