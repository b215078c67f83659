"""What is installed: codecs, readers, writers, exporters and verbs, loaded lazily and guarded.

A plugin that fails to import or to register is named once, in a warning and in
:meth:`Registry.report`; everything else goes on working.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pluggy

from drti_core.errors import PluginError, ResourceError
from drti_core.model.contracts import Codec, Exporter, Reader, Writer
from drti_core.options import with_options
from drti_core.registry import discovery, guard
from drti_core.registry.shelf import BUILTIN, Listing, Shelf, named, summary_of, warn_once

#: What drti itself registers, named and not imported here: both stand above this room.
_BUILTINS = ("drti_core.codecs", "drti_core.formats")
#: Verbs that drti has itself: a module each.
_VERBS = frozenset(
    module.name for module in pkgutil.iter_modules([str(Path(__file__).parents[1] / "cli")])
)


def _commands() -> Shelf[Callable[..., Any]]:
    return Shelf("command", Callable, "a function, or a typer.Typer", _VERBS, words=2)  # type: ignore[arg-type]


@dataclass
class Registry:
    """The shelves, the plugins themselves, and those that could not be asked."""

    codecs: Shelf[Codec] = field(default_factory=lambda: Shelf("codec", Codec))
    readers: Shelf[Reader] = field(default_factory=lambda: Shelf("reader", Reader))
    writers: Shelf[Writer] = field(default_factory=lambda: Shelf("writer", Writer))
    exporters: Shelf[Exporter] = field(default_factory=lambda: Shelf("exporter", Exporter))
    commands: Shelf[Callable[..., Any]] = field(default_factory=_commands)
    plugins: dict[str, list[pluggy.PluginManager]] = field(default_factory=dict)
    failed: list[Listing] = field(default_factory=list)

    @property
    def shelves(self) -> Mapping[str, Shelf[Any]]:
        """The shelf that each ``register_…`` hook fills."""
        return {
            "register_codecs": self.codecs,
            "register_readers": self.readers,
            "register_writers": self.writers,
            "register_exporters": self.exporters,
            "register_commands": self.commands,
        }

    def register(self, plugin: object, source: str) -> None:
        """Call a plugin's hooks; a failure is noted and warned of, never raised.

        Raises:
            ResourceError: no thread can be started, which is no failure of the plugin.
        """
        try:
            hooks = discovery.manager(plugin, source)
        except Exception as error:  # noqa: BLE001 - pluggy looks at every attribute
            self.fail(source, str(getattr(plugin, "__name__", plugin)), error)
            return
        self.plugins.setdefault(source, []).append(hooks)
        for hook, shelf in self.shelves.items():
            given, failure = discovery.claims(hooks, hook, trusted=source == BUILTIN)
            for plugin_id, target in given:
                try:
                    shelf.add(plugin_id, target, source)
                except PluginError as error:
                    self.fail(source, hook, error)
            if failure:
                self.fail(source, hook, failure)

    def remove(self, source: str) -> None:
        """Forget a plugin and what it registered."""
        self.plugins.pop(source, None)
        for shelf in self.shelves.values():
            shelf.remove(source)

    def fail(self, source: str, target: str, error: BaseException | str) -> None:
        """Note and warn that a plugin failed."""
        text = error if isinstance(error, str) else guard.describe(error)
        self.failed.append(Listing("plugin", source, target, source, error=text))
        warn_once(f"the plugin {source} ({target}) failed: {text}")

    def hooks(self, name: str) -> Iterator[tuple[str, pluggy.HookCaller]]:
        """Plugins that have a hook, in the order in which they were found, with its caller."""
        for source, managers in self.plugins.items():
            for hooks in managers:
                caller: pluggy.HookCaller = getattr(hooks.hook, name)
                if caller.get_hookimpls():
                    yield source, caller

    def report(self) -> list[Listing]:
        """Everything installed, and everything that failed."""
        found = [listing for shelf in self.shelves.values() for listing in shelf.report()]
        for name in discovery.PIPELINE:
            for source, caller in self.hooks(name):
                (hook,) = (implementation.function for implementation in caller.get_hookimpls())
                target = f"{getattr(hook, '__module__', '?')}:{getattr(hook, '__qualname__', name)}"
                found.append(Listing("hook", name, target, source, summary_of(hook)))
        return found + self.failed


@cache
def registry() -> Registry:
    """The registry of this process: built-ins first, then every installed plugin.

    Raises:
        ResourceError: no thread can be started; it is made anew when it is asked for again.
    """
    found = Registry()
    for name in _BUILTINS:
        found.register(guard.load(name, trusted=True), BUILTIN)
    for plugin in (*discovery.installed(), *discovery.in_folders()):
        try:
            loaded = plugin.load()
        except ResourceError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's package may raise anything
            found.fail(plugin.source, plugin.place, error)
        else:
            found.register(loaded, plugin.source)
    return found


def register_plugin(plugin: object, name: str) -> None:
    """Register a plugin that is a module or an object of this very process.

    Args:
        plugin: has functions with the names of hooks, marked with :data:`drti_core.hookimpl`.
            What they register lies in a module that is imported already, ``__main__`` for one.
        name: for messages. A plugin of this name that is there is replaced.

    Raises:
        PluginError: the name is drti's own or that of an installed plugin, or the plugin fails.
    """
    found = registry()
    if name in found.plugins and name not in _by_code:
        raise PluginError(f"there is a plugin {name!r}", expected="another name")
    found.remove(name)
    _by_code.add(name)
    before = len(found.failed)
    found.register(plugin, name)
    failures = found.failed[before:]
    if failures:
        raise PluginError("; ".join(listing.error or "" for listing in failures), where=name)


#: Names of plugins that this process registered itself.
_by_code: set[str] = set()


def codec(spec: str | Codec, options: Mapping[str, Any] | None = None) -> Codec:
    """A codec by id, with options: ``"ptm"``, ``"hsh:terms=16"``, ``"rbf:planes=18"``.

    Raises:
        PluginError: no such codec.
        OptionError: no such option, or a value that does not fit.
    """
    if isinstance(spec, Codec):
        return with_options(spec, options or {})
    return named(registry().codecs, spec, options)
