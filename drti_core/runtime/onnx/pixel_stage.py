"""The pixel stage as ONNX operators: the chain of layers on tensors that are P pixels long."""

from __future__ import annotations

from collections.abc import Mapping

from drti_core.decoder.fold import FoldedDecoder
from drti_core.runtime.onnx.builder import GraphBuilder


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
    """Add the chain.

    Args:
        graph: to add nodes to.
        folded: the chain.
        x: name of its input [pixels, n]: codes and/or coordinates.
        uniforms: names of what depends on the light, by uniform.
        output: ``uint8`` or ``float32``.
        name: of the result.
        batch: whether uniforms have a lights axis, and so has the result.

    Returns:
        The name of the result, [pixels, 3] or [lights, pixels, 3].
    """
    value = x
    for number, layer in enumerate(folded.layers):
        label = f"layer_{number}"
        weight, bias = (
            uniforms.get(f"{label}_{part}")
            or graph.constant(f"{label}_{part}", getattr(layer, part).constant.T)
            for part in ("weight", "bias")
        )
        if batch:
            product = graph.op("MatMul", value, weight, name=f"{label}_product")
            value = graph.op("Add", product, bias, name=f"{label}_affine")
        else:
            value = graph.op("Gemm", value, weight, bias, name=f"{label}_affine")
        value = _activate(graph, value, layer.activation, label)
    if folded.after:
        value = graph.op("Add", value, graph.number(folded.after), name="chain")
    if folded.tint is not None:
        value = graph.op("Mul", value, _tint(graph, folded, x), name="tinted")
    if folded.gain != 1:
        value = graph.op("Mul", value, graph.number(folded.gain), name="in_output_range")
    if output == "float32":
        graph.nodes[-1].output[0] = name  # the last node is the output
        graph.taken.add(name)
        return name
    value = graph.op("Round", value, name="rounded")
    low, high = graph.number(0), graph.number(255)
    value = graph.op("Clip", value, low, high, name="clipped")
    return graph.op("Cast", value, to=2, name=name)  # 2: UINT8


def _activate(graph: GraphBuilder, value: str, activation: str, label: str) -> str:
    match activation:
        case "none":
            return value
        case "elu":  # its -1 is in the next layer's bias
            above = graph.op("Relu", value, name=f"{label}_above_0")
            below = graph.op("Min", value, graph.number(0), name=f"{label}_below_0")
            exponential = graph.op("Exp", below, name=f"{label}_exponential")
            return graph.op("Add", above, exponential, name=f"{label}_elu_plus_1")
        case "sine":
            return graph.op("Sin", value, name=f"{label}_sine")
    return graph.op(activation.capitalize(), value, name=f"{label}_{activation}")


def _tint(graph: GraphBuilder, folded: FoldedDecoder, x: str) -> str:
    """The tint planes [pixels, 3], dequantised."""
    assert folded.tint is not None
    width = folded.planes + (2 if "coords" in folded.inputs else 0)
    first, last, _ = folded.tint.indices(width)
    starts, ends = graph.shape(first), graph.shape(last)
    part = graph.op("Slice", x, starts, ends, graph.shape(1), name="tint_codes")
    factor = graph.constant("tint_factor", folded.tint_factor)
    scaled = graph.op("Mul", part, factor, name="tint_scaled")
    return graph.op("Add", scaled, graph.constant("tint_offset", folded.tint_offset), name="tint")
