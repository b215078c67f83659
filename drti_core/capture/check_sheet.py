"""What a check found, as one HTML page with all photographs; it needs no other file."""

from __future__ import annotations

import html
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import F32
from drti_core.capture.check import Checked
from drti_core.capture.finding import Finding
from drti_core.capture.page import STYLE, data_uri, plain
from drti_core.errors import FormatError
from drti_core.io import regular
from drti_core.lights.coverage import outline

#: Before and after what a check found, as JSON, in a sheet.
_BEGIN, _END = '<meta name="drti-check" content="', '">'
_PICTURE = re.compile('<img alt="" src="(data:image/jpeg;base64,[A-Za-z0-9+/=]+)">')
#: Larger files are no sheets.
_MOST = 1 << 28


def check_sheet(found: Checked, title: str) -> str:
    """The page, which holds what was found as JSON too; see :func:`read_sheet`.

    Args:
        found: what a check found.
        title: what was checked.
    """
    grave = [finding for finding in found.findings if finding.grave]
    notes = [finding for finding in found.findings if not finding.grave]
    count = len(grave)
    verdict = f"{count} finding{'s' * (count > 1)}" if grave else "sound"
    order = sorted(range(len(found.names)), key=lambda i: not any(f.grave for f in found.of(i)))
    height, width = found.shape
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>check of {plain(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{plain(title)}</h1>",
        f'<p class="faint">{len(found.names)} photographs of {width} × {height} pixels; '
        f"<span{' class=bad' if grave else ''}>{verdict}</span></p>",
        '<div class="top"><div>',
        _list(grave, "bad"),
        _list(notes, "faint"),
        f'<p class="faint">Largest gap between the lights: {found.coverage.gap:.0f}° around '
        f"azimuth {found.coverage.gap_at[0]:.0f}°, elevation {found.coverage.gap_at[1]:.0f}°.</p>",
        "</div>",
        _lights(found),
        "</div>",
        '<div class="cards">',
        *(_card(found, i) for i in order),
        "</div>",
        f"{_BEGIN}{html.escape(json.dumps(found.as_dict()))}{_END}",
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def read_sheet(path: Path) -> tuple[dict[str, Any], list[str]]:
    """What a sheet says that a check wrote.

    Returns:
        What was found, as :meth:`Checked.as_dict`, and the photographs as data URIs, the doubtful
        ones first.

    Raises:
        FormatError: it is no sheet, or damaged.
        FileError: it cannot be read.
    """
    text = regular.read_bytes(path, _MOST, "a sheet").decode("utf-8", "replace")
    told = text.rpartition(_BEGIN)[2].partition(_END)[0]
    try:
        found = json.loads(html.unescape(told))
        known = isinstance(found["sound"], bool) and all(
            isinstance(finding["text"], str) and isinstance(finding["grave"], bool)
            for finding in found["findings"]
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        known = False
    if not known:
        raise FormatError("is no sheet of a check", where=str(path), expected="one, as it was made")
    return found, _PICTURE.findall(text)


def _list(findings: list[Finding], kind: str) -> str:
    rows = "".join(f"<li>{plain(finding.text)}</li>" for finding in findings)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""


def _card(found: Checked, i: int) -> str:
    """A photograph with its numbers."""
    mine = found.of(i)
    bad = any(finding.grave for finding in mine)
    moved = float(np.hypot(*found.moved[i]))
    facts = [f"{found.stops[i]:+.2f} stops", f"moved {moved:.1f} px"]
    if found.best_lights is not None:
        facts.append(f"light {found.light_off[i]:.1f}° off")
    if found.white[i] > 0.001:
        facts.append(f"{found.white[i]:.1%} clipped")
    lamp = ""
    if found.levels is not None:
        level = found.levels[i]
        facts.append(f"lamp × {level.mean():.2f} ({level.min():.2f} to {level.max():.2f})")
        lamp = _lamp(found.levels, i)
    kinds = ", ".join(dict.fromkeys(finding.kind for finding in mine if finding.grave))
    return (
        f'<figure{" class=bad" if bad else ""}><img alt="" src="{data_uri(found.thumbnails[i])}">'
        f"<figcaption><b>{plain(found.names[i])}</b>"
        + (f'<span class="bad">{kinds}</span><br>' if kinds else "")
        + f'<span class="faint">{", ".join(facts)}</span>{lamp}</figcaption></figure>'
    )


def _lamp(levels: F32, i: int) -> str:
    """A lamp over the picture, to be looked at: black is 0, white the brightest of all."""
    grey = np.rint(levels[i] * (255 / levels.max())).astype(np.uint8)
    picture = data_uri(np.repeat(grey[..., None], 3, axis=2))
    return f'<br><img style="width: 40%" alt="the lamp over the picture" src="{picture}">'


def _lights(found: Checked) -> str:
    """The lights on the disk; an arrow to where the others say that a wrong one was."""
    edge = outline(found.lights)
    shape = " ".join(f"{x:.3f},{-y:.3f}" for x, y in edge.tolist())
    marks = []
    for i, (x, y, _) in enumerate(found.lights.xyz.tolist()):
        bad = any(finding.grave for finding in found.of(i))
        fill = "var(--bad)" if bad else "var(--ink)"
        name = plain(found.names[i])
        marks.append(
            f'<circle cx="{x:.3f}" cy="{-y:.3f}" r=".022" fill="{fill}"><title>{name}</title>'
            "</circle>"
        )
        ends = [(x, -y)]
        if any(finding.kind == "light" for finding in found.of(i)) and found.best_lights:
            to = found.best_lights.xyz[i].tolist()
            ends.append((to[0], -to[1]))
        for finding in found.of(i):
            if finding.kind == "exchanged":
                other = next(j for j in finding.photographs if j != i)
                to = found.lights.xyz[other].tolist()
                ends.append((to[0], -to[1]))
        for (x1, y1), (x2, y2) in pairwise(ends):
            marks.append(
                f'<line x1="{x1:.3f}" y1="{y1:.3f}" x2="{x2:.3f}" y2="{y2:.3f}" '
                'stroke="var(--bad)" stroke-width=".01"/>'
            )
        if bad:
            marks.append(
                f'<text x="{x + (0.03 if x < 0.3 else -0.03):.3f}" y="{-y - 0.02:.3f}" '
                f'text-anchor="{"start" if x < 0.3 else "end"}" font-size=".07" '
                f'fill="var(--bad)">{name}</text>'
            )
    return (
        '<svg viewBox="-1.05 -1.05 2.1 2.1" width="300" role="img" aria-label="the lights">'
        '<circle r="1" fill="none" stroke="var(--line)" stroke-width=".01"/>'
        f'<polygon points="{shape}" fill="var(--fill)"/>{"".join(marks)}</svg>'
    )
