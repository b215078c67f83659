"""Makes the trained models that tests use, from seeds; needs the extra ``train``.

``python -m tests.helpers.make_models`` trains them anew and says how they differ from those that
are kept; only ``--write`` replaces them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from drti_core.arrays import Window
from drti_core.measure.metrics import psnr
from drti_core.model import RelightableModel
from drti_core.testing import make_stack
from tests.helpers.kept import FOLDER, keep, kept, names, train

#: How far the kept model may be from one trained anew, dB of PSNR on the photographs: machines
#: round differently, and training makes more of it.
NEAR = 3.0


def score(model: RelightableModel) -> float:
    """PSNR in dB on the photographs that the model was trained on."""
    stack = make_stack()
    truth = stack.read(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)
    return psnr(np.clip(model.relight(stack.lights), 0, 1), truth, peak=1)


def structure(model: RelightableModel) -> dict[str, Any]:
    """What two trainings of one seed have in common, whatever the machine."""
    stored = model.stored()
    training = {key: value for key, value in stored.config["training"].items() if key != "psnr"}
    parts = dict(stored.arrays)
    if stored.planes is not None:
        parts["planes"] = stored.planes.codes
    lights = stored.metadata.lights
    return {
        "config": {**stored.config, "training": training},
        "arrays": {name: (array.shape, str(array.dtype)) for name, array in parts.items()},
        "lights": None if lights is None else lights.xyz.tolist(),
    }


def difference(name: str, new: RelightableModel) -> str | None:
    """How a model trained anew differs from the kept one; None if it is as good as that."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        return "is not kept yet"
    old = kept(name)
    was, found = structure(old), structure(new)
    parts = [part for part in found if found[part] != was[part]]
    if parts:
        return f"has another {' and '.join(parts)} than the kept model"
    before, after = score(old), score(new)
    if abs(before - after) > NEAR:
        return f"reaches {after:.2f} dB, the kept model {before:.2f} dB"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Train every model; 1 if one differs from what is kept and was not replaced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the kept models")
    write = parser.parse_args(argv).write
    different = 0
    for name in names():
        new = train(name, make_stack())
        if write:
            print(f"wrote {keep(name, new)} ({score(new):.2f} dB)")
            continue
        found = difference(name, new)
        different += found is not None
        print(f"{name} {found or 'is as it was kept'}")
    wanted = {f"{name}.safetensors" for name in names()}
    for path in sorted(FOLDER.glob("*.safetensors")):
        if path.name not in wanted:
            different += 1
            print(f"{path} belongs to no codec; remove it")
    if different:
        print("Replace them with: python -m tests.helpers.make_models --write")
    return min(different, 1)


if __name__ == "__main__":
    sys.exit(main())
