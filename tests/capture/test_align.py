"""Photographs that were moved are laid back, and others keep their pixels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import drti_core as drti
from drti_core.capture.align import align, moves_of
from drti_core.capture.align_sheet import align_sheet
from drti_core.capture.darkroom import Darkroom
from drti_core.cli.app import app
from drti_core.lights import LightDirections
from drti_core.stack import ArrayStack
from drti_core.stack.aligned import laid
from drti_core.stack.lanczos import sampled
from drti_core.stack.strengths import even

#: Right and down, pixels, by the number of the photograph.
MOVED = {2: (2.3, -1.6), 7: (-3.0, 0.0), 11: (0.4, 1.2)}


@pytest.fixture(scope="module")
def sound() -> ArrayStack:
    return drti.demo_stack((72, 96), 24)


@pytest.fixture(scope="module")
def shaken(sound) -> ArrayStack:
    images = sound.images.copy()
    y, x = np.mgrid[:72, :96].astype(float)
    for number, (right, down) in MOVED.items():
        images[number] = sampled(images[number], x - right, y - down)
    return ArrayStack.of(images, sound.lights, names=sound.names)


@pytest.fixture(scope="module")
def aligned(shaken):
    return align(shaken)


@pytest.fixture(scope="module")
def folder(shaken, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shaken")
    rows = [str(len(shaken))]
    for name, picture, light in zip(
        shaken.names, shaken.images, shaken.lights.xyz.tolist(), strict=True
    ):
        Image.fromarray(picture).save(folder / f"{name[:-4]}.png")
        rows.append(" ".join([f"{name[:-4]}.png", *map(str, light)]))
    (folder / "dirs.lp").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.slow
def test_moved_photographs_are_laid_back_and_others_stay(shaken, aligned):
    stack, found = aligned
    assert set(np.flatnonzero(found.moved)) == set(MOVED)
    for number, moved in MOVED.items():
        assert found.maps[number, :2, 2] == pytest.approx(moved, abs=0.35)
        assert found.rms[number] == pytest.approx(np.hypot(*moved), abs=0.35)
    assert found.known.all()
    area = found.area
    still = [i for i in range(len(shaken)) if i not in MOVED]
    pixels = stack.codes(drti.Window(0, 0, *stack.shape)).reshape(-1, *stack.shape, 3)
    assert np.array_equal(pixels[still], shaken.images[still][:, area.slices[0], area.slices[1]])
    assert stack.notes[-1].startswith("Aligned (shift): 3 of 24 photographs were moved, photo08")
    assert stack.history["align"]["photographs"][7]["moved"] is True


@pytest.mark.slow
@pytest.mark.parametrize("levelled", [False, True])
def test_what_a_project_laid_is_laid_on_from_there(levelled):
    """Parts and masks are told in the photographs as they were; no pixel is resampled twice."""
    scene, count = drti.demo_stack((100, 130), 16), 16
    offsets = np.random.default_rng(2).integers(-4, 5, (count, 2))
    lain = offsets + np.where(np.arange(count)[:, None] == 5, [[3, -2]], 0)
    images = [scene.images[i][10 - y : 90 - y, 12 - x : 118 - x] for i, (x, y) in enumerate(lain)]
    maps = np.tile(np.eye(3), (count, 1, 1))
    maps[:, :2, 2] = offsets
    stack = laid(ArrayStack.of(np.stack(images), scene.lights), maps, [], {"offsets": 1})
    if levelled:
        stack = even(stack, np.ones((count, 3)), "Levelled.")
    height, width = stack.shape
    found, told = align(stack)
    assert np.flatnonzero(told.moved).tolist() == [5]
    assert told.maps[5, :2, 2] == pytest.approx([3, -2], abs=0.3)
    left = f"; {found.shape[1]}x{found.shape[0]} of {width}x{height} pixels are left."
    assert found.notes[-1].endswith(left)
    assert found.frame == stack.frame == (80, 106)
    mask = np.zeros((80, 106), bool)
    mask[20:60, 30:70] = True
    part = found.adjusted(crop=drti.Window(15, 25, 50, 50), mask=mask)
    assert np.array_equal(part.mask, mask[15:65, 25:75])
    values = part.read(drti.Window(0, 0, 50, 50)).reshape(count, 50, 50, 3)
    wanted = scene.images[:, 25:75, 37:87] / np.float32(255) * part.mask[..., None]
    assert np.abs(np.delete(values - wanted, 5, axis=0)).max() < 1e-5


@pytest.mark.slow
def test_what_was_not_moved_is_not_moved(sound):
    stack, found = align(sound, "rigid")
    assert not found.moved.any()
    assert np.array_equal(
        stack.codes(drti.Window(0, 0, *stack.shape)), sound.codes(drti.Window(0, 0, 72, 96))
    )
    assert found.note() == "Aligned (rigid): none of 24 photographs was moved."


@pytest.mark.slow
def test_report_and_page_hold_every_photograph(aligned):
    _, found = aligned
    facts = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert [item["name"] for item in facts["photographs"]] == list(found.names)
    page = align_sheet(found, "a <b> & c")
    assert "a &lt;b&gt; &amp; c" in page
    assert page.count("<figure") == 24
    assert page.count("<img") == 2 * len(MOVED)


@pytest.mark.slow
def test_what_cannot_be_laid_is_named_and_left_out(shaken, aligned):
    _, found = aligned
    known = found.known.copy()
    known[[4, 5]] = False
    doubtful = replace(found, known=known)
    assert doubtful.doubt() == (
        "photo05.jpg, photo06.jpg cannot be aligned: they are unlike the others."
    )
    assert align_sheet(doubtful, "").count("could not be laid") == 2
    images = shaken.images.copy()
    images[4] = np.random.default_rng(0).integers(0, 256, images[4].shape)
    stack, found = align(ArrayStack.of(images, shaken.lights), leave_out=True)
    assert not found.known[4]
    assert len(stack) == 23
    assert stack.notes[-1] == (
        "image 4 cannot be aligned: it is unlike the others. It is left out."
    )


def test_too_few_or_unlit_photographs_are_refused(sound):
    with pytest.raises(drti.StackError) as caught:
        align(sound.select(range(7)))
    assert str(caught.value) == (
        "7 photographs to be aligned; expected 8 or more, from which each can be predicted"
    )
    dark = replace(sound, lights=LightDirections(np.tile([0.0, 0, 1], (24, 1))))
    with pytest.raises(drti.StackError) as caught:
        align(dark)
    assert str(caught.value) == (
        "24 photographs to be aligned, all under one light; expected the light of each, by which "
        "the others predict it. Find the lights first."
    )
    with pytest.raises(drti.OptionError) as caught:
        Darkroom(align="elastic")
    assert str(caught.value) == "align: 'elastic'; expected shift, rigid, affine or homography"
    with pytest.raises(drti.OptionError) as caught:
        Darkroom(leave_out=True)(sound)
    assert str(caught.value) == (
        "photographs that cannot be aligned are to be left out; expected them to be aligned as well"
    )


@pytest.mark.slow
def test_the_verb_writes_photographs_lights_report_and_page(folder, shaken, tmp_path):
    out = tmp_path / "aligned"
    done = CliRunner().invoke(app, ["align", str(folder), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "photo08.png" in done.stdout
    back = drti.open_stack(out)
    assert back.names == tuple(f"{name[:-4]}.png" for name in shaken.names)
    assert np.allclose(back.lights.xyz, shaken.lights.xyz, atol=1e-6)
    facts = json.loads((out / "align.json").read_text())
    x, y, width, height = facts["area"]
    assert back.shape == (height, width)
    first = back.codes(drti.Window(0, 0, *back.shape))[0].reshape(height, width, 3)
    assert np.array_equal(first, shaken.images[0, y : y + height, x : x + width])
    assert "<svg" in (out / "align.html").read_text()
    with pytest.raises(drti.OutputExistsError):
        drti.align_file(folder, out)


@pytest.mark.slow
def test_the_verb_crops_and_masks_what_is_laid_as_the_option_of_other_verbs_does(
    folder, shaken, aligned, tmp_path
):
    inside = np.zeros((72, 96), bool)
    inside[10:60, 20:80] = True
    crop = drti.Window(5, 15, 50, 70)
    found, _ = drti.align_file(folder, tmp_path / "out", mask=inside, crop=crop)
    expected = aligned[0].adjusted(mask=inside, crop=crop)
    back = drti.open_stack(tmp_path / "out")
    whole = drti.Window(0, 0, *expected.shape)
    assert np.array_equal(back.mask, expected.mask)
    assert np.array_equal(back.codes(whole), expected.codes(whole))
    facts = json.loads((tmp_path / "out/align.json").read_text())
    assert facts["area"] == [15, 5, 70, 50]
    assert np.allclose(found.maps, aligned[1].maps)
    # The pixels outside are kept: a mask can be taken back.
    name = back.names[0]
    assert np.asarray(Image.open(tmp_path / "out" / name))[:4, :, :3].any()


@pytest.mark.slow
def test_photographs_of_which_nothing_changes_are_copied(sound, tmp_path):
    rows = [str(len(sound))]
    for number, (picture, light) in enumerate(
        zip(sound.images, sound.lights.xyz.tolist(), strict=True)
    ):
        Image.fromarray(picture).save(tmp_path / f"a{number}.jpg", quality=95)
        rows.append(" ".join([f"a{number}.jpg", *map(str, light)]))
    (tmp_path / "dirs.lp").write_text("\n".join(rows) + "\n")
    out = tmp_path.parent / "copied"
    found, report = drti.align_file(tmp_path / "dirs.lp", out)
    assert not found.moved.any()
    assert report.what == "24 photographs of 96x72 pixels"
    for path in tmp_path.glob("*.jpg"):
        assert (out / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_every_verb_takes_the_option_with_and_without_a_model(folder, tmp_path):
    run = CliRunner().invoke(app, ["fit", "--align", str(folder), "-o", str(tmp_path / "a")])
    assert run.exit_code == 0, run.output
    assert "Aligned (shift): 3 of 24 photographs were moved" in run.output
    history = drti.open_model(tmp_path / "a").metadata.provenance["darkroom"]
    assert history["align"]["model"] == "shift"
    run = CliRunner().invoke(app, ["info", "--align=elastic", str(folder)])
    assert run.exit_code == 1
    assert "align: 'elastic'; expected shift, rigid, affine or homography" in run.output


@pytest.mark.slow
def test_large_photographs_are_laid_by_patches_at_full_size(sound):
    """Of a rough and speckled plain; the whole picture is looked at in half its size."""
    lights = sound.lights[np.arange(0, 24, 2)]
    random = np.random.default_rng(0)
    albedo = np.kron(random.uniform(0.2, 1, (130, 135)), np.ones((4, 4)))
    slope = np.kron(random.normal(0, 0.2, (2, 65, 68)), np.ones((8, 8)))[:, :, :540]
    normals = np.stack([*slope, np.ones_like(slope[0])])
    shaded = np.einsum("lc,chw->lhw", lights.xyz, normals / np.linalg.norm(normals, axis=0))
    images = np.rint(255 * np.clip(albedo * shaded, 0, 1)).astype(np.uint8)
    images[3] = np.roll(images[3], (5, -4), axis=(0, 1))
    _, found = align(ArrayStack.of(images, lights))
    assert set(np.flatnonzero(found.moved)) == {3}
    assert found.maps[3, :2, 2] == pytest.approx((-4, 5), abs=0.05)


@pytest.mark.slow
@pytest.mark.data
def test_a_shaken_capture_comes_back(data):
    """Every third photograph was moved by up to 3 pixels, by known amounts."""
    case = data.parent / "cases/06-shaken"
    if not case.is_dir():
        pytest.skip(f"{case} is not there")
    truth = json.loads((case / "true_shifts_dy_dx.json").read_text())
    _, found = align(drti.open_stack(case))
    shifts = np.array([truth[name] for name in found.names])
    apart = found.maps[:, :2, 2] - shifts[:, ::-1]
    assert np.sqrt((apart**2).sum(axis=1).mean()) < 0.1
    assert np.array_equal(found.moved, shifts.any(axis=1))


@pytest.mark.slow
def test_a_moved_photograph_of_long_shadows_is_found_where_it_is() -> None:
    """It shows no slope towards its place, from three pixels away, and is unlike its prediction."""
    base = drti.demo_stack((96, 128), 24)
    whole = base.codes(drti.Window(0, 0, 96, 128)).reshape(24, 96, 128, 3)
    moved = whole[:, 8:-8, 8:-8].copy()
    assert base.lights.xyz[6, 2] < 0.2
    moved[6] = whole[6, 5:-11, 9:-7]
    found = moves_of(ArrayStack.of(moved, base.lights))
    assert found.known.all()
    assert np.flatnonzero(found.rms).tolist() == [6]
    assert np.abs(found.maps[6, :2, 2] - [-1, 3]).max() < 0.4
