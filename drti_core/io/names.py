"""Names of entries of a folder that mean the same on every system, and never lead out of it."""

from __future__ import annotations

import os
import re
import unicodedata

#: Devices of Windows, whatever ending follows.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)")
#: What parts folders on one system or another, a drive's letter, and the end of a C string.
_PARTS = re.compile(r"[/\\\0]|^[A-Za-z]:")
#: Halves of characters, which no name on disk holds; \udc80..\udcff stand for bytes of no text.
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
#: Bytes of a name that any usual file system takes.
LONGEST = 255
#: What drti calls files of its own.
OWN = ".drti-"
#: The journal of a folder that drti works in, see :mod:`drti_core.jobs.journal`.
JOURNAL = f"{OWN}batch.json"


def fault(name: str) -> str:
    """Why a name may not be taken from a file that others may have written; "" if it may.

    >>> fault("../coin.ptm"), fault("NUL.txt"), fault("coin.ptm")
    ('it leads to another folder', 'it names a device', '')
    """
    if not name.strip(". "):
        return "it names no entry of a folder"
    if _PARTS.search(name):
        return "it leads to another folder"
    if _DEVICES.match(name):
        return "it names a device"
    if _HALVES.search(name):
        return "it holds half a character"
    if name.startswith(OWN):
        return "it is one of drti's own"
    if len(os.fsencode(name)) > LONGEST:
        return "it is too long"
    return ""


def sound(name: str) -> str:
    r"""The name itself, or one like it of which :func:`fault` has nothing to say.

    >>> sound("coin"), sound("a\\b"), sound("C:coin"), sound("con.ptm"), sound(".drti-x")
    ('coin', 'a_b', 'C_coin', '_con.ptm', '_.drti-x')
    """
    name = shortened(_HALVES.sub("_", _PARTS.sub(lambda found: found[0][:-1] + "_", name)))
    return shortened(f"_{name}") if fault(name) else name


def shortened(stem: str, tail: str = "") -> str:
    """The stem, shortened where the name were too long with it, and the tail."""
    stem = stem[:LONGEST]
    while stem and len(os.fsencode(stem + tail)) > LONGEST:
        stem = stem[:-1]
    return stem + tail


def as_text(name: str) -> str:
    r"""A name as text: bytes of it that are none are written out.

    >>> as_text("caf\udce9.jpg"), as_text("café.jpg")
    ('caf\\udce9.jpg', 'café.jpg')
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def folded(name: str) -> str:
    """What is equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
