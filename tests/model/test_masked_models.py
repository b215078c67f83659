"""The mask belongs to the model: it goes through every format, and out as alpha."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

import drti_core.pillow  # noqa: F401 - opens .rti
from drti_core.arrays import Window
from drti_core.codecs.ptm import PtmCodec
from drti_core.errors import DrtiError, FormatError, MissingFileError, UnsupportedFormatError
from drti_core.io.pictures.mask_picture import decode_mask, encode_mask, read_mask
from drti_core.measure.evaluation import evaluate_model, evaluation_of_models
from drti_core.model import Metadata
from drti_core.registry import catalogue, doors
from drti_core.registry.codec_calls import fit
from drti_core.stack import ArrayStack
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow.convert import convert_file
from drti_core.workflow.describe import describe

SIZE = (30, 40)


@pytest.fixture(scope="module")
def mask():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (y - 15) ** 2 + (x - 18) ** 2 < 150


@pytest.fixture(scope="module")
def stack(mask):
    whole = make_stack(SIZE, 20)
    return ArrayStack.of(whole.images, whole.lights, mask=mask)


@pytest.fixture(scope="module")
def model(stack):
    return fit(stack, catalogue.codec("hsh:terms=4"))[0]


@dataclass(frozen=True)
class Forgetful(PtmCodec):
    """A codec whose models know nothing of their photographs."""

    def fit(self, stack, progress=lambda share, what: None):
        return replace(super().fit(stack, progress), metadata=Metadata(lights=stack.lights))


def test_a_model_has_the_mask_of_its_photographs(stack, model, mask):
    assert np.array_equal(model.metadata.mask, mask)
    assert np.array_equal(fit(stack, Forgetful())[0].metadata.mask, mask)
    part = Window(4, 5, 20, 22)
    cropped = fit(stack.cropped(part), catalogue.codec("ptm"))[0]
    assert np.array_equal(cropped.metadata.mask, mask[part.slices])
    assert repr(model) == "<hsh model 30 x 40, 12 planes, 20 lights, masked>"
    whole = ArrayStack.of(stack.images, stack.lights, mask=np.ones(SIZE, bool))
    assert fit(whole, catalogue.codec("ptm"))[0].metadata.mask is None
    with pytest.raises(DrtiError) as caught:
        model.with_metadata(mask=np.ones((3, 4), bool))
    assert str(caught.value) == (
        "a model of the codec hsh: a mask of shape (3, 4); expected (30, 40), the size of the model"
    )


def test_round_trips(model, mask, tmp_path):
    doors.save_model(model, tmp_path / "a")
    for source, target in (("a", "b.rti"), ("b.rti", "c"), ("c", "d.rti")):
        convert_file(tmp_path / source, tmp_path / target)
        assert np.array_equal(doors.open_model(tmp_path / target).metadata.mask, mask)
    assert (tmp_path / "a/mask.png").read_bytes() == (tmp_path / "c/mask.png").read_bytes()
    with Image.open(tmp_path / "a/mask.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), np.where(mask, 255, 0))
    assert json.loads((tmp_path / "a/info.json").read_text())["drti"]["mask"] == "mask.png"


def test_models_without_a_mask_are_as_they_were(model, tmp_path):
    plain = model.with_metadata(mask=None)
    doors.save_model(plain, tmp_path / "a")
    doors.save_model(plain, tmp_path / "a.rti")
    assert not (tmp_path / "a/mask.png").exists()
    assert b"mask" not in (tmp_path / "a/info.json").read_bytes()
    assert b"mask" not in (tmp_path / "a.rti").read_bytes()
    assert doors.open_model(tmp_path / "a").metadata.mask is None


def test_formats_that_cannot_keep_it_say_so(stack, model, tmp_path):
    ptm = fit(stack, catalogue.codec("ptm"))[0]
    notes = doors.save_model(ptm, tmp_path / "a.ptm")
    assert notes[0] == "a .ptm has no place for: lights, provenance, mask"
    assert doors.open_model(tmp_path / "a.ptm").metadata.mask is None
    notes = doors.save_model(model, tmp_path / "a.rti", writer="rti:facts=false")
    assert notes[0] == "a .rti has no place for: lights, provenance, mask"


def test_a_mask_that_is_too_large_for_a_packet(model, tmp_path, monkeypatch):
    monkeypatch.setattr("drti_core.formats.rti.trailer._MAX_MASK", 20)
    notes = doors.save_model(model, tmp_path / "a.rti")
    assert notes[0] == "a .rti has no place for: mask"
    assert doors.open_model(tmp_path / "a.rti").metadata.lights is not None


def test_damage_to_a_mask(model, mask, tmp_path):
    doors.save_model(model, tmp_path / "a")
    path = tmp_path / "a/mask.png"

    def told() -> str:
        with pytest.raises((FormatError, UnsupportedFormatError)) as caught:
            doors.open_model(tmp_path / "a")
        return str(caught.value)

    path.write_bytes(encode_mask(mask[:, 1:]))
    assert told() == f"{path}: 39x30 pixels, 8-bit grey; expected 40x30 pixels, 8-bit grey"
    Image.new("RGB", SIZE[::-1]).save(path)
    assert told() == f"{path}: 40x30 pixels, 8-bit RGB; expected 40x30 pixels, 8-bit grey"
    path.write_bytes(encode_mask(np.zeros(SIZE, bool)))
    assert told() == f"{path}: a mask with nothing inside; expected a pixel inside"
    path.write_bytes(encode_mask(mask)[:60])
    assert told().startswith(f"{path}: damaged picture (")
    path.unlink()
    with pytest.raises(MissingFileError) as caught:
        read_mask(path, SIZE)
    assert str(caught.value) == f"{path}: is missing; expected a picture"
    info = tmp_path / "a/info.json"
    text = info.read_text()
    info.write_text(text.replace('"mask.png"', '"../mask.png"'))
    assert told() == f'{info}: $.drti.mask: "../mask.png"; expected "mask.png"'


def test_a_damaged_mask_of_a_rti_is_left_out_with_a_note(model, mask, tmp_path):
    doors.save_model(model, tmp_path / "a.rti")
    data = (tmp_path / "a.rti").read_bytes()
    good = base64.b64encode(encode_mask(mask))
    assert data.count(good) == 1
    wrong = base64.b64encode(encode_mask(np.ones((2, 3), bool)))
    (tmp_path / "a.rti").write_bytes(data.replace(good, wrong))
    found = doors.open_model(tmp_path / "a.rti").metadata
    assert found.mask is None
    assert found.notes[-1] == (
        f"what the packet says of the model is not used: {tmp_path / 'a.rti'}: drti:facts.mask: "
        "3x2 pixels, 8-bit grey; expected 40x30 pixels, 8-bit grey"
    )
    assert zlib.crc32(encode_mask(mask)) == zlib.crc32(encode_mask(mask.copy()))
    assert np.array_equal(decode_mask(encode_mask(mask), "x", SIZE), mask)


def test_pillow_gives_alpha(model, mask, tmp_path):
    doors.save_model(model, tmp_path / "a.rti")
    with Image.open(tmp_path / "a.rti") as picture:
        assert picture.mode == "RGBA"
        pixels = np.asarray(picture)
    assert np.array_equal(pixels[..., 3] == 255, mask)
    assert not pixels[~mask].any()


def test_metrics_count_what_is_inside(stack, model, mask):
    """By the model's mask too, where the photographs have none."""
    whole = ArrayStack.of(stack.images, stack.lights)
    one, other = (evaluate_model(model, each, with_ssim=False) for each in (stack, whole))
    assert other.pixels == one.pixels == np.count_nonzero(mask)
    assert other.psnr == pytest.approx(one.psnr, abs=1e-9)
    plain = evaluate_model(model.with_metadata(mask=None), whole, with_ssim=False)
    assert plain.psnr < one.psnr - 10
    result = evaluation_of_models(whole, [other])
    assert result.as_dict()["codecs"][0]["pixels_in_mask"] == np.count_nonzero(mask)
    assert result.notes == (f"Only pixels inside the mask count: {mask.sum()} of {mask.size}.",)


def test_info_tells_of_it(model, mask, tmp_path):
    doors.save_model(model, tmp_path / "a")
    found = describe(doors.open_model(tmp_path / "a"))
    assert found.facts["pixels_in_mask"] == np.count_nonzero(mask)
