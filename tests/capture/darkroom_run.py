"""From raw files to a page: a made-up shooting with everything that goes wrong, step by step.

    python -m tests.capture.darkroom_run OUT [--seed 3] [--size 960x720]

DNGs (Bayer, a camera's own colours) of a table with two balls under near lamps that differ by
25 %, through a lens that darkens the corners; a matt card under the same lamps; a tripod that was
knocked after two thirds. Each command is timed, and leaves a picture to look at. At the end: how
far the lights and the normals are from the truth, and how far frames were from where they belong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

import drti_core as drti
from drti_core.arrays import F32, F64
from drti_core.capture.reflection import angles
from drti_core.stack.samples.made_up import MadeUpCapture, make_capture
from tests.helpers.dng import MATRIX, PHASES, WHITE, mosaic_of, write_dng

#: Linear sRGB to XYZ, D65 (IEC 61966-2-1).
_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float64
)
#: After this share of the photographs the tripod is knocked: pixels right and down, and degrees.
_KNOCKED, _MOVE, _TURN = 2 / 3, (5.3, -3.6), 0.3
_BLACK = 512
#: Darkness of the corners, and of the card.
_CORNERS, _CARD = 0.35, 0.7


def main() -> int:
    """Shoot, and take every step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--size", default="960x720")
    parser.add_argument("--photographs", type=int, default=36)
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    out = given.out
    out.mkdir(parents=True, exist_ok=True)
    capture = near_capture(given.seed, given.photographs, (height, width))
    shots, card = out / "shots", out / "card"
    if not shots.exists():
        shoot(capture, shots, card)
    steps = {
        "lights": ["lights", shots, "-o", out / "dirs.lp", "--sheet", out / "lights.png"],
        "check": ["check", out / "dirs.lp", "--images", shots, "--sheet", out / "check.html"],
        "align": ["align", out / "dirs.lp", "--images", shots, "-o", out / "aligned"],
    }
    opening = ["--images", shots, "--white", card, "--align=rigid"]
    steps |= {
        "fit": ["fit", out / "dirs.lp", *opening, "-o", out / "model"],
        "normals": ["normals", out / "dirs.lp", *opening, "-o", out / "normals.png"],
        "relight": ["relight", out / "model", "--light", "-0.5,0.5,0.7", "-o", out / "relit.png"],
        "page": ["export", out / "model", "--to", "html", "-o", out / "page.html"],
    }
    for name, command in steps.items():
        step(name, command)
    report(capture, out)
    return 0


def near_capture(seed: int, photographs: int, size: tuple[int, int]) -> MadeUpCapture:
    """The first capture from this seed on whose lamps are near."""
    while True:
        found = make_capture(seed, photographs, size=size, balls=2, faults=())
        if found.truth.positions is not None:
            return found
        seed += 1


def strengths(capture: MadeUpCapture) -> F64:
    """(L,) of the lamps."""
    return np.random.default_rng([capture.plan.seed, 7]).uniform(0.75, 1.25, len(capture))


def shoot(capture: MadeUpCapture, shots: Path, card: Path) -> None:
    """Write the DNGs of the table and of the card."""
    shots.mkdir()
    card.mkdir()
    size = capture.plan.camera.size
    y, x = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]), indexing="ij")
    lens = (1 - _CORNERS * (x * x + y * y) / 2).astype(np.float32)
    knocked = round(_KNOCKED * len(capture))
    names = capture.truth.names
    for i, strength in enumerate(strengths(capture)):
        picture = capture.radiance(i)
        if i >= knocked:
            picture = moved(picture)
        bright = np.float32(strength) * lens
        name = Path(names[i]).with_suffix(".dng")
        develop(picture * bright, shots / name, [capture.plan.seed, i])
        develop(card_under(capture, i) * bright, card / name, [capture.plan.seed, 1000 + i])
        print(f"\rshot {i + 1} of {len(capture)}", end="", flush=True)
    print()


def card_under(capture: MadeUpCapture, number: int) -> F32:
    """(3, H, W) of a matt card on the table."""
    lamp = capture.plan.lamps[capture.shown[number]]
    rows, columns = capture.plan.camera.size
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    points = np.stack([*capture.plan.camera.ground(x, y), np.zeros_like(x)]).astype(np.float32)
    light, level, _ = lamp.seen_from(points)
    colour = np.array(lamp.colour, np.float32)[:, None, None]
    return np.float32(capture.plan.gain * _CARD) * colour * light[2] * level


def moved(picture: F32) -> F32:
    """What a camera sees that was pushed and turned about its axis."""
    cos, sin = np.cos(np.radians(_TURN)), np.sin(np.radians(_TURN))
    matrix = np.array([[cos, -sin], [sin, cos]])
    centre = (np.array(picture.shape[1:]) - 1) / 2
    offset = centre - matrix @ (centre + np.array(_MOVE[::-1]))
    planes = [affine_transform(p, matrix, offset, order=3, mode="nearest") for p in picture]
    return np.maximum(np.stack(planes), 0).astype(np.float32)


def develop(linear: F32, path: Path, seed: list[int]) -> None:
    """Write linear sRGB (3, H, W) as a camera would see it."""
    camera = MATRIX @ _XYZ
    neutral = camera @ np.ones(3)
    seen = np.einsum("ij,jhw->hwi", camera / neutral.max(), linear.astype(np.float64))
    noise = np.sqrt(1e-7 + 3e-5 * np.clip(seen, 0, None))
    seen += noise * np.random.default_rng(seed).standard_normal(seen.shape)
    sensor = np.clip(np.rint(_BLACK + seen * (WHITE - _BLACK)), 0, WHITE)
    pattern = PHASES["RGGB"]
    write_dng(
        path,
        mosaic_of(sensor, pattern),
        pattern=pattern,
        black=_BLACK,
        neutral=(neutral / neutral.max()).tolist(),
    )


def step(name: str, command: list[object]) -> None:
    """Run a verb as a user does."""
    words = [str(word) for word in command]
    print(f"$ drti {' '.join(words)}")
    output = words[words.index("-o") + 1] if "-o" in words else None
    if output is not None and Path(output).exists():
        shutil.rmtree(output) if Path(output).is_dir() else Path(output).unlink()
    start = time.monotonic()
    more = ["--overwrite"] if "--sheet" in words else []
    done = subprocess.run(
        [sys.executable, "-m", "drti_core", *words, *more], capture_output=True, text=True
    )
    print(done.stdout + done.stderr, end="")
    print(
        f"-- {name}: {time.monotonic() - start:.1f} s, exit status {done.returncode}\n", flush=True
    )


def report(capture: MadeUpCapture, out: Path) -> None:
    """How far from the truth."""
    found = drti.open_lights(out / "dirs.lp")
    truth = capture.truth.names, capture.truth.directions
    true = {Path(n).stem: d for n, d in zip(*truth, strict=True)}
    rows = zip(found.xyz, found.names, strict=True)
    pairs = [(xyz, true[Path(name).stem]) for xyz, name in rows if name]
    off = angles(*(np.array(side) for side in zip(*pairs, strict=True)))
    print(f"lights: median {np.median(off):.2f}, 95 % {np.percentile(off, 95):.2f} degrees off")
    print(json.dumps(dict(drti.open_model(out / "model").metadata.provenance)["darkroom"])[:2000])


if __name__ == "__main__":
    sys.exit(main())
