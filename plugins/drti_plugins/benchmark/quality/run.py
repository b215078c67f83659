"""``drti benchmark quality``: codecs over collections of photographs, by workers side by side.

Each collection, codec and seed is a task, whose result is a file in ``results`` of the output
folder. The journal of :mod:`drti_core.jobs.journal` tells which of them are still valid, so that a
run that was broken off, even by force, goes on where it was, in the middle of a training too.

Teachers are tasks too: what several codecs learn from is fitted once for a collection, and its time
counts for each of them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from drti_core.codec import Codec, Progress, no_progress, own_options, parse_spec, with_options
from drti_core.errors import OptionError, OutputExistsError
from drti_core.io import names, outputs
from drti_core.jobs import journal
from drti_core.jobs.executor import executor
from drti_core.jobs.journal import Entry
from drti_core.measure.metrics import ssim_wanted
from drti_core.model.contracts import CHECKPOINT_FOLDER
from drti_core.registry import catalogue
from drti_plugins.benchmark.collections import Collection
from drti_plugins.benchmark.quality.fit import SPENT, WORK, Result, load_result

#: What gains are relative to; always among the codecs.
BASELINE = "hsh16"
#: Folders of results, of kept models, and of fits that are under way.
RESULTS, MODELS, CHECKPOINTS = "results", "models", "checkpoints"

#: Checkpoints of a task: of fits of different states, each with what it has taken.
_KEPT = outputs.FolderKind(
    CHECKPOINT_FOLDER.what,
    folders=(
        ("*", dataclasses.replace(CHECKPOINT_FOLDER, names=(*CHECKPOINT_FOLDER.names, SPENT))),
    ),
)

#: One thread for each process: the processes share the cores.
_ENVIRONMENT = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
#: What an option may hold in place of the folder of a kept model.
_REFERENCE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Variant:
    """A codec with its options, of one seed.

    Args:
        label: its name in reports: what was asked for.
        spec: id and options, for example ``disk20:preset=best``.
        options: more of them with their values: the preset of the run, the seed.
        seed: of the fit; None if the codec has none.
        needs: labels of codecs whose kept models stand in its options, as ``{label}``.
        teaches: fitted only because others learn from it: its time is part of theirs, and it has
            no place in reports.
    """

    label: str
    spec: str
    options: tuple[tuple[str, str], ...]
    seed: int | None
    needs: tuple[str, ...] = ()
    teaches: bool = False

    @property
    def file(self) -> str:
        """Name of its files, without what would part two teachers."""
        name = re.sub(r"[^\w.=-]", "_", self.label)
        return name if self.seed is None else f"{name}-seed{self.seed}"


@dataclass(frozen=True)
class Failure:
    """A task that gave no result, and why."""

    collection: str
    codec: str
    seed: int | None
    reason: str


@dataclass(frozen=True)
class Quality:
    """Results of all tasks, by collection and codec as they were asked for.

    Args:
        results: see :class:`Result`.
        failures: see :class:`Failure`.
        codecs: labels, in order.
        reused: results that an earlier run had left.
    """

    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    codecs: tuple[str, ...]
    reused: int


@dataclass(frozen=True)
class _Task:
    collection: Collection
    variant: Variant

    @property
    def name(self) -> str:
        return names.sound(f"{re.sub(r'[/+]', '-', self.collection.name)}--{self.variant.file}")

    def result(self, out: Path) -> Path:
        return out / RESULTS / f"{self.name}.json"

    def model(self, out: Path) -> Path:
        return out / MODELS / self.name

    def checkpoints(self, out: Path, entry: Entry) -> Path:
        """Of a fit; what was begun with other photographs or options lies elsewhere."""
        state = f"{entry.state} {entry.options}".encode()
        return out / CHECKPOINTS / self.name / blake2b(state, digest_size=8).hexdigest()


def variants(
    specs: Sequence[str], preset: str | None = None, seeds: Sequence[int] = (0,)
) -> list[Variant]:
    """The codecs of a run, each after its teachers; :data:`BASELINE` is first if not among them.

    Args:
        specs: ids with options; ``{label}`` in an option stands for the kept model of another.
        preset: for codecs that have such an option and are given none.
        seeds: for codecs that have such an option and are given none.

    Raises:
        PluginError: no such codec.
        OptionError: no such option, a codec twice, or a reference to one that does not come before.
    """
    names = list(specs) if BASELINE in specs else [BASELINE, *specs]
    found: list[Variant] = []
    for number, spec in enumerate(names):
        if spec in names[:number]:
            raise OptionError(f"the codec {spec!r} twice", expected="each once")
        needs = tuple(_REFERENCE.findall(spec))
        for label in needs:
            if label not in names[:number]:
                raise OptionError(
                    f"{{{label}}} in {spec!r}", expected=f"one of {', '.join(names[:number])}"
                )
        codec, own = catalogue.codec(spec), parse_spec(spec)[1]
        there = {option.name for option in dataclasses.fields(codec)} - own.keys()
        given = {"preset": preset} if preset is not None and "preset" in there else {}
        for seed in seeds if "seed" in there else (None,):
            more = given if seed is None else given | {"seed": str(seed)}
            variant = Variant(spec, spec, tuple(more.items()), seed, needs)
            for each in _with_teachers(variant, with_options(codec, more)):
                if each not in found:
                    found.append(each)
    return found


def _with_teachers(variant: Variant, codec: Codec) -> list[Variant]:
    """A variant after those that it learns from, whose models then stand in its options."""
    learns_from = () if variant.needs else codec.learns_from()
    if not learns_from:
        return [variant]
    teachers, names = [], []
    for teacher in learns_from:
        if isinstance(teacher, Path):
            names.append(str(teacher))
            continue
        options = tuple((name, str(value)) for name, value in own_options(teacher).items())
        label = ",".join("=".join(option) for option in options)
        label = f"{teacher.codec_id}:{label}" if label else teacher.codec_id
        teachers.append(Variant(f"teacher {label}", teacher.codec_id, options, None, teaches=True))
        names.append(f"{{{teachers[-1].label}}}")
    limit: float | None = getattr(codec, "max_seconds", None)
    seconds = () if limit is None else (("max_seconds", str(limit / 2)),)
    return [
        *teachers,
        dataclasses.replace(
            variant,
            options=(*variant.options, ("teacher", "+".join(names)), *seconds),
            needs=tuple(dict.fromkeys(teacher.label for teacher in teachers)),
        ),
    ]


def benchmark_quality(
    collections: Sequence[Collection],
    codecs: Sequence[Variant],
    out: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cluster: Any = None,
    keep: bool = False,
    with_ssim: bool | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Quality:
    """Fit every codec to every collection and score it under the test lights.

    Args:
        collections: see :func:`drti_plugins.benchmark.collections.find_collections`.
        codecs: see :func:`variants`.
        out: folder of results; what an earlier run left there from the same photographs with the
            same options is used again.
        jobs: processes at a time, each with one thread for the fit.
        cluster: a dask cluster in their place; see :func:`drti_core.jobs.executor.executor`. Its
            workers see the photographs and ``out`` by the same names.
        keep: save the models in ``out`` (those that another codec needs are kept anyway).
        with_ssim: whether to take SSIM; by default if scikit-image is installed.
        overwrite: do again what is done.
        progress: called with the share done and the task, after each.

    Raises:
        OptionError: ``jobs`` below 1, ``+`` in the name of a folder whose models teach, or a folder
            in ``out`` is a link.
        OutputExistsError: a result or a model is in the way that no run of this benchmark has left.
        FormatError: the journal or a result of an earlier run is damaged.
        MissingExtraError: dask.distributed is not installed.
        ResourceError: there is no cluster, or no more processes can be started.
    """
    workers = executor(jobs, cluster)
    with_ssim = ssim_wanted(with_ssim)
    folder = Path(out)
    inputs = outputs.Inputs(
        read for item in collections for read in (item.train, item.test) if read is not None
    )
    inputs.check(folder)
    journal.check_place(folder)
    tasks = [_Task(collection, codec) for collection in collections for codec in codecs]
    needed = {label for codec in codecs for label in codec.needs}
    if needed and "+" in str(folder.absolute()):
        raise OptionError(
            f"the folder {out}", where="out", expected="no + in its path, which parts teachers"
        )
    kept = {task.name for task in tasks if keep or task.variant.label in needed}
    old = journal.load(folder)
    places = [(RESULTS,), (CHECKPOINTS,), *((MODELS, task.name) for task in tasks)]
    for place in places:
        outputs.check_within(folder, *place)
    todo = _unfinished(tasks, old, folder, keep, with_ssim, overwrite)
    for task, entry in todo.items():
        outputs.check_within(folder, *task.checkpoints(folder, entry).relative_to(folder).parts)
        theirs = task.name in kept and task.name not in old and not overwrite
        if theirs and os.path.lexists(task.model(folder)):
            raise OutputExistsError(task.model(folder))
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        journal.save(folder, old | {task.name: entry for task, entry in todo.items()})
    for task in todo if overwrite else ():
        outputs.remove_folder(folder / CHECKPOINTS / task.name, _KEPT, within=folder)
    failures: dict[_Task, str] = {}
    done = 0
    for wave in _waves(list(todo)):
        for task in [task for task in wave if any(_serves(lost, task) for lost in failures)]:
            failures[task] = "a codec whose model it needs failed"
        ready = [task for task in wave if task not in failures]
        arguments = [
            _arguments(task, todo[task], tasks, folder, task.name in kept, with_ssim)
            for task in ready
        ]
        with closing(workers.run(arguments, WORK, _ENVIRONMENT)) as answers:
            for number, answer in answers:
                done += 1
                if answer["status"] != "measured":
                    failures[ready[number]] = answer["reason"]
                else:
                    spent = folder / CHECKPOINTS / ready[number].name
                    outputs.remove_folder(spent, _KEPT, within=folder)
                progress(done / len(todo), ready[number].name)
    with suppress(OSError):
        (folder / CHECKPOINTS).rmdir()
    asked = [task for task in tasks if not task.variant.teaches]
    return Quality(
        tuple(load_result(task.result(folder)) for task in asked if task not in failures),
        tuple(
            Failure(task.collection.name, task.variant.label, task.variant.seed, reason)
            for task, reason in failures.items()
        ),
        tuple(dict.fromkeys(codec.label for codec in codecs if not codec.teaches)),
        sum(task not in todo for task in asked),
    )


def _photographs(collection: Collection) -> str:
    """Digests of the folders of a collection."""
    folders = [folder for folder in (collection.train, collection.test) if folder is not None]
    return " ".join(_contents_of(folder) for folder in folders)


def _entry(task: _Task, photographs: str, with_ssim: bool) -> Entry:
    """What the result depends on: not on where the photographs lie, nor on when they came there."""
    collection, variant = task.collection, task.variant
    options: dict[str, Any] = {"spec": variant.spec, "ssim": with_ssim} | dict(variant.options)
    if collection.left_out:
        options["left out"] = collection.left_out
    return Entry(collection.name, photographs, "quality", json.dumps(options, sort_keys=True))


def _unfinished(
    tasks: Sequence[_Task],
    old: Mapping[str, Entry],
    out: Path,
    keep: bool,
    with_ssim: bool,
    overwrite: bool,
) -> dict[_Task, Entry]:
    """What is to be done; what needs the model of such a task is done again too.

    A model that is gone is made again if it is to be kept, or if something that is to be done needs
    it: it will be the same, so that what it has taught stands.
    """
    todo: dict[_Task, Entry] = {}
    collections = dict.fromkeys(task.collection for task in tasks)
    photographs = {collection: _photographs(collection) for collection in collections}
    entries: dict[_Task, Entry] = {}
    for task in tasks:
        target, before = task.result(out), old.get(task.name)
        entry = _entry(task, photographs[task.collection], with_ssim)
        entries[task] = dataclasses.replace(entry, before=journal.identity_of(target))
        finished = before is not None and entry.same(before) and before.finished(target)
        if before is None and os.path.lexists(target) and not overwrite:
            raise OutputExistsError(target)
        if overwrite or not finished or any(_serves(other, task) for other in todo):
            todo[task] = entries[task]
    for task in reversed(tasks):
        wanted = keep or any(_serves(task, other) for other in todo)
        if wanted and not task.model(out).is_dir():
            todo[task] = entries[task]
    return {task: entries[task] for task in tasks if task in todo}


def _serves(one: _Task, other: _Task) -> bool:
    """Whether the model of one is the one that the other needs."""
    same = one.variant.seed in (None, other.variant.seed) or other.variant.seed is None
    return one.collection == other.collection and one.variant.label in other.variant.needs and same


def _waves(tasks: Sequence[_Task]) -> list[list[_Task]]:
    """Tasks that can run side by side, those first whose models others need."""
    depth: dict[str, int] = {}
    for task in tasks:
        variant = task.variant
        depth[variant.label] = 1 + max((depth.get(n, -1) for n in variant.needs), default=-1)
    count = 1 + max(depth.values(), default=-1)
    return [[task for task in tasks if depth[task.variant.label] == n] for n in range(count)]


def _arguments(
    task: _Task, entry: Entry, tasks: Sequence[_Task], out: Path, keep: bool, with_ssim: bool
) -> dict[str, Any]:
    """What :func:`measure` gets: whole names, as workers may be at home in other folders."""
    collection, variant = task.collection, task.variant
    out = out.absolute()

    def model(match: re.Match[str]) -> str:
        served = (t for t in tasks if t.variant.label == match[1] and _serves(t, task))
        return str(next(served).model(out))

    # The folder's name may hold what separates options.
    name, own = parse_spec(variant.spec)
    options = own | dict(variant.options)
    return {
        "source": str(collection.train.absolute()),
        "test": None if collection.test is None else str(collection.test.absolute()),
        "left_out": collection.left_out,
        "collection": collection.name,
        "group": collection.group,
        "label": variant.label,
        "codec": name,
        "options": {key: _REFERENCE.sub(model, value) for key, value in options.items()},
        "seed": variant.seed,
        "result": str(task.result(out)),
        "teachers": [
            str(other.result(out))
            for other in tasks
            if other.variant.teaches and _serves(other, task)
        ],
        "model": str(task.model(out)) if keep else None,
        "checkpoints": str(task.checkpoints(out, entry)),
        "ssim": with_ssim,
    }


def _contents_of(folder: Path) -> str:
    """A digest of the bytes and names of all files in a folder, wherever and whenever they came.

    It reads them all: for work beside which that is nothing. A file that cannot be read counts as
    that; who opens it says why.
    """
    digest = blake2b(digest_size=16)
    for file in (path for path in sorted(folder.rglob("*")) if path.is_file()):
        try:
            with file.open("rb") as stream:
                content = file_digest(stream, blake2b).hexdigest()
        except OSError as error:
            content = str(error.strerror)
        digest.update(os.fsencode(f"{content} {file.relative_to(folder)}\0"))
    return digest.hexdigest()
