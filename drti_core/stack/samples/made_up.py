"""Made-up captures: photographs of objects between balls, with their whole truth.

Use::

    capture = make_capture(seed=3)                 # varied by the seed; 40 photographs
    capture = make_capture(3, faults=())           # a sound one; or faults=("misfire", "shift")
    capture.picture(0)                             # (H, W, 3) uint8, as photograph 0 shows it
    truth = write_capture(capture, folder)         # photo01.jpg … with EXIF, and truth.json
    truth.balls[0].outline                         # ellipse in the picture, pixels
    truth.balls[0].highlights[5]                   # (x, y) in photograph 5; NaN: none
    truth.balls[0].directions[5]                   # unit vector from the highlight to the lamp
    truth.directions[5], truth.positions           # at the picture's centre; None if lamps are far
    truth.listed                                   # what a light file says, wrong ones and all

Frame: that of the lights (+x right, +y up, +z to the camera). Origin: the point of the ground that
is seen in the picture's centre. Unit: a pixel there, so a pinhole stands ``camera.distance`` (its
focal length in pixels) above it. Places in pictures are (x, y) from the upper left corner, rows
down: the middle of the first pixel is (0.5, 0.5). A seed gives the same bytes each time,
photograph by photograph.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, U8, Bool
from drti_core.colour import linear_to_srgb
from drti_core.io import outputs
from drti_core.io.pictures import exif
from drti_core.io.pictures.jpeg import write_jpeg
from drti_core.io.pictures.writers import Tags, rows_of
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.progress import Progress, no_progress
from drti_core.stack.samples.camera import Ellipse
from drti_core.stack.samples.capture_plan import FAR, CapturePlan, Fault, FaultKind, plan_capture
from drti_core.stack.samples.demo import picture_names
from drti_core.stack.samples.mirror_balls import Ball, TracedBall
from drti_core.stack.samples.scene import make_scene
from drti_core.stack.samples.table_top import TableTop, shadows

#: Of a picture whose lamp did not fire, what is left of its light.
_MISFIRE = 0.004
#: Share of a saturated highlight's light that the lens spreads, and how far, pixels.
_GLARE, _GLARE_REACH = 0.006, 4.0


@dataclass(frozen=True, eq=False)
class BallTruth:
    """A ball as it is, in the picture and in space; L photographs.

    Args:
        ball: centre, radius and material.
        outline: in the picture, of photographs that have not moved.
        highlights: (L, 2) x and y of the lamp's mirrored middle in each file, moved with a
            moved photograph; NaN where there is none: hidden, outside the picture, not fired.
        points: (L, 3) where on the ball it is mirrored.
        directions: (L, 3) unit vectors from there to the lamp.
    """

    ball: Ball
    outline: Ellipse
    highlights: F64
    points: F64
    directions: F64


@dataclass(frozen=True, eq=False)
class CaptureTruth:
    """What is true of a made-up capture; L photographs.

    Args:
        names: of the files.
        focal_mm: focal length in terms of 35 mm film; None: orthographic.
        focal_in_exif: whether the files tell it.
        balls: see there.
        directions: (L, 3) from the picture's centre to the lamp that each file shows.
        positions: (L, 3) of these lamps; None where they are far away.
        listed: (L, 3) directions as the capture's light file would have them.
        dark: (L,) files whose lamp did not fire.
        faults: what is wrong.
    """

    names: tuple[str, ...]
    focal_mm: float | None
    focal_in_exif: bool
    balls: tuple[BallTruth, ...]
    directions: F64
    positions: F64 | None
    listed: F64
    dark: Bool
    faults: tuple[Fault, ...]

    def listed_lights(self) -> LightDirections:
        """For a light file of the capture, wrong ones and all."""
        return LightDirections(self.listed)

    def near_lights(self) -> LightPositions | None:
        """The lamps that the files show, where they are near."""
        return None if self.positions is None else LightPositions(self.positions)

    def as_json(self) -> dict[str, Any]:
        """All of it in numbers and texts; NaN becomes null."""
        balls = [
            {
                "material": item.ball.material,
                "centre": list(item.ball.centre),
                "radius": item.ball.radius,
                "outline": asdict(item.outline),
                "highlights": _rows(item.highlights),
                "directions": _rows(item.directions),
            }
            for item in self.balls
        ]
        return {
            "photographs": list(self.names),
            "focal_length_35mm": self.focal_mm,
            "focal_length_in_exif": self.focal_in_exif,
            "balls": balls,
            "directions": _rows(self.directions),
            "positions": None if self.positions is None else _rows(self.positions),
            "listed": _rows(self.listed),
            "dark": self.dark.tolist(),
            "faults": [asdict(fault) for fault in self.faults],
        }


@dataclass(frozen=True, eq=False)
class MadeUpCapture:
    """A capture that is rendered when it is asked for.

    Args:
        plan: what it is made of.
    """

    plan: CapturePlan

    def __len__(self) -> int:
        return len(self.plan.lamps)

    @cached_property
    def _table(self) -> TableTop:
        scene = make_scene(self.plan.camera.size, self.plan.seed, self.plan.layout)
        return TableTop.of(scene, self.plan.camera, self.plan.seed)

    @cached_property
    def _traced(self) -> list[tuple[int, TracedBall]]:
        """The balls with what they mirror, and their numbers."""
        balls = self.plan.balls
        traced = (
            TracedBall.of(ball, self.plan.camera, [other for other in balls if other is not ball])
            for ball in balls
        )
        return [(number, item) for number, item in enumerate(traced) if item is not None]

    @cached_property
    def shown(self) -> list[int]:
        """The lamp that each file shows: its own, but for exchanged and repeated ones."""
        shown = list(range(len(self)))
        for fault in self.plan.faults:
            if fault.kind == "exchanged":
                a, b = fault.photographs
                shown[a], shown[b] = shown[b], shown[a]
            elif fault.kind == "duplicate":
                shown[fault.photographs[1]] = shown[fault.photographs[0]]
        return shown

    def faults_of(self, number: int) -> list[Fault]:
        """What is wrong with one photograph by itself."""
        alone = ("misfire", "exposure", "shift", "blur")
        return [f for f in self.plan.faults if f.kind in alone and number in f.photographs]

    @cached_property
    def truth(self) -> CaptureTruth:
        """The whole truth."""
        plan = self.plan
        positions = self._positions[self.shown]
        near = bool(np.linalg.norm(positions, axis=1).max() < FAR / 2)
        listed = _unit(self._positions)
        dark = np.zeros(len(self), bool)
        for fault in plan.faults:
            if fault.kind == "light":
                number = fault.photographs[0]
                listed[number] = _tilted(listed[number], fault.amount, [plan.seed, number])
            elif fault.kind == "misfire":
                dark[fault.photographs[0]] = True
        return CaptureTruth(
            names=tuple(picture_names(len(self))),
            focal_mm=plan.camera.focal_mm,
            focal_in_exif=plan.exif_lens,
            balls=tuple(self._ball_truth(number, dark) for number in range(len(plan.balls))),
            directions=_unit(positions),
            positions=positions if near else None,
            listed=listed,
            dark=dark,
            faults=plan.faults,
        )

    def _ball_truth(self, number: int, dark: Bool) -> BallTruth:
        """Truth of one ball."""
        camera, ball = self.plan.camera, self.plan.balls[number]
        rows, columns = camera.size
        points = self._mirrored[number][self.shown]
        places = camera.project(points)
        for photograph in range(len(self)):
            hidden = not self._sees[number, self.shown[photograph]]
            for fault in self.faults_of(photograph):
                places[photograph] += fault.move
            x, y = places[photograph]
            inside = 0 <= x <= columns and 0 <= y <= rows
            if hidden or dark[photograph] or not inside:
                places[photograph] = np.nan
        towards = _unit(self._positions[self.shown] - points)
        outline = camera.outline(ball.centre, ball.radius)
        return BallTruth(ball, outline, places, points, towards)

    @cached_property
    def _positions(self) -> F64:
        """(lamps, 3)."""
        return np.array([lamp.position for lamp in self.plan.lamps])

    @cached_property
    def _mirrored(self) -> F64:
        """(balls, lamps, 3) where each ball mirrors each lamp."""
        balls, camera = self.plan.balls, self.plan.camera
        return np.array([ball.mirror_points(camera, self._positions) for ball in balls])

    @cached_property
    def _sees(self) -> Bool:
        """(balls, lamps) whether nothing hides the lamp, by the plan or by standing between."""
        balls, lamps = self.plan.balls, self.plan.lamps
        sees = np.ones((len(balls), len(lamps)), bool)
        for number, ball in enumerate(balls):
            towards = self._positions - self._mirrored[number]
            distance = np.linalg.norm(towards, axis=1)
            light = (towards / distance[:, None]).T.astype(np.float32)
            angle = np.array([lamp.radius * lamp.reference for lamp in lamps]) / distance
            points = self._mirrored[number].T.astype(np.float32)
            others = [other.sphere() for other in balls if other is not ball]
            half = angle.astype(np.float32)
            lit = self._table.lit(points, light, half) * shadows(points, light, half, others)
            sees[number] = lit > 0.5
        for pair in self.plan.missing:
            sees[pair] = False
        return sees

    def radiance(self, number: int) -> F32:
        """(3, H, W) linear values of one photograph, before clipping and noise."""
        plan, lamp = self.plan, self.plan.lamps[self.shown[number]]
        faults = {fault.kind: fault for fault in self.faults_of(number)}
        dark = "misfire" in faults
        spheres = [ball.sphere() for ball in plan.balls]
        picture, around = self._table.photograph(lamp, spheres)
        for ball, traced in self._traced:
            sees = not dark and bool(self._sees[ball, self.shown[number]])
            traced.put(picture, around, lamp, plan.room, sees_lamp=sees)
        self._glare(picture)
        gain = plan.gain * (_MISFIRE if dark else 1.0)
        if "exposure" in faults:
            gain *= faults["exposure"].amount
        picture *= np.float32(gain)
        softness = plan.softness
        if "blur" in faults:
            softness = float(np.hypot(softness, faults["blur"].amount))
        picture = _blur(picture, softness)
        if "shift" in faults:
            picture = _moved(picture, faults["shift"].move)
        return picture

    def _glare(self, picture: F32) -> None:
        """Spread a little of the saturated highlights' light around them."""
        margin = int(3 * _GLARE_REACH)
        rows, columns = picture.shape[1:]
        for _, traced in self._traced:
            window = traced.window
            top, left = max(0, window.y - margin), max(0, window.x - margin)
            bottom = min(rows, window.y + window.height + margin)
            right = min(columns, window.x + window.width + margin)
            part = picture[:, top:bottom, left:right]
            part += np.float32(_GLARE) * _blur(np.maximum(part - 1, 0), _GLARE_REACH)

    def picture(self, number: int) -> U8:
        """(H, W, 3) uint8, sRGB: one photograph as its file shows it before JPEG.

        Noise is the photograph's own, whatever was asked for before.
        """
        shot = number
        for fault in self.plan.faults:
            if fault.kind == "duplicate" and not fault.amount and number == fault.photographs[1]:
                shot = fault.photographs[0]
        values = self.radiance(shot)
        random = np.random.default_rng([self.plan.seed, 1000 + shot])
        scatter = np.sqrt(self.plan.read_noise**2 + self.plan.shot_noise * np.clip(values, 0, 1))
        values += scatter * random.standard_normal(values.shape, np.float32)
        coded = np.rint(255 * linear_to_srgb(np.clip(values, 0, 1))).astype(np.uint8)
        return np.ascontiguousarray(np.moveaxis(coded, 0, 2))

    def exif(self, number: int) -> bytes | None:
        """EXIF of one photograph: camera, exposure, and the lens where the plan says so."""
        seconds = 1 / 60
        for fault in self.faults_of(number):
            if fault.kind == "exposure" and fault.in_exif:
                seconds *= fault.amount
        tags: exif.Entries = {
            33434: (5, struct.pack("<II", round(seconds * 1_000_000), 1_000_000)),
            33437: (5, struct.pack("<II", 80, 10)),
            34855: (3, struct.pack("<H", 100)),
        }
        lens = self.plan.camera.focal_mm
        if lens is not None and self.plan.exif_lens:
            tags[37386] = (5, struct.pack("<II", round(lens * 100), 150))  # a 1.5 crop sensor
            tags[41989] = (3, struct.pack("<H", round(lens)))
        return exif.write(exif.Exif({271: (2, b"drti\0"), 272: (2, b"made up\0")}, tags))

    def write_photograph(self, number: int, path: Path) -> None:
        """Write one photograph as JPEG."""
        picture = self.picture(number)
        write_jpeg(
            path,
            rows_of(picture),
            self.plan.camera.size,
            quality=self.plan.quality,
            chroma="420" if self.plan.subsampled else "444",
            tags=Tags(exif=self.exif(number)),
        )


def make_capture(
    seed: int,
    photographs: int = 40,
    *,
    size: tuple[int, int] | None = None,
    balls: int | None = None,
    faults: Sequence[FaultKind] | None = None,
) -> MadeUpCapture:
    """A capture varied by its seed; see :func:`~drti_core.stack.samples.capture_plan.plan_capture`.

    Raises:
        OptionError: a count or size out of range.
    """
    return MadeUpCapture(plan_capture(seed, photographs, size=size, balls=balls, faults=faults))


#: A folder that :func:`write_capture` wrote.
CAPTURE = outputs.FolderKind("a made-up capture", ("photo[0-9]*.jpg", "*.lp"), "truth.json")


def write_capture(
    capture: MadeUpCapture,
    folder: Path,
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> CaptureTruth:
    """Write the photographs and ``truth.json`` into a folder; no light file.

    Raises:
        OutputExistsError: the folder exists and ``overwrite`` is false.
        OptionError: the folder holds something else than a made-up capture.
    """
    outputs.check_output(folder, overwrite, CAPTURE)
    truth = capture.truth
    with outputs.atomic_folder(folder, overwrite=overwrite, kind=CAPTURE) as temporary:
        for number, name in enumerate(truth.names):
            capture.write_photograph(number, temporary / name)
            progress((number + 1) / len(capture), f"photographing {name}")
        (temporary / "truth.json").write_text(json.dumps(truth.as_json(), indent=1) + "\n")
    return truth


def _rows(values: F64) -> list[list[float] | None]:
    """(L, n) as lists; a row of NaN becomes None."""
    return [None if np.isnan(row).any() else [round(v, 6) for v in row] for row in values.tolist()]


def _unit(vectors: F64) -> F64:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float64)


def _tilted(direction: F64, angle: float, seed: Sequence[int]) -> F64:
    """A direction turned by degrees, some way that leaves it above the horizon."""
    random = np.random.default_rng(seed)
    while True:
        side = np.cross(direction, random.normal(size=3))
        side /= np.linalg.norm(side)
        turned = np.cos(np.radians(angle)) * direction + np.sin(np.radians(angle)) * side
        if turned[2] > 0.05:
            return np.asarray(turned, np.float64)


def _blur(picture: F32, sigma: float) -> F32:
    """Gaussian blur of (3, H, W); the border is repeated."""
    reach = max(1, int(np.ceil(3 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return _filtered(picture, weights / weights.sum(), reach, (1, 2))


def _moved(picture: F32, move: tuple[float, float]) -> F32:
    """(3, H, W) moved to the right and down by parts of pixels (Catmull-Rom)."""
    for axis, amount in ((2, move[0]), (1, move[1])):
        whole = int(np.floor(amount))
        t = amount - whole
        weights = np.array(
            [
                (-t + 2 * t**2 - t**3) / 2,
                (2 - 5 * t**2 + 3 * t**3) / 2,
                (t + 4 * t**2 - 3 * t**3) / 2,
                (-(t**2) + t**3) / 2,
            ]
        )[::-1]
        reach = abs(whole) + 2
        kernel = np.zeros(2 * reach + 1)
        # Value at x comes from x - amount: between x - whole - 1 and x - whole.
        kernel[reach - whole - 2 : reach - whole + 2] = weights
        picture = _filtered(picture, kernel, reach, (axis,))
    return picture


def _filtered(picture: F32, weights: F64, reach: int, axes: Sequence[int]) -> F32:
    """Sums of neighbours along axes, weighted; the border is repeated."""
    for axis in axes:
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        wide = np.pad(picture, pad, mode="edge")
        length = picture.shape[axis]
        total = np.zeros_like(picture)
        for offset, weight in enumerate(weights.tolist()):
            if weight:
                part = [slice(None)] * 3
                part[axis] = slice(offset, offset + length)
                total += np.float32(weight) * wide[tuple(part)]
        picture = total
    return picture
