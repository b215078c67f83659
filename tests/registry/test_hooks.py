"""Pipeline hooks, verbs of plugins, and plugins that hang or come from a folder or from code."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import pytest

import drti_core as drti
from drti_core.cli import main
from drti_core.errors import OptionError, PluginError, VetoError
from drti_core.measure.tour import write_stack
from drti_core.model.contracts import ExportReport
from drti_core.registry import catalogue as registry_module
from drti_core.registry import doors, guard, hook_calls, shelf
from drti_core.registry.catalogue import Registry, register_plugin, registry
from drti_core.registry.hookspecs import FitReport, hookimpl
from drti_core.testing import make_stack

ROOT = Path(drti.__file__).parents[1]
PTM = "drti_core.codecs.ptm:CODEC"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A registry of the test's own, and every warning unseen."""
    monkeypatch.setattr(shelf, "warned", set())
    monkeypatch.setattr(registry_module, "_by_code", set())
    monkeypatch.setattr(guard, "_hung", {})
    registry.cache_clear()
    yield
    registry.cache_clear()


def plugin(**hooks):
    """A plugin of these functions."""
    for name, function in hooks.items():
        function.__name__ = name
    return types.SimpleNamespace(**{name: hookimpl(f) for name, f in hooks.items()})


@pytest.fixture
def stack(tmp_path):
    return write_stack(make_stack(), tmp_path / "stack")


# --- Pipeline hooks


def test_hooks_see_and_change_what_is_fitted_and_exported(stack, tmp_path):
    seen = []

    def before_fit(stack, codec):
        seen.append(("before_fit", len(stack), codec.codec_id))
        return stack.select(range(6))

    def after_fit(model, report):
        assert isinstance(report, FitReport)
        seen.append(("after_fit", len(report.stack), report.output.name, report.seconds > 0))
        return model.with_metadata(pixel_size_mm=0.25)

    def before_export(model, output):
        seen.append(("before_export", model.metadata.pixel_size_mm, output.name))

    def after_export(exporter, report):
        seen.append(("after_export", exporter.exporter_id, len(report.files)))
        return ExportReport(report.files, report.max_abs_error, (*report.notes, "checked"))

    count = len(drti.open_stack(stack))
    register_plugin(plugin(before_fit=before_fit, after_fit=after_fit), "museum")
    register_plugin(plugin(before_export=before_export, after_export=after_export), "web")
    report = drti.fit_file(stack, tmp_path / "model", codec="ptm")
    assert drti.open_model(tmp_path / "model").metadata.lights is not None
    assert len(drti.open_model(tmp_path / "model").metadata.lights) == 6 < count
    export = drti.export_file(tmp_path / "model", tmp_path / "a.onnx", exporter="onnx")
    assert seen == [
        ("before_fit", count, "ptm"),
        ("after_fit", 6, "model", True),
        ("before_export", 0.25, "a.onnx"),
        ("after_export", "onnx", 1),
    ]
    assert export.notes[-1] == "checked"
    assert not any("museum" in note for note in report.notes)


def test_each_plugin_gets_what_the_one_before_it_gave():
    def first(model):
        return model.with_metadata(comments=("first",))

    def second(model):
        return model.with_metadata(comments=(*model.metadata.comments, "second"))

    register_plugin(plugin(after_fit=first), "one")
    register_plugin(plugin(after_fit=second), "two")
    model = drti.get_codec("ptm").fit(make_stack())
    found, notes = hook_calls.after_fit(model, None)
    assert found.metadata.comments == ("first", "second")
    assert notes == ()


def test_a_failing_hook_does_not_lose_the_fit(stack, tmp_path):
    def broken(stack):
        raise ValueError("out of order\nand more")

    def wrong(model):
        return 7

    def ends(model):
        sys.exit(3)

    register_plugin(plugin(before_fit=broken), "museum")
    register_plugin(plugin(after_fit=wrong), "archive")
    register_plugin(plugin(after_fit=ends), "quitter")
    report = drti.fit_file(stack, tmp_path / "model", codec="ptm")
    assert [note for note in report.notes if "plugin" in note] == [
        "the plugin museum (before_fit) failed: ValueError: out of order",
        "the plugin archive (after_fit) gave int, not RelightableModel",
        "the plugin quitter (after_fit) failed: it tried to end the process (exit 3)",
    ]
    assert drti.open_model(tmp_path / "model").codec_id == "ptm"


VETO = "the plugin museum ({}): no pixel size; expected one. Measure the scale bar."


@pytest.mark.parametrize("name", ["before_fit", "after_fit", "before_export", "after_export"])
def test_a_veto_ends_the_work(stack, tmp_path, name, capsys):
    def veto():
        raise VetoError("no pixel size", expected="one", mend="Measure the scale bar.")

    drti.fit_file(stack, tmp_path / "good", codec="ptm")
    register_plugin(plugin(**{name: veto}), "museum")
    out = tmp_path / ("a.onnx" if "export" in name else "model")
    if "export" in name:
        arguments = ["export", str(tmp_path / "good"), "--to", "onnx", "-o", str(out)]
    else:
        arguments = ["fit", str(stack), "--codec", "ptm", "-o", str(out)]
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"error: {VETO.format(name)}\n"
    assert out.exists() == (name == "after_export")


def test_a_veto_keeps_its_place():
    def veto():
        raise VetoError("twice", where="img_3.jpg")

    register_plugin(plugin(before_fit=veto), "museum")
    with pytest.raises(VetoError) as caught:
        hook_calls.before_fit(make_stack(), drti.get_codec("ptm"))
    assert str(caught.value) == "the plugin museum (before_fit): img_3.jpg: twice"


# --- Plugins registered in code


def test_a_plugin_in_code_is_replaced_by_the_next_of_its_name(monkeypatch):
    monkeypatch.setattr(registry_module, "ANY", drti.get_codec("ptm"), raising=False)

    def first(register):
        register("mine", "drti_core.registry.catalogue:ANY")

    def second(register):
        register("other", "drti_core.registry.catalogue:ANY")

    register_plugin(plugin(register_codecs=first), "notebook")
    register_plugin(plugin(register_codecs=first), "notebook")
    assert drti.get_codec("mine").codec_id == "ptm"
    register_plugin(plugin(register_codecs=second), "notebook")
    assert "mine" not in registry().codecs.ids()
    assert "other" in registry().codecs.ids()


def test_errors_of_a_plugin_in_code():
    with pytest.raises(PluginError) as caught:
        register_plugin(plugin(), "drti")
    assert str(caught.value) == "there is a plugin 'drti'; expected another name"

    def shadow(register):
        register("hsh", PTM)
        register("mine", PTM)
        register(7, PTM)

    with (
        pytest.warns(drti.PluginWarning),
        pytest.raises(PluginError) as caught,
    ):
        register_plugin(plugin(register_codecs=shadow), "rival")
    assert str(caught.value) == (
        "rival: rival: the codec id 'hsh' is drti's own, which stays. "
        "Register it under another id.; rival: codec id 7 with target "
        "'drti_core.codecs.ptm:CODEC'; expected letters, digits, - and _, and "
        '"package.module:OBJECT"'
    )
    assert drti.get_codec("hsh").codec_id == "hsh"
    assert drti.get_codec("mine").codec_id == "ptm"


# --- Verbs


def shader(name: str = "all") -> None:
    """Measure a shader.

    More of it.
    """
    print(f"measured {name}")


def refuses() -> None:
    """Refuse."""
    raise drti.FormatError("no such shader", where="a.glsl")


def no_verb(one: int | str) -> None:
    """Take what no command line can give."""


HERE = types.ModuleType("drti_test_verbs")
HERE.shader, HERE.refuses, HERE.no_verb, HERE.number = shader, refuses, no_verb, 7


@pytest.fixture
def verbs(monkeypatch):
    monkeypatch.setitem(sys.modules, HERE.__name__, HERE)

    def register_commands(register):
        register("benchmark mirror", "drti_test_verbs:shader")
        register("benchmark fit", "drti_test_verbs:shader")
        register("refuse", "drti_test_verbs:refuses")
        register("odd", "drti_test_verbs:no_verb")
        register("number", "drti_test_verbs:number")

    register_plugin(plugin(register_commands=register_commands), "verbs")


NUMBER = (
    "verbs (drti_test_verbs:number): the command 'number' is int; "
    "expected a function, or a typer.Typer"
)


@pytest.mark.usefixtures("verbs")
@pytest.mark.filterwarnings("always")
def test_verbs_of_plugins(capsys):
    assert main(["benchmark", "mirror", "--name", "phong"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "measured phong\n"
    assert shown.err == (
        "warning: the plugin verbs: the verb 'benchmark fit' is drti's own, which stays\n"
    )
    assert main(["refuse"]) == 1
    assert capsys.readouterr().err == "error: a.glsl: no such shader\n"
    assert main(["benchmark", "--help"]) == 0
    shown = capsys.readouterr()
    assert "mirror       Measure a shader." in shown.out
    assert shown.err == ""  # it warns once
    assert main(["mirror"]) == 2
    assert "No such command 'mirror'" in capsys.readouterr().err


@pytest.mark.usefixtures("verbs")
def test_broken_verbs_are_named_when_called_and_in_the_help(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "refuse     Refuse." in shown
    assert "number     failed: verbs (drti_test_verbs:number)" in shown
    assert main(["number", "--any", "thing"]) == 1
    assert capsys.readouterr().err == f"error: {NUMBER}\n"
    assert main(["odd"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: verbs: the command 'odd' is no verb: AssertionError: ")
    assert error.endswith("; expected a function that typer can call, or a typer.Typer\n")
    listed = {item.plugin_id: item for item in registry().commands.report()}
    assert listed["benchmark mirror"].summary == "Measure a shader."
    assert listed["number"].error == NUMBER


def test_drtis_own_verbs_stay():
    def register_commands(register):
        register("fit", PTM)

    with (
        pytest.warns(drti.PluginWarning),
        pytest.raises(PluginError) as caught,
    ):
        register_plugin(plugin(register_commands=register_commands), "verbs")
    assert str(caught.value) == (
        "verbs: verbs: the command id 'fit' is drti's own, which stays. "
        "Register it under another id."
    )


# --- Readers and writers


def test_a_reader_that_raises_harms_nobody(tmp_path, monkeypatch):
    class Broken(drti.ModelReader):
        reader_id = "broken"
        summary = "breaks"

        def sniff(self, path, head):
            raise KeyError("magic")

        def read(self, path):
            raise AssertionError

    monkeypatch.setattr(registry_module, "BROKEN", Broken(), raising=False)

    def register_readers(register):
        register("broken", "drti_core.registry.catalogue:BROKEN")

    register_plugin(plugin(register_readers=register_readers), "theirs")
    drti.save_model(drti.get_codec("ptm").fit(make_stack()), tmp_path / "a.ptm")
    with pytest.warns(drti.PluginWarning) as seen:
        assert drti.open_model(tmp_path / "a.ptm").codec_id == "ptm"
    assert [str(warning.message) for warning in seen] == [
        "the reader 'broken' of theirs failed: KeyError: 'magic'"
    ]


def test_writers_of_one_ending(monkeypatch, tmp_path):
    ptm = registry().writers.get("ptm")

    class Coin(type(ptm)):
        suffixes = (".coin", ".ptm")

    monkeypatch.setattr(registry_module, "COIN", Coin(), raising=False)

    def one(register):
        register("a-coin", "drti_core.registry.catalogue:COIN")

    def two(register):
        register("z-coin", "drti_core.registry.catalogue:COIN")

    register_plugin(plugin(register_writers=one), "one")
    assert doors.find_writer(tmp_path / "a.ptm") == ptm  # drti's own has precedence
    assert isinstance(doors.find_writer(tmp_path / "a.coin"), Coin)
    register_plugin(plugin(register_writers=two), "two")
    with pytest.raises(PluginError) as caught:
        doors.find_writer(tmp_path / "a.coin")
    assert str(caught.value) == (
        f"{tmp_path / 'a.coin'}: the writers a-coin and z-coin both write .coin. "
        "Name the writer to use."
    )


# --- Plugins from folders, and plugins that hang


def in_a_process(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SHOW = """
    import time, warnings
    start = time.monotonic()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        from drti_core.registry.catalogue import registry
        found = registry()
        found.report()
        found.codecs.load_all()
    for warning in seen:
        print(warning.message)
    print([name for name in found.codecs.working() if name in ("good", "late", "ptm")])
    assert time.monotonic() - start < 30
"""

GOOD = """
from drti_core import hookimpl
from drti_core.codecs.ptm import CODEC
@hookimpl
def register_codecs(register):
    register("good", __name__ + ":CODEC")
"""


@pytest.mark.slow
def test_plugins_of_a_folder(tmp_path):
    (tmp_path / "a" / "packaged").mkdir(parents=True)
    (tmp_path / "a" / "packaged" / "__init__.py").write_text("from packaged import inner\n" + GOOD)
    (tmp_path / "a" / "packaged" / "inner.py").write_text("")
    (tmp_path / "a" / "raising.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "a" / "quitting.py").write_text("import sys\nsys.exit('bye')\n")
    (tmp_path / "a" / "json.py").write_text("")
    os.mkfifo(tmp_path / "a" / "pipe.py")
    (tmp_path / "a" / "circle.py").symlink_to("circle.py")
    (tmp_path / "a" / "not-a-module.py").write_text("raise AssertionError\n")
    (tmp_path / "a" / "notes.txt").write_text("")
    shown = in_a_process(SHOW, DRTI_PLUGINS=os.pathsep.join([f"{tmp_path}/a", f"{tmp_path}/b"]))
    a = tmp_path / "a"
    assert shown.splitlines() == [
        f"the plugin {a}/circle.py (DRTI_PLUGINS) failed: FileError: {a}/circle.py: Too many "
        "levels of symbolic links",
        f"the plugin {a}/json.py (DRTI_PLUGINS) failed: the name 'json' is that of an installed "
        "module. Rename the file.",
        f"the plugin {a}/pipe.py (DRTI_PLUGINS) failed: FileError: {a}/pipe.py: is a named pipe; "
        "expected a regular file",
        f"the plugin {a}/quitting.py (DRTI_PLUGINS) failed: it tried to end the process (exit bye)",
        f"the plugin {a}/raising.py (DRTI_PLUGINS) failed: RuntimeError: no licence",
        f"the plugin {tmp_path}/b (DRTI_PLUGINS) failed: No such file or directory; "
        "expected a folder of plugins",
        "['good', 'ptm']",
    ]


@pytest.mark.slow
def test_a_plugin_that_hangs_is_named_and_nothing_else_is_lost(tmp_path):
    (tmp_path / "hanging.py").write_text("import time\ntime.sleep(3600)\n")
    (tmp_path / "good_one.py").write_text(GOOD)
    (tmp_path / "slow_hook.py").write_text(
        "import time\nfrom drti_core import hookimpl\n@hookimpl\n"
        "def register_codecs(register):\n    register('late', 'x:Y')\n    time.sleep(3600)\n"
    )
    shown = in_a_process(SHOW, DRTI_PLUGINS=str(tmp_path), DRTI_PLUGIN_TIMEOUT="0.5")
    mend = "Set DRTI_PLUGIN_TIMEOUT to more seconds, or to 0 for no limit."
    limit = f"did not end; expected 0.5 seconds at most. {mend}"
    missing = "ModuleNotFoundError: No module named 'x'"
    assert shown.splitlines() == [
        f"the plugin {tmp_path}/hanging.py (DRTI_PLUGINS) failed: the import of hanging.py {limit}",
        f"the plugin {tmp_path}/slow_hook.py (register_codecs) failed: register_codecs {limit}",
        f"{tmp_path}/slow_hook.py (x:Y): the codec 'late' failed to load: {missing}",
        "['good', 'ptm']",
    ]


@pytest.mark.slow
def test_an_installed_plugin_and_a_codec_that_hang(tmp_path):
    for name, text in {
        "hanging_plugin": "import time\ntime.sleep(3600)\n",
        "lazy_plugin": "from drti_core import hookimpl\n@hookimpl\ndef register_codecs(register):\n"
        "    register('one', 'hanging_codec:ONE')\n    register('two', 'hanging_codec:TWO')\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[drti_core]\n{name} = {name}\n")
    (tmp_path / "hanging_codec.py").write_text("import time\ntime.sleep(3600)\n")
    shown = in_a_process(SHOW, PYTHONPATH=f"{tmp_path}:{ROOT}", DRTI_PLUGIN_TIMEOUT="0.25")
    mend = "Set DRTI_PLUGIN_TIMEOUT to more seconds, or to 0 for no limit."
    late = f"the import of hanging_codec did not end; expected 1.5 seconds at most. {mend}"
    assert shown.splitlines() == [
        "the plugin hanging_plugin (hanging_plugin) failed: the import of hanging_plugin "
        f"did not end; expected 0.25 seconds at most. {mend}",
        *(
            f"lazy_plugin (hanging_codec:{name.upper()}): the codec {name!r} failed to load: {late}"
            for name in ("one", "two")
        ),
        "['ptm']",
    ]


def test_isolation(monkeypatch):
    assert guard.run(lambda: 7, "seven", 5) == 7
    assert guard.run(lambda: 7, "seven", 0) == 7
    with pytest.raises(ZeroDivisionError):
        guard.run(lambda: 1 // 0, "a division", 5)
    start = time.monotonic()
    with pytest.raises(guard.HungError, match="a nap did not end"):
        guard.run(lambda: time.sleep(3), "a nap", 0.05)
    assert time.monotonic() - start < 2
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(guard.TIMEOUT, text)
        with pytest.raises(OptionError) as caught:
            guard.timeout()
        assert str(caught.value) == (
            f"DRTI_PLUGIN_TIMEOUT: {text!r}; expected seconds, or 0 for no limit"
        )
    monkeypatch.setenv(guard.TIMEOUT, " 2.5 ")
    assert guard.timeout() == 2.5
    monkeypatch.delenv(guard.TIMEOUT)
    assert guard.timeout() == 10


def test_hooks_are_listed():
    def after_fit(model):
        """Add the inventory number."""

    register_plugin(plugin(after_fit=after_fit), "museum")
    (listing,) = [item for item in registry().report() if item.kind == "hook"]
    assert (listing.plugin_id, listing.source) == ("after_fit", "museum")
    assert listing.summary == "Add the inventory number."


def test_a_folder_whose_codec_is_broken_relights_by_its_graph(tmp_path, monkeypatch):
    monkeypatch.setattr(registry_module, "ODD", drti.get_codec("ptm"), raising=False)
    model = drti.get_codec("ptm").fit(make_stack())
    drti.save_model(model, tmp_path / "model", writer="folder:image=png")
    found = Registry()
    monkeypatch.setattr(found.codecs, "targets", {"ptm": ("no_such_module:CODEC", "theirs")})
    monkeypatch.setattr(found, "readers", registry().readers)
    monkeypatch.setattr(doors, "registry", lambda: found)
    graph = drti.open_model(tmp_path / "model")
    assert graph.codec_id == "onnx"
    assert graph.metadata.notes[-1] == (
        "theirs (no_such_module:CODEC): the codec 'ptm' failed to load: ModuleNotFoundError: "
        "No module named 'no_such_module': relit by decoder.onnx"
    )
    lights = model.metadata.lights
    assert lights is not None
    difference = graph.relight(lights) - model.relight(lights)
    assert np.abs(difference).max() < 0.6 / 255
