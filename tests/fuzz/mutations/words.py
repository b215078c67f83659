"""Text of lines and words (.lp, .csv, headers of .ptm, .rti, .hdr): numbers, words, lines."""

from __future__ import annotations

import random
import re

from tests.fuzz.mutations.values import NAMES, NUMBERS

_NUMBER = re.compile(rb"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
#: What is a header lies here.
_HEAD = 4000
_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"\x0b", b"\x85", b"\xe2\x80\xa8")
_SPACES = (b" ", b"  ", b"\t", b",", b";", b"\xc2\xa0", b"")


def mutated(data: bytes, rng: random.Random) -> bytes | None:
    """One change of the text with which the bytes begin; None where there is no text."""
    head = data[:_HEAD]
    numbers = list(_NUMBER.finditer(head))
    lines = head.split(b"\n")
    if not numbers or not lines[0].isascii():
        return None
    kind = rng.random()
    if kind < 0.6 or len(lines) < 3:
        return _number(data, rng.choice(numbers[:40] if rng.random() < 0.7 else numbers), rng)
    at = rng.randrange(min(len(lines) - 1, 20))
    rest = data[len(head) :]
    match rng.randrange(7):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = [lines[at]] * rng.choice((1, 2, 5000))
        case 2:
            other = rng.randrange(min(len(lines), 20))
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            end = rng.choice(_ENDS)
            return end.join(lines) + rest
        case 4:
            lines[at] = lines[at].replace(b" ", rng.choice(_SPACES))
        case 5:
            name = rng.choice(NAMES).encode("utf-8", "surrogatepass")
            words = lines[at].split(b" ")
            words[rng.randrange(len(words))] = name
            lines[at] = b" ".join(words)
        case _:
            lines[at] = rng.choice((lines[at].swapcase(), b"#" + lines[at], lines[at] * 50))
    return b"\n".join(lines) + rest


def _number(data: bytes, match: re.Match[bytes], rng: random.Random) -> bytes:
    """Another number in place of one."""
    new = rng.choice(NUMBERS)
    if rng.random() < 0.2:
        digits = match[0] if match[0].isdigit() and len(match[0]) < 12 else b"0"
        new = str(int(digits) + rng.choice((-1, 1))).encode()
    return data[: match.start()] + new + data[match.end() :]
