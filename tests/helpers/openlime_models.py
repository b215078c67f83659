"""Models of every kind for tests of OpenLIME: fitted to made-up photographs, or made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from drti_core import demo_stack
from drti_core.codecs.disk import DiskModel
from drti_core.codecs.hyper import HyperModel
from drti_core.codecs.neural import NeuralModel
from drti_core.decoder import Decoder, Dense, Network, Planes, Sampled, Terms
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.model import RelightableModel
from drti_core.model.network_model import NetworkModel
from drti_core.registry.catalogue import codec

#: Odd sides, and several tiles.
SHAPE = (301, 270)

#: x, y of the lights of these tests.
LIGHTS = np.array([[0, 0], [0.3, 0.2], [-0.5, 0.4], [0.1, -0.85], [-0.7, -0.6]])


def reference(model: RelightableModel) -> Any:
    """(L, H, W, 3) under :data:`LIGHTS`, clipped to 0..1."""
    return np.clip(model.relight(LightDirections.from_disk(LIGHTS)), 0, 1)


@cache
def stack() -> Any:
    return demo_stack(size=SHAPE)


@cache
def fitted(spec: str) -> RelightableModel:
    return codec(spec).fit(stack())


def planes(count: int) -> Planes:
    """The first planes of a PCA of the photographs."""
    found = fitted("rbf:planes=9").planes
    assert found is not None
    return found.select(range(count))


def network(
    kind: type[NetworkModel], widths: tuple[int, int], *, count: int = 9, hyper: bool = False
) -> NetworkModel:
    """A network of made-up weights over real planes, whose colours stay about mid grey."""
    rng = np.random.default_rng(widths[0])
    given = planes(count)
    middle = (0.5 - given.bias) * given.scale
    affine = Basis("affine", 4)

    def weight(out: int, into: int, gain: float) -> Any:
        return (gain * rng.standard_normal((out, into)) / np.sqrt(into)).astype(np.float32)

    def lit(constant: Any, share: float) -> Any:
        table = share * np.abs(constant).mean() * rng.standard_normal((*constant.shape, 4))
        table[..., 0] = constant
        return Terms(affine, table.astype(np.float32))

    first = (weight(widths[0], count, 3.0) / given.scale).astype(np.float32)
    bias = np.zeros((widths[0], 4), np.float32)
    bias[:, 0] = -first @ middle
    bias[:, 1:3] = rng.standard_normal((widths[0], 2))
    second, third = weight(widths[1], widths[0], 1.2), weight(3, widths[1], 0.4)
    grey = np.full(3, 0.5, np.float32)
    layers = (
        Dense(lit(first, 0.2) if hyper else first, Terms(affine, bias), "elu"),
        Dense(lit(second, 0.3) if hyper else second, np.zeros(widths[1], np.float32), "elu"),
        Dense(lit(third, 0.3) if hyper else third, lit(grey, 0.1) if hyper else grey),
    )
    return kind(shape=SHAPE, planes=given, layers=layers)


@dataclass(frozen=True, eq=False, kw_only=True)
class StrangersModel(RelightableModel):
    """What nobody foresaw: six planes, weights from a network of the light, then a table."""

    codec_id = "stranger"

    def decoder(self) -> Decoder:
        rng = np.random.default_rng(3)
        hidden = rng.standard_normal((5, 4)).astype(np.float32)
        table = 0.1 * rng.standard_normal((4, 6, 6)).astype(np.float32)
        lights = Network(
            Basis("affine", 4), (Dense(hidden, np.zeros(5, np.float32), "tanh"),), table
        )
        sampled = Sampled.of(
            lambda found: 0.4 + 0.2 * np.stack([found.xyz[:, 0], found.xyz[:, 1] ** 3,
                                                found.xyz[:, 2]], axis=1),
            17,
        )  # fmt: skip
        last = rng.standard_normal((3, 4)).astype(np.float32) * 0.3
        zeros = np.zeros(4, np.float32)
        return Decoder(("planes",), (Dense(lights, zeros, "sigmoid"), Dense(last, sampled)))

    def config(self) -> dict[str, Any]:
        return {"codec": "stranger", "version": 1}


@dataclass(frozen=True, eq=False, kw_only=True)
class SineModel(NetworkModel):
    """A small network of the coordinates."""

    codec_id = "siren"


def sine() -> RelightableModel:
    rng = np.random.default_rng(8)
    affine = Basis("affine", 4)
    bias = rng.standard_normal((12, 4)).astype(np.float32)
    first = (4 * rng.standard_normal((12, 2))).astype(np.float32)
    last = (0.1 * rng.standard_normal((3, 12))).astype(np.float32)
    layers = (
        Dense(first, Terms(affine, bias), "sine", 2.0),
        Dense(last, np.full(3, 0.5, np.float32)),
    )
    return SineModel(shape=SHAPE, layers=layers, inputs="coords")


def sixteen_bits() -> RelightableModel:
    return fitted("ptm:bits=16")


#: The models that the matrix of issue 7 names, and some more.
MODELS: dict[str, Callable[[], RelightableModel]] = {
    "ptm": lambda: fitted("ptm"),
    "lptm": lambda: fitted("ptm:colorspace=lrgb"),
    "yptm": lambda: fitted("ptm:colorspace=ycc"),
    "hsh": lambda: fitted("hsh"),
    "hsh16": lambda: fitted("hsh:terms=16"),
    "sh": lambda: fitted("sh"),
    "rbf": lambda: fitted("rbf:planes=9"),
    "rbf8": lambda: fitted("rbf:planes=8"),
    "yrbf": lambda: fitted("rbf:planes=18,colorspace=mycc"),
    "bilinear": lambda: fitted("bilinear:planes=9"),
    "neural50": lambda: network(NeuralModel, (50, 50)),
    "neural18": lambda: network(NeuralModel, (18, 11), count=7),
    "disk20": lambda: network(DiskModel, (20, 20)),
    "hyper12": lambda: network(HyperModel, (12, 12), hyper=True),
    "stranger": lambda: StrangersModel(shape=SHAPE, planes=planes(6)),
    "siren": sine,
    "linear": lambda: replace(fitted("ptm")).with_metadata(encoding="linear"),
}
