"""What is installed: codecs, readers, writers and exporters, loaded lazily and guarded.

A plugin that fails to import or to register is named once, in a warning and in
:func:`plugin_report`; everything else goes on working.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

import pluggy

from drti_core import codecs as builtin_codecs
from drti_core import files, hookspecs
from drti_core import formats as builtin_formats
from drti_core.codec import Codec, Exporter, Reader, Writer, own_options, parse_spec, with_options
from drti_core.errors import FormatError, PluginError, UnsupportedFormatError
from drti_core.graph_model import GraphModel, restore_graph
from drti_core.model import RelightableModel, StoredModel
from drti_core.stack import Stack

T = TypeVar("T")

#: Group of entry points that plugins are found by.
GROUP = "drti_core"


class PluginWarning(UserWarning):
    """A plugin failed to load; it is named, and the rest goes on."""


@dataclass(frozen=True)
class Listing:
    """One thing that is, or should be, installed.

    Args:
        kind: ``codec``, ``reader``, ``writer``, ``exporter`` or ``plugin``.
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
    """Things of one kind by id; each is imported the first time it is asked for."""

    kind: str
    base: type[Any]
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    _loaded: dict[str, T | None] = field(default_factory=dict)

    def add(self, plugin_id: str, target: str, source: str) -> None:
        """Register a target; two claims on one id are kept and reported when it is used."""
        if not plugin_id.replace("-", "_").isidentifier() or ":" not in target:
            raise PluginError(
                f"{self.kind} id {plugin_id!r} with target {target!r}",
                where=source,
                expected='letters, digits, - and _, and "package.module:OBJECT"',
            )
        if plugin_id in self.targets and self.targets[plugin_id] != (target, source):
            self.conflicts.setdefault(plugin_id, [self.targets[plugin_id][1]]).append(source)
            return
        self.targets[plugin_id] = (target, source)

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
            target, source = self.targets[plugin_id]
            self._loaded[plugin_id] = self._load(plugin_id, target, source)
        return self._loaded[plugin_id]

    def _load(self, plugin_id: str, target: str, source: str) -> T | None:
        module, _, name = target.partition(":")
        try:
            item = getattr(importlib.import_module(module), name)
        except Exception as error:
            raise PluginError(
                f"the {self.kind} {plugin_id!r} failed to load: {type(error).__name__}: {error}",
                where=f"{source} ({target})",
            ) from error
        if item is not None and not isinstance(item, self.base):
            raise PluginError(
                f"the {self.kind} {plugin_id!r} is {type(item).__name__}",
                where=f"{source} ({target})",
                expected=f"an instance of {self.base.__name__}",
            )
        return item

    def working(self) -> list[str]:
        """Ids that load."""
        return [listing.plugin_id for listing in self.report() if listing.error is None]

    def load_all(self) -> dict[str, T]:
        """Everything that loads; what does not is named in a warning."""
        found: dict[str, T] = {}
        for plugin_id in self.ids():
            try:
                item = self._find(plugin_id)
            except PluginError as error:
                _warn_once(str(error))
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
                listings.append(Listing(self.kind, plugin_id, target, source, error=error.args[0]))
                continue
            if item is not None:
                summary = str(getattr(item, "summary", ""))
                options = own_options(item)
                listings.append(
                    Listing(self.kind, plugin_id, target, source, summary, options=options)
                )
        return listings


@dataclass
class Registry:
    """The four shelves, and the plugins that could not be asked."""

    codecs: Shelf[Codec] = field(default_factory=lambda: Shelf("codec", Codec))
    readers: Shelf[Reader] = field(default_factory=lambda: Shelf("reader", Reader))
    writers: Shelf[Writer] = field(default_factory=lambda: Shelf("writer", Writer))
    exporters: Shelf[Exporter] = field(default_factory=lambda: Shelf("exporter", Exporter))
    failed: list[Listing] = field(default_factory=list)

    def register(self, plugin: object, source: str) -> None:
        """Call a plugin's hooks; a failure is noted and warned of, never raised."""
        manager = pluggy.PluginManager("drti_core")
        manager.add_hookspecs(hookspecs)
        shelves: Mapping[str, Shelf[Any]] = {
            "register_codecs": self.codecs,
            "register_readers": self.readers,
            "register_writers": self.writers,
            "register_exporters": self.exporters,
        }
        try:
            manager.register(plugin, name=source)
            manager.check_pending()
        except Exception as error:  # noqa: BLE001
            self.fail(source, str(getattr(plugin, "__name__", plugin)), error)
            return
        for hook, shelf in shelves.items():
            try:
                getattr(manager.hook, hook)(register=_adder(shelf, source))
            except Exception as error:  # noqa: BLE001
                self.fail(source, hook, error)

    def fail(self, source: str, target: str, error: Exception) -> None:
        """Note and warn that a plugin failed."""
        text = f"{type(error).__name__}: {error}"
        self.failed.append(Listing("plugin", source, target, source, error=text))
        _warn_once(f"the plugin {source} ({target}) failed: {text}")

    def report(self) -> list[Listing]:
        """Everything installed, and everything that failed."""
        shelves: list[Shelf[Any]] = [self.codecs, self.readers, self.writers, self.exporters]
        return [listing for shelf in shelves for listing in shelf.report()] + self.failed


def _adder(shelf: Shelf[Any], source: str) -> Callable[[str, str], None]:
    def register(plugin_id: str, target: str) -> None:
        shelf.add(plugin_id, target, source)

    return register


_warned: set[str] = set()


def _warn_once(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, PluginWarning, stacklevel=3)


def _entry_points() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: point.name)


@cache
def registry() -> Registry:
    """The registry of this process: built-ins first, then every installed plugin."""
    found = Registry()
    found.register(builtin_codecs, "drti")
    found.register(builtin_formats, "drti")
    for point in _entry_points():
        source = point.dist.name if point.dist else point.name
        try:
            plugin = point.load()
        except Exception as error:  # noqa: BLE001 - a stranger's package may raise anything
            found.fail(source, point.value, error)
            continue
        found.register(plugin, source)
    return found


def codec(spec: str | Codec, options: Mapping[str, Any] | None = None) -> Codec:
    """A codec by id, with options: ``"ptm"``, ``"hsh:terms=16"``, ``"rbf:planes=18"``.

    Raises:
        PluginError: no such codec.
        OptionError: no such option, or a value that does not fit.
    """
    if isinstance(spec, Codec):
        return with_options(spec, options or {})
    name, own = parse_spec(spec)
    return with_options(registry().codecs.get(name), {**own, **(options or {})})


def restore(stored: StoredModel) -> RelightableModel:
    """Rebuild a model with the codec that its config names, else by the graph beside it.

    Raises:
        PluginError: that codec is not installed.
        FormatError: the parameters do not belong together.
    """
    name = stored.config.get("codec")
    if not isinstance(name, str):
        raise FormatError(f"config names the codec {name!r}", expected="an id")
    codecs = registry().codecs
    if name == GraphModel.codec_id:
        return restore_graph(stored)
    if name not in codecs.ids() and stored.graph is not None:
        model = restore_graph(stored)
        note = f"the codec {name!r} is not installed: relit by {stored.graph.name}"
        return model.with_metadata(notes=(*model.metadata.notes, note))
    return codecs.get(name).restore(stored)


def find_reader(path: str | os.PathLike[str], reader: str | None = None) -> Reader:
    """The reader for an input: by id (with options), else the one that recognises its content.

    Raises:
        FormatError: it is missing, unreadable, or no format that is known.
        PluginError: several readers claim it.
    """
    if reader is not None:
        name, options = parse_spec(reader)
        return with_options(registry().readers.get(name), options)
    file = Path(path)
    if not os.path.lexists(file):
        files.clean(file.parent)  # a run that was killed while replacing it may have it aside
    head = b""
    try:
        if not file.is_dir():
            with file.open("rb") as stream:
                head = stream.read(512)
    except OSError as error:
        raise FormatError(error.strerror or str(error), where=str(file)) from None
    readers = registry().readers.load_all()
    claims = {name: reader for name, reader in readers.items() if reader.sniff(file, head)}
    if not claims:
        what = "folder" if file.is_dir() else f"file (it starts with {head[:16]!r})"
        raise UnsupportedFormatError(
            f"not a {what} of a known format",
            where=str(file),
            expected="one of: " + "; ".join(reader.summary for reader in readers.values()),
        )
    if len(claims) > 1:
        raise PluginError(
            f"the readers {' and '.join(claims)} both claim it",
            where=str(file),
            mend="Name the reader to use.",
        )
    return next(iter(claims.values()))


def open_any(
    path: str | os.PathLike[str], *, reader: str | None = None
) -> RelightableModel | Stack:
    """Open a model or a stack, whichever ``path`` is.

    Args:
        path: a file or folder.
        reader: id of the reader to use, with options (``"rti:legacy_hshfitter=true"``); by
            default the one that recognises the content.

    Raises:
        FormatError: missing, damaged or unknown.
        UnsupportedFormatError: a variant that is recognised but not supported.
        PluginError: its codec or reader is not installed.
    """
    try:
        found = find_reader(path, reader).read(Path(path))
    except OSError as error:
        where = str(error.filename or path)
        raise FormatError(error.strerror or str(error), where=where) from None
    return restore(found) if isinstance(found, StoredModel) else found


def open_model(path: str | os.PathLike[str], *, reader: str | None = None) -> RelightableModel:
    """Open a relightable model (``.ptm``, ``.rti``, a web folder, …); see :func:`open_any`."""
    found = open_any(path, reader=reader)
    if not isinstance(found, RelightableModel):
        raise FormatError(
            "this is a stack of photographs",
            where=str(path),
            expected="a model",
            mend="Fit it first: drti fit.",
        )
    return found


def open_stack(path: str | os.PathLike[str], *, reader: str | None = None) -> Stack:
    """Open a stack of photographs (a ``.lp`` file or its folder); see :func:`open_any`."""
    found = open_any(path, reader=reader)
    if not isinstance(found, Stack):
        raise FormatError(
            "this is a fitted model", where=str(path), expected="photographs and a light file"
        )
    return found


def find_writer(path: str | os.PathLike[str], writer: str | None = None) -> Writer:
    """The writer for an output: by id (with options), else by file ending, else a folder.

    Raises:
        PluginError: no such writer.
        UnsupportedFormatError: no writer has this ending.
    """
    if writer is not None:
        name, options = parse_spec(writer)
        return with_options(registry().writers.get(name), options)
    suffix = Path(path).suffix.lower()
    writers = registry().writers.load_all()
    for item in writers.values():
        if suffix in item.suffixes:
            return item
    folders = [item for item in writers.values() if not item.suffixes]
    endings = sorted(ending for item in writers.values() for ending in item.suffixes)
    if suffix in (".json", ".html", ".onnx") or not folders:
        raise UnsupportedFormatError(
            f"no writer for the ending {suffix!r}",
            where=str(path),
            expected=", ".join(endings) + " or a folder name",
        )
    return folders[0]


def save_model(
    model: RelightableModel,
    path: str | os.PathLike[str],
    *,
    writer: str | Writer | None = None,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write a model whole or not at all.

    Args:
        model: what to write.
        path: file or folder; the ending chooses the writer (``.ptm``, ``.rti``, else a folder).
        writer: id of the writer, with options (``"folder:image=png"``), or a writer.
        overwrite: replace an output that exists.

    Returns:
        What was lost or changed on the way, a sentence each.

    Raises:
        UnsupportedFormatError: the format cannot hold this model; says why.
        OutputExistsError: ``path`` exists and ``overwrite`` is false.
    """
    chosen = writer if isinstance(writer, Writer) else find_writer(path, writer)
    stored = model.stored()
    reason = chosen.refuse(stored)
    if reason is not None:
        raise UnsupportedFormatError(reason, where=str(path))
    return chosen.write(stored, Path(path), overwrite=overwrite)
