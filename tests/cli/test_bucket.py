"""A capture in a bucket of S3 becomes a model, a page and maps there; nothing is on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drti_core import Window, open_lights, open_model, open_stack
from drti_core.cli import main
from drti_core.formats.lp import write_lp
from drti_core.testing import dome
from drti_core.testing.stacks import photographs

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket that is called so, on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        settings = {"ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none"}
        settings |= {"DEFAULT_REGION": "us-east-1", "ENDPOINT_URL": f"http://{host}:{port}"}
        for name, value in settings.items():
            patch.setenv(f"AWS_{name}", value)
        store = s3fs.S3FileSystem()
        store.mkdir("bucket")
        yield store
        s3fs.S3FileSystem.clear_instance_cache()
        running.stop()


@pytest.fixture(scope="module")
def capture(bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs and lights on the disk, and in the bucket too."""
    folder = tmp_path_factory.mktemp("capture") / "coin"
    folder.mkdir()
    lights, names = dome(8), [f"{number}.jpg" for number in range(8)]
    for name, picture in zip(names, photographs(lights, 40, 60), strict=True):
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(folder / name)
    write_lp(folder / "dirs.lp", names, lights)
    for file in folder.iterdir():
        bucket.pipe_file(f"bucket/coin/{file.name}", file.read_bytes())
    return folder


def test_a_capture_in_and_a_page_out(bucket: Any, capture: Path, tmp_path: Path) -> None:
    found = open_stack("s3://bucket/coin")
    assert np.array_equal(found.lights.xyz, open_lights("s3://bucket/coin/dirs.lp").xyz)
    window = Window(5, 6, 7, 8)
    assert np.array_equal(found.codes(window), open_stack(capture).codes(window))
    fit = ["fit", "--codec", "hsh:terms=4", "-o"]
    assert main([*fit, "s3://bucket/out/coin", "s3://bucket/coin"]) == 0
    assert main([*fit, str(tmp_path / "coin"), str(capture)]) == 0
    here = {file.name: file.read_bytes() for file in (tmp_path / "coin").iterdir()}
    there = {name.rpartition("/")[2]: bucket.cat_file(name) for name in bucket.find("bucket/out")}
    assert there == here
    export = ["export", "s3://bucket/out/coin", "--to", "openlime", "-o"]
    assert main([*export, "s3://bucket/page"]) == 0
    assert bucket.exists("bucket/page/index.html")
    assert main(["normals", "s3://bucket/coin", "-o", "s3://bucket/normals.png"]) == 0
    assert bucket.size("bucket/normals.png") > 100


def test_an_output_is_replaced_when_asked(bucket: Any, capture: Path) -> None:
    fit = ["fit", "s3://bucket/coin", "-o", "s3://bucket/again", "--codec"]
    assert main([*fit, "hsh:terms=9"]) == 0
    assert main([*fit, "ptm"]) == 1
    assert open_model("s3://bucket/again").codec_id == "hsh"
    assert main([*fit, "hsh:terms=4", "--overwrite"]) == 0
    planes = bucket.glob("bucket/again/plane_*")
    assert [name.rpartition("/")[2] for name in planes] == [f"plane_{n}.jpg" for n in range(4)]
    assert main(["info", "s3://bucket/ag*"]) == 0
    assert main(["info", "s3://nobody/coin"]) == 1
