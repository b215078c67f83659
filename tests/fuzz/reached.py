"""Which lines of the readers a campaign ran; what only writes is left out of the count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console
from rich.table import Table

#: Modules, and folders of them, that are read with.
_READING = (
    *("formats", "io/pictures", "io/regular.py", "io/strict_json.py", "io/strict_xml.py"),
    *("io/text_header.py", "jobs/journal.py", "runtime/onnx/check.py", "runtime/onnx/sizes.py"),
    *("runtime/onnx/budget.py", "relight/environment_map.py", "model/network_model.py"),
    *("training/checkpoint.py", "capture/exposures.py"),
)
#: Of these, modules that only write, or colour what was read.
_WRITING = (
    *("*/write*.py", "*/jpeg_write.py", "*/quantisation.py", "formats/folder/pictures.py"),
    *(f"io/pictures/{name}.py" for name in ("figures", "icc", "jpeg", "npy", "png", "save")),
    *("formats/folder/pyramid.py", "io/pictures/webp.py"),
)
#: Functions that only write, of modules that read as well.
_FUNCTIONS = {
    "formats/dome.py": ("write_dome", "_objects"),
    "formats/folder/openlime_neural.py": ("keys", "nine", "_light_columns", "_padded"),
    "formats/lp/csv.py": ("to_csv", "guarded"),
    "formats/lp/text.py": ("write_lp", "check_names", "check_target", "write_lights"),
    "formats/ptm/layout.py": ("plane_name",),
    "formats/rti/trailer.py": ("trailer",),
    "io/pictures/exr.py": ("write_exr",),
    "io/pictures/tiff.py": ("write_tiff",),
    "io/pictures/xmp.py": ("with_facts", "has_place"),
    "io/strict_json.py": ("dump", "nine_digits"),
    "model/network_model.py": ("_describe", "_arrays"),
    "training/checkpoint.py": ("write",),
}


def report(data: Path, console: Console) -> None:
    """Share of the lines of each module that were run, and of each reader and folder of modules.

    Args:
        data: coverage's, of one process or, with endings, of several.
        console: where it is told.
    """
    import coverage

    import drti_core

    package = Path(drti_core.__file__).parent
    found = coverage.Coverage(data_file=str(data))
    if list(data.parent.glob(f"{data.name}.*")):
        found.combine([str(data.parent)], keep=True)
    found.load()
    table = Table("module", "lines", "run", "share", "not run")
    rooms: dict[str, list[int]] = {}
    for file in _modules(package):
        name = file.relative_to(package).as_posix()
        writing = _lines_of(file, _FUNCTIONS.get(name, ()))
        lines = set(found.analysis2(str(file))[1]) - writing
        missing = sorted(set(found.analysis2(str(file))[3]) - writing)
        if lines:
            ran = len(lines) - len(missing)
            where = " ".join(map(str, missing))
            table.add_row(name, *_row(len(lines), ran), where[:60])
            room = rooms.setdefault(_room(name), [0, 0])
            room[0] += len(lines)
            room[1] += ran
    for name, (lines_of_room, ran) in sorted(rooms.items()):
        table.add_row(name, *_row(lines_of_room, ran), "", style="bold")
    console.print(table)


def _room(name: str) -> str:
    """A reader, which is a module or a folder of formats, or the folder of another module."""
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == "formats" else name.rpartition("/")[0]


def _modules(package: Path) -> Iterator[Path]:
    for part in _READING:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(package).as_posix()
            if not any(fnmatch(name, pattern) for pattern in _WRITING):
                yield file


def _lines_of(file: Path, functions: tuple[str, ...]) -> set[int]:
    """Lines of the bodies of functions; each must be there."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    known = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    spans = ((known[name].body[0].lineno, known[name].end_lineno or 0) for name in functions)
    return {line for first, last in spans for line in range(first, last + 1)}


def _row(lines: int, ran: int) -> tuple[str, str, str]:
    return f"{lines}", f"{ran}", f"{ran / lines:.0%}"
