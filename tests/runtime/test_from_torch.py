"""Networks made with torch become decoders that relight as the network does."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.decoder import Decoder, Planes
from drti_core.errors import MissingExtraError, OptionError
from drti_core.lights import LightDirections
from drti_core.model.graph_model import GraphModel
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_core.runtime.relighter import Relighter
from drti_core.training import decoder_from_torch

LIGHTS = LightDirections.from_spherical([0, 30, 100, 200, 300], [90, 60, 40, 20, 3])
SHAPE = (6, 9)
RNG = np.random.default_rng(1)


def planes(dtype=np.uint8):
    codes = RNG.integers(0, np.iinfo(dtype).max, (9, *SHAPE)).astype(dtype)
    return Planes(codes, RNG.uniform(1, 3, 9), RNG.uniform(0, 1, 9))


def by_torch(module, given, light, separate=False):
    import torch

    features = torch.from_numpy(given.read(Window(0, 0, *SHAPE)))
    pictures = []
    module.eval()
    for xyz in LIGHTS.xyz:
        rows = torch.from_numpy(xyz[: len(light)].copy()).expand(len(features), len(light))
        with torch.no_grad():
            both = (features, rows) if separate else (torch.cat([features, rows], dim=1),)
            pictures.append(module(*both).numpy().reshape(*SHAPE, 3))
    return np.stack(pictures)


@pytest.fixture
def nn():
    import torch

    torch.manual_seed(0)
    return torch.nn


def test_a_missing_torch_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as error:
        decoder_from_torch(object(), planes())
    assert str(error.value) == (
        "decoder_from_torch needs the 'train' extra, which is not installed. "
        "Install it with: pip install 'drti[train]'"
    )


@pytest.mark.train
@pytest.mark.parametrize("light", ["xy", "xyz"])
@pytest.mark.parametrize("activation", ["ELU", "ReLU", "Tanh", "Sigmoid"])
def test_a_sequential_becomes_a_chain(nn, activation, light):
    module = nn.Sequential(
        nn.Linear(9 + len(light), 20),
        getattr(nn, activation)(),
        nn.Dropout(0.5),
        nn.Linear(20, 20, bias=False),
        getattr(nn, activation)(),
        nn.Linear(20, 3),
    )
    given = planes()
    decoder = decoder_from_torch(module, given, light=light)
    assert module.training
    assert isinstance(decoder, Decoder)
    assert len(decoder.layers) == 3
    found = Relighter(decoder, given, SHAPE, LIGHTS, kind="float32").relight(Window(0, 0, *SHAPE))
    np.testing.assert_allclose(found, by_torch(module, given, light), atol=1e-5)


def strange(nn, separate):
    import torch

    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(9, 16), nn.Linear(2, 16)
            self.normal, self.last = nn.LayerNorm(16), nn.Linear(16, 3)

        def forward(self, x, light=None):
            z, light = (x, light) if separate else (x[:, :9], x[:, 9:])
            hidden = nn.functional.gelu(self.first(z)) * torch.sin(self.second(light))
            return torch.sigmoid(self.last(self.normal(hidden) + hidden))

    return Strange()


@pytest.mark.train
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("separate", [False, True])
def test_anything_else_becomes_a_graph(nn, separate, dtype):
    module, given = strange(nn, separate), planes(dtype)
    decoder = decoder_from_torch(module, given, separate=separate)
    assert isinstance(decoder, GraphDecoder)
    model = GraphModel(shape=SHAPE, planes=given, graph=decoder)
    expected = by_torch(module, given, "xy", separate)
    np.testing.assert_allclose(model.relight(LIGHTS), expected, atol=1e-5)
    difference = model.relight_uint8(LIGHTS) - np.rint(expected * 255)
    assert np.abs(difference).max() <= 1


@pytest.mark.train
def test_a_product_of_reshaped_inputs(nn):
    """Its output has no shape of its own in what torch exports."""

    class Modulated(nn.Module):
        def __init__(self):
            super().__init__()
            self.light = nn.Linear(3, 30)

        def forward(self, z, light):
            weight = self.light(light).reshape(-1, 10, 3)
            return weight[:, 0] + (z[:, :, None] * weight[:, 1:]).sum(1)

    module, given = Modulated(), planes()
    decoder = decoder_from_torch(module, given, light="xyz", separate=True)
    found = GraphModel(shape=SHAPE, planes=given, graph=decoder).relight(LIGHTS)
    np.testing.assert_allclose(found, by_torch(module, given, "xyz", True), atol=1e-5)


@pytest.mark.train
def test_another_alpha_is_no_chain(nn):
    module = nn.Sequential(nn.Linear(11, 8), nn.ELU(0.5), nn.Linear(8, 3))
    given = planes()
    decoder = decoder_from_torch(module, given)
    assert isinstance(decoder, GraphDecoder)
    found = GraphModel(shape=SHAPE, planes=given, graph=decoder).relight(LIGHTS)
    np.testing.assert_allclose(found, by_torch(module, given, "xy"), atol=1e-5)


@pytest.mark.train
def test_other_shapes(nn):
    with pytest.raises(OptionError) as error:
        decoder_from_torch(nn.Linear(11, 4), planes())
    assert str(error.value) == "the module gives [5, 4] for [5, 11]; expected [5, 3]: RGB"
    with pytest.raises(OptionError) as error:
        decoder_from_torch(nn.Linear(7, 3), planes())
    assert str(error.value) == (
        "the module fails on [5, 11] (mat1 and mat2 shapes cannot be multiplied (5x11 and 7x3)); "
        "expected planes, then the light"
    )
