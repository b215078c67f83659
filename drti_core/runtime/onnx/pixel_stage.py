"""The pixel stage as ONNX operators: a chain of layers, of pixels or of tiles plane by plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from drti_core.decoder.fold import FoldedDecoder
from drti_core.runtime.onnx.builder import GraphBuilder
from drti_core.runtime.stages import EXP_LOW, column


@dataclass(frozen=True)
class Chain:
    """All of a folded decoder but the numbers of its layers.

    Args:
        activations: of the layers, see :class:`~drti_core.decoder.fold.FoldedLayer`.
        after: see :class:`~drti_core.decoder.fold.FoldedDecoder`.
        gain: likewise.
        tint: first and last input value of the tint.
        tint_factor: of three values.
        tint_offset: likewise.
    """

    activations: tuple[str, ...]
    after: float
    gain: float
    tint: tuple[int, int] | None
    tint_factor: tuple[float, ...]
    tint_offset: tuple[float, ...]

    @classmethod
    def of(cls, folded: FoldedDecoder) -> Chain:
        """That of a folded decoder."""
        features = folded.layers[0].weight.constant.shape[1]
        return cls(
            tuple(layer.activation for layer in folded.layers),
            folded.after,
            folded.gain,
            None if folded.tint is None else folded.tint.indices(features)[:2],
            tuple(folded.tint_factor.tolist()),
            tuple(folded.tint_offset.tolist()),
        )


def emit(
    graph: GraphBuilder,
    chain: Chain,
    x: str,
    number_of: Callable[[str], str],
    *,
    planar: bool = False,
    batch: bool = False,
) -> str:
    """Add the chain, up to values in the range of the output: the one place that does.

    Args:
        graph: to add nodes to.
        chain: what it is made of.
        x: name of its input [pixels, n], or planar [n, pixels]: codes and/or coordinates.
        number_of: ``layer_0_weight`` [in, out], ``layer_0_bias`` [out], … → their names in the
            graph; planar they are [out, in] and [out, 1].
        planar: whether pixels are the last axis.
        batch: whether weights and biases have a lights axis, and so has the result.

    Returns:
        The name of the result, [pixels, 3], [3, pixels] or [lights, pixels, 3]; it is that of the
        last node.
    """
    value = x
    for number, activation in enumerate(chain.activations):
        label = f"layer_{number}"
        weight, bias = number_of(f"{label}_weight"), number_of(f"{label}_bias")
        if planar or batch:
            pair = (weight, value) if planar else (value, weight)
            product = graph.op("MatMul", *pair, name=f"{label}_product")
            value = graph.op("Add", product, bias, name=f"{label}_affine")
        else:
            value = graph.op("Gemm", value, weight, bias, name=f"{label}_affine")
        if activation == "elu":  # its -1 is in the next layer's bias
            above = graph.op("Relu", value, name=f"{label}_above_0")
            # Planar is what we run ourselves: no number there may become too small to be fast.
            low = (graph.number(EXP_LOW),) if planar else ()
            below = graph.op(
                "Clip" if planar else "Min", value, *low, graph.number(0), name=f"{label}_below_0"
            )
            exponential = graph.op("Exp", below, name=f"{label}_exponential")
            value = graph.op("Add", above, exponential, name=f"{label}_elu_plus_1")
        else:
            value = activate(graph, value, activation, label)
    if chain.after:
        value = graph.op("Add", value, graph.number(chain.after), name="chain")
    if chain.tint is not None:
        value = graph.op("Mul", value, _tint(graph, chain, x, planar), name="tinted")
    if chain.gain != 1:
        value = graph.op("Mul", value, graph.number(chain.gain), name="in_output_range")
    return value


def activate(graph: GraphBuilder, value: str, activation: str, label: str) -> str:
    """Add an activation, by the operator of its name."""
    if activation == "none":
        return value
    kind = "Sin" if activation == "sine" else activation.capitalize()
    return graph.op(kind, value, name=f"{label}_{activation}")


def pixel_stage(
    graph: GraphBuilder,
    folded: FoldedDecoder,
    x: str,
    uniforms: Mapping[str, str],
    output: str,
    name: str,
    *,
    batch: bool = False,
) -> str:
    """Add the chain and the output's type, for a file.

    Args:
        graph: to add nodes to.
        folded: the chain; its constants are stored in the graph.
        x: name of its input [pixels, n]: codes and/or coordinates.
        uniforms: names of what depends on the light, by uniform.
        output: ``uint8`` or ``float32``.
        name: of the result.
        batch: whether uniforms have a lights axis, and so has the result.

    Returns:
        The name of the result, [pixels, 3] or [lights, pixels, 3].
    """
    constants = {
        f"layer_{number}_{part}": getattr(layer, part).constant
        for number, layer in enumerate(folded.layers)
        for part in ("weight", "bias")
    }

    def number_of(each: str) -> str:
        return uniforms.get(each) or graph.constant(each, constants[each].T)

    value = emit(graph, Chain.of(folded), x, number_of, batch=batch)
    if output == "float32":
        graph.nodes[-1].output[0] = name  # the last node is the output
        graph.taken.add(name)
        return name
    value = graph.op("Round", value, name="rounded")
    low, high = graph.number(0), graph.number(255)
    value = graph.op("Clip", value, low, high, name="clipped")
    return graph.op("Cast", value, to=2, name=name)  # 2: UINT8


def _tint(graph: GraphBuilder, chain: Chain, x: str, planar: bool) -> str:
    """The tint planes, dequantised."""
    assert chain.tint is not None
    starts, ends = (graph.shape(place) for place in chain.tint)
    axis = graph.shape(0 if planar else 1)
    part = graph.op("Slice", x, starts, ends, axis, name="tint_codes")
    for kind, name, values in (
        ("Mul", "factor", np.array(chain.tint_factor)),
        ("Add", "offset", np.array(chain.tint_offset)),
    ):
        constant = graph.constant(f"tint_{name}", column(values) if planar else values)
        part = graph.op(kind, part, constant, name="tint_scaled" if kind == "Mul" else "tint")
    return part
