"""Networks that are taught: their teachers, and what these share with them."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.train import only_where_training_can

only_where_training_can()

from drti_core.codecs.disk import DISK10  # noqa: E402
from drti_core.codecs.families.networks import LatentCodec  # noqa: E402
from drti_core.codecs.hyper import HYPER8  # noqa: E402
from drti_core.errors import OptionError  # noqa: E402
from drti_core.lights import LightDirections  # noqa: E402
from drti_core.model.network_model import NetworkModel  # noqa: E402
from drti_core.registry.catalogue import codec  # noqa: E402
from drti_core.registry.doors import open_model, save_model  # noqa: E402
from drti_core.stack.samples.demo import make_stack  # noqa: E402
from drti_core.training.loop import Loop, Outcome  # noqa: E402

pytestmark = pytest.mark.train

LIGHTS = LightDirections.spread(12, 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["hyper8", "hyper8+hyper8", "hsh+hyper8", "auto"])
def test_max_seconds_are_those_of_teachers_and_student_together(
    teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    ends: list[float] = []
    run = Loop.run

    def watched(loop: Loop) -> Outcome:
        assert loop.schedule.max_seconds is not None
        given.append(loop.schedule.max_seconds)
        outcome = run(loop)
        ends.append(time.monotonic() - start)
        return outcome

    monkeypatch.setattr(Loop, "run", watched)
    codec = dataclasses.replace(DISK10, preset="best", max_seconds=0.6, teacher=teacher, threads=1)
    stack = make_stack((24, 32), lights=20)
    start = time.monotonic()
    model = codec.fit(stack)
    taught_by = codec.taught_by
    assert taught_by == ("+".join(["hyper20"] * 8) if teacher == "auto" else teacher)
    assert model.training is not None
    assert model.training["teacher"] == taught_by
    assert len(given) == taught_by.count("hyper") + 1
    # Teachers share a half of it; preparations count, but at least a half of a share is left.
    each = 0.3 / (taught_by.count("+") + 1)
    assert all(each / 4 <= seconds <= 0.3 for seconds in given[:-1])
    assert given[0] < (0.3 if teacher == "hsh+hyper8" else each)  # HSH leaves its share
    assert 0.15 <= given[-1] <= max(0.3, 0.6 - ends[-2])


@pytest.mark.slow
def test_any_network_is_taught(tmp_path: Path) -> None:
    stack = make_stack((24, 32), lights=20)
    short = {"steps": 60, "threads": 1}
    teachers = [codec("hyper8", {**short, "seed": seed}).fit(stack) for seed in (0, 1)]
    names = [str(tmp_path / f"teacher{number}") for number in range(2)]
    for teacher, name in zip(teachers, names, strict=True):
        save_model(teacher, name)
    together = "+".join(names)
    for student, share in (("hyper8", 0.1), ("neural:width=10", 0.7)):
        free = codec(student, {"steps": 400, "threads": 1, "teacher": "none"})
        held = codec(student, {"steps": 400, "threads": 1, "teacher": together, "alpha": 0})
        wanted = np.mean([open_model(name).relight(LIGHTS) for name in names], axis=0)
        errors = []
        for each in (free, held):
            model = each.fit(stack)
            assert isinstance(model, NetworkModel)
            assert model.training is not None
            assert model.training.get("teacher") == (together if each is held else None)
            errors.append(float(np.mean((model.relight(LIGHTS) - wanted) ** 2)))
        assert errors[1] < share * errors[0]


@pytest.mark.slow
def test_teachers_have_seeds_of_their_own_and_tell_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []
    run = LatentCodec.train

    def watched(self: Any, *given: Any) -> Any:
        seeds.append(self.seed)
        return run(self, *given)

    monkeypatch.setattr(LatentCodec, "train", watched)
    told: list[tuple[float, str]] = []
    small = {"steps": 10, "components": 4, "encoder": 0, "threads": 1, "preset": "fast"}
    for seed in (0, 1, 2**63 - 1):
        codec("hyper8", {**small, "seed": seed}).fit(
            make_stack((24, 32), lights=20), lambda share, what: told.append((share, what))
        )
    assert seeds == [0, 0, 1, 1, 2, 3, 2**63 - 1, 2**63 - 2, 2**63 - 1]
    shares = [share for share, _ in told[: len(told) // 3]]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    stages = [re.sub(r"-?[\d.]+ dB", "x dB", what) for _, what in told[: len(told) // 3]]
    assert list(dict.fromkeys(stages)) == [
        "training, teacher 1 of 2, x dB",
        "encoding, teacher 1 of 2",
        "training, teacher 2 of 2, x dB",
        "encoding, teacher 2 of 2",
        "training, x dB",
        "encoding",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hyper8", "disk10", "neural:teacher=hyper8"])
def test_teachers_do_not_see_what_the_student_is_scored_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    run = LatentCodec.train

    def watched(self: Any, *given: Any) -> Any:
        left.append(self.left_out)
        return run(dataclasses.replace(self, steps=5), *given)

    monkeypatch.setattr(LatentCodec, "train", watched)
    small = {"components": 4, "encoder": 0, "threads": 1, "preset": "fast", "left_out": 0.2}
    codec(name, small).fit(make_stack((24, 32), lights=20))
    assert len(left) >= 2
    assert set(left) == {0.2}


def test_what_suits_a_teacher() -> None:
    assert HYPER8.between == (12, 2.0, 0.0)
    assert dataclasses.replace(HYPER8, teacher="none").between == (12, 0.1, 0.125)
    assert DISK10.between == (24, 2.0, 0.0)
    assert dataclasses.replace(DISK10, teacher="none").between == (12, 0.1, 0.125)
    taught_one = dataclasses.replace(HYPER8, teacher="hsh", novel=0, blind=0.25)
    assert taught_one.between == (0, 2.0, 0.25)
    with pytest.raises(OptionError) as error:
        dataclasses.replace(HYPER8, teacher="hsh+").fit(make_stack((24, 32), lights=20))
    assert str(error.value) == ("hyper: teacher 'hsh+'; expected codecs or models, + between them")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"preset": "fast"}, "hyper:width=20+hyper:width=20"),
        ({"preset": "best"}, "+".join(["hyper:width=20"] * 8)),
        (
            {"steps": 50, "alpha": 0.1, "seed": 3, "threads": 1},
            "+".join(["hyper:width=20,steps=50"] * 3),
        ),
        (
            {"width": 32, "terms": "affine/constant/hsh9", "preset": "fast"},
            "+".join(["hyper:width=32,terms=affine/constant/hsh9"] * 2),
        ),
        ({"teacher": "none"}, None),
        ({"teacher": "hsh16"}, "hsh16"),
    ],
)
def test_weights_that_follow_the_light_are_taught_by_their_like(
    options: dict[str, Any], expected: str | None
) -> None:
    assert codec("hyper8", options).taught_by == expected  # type: ignore[attr-defined]


def test_encoders_are_wide_where_a_teacher_holds_them() -> None:
    for options, width in (
        ({"preset": "fast"}, 128),
        ({}, 384),
        ({"preset": "best"}, 384),
        ({"teacher": "none"}, 128),
        ({"encoder": 64}, 64),
    ):
        hyper = dataclasses.replace(HYPER8, **options)  # type: ignore[arg-type]
        assert hyper.recipe().encoder == width
    assert DISK10.recipe().encoder == 384


def test_a_student_may_have_no_teacher() -> None:
    for name in ("disk20", "hyper12", "neural"):
        assert codec(f"{name}:teacher=none").taught_by is None  # type: ignore[attr-defined]
