"""Words that LLVM IR is written in: vectors of pixels, memory, arithmetic, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

#: Pixels of a vector.
LANES = 16
#: Added to a small number and taken off again, it rounds to a whole one, to even.
_ROUNDER = 1.5 * 2.0**23
#: 2^r for r in -0.5..0.5.
_POWER = Chebyshev.interpolate(np.exp2, 4, domain=(-0.5, 0.5)).convert(kind=Polynomial)


class Words:
    """Emits single operations where its builder ``b`` stands, in its module ``out``."""

    def __init__(self) -> None:
        from llvmlite import ir

        self.ir = ir
        self.i64 = ir.IntType(64)
        self.f32 = ir.FloatType()
        self.f64 = ir.DoubleType()
        self.vector = ir.VectorType(self.f32, LANES)
        self.ints = ir.VectorType(ir.IntType(32), LANES)
        self.bytes = ir.VectorType(ir.IntType(8), LANES)
        self.pixels = ir.VectorType(ir.IntType(8), 3 * LANES)
        self.b: Any = None
        self.out: Any = None

    def _elu(self, x: Any) -> Any:
        """max(x, 0) + exp(min(x, 0)) - 1; exp by 2^n and a polynomial, to 3e-6."""
        below = self._max(self._min(x, self.zero()), self.splat_of(-87.0))
        n = self._call("llvm.rint", self.b.fmul(below, self.splat_of(1.4426950408889634)))
        r = self.fma(n, self.splat_of(-0.6931471805599453), below)
        power = self.splat_of(1 / 120)
        for factor in (1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
            power = self.fma(power, r, self.splat_of(factor))
        exponent = self.b.add(self.b.fptosi(n, self.ints), self._all(127))
        bits = self.b.shl(exponent, self._all(23))
        found = self.b.fmul(power, self.b.bitcast(bits, self.vector))
        return self.b.fadd(self._max(x, self.zero()), self.b.fsub(found, self.splat_of(1.0)))

    def _scaled_elu(self, u: Any) -> Any:
        """log2(e) · (elu(x) + 1), to 3e-6, of u = log2(e) · (x + 1).

        e^x ≥ x + 1, equal at 0: elu(x) + 1 is the larger of x + 1 and e^min(x, 0). In units of
        log2(e) that power is one of 2; what the unit costs is in the weights.
        """
        one = float(np.log2(np.e))
        below = self._min(self._max(u, self.splat_of(-120.0)), self.splat_of(one))
        shifted = self.b.fadd(below, self.splat_of(_ROUNDER))
        r = self.b.fsub(below, self.b.fsub(shifted, self.splat_of(_ROUNDER)))
        highest, *others = (float(factor) * one / np.e for factor in reversed(_POWER.coef))
        power = self.splat_of(highest)
        for factor in others:
            power = self.fma(power, r, self.splat_of(factor))
        bits = self.b.shl(self.b.bitcast(shifted, self.ints), self._all(23))
        found = self.b.bitcast(self.b.add(self.b.bitcast(power, self.ints), bits), self.vector)
        return self._max(u, found)

    def _all(self, value: int) -> Any:
        return self.ir.Constant(self.ints, [value] * LANES)

    def _min(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered("<", a, b), a, b)

    def _max(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered(">", a, b), a, b)

    def _call(self, name: str, value: Any) -> Any:
        kind = self.ir.FunctionType(self.vector, [self.vector])
        full = f"{name}.v{LANES}f32"
        function = self.out.globals.get(full) or self.ir.Function(self.out, kind, full)
        return self.b.call(function, [value])

    def _sum(self, vector: Any) -> Any:
        """The sum over the lanes, halves first."""
        ir = self.ir
        width = LANES
        undefined = ir.Constant(self.vector, ir.Undefined)
        while width > 1:
            width //= 2
            order = [width + i if i < width else 0 for i in range(LANES)]
            mask = ir.Constant(self.ints, order)
            vector = self.b.fadd(vector, self.b.shuffle_vector(vector, undefined, mask))
        return self.b.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def _interleaved(self, rgb: list[Any]) -> Any:
        """Three vectors as pixels of bytes: clipped to 0..255 and rounded to even."""
        ir, b = self.ir, self.b
        whole: Any = None
        for channel, value in enumerate(rgb):
            clipped = self._min(self._max(value, self.zero()), self.splat_of(255.0))
            # Its last byte is the rounded value, the two before are zero.
            bits = b.bitcast(b.fadd(clipped, self.splat_of(2.0**23)), self.ints)
            moved = b.shl(bits, self._all(8 * channel)) if channel else bits
            whole = moved if whole is None else b.or_(whole, moved)
        kind = ir.VectorType(ir.IntType(8), 4 * LANES)
        order = [4 * lane + channel for lane in range(LANES) for channel in range(3)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), 3 * LANES), order)
        return b.shuffle_vector(b.bitcast(whole, kind), ir.Constant(kind, ir.Undefined), mask)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """A · b + c, in one instruction where there is one."""
        return self.b.fadd(self.b.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    def c(self, value: int) -> Any:
        """An integer constant."""
        return self.ir.Constant(self.i64, value)

    def plus(self, value: Any, constant: int) -> Any:
        """An index and a constant."""
        return self.b.add(value, self.c(constant)) if constant else value

    def scaled(self, value: Any, constant: int) -> Any:
        """An index times a constant."""
        return self.b.mul(value, self.c(constant))

    def at(self, pointer: Any, index: Any) -> Any:
        """A pointer moved by an index."""
        return self.b.gep(pointer, [index], inbounds=True)

    def load(self, pointer: Any, index: Any) -> Any:
        """A vector from memory."""
        where = self.b.bitcast(self.at(pointer, index), self.vector.as_pointer())
        return self.b.load(where, align=4)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        """A vector to memory."""
        where = self.b.bitcast(self.at(pointer, index), self.vector.as_pointer())
        self.b.store(value, where, align=4)

    def zero(self) -> Any:
        """A vector of zeros."""
        return self.splat_of(0.0)

    def splat_of(self, value: float) -> Any:
        """A vector of a constant."""
        return self.ir.Constant(self.vector, [float(np.float32(value))] * LANES)

    def splat(self, scalar: Any) -> Any:
        """A vector of a scalar."""
        ir = self.ir
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.b.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.b.shuffle_vector(one, undefined, ir.Constant(self.ints, [0] * LANES))

    def loop(self, count: Any, body: Callable[[Any], None], step: int = 1) -> None:
        """For i in range(0, count, step); a count that is 0 runs nothing."""

        def turn(index: Any, carried: list[list[Any]]) -> list[list[Any]]:
            body(index)
            return carried

        self.sum_loop(count, [], turn, step)

    def sum_loop(
        self,
        count: Any,
        start: list[list[Any]],
        body: Callable[[Any, list[list[Any]]], list[list[Any]]],
        step: int = 1,
    ) -> list[list[Any]]:
        """A loop that carries rows of values from one turn to the next, in registers."""
        b = self.b
        limit = self.c(count) if isinstance(count, int) else count
        before = b.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(self.i64)
        index.add_incoming(self.c(0), before)
        phis = [[b.phi(self.vector) for _ in row] for row in start]
        for row, firsts in zip(phis, start, strict=True):
            for phi, first in zip(row, firsts, strict=True):
                phi.add_incoming(first, before)
        b.cbranch(b.icmp_signed("<", index, limit), inside, after)
        b.position_at_end(inside)
        done = body(index, [list(row) for row in phis])
        index.add_incoming(b.add(index, self.c(step)), b.block)
        for row, values in zip(phis, done, strict=True):
            for phi, value in zip(row, values, strict=True):
                phi.add_incoming(value, b.block)
        b.branch(head)
        b.position_at_end(after)
        return phis
