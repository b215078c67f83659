"""Groups of verbs that plugins add to, and what happens to the verbs' errors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from drti_core.cli.hints import with_flags
from drti_core.cli.process import Ending, cause, say, visible
from drti_core.errors import DrtiError, PluginError, ResourceError
from drti_core.io.places import Visit, is_url
from drti_core.registry import guard
from drti_core.registry.catalogue import registry
from drti_core.registry.shelf import warn_once

#: Options of photographs that may stand alone, and what they say then; a value follows by ``=``, so
#: that none is taken for the name of a file.
_ALONE = {"--align": "shift"}
#: Options whose value may look like a URL and is no file's.
_NO_PATHS = ("--cluster",)
#: Options whose value is written.
_OUTPUTS = ("-o", "--output", "--out", "--sheet", "--plot")


class Group(TyperGroup):
    """Verbs of drti, then those that plugins registered for this group."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the verbs."""
        return [*super().list_commands(ctx), *sorted(self._added(ctx))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb; one of a plugin that fails says so when it is called, and in the help."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        verb = self._added(ctx).get(cmd_name)
        return None if verb is None else _plugin_verb(verb, cmd_name)

    def _added(self, ctx: Any) -> dict[str, str]:
        """Names of plugins' verbs of this group, with their ids."""
        path = []
        while ctx.parent is not None:
            path.append(ctx.info_name)
            ctx = ctx.parent
        commands = registry().commands
        found = {}
        for verb in commands.ids():
            *group, name = verb.split(" ")
            if group != path[::-1]:
                continue
            if name in self.commands:
                source = commands.targets[verb][1]
                warn_once(f"the plugin {source}: the verb {verb!r} is drti's own, which stays")
            else:
                found[name] = verb
        return found


class Verbs(Group):
    """Turns errors into one line and an exit status; ``DRTI_DEBUG=1`` shows where they arose.

    URLs among the arguments become paths, and what is written to them is published at the end.
    """

    _visit: Visit

    def make_context(self, info_name: Any, args: list[str], *more: Any, **kwargs: Any) -> Any:
        """Read the arguments; the help asks plugins."""
        with _told():
            self._visit = Visit()
            args = with_paths(with_values(args), self._visit)
            return super().make_context(info_name, args, *more, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        with _told() as ending, ending:
            done = super().invoke(ctx)
            self._visit.publish()
            return done


def with_values(arguments: Sequence[str]) -> list[str]:
    """Arguments in which each option that stands alone has its value.

    >>> with_values(["fit", "--align", "coin", "--", "--align"])
    ['fit', '--align=shift', 'coin', '--', '--align']
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [
        f"{argument}={_ALONE[argument]}" if number < end and argument in _ALONE else argument
        for number, argument in enumerate(arguments)
    ]


def with_paths(arguments: Sequence[str], visit: Visit) -> list[str]:
    """Arguments in which each URL of a file or folder is a path that stands for it.

    Args:
        arguments: of a command; a pattern of names in a store becomes all that fit it.
        visit: keeps what the paths stand for, and publishes what is written.
    """
    found: list[str] = []
    for number, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        named = option.startswith("--") and bool(equals)
        before = option if named else arguments[number - 1] if number else ""
        text = value if named else argument
        if before in _NO_PATHS or not is_url(text):
            found.append(argument)
            continue
        paths = map(str, [visit.write(text)] if before in _OUTPUTS else visit.either(text))
        found += [f"{option}={path}" for path in paths] if named else paths
    return found


@contextmanager
def _told() -> Iterator[Ending]:
    ending = Ending()
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield ending
        except (Exception, KeyboardInterrupt) as error:
            # An interrupt may come out of an import as an error of another kind.
            if ending.number is not None or isinstance(error, KeyboardInterrupt):
                say(ending.word)
                raise typer.Exit(ending.status) from None
            # typer ends quietly when a pipe is closed.
            if os.environ.get("DRTI_DEBUG") == "1" or isinstance(error, BrokenPipeError):
                raise
            # Wrong usage is told by typer: names are among its words, and the help in some.
            if isinstance(message := getattr(error, "message", None), str):
                vars(error)["message"] = "\n".join(map(visible, message.split("\n")))
            told = ResourceError.of(error) or error
            if isinstance(told, DrtiError):
                say(f"error: {with_flags(str(told))}")
                raise typer.Exit(told.exit_status) from None
            if not isinstance(error, OSError):
                raise
            say(f"error: {cause(error)}")
            raise typer.Exit(1) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"warning: {with_flags(str(message))}")


def _plugin_verb(verb: str, name: str) -> Any:
    try:
        item = registry().commands.get(verb)
        try:
            return verb_of(item, name)
        except Exception as error:
            raise PluginError(
                f"the command {verb!r} is no verb: {guard.describe(error)}",
                where=registry().commands.targets[verb][1],
                expected="a function that typer can call, or a typer.Typer",
            ) from error
    except PluginError as error:
        return _broken(name, error)


def verb_of(item: Any, name: str) -> Any:
    """What runs a verb: of a function that typer can call, or of a typer.Typer."""
    if not isinstance(item, typer.Typer):
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name)(item)
        item = app
    command = typer.main.get_command(item)
    command.name = name
    return command


def _broken(name: str, error: PluginError) -> Any:
    def fail() -> None:
        raise error

    return TyperCommand(
        name,
        callback=fail,
        help=f"failed: {error}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        rich_markup_mode=None,
    )
