"""LLVM IR of small ELU networks and their gradients: vectors over pixels, 4 × 4 register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drti_core.arrays import F32
from drti_core.runtime.llvm.words import LANES, Words

#: Pixels of a block; batches are multiples of it.
BLOCK = 128
#: How many pointers each pass takes, two numbers behind them.
POINTERS = {"step": 8, "predict": 4, "relight": 4}
_TILE = 4
_VECTORS = BLOCK // LANES


@dataclass(frozen=True)
class Shape:
    """Widths of a chain: latents, hidden layers, and 3.

    Args:
        widths: (K, N, …, 3); every hidden layer is followed by ELU.
    """

    widths: tuple[int, ...]

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(out, in) of each layer."""
        return list(zip(self.widths[1:], self.widths[:-1], strict=True))

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where each layer's weight and bias begin among the packed parameters."""
        found, at = [], 0
        for out, into in self.layers:
            found.append((at, at + out * into))
            at += out * into + out
        return found

    @property
    def scaled(self) -> tuple[F32, F32]:
        """Factors and what is added then: parameters of a chain of elu + 1 become ``relight``'s.

        Its hidden layers take log2(e) · (x + 1) and give log2(e) · (elu(x) + 1).
        """
        factors, added = [], []
        unit, last = np.log2(np.e), len(self.layers) - 1
        for number, (out, into) in enumerate(self.layers):
            taken, given = unit if number else 1.0, 1.0 if number == last else unit
            factors += [np.full(out * into, given / taken), np.full(out, given)]
            added += [np.zeros(out * into), np.full(out, 0.0 if number == last else unit)]
        return np.concatenate(factors, dtype=np.float32), np.concatenate(added, dtype=np.float32)

    @property
    def size(self) -> int:
        """Packed parameters of one light."""
        return sum(out * into + out for out, into in self.layers)


class Emitter(Words):
    """Writes the IR of the passes.

    ``step`` takes float32 to a loss and its gradients, ``predict`` float32 to float32, and
    ``relight`` codes of 8 bits to pixels of 8 bits.

    Args:
        shape: widths of the chain.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def module(self, passes: Sequence[str]) -> str:
        """IR of functions of these names."""
        ir = self.ir
        self.out = ir.Module("chain")
        pointer = self.f32.as_pointer()
        for name in passes:
            count = POINTERS[name]
            kinds = [pointer] * count
            if name == "step":
                kinds[6] = self.f64.as_pointer()
            if name == "relight":
                kinds[0] = kinds[2] = ir.IntType(8).as_pointer()
            function = ir.Function(
                self.out, ir.FunctionType(ir.VoidType(), [*kinds, self.i64, self.i64]), name
            )
            for argument in function.args[:count]:
                argument.add_attribute("noalias")
            self.b = ir.IRBuilder(function.append_basic_block())
            getattr(self, f"_{name}")(*function.args)
            self.b.ret_void()
        return str(self.out)

    # -- the passes ------------------------------------------------------------------------

    def _step(
        self,
        latents: Any,
        weights: Any,
        targets: Any,
        scale: Any,
        slope: Any,
        change: Any,
        loss: Any,
        room: Any,
        lights: Any,
        pixels: Any,
    ) -> None:
        shape = self.shape
        layers, offsets = shape.layers, shape.offsets
        values, slopes, sums = self._rooms(room)
        size = self.c(shape.size)
        total = self.b.alloca(self.vector)

        def light(number: Any) -> None:
            w = self.at(weights, self.b.mul(number, size))
            dw = self.at(change, self.b.mul(number, size))
            y = self.at(targets, self.b.mul(self.b.mul(number, self.c(3)), pixels))
            factor = self.splat(self.b.load(self.at(scale, number)))
            self.loop(shape.size, lambda i: self.store(self.zero(), sums, self.scaled(i, LANES)))
            self.b.store(self.zero(), total)

            def block(first: Any) -> None:
                x, stride = self.at(latents, first), pixels
                for number, (out, into) in enumerate(layers):
                    last = number == len(layers) - 1
                    self._forward(
                        self.at(w, self.c(offsets[number][0])),
                        self.at(w, self.c(offsets[number][1])),
                        (x, stride),
                        values[number],
                        out,
                        into,
                        None if last else self._elu,
                    )
                    x, stride = values[number], self.c(BLOCK)
                self._loss(values[-1], self.at(y, first), pixels, slopes[-1], factor, total)
                for number in reversed(range(len(layers))):
                    out, into = layers[number]
                    x, stride = (
                        (values[number - 1], self.c(BLOCK))
                        if number
                        else (self.at(latents, first), pixels)
                    )
                    weight, bias = offsets[number]
                    self._outer(
                        slopes[number],
                        (x, stride),
                        self.at(sums, self.c(weight * LANES)),
                        self.at(sums, self.c(bias * LANES)),
                        out,
                        into,
                    )
                    self._back(
                        self.at(w, self.c(weight)),
                        slopes[number],
                        (slopes[number - 1], self.c(BLOCK))
                        if number
                        else (self.at(slope, first), pixels),
                        values[number - 1] if number else None,
                        out,
                        into,
                    )

            self.loop(pixels, block, BLOCK)

            def reduce(i: Any) -> None:
                vector = self.load(sums, self.scaled(i, LANES))
                self.b.store(self._sum(vector), self.at(dw, i))

            self.loop(shape.size, reduce)
            found = self.b.fpext(self._sum(self.b.load(total)), self.f64)
            self.b.store(found, self.at(loss, number))

        self.loop(lights, light)

    def _predict(
        self, latents: Any, weights: Any, out: Any, room: Any, lights: Any, pixels: Any
    ) -> None:
        shape = self.shape
        values, _, _ = self._rooms(room)

        def light(number: Any) -> None:
            w = self.at(weights, self.b.mul(number, self.c(shape.size)))
            rgb = self.at(out, self.b.mul(self.b.mul(number, self.c(3)), pixels))

            def block(first: Any) -> None:
                x, stride = self.at(latents, first), pixels
                for index, (rows, into) in enumerate(shape.layers):
                    last = index == len(shape.layers) - 1
                    weight, bias = shape.offsets[index]
                    self._forward(
                        self.at(w, self.c(weight)),
                        self.at(w, self.c(bias)),
                        (x, stride),
                        self.at(rgb, first) if last else values[index],
                        rows,
                        into,
                        None if last else self._elu,
                        out_stride=pixels if last else None,
                    )
                    x, stride = values[index], self.c(BLOCK)

            self.loop(pixels, block, BLOCK)

        self.loop(lights, light)

    def _relight(
        self, codes: Any, weights: Any, out: Any, room: Any, stride: Any, pixels: Any
    ) -> None:
        """Codes (K, P), planes a stride apart, to pixels (P, 3).

        The weights are those of :meth:`Shape.scaled`. A vector behind the rooms tells of what is
        no number.
        """
        shape, b = self.shape, self.b
        values, _, _ = self._rooms(room)
        count = shape.widths[0]
        inputs = self.at(room, self.c(sum(shape.widths[1:]) * BLOCK))
        flags = self.at(inputs, self.c(count * BLOCK))
        self.store(self.zero(), flags, self.c(0))

        def block(first: Any) -> None:
            def vectors(body: Callable[[Any, Any], None], planes: int) -> None:
                self.loop(
                    planes,
                    lambda k: self.loop(BLOCK, lambda column: body(k, column), LANES),
                )

            def read(k: Any, column: Any) -> None:
                at = b.add(b.add(b.mul(k, stride), first), column)
                where = b.bitcast(self.at(codes, at), self.bytes.as_pointer())
                code = b.uitofp(b.zext(b.load(where, align=1), self.ints), self.vector)
                self.store(code, inputs, b.add(self.scaled(k, BLOCK), column))

            vectors(read, count)
            x = inputs
            for index, (rows, into) in enumerate(shape.layers):
                weight, bias = shape.offsets[index]
                self._forward(
                    self.at(weights, self.c(weight)),
                    self.at(weights, self.c(bias)),
                    (x, self.c(BLOCK)),
                    values[index],
                    rows,
                    into,
                    self._scaled_elu if index < len(shape.layers) - 1 else None,
                )
                x = values[index]

            def write(_: Any, column: Any) -> None:
                rgb = [self.load(x, self.plus(column, c * BLOCK)) for c in range(3)]
                odd = b.or_(
                    b.fcmp_unordered("uno", *rgb[:2]), b.fcmp_unordered("uno", rgb[2], rgb[2])
                )
                seen = b.bitcast(self.load(flags, self.c(0)), self.ints)
                seen = b.or_(seen, b.sext(odd, self.ints))
                self.store(b.bitcast(seen, self.vector), flags, self.c(0))
                at = self.scaled(b.add(first, column), 3)
                where = b.bitcast(self.at(out, at), self.pixels.as_pointer())
                b.store(self._interleaved(rgb), where, align=1)

            vectors(write, 1)

        self.loop(pixels, block, BLOCK)

    def _rooms(self, room: Any) -> tuple[list[Any], list[Any], Any]:
        """Activations and slopes of each layer, and the vectors of the parameters' slopes."""
        at, found = 0, []
        for _ in range(2):
            part = []
            for width in self.shape.widths[1:]:
                part.append(self.at(room, self.c(at)))
                at += width * BLOCK
            found.append(part)
        return found[0], found[1], self.at(room, self.c(at))

    # -- matrix products over a block ------------------------------------------------------

    def _forward(
        self,
        weight: Any,
        bias: Any,
        x: tuple[Any, Any],
        result: Any,
        out: int,
        into: int,
        activation: Callable[[Any], Any] | None,
        *,
        out_stride: Any = None,
    ) -> None:
        """result[n, p] = activation(bias[n] + Σ_k weight[n, k] · x[k, p])."""
        source, stride = x
        step = self.c(BLOCK) if out_stride is None else out_stride

        def tile(first: Any, rows: int, column: Any) -> None:
            start = [
                [self.splat(self.b.load(self.at(bias, self.plus(first, r))))] * _TILE
                for r in range(rows)
            ]

            def term(k: Any, acc: list[list[Any]]) -> list[list[Any]]:
                at = self.b.add(self.b.mul(k, stride), column)
                xs = [self.load(source, self.plus(at, v * LANES)) for v in range(_TILE)]
                for r in range(rows):
                    index = self.b.add(self.scaled(self.plus(first, r), into), k)
                    w = self.splat(self.b.load(self.at(weight, index)))
                    acc[r] = [self.fma(w, xs[v], acc[r][v]) for v in range(_TILE)]
                return acc

            for r, row in enumerate(self.sum_loop(into, start, term)):
                at = self.b.add(self.b.mul(self.plus(first, r), step), column)
                for v, value in enumerate(row):
                    found = activation(value) if activation else value
                    self.store(found, result, self.plus(at, v * LANES))

        self._tiles(out, tile)

    def _back(
        self,
        weight: Any,
        slopes: Any,
        result: tuple[Any, Any],
        values: Any | None,
        out: int,
        into: int,
    ) -> None:
        """result[k, p] = elu'(values[k, p]) · Σ_n weight[n, k] · slopes[n, p].

        Without ``values`` the product is added to what is there.
        """
        target, stride = result

        def tile(first: Any, rows: int, column: Any) -> None:
            start = [[self.zero()] * _TILE for _ in range(rows)]
            where = [
                self.b.add(self.b.mul(self.plus(first, r), stride), column) for r in range(rows)
            ]
            if values is None:
                start = [
                    [self.load(target, self.plus(at, v * LANES)) for v in range(_TILE)]
                    for at in where
                ]

            def term(n: Any, acc: list[list[Any]]) -> list[list[Any]]:
                at = self.b.add(self.scaled(n, BLOCK), column)
                xs = [self.load(slopes, self.plus(at, v * LANES)) for v in range(_TILE)]
                for r in range(rows):
                    index = self.b.add(self.scaled(n, into), self.plus(first, r))
                    w = self.splat(self.b.load(self.at(weight, index)))
                    acc[r] = [self.fma(w, xs[v], acc[r][v]) for v in range(_TILE)]
                return acc

            for r, row in enumerate(self.sum_loop(out, start, term)):
                for v, value in enumerate(row):
                    if values is not None:
                        h = self.load(values, self.plus(where[r], v * LANES))
                        value = self.fma(value, self._min(h, self.zero()), value)
                    self.store(value, target, self.plus(where[r], v * LANES))

        self._tiles(into, tile)

    def _outer(
        self, slopes: Any, x: tuple[Any, Any], weight: Any, bias: Any, out: int, into: int
    ) -> None:
        """Add Σ_p slopes[n, p] · x[k, p] to the weight and Σ_p slopes[n, p] to the bias."""
        source, stride = x

        def rows_of(first: Any, rows: int) -> None:
            def columns_of(left: Any, columns: int) -> None:
                where = [
                    [
                        self.scaled(
                            self.b.add(self.scaled(self.plus(first, r), into), self.plus(left, k)),
                            LANES,
                        )
                        for k in range(columns)
                    ]
                    for r in range(rows)
                ]
                start = [[self.load(weight, at) for at in row] for row in where]

                def term(p: Any, acc: list[list[Any]]) -> list[list[Any]]:
                    column = self.scaled(p, LANES)
                    xs = [
                        self.load(
                            source, self.b.add(self.b.mul(self.plus(left, k), stride), column)
                        )
                        for k in range(columns)
                    ]
                    for r in range(rows):
                        at = self.b.add(self.scaled(self.plus(first, r), BLOCK), column)
                        d = self.load(slopes, at)
                        acc[r] = [self.fma(d, xs[k], acc[r][k]) for k in range(columns)]
                    return acc

                done = self.sum_loop(_VECTORS, start, term)
                for r in range(rows):
                    for k in range(columns):
                        self.store(done[r][k], weight, where[r][k])

            self._split(into, columns_of)

            def add(p: Any, acc: list[list[Any]]) -> list[list[Any]]:
                for r in range(rows):
                    at = self.b.add(self.scaled(self.plus(first, r), BLOCK), self.scaled(p, LANES))
                    acc[r] = [self.b.fadd(acc[r][0], self.load(slopes, at))]
                return acc

            places = [self.scaled(self.plus(first, r), LANES) for r in range(rows)]
            sums = self.sum_loop(_VECTORS, [[self.load(bias, at)] for at in places], add)
            for at, (value,) in zip(places, sums, strict=True):
                self.store(value, bias, at)

        self._split(out, rows_of)

    def _loss(
        self, values: Any, targets: Any, pixels: Any, slopes: Any, factor: Any, total: Any
    ) -> None:
        """Slopes 2 · factor · (values - targets); their share of the loss is added to total."""

        def channel(c: Any) -> None:
            def vector(p: Any) -> None:
                column = self.scaled(p, LANES)
                at = self.b.add(self.scaled(c, BLOCK), column)
                truth = self.load(targets, self.b.add(self.b.mul(c, pixels), column))
                error = self.b.fsub(self.load(values, at), truth)
                scaled = self.b.fmul(error, factor)
                self.b.store(self.fma(scaled, error, self.b.load(total)), total)
                self.store(self.b.fadd(scaled, scaled), slopes, at)

            self.loop(_VECTORS, vector)

        self.loop(3, channel)

    def _tiles(self, rows: int, tile: Callable[[Any, int, Any], None]) -> None:
        """Every tile of up to 4 rows by 4 vectors of a block."""
        width = _TILE * LANES
        self._split(rows, lambda first, n: self.loop(BLOCK, lambda at: tile(first, n, at), width))

    def _split(self, count: int, body: Callable[[Any, int], None]) -> None:
        """Call ``body(first, rows)`` for tiles of 4, then for what is left over."""
        whole = count - count % _TILE
        if whole:
            self.loop(whole, lambda i: body(i, _TILE), _TILE)
        if count % _TILE:
            body(self.c(whole), count % _TILE)
