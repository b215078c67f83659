"""Networks of the light, and functions tabulated over the hemisphere."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from drti_core.decoder import (
    Decoder,
    Dense,
    Grid,
    LightFunction,
    Network,
    Rbf,
    Sampled,
    Terms,
    evaluate,
    same_weights,
)
from drti_core.errors import DrtiError
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis, grid_lights, octahedral

LIGHTS = LightDirections.from_spherical(np.linspace(0, 340, 18), np.linspace(3, 90, 18))
RNG = np.random.default_rng(6)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def network(shape, activation="elu"):
    layers = (Dense(numbers(7, 4), numbers(7), activation, 3.0), Dense(numbers(5, 7), numbers(5)))
    return Network(Basis("affine", 4), layers, numbers(*shape, 6))


@pytest.mark.parametrize("activation", ["elu", "relu", "tanh", "sigmoid", "sine", "none"])
def test_a_network_is_its_layers_one_after_another(activation):
    function = network((2, 3), activation)
    first, second = function.layers
    act = {
        "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
        "relu": lambda v: np.maximum(v, 0),
        "tanh": np.tanh,
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "sine": lambda v: np.sin(3.0 * v),
        "none": lambda v: v,
    }[activation]
    for light, found in zip(LIGHTS, function(LIGHTS), strict=True):
        x = np.array([1, *light.xyz[0]])
        hidden = second.weight @ act(first.weight @ x + first.bias) + second.bias
        expected = function.table[..., 0] + function.table[..., 1:] @ hidden
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_a_decoder_takes_it_as_any_other_light_function():
    decoder = Decoder(("planes",), (Dense(network((3, 2)), network((3,))),))
    features = numbers(11, 2)
    rgb = evaluate(decoder, features, None, LIGHTS)
    weight, bias = decoder.layers[0].weight(LIGHTS), decoder.layers[0].bias(LIGHTS)
    expected = np.einsum("lok,pk->lpo", weight, features) + bias[:, None]
    np.testing.assert_allclose(rgb, expected, rtol=1e-4, atol=1e-4)


def test_networks_whose_parts_do_not_fit():
    basis, zero = Basis("affine", 4), np.zeros(2, np.float32)
    with pytest.raises(DrtiError) as error:
        Network(basis, (Dense(numbers(2, 3), zero),), numbers(3, 3))
    assert str(error.value) == (
        "layer 0 of a network of the light has weight (2, 3) and bias (2,); "
        "expected weight (n, 4), bias (n,)"
    )
    with pytest.raises(DrtiError) as error:
        Network(basis, (Dense(numbers(2, 4), network((2,))),), numbers(3, 3))
    assert str(error.value) == "layer 0 of a network of the light; expected constants"
    with pytest.raises(DrtiError) as error:
        Network(basis, (Dense(numbers(2, 4), zero),), numbers(3, 4))
    assert str(error.value) == (
        "1 layers and a table (3, 4) of a network of the light; "
        "expected one layer or more, and a table (..., 3)"
    )


def test_grid_lights_are_where_the_weights_say():
    nodes, between = grid_lights(5)
    steps = np.arange(5) / 4
    expected = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(octahedral(nodes), expected, atol=1e-6)
    assert len(between) == 16
    assert (between.xyz[:, 2] > 0).all()


def test_sampled_is_exact_at_its_nodes_and_its_error_holds_elsewhere():
    function = network((3, 2))
    sampled = Sampled.of(function, 17)
    nodes, _ = grid_lights(17)
    np.testing.assert_allclose(sampled(nodes), function(nodes), atol=2e-5)
    error = np.abs(sampled(LIGHTS) - function(LIGHTS))
    assert error.max() < 1.5 * sampled.max_error
    assert 0 < sampled.mean_error < sampled.max_error
    assert Sampled.of(function, 65).mean_error < sampled.mean_error / 8


def test_sampled_refuses_what_it_cannot_tabulate():
    with pytest.raises(DrtiError) as error:
        Sampled.of(network((3,)), 1)
    assert str(error.value) == "a grid of 1 nodes a side; expected 2 or more"
    with pytest.raises(DrtiError) as error:
        Sampled.of(lambda lights: np.zeros((1, 3), np.float32), 2)
    assert str(error.value) == (
        "a function of the light gives shape (1, 3) for 4 lights; expected (number of lights, ...)"
    )
    with pytest.raises(DrtiError) as error:
        Sampled.of(lambda lights: np.where(lights.xyz[:, 2:] > 0.1, 1, np.nan), 2)
    assert str(error.value) == (
        "a function of the light is not finite at [0.0, -1.0, 0.0]; expected finite values"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Terms(Basis("hsh", 9), numbers(3, 9)),
        lambda: Rbf(LIGHTS, 0.4, numbers(3, 18)),
        lambda: Grid(4, numbers(3, 16)),
        lambda: Sampled.of(lambda lights: lights.xyz, 4),
        lambda: network((3,)),
    ],
)
def test_functions_are_alike_by_all_but_their_tables(make):
    one = make()
    other = replace(pickle.loads(pickle.dumps(one)), table=2 * one.table)  # noqa: S301
    assert same_weights(one) == same_weights(other)
    assert hash(same_weights(one)) == hash(same_weights(other))
    assert np.array_equal(one.weights(LIGHTS), other.weights(LIGHTS))


def test_functions_with_other_weights_differ():
    functions = [
        Terms(Basis("hsh", 16), numbers(3, 16)),
        Terms(Basis("hsh", 16, 1.0), numbers(3, 16)),
        Rbf(LIGHTS, 0.4, numbers(3, 18)),
        Rbf(LIGHTS, 0.5, numbers(3, 18)),
        Rbf(LIGHTS[::-1], 0.4, numbers(3, 18)),
        Grid(4, numbers(3, 16)),
        Grid(5, numbers(3, 25)),
        network((3,)),
        network((3,)),
        network((3,), "tanh"),
    ]
    assert len({same_weights(function) for function in functions}) == len(functions)
    nodes = Grid(4, numbers(3, 16))
    assert same_weights(Sampled.of(lambda lights: lights.xyz, 4)) == same_weights(nodes)


def test_a_strangers_function_is_like_itself_only():
    class Strange(LightFunction):
        table = numbers(3, 1)

        def weights(self, lights):
            return np.ones((len(lights), 1))

    one, other = Strange(), Strange()
    assert same_weights(one) == same_weights(one) != same_weights(other)
