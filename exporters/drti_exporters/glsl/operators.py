"""Operators of ONNX on arrays of recorded scalars.

=========== =====================================================================================
compiled    Abs Add Ceil Clip Cos Div Elu Equal Exp Floor Gemm Greater LeakyRelu Less Log MatMul
            Max Mean Min Mul Neg Pow Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Round
            Sigmoid Sin Sqrt Sub Sum Tanh Where; Cast to float, integers
moved       Concat Expand Flatten Gather Identity Reshape Shape Slice Split Squeeze Tile Transpose
            Unsqueeze
=========== =====================================================================================

"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from drti_core.arrays import Array
from drti_exporters.glsl.symbolic import Scalar, Tape

#: Operators that only move elements.
MOVED = frozenset(
    """Concat Expand Flatten Gather Identity Reshape Shape Slice Split Squeeze Tile Transpose
    Unsqueeze""".split()  # noqa: SIM905
)


def _step(operation: str) -> Callable[..., Any]:
    """An operator that is one step for each element."""

    def apply(tape: Tape, _attributes: Any, *given: Array) -> Any:
        one = np.frompyfunc(lambda *each: tape.step(operation, *each), len(given), 1)
        return one(*given)

    return apply


def _scaled(factor: float) -> Callable[[Tape, Any, Array], Any]:
    return lambda tape, attributes, x: _step("mul")(tape, attributes, x, np.array(factor, object))


def _several(operation: str) -> Callable[..., Any]:
    """An operator of any number of tensors."""
    return lambda tape, attributes, *given: reduce(
        lambda a, b: _step(operation)(tape, attributes, a, b), given
    )


def _reduced(operation: str, mean: bool = False) -> Callable[..., Any]:
    def apply(tape: Tape, attributes: Any, x: Array, axes: Array | None = None) -> Any:
        chosen = attributes.get("axes", range(x.ndim) if axes is None else axes.tolist())
        where = sorted(int(axis) % x.ndim for axis in chosen)
        size = [1 if axis in where else side for axis, side in enumerate(x.shape)]
        last = np.moveaxis(x, where, range(-len(where), 0)).reshape(*_kept(x, where), -1)
        columns = [last[..., n] for n in range(last.shape[-1])]
        total = np.asarray(_several(operation)(tape, attributes, *columns), object)
        if mean:
            total = np.asarray(_scaled(1 / len(columns))(tape, attributes, total), object)
        return total.reshape(size if attributes.get("keepdims", 1) else _kept(x, where))

    return apply


def _kept(x: Array, reduced: list[int]) -> list[int]:
    return [side for axis, side in enumerate(x.shape) if axis not in reduced]


def _number(value: float) -> Array:
    return np.array(float(value), object)


def _clip(tape: Tape, attributes: Any, x: Array, *limits: Array) -> Any:
    given = [limit if limit.size else None for limit in limits] + [None, None]
    for operation, limit, name in zip(("max", "min"), given, ("min", "max"), strict=False):
        if limit is None and name in attributes:  # before opset 11
            limit = _number(attributes[name])
        if limit is not None:
            x = _step(operation)(tape, attributes, x, limit)
    return x


def _linear_unit(tape: Tape, slope: Callable[[Array], Any], x: Array) -> Any:
    """X above 0, a function of min(x, 0) below."""
    above = _step("max")(tape, {}, x, _number(0))
    below = slope(np.asarray(_step("min")(tape, {}, x, _number(0)), object))
    return _step("add")(tape, {}, above, below)


def _elu(tape: Tape, attributes: Any, x: Array) -> Any:
    alpha = float(attributes.get("alpha", 1))

    def below(v: Array) -> Any:
        scaled = _scaled(alpha)(tape, {}, np.asarray(_step("exp")(tape, {}, v), object))
        return _step("add")(tape, {}, scaled, _number(-alpha))

    return _linear_unit(tape, below, x)


def _sigmoid(tape: Tape, attributes: Any, x: Array) -> Any:
    minus = np.asarray(_scaled(-1)(tape, attributes, x), object)
    power = np.asarray(_step("exp")(tape, attributes, minus), object)
    return _step("div")(tape, {}, _number(1), _step("add")(tape, {}, power, _number(1)))


def _subtract(tape: Tape, attributes: Any, a: Array, b: Array) -> Any:
    return _step("add")(tape, attributes, a, _scaled(-1)(tape, attributes, b))


def _power(tape: Tape, _attributes: Any, x: Array, exponent: Array) -> Any:
    """Small whole exponents are products: pow() of GLSL knows no negative base."""

    def one(base: Any, power: Any) -> Any:
        if isinstance(power, Scalar) or power not in (1, 2, 3, 4):
            return tape.step("pow", base, power)
        return reduce(lambda a, b: tape.step("mul", a, b), [base] * int(power))

    return np.frompyfunc(one, 2, 1)(x, exponent)


def _gemm(_tape: Tape, attributes: Any, a: Array, b: Array, *c: Array) -> Any:
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    product = (a @ b) * float(attributes.get("alpha", 1))
    return product + c[0] * float(attributes.get("beta", 1)) if c and c[0].size else product


def _cast(tape: Tape, attributes: Any, x: Array) -> Any:
    """To floats nothing happens; integers are cut off."""
    to_float = attributes["to"] in (1, 10, 11)  # FLOAT, FLOAT16, DOUBLE
    return x if to_float else _step("trunc")(tape, attributes, x)


#: Operators on values of a light or a pixel: (tape, attributes, tensors) → tensor.
COMPILED: Mapping[str, Callable[..., Any]] = {
    **{name: _step(name.lower()) for name in ("Abs", "Sqrt", "Exp", "Log", "Sin", "Cos", "Tanh")},
    **{name: _step(name.lower()) for name in ("Floor", "Ceil", "Round", "Greater", "Equal")},
    **{name: _step(name.lower()) for name in ("Add", "Mul", "Div", "Where")},
    **{f"Reduce{name}": _reduced(name.lower()) for name in ("Max", "Min")},
    "ReduceSum": _reduced("add"),
    "ReduceMean": _reduced("add", mean=True),
    "Max": _several("max"),
    "Min": _several("min"),
    "Sum": _several("add"),
    "Sub": _subtract,
    "Neg": _scaled(-1),
    "Pow": _power,
    "Reciprocal": lambda tape, _, x: _step("div")(tape, {}, _number(1), x),
    "Less": lambda tape, _, a, b: _step("greater")(tape, {}, b, a),
    "Clip": _clip,
    "Relu": lambda tape, _, x: _step("max")(tape, {}, x, _number(0)),
    "LeakyRelu": lambda tape, attributes, x: _linear_unit(
        tape, lambda v: _scaled(float(attributes.get("alpha", 0.01)))(tape, {}, v), x
    ),
    "Elu": _elu,
    "Sigmoid": _sigmoid,
    "MatMul": lambda _tape, _, a, b: a @ b,
    "Gemm": _gemm,
    "Cast": _cast,
}
