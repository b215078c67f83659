"""JSON: values of other types, huge numbers, deep nesting, doubled keys, keys in another case."""

from __future__ import annotations

import json
import random
from itertools import accumulate
from typing import Any

from tests.fuzz.mutations.values import NAMES, NUMBERS


class Text(str):
    """What is written as it stands, JSON or not."""

    __slots__ = ()


#: An object as pairs, so that a key may stand in it twice: ["{", [key, value], …].
_MARK = "{"
_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2.5, 1e308, 10**30, float("nan"), float("inf"), "", "nan"),
    *([], [_MARK], [0], [[]], [_MARK, ["x", 1]], "ptm", "hsh", "rbf", [1] * 40, [1e300] * 200),
    *("QUFB", "====", "0" * 1001, "AAAA" * 1000, -0.0, 5e-324),
)


def loaded(data: bytes, **options: Any) -> Any:
    """A JSON; None where it is none, or deeper than may be followed from any depth of calls."""
    levels = accumulate((char in b"[{") - (char in b"]}") for char in data)
    if max(levels, default=0) > 100:
        return None
    try:
        return json.loads(data, **options)
    except ValueError:
        return None


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change somewhere in a JSON; None where it is none."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return None
    root = loaded(data, object_pairs_hook=lambda pairs: [_MARK, *map(list, pairs)])
    if root is None:
        return None
    places = _places(root)
    if not places:
        return None
    node, at = rng.choice(places)
    is_pair = bool(node) and node[0] is not _MARK and at == 1 and isinstance(node[0], str)
    match rng.randrange(11):
        case 0 | 1 | 2:
            node[at] = rng.choice(_VALUES)
        case 3:
            node[at] = Text(rng.choice(NUMBERS).decode("utf-8", "replace"))
        case 4:
            node[at] = rng.choice(NAMES)
        case 5:
            other, place = rng.choice(places)
            node[at] = json.loads(_dumped(other[place])) if rng.random() < 0.5 else node[at]
            if isinstance(node[at], dict):
                node[at] = [_MARK, *map(list, node[at].items())]
        case 6:
            node[at] = _nested(node[at], rng)
        case 7 if is_pair:
            node[0] = rng.choice((node[0].upper(), node[0].title(), f" {node[0]}", *NAMES))
        case 8:
            holder, place = rng.choice(_pairs(root) or [(node, at)])
            new = [holder[place][0], rng.choice(_VALUES)] if place else rng.choice(_VALUES)
            holder.insert(max(place, 1), new)
        case 9 if isinstance(node[at], list) and node[at][:1] != [_MARK]:
            node[at].extend(node[at][: rng.randrange(1, 60)] * rng.choice((1, 1, 2000)))
        case _:
            holder, place = rng.choice(_pairs(root) or [(node, at)])
            del holder[place]
    return _dumped(root).encode("utf-8", "surrogatepass")


def _places(root: Any) -> list[tuple[list[Any], int]]:
    """Every value, as the list that holds it and its place there."""
    found, stack = [], [root]
    while stack:
        node = stack.pop()
        is_object = node[:1] == [_MARK]
        for number, value in enumerate(node):
            holder, at = node, number
            if is_object:
                if number == 0:
                    continue
                holder, at = value, 1
                value = value[1]
            found.append((holder, at))
            if isinstance(value, list):
                stack.append(value)
    return found


def _pairs(root: Any) -> list[tuple[list[Any], int]]:
    """Every pair of an object, as the object and its place there."""
    nodes = [root, *(holder[at] for holder, at in _places(root))]
    objects = [node for node in nodes if isinstance(node, list) and node[:1] == [_MARK]]
    return [(node, number) for node in objects for number in range(1, len(node))]


def _nested(value: Any, rng: random.Random) -> Any:
    depth = rng.choice((1, 2, 50, 900, 5000, 200_000))
    inside = _dumped(value)
    if rng.random() < 0.5:
        return Text("[" * depth + inside + "]" * depth)
    return Text('{"a":' * depth + inside + "}" * depth)


def _dumped(value: Any) -> str:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, list) and value[:1] == [_MARK]:
        pairs = (each for each in value[1:] if isinstance(each, list) and len(each) == 2)
        inner = ", ".join(f"{json.dumps(str(key))}: {_dumped(each)}" for key, each in pairs)
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_dumped, value))}]"
    return json.dumps(value)
