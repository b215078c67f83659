"""Plugins: what is found, and that a broken one harms nobody but itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import types
import warnings
from pathlib import Path

import pytest

from drti_core.codecs.ptm import CODEC as PTM
from drti_core.errors import (
    DrtiError,
    FormatError,
    MissingFileError,
    OptionError,
    OutputExistsError,
    PluginError,
    PluginWarning,
    UnsupportedFormatError,
)
from drti_core.formats.ptm import READER
from drti_core.model.contracts import Codec, ModelReader, Reader
from drti_core.options import with_options
from drti_core.registry import catalogue as module
from drti_core.registry.catalogue import Registry, codec, registry
from drti_core.registry.doors import (
    find_reader,
    find_writer,
    open_any,
    open_model,
    open_stack,
    restore,
    save_model,
)
from drti_core.registry.hookspecs import hookimpl
from drti_core.registry.shelf import Listing, Shelf
from drti_core.testing import dome, make_stack

PTM_TARGET = "drti_core.codecs.ptm:CODEC"


@pytest.fixture(autouse=True)
def forget_warnings(monkeypatch):
    """Each test may see each warning."""
    monkeypatch.setattr("drti_core.registry.shelf.warned", set())


def shelf(**targets: str) -> Shelf[Codec]:
    found: Shelf[Codec] = Shelf("codec", Codec)
    for name, target in targets.items():
        found.add(name, target, "a package")
    return found


def plugin(function) -> types.SimpleNamespace:
    """A plugin whose hook register_codecs is this function."""
    function.__name__ = "register_codecs"
    return types.SimpleNamespace(register_codecs=hookimpl(function), __name__="a plugin")


@pytest.fixture
def broken_module(tmp_path, monkeypatch):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)


# --- Shelves


@pytest.mark.usefixtures("broken_module")
@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            "broken_module:CODEC",
            "a package (broken_module:CODEC): the codec 'bad' failed to load: "
            "RuntimeError: no licence",
        ),
        (
            "no_such_module:CODEC",
            "a package (no_such_module:CODEC): the codec 'bad' failed to load: "
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (
            "drti_core.codecs.ptm:NOTHING",
            "a package (drti_core.codecs.ptm:NOTHING): the codec 'bad' failed to load: "
            "AttributeError: module 'drti_core.codecs.ptm' has no attribute 'NOTHING'",
        ),
        (
            "drti_core.formats.ptm:READER",
            "a package (drti_core.formats.ptm:READER): the codec 'bad' is PtmReader; "
            "expected an instance of Codec",
        ),
        (
            "drti_core.codecs.ptm:PtmCodec",
            "a package (drti_core.codecs.ptm:PtmCodec): the codec 'bad' is ABCMeta; "
            "expected an instance of Codec",
        ),
    ],
)
def test_what_fails_to_load_is_named_and_the_rest_works(target, text):
    codecs = shelf(bad=target, good=PTM_TARGET)
    with pytest.raises(PluginError) as caught:
        codecs.get("bad")
    assert str(caught.value) == text
    assert codecs.get("good") is PTM
    assert codecs.ids() == ["bad", "good"]
    assert codecs.working() == ["good"]
    bad, good = codecs.report()
    assert bad == Listing("codec", "bad", target, "a package", error=text)
    assert good == Listing("codec", "good", PTM_TARGET, "a package", summary=PTM.summary)
    with pytest.warns(PluginWarning) as seen:
        assert codecs.load_all() == {"good": PTM}
    assert [str(warning.message) for warning in seen] == [text]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert codecs.load_all() == {"good": PTM}  # it warns once


def test_nothing_of_this_kind_in_a_module():
    """A format without a writer has WRITER = None."""
    codecs = shelf(none="drti_core.formats.lp:WRITER", ptm=PTM_TARGET)
    assert codecs.load_all() == {"ptm": PTM}
    assert [listing.plugin_id for listing in codecs.report()] == ["ptm"]
    with pytest.raises(PluginError) as caught:
        codecs.get("none")
    assert str(caught.value) == "there is no codec 'none'; expected ptm"


def test_unknown_id():
    with pytest.raises(PluginError) as caught:
        codec("ptn")
    assert str(caught.value) == (
        "there is no codec 'ptn'; expected " + ", ".join(registry().codecs.working())
    )


def test_an_id_claimed_twice_names_both():
    codecs = shelf(mine=PTM_TARGET)
    codecs.add("mine", "elsewhere:CODEC", "another package")
    text = "the codec id 'mine' is claimed by a package and by another package"
    with pytest.raises(PluginError) as caught:
        codecs.get("mine")
    assert str(caught.value) == f"{text}. Uninstall one of them."
    assert codecs.working() == []
    (listing,) = codecs.report()
    assert listing.error == f"{text}. Uninstall one of them."
    with pytest.warns(PluginWarning, match="claimed by a package and by another package"):
        assert codecs.load_all() == {}
    codecs.add("mine", "third:CODEC", "a third")
    with pytest.raises(PluginError, match="a package and by another package and by a third"):
        codecs.get("mine")


def test_the_same_claim_twice_is_one():
    codecs = shelf(mine=PTM_TARGET)
    codecs.add("mine", PTM_TARGET, "a package")
    assert codecs.get("mine") is PTM


@pytest.mark.parametrize(
    ("name", "target"), [("", "a:B"), ("a b", "a:B"), ("1a", "a:B"), ("a/b", "a:B"), ("a", "a.B")]
)
def test_bad_ids_and_targets(name, target):
    with pytest.raises(PluginError) as caught:
        Shelf("codec", Codec).add(name, target, "a package")
    assert str(caught.value) == (
        f"a package: codec id {name!r} with target {target!r}; "
        'expected letters, digits, - and _, and "package.module:OBJECT"'
    )


def test_loaded_only_when_asked_and_only_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "counted.py").write_text(
        "import pathlib\n"
        "file = pathlib.Path(__file__).with_name('count')\n"
        "file.write_text((file.read_text() if file.exists() else '') + 'x')\n"
        "from drti_core.codecs.ptm import CODEC\n"
    )
    codecs = shelf(lazy="counted:CODEC")
    assert codecs.ids() == ["lazy"]
    assert not (tmp_path / "count").exists()
    assert codecs.get("lazy") is codecs.get("lazy") is PTM
    assert (tmp_path / "count").read_text() == "x"


# --- Plugins


def test_a_hook_that_raises_is_named_and_the_rest_works():
    def hook(register):
        register("before", PTM_TARGET)
        raise ValueError("out of order")

    found = Registry()
    with pytest.warns(PluginWarning) as seen:
        found.register(plugin(hook), "their package")
    text = "the plugin their package (register_codecs) failed: ValueError: out of order"
    assert [str(warning.message) for warning in seen] == [text]
    assert found.failed == [
        Listing(
            "plugin",
            "their package",
            "register_codecs",
            "their package",
            error="ValueError: out of order",
        )
    ]
    assert found.codecs.get("before") is PTM
    found.register(plugin(lambda register: register("after", PTM_TARGET)), "a good one")
    assert found.codecs.get("after") is PTM
    assert found.report()[-1].error == "ValueError: out of order"


def test_a_bad_id_is_the_plugins_failure():
    with pytest.warns(PluginWarning, match=r"their package .* codec id 'a b' with target 'a:B'"):
        Registry().register(plugin(lambda register: register("a b", "a:B")), "their package")


def test_a_hook_of_another_name_or_signature_is_the_plugins_failure():
    def wrong(shelf):
        raise AssertionError("never called")

    with pytest.warns(PluginWarning, match=r"their package \(a plugin\) failed"):
        Registry().register(plugin(wrong), "their package")
    unknown = types.SimpleNamespace(register_codec=hookimpl(lambda register: None), __name__="x")
    with pytest.warns(PluginWarning, match="unknown hook 'register_codec'"):
        Registry().register(unknown, "their package")


def test_report_of_this_process():
    kinds = {"codec", "reader", "writer", "exporter", "command", "hook"}
    for listing in registry().report():
        assert listing.kind in kinds
        assert listing.error is None
        assert listing.summary
        assert listing.source
        assert ":" in listing.target
    ids = {(listing.kind, listing.plugin_id) for listing in registry().report()}
    assert {("codec", "ptm"), ("codec", "hsh16"), ("reader", "lp"), ("writer", "folder")} <= ids
    assert ("writer", "lp") not in ids


def distribution(folder: Path, name: str, content: str) -> None:
    """A package as pip would install it, with an entry point."""
    (folder / f"{name}.py").write_text(textwrap.dedent(content))
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[drti_core]\n{name} = {name}\n")


@pytest.mark.slow
def test_installed_plugins_in_a_process_of_its_own(tmp_path):
    distribution(
        tmp_path,
        "good_plugin",
        """
        from drti_core import hookimpl
        from drti_core.codecs.ptm import PtmCodec
        MINE = PtmCodec(bits=16)
        @hookimpl
        def register_codecs(register):
            register("mine", "good_plugin:MINE")
            register("theirs", "good_plugin:MISSING")
        """,
    )
    distribution(tmp_path, "broken_plugin", "raise SystemError('wrong platform')\n")
    distribution(
        tmp_path,
        "rival_plugin",
        """
        from drti_core import hookimpl
        @hookimpl
        def register_codecs(register):
            register("hsh", "drti_core.codecs.ptm:CODEC")
        """,
    )
    script = """
        import warnings
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            from drti_core.registry.catalogue import codec, registry
            registry()
            registry()
            codecs = registry().codecs
            print(codec("mine").bits, codec("ptm").bits)
            codecs.load_all()
            codecs.load_all()
        for warning in seen:
            print(warning.category.__name__, warning.message)
        for listing in registry().report():
            if listing.error or listing.plugin_id == "mine":
                print(listing.kind, listing.plugin_id, listing.source, listing.error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{tmp_path}:{Path(module.__file__).parents[1]}", "PATH": ""},
    )
    assert done.stderr == ""
    broken = "SystemError: wrong platform"
    missing = (
        "good_plugin (good_plugin:MISSING): the codec 'theirs' failed to load: "
        "AttributeError: module 'good_plugin' has no attribute 'MISSING'"
    )
    shadow = (
        "rival_plugin: the codec id 'hsh' is drti's own, which stays. Register it under another id."
    )
    assert done.stdout.splitlines() == [
        "16 8",
        f"PluginWarning the plugin broken_plugin (broken_plugin) failed: {broken}",
        f"PluginWarning the plugin rival_plugin (register_codecs) failed: {shadow}",
        f"PluginWarning {missing}",
        "codec mine good_plugin None",
        f"codec theirs good_plugin {missing}",
        f"plugin broken_plugin broken_plugin {broken}",
        f"plugin rival_plugin rival_plugin {shadow}",
    ]


# --- Options


def test_codec_with_options():
    assert codec("ptm") is PTM
    assert codec(PTM) is PTM
    assert codec("hsh:terms=16, exponent=1").terms == 16
    assert codec("hsh:terms=16", {"terms": 4}).terms == 4
    assert codec("ptm:ridge=auto").ridge is None
    for spec, text in {
        "ptm:terms=9": "unknown option 'terms' of ptm; expected bits, colorspace, quantile, ridge",
        "hsh:terms=5": "hsh: terms: '5'; expected 4 or 9 or 16",
        "ptm:ridge=strong": "ptm: ridge: 'strong'; expected float",
        "rbf:planes=9.5": "rbf: planes: '9.5'; expected int",
        "ptm:bits": "'bits' in 'ptm:bits'; expected option=value",
    }.items():
        with pytest.raises(OptionError) as caught:
            codec(spec)
        assert str(caught.value) == text


# --- Files


def test_files_of_no_known_format(tmp_path):
    known = "; ".join(reader.summary for reader in registry().readers.load_all().values())
    junk, empty, folder = tmp_path / "a.ptm", tmp_path / "empty", tmp_path / "folder"
    junk.write_bytes(b"GIF89a and so on, longer")
    empty.touch()
    folder.mkdir()
    for path, what in {
        junk: "file (it starts with b'GIF89a and so on')",
        empty: "file (it is empty)",
        folder: "folder (it is empty)",
    }.items():
        with pytest.raises(UnsupportedFormatError) as caught:
            open_any(path)
        assert str(caught.value) == (
            f"{path}: not a {what} of a known format; expected one of: {known}"
        )


def test_what_is_found_where_lights_are_missing(tmp_path):
    """Photographs without lights, one photograph, and a folder too high, each in a sentence."""
    from PIL import Image

    for number in range(12):
        Image.new("L", (4, 4)).save(tmp_path / f"DSC{number}.png")
    with pytest.raises(UnsupportedFormatError) as caught:
        open_any(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: 12 photographs (DSC0.png to DSC11.png) and no light file; expected a light "
        "file (.lp) beside them, or a project or dome that knows their lights. Find the lights by "
        "glossy balls in the photographs, or name the light file and their folder (images=)."
    )
    with pytest.raises(UnsupportedFormatError) as caught:
        open_any(tmp_path / "DSC3.png")
    assert str(caught.value) == (
        f"{tmp_path / 'DSC3.png'}: a picture by itself; expected a model, or photographs with "
        "their lights: a folder or its light file"
    )
    above = tmp_path / "above"
    for name in ("a", "b", "c", "d", "set"):
        (above / name).mkdir(parents=True)
    (above / "set" / "dirs.lp").write_text("1\na.png 0 0 1\n")
    with pytest.raises(UnsupportedFormatError) as caught:
        open_any(above)
    assert str(caught.value).startswith(
        f"{above}: not a folder (it holds a, b, c, d, …) of a known format; expected one of: "
    )
    assert str(caught.value).endswith(" Did you mean the folder set in it?")


def test_missing_files(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        open_any(tmp_path / "missing.ptm")
    assert str(caught.value) == f"{tmp_path / 'missing.ptm'}: No such file or directory"
    for reader in registry().readers.ids():
        with pytest.raises(DrtiError) as caught:
            open_any(tmp_path / "missing", reader=reader)
        assert str(tmp_path / "missing") in str(caught.value)


def test_a_file_claimed_by_two(tmp_path, monkeypatch):
    class Greedy(ModelReader):
        reader_id = "greedy"
        summary = "takes everything"

        def sniff(self, path, head):
            return True

        def read(self, path):
            raise AssertionError("never read")

    readers: Shelf[Reader] = Shelf("reader", Reader)
    monkeypatch.setattr(registry(), "readers", readers)
    monkeypatch.setattr(module, "GREEDY", Greedy(), raising=False)
    readers.add("greedy", "drti_core.registry.catalogue:GREEDY", "a package")
    readers.add("ptm", "drti_core.formats.ptm:READER", "another package")
    path = tmp_path / "a.ptm"
    save_model(PTM.fit(make_stack()), path)
    with pytest.raises(PluginError) as caught:
        open_any(path)
    assert str(caught.value) == (
        f"{path}: the readers greedy and ptm both claim it. Name the reader to use."
    )
    assert open_model(path, reader="ptm").codec_id == "ptm"
    readers.targets["ptm"] = ("drti_core.formats.ptm:READER", "drti")
    assert open_model(path).codec_id == "ptm"  # drti's own has precedence


def test_reader_by_id_with_options(tmp_path):
    assert find_reader(tmp_path / "anything", "ptm") == READER
    found = find_reader(tmp_path, "rti:legacy_hshfitter=true")
    assert found == with_options(registry().readers.get("rti"), {"legacy_hshfitter": True})
    with pytest.raises(OptionError) as caught:
        find_reader(tmp_path, "lp:fast=yes")
    assert (
        str(caught.value)
        == "unknown option 'fast' of lp; expected by_order, images, pixel_size_mm, skip"
    )


@pytest.mark.parametrize(
    ("name", "writer"),
    [("a.ptm", "ptm"), ("a.PTM", "ptm"), ("a.rti", "rti"), ("a", "folder"), ("a.b", "folder")],
)
def test_writer_by_ending(tmp_path, name, writer):
    assert find_writer(tmp_path / name).writer_id == writer
    assert find_writer(tmp_path / name, "ptm:version=1.1").version == "1.1"


def test_writer_errors(tmp_path):
    path = tmp_path / "a.html"
    with pytest.raises(UnsupportedFormatError) as caught:
        find_writer(path)
    assert str(caught.value) == (
        f"{path}: no writer for the ending '.html'; expected .ptm, .rti, .zarr or a folder name"
    )
    with pytest.raises(PluginError) as caught:
        find_writer(path, "html")
    assert str(caught.value) == "there is no writer 'html'; expected folder, ptm, rti, zarr"


# --- Models


def test_models_are_saved_and_opened(tmp_path):
    model = codec("hsh").fit(make_stack())
    path = tmp_path / "a.rti"
    (note,) = save_model(model, path)
    assert note.startswith("requantised to one scale and bias for each term")
    assert open_model(path).codec_id == "hsh"
    with pytest.raises(OutputExistsError) as caught:
        save_model(model, path)
    assert str(caught.value) == (
        f"{path}: exists already. Choose another name, or ask for it to be overwritten."
    )
    save_model(model, path, overwrite=True)
    with pytest.raises(UnsupportedFormatError) as caught:
        save_model(model, tmp_path / "a.ptm")
    assert str(caught.value) == (
        f"{tmp_path / 'a.ptm'}: a .ptm holds polynomial texture maps (codec ptm), not codec hsh; "
        "fit ptm to the photographs, or to pictures relit from this model"
    )
    with pytest.raises(FormatError) as caught:
        open_stack(path)
    assert str(caught.value) == (
        f"{path}: this is a fitted model; expected photographs and a light file"
    )


def test_a_stack_is_no_model(tmp_path):
    from PIL import Image

    from drti_core.formats.lp import write_lp

    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    write_lp(tmp_path / "dirs.lp", ["a.png"], dome(1))
    assert open_stack(tmp_path).shape == (3, 4)
    with pytest.raises(FormatError) as caught:
        open_model(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: this is a stack of photographs; expected a model. Fit it first."
    )


def test_restoring_what_nobody_knows():
    stored = PTM.fit(make_stack()).stored()
    for name, error, text in [
        (None, FormatError, "config names the codec None; expected an id"),
        (
            "neural9",
            PluginError,
            "there is no codec 'neural9'; expected " + ", ".join(registry().codecs.working()),
        ),
    ]:
        with pytest.raises(error) as caught:
            restore(type(stored)({**stored.config, "codec": name}, stored.shape, stored.planes))
        assert str(caught.value) == text
