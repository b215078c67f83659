"""How photographs were laid on one another, as one HTML page; it needs no other file."""

from __future__ import annotations

import numpy as np

from drti_core.arrays import U8
from drti_core.capture.align import Alignment
from drti_core.capture.page import STYLE, data_uri, plain
from drti_core.stack.moves import moved_places

#: Width of a drawn picture, and length of the longest arrow, in its units.
_WIDTH, _ARROW = 100.0, 18.0


def align_sheet(found: Alignment, title: str) -> str:
    """The page: the moves drawn, and what each moved photograph differed by before and after.

    Args:
        found: how the photographs lay.
        title: what was aligned.
    """
    height, width = found.shape
    longest = max(float(found.largest.max()), 1e-9)
    order = np.argsort(-found.rms, kind="stable").tolist()
    shown = {
        int(i): pair for i, pair in zip(np.flatnonzero(found.moved), found.differences, strict=True)
    }
    doubt = found.doubt()
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>alignment of {plain(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{plain(title)}</h1>",
        f'<p class="faint">{len(found.names)} photographs of {width} × {height} pixels. '
        f"{plain(found.note())}</p>",
        f'<p class="bad">{plain(doubt)}</p>' if doubt is not None else "",
        '<p class="faint">Arrows: where the pixels of a photograph were moved to, the longest '
        f"{longest:.1f} pixels. Grey pictures: detail of a photograph less that of its prediction, "
        "before and after; flat grey is none.</p>",
        '<div class="cards">',
        *(_card(found, i, shown.get(i), longest) for i in order),
        "</div></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _card(found: Alignment, i: int, pair: U8 | None, longest: float) -> str:
    """One photograph."""
    facts, pictures = ["not moved"], ""
    if pair is not None:
        facts = [f"moved {found.rms[i]:.2f} px (at most {found.largest[i]:.2f})"]
        pictures = "".join(
            f'<img alt="{when}" title="{when}" src="{data_uri(one)}">'
            for when, one in zip(("before", "after"), pair, strict=True)
        )
    facts.append(f"agreement {found.agreement[i]:.2f}")
    known = bool(found.known[i])
    return (
        f"<figure{'' if known else ' class=bad'}>{_arrows(found, i, longest)}{pictures}"
        f"<figcaption><b>{plain(found.names[i])}</b>"
        + ("" if known else '<span class="bad">could not be laid</span><br>')
        + f'<span class="faint">{", ".join(facts)}</span></figcaption></figure>'
    )


def _arrows(found: Alignment, i: int, longest: float) -> str:
    """The picture's outline and arrows over it."""
    height, width = found.shape
    tall = _WIDTH * height / width
    y, x = (a.ravel() for a in np.mgrid[0.1:0.9:4j, 0.1:0.9:5j])
    at = np.stack([x * (width - 1), y * (height - 1)])
    moved = (moved_places(found.maps[[i]], *at)[0] - at) * _ARROW / longest
    lines = "".join(
        f'<path d="M{px * _WIDTH:.1f} {py * tall:.1f}l{dx:.1f} {dy:.1f}"/>'
        f'<circle cx="{px * _WIDTH:.1f}" cy="{py * tall:.1f}" r="1"/>'
        for px, py, dx, dy in zip(x, y, *moved, strict=True)
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {tall:.1f}" role="img" aria-label="its move" '
        'style="width:100%;stroke:var(--ink);fill:var(--ink)">'
        f'<rect width="{_WIDTH:.0f}" height="{tall:.1f}" fill="none" stroke="var(--line)"/>'
        f"{lines}</svg>"
    )
