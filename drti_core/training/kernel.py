"""One fused forward and backward pass of a small ELU network, compiled for this processor.

A general tensor library walks through memory a dozen times for each hidden unit of such a network;
here a block of pixels stays in the first-level cache from the latents to the gradients. The code is
generated for the widths at hand as LLVM IR (vectors over pixels, 4 × 4 register tiles) and compiled
by llvmlite: 10 to 15 times the samples for a CPU second of plain torch at widths of 8 to 50.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.errors import MissingExtraError, OptionError

F32 = npt.NDArray[np.float32]

#: Pixels of a block; batches are multiples of it.
BLOCK = 128
#: The lights are dealt to so many parts, each with its own gradient of the latents, whatever the
#: number of threads, so that the sums are the same on every number of cores.
PARTS = 4
_LANES = 16
_TILE = 4
_VECTORS = BLOCK // _LANES


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
    def size(self) -> int:
        """Packed parameters of one light."""
        return sum(out * into + out for out, into in self.layers)


@dataclass(frozen=True, eq=False)
class Kernel:
    """The compiled passes for one shape; make one with :func:`kernel`.

    Args:
        shape: the widths.
    """

    shape: Shape
    _step: Callable[..., None]
    _predict: Callable[..., None]
    _keep: tuple[Any, ...]

    def step(
        self,
        latents: F32,
        weights: F32,
        targets: F32,
        scale: F32,
        pool: ThreadPoolExecutor | None = None,
    ) -> tuple[npt.NDArray[np.float64], F32, F32]:
        """Loss and gradients of ``scale[l] · Σ (rgb - target)²``.

        Args:
            latents: (K, P), P a multiple of :data:`BLOCK`.
            weights: (L, size): the packed parameters for each light: of each layer the weight
                (out, in), then the bias.
            targets: (L, 3, P).
            scale: (L,) weight of each light's squared error.
            pool: runs the parts; by default one after the other.

        Returns:
            (L,) weighted losses; (K, P) gradient of the latents; (L, size) of the weights.
        """
        count, pixels = self._check(latents, weights)
        for name, array, shape in (
            ("targets", targets, (count, 3, pixels)),
            ("scale", scale, (count,)),
        ):
            _check_array(name, array, shape)
        loss = np.zeros(count)
        slope = np.zeros((PARTS, *latents.shape), np.float32)
        change = np.empty_like(weights)

        def part(number: int) -> None:
            first, last = number * count // PARTS, (number + 1) * count // PARTS
            room = self._room()
            self._step(
                latents.ctypes.data,
                weights[first:].ctypes.data,
                targets[first:].ctypes.data,
                scale[first:].ctypes.data,
                slope[number].ctypes.data,
                change[first:].ctypes.data,
                loss[first:].ctypes.data,
                room.ctypes.data,
                last - first,
                pixels,
            )

        for _ in (pool.map if pool is not None else map)(part, range(PARTS)):
            pass
        return loss, slope.sum(axis=0), change

    def predict(self, latents: F32, weights: F32) -> F32:
        """RGB (L, 3, P) for latents (K, P) and the packed parameters (L, size) of each light."""
        count, pixels = self._check(latents, weights)
        out, room = np.empty((count, 3, pixels), np.float32), self._room()
        self._predict(
            latents.ctypes.data,
            weights.ctypes.data,
            out.ctypes.data,
            room.ctypes.data,
            count,
            pixels,
        )
        return out

    def _check(self, latents: F32, weights: F32) -> tuple[int, int]:
        pixels = latents.shape[-1]
        _check_array("latents", latents, (self.shape.widths[0], pixels))
        _check_array("weights", weights, (len(weights), self.shape.size))
        if pixels % BLOCK:
            raise OptionError(f"{pixels} pixels", expected=f"a multiple of {BLOCK}")
        return len(weights), pixels

    def _room(self) -> F32:
        """Activations and slopes of a block, and a vector for each parameter's gradient."""
        wide = sum(self.shape.widths[1:])
        return _aligned(2 * wide * BLOCK + self.shape.size * _LANES)


def _aligned(size: int) -> F32:
    raw = np.empty(size + 16, np.float32)
    start = (-raw.ctypes.data // 4) % 16
    return raw[start : start + size]


def _check_array(name: str, array: F32, shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
        raise OptionError(
            f"{name}: {array.dtype} of shape {array.shape}",
            expected=f"contiguous float32 of shape {shape}",
        )


@lru_cache
def kernel(shape: Shape) -> Kernel:
    """Compile the passes for a shape (about a second); kept for the process.

    Raises:
        MissingExtraError: llvmlite is not installed.
    """
    try:
        import llvmlite.binding as llvm
    except ImportError:
        raise MissingExtraError("fast training on the CPU", "train") from None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    features["prefer-256-bit"] = False
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    module = llvm.parse_assembly(_Emitter(shape).module())
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    address, number = ctypes.c_void_p, ctypes.c_int64
    step = ctypes.CFUNCTYPE(None, *[address] * 8, number, number)
    predict = ctypes.CFUNCTYPE(None, *[address] * 4, number, number)
    return Kernel(
        shape,
        step(engine.get_function_address("step")),
        predict(engine.get_function_address("predict")),
        (engine, machine),
    )


class _Emitter:
    """Writes the IR of both passes."""

    def __init__(self, shape: Shape) -> None:
        from llvmlite import ir

        self.ir = ir
        self.shape = shape
        self.i64 = ir.IntType(64)
        self.f32 = ir.FloatType()
        self.f64 = ir.DoubleType()
        self.vector = ir.VectorType(self.f32, _LANES)
        self.ints = ir.VectorType(ir.IntType(32), _LANES)
        self.fast = ("contract", "reassoc", "nsz")
        self.b: Any = None
        self.out: Any = None

    def module(self) -> str:
        """IR of the functions ``step`` and ``predict``."""
        ir = self.ir
        self.out = ir.Module("chain")
        pointer = self.f32.as_pointer()
        for name, count in (("step", 8), ("predict", 4)):
            kinds = [pointer] * count
            if name == "step":
                kinds[6] = self.f64.as_pointer()
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
            self.loop(shape.size, lambda i: self.store(self.zero(), sums, self.scaled(i, _LANES)))
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
                        elu=not last,
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
                        self.at(sums, self.c(weight * _LANES)),
                        self.at(sums, self.c(bias * _LANES)),
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
                vector = self.load(sums, self.scaled(i, _LANES))
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
                        elu=not last,
                        out_stride=pixels if last else None,
                    )
                    x, stride = values[index], self.c(BLOCK)

            self.loop(pixels, block, BLOCK)

        self.loop(lights, light)

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
        *,
        elu: bool,
        out_stride: Any = None,
    ) -> None:
        """result[n, p] = elu(bias[n] + Σ_k weight[n, k] · x[k, p])."""
        source, stride = x
        step = self.c(BLOCK) if out_stride is None else out_stride

        def tile(first: Any, rows: int, column: Any) -> None:
            start = [
                [self.splat(self.b.load(self.at(bias, self.plus(first, r))))] * _TILE
                for r in range(rows)
            ]

            def term(k: Any, acc: list[list[Any]]) -> list[list[Any]]:
                at = self.b.add(self.b.mul(k, stride), column)
                xs = [self.load(source, self.plus(at, v * _LANES)) for v in range(_TILE)]
                for r in range(rows):
                    index = self.b.add(self.scaled(self.plus(first, r), into), k)
                    w = self.splat(self.b.load(self.at(weight, index)))
                    acc[r] = [self.fma(w, xs[v], acc[r][v]) for v in range(_TILE)]
                return acc

            for r, row in enumerate(self.sum_loop(into, start, term)):
                at = self.b.add(self.b.mul(self.plus(first, r), step), column)
                for v, value in enumerate(row):
                    self.store(self._elu(value) if elu else value, result, self.plus(at, v * 16))

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
                    [self.load(target, self.plus(at, v * _LANES)) for v in range(_TILE)]
                    for at in where
                ]

            def term(n: Any, acc: list[list[Any]]) -> list[list[Any]]:
                at = self.b.add(self.scaled(n, BLOCK), column)
                xs = [self.load(slopes, self.plus(at, v * _LANES)) for v in range(_TILE)]
                for r in range(rows):
                    index = self.b.add(self.scaled(n, into), self.plus(first, r))
                    w = self.splat(self.b.load(self.at(weight, index)))
                    acc[r] = [self.fma(w, xs[v], acc[r][v]) for v in range(_TILE)]
                return acc

            for r, row in enumerate(self.sum_loop(out, start, term)):
                for v, value in enumerate(row):
                    if values is not None:
                        h = self.load(values, self.plus(where[r], v * _LANES))
                        value = self.fma(value, self._min(h, self.zero()), value)
                    self.store(value, target, self.plus(where[r], v * _LANES))

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
                            _LANES,
                        )
                        for k in range(columns)
                    ]
                    for r in range(rows)
                ]
                start = [[self.load(weight, at) for at in row] for row in where]

                def term(p: Any, acc: list[list[Any]]) -> list[list[Any]]:
                    column = self.scaled(p, _LANES)
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
                    at = self.b.add(self.scaled(self.plus(first, r), BLOCK), self.scaled(p, _LANES))
                    acc[r] = [self.b.fadd(acc[r][0], self.load(slopes, at))]
                return acc

            places = [self.scaled(self.plus(first, r), _LANES) for r in range(rows)]
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
                column = self.scaled(p, _LANES)
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
        width = _TILE * _LANES
        self._split(rows, lambda first, n: self.loop(BLOCK, lambda at: tile(first, n, at), width))

    def _split(self, count: int, body: Callable[[Any, int], None]) -> None:
        """Call ``body(first, rows)`` for tiles of 4, then for what is left over."""
        whole = count - count % _TILE
        if whole:
            self.loop(whole, lambda i: body(i, _TILE), _TILE)
        if count % _TILE:
            body(self.c(whole), count % _TILE)

    # -- words of the IR -------------------------------------------------------------------

    def _elu(self, x: Any) -> Any:
        """max(x, 0) + exp(min(x, 0)) - 1; exp by 2^n and a polynomial, to 3e-6."""
        below = self._max(self._min(x, self.zero()), self.splat_of(-87.0))
        n = self._call("llvm.rint", self.b.fmul(below, self.splat_of(1.4426950408889634)))
        r = self.fma(n, self.splat_of(-0.6931471805599453), below)
        power = self.splat_of(1 / 120)
        for factor in (1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
            power = self.fma(power, r, self.splat_of(factor))
        ir = self.ir
        exponent = self.b.add(self.b.fptosi(n, self.ints), ir.Constant(self.ints, [127] * _LANES))
        bits = self.b.shl(exponent, ir.Constant(self.ints, [23] * _LANES))
        found = self.b.fmul(power, self.b.bitcast(bits, self.vector))
        return self.b.fadd(self._max(x, self.zero()), self.b.fsub(found, self.splat_of(1.0)))

    def _min(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered("<", a, b), a, b)

    def _max(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.fcmp_ordered(">", a, b), a, b)

    def _call(self, name: str, value: Any) -> Any:
        kind = self.ir.FunctionType(self.vector, [self.vector])
        full = f"{name}.v{_LANES}f32"
        function = self.out.globals.get(full) or self.ir.Function(self.out, kind, full)
        return self.b.call(function, [value])

    def _sum(self, vector: Any) -> Any:
        """The sum over the lanes, halves first."""
        ir = self.ir
        width = _LANES
        undefined = ir.Constant(self.vector, ir.Undefined)
        while width > 1:
            width //= 2
            order = [width + i if i < width else 0 for i in range(_LANES)]
            mask = ir.Constant(self.ints, order)
            vector = self.b.fadd(vector, self.b.shuffle_vector(vector, undefined, mask))
        return self.b.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.b.fadd(self.b.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    def c(self, value: int) -> Any:
        return self.ir.Constant(self.i64, value)

    def plus(self, value: Any, constant: int) -> Any:
        return self.b.add(value, self.c(constant)) if constant else value

    def scaled(self, value: Any, constant: int) -> Any:
        return self.b.mul(value, self.c(constant))

    def at(self, pointer: Any, index: Any) -> Any:
        return self.b.gep(pointer, [index], inbounds=True)

    def load(self, pointer: Any, index: Any) -> Any:
        where = self.b.bitcast(self.at(pointer, index), self.vector.as_pointer())
        return self.b.load(where, align=4)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        where = self.b.bitcast(self.at(pointer, index), self.vector.as_pointer())
        self.b.store(value, where, align=4)

    def zero(self) -> Any:
        return self.splat_of(0.0)

    def splat_of(self, value: float) -> Any:
        return self.ir.Constant(self.vector, [float(np.float32(value))] * _LANES)

    def splat(self, scalar: Any) -> Any:
        ir = self.ir
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.b.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.b.shuffle_vector(one, undefined, ir.Constant(self.ints, [0] * _LANES))

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
