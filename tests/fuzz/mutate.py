"""Mutations of trees of files, reproducible from a number."""

from __future__ import annotations

import json
import random
import re
import struct
from typing import Any

from tests.fuzz.seeds import Seed

Files = dict[str, bytes]

_NUMBER = re.compile(rb"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
#: Numbers that break assumptions.
_NUMBERS = (
    *(b"0", b"-1", b"1", b"2", b"3", b"255", b"256", b"65535", b"65536", b"1000000", b"1e308"),
    *(b"2147483647", b"2147483648", b"-2147483648", b"4294967296", b"9223372036854775808"),
    *(b"nan", b"inf", b"-inf", b"1e-320", b"-0.0", b"1e400", b"0x10", b"9" * 30, b"1_000"),
    *(b"", b"true", b"null", b'"x"', b"[]", b"{}", b"1.5"),
)
_TOKENS = (
    *(b"\0", b"\n", b"\r\n", b" ", b"\t", b"#", b"\xff", b"\xef\xbb\xbf", b"../", b"/etc/passwd"),
    *(b"<!ENTITY a 'b'>", b"&a;", b"<!DOCTYPE a [<!ENTITY a 'bbbb'><!ENTITY b '&a;&a;'>]>"),
    *(b"PTM_1.2\n", b"PTM_FORMAT_JPEG_RGB\n", b"#HSH1.2\n", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"),
    *(b'"width"', b'"height"', b"{", b"}", b"[", b"]", b",", b":", b'"', b"<", b">", b"\\", b"%"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2.5, 1e308, 10**30, float("nan"), float("inf"), "", "../x", "\0"),
    *([], {}, [0], [[]], {"x": 1}, "nan", "ptm", "hsh", "rbf", "x" * 300, [1] * 40),
)


def mutated(seed: Seed, rng: random.Random, others: list[Seed]) -> Files:
    """A few mutations of the files of a seed."""
    files = dict(seed.files)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        if not files:
            break
        # The descriptions are what is parsed; pictures are others' code.
        names = sorted(files, key=lambda name: (len(files[name]) > 3000, name))
        name = rng.choice(names[:2] if rng.random() < 0.6 else names)
        kind = rng.random()
        if kind < 0.04:
            _tree(files, name, rng, others)
        elif kind < 0.35 and files[name].lstrip().startswith(b"{"):
            files[name] = _json(files[name], rng)
        elif kind < 0.6 and _NUMBER.search(files[name][:2000]):
            files[name] = _number(files[name], rng)
        else:
            files[name] = _bytes(files[name], rng)
    return files


def _tree(files: Files, name: str, rng: random.Random, others: list[Seed]) -> None:
    """Take a file away, rename it, swap it with another, or put another's in its place."""
    kind = rng.randrange(4)
    if kind == 0:
        del files[name]
    elif kind == 1:
        files[name + rng.choice(("~", ".jpg", " ", ".lp"))] = files.pop(name)
    elif kind == 2:
        other = rng.choice(sorted(files))
        files[name], files[other] = files[other], files[name]
    else:
        files[name] = rng.choice(list(rng.choice(others).files.values()))


def _json(data: bytes, rng: random.Random) -> bytes:
    """Change, remove or double a value somewhere in a JSON."""
    try:
        root = json.loads(data)
    except ValueError:
        return _bytes(data, rng)
    places: list[tuple[Any, Any]] = []
    stack = [root]
    while stack:
        node = stack.pop()
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                stack.append(node[key])
    if not places:
        return _bytes(data, rng)
    node, key = rng.choice(places)
    kind = rng.random()
    if kind < 0.6:
        node[key] = rng.choice(_VALUES)
    elif kind < 0.75:
        del node[key]
    elif kind < 0.9:
        other, place = rng.choice(places)
        if isinstance(other, dict) or place < len(other):
            node[key] = json.loads(
                json.dumps(other.get(place) if isinstance(other, dict) else other[place])
            )
    elif isinstance(node, list):
        node.extend(node[: rng.randrange(1, 60)])
    else:
        node[rng.choice(("width", "type", "drti", "basis", "skip"))] = rng.choice(_VALUES)
    return json.dumps(root).encode()


def _number(data: bytes, rng: random.Random) -> bytes:
    """Another number in place of one that stands in text near the start."""
    found = list(_NUMBER.finditer(data[:4000]))
    match = rng.choice(found[:40] if rng.random() < 0.7 else found)
    new = rng.choice(_NUMBERS)
    if rng.random() < 0.2:
        digits = match[0] if match[0].isdigit() and len(match[0]) < 12 else b"0"
        new = str(int(digits) + rng.choice((-1, 1))).encode()
    return data[: match.start()] + new + data[match.end() :]


def _bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, insert or overwrite bytes."""
    size = len(data)
    reach = max(1, min(size, 1024) if rng.random() < 0.6 else size)
    at = rng.randrange(reach)
    kind = rng.randrange(8)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + rng.randrange(1, 64) :]
    if kind == 2:
        return data[:at] + rng.randbytes(rng.randrange(1, 40)) + data[at:]
    if kind == 3:
        part = data[at : at + rng.randrange(1, 200)]
        return data[:at] + part * rng.choice((2, 2, 3, 50)) + data[at + len(part) :]
    if kind == 4:
        return data[:at] + rng.choice(_TOKENS) + data[at + rng.choice((0, 0, 1, 4)) :]
    if kind == 5 and size >= 4:
        value = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x7FC00000, 0x7F800000))
        word = struct.pack(rng.choice("<>") + "I", value)
        return data[:at] + word + data[at + 4 :]
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            place = rng.randrange(min(reach, len(changed)))
            changed[place] = rng.choice(
                (changed[place] ^ (1 << rng.randrange(8)), rng.randrange(256))
            )
    return bytes(changed)
