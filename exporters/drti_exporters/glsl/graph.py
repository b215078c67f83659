"""ONNX graphs as shaders: each tensor an array of recorded scalars.

Operators that only move elements are run by onnx itself, on the elements' numbers. What needs no
pixel is the light stage; what it hands to the pixels is one vector of uniforms after another. The
graph is followed for two pixels at once, so that one whose pixels look at one another is found.
Operators are those of :mod:`drti_exporters.glsl.operators`; on constants alone they
may be any that onnx evaluates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drti_core.arrays import F32, F64, Array
from drti_core.decoder.fold import Affine
from drti_core.errors import UnsupportedDecoderError
from drti_core.lights import LightDirections
from drti_core.runtime.graph_decoder import GraphDecoder
from drti_exporters.glsl.light import LightTable, ScriptedFunction
from drti_exporters.glsl.operators import COMPILED, MOVED
from drti_exporters.glsl.symbolic import Scalar, Tape


@dataclass(frozen=True, eq=False)
class GraphFunction(ScriptedFunction):
    """What a graph computes of the light, as weights of a table.

    Args:
        tape: with the steps of the light stage.
        wanted: the steps whose values are the weights.
        table: (*shape, number of weights).
    """

    tape: Tape
    wanted: tuple[int, ...]
    table: F32

    def weights(self, lights: LightDirections) -> F64:
        """(L, n) values of the steps."""
        x, y, z = lights.xyz.astype(np.float64).T
        found = self.tape.run(self.wanted, {"x": x, "y": y, "z": z})
        return np.stack([np.broadcast_to(each, x.shape) for each in found], axis=1)

    def javascript(self) -> str:
        """The weights as a function of x, y, z."""
        lines, texts, _ = self.tape.lines(self.wanted, "light", {})
        each = "".join(f"      const {name} = {text};\n" for name, text in lines)
        given = ", ".join(texts[index] for index in self.wanted)
        return f"(x, y, z) => {{\n{each}      return [{given}];\n    }}"


@dataclass
class GraphStage:
    """The pixel stage of a graph: what :class:`~drti_exporters.glsl.chain.Chain` is of a chain.

    Args:
        uniforms: what follows the light.
        texture: likewise, where it is too much for uniforms.
        lines: statements.
        functions: activation functions that they call, by name and type.
    """

    uniforms: LightTable = field(default_factory=LightTable)
    texture: LightTable = field(default_factory=LightTable)
    lines: list[str] = field(default_factory=list)
    functions: dict[tuple[str, str], None] = field(default_factory=dict)


def pixel_stage(graph: GraphDecoder, room: int | None, texture: bool) -> GraphStage:
    """Statements from ``p0``, … and ``xy`` to ``vec3 rgb``.

    Args:
        graph: of the form ``decoder``.
        room: uniform vectors that it may use; None: what follows the light is in a texture.
        texture: likewise where the room does not suffice.

    Raises:
        UnsupportedDecoderError: an operator that is not compiled (it is named), pixels that look at
            one another, or more arithmetic than a shader can do.
    """
    if graph.shape is not None:
        raise UnsupportedDecoderError(
            "the graph holds its pixels",
            where=graph.where,
            expected="the form decoder",
            mend="ONNX Runtime relights it.",
        )
    tape = Tape(where=graph.where)
    rgb, scale = _follow(graph, tape)
    wanted = [each * scale if scale != 1 else each for each in rgb[0]]
    steps = [each.index for each in wanted if isinstance(each, Scalar)]
    reached = tape.needed(steps, "pixel")
    if any(tape.steps[index][0] == "input" and tape.steps[index][1] == _OTHER for index in reached):
        raise UnsupportedDecoderError(
            "pixels look at one another", where=graph.where, expected="a graph of single pixels"
        )
    light = [index for index in steps if tape.stages[index] == "light"]
    for index in reached:
        light += [at for at in tape.arguments(index) if tape.stages[at] == "light"]
    stage, given = GraphStage(), dict[int, str]()
    crossing = sorted(set(light))
    table = stage.uniforms
    if room is None or (texture and -(-len(crossing) // 4) > room):
        table = stage.texture
    rows = _linear(tape, crossing)
    for first in range(0, len(crossing), 4):
        part = range(first, min(first + 4, len(crossing)))
        vector = table.add([(rows, (n,)) for n in part])
        name = f"drti_u[{vector}]" if table is stage.uniforms else f"drti_weight({vector})"
        given |= {crossing[n]: f"{name}.{'xyzw'[n - first]}" for n in part}
    lines, texts, functions = tape.lines(steps, "pixel", given)
    stage.lines = [f"float {name} = {text};" for name, text in lines]
    values = [texts[e.index] if isinstance(e, Scalar) else f"{float(e)!r}" for e in wanted]
    stage.lines.append(f"vec3 rgb = vec3({', '.join(values)});")
    stage.functions = {(name, "float"): None for name in sorted(functions)}
    return stage


#: What every value of the second pixel is made of.
_OTHER = "another pixel"
#: Steps that a linear sum may have.
_LONGEST = 1024


def _linear(tape: Tape, crossing: list[int]) -> Affine:
    """Steps of the light stage as a table times the steps that they are sums of."""
    sums: dict[int, dict[int | None, float]] = {}
    for index in tape.needed(crossing, "light"):
        kind, arguments = tape.steps[index][0], tape.arguments(index)
        numbers = [tape.steps[at][1] if tape.stages[at] == "number" else None for at in arguments]
        found: dict[int | None, float] = {index: 1.0}
        if kind == "add":
            found = {}
            for at, value in zip(arguments, numbers, strict=True):
                for base, factor in sums[at].items() if value is None else ((None, value),):
                    found[base] = found.get(base, 0.0) + factor
        elif kind == "mul" and any(value is not None for value in numbers):
            (at,) = (a for a, value in zip(arguments, numbers, strict=True) if value is None)
            factor = next(value for value in numbers if value is not None)
            found = {base: factor * each for base, each in sums[at].items()}
        sums[index] = found if len(found) <= _LONGEST else {index: 1.0}
    bases = sorted({base for index in crossing for base in sums[index] if base is not None})
    table = np.zeros((len(crossing), len(bases)), np.float32)
    constant = np.zeros(len(crossing))
    for row, index in enumerate(crossing):
        for base, factor in sums[index].items():
            if base is None:
                constant[row] = factor
            else:
                table[row, bases.index(base)] = factor
    return Affine(constant, (GraphFunction(tape, tuple(bases), table),))


def _follow(graph: GraphDecoder, tape: Tape) -> tuple[Array, float]:
    """Two pixels' colours, (2, 3), and what makes 0..1 of them."""
    from onnx import numpy_helper

    proto = graph.graph.graph
    values: dict[str, Array] = {"": np.zeros(0)}
    for tensor in proto.initializer:
        values[tensor.name] = numpy_helper.to_array(tensor)
    count, kind = graph.codes
    peak = float(np.iinfo(kind).max)
    other = tape.input(_OTHER, "pixel")
    planes = [tape.input(f"p{n // 3}.{'xyz'[n % 3]}", "pixel") * peak for n in range(count)]
    coords = [tape.input(f"xy.{axis}", "pixel") for axis in "xy"]
    values["planes"] = np.array([planes, [other] * count], object)
    values["coords"] = np.array([coords, [other] * 2], object)
    values["light"] = np.array([tape.input(axis, "light") for axis in "xyz"], object)
    opsets = {item.domain: item.version for item in graph.graph.opset_import}
    for node in proto.node:
        given = [values[name] for name in node.input]
        found = _node(node, given, opsets, tape)
        values |= dict(zip(node.output, found, strict=False))
    output = proto.output[0]
    rgb = np.broadcast_to(values[output.name], (2, 3))
    return rgb, 1.0 if output.type.tensor_type.elem_type == 1 else 1 / 255  # 1: FLOAT


def _node(node: Any, given: list[Array], opsets: Mapping[str, int], tape: Tape) -> list[Array]:
    """What a node gives."""
    from onnx.helper import get_attribute_value
    from onnx.reference import ReferenceEvaluator

    symbolic = any(value.dtype == object for value in given)
    if symbolic and node.op_type in COMPILED:
        attributes = {item.name: get_attribute_value(item) for item in node.attribute}
        objects = [value.astype(object) for value in given]
        return [np.asarray(COMPILED[node.op_type](tape, attributes, *objects), object)]
    if symbolic and node.op_type not in MOVED:
        raise UnsupportedDecoderError(
            f"the operator {node.op_type}",
            where=f"{tape.where}, node {node.name or '/'.join(node.output)}",
            expected=", ".join(sorted(MOVED | COMPILED.keys())),
            mend="ONNX Runtime relights it.",
        )
    pool: list[Any] = []
    if symbolic:
        for at in range(len(given) if node.op_type == "Concat" else 1):
            elements = given[at].astype(object)
            given[at] = np.arange(len(pool), len(pool) + elements.size).reshape(elements.shape)
            pool.extend(elements.ravel())
    run: Any = ReferenceEvaluator(node, opsets=dict(opsets)).run
    names = [name for name in node.input if name]
    feed = {name: value for name, value in zip(node.input, given, strict=True) if name in names}
    found: list[Array] = [np.asarray(each) for each in run(None, feed)]
    if symbolic and node.op_type != "Shape":
        take = np.frompyfunc(pool.__getitem__, 1, 1)
        found = [np.asarray(take(each), object) for each in found]
    return found
