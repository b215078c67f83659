"""``drti run``: a campaign by its run file."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from drti_core.cli import console
from drti_core.errors import DrtiError, FormatError, OutputError
from drti_core.io.software import software
from drti_core.io.strict_json import Node
from drti_core.jobs import campaign
from drti_core.jobs.batch import BatchReport, gathered
from drti_core.jobs.campaign import Campaign, Step
from drti_core.jobs.executor import VARIABLE
from drti_core.registry import doors

#: Options that are the run's own affair, or of who runs it.
_OWN = ("out", "json", "report", "overwrite", "jobs", "cluster", "help")
#: Packages on which the bytes of outputs depend.
_PACKAGES = ("numpy", "pillow", "onnxruntime")


def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The run file, in TOML.")],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes at a time, of each step.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask cluster in their place.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the file, and tell its commands.")
    ] = False,
    overwrite: console.Overwrite = False,
) -> None:
    """Do the steps of a run file one after another, and note what was done.

    Given again it goes on: what is done, from the same files with the same options, is left alone.
    """
    found = campaign.read(file)
    main: Any = context.find_root().command
    verbs = [_Verb(main, step) for step in found.steps]
    for verb in verbs:
        verb.check(context)
    if dry_run:
        console.say(*(f"drti {shlex.join(verb.arguments)}" for verb in verbs))
        return
    before = campaign.load_record(found.record)
    common = ["--overwrite"] * overwrite + (["--jobs", str(jobs)] if jobs else [])
    run_ = _Run(found, before)
    status = 0
    with _variable(VARIABLE, cluster), contextlib.chdir(found.folder):
        for number, verb in enumerate(verbs, 1):
            console.say(f"step {number} of {len(verbs)}: {verb.step.title}")
            ended = run_.step(verb, common)
            status = max(status, ended)
            if ended == OutputError.exit_status:
                break
    console.say(f"wrote {found.record}")
    if status:
        raise typer.Exit(status)


class _Verb:
    """A step as a command line of drti.

    Args:
        main: drti's own command.
        step: of the run file.

    Raises:
        FormatError: no such verb, or not with many; a key or value that it does not take.
    """

    def __init__(self, main: Any, step: Step) -> None:
        self.step = step
        command = main.get_command(None, step.verb)
        self._options = {
            name.removeprefix("--"): option
            for option in getattr(command, "params", ())
            if option.param_type_name == "option"
            for name in option.opts
            if name.startswith("--")
        }
        if "out" not in self._options:
            raise step.node["verb"].fails("a verb of drti that takes --out")
        self._command = command
        self.arguments = [step.verb]
        for key, value in step.options.items():
            if key not in self._options or key in _OWN:
                raise campaign.unknown(value, [*self._options.keys() - {*_OWN}, "from", "verb"])
            self.arguments += _words(key, value, self._options[key])
        self.arguments += ["--out", step.out, "--", *step.sources]

    def check(self, context: Any) -> None:
        """Refuse what the verb would refuse to read, before any step is begun."""
        try:
            with self._command.make_context(self.step.verb, self.arguments[1:], parent=context):
                pass
        except Exception as error:
            message = getattr(error, "message", None)
            if isinstance(error, DrtiError) or not isinstance(message, str):
                raise
            node = self.step.node
            raise FormatError(
                message, where=f"{node.file}: {node.path}", expected=f"see drti {self.step.verb}"
            ) from None

    def run(self, more: list[str]) -> int:
        """Do it; returns the exit status."""
        words = self.arguments[1:]
        end = words.index("--")
        told = [word for word in more if word.startswith("--")]
        if not all(word.removeprefix("--") in self._options for word in told):
            more = []
        words[end:end] = more
        status = self._command.main(args=words, prog_name="drti", standalone_mode=False)
        return status if isinstance(status, int) else 0

    def files(self) -> dict[str, Path]:
        """What options name, where it is there: light files, masks, cards."""
        texts = {
            text
            for value in self.step.options.values()
            for text in (value.value if isinstance(value.value, list) else [value.value])
            if isinstance(text, str) and text
        }
        return {text: Path(text) for text in sorted(texts) if Path(text).exists()}


def _words(key: str, value: Node, option: Any) -> list[str]:
    """An option of a step on a command line."""
    if option.is_flag:
        if not isinstance(value.value, bool):
            raise value.fails("true or false")
        return [f"--{key}"] * value.value
    if isinstance(value.value, dict):
        if not option.multiple:
            raise value.fails("a text or a number")
        return [f"--{key}={name}={_text(value[name])}" for name in value.value]
    if isinstance(value.value, list):
        if not option.multiple:
            raise value.fails("a text or a number")
        return [f"--{key}={_text(item)}" for item in value.items()]
    return [f"--{key}={_text(value)}"]


def _text(value: Node) -> str:
    if isinstance(value.value, bool):
        return str(value.value).lower()
    if not isinstance(value.value, str | int | float):
        raise FormatError(
            "is no text and no number",
            where=f"{value.file}: {value.path}",
            expected="a text, a number, true or false",
        )
    return str(value.value)


class _Run:
    """What is done, and the record of it.

    Args:
        found: the campaign.
        before: the record of an earlier run of it.
    """

    def __init__(self, found: Campaign, before: Mapping[str, Any]) -> None:
        self._record = found.record.absolute()
        self._known = {
            item["output"]: item
            for step in before.get("steps", ())
            for item in step.get("items", ())
            if item.get("output") and item.get("digest")
        }
        packages = {name: version(name) for name in _PACKAGES}
        self._all: dict[str, Any] = {
            "software": software(),
            "python": platform.python_version(),
            "packages": packages,
            "system": platform.platform(),
            "file": found.path.name,
            "digest": found.digest,
        }
        self._steps: list[dict[str, Any]] = []
        same = before.get("digest") == found.digest
        self._before: list[dict[str, Any]] = before["steps"] if same else []

    def step(self, verb: _Verb, more: list[str]) -> int:
        """Do a step, and note it; returns its exit status."""
        began, clock = datetime.now(UTC), time.monotonic()
        reports: list[BatchReport] = []
        token = gathered.set(reports)
        try:
            status = verb.run(more)
        finally:
            gathered.reset(token)
        told = [report.as_dict() for report in reports]
        items = [self._noted(item) for report in told for item in report["items"]]
        note = {
            "command": verb.arguments,
            "began": began.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "exit_status": status,
            "counts": dict(Counter(item["status"] for item in items)),
            "stopped": " ".join(report["stopped"] for report in told),
            "files": {name: campaign.digest_of([path]) for name, path in verb.files().items()},
            "items": items,
        }
        self._steps.append(note)
        # Of steps to come stays what was noted of them.
        steps = [*self._steps, *self._before[len(self._steps) :]]
        campaign.save_record(self._record, {**self._all, "steps": steps})
        return status

    def _noted(self, item: dict[str, Any]) -> dict[str, Any]:
        """What is told of an item, with digests; of one that is left alone, what was noted."""
        if not item["output"] or not Path(item["output"]).exists():
            return item
        known = self._known.get(item["output"])
        if item["status"] == "unchanged" and known is not None:
            return {**known, "status": "unchanged"}
        source, output = Path(item["source"]), Path(item["output"])
        read = [source]
        with contextlib.suppress(DrtiError, OSError):
            read = doors.read_from(source)
            read += doors.open_stack(source).files
        return {
            **item,
            "source_digest": campaign.digest_of(read),
            "digest": campaign.digest_of([output]),
        }


@contextlib.contextmanager
def _variable(name: str, value: str | None) -> Iterator[None]:
    """A variable of the environment in the block, if it has a value."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if value is not None:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before
