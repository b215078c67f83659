"""Collections of photographs that codecs are compared on: SynthRTI and RealRTI.

The protocols are those of Dulecha et al., *Disk-NeuralRTI* (2024). SynthRTI: fit the photographs in
``Dome``, test on those in ``Test``. RealRTI: five photographs are held out; the paper does not name
them, here they are nearest to the 10, 30, 50, 70 and 90 % quantiles of elevation. Settings are to
be chosen without either: by :attr:`Collection.left_out`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from drti_core.errors import OptionError
from drti_core.io.pictures.photos import natural_key
from drti_core.measure.evaluation import split
from drti_core.registry.doors import open_stack
from drti_core.stack import Stack

#: Groups of collections, in the order of reports.
GROUPS = ("Single", "Multi", "SynthRTI", "RealRTI")
#: Photographs of RealRTI that are held out.
HOLDOUT = 5

_DEPTH = 6


@dataclass(frozen=True)
class Collection:
    """Photographs to fit and photographs to test on.

    Args:
        name: ``Single/Object1/material4``, ``RealRTI/item5``; unique among those of a search.
        group: one of :data:`GROUPS`.
        train: folder of the photographs that are fitted.
        test: folder of the others; None: :data:`HOLDOUT` of the first are held out.
        left_out: so many of the photographs to fit are tested on instead, chosen like those that
            are held out; the protocol's test photographs play no part.
    """

    name: str
    group: str
    train: Path
    test: Path | None = None
    left_out: int = 0

    def open(self) -> tuple[Stack, Stack]:
        """The stacks to fit and to test on.

        Raises:
            DrtiError: a light file or photograph is missing or damaged, or none would be left to
                fit.
        """
        train = open_stack(self.train)
        if self.test is None:
            train, test = split(train, HOLDOUT)
        elif not self.left_out:
            test = open_stack(self.test)
        return split(train, self.left_out) if self.left_out else (train, test)


def find_collections(root: str | os.PathLike[str]) -> tuple[Collection, ...]:
    """The collections in a folder, or the one that it is.

    A folder that holds ``Dome`` and ``Test`` is one of SynthRTI, whose group is the folder
    ``Single`` or ``Multi`` above it; a folder ``item…`` with a light file is one of RealRTI, as is
    ``root`` itself if it holds a light file.

    Raises:
        OptionError: there is none.
    """
    base = Path(root).resolve()
    found: list[Collection] = []
    for folder, names, inside in os.walk(base):
        here = Path(folder)
        names[:] = sorted((n for n in names if not n.startswith(".")), key=natural_key)
        collection = _collection(here, names, inside, here == base)
        if collection is not None:
            found.append(collection)
        if collection is not None or len(here.relative_to(base).parts) >= _DEPTH:
            names.clear()
    if not found:
        raise OptionError(
            "no collection",
            where=str(root),
            expected="folders with Dome and Test in them (SynthRTI), or item1 … (RealRTI)",
        )
    return tuple(sorted(found, key=lambda c: (GROUPS.index(c.group), natural_key(c.name))))


def _collection(folder: Path, names: list[str], files: list[str], root: bool) -> Collection | None:
    if {"Dome", "Test"} <= set(names):
        parts = folder.parts
        group = next((name for name in ("Single", "Multi") if name in parts), "SynthRTI")
        above = parts[parts.index(group) + 1 :] if group in parts else parts[-1:]
        name = "/".join((group, *above))
        return Collection(name, group, folder / "Dome", folder / "Test")
    lights = any(name.lower().endswith(".lp") for name in files)
    if lights and (root or re.fullmatch(r"item\d+", folder.name)):
        return Collection(f"RealRTI/{folder.name}", "RealRTI", folder)
    return None
