"""Trained models that are kept, so that a test which only uses one needs no torch.

``models/*.safetensors`` holds one for each codec that is trained, fitted to the plain stack of
:func:`drti_core.testing.make_stack` (14 × 19 pixels, 32 lights). ``make_models`` makes them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from drti_core.decoder import Planes
from drti_core.lights import LightDirections
from drti_core.model import Metadata, RelightableModel, StoredModel
from drti_core.model.contracts import Codec
from drti_core.registry.catalogue import registry
from drti_core.stack import Stack
from tests.helpers.quick import quick
from tests.helpers.train import trains

FOLDER = Path(__file__).parent / "models"
#: Ids that another id is equal to: what is trained is not trained twice.
TWINS = {"disk": "disk20", "hyper": "hyper12"}


def names() -> list[str]:
    """Ids of the codecs whose models are kept: all that are trained, twins once."""
    found = registry().codecs.load_all()
    return [name for name, codec in found.items() if trains(codec) and name not in TWINS]


def fit_or_kept(name: str, stack: Stack) -> RelightableModel:
    """The stack, fitted by a codec; of a codec that is trained the kept model of another stack."""
    codec: Codec = registry().codecs.get(name)
    return kept(name) if trains(codec) else codec.fit(stack)


def kept(name: str, folder: Path = FOLDER) -> RelightableModel:
    """The kept model of a codec that is trained."""
    name = TWINS.get(name, name)
    with safe_open(folder / f"{name}.safetensors", "np") as opened:
        facts = json.loads(opened.metadata()["model"])
        arrays = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    lights = LightDirections(arrays.pop("stack/lights"))
    planes = None
    if "planes/codes" in arrays:
        planes = Planes(*(arrays.pop(f"planes/{part}") for part in ("codes", "scale", "bias")))
    stored = StoredModel(
        config=facts["config"],
        shape=(facts["height"], facts["width"]),
        planes=planes,
        arrays=arrays,
        metadata=Metadata(lights=lights, encoding=facts["encoding"]),
    )
    return registry().codecs.get(name).restore(stored)


def keep(name: str, model: RelightableModel, folder: Path = FOLDER) -> Path:
    """Write a model where :func:`kept` finds it."""
    assert model.metadata.lights is not None
    arrays = {**model.arrays(), "stack/lights": model.metadata.lights.xyz}
    if model.planes is not None:
        parts = {"codes": model.planes.codes, "scale": model.planes.scale}
        parts["bias"] = model.planes.bias
        arrays |= {f"planes/{part}": np.asarray(array) for part, array in parts.items()}
    height, width = model.shape
    facts = {"height": height, "width": width, "encoding": model.metadata.encoding}
    text = json.dumps({**facts, "config": model.config()})
    path = folder / f"{name}.safetensors"
    save_file({k: np.ascontiguousarray(a) for k, a in arrays.items()}, path, {"model": text})
    return path


def train(name: str, stack: Stack) -> RelightableModel:
    """Train a model as those that are kept were."""
    return quick(registry().codecs.get(name)).fit(stack)
