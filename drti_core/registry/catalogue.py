"""What is installed: codecs, readers, writers, exporters and verbs, loaded lazily and guarded.

A plugin that fails to import or to register is named once, in a warning and in
:meth:`Registry.report`; everything else goes on working.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import numpy.typing as npt
import pluggy

from drti_core.arrays import Window
from drti_core.errors import (
    DrtiError,
    FileError,
    FormatError,
    LightError,
    OptionError,
    PluginError,
    UnsupportedFormatError,
)
from drti_core.io import outputs
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import RelightableModel, StoredModel
from drti_core.model.contracts import (
    Codec,
    Exporter,
    LightsReader,
    ModelReader,
    Reader,
    StackReader,
    Writer,
)
from drti_core.model.graph_model import GraphModel, restore_graph
from drti_core.options import parse_spec, with_options
from drti_core.registry import discovery, guard
from drti_core.registry.shelf import BUILTIN, Listing, Shelf, summary_of, warn_once
from drti_core.registry.shelf import PluginWarning as PluginWarning
from drti_core.stack import Stack

T = TypeVar("T")

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
        """Call a plugin's hooks; a failure is noted and warned of, never raised."""
        try:
            hooks = discovery.manager(plugin, source)
        except Exception as error:  # noqa: BLE001 - pluggy looks at every attribute
            self.fail(source, str(getattr(plugin, "__name__", plugin)), error)
            return
        self.plugins.setdefault(source, []).append(hooks)
        for hook, shelf in self.shelves.items():
            given, failure = discovery.claims(hooks, hook)
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
    """The registry of this process: built-ins first, then every installed plugin."""
    found = Registry()
    for name in _BUILTINS:
        found.register(guard.load(name, trusted=True), BUILTIN)
    for plugin in (*discovery.installed(), *discovery.in_folders()):
        try:
            loaded = plugin.load()
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
    try:
        found = codecs.get(name)
    except PluginError as error:
        if stored.graph is None:
            raise
        reason = str(error) if name in codecs.ids() else f"the codec {name!r} is not installed"
        model = restore_graph(stored)
        note = f"{reason}: relit by {stored.graph.name}"
        return model.with_metadata(notes=(*model.metadata.notes, note))
    return found.restore(stored)


def find_reader(
    path: str | os.PathLike[str], reader: str | None = None, kind: type[Reader] | None = None
) -> Reader:
    """The reader for an input: by id (with options), else the one that recognises its content.

    Args:
        path: a file or folder.
        reader: id of the reader, with options.
        kind: which kind of reader is preferred where several recognise it; by default that of
            models, then of stacks, then of lights.

    Raises:
        MissingFileError: it is not there.
        FileError: it cannot be read.
        UnsupportedFormatError: it is of no format that is known.
        PluginError: several readers claim it.
    """
    if reader is not None:
        name, options = parse_spec(reader)
        return with_options(registry().readers.get(name), options)
    file = Path(path)
    if not os.path.lexists(file):
        outputs.clean(file.parent)  # a run that was killed while replacing it may have it aside
    head = b""
    try:
        if not file.is_dir():
            with file.open("rb") as stream:
                head = stream.read(512)
    except OSError as error:
        raise FileError.of(error, file) from None
    readers = registry().readers.load_all()
    claims = {name: reader for name, reader in readers.items() if _claims(name, file, head)}
    if not claims and not file.is_dir():
        ending = file.name[file.name.rfind(".") :].lower()
        claims = {name: reader for name, reader in readers.items() if ending in reader.suffixes}
    if not claims:
        what = "folder" if file.is_dir() else f"file (it starts with {head[:16]!r})"
        wanted = [item for item in readers.values() if kind is None or isinstance(item, kind)]
        raise UnsupportedFormatError(
            f"not a {what} of a known format",
            where=str(file),
            expected="one of: " + "; ".join(reader.summary for reader in wanted),
        )
    if kind is None and (own := [name for name in claims if registry().readers.is_builtin(name)]):
        claims = {name: claims[name] for name in own if name != "foreign"} or claims
    for preferred in (ModelReader, StackReader, LightsReader) if kind is None else (kind,):
        if of_kind := {name: item for name, item in claims.items() if isinstance(item, preferred)}:
            claims = of_kind
            break
    chosen = _one(registry().readers, claims)
    if chosen is None:
        raise PluginError(
            f"the readers {' and '.join(claims)} both claim it",
            where=str(file),
            mend="Name the reader to use.",
        )
    return claims[chosen]


def _claims(name: str, file: Path, head: bytes) -> bool:
    """Whether a reader recognises a file; a stranger's that fails is named, and does not."""
    readers = registry().readers
    try:
        return readers.get(name).sniff(file, head)
    except Exception as error:
        if readers.is_builtin(name):
            raise
        source = readers.targets[name][1]
        warn_once(f"the reader {name!r} of {source} failed: {guard.describe(error)}")
        return False


def _one(shelf: Shelf[Any], names: Iterable[str]) -> str | None:
    """The id that has precedence: drti's own, or the only one; None where two are alike.

    ``foreign`` only refuses by name what nobody else reads.
    """
    found = list(names)
    if len(found) > 1 and "foreign" in found:
        found.remove("foreign")
    own = [name for name in found if shelf.is_builtin(name)]
    candidates = own or found
    return candidates[0] if len(candidates) == 1 else None


class StackOptions(TypedDict, total=False):
    """What :func:`open_stack` takes beside the path."""

    reader: str | None
    crop: Window | None
    mask: Path | npt.ArrayLike | None
    images: str | os.PathLike[str] | None
    to_linear: bool
    pixel_size_mm: float | None


def open_any(
    path: str | os.PathLike[str], **options: Unpack[StackOptions]
) -> RelightableModel | Stack:
    """Open a model or a stack, whichever ``path`` is.

    Args:
        path: a file or folder.
        options: see :func:`open_stack`; of them a model takes the reader only
            (``"rti:legacy_hshfitter=true"``).

    Raises:
        MissingFileError: it, or a part of it, is not there.
        FormatError: it is damaged.
        UnsupportedFormatError: of no known format, or a variant that is not supported.
        OptionError: an option of stacks for a model.
        PluginError: its codec or reader is not installed.
    """
    found = read(path, find_reader(path, options.get("reader")), **options)
    if isinstance(found, LightDirections):
        raise FormatError(
            "these are lights alone", where=str(path), expected="a model or photographs"
        )
    return restore(found) if isinstance(found, StoredModel) else found


def open_model(path: str | os.PathLike[str], *, reader: str | None = None) -> RelightableModel:
    """Open a relightable model (``.ptm``, ``.rti``, a web folder, …); see :func:`open_any`."""
    found = read(path, find_reader(path, reader, ModelReader))
    if not isinstance(found, StoredModel):
        stack = isinstance(found, Stack)
        raise FormatError(
            "this is a stack of photographs" if stack else "these are lights alone",
            where=str(path),
            expected="a model",
            mend="Fit it first." if stack else "",
        )
    return restore(found)


def open_stack(
    path: str | os.PathLike[str],
    *,
    reader: str | None = None,
    crop: Window | None = None,
    mask: Path | npt.ArrayLike | None = None,
    images: str | os.PathLike[str] | None = None,
    to_linear: bool = False,
    pixel_size_mm: float | None = None,
) -> Stack:
    """Open photographs and their lights; pixels are decoded when they are first needed.

    Args:
        path: whatever a reader of stacks recognises: a light file or the folder of one, a project
            or a dome of RelightLab, a project folder of RTIBuilder, …
        reader: id of the reader to use, with options; by default the one that recognises it.
        crop: the part of the photographs to keep (y down, from the top left corner).
        mask: picture (above half is inside) or (H, W) array, of the size of the photographs or of
            the crop.
        images: folder of the photographs, if they are not where the input says.
        to_linear: give linear values of photographs that hold sRGB ones.
        pixel_size_mm: side of a pixel on the object, millimetres.

    Raises:
        MissingFileError: it, or a photograph, is not there.
        FormatError: damaged or unknown; names the place.
        LightError: no light file, several of them, or a direction that cannot be used.
        StackError: a photograph is damaged or differs from its siblings.
        OptionError: the crop is not inside, the mask does not fit, or the reader knows no images.
        MissingExtraError: 16-bit RGB photographs without pyvips.
        PluginError: its reader is not installed.
    """
    found = read(
        path,
        find_reader(path, reader, StackReader),
        crop=crop,
        mask=mask,
        images=images,
        to_linear=to_linear,
        pixel_size_mm=pixel_size_mm,
    )
    if not isinstance(found, Stack):
        model = isinstance(found, StoredModel)
        raise FormatError(
            "this is a fitted model" if model else "these are lights alone",
            where=str(path),
            expected="photographs and a light file",
        )
    return found


def open_lights(path: str | os.PathLike[str], *, reader: str | None = None) -> NamedLights:
    """The lights of whatever has some: a light file, a dome, a stack, a model.

    Args:
        path: a file or folder.
        reader: id of the reader to use, with options; by default the one that recognises it.

    Raises:
        LightError: malformed, or the model does not know its lights.
        FormatError: missing, damaged or unknown; names the place.
        PluginError: its reader is not installed.
    """
    chosen = find_reader(path, reader, LightsReader)
    if isinstance(chosen, LightsReader):
        found = _guarded(chosen.read_lights, path)
    else:
        whole = read(path, chosen)
        if isinstance(whole, Stack):
            return NamedLights.named(whole.lights, whole.names, whole.notes)
        lights = whole if isinstance(whole, LightDirections) else whole.metadata.lights
        if lights is None:
            raise LightError(
                "this model does not know its lights",
                where=str(path),
                expected="a light file, photographs, or a model that was saved with its lights",
            )
        found = lights
    return found if isinstance(found, NamedLights) else NamedLights.named(found)


def read(
    path: str | os.PathLike[str], chosen: Reader, **options: Unpack[StackOptions]
) -> StoredModel | Stack | LightDirections:
    """What a reader that was chosen gives of a path; a stack as it is to be looked at.

    Raises:
        OptionError: an option of stacks for something else, or ``images`` for a reader that has
            no such option.
        DrtiError: see :func:`open_any`.
    """
    images, mask = options.get("images"), options.get("mask")
    own = {item.name for item in fields(chosen)}
    if images is not None and "images" not in own:
        raise OptionError(
            f"images {os.fspath(images)} for the reader {chosen.reader_id}",
            where=str(path),
            expected="a reader that looks for photographs",
        )
    told: dict[str, Any] = {} if images is None else {"images": os.fspath(images)}
    if isinstance(mask, (str, Path)) and "skip" in own:
        told["skip"] = str(mask)
    if options.get("pixel_size_mm") is not None and "pixel_size_mm" in own:
        told["pixel_size_mm"] = options["pixel_size_mm"]
    found = _guarded(with_options(chosen, told).read, path)
    given: dict[str, Any] = {
        name: value
        for name, value in options.items()
        if name not in ("reader", "images") and value is not None and value is not False
    }
    if isinstance(found, Stack):
        return found.adjusted(**given)
    if given:
        raise OptionError(
            f"{', '.join(given)} of {'a model' if isinstance(found, StoredModel) else 'lights'}",
            where=str(path),
            expected="photographs",
        )
    return found


def _guarded(reads: Callable[[Path], T], path: str | os.PathLike[str]) -> T:
    try:
        return reads(Path(path))
    except DrtiError:
        raise
    except OSError as error:
        raise FileError.of(error, error.filename or path) from None


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
    fitting = {name: item for name, item in writers.items() if suffix in item.suffixes}
    if fitting:
        chosen = _one(registry().writers, fitting)
        if chosen is None:
            raise PluginError(
                f"the writers {' and '.join(fitting)} both write {suffix}",
                where=str(path),
                mend="Name the writer to use.",
            )
        return fitting[chosen]
    folders = [item for item in writers.values() if not item.suffixes]  # drti's own is the first
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
