"""Shelves: what plugins offer, by id, imported when it is asked for and never twice."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from drti_core.errors import PluginError, PluginWarning, ResourceError
from drti_core.options import Optioned, own_options, parse_spec, with_options
from drti_core.registry import guard

T = TypeVar("T")

#: What drti itself registers has this source; strangers cannot take it.
BUILTIN = "drti"


@dataclass(frozen=True)
class Listing:
    """One thing that is, or should be, installed.

    Args:
        kind: ``codec``, ``reader``, ``writer``, ``exporter``, ``command``, ``hook`` or ``plugin``.
        plugin_id: its id.
        target: ``"package.module:OBJECT"``.
        source: the distribution or module that registered it.
        summary: its own words, empty if it failed to load.
        error: why it failed to load, or None.
        options: those that differ from its class's defaults, as a preset's do.
    """

    kind: str
    plugin_id: str
    target: str
    source: str
    summary: str = ""
    error: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Shelf(Generic[T]):
    """Things of one kind by id; each is imported the first time it is asked for.

    Args:
        kind: for messages.
        base: what every object must be an instance of.
        expected: the same in words; by default the name of the base.
        reserved: ids that drti keeps for itself beside those that it registers.
        words: so many words, separated by a space, an id may have.
    """

    kind: str
    base: type[Any]
    expected: str = ""
    reserved: frozenset[str] = frozenset()
    words: int = 1
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    _loaded: dict[str, T | PluginError | None] = field(default_factory=dict)

    def add(self, plugin_id: str, target: str, source: str) -> None:
        """Register a target; two claims on one id are kept and reported when it is used.

        Raises:
            PluginError: no usable id or target, or the id is drti's own.
        """
        if not self._valid(plugin_id) or not isinstance(target, str) or ":" not in target:
            raise PluginError(
                f"{self.kind} id {plugin_id!r} with target {target!r}",
                where=source,
                expected='letters, digits, - and _, and "package.module:OBJECT"',
            )
        if source != BUILTIN and (plugin_id in self.reserved or self.is_builtin(plugin_id)):
            raise PluginError(
                f"the {self.kind} id {plugin_id!r} is drti's own, which stays",
                where=source,
                mend="Register it under another id.",
            )
        if plugin_id in self.targets and self.targets[plugin_id] != (target, source):
            self.conflicts.setdefault(plugin_id, [self.targets[plugin_id][1]]).append(source)
            return
        self.targets[plugin_id] = (target, source)

    def _valid(self, plugin_id: object) -> bool:
        if not isinstance(plugin_id, str):
            return False
        words = plugin_id.split(" ")
        return len(words) <= self.words and all(
            word.replace("-", "_").isidentifier() for word in words
        )

    def remove(self, source: str) -> None:
        """Forget what a source registered."""
        for plugin_id, (_, owner) in list(self.targets.items()):
            if owner == source:
                del self.targets[plugin_id]
                self._loaded.pop(plugin_id, None)
        for plugin_id, owners in list(self.conflicts.items()):
            if source in owners:
                del self.conflicts[plugin_id]

    def is_builtin(self, plugin_id: str) -> bool:
        """Whether drti itself registered this id."""
        return self.targets.get(plugin_id, ("", ""))[1] == BUILTIN

    def ids(self) -> list[str]:
        """Every id that is registered, sorted; some may fail to load."""
        return sorted(self.targets)

    def get(self, plugin_id: str) -> T:
        """The object of this id.

        Raises:
            PluginError: none has it, two claim it, or it failed to load.
        """
        item = self._find(plugin_id)
        if item is None:
            raise PluginError(
                f"there is no {self.kind} {plugin_id!r}", expected=", ".join(self.working())
            )
        return item

    def _find(self, plugin_id: str) -> T | None:
        if plugin_id in self.conflicts:
            raise PluginError(
                f"the {self.kind} id {plugin_id!r} is claimed by "
                + " and by ".join(self.conflicts[plugin_id]),
                mend="Uninstall one of them.",
            )
        if plugin_id not in self.targets:
            return None
        if plugin_id not in self._loaded:
            try:
                self._loaded[plugin_id] = self._load(plugin_id, *self.targets[plugin_id])
            except PluginError as error:
                self._loaded[plugin_id] = error  # what hung once is not waited for again
        found = self._loaded[plugin_id]
        if isinstance(found, PluginError):
            raise found
        return found

    def _load(self, plugin_id: str, target: str, source: str) -> T | None:
        module, _, name = target.partition(":")
        try:
            item = getattr(guard.load(module, trusted=source == BUILTIN), name)
        except ResourceError:
            raise
        except Exception as error:
            raise PluginError(
                f"the {self.kind} {plugin_id!r} failed to load: {guard.describe(error)}",
                where=f"{source} ({target})",
            ) from error
        if item is not None and not isinstance(item, self.base):
            raise PluginError(
                f"the {self.kind} {plugin_id!r} is {type(item).__name__}",
                where=f"{source} ({target})",
                expected=self.expected or f"an instance of {self.base.__name__}",
            )
        return item

    def working(self) -> list[str]:
        """Ids that load."""
        return [listing.plugin_id for listing in self.report() if listing.error is None]

    def load_all(self) -> dict[str, T]:
        """Everything that loads, drti's own first; what does not is named in a warning."""
        found: dict[str, T] = {}
        for plugin_id in sorted(self.ids(), key=lambda name: (not self.is_builtin(name), name)):
            try:
                item = self._find(plugin_id)
            except PluginError as error:
                warn_once(str(error))
                continue
            if item is not None:
                found[plugin_id] = item
        return found

    def report(self) -> list[Listing]:
        """Every id with its summary or its failure; modules without this kind are left out."""
        listings = []
        for plugin_id in self.ids():
            target, source = self.targets[plugin_id]
            try:
                item = self._find(plugin_id)
            except PluginError as error:
                listings.append(Listing(self.kind, plugin_id, target, source, error=str(error)))
                continue
            if item is not None:
                options = own_options(item) if dataclasses.is_dataclass(item) else {}
                listings.append(
                    Listing(self.kind, plugin_id, target, source, summary_of(item), options=options)
                )
        return listings


def named(shelf: Shelf[Optioned], spec: str, options: Mapping[str, Any] | None = None) -> Optioned:
    """What ``"id:option=value,…"`` names on a shelf, with more options.

    Raises:
        PluginError: see :meth:`Shelf.get`.
        OptionError: no such option, or a value that does not fit.
    """
    name, own = parse_spec(spec)
    return with_options(shelf.get(name), {**own, **(options or {})})


def summary_of(item: Any) -> str:
    """A thing's own words: its summary, else the first line of its documentation."""
    text = getattr(item, "summary", None) or getattr(getattr(item, "info", None), "help", None)
    if not isinstance(text, str):
        text = inspect.getdoc(item) or ""
    return text.strip().partition("\n")[0]


warned: set[str] = set()


def warn_once(text: str) -> None:
    """Warn of a plugin, with the same words once in a process."""
    if text not in warned:
        warned.add(text)
        warnings.warn(text, PluginWarning, stacklevel=3)
