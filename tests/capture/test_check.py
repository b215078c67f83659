"""Faults put into photographs are named, and sound ones are not."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import drti_core as drti
import drti_core.workflow.fit as fit_module
from drti_core.capture import check as check_module
from drti_core.capture import predict
from drti_core.capture.check_sheet import check_sheet
from drti_core.capture.refine import estimate, looks, looks_of
from drti_core.capture.search import Search
from drti_core.capture.survey import Survey
from drti_core.cli.app import app
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.measure.tour import write_stack
from drti_core.stack import ArrayStack
from drti_core.workflow import check_file, fit_file


@pytest.fixture(scope="module")
def sound() -> ArrayStack:
    return drti.demo_stack((72, 96), 30)


@pytest.fixture(scope="module")
def spoiled(sound) -> ArrayStack:
    """Photograph 3 is a misfire, 8 and 20 are exchanged, 12 is twice as bright, 25 moved."""
    pictures = sound.images.copy()
    pictures[3] //= 20
    pictures[[8, 20]] = pictures[[20, 8]]
    brighter = 2 * srgb_to_linear(pictures[12] / np.float32(255))
    pictures[12] = np.rint(255 * linear_to_srgb(np.minimum(brighter, 1)))
    pictures[25] = np.roll(pictures[25], (-2, 3), axis=(0, 1))
    return ArrayStack.of(pictures, sound.lights, names=sound.names)


@pytest.fixture(scope="module")
def folder(spoiled, tmp_path_factory):
    """The spoiled photographs on disk."""
    folder = tmp_path_factory.mktemp("capture")
    rows = [str(len(spoiled))]
    for name, picture, light in zip(
        spoiled.names, spoiled.images, spoiled.lights.xyz.tolist(), strict=True
    ):
        Image.fromarray(picture).save(folder / name, quality=95)
        rows.append(" ".join([name, *map(str, light)]))
    (folder / "dirs.lp").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_sound_photographs_are_sound(sound):
    found = drti.check(sound)
    assert found.sound, [finding.text for finding in found.findings]
    assert found.note() is None
    assert np.abs(found.stops).max() < 0.4
    assert np.median(found.light_off) < 3


@pytest.mark.slow
def test_every_fault_is_named_and_nothing_else(spoiled):
    found = drti.check(spoiled)
    named = {(finding.kind, finding.photographs) for finding in found.findings if finding.grave}
    assert named == {
        ("misfire", (3,)),
        ("exchanged", (8, 20)),
        ("exposure", (12,)),
        ("moved", (25,)),
    }
    assert found.stops[12] == pytest.approx(1, abs=0.15)
    assert found.moved[25] == pytest.approx([-2, 3], abs=0.3)
    assert found.note() == "photo04.jpg is dark: a misfire (and 3 more findings); a check says more"
    page = check_sheet(found, "a <b> & c")
    assert "a &lt;b&gt; &amp; c" in page
    assert page.count("<figure") == len(spoiled)
    assert page.count("<figure class=bad>") == 5


@pytest.mark.slow
def test_many_photographs_are_looked_at_in_parts(monkeypatch):
    """What is about one photograph is told as ever, by its own number."""
    sound = drti.demo_stack((48, 64), 60)
    pictures = sound.images.copy()
    pictures[3] //= 20
    pictures[25] = np.roll(pictures[25], (-2, 3), axis=(0, 1))
    monkeypatch.setattr(check_module, "MOST", 30)
    found = drti.check(ArrayStack.of(pictures, sound.lights, names=sound.names))
    named = {(f.kind, f.photographs) for f in found.findings if f.grave}
    assert named == {("misfire", (3,)), ("moved", (25,))}
    assert found.moved[25] == pytest.approx([-2, 3], abs=0.5)
    assert np.argmin(found.stops) == 3
    assert len(found.thumbnails) == len(found.best_lights) == 60


def test_many_photographs_are_fitted_without_a_look(spoiled, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(fit_module, "MOST", 10)
    monkeypatch.setattr(fit_module, "check", never)
    lights = spoiled.lights
    write_stack(ArrayStack.of(spoiled.images[:, :8, :8], lights), tmp_path / "stack")
    fit_file(tmp_path / "stack", tmp_path / "a.ptm")


@pytest.mark.slow
def test_the_verb_tells_and_its_status_says_doubtful(folder, tmp_path):
    sheet = tmp_path / "check.html"
    done = CliRunner().invoke(app, ["check", str(folder), "--sheet", str(sheet)])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "30 photographs of 96x72 pixels: 4 findings"
    assert "- photo09.jpg and photo21.jpg have each other's light: exchanged" in lines
    assert lines[-1] == f"wrote {sheet}"
    with pytest.raises(drti.OutputExistsError):
        check_file(folder, sheet=sheet)


@pytest.mark.slow
def test_fit_says_the_gravest_in_one_line(folder, tmp_path):
    report = fit_file(folder, tmp_path / "model.ptm")
    assert "photo04.jpg is dark: a misfire (and 3 more findings); a check says more" in report.notes


def test_a_fit_names_the_photographs_that_do_not_lie_on_the_others(data, tmp_path):
    case = data.parent / "cases" / "06-shaken"
    if not case.is_dir():
        pytest.skip(f"{case} is not there")
    truth = json.loads((case / "true_shifts_dy_dx.json").read_text())
    far = {name for name, shift in truth.items() if np.hypot(*shift) > 2.5}
    (said,) = [n for n in fit_file(case, tmp_path / "model.ptm").notes if "a check says more" in n]
    named = set(re.findall(r"img_\d+\.jpg", said))
    assert far <= named <= {name for name, shift in truth.items() if np.hypot(*shift) > 0}


def test_json_holds_every_photograph_and_no_infinity(sound):
    few = drti.check(sound.select(range(5)))  # too few for predictions; the rest is looked at
    facts = json.loads(json.dumps(few.as_dict(), allow_nan=False))
    assert [light["name"] for light in facts["lights"]] == list(sound.names[:5])
    assert facts["lights"][0]["best_light"] is None
    assert facts["photographs"] == 5


def test_exif_tells_another_exposure(tmp_path, sound):
    rows = ["6"]
    for i in range(6):
        exif = Image.Exif()
        exif.get_ifd(34665)[33434] = 0.02 if i == 2 else 0.01
        exif.get_ifd(34665)[34855] = 100
        name = f"a{i}.jpg"
        Image.fromarray(sound.images[i]).save(tmp_path / name, exif=exif)
        rows.append(" ".join([name, *map(str, sound.lights.xyz[i].tolist())]))
    (tmp_path / "dirs.lp").write_text("\n".join(rows) + "\n")
    found = [f for f in drti.check(drti.open_stack(tmp_path)).findings if f.kind == "exif"]
    assert [f.text for f in found] == ["a2.jpg has 2 times the exposure of the others, by its EXIF"]
    assert found[0].photographs == (2,)


def test_places_are_told_to_a_part_of_a_pixel():
    random = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(96)[:, None], np.fft.fftfreq(128)
    spectrum = np.fft.fft2(random.normal(size=(96, 128))) / (1 + 400 * (rows**2 + columns**2))
    moved = spectrum * np.exp(-2j * np.pi * (2.3 * rows - 4.6 * columns))
    one, other = (np.fft.ifft2(a).real.astype(np.float32)[None] for a in (moved, spectrum))
    place = predict.place(one, other)
    assert (place.y, place.x) == pytest.approx((2.3, -4.6), abs=0.1)
    assert predict.put_back(one, other, place) < 0.3
    assert predict.put_back(one, other, predict.Place(-3, 4, 9)) > 0.8


def test_another_light_explains_detail_better_or_not():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 1, 32, 40)).astype(np.float32)
    assert predict.detail_share(one, other, one) == 0
    assert predict.detail_share(one, other, other) == pytest.approx(1)
    assert predict.detail_share(one, one + other, one + other / 2) == pytest.approx(0.25, abs=0.01)
    assert predict.detail_share(one[:, :7], other[:, :7], one[:, :7]) == 1


def test_exposure_is_the_median_over_what_is_neither_black_nor_clipped():
    random = np.random.default_rng(0)
    predicted = random.uniform(0.05, 0.4, (40, 50)).astype(np.float32)
    brighter = predicted * 2**0.7
    brighter[:8] = 1
    stops, varies = predict.exposure(brighter, predicted)
    assert (stops, varies) == pytest.approx((0.7, 0), abs=1e-3)
    assert predict.exposure(brighter, np.zeros_like(predicted)) == (0.0, np.inf)


def test_a_blur_takes_the_finer_detail():
    random = np.random.default_rng(0)
    picture = random.normal(0.5, 0.1, (1, 64, 64)).astype(np.float32)
    blurred = picture.copy()
    blurred[:, 1:-1, 1:-1] = predict._means(picture)
    assert predict.sharpness(blurred, picture)[0] < -1
    assert predict.sharpness(picture, picture) == pytest.approx([0, 0, 0])


@pytest.mark.slow
def test_missing_lights_are_filled_in_and_a_wrong_one_contradicts(sound):
    seen = looks(sound)
    xyz = sound.lights.xyz.copy()
    known = np.ones(len(sound), bool)
    known[[5, 15]] = False
    xyz[~known] = 0, 0, 1
    x, y, z = xyz[10]
    xyz[10] = np.array([-y, x, z])  # turned by 90 degrees around the axis
    told = estimate(seen, drti.LightDirections(xyz), known)
    cosine = np.sum(told.lights.xyz * sound.lights.xyz, axis=1)
    off = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    assert off[[5, 15, 10]].max() < 12
    assert np.median(off) < 3
    assert np.flatnonzero(told.contradicts).tolist() == [10]


def test_too_few_known_lights_tell_nothing(sound):
    few = sound.select(range(7))
    known = np.arange(7) < 5
    with pytest.raises(drti.OptionError) as caught:
        estimate(looks(few), few.lights, known)
    assert str(caught.value) == "5 known lights; expected 6 or more to estimate others from"


def test_an_exchange_that_leaves_a_light_wrong_is_undone_and_looks_tell_another(sound):
    small = sound.images.mean(axis=3, dtype=np.float32) / 255
    lights = sound.lights.xyz.copy()
    lights[[4, 9]] = lights[[9, 4]]
    search = Search(drti.LightDirections(lights), _seen(small), quick=False)
    search.exchanged, search.order[[1, 2]] = [(1, 2)], [2, 1]
    search.wrong[[1, 4]] = True  # 9 seems near enough; its looks tell where it belongs
    search.best_lights = sound.lights
    assert search._other_exchanges()
    assert search.exchanged == [(4, 9)]
    assert np.flatnonzero(search.order != np.arange(len(sound))).tolist() == [4, 9]
    search.wrong[:] = False
    assert not search._other_exchanges()


def test_a_light_that_is_tolerated_contradicts_nothing(sound):
    turn = np.radians(25)
    xyz = sound.lights.xyz.copy()
    x, y, z = xyz[10]
    xyz[10] = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z
    seen = looks_of(sound.images.mean(axis=3)[:, ::2, ::2] / 255)
    lights = drti.LightDirections(xyz)
    assert estimate(seen, lights).contradicts[10]
    assert not estimate(seen, lights, tolerated=90).contradicts.any()


def _seen(small):
    count = len(small)
    share = np.zeros(count)
    return Survey(small, 1, small[:, None], np.zeros((count, 1, 1, 3), np.uint8), share, share)
