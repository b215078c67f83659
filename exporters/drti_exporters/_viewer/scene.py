"""What the viewer is told: the scene, JSON-able, and the light stages, as a script.

::

    {"title", "credit", "facts": [[term, text], …], "width", "height",
     "lit":    [x, y, …] around what the photographs' lights cover, thousandths of the disk; only
               where that is not about all of it,
     "layers": [{"name", "width", "height",
                 "shader":   header and body of the emitted shader, $ for a number,
                 "numbers":  those, in their order: base64 of little-endian float32,
                 "vectors":  uniform vectors drti_u[…] that the light stage fills,
                 "weights":  [width, height] of the texture drti_weights, or null,
                 "array":    whether the planes are layers of one texture,
                 "pictures": [[part, …], …]   three planes each,
                 "relief":   [part, …] or null,
                 "mask":     [part, …], white where the object is; only of a model with a mask,
                 "tree":     {"layout", "src" or "names" and "suffix", "side", "overlap",
                              "levels": [[width, height], …] the coarsest first}; only where the
                             pictures lie as tiles, and then they have no parts},
                …]}   one layer, or two to be compared

A part of a picture is ``{"id", "type"}`` (base64 in the element of that id) or ``{"src"}`` (a URL
relative to the scene's), both with ``x``, ``y`` where it lies elsewhere than in the top left
corner, and ``range`` (first and last byte) where it is a piece of a file. Parts may overlap.

The pictures of a tree are those of the planes, then the relief, then the mask. Layouts are those of
:mod:`drti_core.formats.folder.layouts`, and ``node`` and ``page`` of :mod:`._viewer.quadtree`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drti_core.lights.coverage import coverage, outline
from drti_core.model import RelightableModel
from drti_exporters._viewer.bundle import shrunk_glsl
from drti_exporters._viewer.credits import facts_of
from drti_exporters.glsl import emit
from drti_exporters.glsl.texts import base64_of

#: After these a script goes on without a line break.
_OPEN = (";", "{", "(", ",")
#: A number of a shader that takes more as text than as float32.
_NUMBER = re.compile(r"(?:(?<=[(,=])-)?(?<![\w.])\d*\.\d{5,}(?:e[-+]\d+)?")


@dataclass(frozen=True)
class Part:
    """A picture, or a rectangle of one, that lies beside the page.

    Args:
        src: URL relative to the scene's JSON.
        x: where its left column lies in the whole picture.
        y: where its top row lies.
        byte_range: its first and last byte in the file; None for the whole file.
    """

    src: str
    x: int = 0
    y: int = 0
    byte_range: tuple[int, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the scene holds it."""
        found: dict[str, Any] = {"src": self.src}
        if self.x or self.y:
            found |= {"x": self.x, "y": self.y}
        return found | ({"range": list(self.byte_range)} if self.byte_range else {})


@dataclass(frozen=True)
class Tree:
    """Where the tiles of all pictures of a layer lie, in the levels of one pyramid.

    Args:
        layout: of the tiles; see the module.
        side: of a tile without overlap.
        overlap: pixels by which a tile reaches into each of its neighbours.
        levels: (height, width) of each, the coarsest first; the last is the whole picture's.
        src: of ``node`` the folder, of ``page`` what the ids begin with.
        names: else those of the pictures.
        suffix: of their tiles.
    """

    layout: str
    side: int
    overlap: int
    levels: Sequence[tuple[int, int]]
    src: str = ""
    names: Sequence[str] = ()
    suffix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As the scene holds it."""
        where = {"names": list(self.names), "suffix": self.suffix} if self.names else {}
        return {
            "layout": self.layout,
            "src": self.src,
            **where,
            "side": self.side,
            "overlap": self.overlap,
            "levels": [[width, height] for height, width in self.levels],
        }


@dataclass(frozen=True, eq=False)
class Layer:
    """A model in a scene.

    Args:
        model: its planes, if any, have 8 bits.
        pictures: parts of each picture of three planes, as the scene holds them.
        relief: likewise, or None.
        mask: likewise, or None: a picture that is white where the object is.
        name: what it is called beside another one; its codec by default.
        tree: where the tiles lie, if the pictures are cut into such: then they, the relief and the
            mask have no parts.
    """

    model: RelightableModel
    pictures: Sequence[Sequence[Mapping[str, Any]]]
    relief: Sequence[Mapping[str, Any]] | None = None
    mask: Sequence[Mapping[str, Any]] | None = None
    name: str = ""
    tree: Tree | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What a page shows.

    Args:
        data: JSON-able; see the module.
        lights: the light stages, an ECMAScript expression for each layer.
        notes: what the user should know, a sentence each.
    """

    data: Mapping[str, Any]
    lights: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def json(self) -> str:
        """The data, as JSON that may stand in an element of a page: no ``<``, ``>`` or ``&``."""
        text = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return re.sub(r"[<>&\u2028\u2029\ud800-\udfff]", _escaped, text)

    @property
    def script(self) -> str:
        """A script that hands the light stages to the viewer."""
        text = f"globalThis.drtiLights=[{','.join(self.lights)}];"
        lines = [line.strip() for line in text.splitlines()]
        kept = (line for line in lines if not line.startswith("//"))
        return "".join(line if line.endswith(_OPEN) else f"{line}\n" for line in kept)


def make_scene(layers: Sequence[Layer], *, title: str, credit: str = "") -> Scene:
    """Put a scene together.

    Args:
        layers: one, or two to be compared, of about the same proportions.
        title: the picture's name, if its metadata tell none.
        credit: who made it, shown beneath the title; by default what the metadata say.

    Raises:
        UnsupportedDecoderError: a decoder has no shader.
    """
    first = layers[0].model
    facts, notes = facts_of(first.metadata)
    known = dict(facts)
    made, lights = [], []
    for layer in layers:
        entry, light, found = _layer(layer)
        made.append(entry)
        lights.append(light)
        notes += found
    if credit:
        facts = [("Credit", credit), *(fact for fact in facts if fact[0] != "Credit")]
    own = " · ".join(known[term] for term in ("By", "Credit", "Rights") if term in known)
    data = {
        "title": known.get("Title", title),
        "credit": credit or own,
        "facts": [list(fact) for fact in facts if fact[0] != "Title"],
        "width": first.shape[1],
        "height": first.shape[0],
        "layers": made,
    }
    lit, gap = lit_by(first)
    if lit:
        data["lit"] = lit
        notes += gap
    return Scene(data, tuple(lights), notes)


def lit_by(model: RelightableModel) -> tuple[list[int], tuple[str, ...]]:
    """What a dial of the light marks: the scene's ``lit``, and a note why.

    Returns:
        Nothing of either where the lights are not known, or leave no more than a dome does.
    """
    lights = model.metadata.lights
    note = None if lights is None else coverage(lights).note()
    if lights is None or note is None:
        return [], ()
    return np.rint(1000 * outline(lights)).astype(int).ravel().tolist(), (note,)


def _layer(layer: Layer) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """A layer's entry in the scene, its light stage, and notes."""
    model = layer.model
    shader = emit(model, dialect="webgl2", output="screen")
    text, numbers = _without_numbers(shrunk_glsl(shader.header + shader.body))
    entry: dict[str, Any] = {
        "name": layer.name or model.codec_id,
        "width": model.shape[1],
        "height": model.shape[0],
        "shader": text,
        "numbers": base64_of(numbers),
        "vectors": sum(item.size for item in shader.uniforms if item.name == "drti_u"),
        "weights": None if shader.texture is None else list(shader.texture),
        "array": any(sampler.kind == "sampler2DArray" for sampler in shader.samplers),
        "pictures": [[dict(part) for part in parts] for parts in layer.pictures],
        "relief": None if layer.relief is None else [dict(part) for part in layer.relief],
    }
    if layer.mask is not None:
        entry["mask"] = [dict(part) for part in layer.mask]
    if layer.tree is not None:
        entry["tree"] = layer.tree.as_dict()
    return entry, shader.light_js, shader.notes


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    # A half of a surrogate pair is no character: from a file name that is no text.
    return "\ufffd" if 0xD800 <= code < 0xE000 else f"\\u{code:04x}"


def _without_numbers(shader: str) -> tuple[str, list[float]]:
    """A shader with $ in place of its longer numbers, and these: they take half as much."""
    numbers = [float(found) for found in _NUMBER.findall(shader)]
    return _NUMBER.sub("$", shader), numbers
