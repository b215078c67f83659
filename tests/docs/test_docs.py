"""The documentation is complete, and what it shows works."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import drti_core
from drti_core.registry import hookspecs
from drti_core.registry.catalogue import codec, registry

ROOT = Path(drti_core.__file__).parents[1]
if not (ROOT / "docs").is_dir():
    pytest.skip("no source tree: the documentation is not installed", allow_module_level=True)

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXT.values())
HOOKS = [value for name, value in vars(hookspecs).items() if hasattr(value, "drti_core_spec")]
#: A fenced block, and the HTML comment before it that says why it is not run.
BLOCK = re.compile(
    r"(<!-- not run: (?P<why>[^>]+) -->\n+)?^```python\n(?P<code>.*?)^```$", re.M | re.S
)


def test_every_hook_has_its_heading():
    assert [hook.__name__ for hook in HOOKS] == [
        "register_codecs",
        "register_readers",
        "register_writers",
        "register_exporters",
        "register_commands",
        "before_fit",
        "after_fit",
        "before_export",
        "after_export",
    ]
    headings = re.findall(r"^## (\w+\(.*)$", TEXT["hooks.md"], re.M)
    assert headings == [
        f"{hook.__name__}({', '.join(inspect.signature(hook).parameters)})" for hook in HOOKS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXT)
def test_code_blocks_run(name, tmp_path, monkeypatch):
    """The blocks of a page run one after another, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "documentation"}
    for number, block in enumerate(BLOCK.finditer(TEXT[name])):
        if block["why"] is None:
            exec(compile(block["code"], f"{name}, block {number}", "exec"), scope)


def test_blocks_are_found():
    assert len(list(BLOCK.finditer(TEXT["hooks.md"]))) == TEXT["hooks.md"].count("```python") == 11
    skipped = "<!-- not run: needs a camera -->\n```python\nshoot()\n```\n"
    (block,) = BLOCK.finditer(skipped)
    assert block["why"] == "needs a camera"
    assert block["code"] == "shoot()\n"


@pytest.mark.slow
def test_the_example_plugin_works(tmp_path):
    """It registers as written, and passes the suite of its own test class."""
    blocks = [block["code"] for block in BLOCK.finditer(TEXT["hooks.md"])]
    (tmp_path / "my_plugin.py").write_text(blocks[0])
    test = blocks[1].replace("from drti_core", "from my_plugin import CODEC\nfrom drti_core", 1)
    (tmp_path / "test_my_plugin.py").write_text(
        test
        + """

def test_registered():
    import my_plugin
    from drti_core.registry.catalogue import Registry
    found = Registry()
    found.register(my_plugin, "my_plugin")
    assert found.codecs.get("mean") is CODEC
    assert not found.failed
"""
    )
    assert run_pytest(tmp_path) == []


def run_pytest(folder: Path) -> list[str]:
    """Names of the tests that failed, in a process of its own."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", str(folder)]
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.M)
    assert done.returncode == (1 if failed else 0), done.stdout + done.stderr
    assert " passed" in done.stdout
    return failed


@pytest.mark.parametrize(
    "listing", registry().report(), ids=lambda listing: f"{listing.kind}-{listing.plugin_id}"
)
def test_every_id_is_documented(listing):
    name = f"drti {listing.plugin_id}" if listing.kind == "command" else listing.plugin_id
    assert re.search(rf"^\| `{re.escape(name)}` \|", TEXT["codecs.md"], re.M)


@pytest.mark.parametrize("name", registry().codecs.working())
def test_every_option_of_a_codec_is_documented(name):
    item = codec(name)
    kinds = get_type_hints(type(item))
    for field in dataclasses.fields(item):
        rows = re.findall(rf"^\| `{field.name}` \| (.*) \| .* \|$", TEXT["codecs.md"], re.M)
        assert rows, field.name
        for choice in get_args(kinds[field.name]):
            if isinstance(choice, str | int):
                assert str(choice) in " ".join(rows), (field.name, choice)


def test_presets_are_what_the_table_says():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+:[\w=,]+)` \|$", TEXT["codecs.md"], re.M)
    assert len(rows) == 13
    for name, spec in rows:
        assert codec(name) == codec(spec), name


def test_every_verb_is_documented():
    from typer.main import get_command

    from drti_core.cli.app import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    assert {"fit", "info", "relight"} <= set(verbs)
    for verb in verbs:
        assert re.search(rf"^\| `drti {verb}` \|", TEXT["codecs.md"], re.M), verb


def test_public_names_have_docstrings():
    for name in drti_core.__all__:
        item = getattr(drti_core, name)
        if inspect.isclass(item) or inspect.isfunction(item):
            # Its own, neither inherited nor made up by dataclass.
            assert vars(item).get("__doc__", item.__doc__), name
            assert not item.__doc__.startswith(f"{name}("), name
            own = vars(item).items() if inspect.isclass(item) else ()
            for method, value in own:
                if inspect.isfunction(value) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(item, method)), f"{name}.{method}"


def test_every_public_name_is_on_its_page():
    """Once each, in the order of ``__all__``, with a line."""
    found = re.findall(r"^\| `(\w+)` \| .*\w.* \|$", TEXT["api.md"], re.M)
    assert [*found, "__version__"] == drti_core.__all__
    assert "`__version__`" in TEXT["api.md"]


def test_the_page_says_which_builtin_an_error_is():
    rows = re.findall(r"^\| `(\w+Error)` \| (?:`(\w+)`)? ?\|", TEXT["api.md"], re.M)
    assert len(rows) == 18
    for name, also in rows:
        kind = getattr(drti_core, name)
        own = [base for base in kind.__mro__ if base.__module__ == "builtins"]
        assert own[0].__name__ == (also or "Exception"), name


def test_links_between_pages():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page.name, link)
