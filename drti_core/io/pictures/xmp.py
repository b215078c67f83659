"""XMP packets (ISO 16684-1), and what drti adds to one: facts that a format has no place for.

The facts are JSON in one property, ``drti:facts`` of the namespace ``urn:drti:1#``. Taken out
again, the packet is what it was, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, unescape

from drti_core.errors import FormatError
from drti_core.io.strict_json import Node

_OPEN = b'<rdf:Description rdf:about="" xmlns:drti="urn:drti:1#"><drti:facts>'
_CLOSE = b"</drti:facts></rdf:Description>"
_PLACE = b"</rdf:RDF>"
_BEGIN = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
_END = b'</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'


def with_facts(packet: bytes | None, facts: Mapping[str, Any]) -> bytes:
    """A packet with facts in it: a new one behind it where it has no place for them.

    Args:
        packet: UTF-8, or None.
        facts: JSON-able.
    """
    block = _OPEN + escape(json.dumps(facts, allow_nan=False)).encode("ascii") + _CLOSE
    if packet and has_place(packet):
        at = packet.rindex(_PLACE)
        return packet[:at] + block + packet[at:]
    return (packet or b"") + _BEGIN + block + _END


def has_place(packet: bytes | None) -> bool:
    """Whether facts can be put into a packet; otherwise they would be one of their own."""
    return packet is None or _PLACE in packet


def split(packet: bytes, where: Path) -> tuple[bytes | None, Node | None]:
    """A packet as it was, and the facts that were added.

    Args:
        packet: that of a file.
        where: the file, for errors.

    Raises:
        FormatError: the facts are no JSON.
    """
    at = packet.find(_OPEN)
    end = packet.find(_CLOSE, at)
    if at < 0 or end < 0:
        return packet, None
    text = packet[at + len(_OPEN) : end]
    before, after = packet[:at], packet[end + len(_CLOSE) :]
    if before.endswith(_BEGIN) and after.startswith(_END):
        before, after = before[: -len(_BEGIN)], after[len(_END) :]
    try:
        value = json.loads(unescape(text.decode("ascii")))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its drti:facts cannot be read ({error})", where=str(where)) from None
    return before + after or None, Node(value, where, "drti:facts")
