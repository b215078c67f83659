"""PNG: chunks changed, dropped, doubled, moved or new, their checksums mended."""

from __future__ import annotations

import random
import struct
import zlib
from contextlib import suppress

from tests.fuzz.mutations import icc, raw, tiff, xml
from tests.fuzz.mutations.values import INTEGERS

_MARK = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]
_PROFILE = b"p\0\0" + zlib.compress(icc.profile())
_PACKET = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
_EXTRA: tuple[Chunk, ...] = (
    (b"iCCP", _PROFILE),
    (b"iCCP", b"p\0\0" + zlib.compress(bytes(1 << 24))),
    (b"eXIf", tiff.EXIF),
    (b"iTXt", _PACKET),
    (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(1 << 24))),
    (b"zTXt", b"c\0\0" + zlib.compress(b"x" * (1 << 22))),
    (b"tEXt", b"c\0" + b"x" * 3000),
    (b"pHYs", struct.pack(">IIB", 0, 0xFFFFFFFF, 1)),
    (b"tRNS", b"\0\1\0\1\0\1"),
    (b"PLTE", b"\0\1\2" * 256),
    (b"gAMA", bytes(4)),
    (b"acTL", struct.pack(">II", 0xFFFFFFFF, 0)),
    (b"fcTL", bytes(26)),
    (b"sBIT", b"\xff\xff\xff"),
    (b"IEND", b""),
    (b"IHDR", struct.pack(">IIBBBBB", 65535, 65535, 16, 6, 0, 0, 1)),
    (b"QQQQ", b""),
)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of one chunk; None where the bytes are no PNG."""
    if not data.startswith(_MARK):
        return None
    chunks = _chunks(data)
    if not chunks:
        return None
    at = rng.randrange(len(chunks))
    name, body = chunks[at]
    match rng.randrange(8):
        case 0:
            del chunks[at]
        case 1:
            chunks[at:at] = [chunks[at]] * rng.choice((1, 2, 300))
        case 2:
            chunks.insert(rng.randrange(len(chunks) + 1), chunks.pop(at))
        case 3:
            chunks.insert(rng.randrange(1, len(chunks) + 1), rng.choice(_EXTRA))
        case 4 | 5:
            chunks[at] = name, _body(name, body, rng)
        case 6:
            chunks[0] = b"IHDR", _header(chunks[0][1], rng)
        case _:
            # A length that lies; the checksum is that of what follows.
            whole = [_chunk(*each) for each in chunks]
            whole[at] = struct.pack(">I", rng.choice(INTEGERS) & 0xFFFFFFFF) + whole[at][4:]
            return _MARK + b"".join(whole)
    return _MARK + b"".join(_chunk(*each) for each in chunks)


def _chunks(data: bytes) -> list[Chunk]:
    found, at = [], len(_MARK)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _header(body: bytes, rng: random.Random) -> bytes:
    """Size, depth, colours or interlacing of another picture."""
    changed = bytearray(body.ljust(13, b"\0"))
    at = rng.choice((0, 4, 8, 9, 10, 11, 12))
    if at < 8:
        changed[at : at + 4] = struct.pack(">I", rng.choice(INTEGERS) & 0xFFFFFFFF)
    else:
        changed[at] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return bytes(changed)


def _body(name: bytes, body: bytes, rng: random.Random) -> bytes:
    if name == b"eXIf":
        return tiff.mutated(body, rng) or raw.mutated(body, rng)
    if name == b"iTXt" and b"<" in body:
        start = body.index(b"<")
        return body[:start] + (xml.mutated(body[start:], rng) or b"")
    if name in (b"IDAT", b"iCCP"):
        start = body.find(b"\0") + 2 if name == b"iCCP" else 0
        with suppress(zlib.error):
            plain = zlib.decompress(body[start:])
            if name == b"iCCP":
                plain = icc.mutated(plain, rng) or b""
            elif rng.random() < 0.3:
                plain += bytes(rng.choice((1, 1000, 1 << 22)))
            else:
                plain = raw.mutated(plain, rng)
            return body[:start] + zlib.compress(plain)
    return raw.mutated(body, rng) if body else b"\0"
