"""Codes decoded strip by strip: the same as all at once, or not streamed at all."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import LightDirections, demo_stack, get_codec, open_model, save_model
from drti_core.arrays import bands
from drti_core.errors import FormatError
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.jpeg import write_jpeg
from drti_core.io.pictures.jpeg_strips import StreamedCodes, read_streamed
from drti_core.io.pictures.writers import rows_of
from drti_core.relight.save import open_for_one_pass, save_relit

SHAPE = (200, 37)


def codes(count: int = 3) -> Any:
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (*SHAPE, count)).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> list[plane_pictures.Picture]:
    paths = [tmp_path / f"plane_{number}.jpg" for number in range(2)]
    for path in paths:
        write_jpeg(path, rows_of(codes()), SHAPE)
    return [plane_pictures.open_picture(path) for path in paths]


@pytest.fixture(scope="module")
def model() -> Any:
    return get_codec("hsh:terms=4").fit(demo_stack((130, 90), lights=12))


@pytest.mark.parametrize("count", [4, 5, 6])
def test_windows_are_those_of_the_whole(pictures: list[plane_pictures.Picture], count: int) -> None:
    whole = plane_pictures.read_planes(pictures, count)
    streamed = read_streamed(pictures, count)
    assert isinstance(streamed, StreamedCodes)
    assert (streamed.shape, streamed.dtype, streamed.ndim) == (whole.shape, whole.dtype, 3)
    assert (streamed.size, streamed.nbytes, len(streamed)) == (whole.size, whole.nbytes, count)
    for start, stop in ((0, 64), (64, 128), (60, 70), (192, 200), (0, 200), (10, 11)):
        np.testing.assert_array_equal(streamed[:, start:stop, 3:20], whole[:, start:stop, 3:20])
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda band: streamed[:, *band.slices], bands(SHAPE, 24)))
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert streamed._whole is None  # so far nothing was decoded at once


@pytest.mark.parametrize(
    "index", [1, (slice(None), 5), slice(0, 2), (slice(None), slice(None, None, 2), slice(None))]
)
def test_another_index_makes_the_whole(pictures: list[plane_pictures.Picture], index: Any) -> None:
    whole, streamed = plane_pictures.read_planes(pictures, 6), read_streamed(pictures, 6)
    np.testing.assert_array_equal(streamed[index], whole[index])
    np.testing.assert_array_equal(np.asarray(read_streamed(pictures, 6)), whole)
    np.testing.assert_array_equal(np.array(streamed, copy=True), whole)


def test_grey_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_jpeg(path, rows_of(codes()[..., 0]), SHAPE)
    found = [plane_pictures.open_picture(path)] * 2
    streamed = read_streamed(found, 2)
    assert isinstance(streamed, StreamedCodes)
    np.testing.assert_array_equal(
        streamed[:, 60:80, :], plane_pictures.read_planes(found, 2)[:, 60:80]
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {"subsampling": 0}),  # without restart markers
        ("a.jpg", {"subsampling": 2, "restart_marker_rows": 1}),
        ("a.jpg", {"subsampling": 0, "restart_marker_blocks": 3}),
        ("a.jpg", {"subsampling": 0, "restart_marker_rows": 1, "progressive": True}),
    ],
)
def test_other_pictures_are_decoded_at_once(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    Image.fromarray(codes()).save(tmp_path / name, **options)
    found = [plane_pictures.open_picture(tmp_path / name)]
    streamed = read_streamed(found, 3)
    assert isinstance(streamed, np.ndarray)
    np.testing.assert_array_equal(streamed, plane_pictures.read_planes(found, 3))


def test_other_writers_strips(tmp_path: Path) -> None:
    Image.fromarray(codes()).save(tmp_path / "a.jpg", subsampling=0, restart_marker_rows=1)
    found = [plane_pictures.open_picture(tmp_path / "a.jpg")]
    streamed = read_streamed(found, 3)
    assert isinstance(streamed, StreamedCodes)
    whole = plane_pictures.read_planes(found, 3)
    np.testing.assert_array_equal(streamed[:, 3:50, :], whole[:, 3:50])


def test_damage_shows_while_reading(pictures: list[plane_pictures.Picture]) -> None:
    path = pictures[1].path
    streamed = read_streamed(pictures, 6)
    path.write_bytes(path.read_bytes()[:9000])
    streamed[:, :20, :]
    with pytest.raises(FormatError, match=rf"^{re.escape(str(path))}: damaged picture \("):
        streamed[:, 150:, :]
    with pytest.raises(FormatError, match=rf"^{re.escape(str(path))}: damaged picture \("):
        read_streamed(pictures, 6)


def test_one_pass_over_a_folder(tmp_path: Path, model: Any) -> None:
    save_model(model, tmp_path / "m")
    light = LightDirections.from_disk([[0.3, 0.2]])
    once = open_for_one_pass(tmp_path / "m")
    assert once.planes is not None
    assert isinstance(once.planes.codes, StreamedCodes)
    (path,) = save_relit(once, light, tmp_path / "a.png")
    expected = open_model(tmp_path / "m").relight_uint8(light)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)


def test_a_damaged_folder_leaves_no_picture(tmp_path: Path, model: Any) -> None:
    save_model(model, tmp_path / "m")
    once = open_for_one_pass(tmp_path / "m")
    path = tmp_path / "m" / "plane_1.jpg"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(FormatError, match=re.escape(str(path))):
        save_relit(once, LightDirections([[0, 0, 1]]), tmp_path / "a.png")
    assert [item.name for item in tmp_path.iterdir()] == ["m"]


@pytest.mark.slow
def test_a_verb_imports_no_other() -> None:
    code = (
        "import sys; from drti_core.cli.app import app; app(['info', '--help'], "
        "standalone_mode=False); print(sorted(m for m in sys.modules if 'drti_core.cli.' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1]
    assert "drti_core.cli.info" in modules
    assert "drti_core.cli.fit" not in modules
