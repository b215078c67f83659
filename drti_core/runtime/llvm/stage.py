"""Chains of ELU layers compiled for this processor by llvmlite, where it is installed.

A block of pixels stays in the first-level cache from the codes to the colours, whereas a runtime of
separate operators walks through memory half a dozen times for each layer: more than twice the
pixels of ONNX Runtime for a CPU second.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import F32
from drti_core.decoder.fold import FoldedDecoder
from drti_core.errors import DrtiError, MissingExtraError, OptionError
from drti_core.lights import LightDirections
from drti_core.runtime.kept import Kept
from drti_core.runtime.llvm.kernels import BLOCK, POINTERS, Emitter, Shape
from drti_core.runtime.llvm.words import LANES
from drti_core.runtime.numpy_stage import NumpyStage
from drti_core.runtime.stages import Kernel, Kind, whole

#: Pixels of a tile where there is more to do than the compiled pass does: a multiple of a block.
_TILE = 4096
#: And most pixels of a call where there is not.
_MOST = 1 << 16


def build(shape: Shape, passes: Sequence[str]) -> dict[str, Callable[..., None]]:
    """Compile passes (``step``, ``predict``, ``relight``) for a shape.

    Returns:
        Functions of as many pointers as :data:`~drti_core.runtime.llvm.kernels.POINTERS` says, then
        the numbers of lights (of ``relight``: from one plane to the next) and of pixels; they run
        without Python's lock.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        features["prefer-256-bit"] = False
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    module = llvm.parse_assembly(Emitter(shape).module(passes))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    address, number = ctypes.c_void_p, ctypes.c_int64
    found: dict[str, Callable[..., None]] = {}
    for name in passes:
        kind = ctypes.CFUNCTYPE(None, *[address] * POINTERS[name], number, number)
        function: Any = kind(engine.get_function_address(name))
        function.keep = (engine, machine)  # the code lives as long as they do
        found[name] = function
    return found


#: Functions of the latest shapes, by shape and name of the pass.
compiled: Kept[Callable[..., None]] = Kept(lambda shape, name: build(shape, (name,))[name], 128)


def aligned(size: int) -> F32:
    """Uninitialised numbers that begin where a vector does."""
    raw = np.empty(size + 16, np.float32)
    start = (-raw.ctypes.data // 4) % 16
    return raw[start : start + size]


def fits(folded: FoldedDecoder) -> bool:
    """Whether a decoder is a chain that is compiled: hidden layers with ELU, a last one without."""
    activations = [layer.activation for layer in folded.layers]
    return activations == ["elu"] * (len(activations) - 1) + ["none"] and len(activations) > 1


class CompiledStage(NumpyStage):
    """Chains of ELU layers, compiled once for their widths (a quarter of a second).

    Args:
        folded: with a range of 255 for uint8, else 1.
        kind: of the colours.

    Raises:
        OptionError: the decoder is no such chain.
        MissingExtraError: llvmlite is not installed.
    """

    def __init__(self, folded: FoldedDecoder, kind: Kind) -> None:
        if not fits(folded):
            names = ", ".join(layer.activation for layer in folded.layers)
            raise OptionError(
                f"runtime 'compiled' for layers with the activations {names}",
                expected="elu in all but the last, and none in that",
                mend="The runtimes auto, onnx and numpy take any.",
            )
        if find_spec("llvmlite") is None:
            raise MissingExtraError("the runtime 'compiled'", "fast")
        super().__init__(folded, kind)
        self.uses_blas = False
        plain = folded.inputs == ("planes",) and folded.tint is None and folded.gain == 1
        self.direct = plain and kind == "uint8" and folded.code_max == 255
        self.tile = BLOCK if self.direct else _TILE
        shape = self.shape = Shape((self.features, *self.widths))
        self.run = compiled(shape, "relight" if self.direct else "predict")
        self.size = (sum(shape.widths[1:]) + self.features) * BLOCK
        self.scaled = shape.scaled

    def under(self, light: LightDirections) -> Kernel:
        """See :meth:`PixelStage.under`."""
        if self.direct:
            factors, added = self.scaled
            numbers = self.light_stage.numbers(light) * factors + added
            return lambda codes, _coords, out: self._pixels(numbers, codes, out)
        packed: list[F32] = []
        for number, layer in enumerate(self.light_stage.layers(light)):
            # This elu has the 1 subtracted that folding left to the next layer's bias.
            one = layer.weight.sum(axis=1) if number else np.float32(0)
            packed += [layer.weight.ravel(), layer.bias[:, 0] + one]
        weights = np.concatenate(packed, dtype=np.float32)
        return lambda codes, coords, out: self._run(weights, codes, coords, out)

    def close(self) -> None:
        """See :meth:`PixelStage.close`: the compiled code of these widths."""
        compiled.forget(self.shape)

    @property
    def most(self) -> int:
        """See :meth:`PixelStage.most`."""
        return _MOST if self.direct else self.tile

    def _pixels(self, weights: F32, codes: Any, out: npt.NDArray[Any]) -> None:
        """Codes (K, P) to pixels, without a copy but of what does not fill a block."""
        if codes.strides[1] != 1:
            codes = np.ascontiguousarray(codes)
        count = len(out) - len(out) % BLOCK
        if count:
            self._blocks(weights, codes, out, count)
        if count < len(out):
            last = np.empty((BLOCK, 3), np.uint8)
            self._blocks(weights, whole(codes[:, count:], BLOCK), last, BLOCK)
            out[count:] = last[: len(out) - count]

    def _blocks(self, weights: F32, codes: Any, out: npt.NDArray[Any], count: int) -> None:
        room = self._room()
        self._call((codes, weights, out, room), codes.strides[0], count)
        if room[self.size :].view(np.int32).any():
            raise DrtiError("a relit pixel is not a number", expected="finite coefficients")

    def _chain(self, layers: F32, own: Any) -> F32:
        out: F32 = own.values[-1]
        self._call((own.x, layers, out, self._room()), 1, self.tile)
        return out

    def _call(self, arrays: Sequence[npt.NDArray[Any]], *numbers: int) -> None:
        self.run(*(array.ctypes.data for array in arrays), *numbers)

    def _room(self) -> F32:
        """Activations of a block, its inputs, and a vector; of this thread."""
        if not hasattr(self.own, "room"):
            self.own.room = aligned(self.size + LANES)
        found: F32 = self.own.room
        return found
