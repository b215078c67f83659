"""The relightable image as data: planes, functions of light, chain, folding, numpy reference."""

from __future__ import annotations

from drti_core.decoder.chain import Decoder, evaluate
from drti_core.decoder.functions import (
    Activation,
    Dense,
    Grid,
    LightFunction,
    Network,
    Rbf,
    Sampled,
    Terms,
    activate,
    same_weights,
)
from drti_core.decoder.planes import Planes

__all__ = [
    "Activation",
    "Decoder",
    "Dense",
    "Grid",
    "LightFunction",
    "Network",
    "Planes",
    "Rbf",
    "Sampled",
    "Terms",
    "activate",
    "evaluate",
    "same_weights",
]
