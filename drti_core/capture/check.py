"""What is wrong with a stack: misfires, wrong lights, moved frames and gaps, in a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, U8, Bool
from drti_core.capture.exposures import exposures_of
from drti_core.capture.finding import Finding
from drti_core.capture.lamp_levels import levels_of
from drti_core.capture.search import Search
from drti_core.capture.survey import Survey, survey
from drti_core.io.pictures.colours import bytes_for_screen
from drti_core.lights import LightDirections
from drti_core.lights.coverage import Coverage, coverage
from drti_core.progress import Progress, no_progress, part_of
from drti_core.stack import Stack

#: Of fewer photographs each other tells too little.
FEWEST = 8
#: More are looked at in parts of up to so many, for pairs of them cost the square of their number.
MOST = 200
#: Stops by which EXIF's exposures differ when they are not the same.
_EXIF = 0.2
#: Mean difference of codes (of 8 bits) of one shot kept twice, and as a share of the usual one
#: between neighbours of two shots under one light.
_SAME, _ALIKE = 0.35, 0.2
#: Moved photographs that are named in one line beside the first.
_NAMED = 10
#: Share of clipped pixels worth a note, and worth one for each photograph.
_CLIPPED, _SPOILED = 0.05, 0.4


@dataclass(frozen=True, eq=False)
class Checked:
    """What a check found.

    Args:
        names: of the L photographs.
        lights: as given.
        shape: (H, W) of the photographs.
        findings: the gravest first.
        stops: (L,) by how much each is brighter than predicted, factors of two.
        moved: (L, 2) rows down and columns to the right, pixels.
        sharpness: (L,) log2; 0 as predicted.
        light_off: (L,) degrees between a light and what the other photographs say of it.
        white: (L,) clipped shares.
        black: (L,) shares of black pixels.
        best_lights: of the photographs, as the others tell them; None where they are too few.
        coverage: of the hemisphere.
        thumbnails: (L, h, w, 3), sRGB, for a sheet.
    """

    names: tuple[str, ...]
    lights: LightDirections
    shape: tuple[int, int]
    findings: tuple[Finding, ...]
    stops: F64
    moved: F64
    sharpness: F64
    light_off: F64
    white: F64
    black: F64
    best_lights: LightDirections | None
    coverage: Coverage
    thumbnails: U8 = field(repr=False)
    levels: F32 | None = field(default=None, repr=False)

    @property
    def sound(self) -> bool:
        """Whether nothing found is grave."""
        return not any(finding.grave for finding in self.findings)

    def of(self, photograph: int) -> tuple[Finding, ...]:
        """What was found of one photograph."""
        return tuple(f for f in self.findings if photograph in f.photographs)

    def note(self) -> str | None:
        """The gravest finding about photographs in one line; None where there is none.

        Where it is a move, other photographs that were moved are named too.
        """
        grave = [f for f in self.findings if f.grave and f.photographs]
        if not grave:
            return None
        first, *rest = grave
        alike = [f for f in rest if first.kind == f.kind == "moved"]
        names = [self.names[i] for f in alike[:_NAMED] for i in f.photographs]
        if len(alike) > _NAMED:
            names.append(f"{len(alike) - _NAMED} more")
        text = first.text + (f", and so {'is' if len(alike) == 1 else 'are'} " if names else "")
        text += ", ".join(names)
        more = len(rest) - len(alike)
        others = f" (and {more} more finding{'s' * (more > 1)})" if more else ""
        return f"{text}{others}; a check says more"

    def as_dict(self) -> dict[str, Any]:
        """Strictly JSON-able."""
        best = self.best_lights
        return {
            "sound": self.sound,
            "photographs": len(self.names),
            "height": self.shape[0],
            "width": self.shape[1],
            "findings": [finding.as_dict(self.names) for finding in self.findings],
            "coverage": self.coverage.as_dict(),
            "lights": [
                {
                    "name": name,
                    "light": _numbers(self.lights.xyz[i]),
                    "best_light": None if best is None else _numbers(best.xyz[i]),
                    "light_off_degrees": round(float(self.light_off[i]), 2),
                    "stops": round(float(self.stops[i]), 3),
                    "moved_pixels": _numbers(self.moved[i], 2),
                    "sharpness": round(float(self.sharpness[i]), 3),
                    "white": round(float(self.white[i]), 5),
                    "black": round(float(self.black[i]), 5),
                }
                for i, name in enumerate(self.names)
            ],
        }


def check(stack: Stack, *, quick: bool = False, progress: Progress = no_progress) -> Checked:
    """Compare each photograph of a stack with what the others say of it.

    More than :data:`MOST` photographs are looked at in parts, each with lights from all sides: what
    lies in two parts, such as an exchanged pair, is told as two wrong lights.

    Args:
        stack: photographs and their lights.
        quick: leave out what takes longest (lights told by looks).
        progress: called with the share done and what is being done.

    Raises:
        StackError: a photograph is damaged.
        ResourceError: neither memory nor the folder for temporary files suffices.
    """
    groups = max(1, -(-len(stack) // MOST))
    parts = []
    for first in range(groups):  # every so-manieth, so that each part has lights from all sides
        share = part_of(progress, first / groups, (first + 1) / groups)
        chosen = range(first, len(stack), groups)
        parts.append(_check_part(stack.select(list(chosen)) if groups > 1 else stack, quick, share))
    place = np.argsort(np.concatenate([np.arange(i, len(stack), groups) for i in range(groups)]))
    findings = [
        replace(finding, photographs=tuple(first + groups * i for i in finding.photographs))
        for first, part in enumerate(parts)
        for finding in part.findings
    ]
    findings += _by_exif(stack)
    covered = coverage(stack.lights)
    if (note := covered.note()) is not None:
        findings.append(Finding("coverage", (), note, covered.gap))
    findings += [Finding("note", (), note.rstrip("."), grave=False) for note in stack.notes]

    def whole(values: Callable[[_Part], Any]) -> Any:
        return np.concatenate([values(part) for part in parts])[place]

    best = [part.search.best_lights for part in parts]
    return Checked(
        names=stack.names,
        lights=stack.lights,
        shape=stack.shape,
        findings=tuple(_explained(findings)),
        stops=whole(lambda part: part.search.stops),
        moved=whole(lambda part: part.search.moved),
        sharpness=whole(lambda part: part.search.sharpness),
        light_off=whole(lambda part: part.search.light_off),
        white=whole(lambda part: part.seen.white),
        black=whole(lambda part: part.seen.black),
        best_lights=(
            LightDirections(np.concatenate([lights.xyz for lights in best if lights])[place])
            if all(lights is not None for lights in best)
            else None
        ),
        coverage=covered,
        thumbnails=_on_screen(whole(lambda part: part.seen.thumbnails), stack.profiles),
        levels=levels_of(stack),
    )


def _on_screen(thumbnails: U8, profiles: Sequence[bytes | None]) -> U8:
    """The pictures in sRGB, each by its own profile."""
    convert = {profile: bytes_for_screen(profile) for profile in dict.fromkeys(profiles)}
    for picture, profile in zip(thumbnails, profiles, strict=True):
        if (change := convert[profile]) is not None:
            picture[...] = change.to_codes(picture)
    return thumbnails


@dataclass(frozen=True, eq=False)
class _Part:
    """Up to :data:`MOST` photographs: what was seen of them, and found, by their numbers in it."""

    search: Search
    seen: Survey
    findings: list[Finding]


def _check_part(stack: Stack, quick: bool, progress: Progress) -> _Part:
    seen = survey(stack, part_of(progress, 0, 0.6))
    search = Search(stack.lights, seen, quick=quick)
    if len(stack) >= FEWEST:
        search.run(part_of(progress, 0.6, 1))
    findings = [
        *search.findings(stack.names),
        *_duplicates(seen, search.dark, stack.names),
        *_clipped(seen, stack.names),
    ]
    return _Part(search, seen, findings)


def _explained(findings: Sequence[Finding]) -> list[Finding]:
    """Without what follows from a graver finding about the same photograph."""
    hides = {
        "misfire": {"exposure", "moved", "blurred", "light", "exchanged", "duplicate"},
        "duplicate": {"light", "exchanged", "exposure", "moved", "blurred"},
        "exchanged": {"light"},
    }
    found = []
    for finding in findings:
        other = [
            f
            for f in findings
            if finding.kind in hides.get(f.kind, ())
            and set(f.photographs) & set(finding.photographs)
        ]
        if not other:
            found.append(finding)
    return sorted(found, key=lambda finding: not finding.grave)


def _by_exif(stack: Stack) -> list[Finding]:
    """Photographs whose exposure is another one than most have, by their EXIF."""
    stops = exposures_of(stack)
    known = np.isfinite(stops)
    if known.sum() < 2:
        return []
    off = stops - np.median(stops[known])
    found = []
    for i in np.flatnonzero(known & (np.abs(off) > _EXIF)).tolist():
        times = f"{2 ** off[i]:.2g} times the exposure of the others, by its EXIF"
        found.append(Finding("exif", (i,), f"{stack.names[i]} has {times}", float(off[i])))
    return found


def _duplicates(seen: Survey, dark: Bool, names: Sequence[str]) -> list[Finding]:
    """Photographs that are one shot, or two under one light."""
    count = len(names)
    close = (seen.close * 255).reshape(count, -1)
    close = close[:, :: max(1, close.shape[1] // 20_000)]
    difference = np.full((count, count), np.inf)
    for i in range(count):
        for j in range(i):
            if not (dark[i] or dark[j]):
                difference[i, j] = difference[j, i] = float(np.abs(close[i] - close[j]).mean())
    # The eighth of a row bounds the median of the six that are looked at: most pairs are far off.
    bound = np.sort(difference, axis=1)[:, 7] if count > 8 else np.full(count, np.inf)
    found = []
    for i, j in np.argwhere(np.tril(difference <= _ALIKE * bound[:, None], -1)).tolist():
        others = np.sort(np.concatenate([difference[i], difference[j]]))
        next_best = float(np.median(others[np.isfinite(others)][2:8])) if count > 8 else np.inf
        far = _ALIKE * next_best if np.isfinite(next_best) else 0.0
        if difference[i, j] <= far:
            how = "were taken under one light"
            if difference[i, j] < _SAME:
                how = "are one shot"
            text = f"{names[j]} and {names[i]} {how}: a duplicate"
            found.append(Finding("duplicate", (j, i), text))
    return found


def _clipped(seen: Survey, names: Sequence[str]) -> list[Finding]:
    """Notes on photographs of which much is clipped."""
    found = []
    spoiled = np.flatnonzero(seen.white > _SPOILED).tolist()
    for i in spoiled:
        share = float(seen.white[i])
        found.append(
            Finding("clipped", (i,), f"{share:.0%} of {names[i]} is clipped", share, grave=False)
        )
    some = np.flatnonzero((seen.white > _CLIPPED) & (seen.white <= _SPOILED))
    if len(some):
        worst = int(some[np.argmax(seen.white[some])])
        share = float(seen.white[worst])
        count = len(some)
        text = f"{count} photograph{'s are' if count > 1 else ' is'} clipped over {_CLIPPED:.0%}"
        text += f" or more of the object, {names[worst]} the most ({share:.0%})"
        found.append(Finding("clipped", tuple(some.tolist()), text, share, grave=False))
    return found


def _numbers(values: Any, digits: int = 5) -> list[float]:
    return [round(float(value), digits) + 0.0 for value in values]
