"""What the lights of a capture cost, beside decoding its photographs once.

``python -m tests.capture.lights_cost FOLDER`` prints processor and wall-clock seconds of both, in
the same process with the same threads, and their ratio; the least of a few rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from drti_core.capture import find_lights, open_capture


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall-clock seconds."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.capture.lights_cost")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--focal", type=float, help="35-mm equivalent, millimetres")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rounds = [
        (
            timed(lambda: open_capture(given.folder).prepare()),
            timed(lambda: find_lights(open_capture(given.folder), focal_mm=given.focal)),
        )
        for _ in range(given.rounds)
    ]
    for at, kind in enumerate(("processor", "wall clock")):
        decoding, lights = (min(one[of][at] for one in rounds) for of in (0, 1))
        ratio = lights / decoding
        print(f"{kind}: decoding {decoding:.2f} s, lights {lights:.2f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
