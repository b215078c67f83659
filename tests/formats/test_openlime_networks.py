"""Networks in web folders: OpenLIME's type neural, read from other programs and written."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import drti_core as drti
from drti_core import open_model
from drti_core.codecs.hyper import HyperModel
from drti_core.codecs.neural import NeuralModel
from drti_core.decoder import Dense, Network, Planes, Terms
from drti_core.errors import DrtiError, FormatError
from drti_core.formats.folder import READER, FolderWriter, openlime_neural
from drti_core.lights import LightDirections
from drti_core.lights.bases import Basis
from drti_core.measure.metrics import psnr
from drti_core.model import StoredModel
from drti_core.model.network_model import NetworkModel, restore
from drti_core.registry.doors import save_model
from tests.helpers import openlime_models as models

LIGHTS = LightDirections([[0, 0, 1], [0.6, 0, 0.8], [-0.3, 0.5, 0.81]])
SHAPE = (9, 13)


def made(widths: tuple[int, int] = (6, 4), count: int = 9, **changes: Any) -> NeuralModel:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (count, *SHAPE)).astype(np.uint8)
    scale = np.array([float(f"{v:.9g}") for v in rng.uniform(1, 9, count)])
    bias = np.array([float(f"{v:.9g}") for v in rng.uniform(0, 1, count)])

    def numbers(*shape: int) -> Any:
        return (rng.standard_normal(shape) / 3).astype(np.float32)

    table = numbers(widths[0], 4)
    table[:, 3] = 0
    layers = (
        Dense(numbers(widths[0], count), Terms(Basis("affine", 4), table), "elu"),
        Dense(numbers(widths[1], widths[0]), numbers(widths[1]), "elu"),
        Dense(numbers(3, widths[1]), numbers(3)),
    )
    fields: dict[str, Any] = {"planes": Planes(codes, scale, bias), "layers": layers} | changes
    return NeuralModel(shape=SHAPE, **fields)


def disk_folder(folder: Path, model: NeuralModel, **changes: Any) -> dict[str, Any]:
    """The folder of a network as OpenLIME documents it, swizzled, by code of its own."""
    swizzle = [2, 1, 0]
    planes = model.planes
    assert planes is not None
    folder.mkdir()
    for picture in range(3):
        codes = np.moveaxis(planes.codes[3 * picture : 3 * picture + 3], 0, -1)[..., swizzle]
        Image.fromarray(np.ascontiguousarray(codes)).save(folder / f"plane_{picture + 1}.png")
    low = -planes.bias * planes.scale
    (first, bias), (second, bias2), (third, bias3) = (
        (
            np.asarray(layer.weight),
            layer.bias.table if isinstance(layer.bias, Terms) else layer.bias,
        )
        for layer in model.layers
    )
    n = -(-max(len(first), len(second)) // 4) * 4

    def padded(values: Any, *shape: int) -> Any:
        out = np.zeros(shape)
        out[tuple(slice(size) for size in values.shape)] = values
        return out

    whole = padded(np.hstack([first, bias[:, 1:3]]), n, 12)
    info = {
        "width": SHAPE[1], "height": SHAPE[0], "type": "neural", "format": "png", "planes": 9,
        "samples": 49, "colorspace": "bgr", "min": low.tolist(),
        "max": (low + planes.scale).tolist(),
        "weights": [whole.ravel().tolist(), padded(second, n, n).ravel().tolist(),
                    padded(third[swizzle], 3, n).ravel().tolist()],
        "biases": [padded(bias[:, 0], n).tolist(), padded(bias2, n).tolist(),
                   np.asarray(bias3)[swizzle].tolist()],
    }  # fmt: skip
    info |= changes
    (folder / "info.json").write_text(json.dumps(info))
    return info


def test_another_programs_network_relights_the_same(tmp_path: Path) -> None:
    model = made()
    disk_folder(tmp_path / "a", model)
    back = open_model(tmp_path / "a")
    assert isinstance(back, NeuralModel)
    np.testing.assert_allclose(back.relight(LIGHTS), model.relight(LIGHTS), atol=2e-6)
    assert [layer.weight.shape for layer in back.layers] == [(6, 9), (4, 6), (3, 4)]


def test_names_of_disk_neuralrti(tmp_path: Path) -> None:
    model = made()
    info = disk_folder(tmp_path / "a", model)
    for stem, start in (("student_plane_", 0), ("plane_", 0)):
        folder = tmp_path / stem
        folder.mkdir()
        (folder / "info.json").write_text(json.dumps(info))
        for number in range(3):
            source = tmp_path / "a" / f"plane_{number + 1}.png"
            shutil.copy(source, folder / f"{stem}{number + start}.png")
        np.testing.assert_allclose(
            open_model(folder).relight(LIGHTS), model.relight(LIGHTS), atol=2e-6
        )
    shutil.copy(tmp_path / "a/plane_1.png", tmp_path / "student_plane_/teacher_plane_0.png")
    with pytest.raises(DrtiError) as caught:
        READER.read(tmp_path / "student_plane_")
    assert str(caught.value) == (
        f"{tmp_path / 'student_plane_'}: holds student_plane_0.png and teacher_plane_0.png; "
        "expected the planes of one network"
    )


def test_biases_without_their_padding(tmp_path: Path) -> None:
    model = made()
    info = disk_folder(tmp_path / "a", model)
    biases = [info["biases"][0][:6], info["biases"][1][:5], info["biases"][2]]
    (tmp_path / "a" / "info.json").write_text(json.dumps({**info, "biases": biases}))
    np.testing.assert_allclose(
        open_model(tmp_path / "a").relight(LIGHTS), model.relight(LIGHTS), atol=2e-6
    )


def test_a_plane_without_range_is_a_constant(tmp_path: Path) -> None:
    model = made()
    info = disk_folder(tmp_path / "a", model)
    # In the order of the swizzle: latent 0 lies in the blue of the first picture.
    high = [info["min"][0], *info["max"][1:]]
    (tmp_path / "a" / "info.json").write_text(json.dumps({**info, "max": high}))
    back = open_model(tmp_path / "a")
    assert back.planes is not None
    assert (back.planes.codes[2] == 0).all()
    assert (back.planes.scale[2], -back.planes.bias[2]) == (1, info["min"][0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"planes": 6}, "$.planes: 6; expected 9"),
        ({"colorspace": "bgg"}, '$.colorspace: "bgg"; expected an order of r, g, b'),
        ({"min": [0.0] * 8}, "$.min: 8 values; expected 9 values"),
        (
            {"weights": [[0.0] * 97, [], []]},
            "$.weights[0]: 97 values; expected up to 1024 rows of 12",
        ),
        ({"weights": [[], [], []]}, "$.weights[0]: 0 values; expected up to 1024 rows of 12"),
        (
            {"biases": [[0.0] * 4, [0.0] * 8, [0.0] * 3]},
            "$.biases[0]: 4 values; expected 8",
        ),
        (
            {
                "weights": [[0.0] * 96, [0.0] * 64, [0.0] * 32],
                "biases": [[0.0] * 8, [0.0] * 8, [0.0] * 4],
            },
            "$.weights[2]: 32 values; expected 24: 3 rows of 8",
        ),
        ({"weights": [[0.0], [0.0]]}, "$.weights: 2 values; expected 3 values"),
        ({"format": "gif"}, '$.format: "gif"; expected "jpg" or "png" or "webp"'),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    disk_folder(tmp_path / "a", made(), **changes)
    with pytest.raises(DrtiError) as caught:
        READER.read(tmp_path / "a")
    assert str(caught.value) == f"{tmp_path / 'a' / 'info.json'}: {message}"


def test_missing_picture(tmp_path: Path) -> None:
    disk_folder(tmp_path / "a", made())
    (tmp_path / "a" / "plane_3.png").unlink()
    with pytest.raises(DrtiError) as caught:
        READER.read(tmp_path / "a")
    assert str(caught.value) == (
        f"{tmp_path / 'a' / 'plane_3.png'}: is missing; "
        "expected 3 pictures for the 9 planes of info.json"
    )


# Writing


@pytest.mark.parametrize(
    "layout", ["image", "deepzoom", "google", "zoomify", "tarzoom", "itarzoom"]
)
@pytest.mark.parametrize("count", [9, 5])
def test_written_networks_come_back_exactly(tmp_path: Path, layout: Any, count: int) -> None:
    model = made(count=count)
    side = 256 if layout == "google" else 16
    FolderWriter(image="png", layout=layout, tile=side).write(model.stored(), tmp_path / "a")
    info = json.loads((tmp_path / "a" / "info.json").read_text())
    assert (info["type"], info["planes"], info["nplanes"]) == ("neural", 9, count)
    assert (info["samples"], info["colorspace"]) == (6, "rgb")
    assert [len(values) for values in info["weights"]] == [8 * 12, 8 * 8, 3 * 8]
    assert [len(values) for values in info["biases"]] == [8, 8, 3]
    back = open_model(tmp_path / "a")
    assert back.planes is not None
    assert model.planes is not None
    np.testing.assert_array_equal(back.planes.codes, model.planes.codes)
    np.testing.assert_array_equal(back.relight(LIGHTS), model.relight(LIGHTS))
    if layout == "deepzoom":  # whole tiles
        assert '<Size Height="16" Width="16"/>' in (tmp_path / "a" / "plane_1.dzi").read_text()


def test_what_openlime_reads_is_the_network(tmp_path: Path) -> None:
    """The keys alone, without drti's own."""
    for widths, count in (((6, 4), 9), ((3, 7), 9), ((20, 20), 8)):
        folder = tmp_path / f"{widths[0]}"
        model = made(widths, count)
        FolderWriter(image="png").write(model.stored(), folder)
        info = json.loads((folder / "info.json").read_text())
        del info["drti"]
        (folder / "info.json").write_text(json.dumps(info))
        back = open_model(folder)
        np.testing.assert_allclose(back.relight(LIGHTS), model.relight(LIGHTS), atol=1e-5)
        again = READER.read(folder)
        assert isinstance(again, StoredModel)


def test_other_networks_have_their_own_type(tmp_path: Path) -> None:
    model = made()
    first, second, third = model.layers
    affine = Basis("affine", 4)
    table = np.ones((6, 4), np.float32)
    others = {
        "z": replace(model, layers=(replace(first, bias=Terms(affine, table)), second, third)),
        "relu": replace(model, layers=(replace(first, activation="relu"), second, third)),
        "three": replace(model, layers=(first, second, replace(third, activation="elu"))),
        "lit": HyperModel(
            shape=SHAPE,
            planes=model.planes,
            layers=(
                first,
                replace(second, weight=Terms(affine, np.ones((4, 6, 4), np.float32))),
                third,
            ),
        ),
        "ten": made(count=10),
    }
    for name, other in others.items():
        assert openlime_neural.keys(other.stored()) is None, name
        save_model(other, tmp_path / name, writer="folder:image=png")
        info = json.loads((tmp_path / name / "info.json").read_text())
        assert info["type"] == other.codec_id
        assert "samples" not in info
        assert (tmp_path / name / "plane_0.png").is_file()
        back = open_model(tmp_path / name)
        np.testing.assert_array_equal(back.relight(LIGHTS), other.relight(LIGHTS))
    assert openlime_neural.keys(replace(model.stored(), decoder=None)) is None


def test_corrections_of_networks(tmp_path: Path) -> None:
    """JPEGs within one code, as conversions write them, under OpenLIME's names."""
    model = made(count=7)
    writer = FolderWriter(image="jpg", quality=60, max_error=0)
    writer.write(model.stored(), tmp_path / "a")
    assert (tmp_path / "a" / "plane_3.jpg").is_file()
    back = open_model(tmp_path / "a")
    assert back.planes is not None
    assert model.planes is not None
    np.testing.assert_array_equal(back.planes.codes, model.planes.codes)


# Real files


def test_the_student_of_disk_neuralrti(data: Path) -> None:
    """It says 49 samples; its layers are 20 wide. Its picture is what its latents look like."""
    model = open_model(data / "openlime" / "neural_student")
    assert isinstance(model, NeuralModel)
    assert model.shape == (320, 320)
    assert [layer.weight.shape for layer in model.layers] == [(20, 9), (20, 20), (3, 20)]
    info = json.loads((data / "openlime" / "neural_student" / "info.json").read_text())
    # A pixel by hand, as OpenLIME computes it.
    x = []
    for picture in range(3):
        name = data / "openlime" / "neural_student" / f"student_plane_{picture}.jpg"
        with Image.open(name) as image:
            x += [code / 255 for code in image.getpixel((100, 200))[::-1]]  # type: ignore[index]
    low, high = np.array(info["min"]), np.array(info["max"])
    value = np.concatenate([np.array(x) * (high - low) + low, [0.3, -0.5, 0]])
    for number, (weights, biases) in enumerate(zip(info["weights"], info["biases"], strict=True)):
        value = np.array(weights).reshape(-1, len(value)) @ value + biases
        if number < 2:
            value = np.where(value > 0, value, np.expm1(np.minimum(value, 0)))
    light = LightDirections.from_disk([[0.3, -0.5]])
    np.testing.assert_allclose(model.relight(light)[0, 200, 100], value[::-1], atol=1e-4)


def test_the_student_survives_a_conversion(data: Path, tmp_path: Path) -> None:
    model = open_model(data / "openlime" / "neural_student")
    save_model(model, tmp_path / "a", writer="folder:image=png")
    info = json.loads((tmp_path / "a" / "info.json").read_text())
    assert (info["samples"], info["colorspace"]) == (20, "rgb")
    back = open_model(tmp_path / "a")  # whose scales have nine digits
    np.testing.assert_allclose(back.relight(LIGHTS), model.relight(LIGHTS), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("hyper", [False, True])
def test_latents_are_exact_unless_asked_otherwise(tmp_path: Path, hyper: bool) -> None:
    """PNG by default; of JPEGs the loss is measured and told."""
    kind: type[NetworkModel] = HyperModel if hyper else NeuralModel
    model = models.network(kind, (12, 12), hyper=hyper)
    lights = LightDirections.spread(20, 0.26)
    exact = model.relight_uint8(lights)
    assert save_model(model, tmp_path / "png") == ()
    assert not list((tmp_path / "png").glob("*.jpg"))
    assert np.array_equal(open_model(tmp_path / "png").relight_uint8(lights), exact)
    (note,) = save_model(model, tmp_path / "jpg", writer="folder:image=jpg,quality=80")
    found = re.fullmatch(
        r"the planes are JPEGs of quality 80, which changes them a little; "
        r"relit pictures are (\d+\.\d) dB from the exact ones",
        note,
    )
    assert found
    reread = open_model(tmp_path / "jpg").relight_uint8(lights)
    top, left = ((side - 256) // 2 for side in model.shape)  # of the part that is looked at
    middle = np.s_[:, top : top + 256, left : left + 256]
    assert float(found[1]) == pytest.approx(psnr(exact[middle], reread[middle]), abs=0.06)


@pytest.mark.slow
def test_sixteen_bits_are_png(tmp_path: Path) -> None:
    model = drti.get_codec("ptm", {"bits": 16}).fit(drti.demo_stack(lights=12))
    assert save_model(model, tmp_path / "a") == ()
    assert len(list((tmp_path / "a").glob("plane_*.png"))) == 18


@pytest.mark.slow
def test_a_network_of_the_light_is_stored(tmp_path: Path) -> None:
    """Its hidden layer has arrays of its own; a file that lacks them says so."""
    made = models.network(HyperModel, (8, 8), hyper=True)
    random = np.random.default_rng(0)
    unit = Dense(random.standard_normal((5, 4)).astype(np.float32), np.zeros(5, np.float32), "elu")
    table = 0.1 * random.standard_normal((3, 6)).astype(np.float32)
    last = replace(made.layers[-1], bias=Network(Basis("affine", 4), (unit,), table))
    model = replace(made, layers=(*made.layers[:-1], last))
    stored = model.stored()
    assert stored.config["layers"][2]["bias"] == {
        "basis": "affine",
        "terms": 4,
        "hidden": [{"activation": "elu"}],
    }
    save_model(model, tmp_path / "a")
    back = open_model(tmp_path / "a")
    lights = LightDirections.spread(5)
    assert np.array_equal(back.relight(lights), model.relight(lights))

    arrays = dict(stored.arrays)
    hidden = arrays.pop("layer2.bias.hidden0.weight")
    with pytest.raises(FormatError) as error:
        restore(replace(stored, arrays=arrays), HyperModel)
    assert str(error.value) == "layer2.bias.hidden0.weight: is missing; expected an array"
    arrays["layer2.bias.hidden0.weight"] = hidden[:, :3]
    with pytest.raises(FormatError) as error:
        restore(replace(stored, arrays=arrays), HyperModel)
    assert str(error.value) == (
        "layer2.bias: layer 0 of a network of the light has weight (5, 3) and bias (5,); "
        "expected weight (n, 4), bias (n,)"
    )
    for wrong in ([], 3, [{"weight": {"basis": "affine", "terms": 4}}]):
        layers = [*stored.config["layers"][:2], {**stored.config["layers"][2]}]
        layers[2]["bias"] = {**layers[2]["bias"], "hidden": wrong}
        with pytest.raises(FormatError, match=r"^layer2.bias: hidden layers .* of constants$"):
            restore(replace(stored, config={**stored.config, "layers": layers}), HyperModel)
