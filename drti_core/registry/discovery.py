"""Where plugins come from: entry points, folders of the user, and code; and asking their hooks.

Whatever fails, in a plugin that is not drti's own, costs that plugin only.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pluggy

from drti_core.errors import PluginError, ResourceError
from drti_core.io import regular
from drti_core.registry import guard, hookspecs
from drti_core.registry.shelf import BUILTIN

#: Group of entry points that plugins are found by.
GROUP = "drti_core"
#: Environment variable: folders whose modules and packages are plugins.
FOLDERS = "DRTI_PLUGINS"
#: Hooks that are called while a pipeline works.
PIPELINE = ("before_fit", "after_fit", "before_export", "after_export")


class Found(NamedTuple):
    """A plugin that is there, not yet imported.

    Args:
        source: the distribution, file or folder.
        place: what names it there.
        load: imports it; it raises whatever the plugin raises, or that it hung.
    """

    source: str
    place: str
    load: Callable[[], object]


def installed() -> Iterator[Found]:
    """Plugins with an entry point, by its name."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        source = point.dist.name if point.dist else point.name
        yield Found(source, point.value, partial(_from_entry_point, point, source == BUILTIN))


def in_folders() -> Iterator[Found]:
    """Modules and packages of the folders that ``DRTI_PLUGINS`` names."""
    for text in filter(None, os.environ.get(FOLDERS, "").split(os.pathsep)):
        folder = Path(text).expanduser()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            yield Found(str(folder), FOLDERS, partial(_refuse_folder, error))
            continue
        for entry in entries:
            file = entry / "__init__.py" if entry.is_dir() else entry
            if file.suffix == ".py" and entry.stem.isidentifier() and os.path.lexists(file):
                yield Found(str(entry), FOLDERS, partial(_from_file, file, entry.stem))


def _from_entry_point(point: EntryPoint, trusted: bool) -> object:
    found: object = guard.load(point.module, trusted=trusted, seconds=guard.timeout())
    for name in filter(None, (point.attr or "").split(".")):
        found = getattr(found, name)
    return found


def _refuse_folder(error: OSError) -> object:
    raise PluginError(error.strerror or str(error), expected="a folder of plugins")


def _from_file(file: Path, name: str) -> object:
    """Import a file under a name that nothing else has, so that targets can name it."""
    regular.check(file)  # Python would wait for a named pipe
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        raise PluginError(
            f"the name {name!r} is that of an installed module", mend="Rename the file."
        )
    return guard.run(partial(_execute, file, name), f"the import of {file.name}", guard.timeout())


def _execute(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"Python cannot import {file.name!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def manager(plugin: object, source: str) -> pluggy.PluginManager:
    """A plugin whose hooks can be called.

    Raises:
        pluggy.PluginValidationError: a hook of an unknown name, or with unknown arguments.
    """
    made = pluggy.PluginManager(GROUP)
    made.add_hookspecs(hookspecs)
    made.register(plugin, name=source)
    made.check_pending()
    return made


def claims(
    hooks: pluggy.PluginManager, name: str, *, trusted: bool = False
) -> tuple[list[tuple[str, str]], str]:
    """Ids and targets that a ``register_…`` hook gives, and why it failed in the end, or "".

    Args:
        hooks: of the plugin.
        name: of the hook.
        trusted: ask in this thread, without a limit.

    Raises:
        ResourceError: no thread can be started.
    """
    given: list[tuple[str, str]] = []

    def register(plugin_id: str, target: str) -> None:
        given.append((plugin_id, target))

    # A plugin without the hook has nothing to be asked, and drti's own needs no thread to wait for.
    if not getattr(hooks.hook, name).get_hookimpls():
        return given, ""
    seconds = 0 if trusted else guard.timeout()
    try:
        guard.run(partial(getattr(hooks.hook, name), register=register), name, seconds)
    except ResourceError:
        raise  # it is the machine's trouble, and no plugin's
    except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything
        return list(given), guard.describe(error)
    return given, ""
