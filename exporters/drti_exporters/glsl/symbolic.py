"""Arithmetic that is recorded instead of done: scalars of a light or of a pixel.

A :class:`Scalar` is a step on a :class:`Tape`; numbers that need neither light nor pixel stay
floats. Steps are written as GLSL or JavaScript, or done in numpy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from drti_core.arrays import F64
from drti_core.errors import UnsupportedDecoderError
from drti_exporters.glsl.texts import number

#: When a number is known: always, under a light, at a pixel.
Stage = Literal["number", "light", "pixel"]
#: Steps of a tape: a shader with more is none for every frame.
MOST_STEPS = 200_000
#: Operators one inside the other in a statement: compilers refuse very deep ones.
_DEEPEST = 24


@dataclass(frozen=True)
class Operation:
    """How a step is written and done; its arguments are ``{0}``, ``{1}``, ….

    Args:
        glsl: in GLSL.
        javascript: in JavaScript.
        numpy: in double precision.
        function: template of a GLSL function that it calls, or none.
    """

    glsl: str
    javascript: str
    numpy: Callable[..., Any]
    function: str = ""


#: Halves go to the even neighbour.
_EVEN = "((v) => Math.round(v) - (Math.abs(v % 1) === 0.5 && Math.round(v) % 2 ? 1 : 0))({0})"

OPERATIONS: Mapping[str, Operation] = {
    "add": Operation("{0} + {1}", "{0} + {1}", np.add),
    "mul": Operation("{0} * {1}", "{0} * {1}", np.multiply),
    "div": Operation("{0} / {1}", "{0} / {1}", np.divide),
    "pow": Operation("pow({0}, {1})", "Math.pow({0}, {1})", np.power),
    "max": Operation("max({0}, {1})", "Math.max({0}, {1})", np.maximum),
    "min": Operation("min({0}, {1})", "Math.min({0}, {1})", np.minimum),
    "abs": Operation("abs({0})", "Math.abs({0})", np.abs),
    "sqrt": Operation("sqrt({0})", "Math.sqrt({0})", np.sqrt),
    "exp": Operation("exp({0})", "Math.exp({0})", np.exp),
    "log": Operation("log({0})", "Math.log({0})", np.log),
    "sin": Operation("drti_sine({0})", "Math.sin({0})", np.sin, "sine"),
    "cos": Operation("drti_sine({0} + 1.5707964)", "Math.cos({0})", np.cos, "sine"),
    "tanh": Operation("drti_tanh({0})", "Math.tanh({0})", np.tanh, "tanh"),
    "floor": Operation("floor({0})", "Math.floor({0})", np.floor),
    "ceil": Operation("ceil({0})", "Math.ceil({0})", np.ceil),
    "trunc": Operation("trunc({0})", "Math.trunc({0})", np.trunc),
    "round": Operation("roundEven({0})", _EVEN, np.rint),
    "greater": Operation("float({0} > {1})", "Number({0} > {1})", np.greater),
    "equal": Operation("float({0} == {1})", "Number({0} === {1})", np.equal),
    "where": Operation("({0} != 0. ? {1} : {2})", "({0} ? {1} : {2})", np.where),
}


@dataclass(frozen=True, eq=False)
class Scalar:
    """A number that is known when a light or a pixel is.

    Args:
        tape: that its step is on.
        index: of the step.
        stage: when it is known.
    """

    tape: Tape
    index: int
    stage: Stage

    def __add__(self, other: Any) -> Any:
        return self.tape.step("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self.tape.step("add", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.tape.step("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.tape.step("mul", other, self)


@dataclass(eq=False)
class Tape:
    """Steps in the order in which they are done.

    Args:
        steps: what each does: an operation and the steps that it takes its arguments from,
            ``("input", name)`` or ``("number", value)``.
        stages: of each.
        known: step of an operation with its arguments: none is recorded twice.
        where: for messages.
    """

    steps: list[tuple[Any, ...]] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    where: str = ""

    def input(self, name: str, stage: Stage) -> Scalar:
        """A number that is given from outside, by its expression."""
        return self._record(("input", name), stage)

    def step(self, operation: str, *given: Any) -> Any:
        """Record a step, or do it where all arguments are numbers.

        Raises:
            UnsupportedDecoderError: there are too many steps.
        """
        if not any(isinstance(each, Scalar) for each in given):
            with np.errstate(all="ignore"):
                return float(OPERATIONS[operation].numpy(*given))
        first, second = (*given, None)[:2]
        if operation == "add" and 0.0 in (first, second):
            return second if first == 0.0 else first
        if operation == "mul" and 0.0 in (first, second):
            return 0.0
        if operation == "mul" and 1.0 in (first, second):
            return second if first == 1.0 else first
        indices = [
            each.index
            if isinstance(each, Scalar)
            else self._record(("number", float(each)), "number").index
            for each in given
        ]
        stages = [self.stages[index] for index in indices]
        return self._record((operation, *indices), "pixel" if "pixel" in stages else "light")

    def _record(self, step: tuple[Any, ...], stage: Stage) -> Scalar:
        index = self.known.get(step)
        if index is None:
            if len(self.steps) >= MOST_STEPS:
                raise UnsupportedDecoderError(
                    f"more than {MOST_STEPS} arithmetic steps",
                    where=self.where,
                    expected="a decoder for every frame",
                )
            index = self.known[step] = len(self.steps)
            self.steps.append(step)
            self.stages.append(stage)
        return Scalar(self, index, self.stages[index])

    def needed(self, wanted: Iterable[int], stage: Stage) -> list[int]:
        """The steps of a stage that some steps need, themselves included, in order."""
        found: set[int] = set()
        stack = [index for index in wanted if self.stages[index] == stage]
        while stack:
            index = stack.pop()
            if index not in found:
                found.add(index)
                stack += [at for at in self.arguments(index) if self.stages[at] == stage]
        return sorted(found)

    def arguments(self, index: int) -> tuple[int, ...]:
        """Steps that a step takes its arguments from."""
        step = self.steps[index]
        return () if step[0] in ("input", "number") else step[1:]

    def lines(
        self, wanted: Sequence[int], stage: Stage, given: Mapping[int, str]
    ) -> tuple[list[tuple[str, str]], dict[int, str], set[str]]:
        """Statements of a stage: GLSL for pixels, JavaScript for a light.

        Sums and products that are used once stand where they are used.

        Args:
            wanted: steps whose values are asked for.
            stage: which.
            given: expressions of steps that are known by then.

        Returns:
            Names and expressions, in order; an expression for each step; names of the function
            templates that are called.
        """
        steps = self.needed(wanted, stage)
        uses = Counter([at for index in steps for at in self.arguments(index)] + list(wanted))
        texts, sums, depths = dict(given), set(), dict.fromkeys(given, 0)
        lines, functions = [], set()
        for index in steps:
            kind = self.steps[index][0]
            if kind == "input":
                texts[index] = self.steps[index][1]
                continue
            operation, arguments = OPERATIONS[kind], []
            for at in self.arguments(index):
                if self.stages[at] == "number":
                    texts[at] = _literal(self.steps[at][1], stage)
                arguments.append(f"({texts[at]})" if at in sums and kind != "add" else texts[at])
            text = (operation.glsl if stage == "pixel" else operation.javascript).format(*arguments)
            depth = 1 + max(depths.get(at, 0) for at in self.arguments(index))
            functions |= {operation.function} - {""}
            if kind in ("mul", "add") and uses[index] == 1 and depth < _DEEPEST:
                texts[index], depths[index] = text, depth
                if kind == "add":
                    sums.add(index)
            else:
                texts[index] = f"t{index}"
                lines.append((texts[index], text))
        return lines, texts, functions

    def run(self, wanted: Sequence[int], given: Mapping[str, F64]) -> list[F64]:
        """Do the steps of the light stage in numpy; inputs are arrays of one number for a light."""
        values: dict[int, Any] = {}
        for index in self.needed(wanted, "light"):
            step = self.steps[index]
            if step[0] == "input":
                values[index] = given[step[1]]
                continue
            arguments = [
                self.steps[at][1] if self.stages[at] == "number" else values[at] for at in step[1:]
            ]
            with np.errstate(all="ignore"):
                values[index] = np.asarray(OPERATIONS[step[0]].numpy(*arguments), np.float64)
        return [values[index] for index in wanted]


def _literal(value: float, stage: Stage) -> str:
    single = np.float32(value)
    text = number(value) if stage == "pixel" else str(single if single == value else value)
    return f"({text})" if value < 0 else text
