"""One fit of a quality benchmark: a codec on a collection, measured; runs in a worker process."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.codec import Codec
from drti_core.decoder import Decoder, LightFunction, Network
from drti_core.errors import DrtiError, FileError, FormatError
from drti_core.io import outputs, strict_json
from drti_core.io.strict_json import Node
from drti_core.measure.evaluation import Fitted, score
from drti_core.model import RelightableModel
from drti_core.registry import catalogue, doors
from drti_core.registry.codec_calls import fit
from drti_core.stack import Stack
from drti_plugins.benchmark.collections import Collection

#: What workers are to do.
WORK = f"{__name__}:measure"
#: Beside the checkpoints of a fit, how long it has taken; written so often, in seconds.
SPENT, _EVERY = "spent.json", 5.0


@dataclass(frozen=True)
class Result:
    """What one codec reached on one collection.

    Args:
        collection: its name.
        group: its group, see :data:`drti_plugins.benchmark.collections.GROUPS`.
        codec: label of the codec.
        seed: of the fit; None if the codec has none.
        psnr: mean over the test lights, dB.
        ssim: mean over the test lights; None where it was not taken.
        plane_bytes: of the planes as PNG.
        decoder_bytes: of the decoder's parameters as float32; None where they are not known.
        parameters: numbers in the decoder that are not zero; likewise.
        multiply_adds: of a pixel; likewise.
        fit_cpu: CPU seconds of the fit with that of its teachers, decoding of the photographs left
            out.
        fit_wall: seconds of it by the clock.
        train_lights: photographs that were fitted.
        left_out: of those to fit, tested on instead of the test photographs; 0: none.
        lights: :meth:`drti_core.measure.evaluation.LightScore.as_dict` of each test light.
        notes: what the fit reported.
    """

    collection: str
    group: str
    codec: str
    seed: int | None
    psnr: float
    ssim: float | None
    plane_bytes: int
    decoder_bytes: int | None
    parameters: int | None
    multiply_adds: int | None
    fit_cpu: float
    fit_wall: float
    train_lights: int
    left_out: int = 0
    lights: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return dataclasses.asdict(self)


def measure(task: Mapping[str, Any]) -> dict[str, Any]:
    """Do one task and write its result; every error is an answer.

    Args:
        task: ``source`` and ``test`` (folders of photographs, ``test`` may be None) and
            ``left_out``, ``collection`` and ``group`` (names), ``codec`` and its ``options``,
            ``label`` and ``seed`` (for the result), ``result`` (its file), ``teachers`` (results
            whose time is to be added), ``model`` (where to keep the model, or None),
            ``checkpoints`` (folder for those of a training, which goes on from them), ``ssim``.

    Returns:
        ``status`` ``measured``, or ``failed`` with ``reason``.
    """
    try:
        result = _measured(task)
        text = json.dumps(result.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        with outputs.atomic_file(task["result"], overwrite=True) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    except DrtiError as error:
        return {"status": "failed", "reason": str(error)}
    except Exception as error:  # noqa: BLE001 - the other codecs go on
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"status": "measured"}


def _measured(task: Mapping[str, Any]) -> Result:
    test = None if task["test"] is None else Path(task["test"])
    train, others = Collection(
        task["collection"], task["group"], Path(task["source"]), test, task["left_out"]
    ).open()
    teachers = [load_result(Path(path)) for path in task["teachers"]]
    codec = catalogue.codec(task["codec"], task["options"])
    if codec.trains:
        import_module("torch")  # which takes seconds, and is not the fit
    before = _children()
    fitted = _fit(task["label"], codec, train, Path(task["checkpoints"]))
    found = score(fitted, others, with_ssim=task["ssim"])
    if not isfinite(found.psnr):
        raise DrtiError(
            "the model equals every test photograph",
            where=task["collection"],
            expected="photographs that were not fitted",
        )
    assert fitted.report is not None
    parameters, products = decoder_size(fitted.model)
    cpu = fitted.report.cpu_seconds + _children() - before
    return Result(
        collection=task["collection"],
        group=task["group"],
        codec=task["label"],
        seed=task["seed"],
        psnr=found.psnr,
        ssim=found.ssim,
        plane_bytes=_saved(fitted.model, task["model"]),
        decoder_bytes=None if parameters is None else 4 * parameters,
        parameters=parameters,
        multiply_adds=products,
        fit_cpu=cpu + sum(each.fit_cpu for each in teachers),
        fit_wall=fitted.report.seconds + sum(each.fit_wall for each in teachers),
        train_lights=len(train),
        left_out=task["left_out"],
        lights=tuple(light.as_dict() for light in found.lights),
        notes=found.notes,
    )


def _fit(label: str, codec: Codec, train: Stack, folder: Path) -> Fitted:
    """Fit; a training that was broken off goes on, and what it had taken counts."""
    running = codec.keeping(folder, resume=True)
    if running is codec:
        return Fitted(label, *fit(train, codec))
    train.prepare()
    path = folder / SPENT
    cpu = wall = 0.0
    if os.path.lexists(path):
        before = strict_json.load(path, links=False)
        cpu, wall = (max(0.0, before[name].number()) for name in ("cpu", "wall"))
    cpu_start, wall_start = time.process_time(), time.perf_counter()
    kept = wall_start

    def keep(_share: float, _what: str) -> None:
        nonlocal kept
        now = time.perf_counter()
        if now - kept < _EVERY:
            return
        kept = now
        spent = {"cpu": cpu + time.process_time() - cpu_start, "wall": wall + now - wall_start}
        with outputs.atomic_file(path, overwrite=True) as temporary:
            temporary.write_bytes(strict_json.dump(spent))

    model, report = fit(train, running, progress=keep)
    cpu, wall = cpu + report.cpu_seconds, wall + report.seconds
    return Fitted(label, model, dataclasses.replace(report, cpu_seconds=cpu, seconds=wall))


def _children() -> float:
    """CPU seconds of processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def decoder_size(model: RelightableModel) -> tuple[int | None, int | None]:
    """Numbers in a model's decoder that are not zero, and its multiply-adds of a pixel.

    What depends on the light alone costs nothing for a pixel. None for a decoder that is no chain
    of layers.
    """
    decoder = model.decoder()
    if not isinstance(decoder, Decoder):
        return None, None
    return _parameters(decoder), sum(int(np.prod(layer.weight.shape)) for layer in decoder.layers)


def _parameters(decoder: Decoder) -> int:
    arrays: list[Any] = []
    for layer in decoder.layers:
        for value in (layer.weight, layer.bias):
            if isinstance(value, Network):
                arrays += [
                    array for hidden in value.layers for array in (hidden.weight, hidden.bias)
                ]
            arrays.append(value.table if isinstance(value, LightFunction) else value)
    return sum(int(np.count_nonzero(array)) for array in arrays)


def _saved(model: RelightableModel, path: str | None) -> int:
    """Bytes of the planes as PNG, of a model that is saved where it is to be kept."""
    with tempfile.TemporaryDirectory(prefix="drti-quality-") as temporary:
        folder = Path(path or Path(temporary) / "model")
        doors.save_model(model, folder, writer="folder:image=png", overwrite=True)
        return sum(file.stat().st_size for file in folder.glob("plane_*"))


def load_result(path: Path) -> Result:
    """A result that :func:`measure` has written.

    Raises:
        FormatError: it is missing or damaged.
    """
    try:
        return _result(strict_json.load(path, links=False))
    except (FormatError, FileError) as error:
        raise FormatError(
            f"a damaged result ({error})",
            expected="what an earlier run wrote",
            mend="Delete it and run again.",
        ) from None


def _result(found: Node) -> Result:
    """Every value of the type and in the range that :func:`measure` writes."""
    read: dict[str, Callable[[Node], Any]] = {
        "str": Node.text,
        "int": lambda node: node.integer(0, 1 << 62),
        "float": Node.number,
    }
    values: dict[str, Any] = {}
    for each in dataclasses.fields(Result):
        kind, _, none = str(each.type).partition(" | ")
        if kind in read:
            node = found[each.name]
            values[each.name] = None if none and node.value is None else read[kind](node)
    lights = tuple(light.object() for light in found["lights"].items())
    return Result(
        **values, lights=lights, notes=tuple(note.text() for note in found["notes"].items())
    )
