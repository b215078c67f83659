"""Everything that drti writes, as tasks of :mod:`tests.fuzz.faults`."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from drti_core.cli.compare import compare
from drti_core.errors import OutputError
from drti_core.formats.folder import FolderWriter
from drti_core.formats.lp.text import write_lp
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from drti_core.io.outputs import atomic_file
from drti_core.jobs import batch, journal
from drti_core.measure import tour
from drti_core.measure.tour import run_demo
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import restore
from drti_core.relight.light_paths import light_circle, save_light_path
from drti_core.relight.normal_maps import save_normals
from drti_core.relight.save import save_relit
from drti_core.stack import Stack
from drti_core.workflow import many
from drti_core.workflow.fit import fit_file
from tests.fuzz.entries import put
from tests.fuzz.faults import Task
from tests.fuzz.seeds import LIGHTS, light_file, model, photographs, written
from tests.helpers.in_process import InProcess

_SHAPES = ((20, 24), (28, 40))


@cache
def _ptm(which: int) -> Any:
    return model("ptm", "lrgb", 9, shape=_SHAPES[which], terms=6)


@cache
def _hsh(which: int) -> Any:
    return model("hsh", "rgb", 12, shape=_SHAPES[which], terms=4)


def _restored(which: int) -> RelightableModel:
    return restore(_hsh(which))


def _writer(name: str, output: str, writer: Any, stored: Any) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        writer.write(stored(which), path, overwrite=overwrite)

    return Task(name, output, write)


def _exporter(name: str, output: str, *parts: str, **options: Any) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        chosen = with_options(registry().exporters.get(name.split()[0]), options)
        chosen.export(_restored(which), path, overwrite=overwrite)

    return Task(name, output, write, parts, together=bool(parts))


def _picture(name: str, output: str, **options: Any) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        save_relit(_restored(which), LIGHTS.xyz[:1], path, overwrite=overwrite, **options)

    return Task(name, output, write)


def _normals(name: str, output: str, **options: Any) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        save_normals(_restored(which), path, overwrite=overwrite, **options)

    return Task(name, output, write)


def _frames(name: str, output: str) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        save_light_path(_restored(which), light_circle(2 + which), path, overwrite=overwrite)

    return Task(name, output, write)


def _lights(path: Path, which: int, overwrite: bool) -> None:
    names = [f"photo {which} {number}.jpg" for number in range(len(LIGHTS.xyz))]
    write_lp(path, names, LIGHTS, overwrite=overwrite)


def _plot(path: Path, which: int, overwrite: bool) -> None:
    from drti_core.io.pictures.figures import save_figure, sheet

    with sheet(2, 1 + which) as figure:
        save_figure(path, figure, overwrite=overwrite)


def _tensors(path: Path, which: int, overwrite: bool) -> None:
    """As checkpoints are written."""
    from safetensors.numpy import save

    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(save({"a": np.full(5000 + which, which, np.float32)}))


@cache
def _photographs() -> Path:
    """Four photographs and their light file, of which a model is made."""
    folder = Path(tempfile.mkdtemp(prefix="faults-photographs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shots = photographs("png", _SHAPES[0])
    put({**shots, "dirs.lp": light_file(shots)}, folder / "stack")
    for name in ("a", "b"):
        put(written(RtiWriter(), _hsh(0), f"{name}.rti"), folder / f"only {name}")
    return folder


def _batch(path: Path, which: int, overwrite: bool) -> None:
    """Into the folder of the output; in this process, where the faults are."""
    del which
    sources = [_photographs() / "only a", _photographs() / "only b"]

    def here(given: Sequence[dict[str, Any]]) -> Generator[tuple[int, dict[str, Any]], None, None]:
        yield from enumerate(map(many.convert, given))

    with mock.patch.object(batch, "executor", return_value=InProcess(here)):
        report = many.convert_many(sources, path.parent, writer="rti", overwrite=overwrite)
    if not report.ok:
        said = [report.stopped, *(item.reason for item in report.items if item.reason)]
        failed = [item.reason for item in report.items if item.status == "failed"]
        assert not any("Error:" in reason for reason in failed), failed
        raise OutputError("; ".join(filter(None, said)))


def _fit(path: Path, which: int, overwrite: bool) -> None:
    """Trained, with checkpoints beside the output until the model is saved."""
    options = {"steps": 2, "latents": 3 + which, "width": 4, "components": 4, "threads": 1}
    with mock.patch("time.monotonic", return_value=0.0):
        stack = _photographs() / "stack"
        fit_file(stack, path, codec="neural", options=options, overwrite=overwrite)


def _compare(path: Path, which: int, overwrite: bool) -> None:
    stack, model_ = _photographs() / "stack", _photographs() / "only a" / "a.rti"
    compare(stack, path, [model_], lights=1 + which, cell=24, overwrite=overwrite)


def _tour(path: Path, which: int, overwrite: bool) -> None:
    """Of a few photographs and one codec; its folder is written as that of the whole."""

    def few(make: Callable[..., Stack]) -> Callable[..., Stack]:
        return lambda *given, **more: make(*given, **more).select(range(4))

    with (
        mock.patch.object(tour, "make_stack", few(tour.make_stack)),
        mock.patch.object(tour, "make_test_stack", few(tour.make_test_stack)),
        mock.patch.object(tour, "CODECS", tour.CODECS[:1]),
    ):
        run_demo(path, size=(16, 16 + which), with_ssim=False, overwrite=overwrite)


def tasks() -> dict[str, Task]:
    """By name."""
    found = [
        _writer("ptm", "a.ptm", PtmWriter(), _ptm),
        _writer("ptm jpeg", "a.ptm", PtmWriter(format="jpeg_lrgb"), _ptm),
        _writer("rti", "a.rti", RtiWriter(), _hsh),
        _writer("folder", "a", FolderWriter(), _hsh),
        _writer("folder png", "a", FolderWriter(image="png"), _ptm),
        _writer("folder tarzoom", "a", FolderWriter(layout="tarzoom", tile=16), _ptm),
        _writer("folder itarzoom", "a", FolderWriter(layout="itarzoom", tile=16), _ptm),
        _writer("folder deepzoom", "a", FolderWriter(layout="deepzoom", tile=16), _ptm),
        _writer("folder zoomify", "a", FolderWriter(layout="zoomify"), _ptm),
        _writer("folder google", "a", FolderWriter(layout="google"), _ptm),
        _exporter("onnx", "a.onnx"),
        _exporter("onnx stages", "a", form="stages"),
        _exporter("onnx image", "a.onnx", form="image"),
        _exporter("onnx data", "a.onnx", "a.onnx.data", form="image", external_over=0),
        _exporter("glsl", "a"),
        _exporter("html", "a.html"),
        _exporter("html folder", "a", form="folder"),
        _exporter("openlime", "a"),
        _picture("png", "a.png"),
        _picture("jpg", "a.jpg"),
        _picture("tif", "a.tif", as_float=True),
        _picture("npy", "a.npy", as_float=True),
        _normals("normals", "a.png"),
        _frames("frames", "a"),
        _frames("animation", "a.gif"),
        Task("batch", "a.rti", _batch, ("b.rti", journal.NAME), noted=(journal.NAME,)),
        Task("compare", "a.png", _compare),
        Task("tour", "a", _tour),
        Task("lp", "a.lp", _lights),
        Task("safetensors", "a.safetensors", _tensors),
    ]
    if find_spec("matplotlib"):
        found.append(Task("plot", "a.png", _plot))
    if find_spec("torch"):
        found.append(Task("fit", "a", _fit, kept=("a.training",)))
    if find_spec("OpenEXR"):
        found.append(_normals("exr", "a.exr", as_float=True))
    return {task.name: task for task in found}


def warm() -> None:
    """Import what the tasks need, without a thread: children are forked from here."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import safetensors.numpy  # noqa: F401
    from PIL import Image

    Image.init()
    _photographs()
    if find_spec("torch"):
        import torch  # noqa: F401
    registry().exporters.load_all()
    registry().codecs.load_all()
    registry().readers.load_all()
    if find_spec("matplotlib"):
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
