"""What checks of many captures found, as one HTML page to look at; each leads to its sheet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from drti_core.capture.check_sheet import read_sheet
from drti_core.capture.page import STYLE, plain
from drti_core.errors import DrtiError
from drti_core.io import regular
from drti_core.jobs.batch import Item

#: By what an index is known.
_MARK = '<meta name="generator" content="drti: checks of many">'
#: Findings that are told of each capture.
_SHOWN = 4
_STYLE = """
.cards { grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); } a { color: inherit; }
figure img { aspect-ratio: 4 / 3; object-fit: contain; background: #8883; border-radius: 3px; }
figcaption ul { padding-left: 16px; margin-bottom: 0; }
""".strip()


def is_index(path: Path) -> bool:
    """Whether a file is such a page, which may be replaced by a newer one."""
    with suppress(DrtiError, OSError), regular.open_file(path) as file:
        return _MARK.encode() in file.read(400)
    return False


def check_index(items: Sequence[Item], title: str) -> str:
    """The page.

    Args:
        items: of a batch of checks; what sheets say is read from them.
        title: what was checked.
    """
    cards = [_card(item) for item in items if item.status != "ignored"]
    cards.sort(key=lambda card: -card[0])
    bad = sum(1 for grave, _ in cards if grave)
    verdict = f"{bad} to look at" if bad else "all sound"
    captures = f"{len(cards)} capture{'s' * (len(cards) != 1)}"
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><meta charset="utf-8">{_MARK}',
            '<meta name="viewport" content="width=device-width">',
            f"<title>check of {plain(title)}</title>",
            f"<style>{STYLE}\n{_STYLE}</style>",
            f"<h1>{plain(title)}</h1>",
            f'<p class="faint">{captures}; <span{" class=bad" if bad else ""}>{verdict}</span></p>',
            '<div class="cards">',
            *(card for _, card in cards),
            "</div></html>\n",
        ]
    )


def _card(item: Item) -> tuple[int, str]:
    """How grave it is, and a capture with its verdict."""
    name, status = plain(str(item.source)), plain(item.status)
    if item.written is None or item.output is None or item.written.found is None:
        text = f'<b>{name}</b><span class="bad">{status}</span><br>{plain(item.reason)}'
        return 2, f"<figure class=bad><figcaption>{text}</figcaption></figure>"
    pictures: list[str] = []
    with suppress(DrtiError):
        pictures = read_sheet(item.output)[1]
    grave, bad = item.written.notes, item.written.doubtful
    # Of a sheet, what is doubtful comes first; of a sound one, a photograph from among the others.
    shown = pictures[:1] if bad else pictures[len(pictures) // 2 :][:1]
    image = "".join(f'<img alt="" loading="lazy" src="{picture}">' for picture in shown)
    more = [f"and {len(grave) - _SHOWN} more"] if len(grave) > _SHOWN else []
    told = "".join(f"<li>{plain(text)}</li>" for text in [*grave[:_SHOWN], *more])
    verdict = f'<ul class="bad">{told}</ul>' if bad else '<span class="faint">sound</span>'
    to = quote(os.fsencode(item.output.name))
    return (1 if bad else 0), (
        f'<figure{" class=bad" if bad else ""}><a href="{to}">{image}</a>'
        f'<figcaption><a href="{to}"><b>{name}</b></a>{verdict}</figcaption></figure>'
    )
