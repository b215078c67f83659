"""Protobuf (ONNX): fields changed, repeated, nested, dropped; all outer lengths are mended."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field, replace

from tests.fuzz.mutations import raw
from tests.fuzz.mutations.values import INTEGERS, NAMES

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
#: Operators that hold graphs, whose outputs depend on values, that repeat or that are unknown.
_WORDS = (
    *(b"If", b"Loop", b"Scan", b"SequenceMap", b"NonZero", b"RandomNormal", b"Expand", b"Tile"),
    *(b"Resize", b"ConstantOfShape", b"Einsum", b"Conv", b"MatMul", b"Gather", b"Pad", b"Where"),
    *(b"OneHot", b"Range", b"StringConcat", b"light", b"planes", b"rgb", b"images", b"location"),
    *(b"ai.onnx.ml", b"com.microsoft", *(name.encode("utf-8", "surrogatepass") for name in NAMES)),
)


@dataclass
class Field:
    """A field of a message.

    Args:
        number: of the field.
        wire: how it is written.
        value: a number, or bytes.
        inside: fields of the message that the bytes are; empty where they are none.
    """

    number: int
    wire: int
    value: int | bytes
    inside: list[Field] = field(default_factory=list)


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change anywhere in the tree of fields; None where the bytes are no message."""
    root = _parsed(data)
    if not root or len(data) < 8:
        return None
    level = root
    # From the top down, so that a small outer field is met as often as one of many inner ones.
    while True:
        deeper = [each for each in level if each.inside]
        if not deeper or rng.random() < 0.2:
            break
        level = rng.choice(deeper).inside
    at = rng.randrange(len(level))
    chosen = level[at]
    match rng.randrange(9):
        case 0 | 1 | 2:
            _change(chosen, rng)
        case 3:
            level[at:at] = [chosen] * rng.choice((1, 2, 3, 300))
        case 4:
            del level[at]
        case 5:
            depth = rng.choice((1, 2, 60, 99, 101, 3000))
            content = _written([chosen])
            for _ in range(depth):
                content = _varint(chosen.number << 3 | _BYTES) + _varint(len(content)) + content
            level[at] = Field(chosen.number, _BYTES, content)
        case 6:
            level.insert(rng.randrange(len(level) + 1), deepcopy(rng.choice(root)))
        case 7:
            level[at] = replace(chosen, number=rng.choice((chosen.number + 1, 1, 2, 7, 14, 536)))
        case _:
            # A length that lies; what is outside is mended.
            content = _written([chosen])
            if chosen.wire == _BYTES:
                key = _varint(chosen.number << 3 | _BYTES)
                content = key + _varint(rng.choice(INTEGERS)) + content[len(key) + 1 :]
            level[at] = Field(0, -1, content[: rng.choice((len(content), 1, 3))])
    return _written(root)


def _change(chosen: Field, rng: random.Random) -> None:
    if chosen.wire == _VARINT:
        chosen.value = rng.choice((*INTEGERS, int(chosen.value) + 1, int(chosen.value) ^ 1))
    elif chosen.wire in (_EIGHT, _FOUR):
        chosen.value = rng.randbytes(8 if chosen.wire == _EIGHT else 4)
        if rng.random() < 0.5:
            chosen.value = b"\xff" * len(chosen.value)
    else:
        content = _written(chosen.inside) if chosen.inside else bytes(chosen.value)  # type: ignore[arg-type]
        chosen.inside = []
        if len(content) < 40 and rng.random() < 0.6:
            chosen.value = rng.choice(_WORDS)
        elif content:
            chosen.value = rng.choice((raw.mutated(content, rng), content[:-1], content * 2))
        else:
            chosen.value = rng.choice(_WORDS)


def _parsed(data: bytes, depth: int = 0) -> list[Field]:
    """The fields of a message; empty where the bytes are none, or are too deep to follow."""
    found: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _read(data, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            return []
        if wire == _VARINT:
            value, at = _read(data, at)
            if at < 0:
                return []
            found.append(Field(number, wire, value))
            continue
        size = {_EIGHT: 8, _FOUR: 4}.get(wire, -1)
        if wire == _BYTES:
            size, at = _read(data, at)
        if size < 0 or at < 0 or at + size > len(data):
            return []
        content = data[at : at + size]
        at += size
        inside: list[Field] = []
        if wire == _BYTES and 2 <= size < 100_000 and depth < 12:
            inside = _parsed(content, depth + 1)
            if _written(inside) != content:
                inside = []
        found.append(Field(number, wire, content, inside))
    return found


def _read(data: bytes, at: int) -> tuple[int, int]:
    """A number and where the next byte is; (0, -1) where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if not 0 <= at < len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    return 0, -1


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _written(fields: list[Field]) -> bytes:
    parts = []
    for each in fields:
        if each.wire == -1:
            parts.append(bytes(each.value))  # type: ignore[arg-type]
            continue
        parts.append(_varint(each.number << 3 | each.wire))
        if each.wire == _VARINT:
            parts.append(_varint(int(each.value)))
            continue
        content = _written(each.inside) if each.inside else bytes(each.value)  # type: ignore[arg-type]
        parts.append(_varint(len(content)) + content if each.wire == _BYTES else content)
    return b"".join(parts)
