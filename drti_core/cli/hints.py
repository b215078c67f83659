"""What the command line adds to the library's messages: the flag or the verb that does it.

The library speaks of files, options and arguments, for it is also called from Python.
"""

from __future__ import annotations

import re

#: Phrases of the library's messages (regular expressions), and what to say in their place.
HINTS = {
    r"(sk for it to be overwritten)": r"\1 (--overwrite)",
    r"(expected a format that is read)": r"\1 (drti plugins lists them)",
    r"(Fit it first)": r"\1: drti fit",
    r"(photographs, no model; fit them)": r"\1: drti fit",
    r"((?:Choose|\.mp4, or) a part of it)": r"\1 (--window)",
    r"\(ball=X,Y,R\)": "(--ball X,Y,R)",
    r"look at a sheet": "look at a sheet (--sheet lights.png)",
    r"the reader (\w+:\w+=FOLDER)": r"--reader \1",
    r"\(images=\)": "(--images FOLDER)",
    r"(Find the lights by glossy balls in the photographs)": r"\1 (drti lights)",
    r"(a check says more)": r"\1 (drti check)",
    r"(them to be aligned as well)": r"\1 (--align)",
    r"(Align them before a fit)": r"\1 (--align)",
    r"\(by_order=\)": "(--by-order)",
    r"(Choose a background)": r"\1 (--background)",
    r"\(colour=\)": "(--colour)",
    r"(keep theirs as it is)": r"\1 (--colour keep)",
    r"(or the distance of the lamps)": r"\1 (--lamp-distance)",
    r"(photograph a white card), or (let levels be estimated)": r"\1 (--white), or \2 "
    "(--levels estimate)",
    r"(Align all of them together, as one capture)": r"\1 (drti align)",
    r"(Ask for floats)": r"\1 (--float)",
    r"(Divide exposures out)": r"\1 (--exposures)",
    r"(Choose|or) (format=\w+)": r"\1 -O \2",
}


def with_flags(text: str) -> str:
    """A message of the library for who typed a command.

    >>> with_flags("this is a stack of photographs; expected a model. Fit it first.")
    'this is a stack of photographs; expected a model. Fit it first: drti fit.'
    """
    for phrase, hint in HINTS.items():
        text = re.sub(phrase, hint, text)
    return text
