"""Everything that drti writes, as tasks of :mod:`tests.fuzz.faults`."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.formats.folder import FolderWriter
from drti_core.formats.lp.text import write_lp
from drti_core.formats.ptm.write import PtmWriter
from drti_core.formats.rti.write import RtiWriter
from drti_core.io.outputs import atomic_file
from drti_core.model import RelightableModel
from drti_core.options import with_options
from drti_core.registry.catalogue import registry
from drti_core.registry.doors import restore
from drti_core.relight.light_paths import light_circle, save_light_path
from drti_core.relight.normal_maps import save_normals
from drti_core.relight.save import save_relit
from tests.fuzz.faults import Task
from tests.fuzz.seeds import LIGHTS, model

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


def _exporter(name: str, output: str, parts: tuple[str, ...] = (), **options: Any) -> Task:
    def write(path: Path, which: int, overwrite: bool) -> None:
        chosen = with_options(registry().exporters.get(name.split()[0]), options)
        chosen.export(_restored(which), path, overwrite=overwrite)

    return Task(name, output, write, parts)


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
        _exporter("onnx data", "a.onnx", ("a.onnx.data",), form="image", external_over=0),
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
        Task("lp", "a.lp", _lights),
        Task("safetensors", "a.safetensors", _tensors),
    ]
    if find_spec("matplotlib"):
        found.append(Task("plot", "a.png", _plot))
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
    registry().exporters.load_all()
    registry().codecs.load_all()
    registry().readers.load_all()
    if find_spec("matplotlib"):
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
