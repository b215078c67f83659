"""Nodes and constants of an ONNX graph, put together by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

#: Operator set of every graph: the first with all that is used, read by runtimes since mid-2022.
OPSET = 17
#: File version that belongs to it (onnx 1.12, ONNX Runtime 1.12).
IR_VERSION = 8

Number = float | int


@dataclass
class GraphBuilder:
    """Collects nodes; every value has a name, and constants of one name are stored once.

    Args:
        name: of the graph.
    """

    name: str
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def op(
        self,
        kind: str,
        *inputs: str | Value,
        name: str,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node with one output, called ``name`` (with a number where that is taken)."""
        from onnx import helper

        output = self.free(name)
        node = helper.make_node(
            kind, [str(value) for value in inputs], [output], domain=domain, **attributes
        )
        node.name = output
        self.nodes.append(node)
        return output

    def split(self, value: str, names: tuple[str, ...], axis: int) -> tuple[Value, ...]:
        """Cut a value into parts of one each."""
        from onnx import helper

        node = helper.make_node("Split", [value], list(names), name=f"split_{value}", axis=axis)
        self.nodes.append(node)
        self.taken |= set(names)
        return tuple(Value(self, name) for name in names)

    def constant(self, name: str, array: npt.ArrayLike, dtype: Any = np.float32) -> str:
        """Store a constant; the same name stands for the same array."""
        from onnx import numpy_helper

        if name not in self.constants:
            values = np.ascontiguousarray(np.asarray(array, dtype))
            # Always raw bytes of little-endian order, whatever the array's layout was.
            self.constants[name] = numpy_helper.from_array(values, name)
            self.taken.add(name)
        return name

    def shape(self, *sizes: int) -> str:
        """A shape, or axes, as a constant."""
        return self.constant("shape_" + "_".join(str(s) for s in sizes), sizes, np.int64)

    def number(self, value: Number) -> str:
        """A float32 scalar as a constant, called by its value."""
        text = f"{np.float32(value):.9g}".replace("-", "minus_").replace("+", "")
        return self.constant(f"number_{text.replace('.', '_')}", np.float32(value))

    def free(self, name: str) -> str:
        """The name, or if it is taken with the next free number."""
        found, number = name, 2
        while found in self.taken:
            found, number = f"{name}_{number}", number + 1
        self.taken.add(found)
        return found

    def model(
        self,
        inputs: list[tuple[str, Any, list[Any], str]],
        outputs: list[tuple[str, Any, list[Any], str]],
        metadata: dict[str, str],
        doc: str,
    ) -> Any:
        """The finished ModelProto.

        Args:
            inputs: name, numpy type, shape (texts are dynamic axes) and description of each.
            outputs: the same.
            metadata: of ``metadata_props``.
            doc: what the graph does.
        """
        from onnx import helper

        graph = helper.make_graph(
            self.nodes,
            self.name,
            [_value_info(*item) for item in inputs],
            [_value_info(*item) for item in outputs],
            list(self.constants.values()),
            doc_string=doc,
        )
        model = helper.make_model(
            graph,
            producer_name="drti",
            producer_version=metadata.get("software", "").removeprefix("drti "),
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            doc_string=doc,
        )
        helper.set_model_props(model, metadata)
        return model


def _value_info(name: str, dtype: Any, shape: list[Any], doc: str) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape, doc_string=doc)


@dataclass(frozen=True)
class Value:
    """A named value of a graph, with arithmetic: ``x * y + 1`` adds the nodes for it.

    Args:
        graph: that it belongs to.
        name: of the value.
    """

    graph: GraphBuilder
    name: str

    def __str__(self) -> str:
        return self.name

    def _binary(self, kind: str, one: Value | Number, other: Value | Number) -> Value:
        names = [v.name if isinstance(v, Value) else self.graph.number(v) for v in (one, other)]
        return Value(self.graph, self.graph.op(kind, *names, name=f"light_{kind.lower()}"))

    def __add__(self, other: Value | Number) -> Value:
        return self._binary("Add", self, other)

    def __radd__(self, other: Number) -> Value:
        return self._binary("Add", other, self)

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary("Sub", self, other)

    def __rsub__(self, other: Number) -> Value:
        return self._binary("Sub", other, self)

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary("Mul", self, other)

    def __rmul__(self, other: Number) -> Value:
        return self._binary("Mul", other, self)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._binary("Div", self, other)

    def op(self, kind: str, *others: str | Value, name: str = "", **attributes: Any) -> Value:
        """Any other operator, with this value as its first input."""
        title = name or f"light_{kind.lower()}"
        return Value(self.graph, self.graph.op(kind, self, *others, name=title, **attributes))
