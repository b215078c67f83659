"""Relighting by numpy and by ONNX Runtime: agreement, tiling, buffers, files, errors."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core.arrays import Window
from drti_core.decoder import Decoder, Dense, Planes, Terms, activate, evaluate
from drti_core.errors import DrtiError, MissingExtraError, OptionError
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.writers import rows_of
from drti_core.io.threads import one_blas_thread
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.runtime import relighter as relighter_module
from drti_core.runtime import stages
from drti_core.runtime.graph_decoder import GraphDecoder, GraphStage, ImageRelighter
from drti_core.runtime.kept import Kept
from drti_core.runtime.llvm import stage as llvm_stage
from drti_core.runtime.numpy_stage import NumpyStage
from drti_core.runtime.onnx import stage as onnx_stage
from drti_core.runtime.onnx.forms import decoder_graph
from drti_core.runtime.onnx.stage import PROVIDERS, OnnxStage, providers_of
from drti_core.runtime.relighter import Relighter, pool, stage_of
from drti_exporters.onnx.graphs import image_graph

RNG = np.random.default_rng(3)
#: 20 lights, the zenith and the horizon among them.
LIGHTS = LightDirections.from_spherical(np.linspace(0, 350, 20), np.linspace(1, 90, 20))
SHAPE = (50, 190)  # more than one tile


def numbers(*shape, scale=0.3):
    return (RNG.normal(size=shape) * scale).astype(np.float32)


def planes(count, dtype=np.uint8):
    codes = RNG.integers(0, np.iinfo(dtype).max + 1, (count, *SHAPE)).astype(dtype)
    return Planes(codes, RNG.uniform(0.5, 2, count), RNG.uniform(0, 1, count))


def affine(*shape):
    return Terms(Basis("affine", 4), numbers(*shape, 4))


def chain(activation, inputs, features, tint=None, width=12):
    layers = (
        Dense(affine(width, features), affine(width), activation, 2.0),
        Dense(numbers(8, width), numbers(8), activation, 2.0),
        Dense(numbers(3, 8), numbers(3)),
    )
    return Decoder(inputs, layers, tint)


CASES = {
    **{a: (chain(a, ("planes",), 9), 9, np.uint8) for a in ("elu", "relu", "tanh", "sigmoid")},
    "siren": (chain("sine", ("coords",), 2), 0, np.uint8),
    "both inputs": (chain("elu", ("coords", "planes"), 7), 5, np.uint8),
    "16 bits": (chain("elu", ("planes",), 9), 9, np.uint16),
    "wide": (chain("elu", ("planes",), 9, width=70), 9, np.uint8),
    "tint": (chain("elu", ("planes",), 9, slice(0, 3)), 9, np.uint8),
    "one layer": (Decoder(("planes",), (Dense(affine(3, 6), affine(3)),)), 6, np.uint8),
    "ends in elu": (Decoder(("planes",), (Dense(affine(3, 6), numbers(3), "elu"),)), 6, np.uint8),
}


def reference(decoder, given, lights=LIGHTS):
    x = (np.arange(SHAPE[1]) + 0.5) / SHAPE[1]
    y = (np.arange(SHAPE[0]) + 0.5) / SHAPE[0]
    coords = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    features = None if given is None else given.read(Window(0, 0, *SHAPE))
    return evaluate(decoder, features, coords, lights).reshape(len(lights), *SHAPE, 3)


RUNTIMES = ["numpy", "onnx", "compiled"]
#: Cases that are chains of ELU layers.
ELU = ["elu", "both inputs", "16 bits", "tint", "wide"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runtime"), [(n, r) for n in CASES for r in RUNTIMES if r != "compiled" or n in ELU]
)
def test_every_runtime_is_the_reference(name, runtime):
    if runtime == "compiled":
        pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES[name]
    given = planes(count, dtype) if count else None
    expected = reference(decoder, given)
    window = Window(0, 0, *SHAPE)
    exact = Relighter(decoder, given, SHAPE, LIGHTS, kind="float32", runtime=runtime)
    np.testing.assert_allclose(exact.relight(window), expected, atol=3e-5)
    found = Relighter(decoder, given, SHAPE, LIGHTS, runtime=runtime).relight(window)
    difference = np.abs(found.astype(int) - np.rint(np.clip(expected, 0, 1) * 255))
    assert difference.max() <= 1
    assert difference.mean() < 0.05


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_neither_windows_nor_threads_nor_other_lights_change_a_pixel(runtime, kind):
    if runtime == "compiled":
        pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES["both inputs"]
    given = planes(count, dtype)
    options = {"kind": kind, "runtime": runtime}
    many = Relighter(decoder, given, SHAPE, LIGHTS[:3], **options)
    whole = many.relight(Window(0, 0, *SHAPE), threads=1)
    alone = Relighter(decoder, given, SHAPE, LIGHTS[1:2], **options)
    assert np.array_equal(alone.relight(Window(0, 0, *SHAPE), threads=4)[0], whole[1])
    for window in (Window(0, 0, 1, 1), Window(49, 0, 1, 190), Window(3, 5, 41, 183)):
        rows, columns = window.slices
        assert np.array_equal(many.relight(window), whole[:, rows, columns])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_other_lights_without_folding_again(runtime, monkeypatch):
    if runtime == "compiled":
        pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES["elu"]
    given, window = planes(count, dtype), Window(0, 0, *SHAPE)
    first = Relighter(decoder, given, SHAPE, LIGHTS[:1], runtime=runtime)
    before = first.relight(window)
    wanted = Relighter(decoder, given, SHAPE, LIGHTS[3:6], runtime=runtime).relight(window)
    monkeypatch.setattr(relighter_module, "fold", None)
    assert np.array_equal(first.under(LIGHTS[3:6]).relight(window), wanted)
    assert np.array_equal(first.under(LIGHTS[3:6].xyz).relight(window), wanted)
    assert np.array_equal(first.relight(window), before)  # the one that it came from stays
    assert not np.array_equal(wanted[0], before[0])


def test_functions_of_the_light_of_several_kinds():
    """Layers whose tables share their function, and layers that do not."""
    ptm, hsh = Basis("ptm", 6), Basis("hsh", 9)
    layers = (
        Dense(Terms(ptm, numbers(12, 9, 6)), Terms(hsh, numbers(12, 9)), "elu"),
        Dense(numbers(8, 12), Terms(ptm, numbers(8, 6)), "elu"),
        Dense(Terms(hsh, numbers(3, 8, 9)), numbers(3)),
    )
    decoder, given = Decoder(("planes",), layers), planes(9)
    found = Relighter(decoder, given, SHAPE, LIGHTS, kind="float32", runtime="numpy")
    np.testing.assert_allclose(
        found.relight(Window(0, 0, *SHAPE)), reference(decoder, given), atol=1e-4
    )
    stage = found.stage.light_stage
    assert [len(places) for _, places, _ in stage.functions] == [12 * 9 + 12 + 8, 12 + 24 + 3]


@pytest.mark.slow
def test_compiled_pixels_are_rounded_as_the_exact_values_are():
    """Also where a unit's exponential is 1, and where it is nothing."""
    pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    first = np.zeros((5, 2), np.float32)
    first[:, 0] = (1, 5, 40, 400, -400)
    out = np.array([[0.2, 0.1, 0, 0, 0.0003], [0, 0, 0.01, 0.002, 0], [0.1, 0, 0, 0, -0.001]])
    decoder = Decoder(
        ("planes",),
        (
            Dense(first, np.zeros(5, np.float32), "elu"),
            Dense(np.eye(5, dtype=np.float32), np.array([0, 0.1, 0, 0, 0], np.float32), "elu"),
            Dense(out.astype(np.float32), np.array([0.3, 0.4, 0.3], np.float32)),
        ),
    )
    codes = np.arange(256, dtype=np.uint8)
    given = Planes(np.stack([codes, codes])[:, None], np.full(2, 4.0), np.full(2, 0.5))
    found = Relighter(decoder, given, (1, 256), LIGHTS[:1], runtime="compiled")
    pixels = found.relight(Window(0, 0, 1, 256))[0, 0]
    x = np.outer((codes / 255 - 0.5) * 4, first[:, 0].astype(np.float64))
    x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    x[:, 1] += 0.1
    exact = np.where(x > 0, x, np.expm1(np.minimum(x, 0))) @ out.T + (0.3, 0.4, 0.3)
    assert (exact > 1).any()
    assert (exact < 0).any()
    assert np.abs(pixels - np.clip(exact, 0, 1) * 255).max() < 0.505


def test_threads_have_sessions_of_their_own():
    decoder, count, dtype = CASES["elu"]
    stage = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:1], runtime="onnx").stage
    found = [stage.session()]
    thread = threading.Thread(target=lambda: found.append(stage.session()))
    thread.start()
    thread.join()
    assert stage.session() is found[0]
    assert found[1] is not found[0]


def test_what_is_not_compiled(monkeypatch):
    for name, words in (
        ("relu", "relu, relu, none"),
        ("ends in elu", "elu"),
        ("one layer", "none"),
    ):
        decoder, count, dtype = CASES[name]
        with pytest.raises(OptionError) as error:
            Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS, runtime="compiled")
        assert str(error.value) == (
            f"runtime 'compiled' for layers with the activations {words}; expected elu in all but "
            "the last, and none in that. The runtimes auto, onnx and numpy take any."
        )
    monkeypatch.setattr(llvm_stage, "find_spec", lambda _: None)
    decoder, count, dtype = CASES["elu"]
    with pytest.raises(MissingExtraError) as error:
        Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS, runtime="compiled")
    assert str(error.value) == (
        "the runtime 'compiled' needs the 'fast' extra, which is not installed. "
        "Install it with: pip install 'drti[fast]'"
    )


def test_large_images_are_compiled_where_that_is_possible(monkeypatch):
    pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    monkeypatch.setattr(relighter_module, "_WORTH_COMPILING", 9 * 12 * 9500)
    for name in ("elu", "relu"):
        decoder, count, dtype = CASES[name]
        one = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:1], runtime="auto")
        other = Relighter(
            decoder, one.planes, SHAPE, LIGHTS[:1],
            runtime="compiled" if name == "elu" else "numpy",
        )  # fmt: skip
        assert one.stage.tile == other.stage.tile == (128 if name == "elu" else 8192)
        whole = Window(0, 0, *SHAPE)
        assert np.array_equal(one.relight(whole), other.relight(whole))


def test_compiled_windows_of_any_size_are_cut_from_the_whole():
    pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES["elu"]
    relighter = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:2], runtime="compiled")
    whole = relighter.relight(Window(0, 0, *SHAPE), threads=1)
    assert relighter.stage.tile == 128
    # Less than a block; a block; whole rows, which are not copied, and what is left of them.
    for window in (
        Window(7, 0, 1, 127),
        Window(7, 3, 1, 128),
        Window(30, 0, 19, 190),
        Window(0, 1, 50, 189),
    ):
        rows, columns = window.slices
        assert np.array_equal(relighter.relight(window), whole[:, rows, columns])


def test_a_number_that_is_none_is_found_in_the_last_pixels_too():
    pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES["elu"]
    given = planes(count, dtype)
    given.codes[:] = 0
    given.codes[0, -1, -1] = 255
    big = Planes(given.codes, np.full(count, 1e11), np.zeros(count))
    weights = np.array(decoder.layers[1].weight)
    layers = (decoder.layers[0], Dense(weights * 1e30, numbers(8), "elu"), decoder.layers[2])
    for shape, fails in (((49, 190), False), (SHAPE, True)):
        part = Planes(big.codes[:, : shape[0]], big.scale, big.bias)
        relighter = Relighter(
            Decoder(("planes",), layers), part, shape, LIGHTS[:1], runtime="compiled"
        )
        if fails:
            with pytest.raises(DrtiError, match="a relit pixel is not a number"):
                relighter.relight(Window(0, 0, *shape))
        else:
            relighter.relight(Window(0, 0, *shape))


def test_graphs_of_the_same_widths_and_other_tints_are_kept_apart():
    decoder, count, dtype = CASES["tint"]
    codes = planes(count, dtype).codes
    for scale in (0.5, 2.0):
        given = Planes(codes, np.full(count, scale), np.full(count, 0.1))
        found = Relighter(decoder, given, SHAPE, LIGHTS[:1], kind="float32", runtime="onnx")
        expected = reference(decoder, given, LIGHTS[:1])
        np.testing.assert_allclose(found.relight(Window(0, 0, *SHAPE)), expected, atol=3e-5)


def test_tiles_are_smaller_the_wider_the_layers_are():
    sizes = {}
    for width in (3, 16, 17, 32, 33, 50, 64, 65, 300):
        decoder = chain("elu", ("planes",), 9, width=width)
        sizes[width] = Relighter(decoder, planes(9), SHAPE, LIGHTS[:1]).stage.tile
    small = {65: 1024, 300: 512}
    assert sizes == {3: 8192, 16: 8192, 17: 4096, 32: 4096, 33: 2048, 50: 2048, 64: 2048} | small
    linear = Decoder(("planes",), (Dense(affine(3, 300), affine(3)),))
    assert Relighter(linear, planes(300), SHAPE, LIGHTS[:1]).stage.tile == 8192


def test_a_failure_in_any_thread_is_raised_and_ends_the_others(monkeypatch):
    decoder, count, dtype = CASES["wide"]
    relighter = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:1], runtime="numpy")
    (kernel,), jobs, threads = relighter.kernels, 10, 3
    bands = Relighter._bands
    monkeypatch.setattr(relighter_module, "_JOB", 5 * SHAPE[1])  # of one tile each
    for failing in (0, 3):
        calls, failed = itertools.count(), threading.Event()

        def run(codes, coords, out, failing=failing, calls=calls, failed=failed):
            call = next(calls)
            if call == failing:
                raise DrtiError("a tile too many")
            # However the threads are scheduled, what follows has to see that one has failed.
            assert call < failing or failed.wait(60)
            kernel(codes, coords, out)

        def work(*given, failed=failed):
            try:
                bands(*given)
            finally:
                failed.set()

        relighter.kernels = [run]
        monkeypatch.setattr(Relighter, "_bands", work)
        with pytest.raises(DrtiError, match="a tile too many"):
            relighter.relight(Window(0, 0, *SHAPE), threads=threads)
        assert failing < next(calls) <= failing + threads < jobs
    monkeypatch.undo()
    relighter.kernels = [kernel]
    whole = relighter.relight(Window(0, 0, *SHAPE), threads=1)
    assert np.array_equal(relighter.relight(Window(0, 0, *SHAPE), threads=threads), whole)


def opened(runtime):
    """A relighter, and what counts the sessions or compiled passes that are kept."""
    if runtime == "compiled":
        pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    decoder, count, dtype = CASES["elu"]
    found = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:2], runtime=runtime)
    return found, {"onnx": onnx_stage.session, "compiled": llvm_stage.compiled}.get(runtime, ())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_relighter_closes(runtime):
    window = Window(0, 0, *SHAPE)
    relighter, kept = opened(runtime)
    relighter.close()  # whatever other tests have kept of this kind
    before = len(kept)
    relighter, _ = opened(runtime)
    with relighter as found:
        assert found is relighter
        pixels = found.relight(window, threads=2)
        other = found.under(LIGHTS[:2])
        assert len(kept) > before or runtime == "numpy"
    assert len(kept) == before
    assert relighter.closed
    assert not {"stage", "planes", "kernels"} & set(vars(relighter))
    for use in (
        lambda: relighter.relight(window),
        lambda: relighter.under(LIGHTS),
        relighter.__enter__,
    ):
        with pytest.raises(DrtiError) as error:
            use()
        assert str(error.value) == (
            "the relighter is closed; expected an open one. "
            "Make another with model.relighter(lights)."
        )
    relighter.close()  # once more does nothing
    assert np.array_equal(other.relight(window), pixels)  # made by under(): goes on


@pytest.mark.parametrize("form", ["decoder", "image"])
def test_a_relighter_of_a_graph_closes(form):
    decoder, count, dtype = CASES["elu"]
    given, window = planes(count, dtype), Window(0, 0, *SHAPE)
    before = len(onnx_stage.session)
    if form == "decoder":
        stage = GraphStage(GraphDecoder(decoder_graph(decoder, given)), "uint8")
        relighter = Relighter(stage, given, SHAPE, LIGHTS[:1])
    else:
        graph = GraphDecoder(image_graph(decoder, given, SHAPE))
        relighter = ImageRelighter(graph, LIGHTS[:1], "uint8")
    assert len(onnx_stage.session) == before + 1
    other = relighter.under(LIGHTS[:1])
    with relighter:
        pixels = relighter.relight(window)
    assert len(onnx_stage.session) == before
    with pytest.raises(DrtiError, match=r"^the relighter is closed; expected an open one\. Make"):
        relighter.relight(window)
    assert np.array_equal(other.relight(window), pixels)


def test_a_relighter_says_what_it_is_in_a_line():
    relighter, _ = opened("numpy")
    assert repr(relighter) == "<Relighter 50 x 190, 2 lights, uint8>"
    assert repr(relighter.under(LIGHTS[:1])) == "<Relighter 50 x 190, 1 light, uint8>"
    relighter.close()
    assert repr(relighter) == "<Relighter 50 x 190, 2 lights, uint8, closed>"


def test_a_relighter_says_why_it_does_not_pickle():
    relighter, _ = opened("numpy")
    with pytest.raises(DrtiError) as error:
        pickle.dumps(relighter)
    assert str(error.value) == (
        "a relighter does not pickle: it holds sessions or compiled code of this process. "
        "Pickle the model, and call its relighter(lights) where it is to work."
    )


def test_what_is_kept_are_the_latest_results():
    made = []
    kept = Kept(lambda *given: made.append(given) or given, 2)
    for given in ((1, "a"), (2, "a"), (1, "a"), (3, "a"), (1, "a"), (2, "a")):
        assert kept(*given) == given
    assert made == [(1, "a"), (2, "a"), (3, "a"), (2, "a")]
    kept.forget(1)
    assert len(kept) == 1
    kept(2, "a")
    assert len(made) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_has_threads_of_its_own():
    decoder, count, dtype = CASES["wide"]
    relighter = Relighter(decoder, planes(count, dtype), SHAPE, LIGHTS[:1], runtime="numpy")
    whole = relighter.relight(Window(0, 0, *SHAPE), threads=3)
    child = os.fork()
    if not child:
        own = pool.cache_info().currsize == 0
        same = np.array_equal(relighter.relight(Window(0, 0, *SHAPE), threads=3), whole)
        os._exit(int(not (own and same)))
    assert os.waitpid(child, 0)[1] == 0


def test_a_buffer_is_filled_even_where_it_is_a_part_of_another():
    decoder, count, _ = CASES["one layer"]
    relighter = Relighter(decoder, planes(count), SHAPE, LIGHTS[:2])
    window = Window(2, 3, 40, 100)
    canvas = np.zeros((2, 60, 120, 3), np.uint8)
    part = canvas[:, 10:50, 10:110]
    assert relighter.relight(window, part) is part
    assert np.array_equal(part, relighter.relight(window))
    assert not canvas[:, :10].any()
    with pytest.raises(OptionError) as error:
        relighter.relight(window, np.zeros((2, 40, 100, 3), np.float32))
    assert str(error.value) == (
        "out: a buffer float32 of shape (2, 40, 100, 3); "
        "expected a writable one uint8 of shape (2, 40, 100, 3)"
    )


@pytest.mark.slow
def test_models_take_the_same_options():
    model = drti.get_codec("hsh:terms=4").fit(drti.demo_stack(lights=12))
    lights = LIGHTS[:2]
    out = np.empty((2, *model.shape, 3), np.uint8)
    assert model.relight_uint8(lights, out=out) is out
    exact = model.relight(lights, runtime="onnx")
    assert np.abs(exact - model.relight(lights, runtime="numpy")).max() < 1e-5
    assert np.abs(np.rint(exact.clip(0, 1) * 255) - out).max() <= 1
    with pytest.raises(OptionError) as error:
        model.relight(lights, runtime="fast")
    assert str(error.value) == "runtime 'fast'; expected auto, onnx, numpy or compiled"


def test_the_runtime_follows_from_the_image_not_from_the_window():
    decoder = CASES["elu"][0]
    small = Planes(np.zeros((9, 4, 4), np.uint8), np.ones(9), np.zeros(9))
    large = Planes(np.zeros((9, 400, 400), np.uint8), np.ones(9), np.zeros(9))
    for given, expected in ((small, NumpyStage), (large, OnnxStage)):
        shape = given.shape
        stage = stage_of(decoder, given, shape, "uint8", "auto", ())
        assert type(stage) is expected
    linear = CASES["one layer"][0]
    stage = stage_of(linear, large.select(range(6)), large.shape, "uint8", "auto", ())
    assert type(stage) is NumpyStage


def test_execution_providers():
    import onnxruntime

    there = onnxruntime.get_available_providers()
    assert providers_of(()) == providers_of(["cpu"]) == ("CPUExecutionProvider",)
    missing = next(name for name in ("coreml", "directml") if PROVIDERS[name] not in there)
    with pytest.raises(OptionError) as error:
        providers_of([missing])
    assert str(error.value) == (
        f"execution provider '{PROVIDERS[missing]}'; expected {' or '.join(there)}. "
        "Install the build of ONNX Runtime that has it (onnxruntime-gpu for CUDA, "
        "onnxruntime-directml, onnxruntime-openvino; CoreML is in that for macOS)."
    )


def test_what_is_not_finite():
    huge = Terms(Basis("affine", 4), np.full((3, 6, 4), 3e38, np.float32))
    decoder = Decoder(("planes",), (Dense(huge, np.zeros(3, np.float32)),))
    given = Planes(np.zeros((6, 2, 2), np.uint8), np.full(6, 255.0), np.zeros(6))
    with np.errstate(over="ignore"), pytest.raises(DrtiError) as error:
        Relighter(decoder, given, (2, 2), LightDirections([[0, 0, 1]]), kind="float32")
    assert (
        str(error.value)
        == "layer 0 is not finite at light [0.0, 0.0, 1.0]; expected finite weights"
    )
    value = np.array([[1, np.nan], [2, 3]], np.float32)
    with pytest.raises(DrtiError) as error:
        stages.quantise(value, np.empty((2, 2), np.uint8))
    assert str(error.value) == "a relit pixel is not a number; expected finite coefficients"


@pytest.mark.parametrize("runtime", ["numpy", "compiled"])
def test_pixels_that_are_no_numbers(runtime):
    if runtime == "compiled":
        pytest.importorskip("llvmlite", reason="the extra fast is not installed")
    large = np.full((2, 6), 1e38, np.float32)
    minus = np.array([[1, -1]] * 3, np.float32)  # of two infinities
    zero = np.zeros(3, np.float32)
    decoder = Decoder(("planes",), (Dense(large, zero[:2], "elu"), Dense(minus, zero)))
    codes = np.zeros((6, *SHAPE), np.uint8)
    codes[:, 40, 100] = 255
    given = Planes(codes, np.full(6, 255.0), np.zeros(6))
    relighter = Relighter(decoder, given, SHAPE, LIGHTS[:1], runtime=runtime)
    assert not relighter.relight(Window(0, 0, 40, 190)).any()
    with np.errstate(all="ignore"), pytest.raises(DrtiError) as error:
        relighter.relight(Window(0, 0, *SHAPE), threads=1)
    assert str(error.value) == "a relit pixel is not a number; expected finite coefficients"


def test_blas_has_one_thread_while_anyone_is_inside():
    from threadpoolctl import threadpool_info

    def threads():
        # That of numpy: other libraries bring more, which may come later.
        found = [item for item in threadpool_info() if item["user_api"] == "blas"]
        return {item["num_threads"] for item in found if "numpy" in item["filepath"]}

    before, seen = threads(), []
    entered, leave = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            entered.set()
            leave.wait(20)

    with one_blas_thread():
        thread = threading.Thread(target=other)
        thread.start()
        entered.wait(20)
        seen.append(threads())
        leave.set()
        thread.join()
        seen.append(threads())
    assert seen == [{1}, {1}]
    assert threads() == before


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("channels", "bits"), [(3, 8), (1, 8), (3, 16), (1, 16)])
def test_png_strips_are_one_stream(tmp_path, threads, channels, bits):
    tail = (3,) if channels == 3 else ()
    array = RNG.integers(0, 2**bits, (333, 7, *tail)).astype(f"u{bits // 8}")
    path = tmp_path / "a.png"
    write_png(path, rows_of(array), (333, 7), channels=channels, bits=bits, threads=threads)
    data = path.read_bytes()
    stream, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            stream += data[at + 8 : at + 8 + size]
        at += 12 + size
    assert len(zlib.decompress(stream)) == 333 * (1 + array[0].nbytes)  # its Adler-32 is right
    with Image.open(path) as image:
        image.load()
        if (channels, bits) != (3, 16):  # Pillow reduces it to 8 bits
            assert np.array_equal(np.asarray(image).astype(array.dtype), array)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["numpy", "onnx"])
def test_saved_pictures_are_what_relight_gives(tmp_path, runtime):
    model = drti.get_codec("ptm").fit(drti.demo_stack(lights=12))
    steps = []
    (path,) = drti.save_relit(
        model, LIGHTS[7:8], tmp_path / "a.png", runtime=runtime,
        progress=lambda share, text: steps.append(share),
    )  # fmt: skip
    with Image.open(path) as image:
        found = np.asarray(image)
    assert np.array_equal(found, model.relight_uint8(LIGHTS[7:8], runtime=runtime)[0])
    assert steps == sorted(steps)
    assert steps[-1] == 1


@pytest.mark.slow
def test_benchmark(capsys):
    import json

    from drti_core.cli import main
    from drti_plugins.benchmark.relight import benchmark_relight

    command = "benchmark relight --size 40x30 --decoder dense-10 --decoder ptm --seconds 0 --json"
    assert main(command.split()) == 0
    speeds = json.loads(capsys.readouterr().out)
    plain = "plain torch" if find_spec("torch") else "plain numpy"
    found = {(item["decoder"], item["way"]) for item in speeds}
    ways = {"drti", "onnx", "numpy", "reference", plain}
    wanted = {(decoder, way) for decoder in ("dense-10", "ptm") for way in ways}
    assert found == (wanted | {("dense-10", "compiled")} if find_spec("llvmlite") else wanted)
    assert len(speeds) == len(found)
    assert {(item["width"], item["height"]) for item in speeds} == {(40, 30)}
    assert all(item["megapixels_per_cpu_second"] > 0 for item in speeds)
    with pytest.raises(OptionError) as error:
        benchmark_relight(["neural"])
    assert str(error.value) == (
        "decoder 'neural'; expected dense-50, dense-20, dense-10, hyper-20, hyper-12, hyper-8, "
        "ptm, hsh-9, rbf-9"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense-10", "hyper-8", "ptm", "hsh-9", "rbf-9"])
def test_the_plain_way_computes_the_same(name):
    from drti_plugins.benchmark import relight as module

    decoder, given = module._case(name, (20, 30))
    stage = decoder.light_stage(module._LIGHT)
    features = given.read(Window(0, 0, 20, 30))
    layers = module._plain_layers(stage, decoder, name.startswith("dense"))
    x = features
    if name.startswith("dense"):
        light = np.broadcast_to(module._LIGHT.xyz[:, :2], (len(x), 2))
        x = np.concatenate([x, light], axis=1)
    for weight, bias, activation in layers:
        x = activate(x @ weight.T + bias, activation, 1.0)
    expected = evaluate(decoder, features, None, module._LIGHT)[0]
    np.testing.assert_allclose(x, expected, atol=2e-5)
