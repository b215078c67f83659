"""The manifest of an object, IIIF Presentation API 3 (https://iiif.io/api/presentation/3.0)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from drti_core.model import Metadata
from drti_exporters._viewer.credits import facts_of
from drti_exporters.iiif.image import Image

#: Addresses that a manifest may give as ``rights``.
_RIGHTS = re.compile(r"https?://(creativecommons\.org|rightsstatements\.org)/\S+")
_PHYSICAL = "http://iiif.io/api/annex/services/physdim"


def make_manifest(
    base: str,
    images: Sequence[tuple[str, Image]],
    metadata: Metadata,
    *,
    title: str,
    credit: str,
    viewer: str | None,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A manifest of one canvas, which shows one of the images (a ``Choice``).

    Args:
        base: where the folder will be found, without a slash at the end.
        images: each with what it is called; the first is shown first.
        metadata: of the model.
        title: by default what the metadata say.
        credit: likewise, and is to be shown by every viewer.
        viewer: address of drti's viewer, a rendering of the object; None without it.

    Returns:
        The manifest, JSON-able, and notes.
    """
    facts, notes = facts_of(metadata)
    known = dict(facts)
    height, width = images[0][1].shape
    canvas: dict[str, Any] = {
        "id": f"{base}/canvas",
        "type": "Canvas",
        "label": _none(known.get("Title", title)),
        "width": width,
        "height": height,
        "thumbnail": [images[0][1].thumbnail()],
        "items": [_page(base, images)],
    }
    if metadata.pixel_size_mm is not None:
        canvas["service"] = [
            {
                "@context": f"{_PHYSICAL}/1/context.json",
                "id": f"{base}/canvas/scale",
                "type": "PhysicalDimensions",
                "profile": _PHYSICAL,
                "physicalScale": metadata.pixel_size_mm / 10,
                "physicalUnits": "cm",
            }
        ]
    found: dict[str, Any] = {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{base}/manifest.json",
        "type": "Manifest",
        "label": _none(known.get("Title", title)),
        "thumbnail": [images[0][1].thumbnail()],
        "items": [canvas],
    }
    entries = [(term, text) for term, text in facts if term != "Title"]
    if entries:
        found["metadata"] = [
            {"label": _english(term), "value": _none(text)} for term, text in entries
        ]
    said = credit or known.get("Credit") or known.get("By", "")
    if said:
        found["requiredStatement"] = {"label": _english("Credit"), "value": _none(said)}
    for term in ("Licence", "Rights statement", "Terms of use", "Rights"):
        if match := _RIGHTS.search(known.get(term, "")):
            found["rights"] = match[0].replace("https:", "http:", 1)
            break
    if viewer is not None:
        found["rendering"] = [
            {
                "id": viewer,
                "type": "Text",
                "label": _english("Relight it: move the light in drti's viewer"),
                "format": "text/html",
            }
        ]
    return found, notes


def _page(base: str, images: Sequence[tuple[str, Image]]) -> dict[str, Any]:
    bodies = [{**image.body(), "label": _english(name)} for name, image in images]
    body = bodies[0] if len(bodies) == 1 else {"type": "Choice", "items": bodies}
    painting = {
        "id": f"{base}/canvas/painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": body,
        "target": f"{base}/canvas",
    }
    return {"id": f"{base}/canvas/page", "type": "AnnotationPage", "items": [painting]}


def _english(text: str) -> dict[str, list[str]]:
    return {"en": [text]}


def _none(text: str) -> dict[str, list[str]]:
    """A text whose language is not known."""
    return {"none": [text]}
