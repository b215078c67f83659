"""Lights found in made-up captures, against the truth.

``python -m tests.capture.lights_campaign --captures 200 --seed 1 --jobs 2`` prints the table and
keeps a picture of the worst captures beside its journal: outlines of the truth in green, what was
found in red, in the photograph with the largest error.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from drti_core.capture import FoundLight, FoundLights, find_lights, open_capture
from drti_core.stack.samples.made_up import BallTruth, MadeUpCapture, make_capture
from drti_core.stack.samples.made_up import CaptureTruth as Truth
from tests.capture.campaign import Row, arguments, photographs, quantiles, run

#: A highlight so far from its place, of the radius (and pixels), is another one.
_WRONG, _WRONG_PIXELS = 0.1, 1.5
#: A ball is found if its centre and radius are this near, of the radius.
_NEAR = 0.25
#: A light this far off, degrees, must be marked.
_OFF = 3.0
#: Degrees between two balls' directions from which a tenth of a degree tells distance to 2 %.
_PARALLAX = 7.0
#: Captures that are kept as pictures.
_WORST = 12


def measure(name: str, given: argparse.Namespace) -> Row:
    """Find the lights of one capture and compare them with its truth."""
    capture = make_capture(1000 * given.seed + int(name), given.photographs)
    truth = capture.truth
    folder = photographs(capture, name, given.keep)
    told = None if truth.focal_in_exif else truth.focal_mm
    found = find_lights(open_capture(folder), focal_mm=told)
    pairs = match(found, truth)
    lights = [
        compare(light, number, pairs, truth) for number, light in enumerate(found.photographs)
    ]
    balls = [
        {
            "material": item.ball.material,
            "radius": round(item.ball.radius, 1),
            "found": index in pairs.values(),
            "cut": cut(item, capture),
        }
        for index, item in enumerate(truth.balls)
    ]
    centres = [
        math.hypot(found.balls[a].x - t.outline.x, found.balls[a].y - t.outline.y)
        for a, t in ((a, truth.balls[b]) for a, b in pairs.items())
    ]
    radii = [found.balls[a].radius - truth.balls[b].outline.minor for a, b in pairs.items()]
    return {
        "seed": capture.plan.seed,
        "balls": balls,
        "false": len(found.balls) - len(pairs),
        "centres": centres,
        "radii": radii,
        "near": truth.positions is not None,
        "perspective": truth.focal_mm,
        "faults": [fault.kind for fault in truth.faults],
        "lights": lights,
        "picture": picture(capture, found, truth, lights, given.keep / f"{name}.jpg"),
    }


def match(found: FoundLights, truth: Truth) -> dict[int, int]:
    """Found balls and the true ones that they are."""
    pairs: dict[int, int] = {}
    for number, ball in enumerate(found.balls):
        for index, item in enumerate(truth.balls):
            outline = item.outline
            off = math.hypot(ball.x - outline.x, ball.y - outline.y)
            grown = abs(ball.radius - outline.minor)
            if max(off, grown) < _NEAR * outline.minor and index not in pairs.values():
                pairs[number] = index
    return pairs


def cut(item: BallTruth, capture: MadeUpCapture) -> bool:
    """Whether the picture's edge cuts the ball."""
    rows, columns = capture.plan.camera.size
    o, r = item.outline, item.outline.major
    return o.x < r or o.y < r or o.x > columns - r or o.y > rows - r


def compare(light: FoundLight, number: int, pairs: dict[int, int], truth: Truth) -> Row:
    """One photograph's light against its truth; angles in degrees."""
    wrong = taken = 0
    hits = []
    for ball, spot in enumerate(light.highlights):
        if spot is None or spot.confidence < 0.5:
            continue
        taken += 1
        item = truth.balls[pairs[ball]] if ball in pairs else None
        off = math.inf
        if item is not None and not np.isnan(item.highlights[number]).any():
            x, y = item.highlights[number]
            off = math.hypot(spot.x - x, spot.y - y)
        if item is not None and off < max(_WRONG * item.outline.minor, _WRONG_PIXELS):
            hits.append(off / item.outline.minor)
        else:
            wrong += 1
    here = [pairs[b] for b, s in enumerate(light.highlights) if s is not None and b in pairs]
    true = truth.directions[number]
    if truth.positions is not None and len(here) == 1:
        true = truth.balls[here[0]].directions[number]  # one ball tells the direction there
    row: Row = {
        "source": light.source,
        "doubtful": bool(light.doubtful),
        "reason": light.reason,
        "wrong": wrong,
        "taken": taken,
        "places": hits,
        "seen": sum(not np.isnan(item.highlights[number]).any() for item in truth.balls),
        "moved": any(f.kind == "shift" and number in f.photographs for f in truth.faults),
    }
    if light.direction is not None:
        row["error"] = angle(light.direction, true)
    if truth.positions is not None and len(truth.balls) > 1 and len(here) > 1:
        place = truth.positions[number]
        seen = [truth.balls[index].directions[number] for index in here]
        row["parallax"] = max(angle(a, b) for a in seen for b in seen)
        row["position"] = (
            math.inf
            if light.position is None
            else float(np.linalg.norm(light.position - place) / np.linalg.norm(place))
        )
    return row


def angle(a: Any, b: Any) -> float:
    """Degrees between vectors."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b))))


def picture(
    capture: MadeUpCapture, found: FoundLights, truth: Truth, lights: list[Row], path: Path
) -> int:
    """Save the photograph of the largest error with what is true and what was found."""
    worst = max(
        range(len(lights)),
        key=lambda n: (lights[n]["wrong"] and not lights[n]["doubtful"], lights[n].get("error", 0)),
    )
    image = Image.fromarray(capture.picture(worst)).point(lambda v: int(255 * (v / 255) ** 0.6))
    draw = ImageDraw.Draw(image)
    for item in truth.balls:
        o = item.outline
        draw.ellipse((o.x - o.minor, o.y - o.minor, o.x + o.minor, o.y + o.minor), outline="lime")
        cross(draw, item.highlights[worst], "lime")
    for ball, spot in zip(found.balls, found.photographs[worst].highlights, strict=True):
        r = ball.radius
        draw.ellipse((ball.x - r, ball.y - r, ball.x + r, ball.y + r), outline="red")
        if spot is not None:
            cross(draw, (spot.x, spot.y), "red")
    image.save(path, quality=90)
    return worst


def cross(draw: ImageDraw.ImageDraw, place: Any, colour: str) -> None:
    """A small cross at a place of the picture."""
    x, y = (float(v) for v in place)
    if not math.isnan(x):
        draw.line((x - 5, y, x + 5, y), fill=colour)
        draw.line((x, y - 5, x, y + 5), fill=colour)


def bad(light: Row) -> bool:
    """Wrong, and nothing says so: a highlight that is none, or a direction far off."""
    if light["doubtful"] or light["source"] != "balls" or light["moved"]:
        return False
    return bool(light["wrong"]) or light.get("error", 0) > _OFF


def table(rows: list[Row]) -> str:
    """The campaign's result as text."""
    sound = [row for row in rows if "error" not in row]
    lines = [f"{len(rows)} captures, {len(rows) - len(sound)} ended in an error"]
    exact = [r for r in sound if not r["false"] and all(b["found"] for b in r["balls"])]
    lines.append(f"all balls and no false one: {len(exact)} ({len(exact) / len(rows):.1%})")
    for key in ("material", "cut"):
        all_, hit = Counter[Any](), Counter[Any]()
        for row in sound:
            for ball in row["balls"]:
                all_[ball[key]] += 1
                hit[ball[key]] += ball["found"]
        told = ", ".join(f"{kind} {hit[kind]}/{all_[kind]}" for kind in sorted(all_))
        lines.append(f"  balls found by {key}: {told}")
    lines.append(f"  false balls: {sum(row['false'] for row in sound)}")
    lines.append("centres, pixels: " + quantiles(c for r in sound for c in r["centres"]))
    lines.append("radii, pixels: " + quantiles(abs(c) for r in sound for c in r["radii"]))
    lights = [light for row in sound for light in row["lights"]]
    still = [x for x in lights if x["seen"] and not x["moved"]]
    lines.append(
        f"photographs: {len(lights)}; with a highlight, not moved: {len(still)}; "
        f"of these without direction {sum('error' not in x for x in still)}, "
        f"doubtful {sum(x['doubtful'] for x in still)}"
    )
    lines.append("direction, all: " + quantiles(x["error"] for x in lights if "error" in x))
    lines.append("direction, these: " + quantiles(x["error"] for x in still if "error" in x))
    lines.append(
        "direction, not doubtful: "
        + quantiles(x["error"] for x in lights if "error" in x and not x["doubtful"])
    )
    lines.append(
        "direction, estimated: "
        + quantiles(x["error"] for x in lights if "error" in x and x["source"] == "estimated")
    )
    lines.append("highlights, radii: " + quantiles(p for x in lights for p in x["places"]))
    known = [x["position"] for x in lights if "position" in x]
    if known:
        lines.append(f"positions: {share(known)}")
        wide = [x["position"] for x in lights if x.get("parallax", 0) > _PARALLAX]
        lines.append(f"  of a parallax over {_PARALLAX:g} degrees: {share(wide)}")
    none = [x for x in lights if not x["seen"]]
    marked = sum(x["doubtful"] or x["source"] != "balls" for x in none)
    lines.append(f"without a highlight: {len(none)}, marked {marked}")
    lines.append(f"wrong and not marked: {sum(map(bad, lights))} photographs")
    lines.append(f"processor seconds a capture: {np.mean([r['seconds'] for r in rows]):.1f}")
    lines += ["", "captures to look at (name, seed: what):"]
    for row in sorted(rows, key=weight, reverse=True)[:_WORST]:
        if weight(row) > 0:
            lines.append(f"  {row['name']}, {row.get('seed', '')}: {why(row)}")
    return "\n".join(lines)


def share(values: list[float]) -> str:
    """How many positions are right to 2 %, as text."""
    good = sum(value < 0.02 for value in values)
    return f"within 2 % {good}/{len(values)}; {quantiles(values)}"


def weight(row: Row) -> float:
    """How bad a capture is."""
    if "error" in row:
        return 1e4
    missed = sum(not ball["found"] for ball in row["balls"])
    errors = [x["error"] for x in row["lights"] if "error" in x and not x["moved"]]
    off = float(np.percentile(errors, 90)) if errors else 90.0
    return 1000 * (missed + row["false"]) + 100 * sum(map(bad, row["lights"])) + max(0, off - 1)


def why(row: Row) -> str:
    """What is wrong with a capture, in one line."""
    if "error" in row:
        return str(row["error"].strip().splitlines()[-1])
    parts = [
        f"missed {b['material']} of radius {b['radius']}{' (cut)' if b['cut'] else ''}"
        for b in row["balls"]
        if not b["found"]
    ]
    if row["false"]:
        parts.append(f"{row['false']} false")
    wrong = [n for n, light in enumerate(row["lights"]) if bad(light)]
    if wrong:
        parts.append(f"unmarked wrong in photographs {wrong[:8]} (from 0)")
    errors = [x["error"] for x in row["lights"] if "error" in x and not x["moved"]]
    if errors:
        parts.append("error median {:.2f} 95 % {:.2f}".format(*np.percentile(errors, [50, 95])))
    kinds = ", ".join(f"{b['material']} {b['radius']}" for b in row["balls"])
    lens = f"{row['perspective']} mm" if row["perspective"] else "parallel"
    parts.append(f"[{kinds}; {lens}; {'near' if row['near'] else 'far'}; {row['faults']}]")
    return "; ".join(parts)


def main() -> None:
    """Run the campaign and print its table."""
    given = arguments("lights_campaign", __doc__ or "")
    numbers = range(given.first, given.first + given.captures)
    rows = run(given, [f"{number:03d}" for number in numbers], measure)
    text = f"seed {given.seed}\n{table(rows)}\n"
    (given.keep / "table.txt").write_text(text)
    print(text)
    worst = {row["name"] for row in sorted(rows, key=weight, reverse=True)[:_WORST]}
    for file in given.keep.glob("*.jpg"):
        if file.stem not in worst:
            file.unlink()


if __name__ == "__main__":
    main()
