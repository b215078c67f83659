"""What every codec promises."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from drti_core.arrays import Window
from drti_core.decoder import Decoder, Planes, evaluate
from drti_core.errors import DrtiError, OptionError
from drti_core.fitting.near_lights import levelled
from drti_core.lights import LightDirections
from drti_core.lights.positions import LightPositions
from drti_core.measure.metrics import psnr
from drti_core.model import RelightableModel, StoredModel
from drti_core.model.contracts import Codec
from drti_core.options import with_options
from drti_core.runtime.relighter import Runtime
from drti_core.stack import ArrayStack, Stack
from drti_core.stack.samples.demo import make_stack as demo_stack
from drti_core.testing.compare import metadata_changes, same_arrays, same_planes
from drti_core.testing.stacks import dome, edge_stack, edge_stacks, make_stack

#: Lights that no photograph was taken under, the zenith and the horizon among them.
NEW_LIGHTS = LightDirections.from_disk(
    np.array([[0, 0], [0.5, 0.3], [-0.6, 0.2], [0, -1], [0.7072, 0.7072], [1, 0]])
)
#: Values of a damaged configuration.
_JUNK: tuple[Any, ...] = (None, -1, 0, 1e9, float("nan"), float("inf"), "junk", [], {}, [[]], True)


class ModelSuite:
    """What the models of a codec promise; a subclass says by a fixture ``model`` whence one is.

    Attributes:
        codec: the codec with the options that they were fitted with.
        min_psnr: the PSNR in dB that they reach on their own training lights, for
            :func:`drti_core.testing.make_stack`.
    """

    codec: ClassVar[Codec]
    min_psnr: ClassVar[float] = 25

    @pytest.fixture
    def stack(self) -> ArrayStack:
        """The plain stack."""
        return make_stack()

    def test_codec_is_a_value(self) -> None:
        """It has an id and a summary, is equal to a copy of itself, and cannot be changed."""
        codec = self.codec
        assert codec.codec_id.replace("-", "_").isidentifier()
        assert codec.summary
        assert replace(codec) == codec
        assert hash(replace(codec)) == hash(codec)
        for field in fields(codec):
            with pytest.raises(FrozenInstanceError):
                setattr(codec, field.name, None)

    def test_declarations(self, tmp_path: Path) -> None:
        """What it declares is of the types promised; it is told once where to keep checkpoints."""
        codec = self.codec
        declared = (codec.requires, codec.trains, codec.near_lights)
        assert [type(each) for each in declared] == [tuple, bool, bool]
        kept = codec.keeping(tmp_path / "kept")
        assert type(kept) is type(codec)
        assert kept.keeping(tmp_path / "other", resume=True) is kept
        assert not (tmp_path / "kept").exists()
        teachers = codec.learns_from()
        assert all(isinstance(teacher, Codec | Path) for teacher in teachers)
        assert not teachers or hasattr(codec, "teacher")

    def test_options_are_texts(self) -> None:
        """Every option can be given as text, as on the command line, ``auto`` being None."""
        for field in fields(self.codec):
            value = getattr(self.codec, field.name)
            text = "auto" if value is None else str(value)
            assert with_options(self.codec, {field.name: text}) == self.codec, field.name

    def test_model(self, stack: Stack, model: RelightableModel) -> None:
        """A model knows the codec, the size, the lights and the encoding of its photographs."""
        assert model.codec_id == self.codec.codec_id
        assert model.shape == stack.shape
        assert model.planes is None or model.planes.shape == stack.shape
        assert model.metadata.lights is not None
        assert np.array_equal(model.metadata.lights.xyz, stack.lights.xyz)
        assert model.metadata.encoding == stack.encoding
        assert all(isinstance(note, str) and note for note in model.metadata.notes)

    def test_pixels(self, stack: Stack, model: RelightableModel) -> None:
        """Relighting gives (L, H, W, 3) finite float32, under lights old and new."""
        for lights in (stack.lights, NEW_LIGHTS):
            pixels = model.relight(lights)
            assert pixels.shape == (len(lights), *stack.shape, 3)
            assert pixels.dtype == np.float32
            assert np.isfinite(pixels).all()

    def test_quality(self, stack: Stack, model: RelightableModel) -> None:
        """The training photographs come back with at least ``min_psnr``."""
        assert _training_psnr(stack, model) >= self.min_psnr

    def test_decode_is_the_decoder(self, model: RelightableModel) -> None:
        """``decode`` gives what the decoder, as data, gives."""
        decoder = model.decoder()
        if not isinstance(decoder, Decoder):
            pytest.skip("the decoder is an ONNX graph")  # test_runtimes_agree compares it
        whole = Window(0, 0, *model.shape)
        features, coords = model.features(whole), model.coords(whole)
        own = model.decode(features, coords, NEW_LIGHTS)
        data = evaluate(decoder, features, coords, NEW_LIGHTS)
        assert own.dtype == data.dtype
        assert np.abs(own - data).max() <= 1e-4

    def test_windows(self, model: RelightableModel) -> None:
        """Any window holds the very pixels of the whole picture."""
        whole = model.relight(NEW_LIGHTS)
        height, width = model.shape
        windows = [Window(y, 0, 1, width) for y in range(height)]
        windows += [Window(0, x, height, 1) for x in range(width)]
        windows += [Window(0, 0, 1, 1), Window(height - 1, width - 1, 1, 1), Window(3, 5, 7, 9)]
        for window in windows:
            rows, columns = window.slices
            assert np.array_equal(model.relight(NEW_LIGHTS, window), whole[:, rows, columns])

    def test_runtimes_agree(self, model: RelightableModel) -> None:
        """Every runtime gives what ``decode`` gives, within half a grey level.

        Numpy alone cannot run a model whose decoder is a graph, and chains of ELU layers are
        compiled, where llvmlite is installed.
        """
        whole = Window(0, 0, *model.shape)
        expected = model.decode(model.features(whole), model.coords(whole), NEW_LIGHTS)
        runtimes: list[Runtime] = ["auto", "onnx"]
        decoder = model.decoder()
        if isinstance(decoder, Decoder):
            runtimes.append("numpy")
            activations = [layer.activation for layer in decoder.layers]
            chain = activations == ["elu"] * (len(activations) - 1) + ["none"]
            if chain and len(activations) > 1 and find_spec("llvmlite"):
                runtimes.append("compiled")
        for runtime in runtimes:
            found = model.relight(NEW_LIGHTS, runtime=runtime).reshape(expected.shape)
            assert np.abs(found - expected).max() <= 0.5 / 255, runtime

    def test_lights_are_independent(self, model: RelightableModel) -> None:
        """One light gives the very pixels that it gives among many."""
        lights = LightDirections(np.concatenate([NEW_LIGHTS.xyz, dome(11).xyz]))
        together = model.relight(lights)
        for number, light in enumerate(lights):
            assert np.array_equal(model.relight(light)[0], together[number])

    def test_config(self, model: RelightableModel) -> None:
        """``config`` is strict JSON and names the codec and its version."""
        config = model.config()
        assert json.loads(json.dumps(config, allow_nan=False)) == config
        assert config["codec"] == self.codec.codec_id
        assert isinstance(config["version"], int)

    def test_arrays(self, model: RelightableModel) -> None:
        """Arrays are plain finite numbers under text names, as safetensors can hold."""
        for name, array in model.arrays().items():
            assert isinstance(name, str)
            assert type(array) is np.ndarray
            assert array.dtype.kind in "biuf", name
            assert np.isfinite(array).all(), name

    def test_restored(self, model: RelightableModel) -> None:
        """What was stored and gone through JSON is restored to the same pixels and metadata.

        By the codec with its default options: a file does not know what it was fitted with.
        """
        stored = model.stored()
        restored = type(self.codec)().restore(_through_a_file(stored))
        assert np.array_equal(restored.relight(NEW_LIGHTS), model.relight(NEW_LIGHTS))
        assert restored.config() == model.config()
        assert not metadata_changes(model.metadata, restored.metadata)
        assert same_arrays(restored.arrays(), model.arrays())

    def test_damaged_planes(self, model: RelightableModel) -> None:
        """A model of which a plane is missing, or all are, is refused."""
        stored = model.stored()
        if stored.planes is None:
            pytest.skip(f"{self.codec.codec_id} has no planes")
        fewer = stored.planes.select(range(stored.planes.count - 1))
        for planes in (None, fewer):
            with pytest.raises(DrtiError):
                self.codec.restore(replace(stored, planes=planes))

    def test_damaged_arrays(self, model: RelightableModel) -> None:
        """A model of which an array is missing or cut short is refused."""
        stored = model.stored()
        for name, array in stored.arrays.items():
            without = {key: value for key, value in stored.arrays.items() if key != name}
            for arrays in (without, {**without, name: array[:-1]}):
                with pytest.raises(DrtiError):
                    self.codec.restore(replace(stored, arrays=arrays))

    def test_damaged_config(self, model: RelightableModel) -> None:
        """Options out of a hostile file are refused, or relight to finite pixels."""
        stored = model.stored()
        for key in stored.config:
            for junk in _JUNK:
                config = {**stored.config, key: junk}
                try:
                    restored = self.codec.restore(replace(stored, config=config))
                except DrtiError:
                    continue
                assert np.isfinite(restored.relight(NEW_LIGHTS)).all(), (key, junk)


class CodecSuite(ModelSuite):
    """Subclass it, name it ``Test…`` and state the codec.

    Attributes:
        codec: the codec with the options to be tested.
        min_psnr: the PSNR in dB that it reaches on its own training lights, for
            :func:`drti_core.testing.make_stack`.
        flat_error: how far, in 0..1 units, pictures of a black or constant object may be off.
        slow: edge stacks (of :func:`edge_stacks`) to leave out because fitting takes long.
    """

    flat_error: ClassVar[float] = 0.01
    slow: ClassVar[frozenset[str]] = frozenset()

    @pytest.fixture
    def model(self) -> RelightableModel:
        """The codec fitted to the plain stack."""
        return _fitted(self.codec)

    def test_photographs_are_left_alone(self) -> None:
        """Fitting does not change the photographs."""
        stack: Any = make_stack()
        before = stack.images.copy()
        self.codec.fit(stack)
        assert np.array_equal(stack.images, before)

    def test_trial(self, model: RelightableModel) -> None:
        """A trial gives a model of the same make: the same codec, options and number of planes."""
        trial = _fitted(self.codec.trial())
        assert trial.codec_id == model.codec_id
        assert trial.config().keys() == model.config().keys()
        assert _count(trial) == _count(model)

    def test_numbers_of_planes(self, model: RelightableModel) -> None:
        """``with_planes`` gives models of so many planes, or refuses; of its own, it does not."""
        own = _count(model)
        if type(self.codec).with_planes is Codec.with_planes:
            pytest.skip(f"{self.codec.codec_id} has no number of planes")
        for count in (own,) if self.codec.trains else (own, 12):  # each network is compiled
            try:
                codec = self.codec.with_planes(count)
            except OptionError:
                assert count != own
            else:
                assert _count(_fitted(codec.trial())) == count

    def test_near_lights(self, stack: Stack) -> None:
        """Positions of lights make models better where that is declared, and elsewhere nothing."""
        if self.codec.near_lights:
            scene = levelled(demo_stack((16, 20), LightPositions.on_dome(dome(), 24)))
            known, naive = map(self.codec.fit, (scene, replace(scene, positions=None)))
            distant = demo_stack(scene.shape, scene.lights)
            assert _training_psnr(distant, known) >= _training_psnr(distant, naive)
        else:
            trial, near = self.codec.trial(), LightPositions.on_dome(stack.lights, 24)
            known, naive = trial.fit(replace(stack, positions=near)), _fitted(trial)
            assert same_planes(known.planes, naive.planes)
            assert same_arrays(known.arrays(), naive.arrays())

    def test_progress(self, stack: Stack) -> None:
        """Progress grows, from 0 or more to 1, and says what is being done."""
        shares: list[float] = []
        words: set[str] = set()

        def progress(share: float, what: str) -> None:
            shares.append(share)
            words.add(what)

        self.codec.fit(stack, progress)
        assert shares
        assert shares == sorted(shares)
        assert shares[0] >= 0
        assert shares[-1] == pytest.approx(1)
        assert all(words)

    def test_same_bytes_twice(self, stack: Stack, model: RelightableModel) -> None:
        """The same options and photographs give the same model, bit for bit."""
        again = self.codec.fit(stack)
        assert again.config() == model.config()
        assert same_arrays(again.arrays(), model.arrays())
        assert same_planes(again.planes, model.planes)

    def test_16_bits_are_no_worse(self, stack: Stack) -> None:
        """Where the codec has the option ``bits``, 16 reproduce the photographs as well as 8."""
        if "bits" not in {field.name for field in fields(self.codec)}:
            pytest.skip(f"{self.codec.codec_id} has no option bits")
        eight, sixteen = (_fitted(with_options(self.codec, {"bits": bits})) for bits in ("8", "16"))
        assert sixteen.planes is not None
        assert sixteen.planes.codes.dtype == np.uint16
        assert _training_psnr(stack, sixteen) >= _training_psnr(stack, eight) - 0.01

    @pytest.mark.parametrize("name", edge_stacks())
    def test_edges(self, name: str) -> None:
        """Stacks at the edge are fitted to finite pixels, or refused with a reason; never NaN."""
        if name in self.slow:
            pytest.skip(f"{name}: fitting takes long")
        stack = edge_stack(name)
        try:
            model = _fitted(self.codec, name)
        except DrtiError:
            return
        assert model.planes is None or np.isfinite(model.planes.scale).all()
        for lights in (stack.lights, NEW_LIGHTS):
            assert np.isfinite(model.relight(lights)).all()
        json.dumps(model.config(), allow_nan=False)

    @pytest.mark.parametrize(("name", "level"), [("black", 0), ("constant", 0.6), ("white", 1)])
    def test_flat(self, name: str, level: float) -> None:
        """An object of one colour under every light keeps it, within ``flat_error``."""
        stack = edge_stack(name)
        pixels = _fitted(self.codec, name).relight(stack.lights)
        assert np.abs(pixels - level).max() <= self.flat_error


@lru_cache(maxsize=24)
def _fitted(codec: Codec, edge: str = "") -> RelightableModel:
    """The plain stack, or one of the edge stacks, fitted once for all tests of a suite."""
    return codec.fit(edge_stack(edge) if edge else make_stack())


def _count(model: RelightableModel) -> int:
    return 0 if model.planes is None else model.planes.count


def _training_psnr(stack: Stack, model: RelightableModel) -> float:
    truth = stack.read(Window(0, 0, *stack.shape)).reshape(len(stack), *stack.shape, 3)
    return psnr(np.clip(model.relight(stack.lights), 0, 1), truth, peak=1)


def _through_a_file(stored: StoredModel) -> StoredModel:
    """The same, made of copies: as it comes back from a file."""
    config = json.loads(json.dumps(stored.config, allow_nan=False))
    arrays = {name: np.array(array) for name, array in stored.arrays.items()}
    planes = stored.planes
    if planes is not None:
        planes = Planes(planes.codes.copy(), planes.scale.copy(), planes.bias.copy())
    return replace(stored, config=config, arrays=arrays, planes=planes)
