"""One stack too large for a machine's memory, or for its evening: fitted in parts by many workers.

What the whole stack decides (least squares, ranges of the planes, a network) is settled once, from
a sample of it; the rest is work on windows. So a part is a window of the planes, encoded by whoever
is asked and written where it belongs: the same bytes, whoever does it. Nothing passes between
processes but names and numbers of parts; a worker opens the photographs by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from drti_core.capture.opening import as_json, of_json, open_lit
from drti_core.errors import DrtiError, OptionError, ResourceError, UnsupportedFormatError
from drti_core.fitting import encoded_later
from drti_core.fitting.near_lights import distant, levelled
from drti_core.io import outputs, regular
from drti_core.io.software import software
from drti_core.jobs.executor import Executor
from drti_core.jobs.workers import Answer, Task
from drti_core.model import RelightableModel, StoredModel
from drti_core.model.contracts import Part, PartsWriter
from drti_core.options import own_options, with_options
from drti_core.progress import Progress
from drti_core.registry import catalogue, doors, hook_calls
from drti_core.workflow.kept_parts import KeptParts, identity, kept_parts


@dataclass(frozen=True)
class Fitting:
    """What a worker has to know to go on with a fit; JSON-able.

    Args:
        source: what :func:`drti_core.open_stack` opens.
        opening: options of that.
        codec: id of the codec.
        options: of it that are not the default ones.
        checkpoints: folder of those of a training that has ended; None of a codec without one.
    """

    source: str
    opening: Mapping[str, Any]
    codec: str
    options: Mapping[str, Any]
    checkpoints: str | None = None


def check_opening(options: doors.StackOptions, where: str) -> dict[str, Any]:
    """Options of photographs as names and numbers, which alone are handed to workers.

    Raises:
        OptionError: a mask that is an array, a darkroom, or photographs elsewhere: other processes
            do not know what stands for them here.
    """
    if options.get("develop") is not None:
        raise OptionError(
            "a darkroom",
            where=where,
            expected="photographs that each worker can open by name",
            mend="Align and develop them first, or fit with one job.",
        )
    return as_json(options, where)


def save_in_parts(
    model: RelightableModel,
    target: Path,
    writer: PartsWriter,
    fitting: Fitting | None,
    executor: Executor | None,
    *,
    reads: Iterable[Path] = (),
    overwrite: bool = False,
    progress: Progress,
) -> tuple[str, ...]:
    """Write a model whose planes are encoded by workers, whole or not at all.

    What workers have done is kept beside the output until it is whole: a run that was broken off,
    even by force, goes on where it was, if nothing has changed that the parts depend on.

    Args:
        model: its planes are not read.
        target: where to.
        writer: how.
        fitting: how the workers come to the same model; only they need it.
        executor: the workers; None: this process does it all.
        reads: files that the planes are made of, by whose state a broken run goes on.
        overwrite: replace an output that exists.
        progress: called after each part.

    Returns:
        What was lost or changed on the way, a sentence each.

    Raises:
        UnsupportedFormatError: the format cannot hold this model; says why.
        DrtiError: a part could not be made.
    """
    stored = model.stored()
    reason = writer.refuse(stored)
    if reason is not None:
        raise UnsupportedFormatError(reason, where=str(target))
    kind = writer.folder
    outputs.check_output(target, overwrite, kind)
    if executor is None or fitting is None:
        with outputs.atomic_folder(target, overwrite=overwrite, kind=kind) as folder:
            notes = writer.begin(stored, folder)
            _follow(progress, stored, writer, lambda stage, _: _here(stored, folder, writer, stage))
            writer.finish(stored, folder)
        return notes
    state = _state(stored, writer, fitting, reads)
    with kept_parts(target, kind, state) as kept:
        notes = writer.begin(stored, kept.folder)
        if kept.done:
            notes += (f"{len(kept.done)} parts are from a run that was broken off",)
        task = _common(stored, kept.folder, writer, fitting)
        _follow(
            progress,
            stored,
            writer,
            lambda stage, first: _elsewhere({**task, "encodes": first}, stage, kept, executor),
        )
        with outputs.atomic_folder(target, overwrite=overwrite, kind=kind) as folder:
            kept.hand_over(folder)
            writer.finish(stored, folder)
    return notes


def _follow(
    progress: Progress,
    stored: StoredModel,
    writer: PartsWriter,
    made: Callable[[Sequence[Part], bool], Generator[None, None, None]],
) -> None:
    """Have all parts made, stage by stage; ``made`` yields after each of a stage."""
    stages = writer.stages(stored)
    count, done = max(1, sum(map(len, stages))), 0
    for number, stage in enumerate(stages):
        with closing(made(stage, number == 0)) as steps:
            for _ in steps:
                done += 1
                progress(done / count, "writing")


def _here(
    stored: StoredModel, folder: Path, writer: PartsWriter, stage: Sequence[Part]
) -> Generator[None, None, None]:
    for part in stage:
        writer.write_part(stored.planes, folder, part)
        yield


def _common(
    stored: StoredModel, folder: Path, writer: PartsWriter, fitting: Fitting
) -> dict[str, Any]:
    """What the tasks of all parts hold."""
    return {
        "source": fitting.source,
        "fitting": vars(fitting),
        "folder": os.path.realpath(folder),
        "writer": writer.writer_id,
        "writer_options": own_options(writer),
        "ranges": _ranges(stored),
    }


def _elsewhere(
    common: Mapping[str, Any], stage: Sequence[Part], kept: KeptParts, executor: Executor
) -> Generator[None, None, None]:
    """Parts of a stage by workers, but those that are there; each is noted when it is done."""
    todo = [part for part in stage if tuple(part) not in kept.done]
    for _ in range(len(stage) - len(todo)):
        yield
    tasks = [{**common, "part": list(part)} for part in todo]
    with closing(executor.run(tasks, f"{__name__}:write_part")) as answers:
        for number, answer in answers:
            if answer["status"] != "done":
                raise _error(answer)
            kept.add(todo[number])
            yield


def write_part(task: Task) -> Answer:
    """Do one part: the work of a worker. Every error is an answer."""
    try:
        writer = with_options(doors.find_writer("", task["writer"]), dict(task["writer_options"]))
        if not isinstance(writer, PartsWriter):
            raise OptionError(f"writer {task['writer']}", expected="one that writes in parts")
        planes = None
        if task["encodes"]:
            stored = _fitted(json.dumps(task["fitting"]))
            if _ranges(stored) != task["ranges"]:
                raise DrtiError(
                    "this worker comes to other ranges of the planes",
                    where=task["source"],
                    expected="the same photographs, and the same version of drti, everywhere",
                )
            planes = stored.planes
        writer.write_part(planes, Path(task["folder"]), task["part"])
    except (DrtiError, OSError, MemoryError) as error:
        short = ResourceError.of(error)
        return {"status": "failed" if short is None else "stopped", "reason": str(short or error)}
    except Exception as error:  # noqa: BLE001 - a stranger's codec or reader may raise anything
        return {"status": "failed", "reason": f"{task['source']}: {type(error).__name__}: {error}"}
    return {"status": "done"}


@lru_cache(maxsize=1)
def _fitted(text: str) -> StoredModel:
    """The model that a worker reads the planes of, made once."""
    fitting = Fitting(**json.loads(text))
    stack, _ = open_lit(fitting.source, **of_json(fitting.opening))
    codec = catalogue.codec(fitting.codec, fitting.options)
    photographs, _ = hook_calls.before_fit(stack, codec)
    seen = levelled(photographs) if codec.near_lights else distant(photographs)
    if fitting.checkpoints is None:
        with encoded_later():
            return codec.fit(seen).stored()
    with tempfile.TemporaryDirectory(prefix="drti-") as own:
        # A copy of its own: going on from the end of a training writes its log anew.
        kept = Path(own) / "training"
        shutil.copytree(fitting.checkpoints, kept)
        with encoded_later():
            return codec.keeping(kept, resume=True).fit(seen).stored()


def _ranges(stored: StoredModel) -> str:
    """What tells whether two workers have come to the same model."""
    planes = stored.planes
    numbers = [] if planes is None else [planes.scale.tolist(), planes.bias.tolist()]
    arrays = {
        name: regular.digest_of(np.ascontiguousarray(values).tobytes())
        for name, values in stored.arrays.items()
    }
    return regular.digest_of(json.dumps([numbers, arrays]).encode())


def _state(
    stored: StoredModel, writer: PartsWriter, fitting: Fitting, reads: Iterable[Path]
) -> str:
    """What tells whether parts of an earlier run are those that this one would make."""
    facts = {
        "software": software(),
        "source": fitting.source,
        "opening": dict(fitting.opening),
        "codec": [fitting.codec, dict(fitting.options)],
        "writer": [writer.writer_id, own_options(writer)],
        "ranges": _ranges(stored),
        "reads": sorted([str(path), identity(path)] for path in reads),
    }
    return regular.digest_of(json.dumps(facts, sort_keys=True, default=str).encode())


def _error(answer: Answer) -> DrtiError:
    reason = str(answer.get("reason", "a part was not made"))
    return ResourceError(reason) if answer["status"] == "stopped" else DrtiError(reason)
