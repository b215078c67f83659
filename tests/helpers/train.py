"""Tests that train: their marker is ``train``, and without torch they skip, for one reason."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from drti_core.model.contracts import Codec
from drti_core.registry.catalogue import registry

WHY = "it trains, and the extra 'train' is not installed"
#: Looked for, not imported: that takes seconds.
CAN_TRAIN = all(find_spec(name) for name in ("torch", "llvmlite"))


def only_where_training_can() -> None:
    """Skip a module that imports torch, at its head, where that is absent."""
    if not CAN_TRAIN:
        pytest.skip(WHY, allow_module_level=True)


def trains(codec: Codec) -> bool:
    """Whether fitting this codec is a training."""
    return "train" in codec.requires


def marks(codec: Codec) -> list[Any]:
    """Marks of a test that fits this codec."""
    return [pytest.mark.train, pytest.mark.slow] if trains(codec) else []


def codecs_to_fit() -> list[Any]:
    """Parameters of a test that fits every codec that is installed: their ids."""
    found = registry().codecs.load_all()
    return [pytest.param(name, marks=marks(codec)) for name, codec in found.items()]
