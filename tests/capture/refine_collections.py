"""How lights come back that are all off by some degrees, and how far right ones move.

    python -m tests.capture.refine_collections [--degrees 5] [--trials 2] [--only item8]

For each collection of the data folder a row: median and 95 % of what lights are off before and
after :func:`refine_lights`, what it says of both, and how far it moves lights that are right.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from drti_core.capture.photographs import small_copies
from drti_core.capture.refined_lights import refined_by
from tests.capture.check_collections import angles, collections, loaded, turned


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--degrees", type=float, default=5)
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    medians = []
    for path in collections():
        if chosen.only not in str(path):
            continue
        stack = loaded(path)
        copies = small_copies(stack)
        sound = refined_by(copies, stack.lights)
        row = [
            f"{'/'.join(path.parts[-4:]):40}",
            "right ones move {:.2f} {:.2f}".format(*np.percentile(sound.moved, [50, 95])),
            f"told {sound.given_off:.1f}",
        ]
        start = time.process_time()
        for trial in range(chosen.trials):
            random = np.random.default_rng(trial + 1)
            off = turned(stack.lights, list(range(len(stack))), chosen.degrees, random)
            found = refined_by(copies, off)
            left = angles(found.lights, stack.lights)
            medians.append(float(np.median(left)))
            row.append(
                "{:.2f} {:.2f} (told {:.1f}, {:.1f})".format(
                    *np.percentile(left, [50, 95]), found.given_off, found.accuracy
                )
            )
        print(
            "; ".join(row), f"[{(time.process_time() - start) / chosen.trials:.1f} s]", flush=True
        )
    within = np.mean(np.array(medians) <= 1.5)
    print(f"median of medians {np.median(medians):.2f}, within 1.5: {within:.0%}")


if __name__ == "__main__":
    main()
