"""XML: elements and attributes dropped, doubled, renamed, nested; entities and declarations."""

from __future__ import annotations

import random
import re

from tests.fuzz.mutations.values import NAMES, NUMBERS

_TAG = re.compile(rb"<[^>]*>")
_ATTRIBUTE = re.compile(rb'\s[\w:.-]+\s*=\s*"[^"]*"')
_TEXT = re.compile(rb">([^<]+)<")
_ENTITIES = (
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;&x;&x;&x;&x;&x;">]>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">',
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.1" encoding="utf-7"?>',
    b'<?xml-stylesheet href="x.xsl"?>',
    b"<!-- -- -->",
    b"<![CDATA[x]]>",
)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change; None where the bytes are no XML."""
    tags = list(_TAG.finditer(data))
    if not data.lstrip(b"\xef\xbb\xbf \n\r\t").startswith(b"<") or not tags:
        return None
    tag = rng.choice(tags)
    attributes = list(_ATTRIBUTE.finditer(data))
    texts = list(_TEXT.finditer(data))
    match rng.randrange(8):
        case 0:
            return data[: tag.start()] + data[tag.end() :]
        case 1:
            times = rng.choice((2, 3, 100, 20_000))
            return data[: tag.start()] + tag[0] * times + data[tag.end() :]
        case 2:
            return data[: tag.start()] + rng.choice(_ENTITIES) + data[tag.start() :]
        case 3 if attributes:
            found = rng.choice(attributes)
            name = found[0].split(b"=")[0]
            new = rng.choice((*NUMBERS, *(n.encode("utf-8", "replace") for n in NAMES)))
            new = new.replace(b'"', b"&quot;").replace(b"<", b"&lt;")
            return data[: found.start()] + name + b'="' + new + b'"' + data[found.end() :]
        case 4 if attributes:
            found = rng.choice(attributes)
            again = rng.choice((b"", found[0] * 2, found[0].upper(), b' xmlns="x"'))
            return data[: found.start()] + again + data[found.end() :]
        case 5 if texts:
            found = rng.choice(texts)
            words = found[1].split(b" ")
            words[rng.randrange(len(words))] = rng.choice(NUMBERS)
            return data[: found.start(1)] + b" ".join(words) + data[found.end(1) :]
        case 6:
            depth = rng.choice((1, 30, 3000, 100_000))
            return data[: tag.start()] + b"<a>" * depth + b"</a>" * depth + data[tag.start() :]
        case _:
            name = re.match(rb"</?\??!?([\w:.-]*)", tag[0])
            word = name[1] if name else b""
            new = rng.choice((word.swapcase(), b"x:" + word, word * 300, b"\xff"))
            return data.replace(word, new) if word else data[: tag.end()]
