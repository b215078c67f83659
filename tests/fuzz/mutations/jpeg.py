"""JPEG: segments changed, dropped, doubled, moved or new, their lengths mended."""

from __future__ import annotations

import random
import struct

from tests.fuzz.mutations import icc, raw, tiff, xml
from tests.fuzz.mutations.values import INTEGERS

Segment = tuple[int, bytes]
_START, _END, _SCAN, _TABLE, _INTERVAL = 0xD8, 0xD9, 0xDA, 0xDB, 0xDD
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA)
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_EXTRA: tuple[Segment, ...] = (
    (0xE1, _EXIF + tiff.EXIF),
    (0xE1, _XMP + b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a/></x:xmpmeta>"),
    (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + b"\xff" * 8),
    (0xE2, _ICC + b"\1\1" + icc.profile()),
    (0xE2, _ICC + b"\3\2" + icc.profile()),
    (0xE2, _ICC + b"\0\0"),
    (0xEE, b"Adobe\0\x64\0\0\0\0\2"),
    (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff"),
    (0xFE, b"x" * 60_000),
    (_INTERVAL, b"\0\1"),
    (_INTERVAL, b"\xff\xff"),
    (_TABLE, b"\0" + b"\0" * 64),
    (0xDC, b"\xff\xff"),
    (0xCC, b"\0\0"),
)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of one segment; None where the bytes are no JPEG."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    segments, scan = _segments(data)
    if not segments:
        return None
    at = rng.randrange(len(segments))
    mark, body = segments[at]
    match rng.randrange(8):
        case 0:
            del segments[at]
        case 1:
            segments[at:at] = [segments[at]] * rng.choice((1, 2, 200))
        case 2:
            segments.insert(rng.randrange(len(segments) + 1), segments.pop(at))
        case 3:
            segments.insert(rng.randrange(len(segments)), rng.choice(_EXTRA))
        case 4:
            segments[at] = mark, _body(mark, body, rng)
        case 5:
            frames = [n for n, (kind, _) in enumerate(segments) if kind in _FRAMES]
            if frames:
                segments[frames[0]] = _frame(*segments[frames[0]], rng)
        case 6:
            scan = _scanned(scan, rng)
        case _:
            whole = [_segment(*each) for each in segments]
            size = struct.pack(">H", rng.choice(INTEGERS) & 0xFFFF)
            whole[at] = whole[at][:2] + size + whole[at][4:]
            return b"\xff\xd8" + b"".join(whole) + scan
    return b"\xff\xd8" + b"".join(_segment(*each) for each in segments) + scan


def _segments(data: bytes) -> tuple[list[Segment], bytes]:
    """The segments up to the first scan's, and what follows it."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((data[at + 1], data[at + 4 : at + 2 + size]))
        at += 2 + size
        if found[-1][0] == _SCAN:
            break
    return found, data[at:]


def _segment(mark: int, body: bytes) -> bytes:
    return bytes((0xFF, mark)) + struct.pack(">H", min(len(body) + 2, 0xFFFF)) + body


def _frame(mark: int, body: bytes, rng: random.Random) -> Segment:
    """Another kind of frame, size, depth or sampling."""
    changed = bytearray(body)
    kind = rng.randrange(4)
    if kind == 0:
        mark = rng.choice(_FRAMES)
    elif kind == 1 and len(body) >= 5:
        at = rng.choice((1, 3))
        changed[at : at + 2] = struct.pack(">H", rng.choice(INTEGERS) & 0xFFFF)
    elif changed:
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 2, 3, 4, 8, 12, 0x41, 0xFF))
    return mark, bytes(changed)


def _body(mark: int, body: bytes, rng: random.Random) -> bytes:
    for head, inside in ((_EXIF, tiff.mutated), (_XMP, xml.mutated), (_ICC, icc.mutated)):
        start = len(head) + (2 if head == _ICC else 0)
        if body.startswith(head):
            return body[:start] + (inside(body[start:], rng) or b"")
    return raw.mutated(body, rng) if body else b"\0"


def _scanned(scan: bytes, rng: random.Random) -> bytes:
    """Entropy-coded data cut, with marks in it, doubled, or changed."""
    at = rng.randrange(len(scan) or 1)
    match rng.randrange(5):
        case 0:
            return scan[:at]
        case 1:
            return scan[:at] + bytes((0xFF, rng.choice((0xD0, 0xD5, _END, 0xC4, _START))))
        case 2:
            return scan[:at] + b"\xff\xd0" + scan[at:]
        case 3:
            return scan + scan * rng.choice((1, 20))
        case _:
            return raw.mutated(scan, rng) if scan else b"\xff\xd9"
