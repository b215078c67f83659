"""The trained models that tests use are those that their script makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from drti_core.registry.catalogue import registry
from drti_core.testing import make_stack
from tests.helpers import make_models
from tests.helpers.kept import FOLDER, TWINS, keep, kept, names, train
from tests.helpers.quick import quick

#: The least PSNR in dB on the photographs: what a test relights is a picture, not noise.
GOOD = 29


def test_each_codec_has_one() -> None:
    found = sorted(path.stem for path in FOLDER.iterdir())
    assert found == sorted(names()), "run python -m tests.helpers.make_models --write"
    codecs = registry().codecs.load_all()
    for name, twin in TWINS.items():
        assert quick(codecs[twin]) == quick(codecs[name])


@pytest.mark.parametrize("name", names())
def test_kept_and_restored(name: str, tmp_path: Path) -> None:
    model = kept(name)
    assert (FOLDER / f"{name}.safetensors").stat().st_size < 20_000
    assert make_models.score(model) > GOOD
    keep(name, model, tmp_path)
    again = kept(name, tmp_path)
    assert again.config() == model.config()
    lights = make_stack().lights
    assert np.array_equal(again.relight(lights), model.relight(lights))


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_script_still_makes_it(name: str) -> None:
    assert make_models.difference(name, train(name, make_stack())) is None


def test_a_difference_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = kept("hyper8")
    assert make_models.difference("hyper8", model) is None
    wider = kept("hyper12")
    assert make_models.difference("hyper8", wider) == "has another arrays than the kept model"
    last = model.layers[-1]
    bias = dataclasses.replace(last.bias, table=last.bias.table + 1)
    layers = (*model.layers[:-1], dataclasses.replace(last, bias=bias))
    worse = dataclasses.replace(model, layers=layers)
    said = make_models.difference("hyper8", worse)
    assert said is not None
    assert said.startswith("reaches ")
    assert said.endswith(f" dB, the kept model {make_models.score(model):.2f} dB")
    monkeypatch.setattr(make_models, "FOLDER", tmp_path)
    assert make_models.difference("hyper8", model) == "is not kept yet"


@pytest.mark.slow
def test_nothing_is_written_without_the_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_models, "train", lambda name, stack: kept(name))
    before = {path: path.read_bytes() for path in FOLDER.iterdir()}
    assert make_models.main([]) == 0
    assert capsys.readouterr().out == "".join(f"{name} is as it was kept\n" for name in names())
    assert {path: path.read_bytes() for path in FOLDER.iterdir()} == before
