"""What a reader does to photographs once they are open, which can be done again to other ones.

Development and the distortion of a lens belong to photographs as they are on disk; what a project
says of them (offsets, lamps) comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from drti_core.stack.stack import ImageStack, Stack

#: Called with what the steps before it gave, and the photographs; pickles.
Step = Callable[[Stack, ImageStack], Stack]


@dataclass(frozen=True, eq=False)
class Reading:
    """How a reader made a stack.

    Args:
        photographs: as they are on disk.
        steps: what was done to them.
        made: fields of the stack that came out.
    """

    photographs: ImageStack
    steps: tuple[Step, ...]
    made: Mapping[str, Any] = field(repr=False)


def read_by(photographs: ImageStack, *steps: Step) -> Stack:
    """The stack that a reader gives.

    Args:
        photographs: as they are on disk.
        steps: what the reader does to them, in this order.
    """
    found: Stack = photographs
    for step in steps:
        found = step(found, photographs)
    if isinstance(found, ImageStack):
        return found
    made = {item.name: getattr(found, item.name) for item in fields(Stack)}
    made = {name: made[name] for name in made if name not in ("reading", "pixel_size_mm")}
    return replace(found, reading=Reading(photographs, steps, made))


def photographs_of(stack: Stack) -> ImageStack | None:
    """The photographs of a stack as they are on disk; None where more was done than by its reader.

    Args:
        stack: whose pixels may have got a size.
    """
    if isinstance(stack, ImageStack):
        return stack
    reading = stack.reading
    if reading is None:
        return None
    if any(getattr(stack, name) is not value for name, value in reading.made.items()):
        return None
    return replace(reading.photographs, pixel_size_mm=stack.pixel_size_mm)


def read_again(stack: Stack, photographs: ImageStack) -> Stack:
    """What the reader of a stack would have made of these photographs.

    Args:
        stack: of which :func:`photographs_of` gave some.
        photographs: made from them.
    """
    return photographs if stack.reading is None else read_by(photographs, *stack.reading.steps)
