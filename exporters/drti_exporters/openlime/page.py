"""Texts of an export: the model's module for the layer, and the page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from string import Template
from urllib.parse import urlsplit

from drti_core.errors import OptionError
from drti_core.model import RelightableModel
from drti_exporters._viewer.scene import lit_by
from drti_exporters.glsl import Shader, emit

#: The layer, and the model's module.
LAYER, MODEL = "drti-layer.js", "drti-model.js"
#: What the page with OpenLIME needs beside it.
PAGE_FILES = ("drti-page.js", "drti-page.css")


@cache
def text(name: str) -> str:
    """The text of a file of ``web/``."""
    return files(__package__).joinpath("web", name).read_text(encoding="utf-8")


def emitted(model: RelightableModel) -> Shader:
    """The model's shader; its colours are the screen's sRGB.

    Raises:
        UnsupportedDecoderError: a part of the decoder has no shader.
    """
    return emit(model, dialect="webgl2", output="screen")


def model_module(
    model: RelightableModel,
    shader: Shader,
    *,
    pictures: Sequence[str],
    relief: str | None,
    mask: str | None = None,
    layout: str,
    suffix: str,
) -> str:
    """The module that the layer loads: data of the model and its light stage.

    Args:
        model: what is shown.
        shader: from :func:`emitted`.
        pictures: names of the pictures of the planes, in their order, without ending.
        relief: name of the picture of the relief, or None.
        mask: of the one that is white where the object is, or None; with its ending where it is
            one file whatever the layout is.
        layout: of the folder.
        suffix: of the pictures.
    """
    description = {
        "width": model.shape[1],
        "height": model.shape[0],
        "pixelSizeInMM": model.metadata.pixel_size_mm,
        "layout": layout,
        "suffix": suffix,
        "pictures": list(pictures),
        "samples": 0 if model.planes is None else -(-model.planes.count // 3),
        "relief": relief,
        "coordinates": any(uniform.name == "drti_window" for uniform in shader.uniforms),
        "vectors": sum(item.size for item in shader.uniforms if item.name == "drti_u"),
        "weights": None if shader.texture is None else list(shader.texture),
        "shader": shader.body,
    }
    if mask is not None:
        description["mask"] = mask
    if lit := lit_by(model)[0]:
        description["lit"] = lit
    return (
        f"// Written by drti {version('drti')} for {LAYER}: a model's shader and light stage.\n"
        f"export const model = {json.dumps(description, indent=1, allow_nan=False)};\n"
        f"export const light = {shader.light_js};\n"
    )


def openlime_page(title: str, credit: str, openlime: str) -> str:
    """``index.html`` with OpenLIME.

    Args:
        title: of the picture.
        credit: who made it; may be empty.
        openlime: URL of OpenLIME, relative to the page or not; see :func:`origin`.
    """
    source = origin(openlime)
    policy = (
        f"default-src 'none'; script-src 'self'{source and ' ' + source}; style-src 'self'; "
        "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'"
    )
    values = {"policy": policy, "version": version("drti"), "title": title, "credit": credit}
    values["openlime"] = openlime
    return Template(text("page.html")).substitute(
        {name: html.escape(_characters(value)) for name, value in values.items()}
    )


def page_files() -> dict[str, str]:
    """What :func:`openlime_page` needs beside it, and the model's module and layer."""
    return {name: text(name) for name in PAGE_FILES}


def origin(url: str) -> str:
    """The origin of a URL as a Content-Security-Policy names it; empty for a relative one.

    Raises:
        OptionError: no URL that a page can load a script from.

    >>> origin("https://cdn.example.org:8080/openlime.js?x=1")
    'https://cdn.example.org:8080'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is not None and not parts.scheme and not parts.netloc:
        return ""
    if parts is None or parts.scheme not in ("https", "http") or not _HOST.fullmatch(parts.netloc):
        raise OptionError(
            f"{url!r}", where="openlime", expected="the path of a file, or an http(s) URL"
        )
    return f"{parts.scheme}://{parts.netloc}"


#: A host and perhaps a port: neither a user's name nor anything that a policy gives a meaning.
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")


def _characters(value: str) -> str:
    """Without halves of surrogate pairs (a file name that is no text), which UTF-8 has not."""
    return value.encode("utf-8", "replace").decode("utf-8")
