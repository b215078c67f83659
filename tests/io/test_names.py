"""Names with spaces, quotes, markup, any script, a leading dash, a line break, 200 characters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from drti_core.arrays import Window
from drti_core.cli import main
from drti_core.cli.process import visible
from drti_core.errors import OptionError
from drti_core.formats.lp import parse_lp, write_lp
from drti_core.io.pictures.save import save_picture
from drti_core.registry.doors import open_model, open_stack
from drti_core.stack.samples.demo import make_stack

SIZE = (24, 32)
COUNT = 12

NAMES = {
    "spaces": "två  mynt, fram ",
    "quotes": 'the "good" one\'s `copy` $HOME;&|',
    "markup": "[bold]coin[ [1] {x} %s *?",
    "swedish": "Åkerö ängöse",
    "decomposed": "A\u030akero\u0308",
    "hangul": "청동 거울",
    "rtl": "מטבע \u202eעתיק\u202c عملة",
    "emoji": "🪙👩🏽‍🔬",
    "dash": "--out",
    "line break": "one\ntwo",
    "numbers": "0.1 0.2 0.3",
    "dots": "..a.b",
    "hash": "#1",
    "200 characters": "coin " * 40,
    "no text": os.fsdecode(b"caf\xe9 \xff"),
}
#: Photographs cannot be called so in a light file: rows end with the line.
NO_ROW = ("line break",)
#: Written as bytes of Windows-1252 or UTF-8; this is neither.
NO_LP = (*NO_ROW, "no text")


@pytest.fixture(scope="module")
def photographs():
    return make_stack(SIZE, COUNT)


@pytest.fixture(params=NAMES)
def kind(request):
    return request.param


@pytest.fixture
def name(kind, tmp_path):
    try:
        (tmp_path / NAMES[kind]).touch()
    except OSError:
        pytest.skip("this file system has no such names")
    (tmp_path / NAMES[kind]).unlink()
    return NAMES[kind]


@pytest.fixture
def stack(photographs, kind, name, tmp_path):
    """Photographs and a light file of this name, in a folder of this name."""
    folder = tmp_path / name
    folder.mkdir()
    stem = "photo" if kind in NO_LP else name
    names = [f"{stem}{number}.jpg" for number in range(COUNT)]
    for number, picture in enumerate(names):
        pixels = photographs.images[number]
        save_picture(folder / picture, pixels)
    write_lp(folder / f"{name}.lp", names, photographs.lights)
    return folder / f"{name}.lp"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command line in the folder, with names as they are: (status, out, err)."""
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        capsys.readouterr()
        status = main([str(word) for word in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def shown(name: str) -> str:
    """A name as a terminal gets it."""
    return visible(name).encode(errors="backslashreplace").decode()


@pytest.mark.slow
def test_every_verb(kind, name, stack, run, tmp_path):
    """With relative paths: a leading dash is what it is."""
    relative = f"{name}/{name}.lp"
    assert open_stack(stack).names[0].endswith("0.jpg")

    def good(*argv):
        status, out, err = run(*argv)
        assert (status, err) == (0, "")
        return out

    assert f" {shown(name)}/" in good("info", "--", relative)
    facts = json.loads(good("info", "--json", "--", relative))
    assert facts["photographs"] == COUNT
    assert facts["path"] in (relative, relative.encode(errors="backslashreplace").decode())
    for ending in ("", ".ptm", ".rti"):
        model = f"m {name}{ending}"
        codec = "hsh" if ending == ".rti" else "ptm"
        out = good("fit", f"--output={model}", "--codec", codec, "--", relative)
        assert f"wrote {shown(model)} (" in out
        assert open_model(tmp_path / model).shape == SIZE
        assert shown(model) in good("info", "--", model)
    ptm, web, rti = f"m {name}.ptm", f"m {name}", f"m {name}.rti"
    assert f"wrote {shown(name)}2.ptm (" in good("convert", "--", ptm, f"{name}2.ptm")
    assert f"wrote {shown(name)}3 (" in good("convert", "-O", "image=png", "--", rti, f"{name}3")
    assert f"wrote {shown(name)}.png\n" in good(
        "relight", "--light", "0.2,0.1", f"--output={name}.png", "--", web
    )
    for source, picture in ((web, f"n {name}.png"), (relative, f"s {name}.tif")):
        assert f"wrote {shown(picture)}" in good("normals", f"--output={picture}", "--", source)
    good("relight", f"--lights={relative}", f"--output={name}.tif", "--", ptm)
    numbered = [tmp_path / f"{name}-{number + 1:02}.tif" for number in range(COUNT)]
    assert all(path.exists() for path in numbered)
    out = good(
        "evaluate", f"--model={web}", f"--model={ptm}", "--no-ssim", f"--json={name}.json",
        "--", relative,
    )  # fmt: skip
    scores = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["codecs"]
    assert [score["label"] for score in scores] == [web, ptm]
    assert f"wrote {shown(name)}.json\n" in out
    good("evaluate", "--codec", "ptm", "--holdout", "2", "--no-ssim", "--", relative)
    assert not [path for path in tmp_path.rglob(".drti-*") if path.suffix in (".tmp", ".old")]


def test_light_files(kind, name, stack, photographs, run, tmp_path):
    status, out, err = run("convert", "--lights", "polar", "--", stack, f"{name}.csv")
    assert (status, err) == (0, "")
    assert f"wrote {shown(name)}.csv (" in out
    status, _, err = run("convert", "--", f"{name}.csv", f"{name}/back.lp")
    assert (status, err) == (0, "")
    found = parse_lp(stack.parent / "back.lp")
    assert found.names == parse_lp(stack).names
    pixels = open_stack(stack.parent / "back.lp").codes(Window(0, 0, 1, 1))
    assert (pixels == open_stack(stack).codes(Window(0, 0, 1, 1))).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rtl"])
def test_a_batch_of_all_names(stack, run, tmp_path):
    assert run("fit", "--output=m.ptm", "--", stack)[0] == 0
    (tmp_path / "-all").mkdir()
    for name in NAMES.values():
        shutil.copy(tmp_path / "m.ptm", tmp_path / "-all" / f"a{name}.ptm")
        shutil.copy(stack, tmp_path / "-all" / f"b{name}.lp")
    for to, ending, first in (("folder", "", "a"), ("csv", ".csv", "b")):
        argv = ["convert", "--to", to, f"--out=--{to}", f"--json=-{to}.json", "--", "-all"]
        status, out, err = run(*argv)
        assert (status, err) == (0, "")
        assert f"{len(NAMES)} converted" in out
        made = {path.name for path in (tmp_path / f"--{to}").glob("[!.]*")}
        assert made == {f"{first}{name}{ending}" for name in NAMES.values()}
        report = json.loads((tmp_path / f"-{to}.json").read_text(encoding="utf-8"))
        outputs = [item["output"] for item in report["items"] if item["status"] == "converted"]
        assert {output.split("/")[1] for output in outputs} == made
        status, out, err = run(*argv)
        assert (status, err) == (0, "")
        assert f"{len(NAMES)} unchanged" in out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["markup", "emoji", "dash", "no text", "200 characters"])
def test_demo(name, run, tmp_path):
    status, out, err = run("demo", f"--out={name}", "--size", "48x32", "--no-ssim")
    assert (status, err) == (0, "")
    assert f"wrote {shown(name)}/" in out
    assert open_model(tmp_path / name / "hsh.rti").shape == (32, 48)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["line break", "no text"])
def test_benchmark(kind, name, stack, run, tmp_path):
    status, out, err = run(
        "benchmark", "fit", "--size", "64x48", "--codec", "ptm", f"--keep={name} kept",
        "--json", "--", f"{name}/{name}.lp",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert json.loads(out)[0]["photographs"] == COUNT
    assert open_model(tmp_path / f"{name} kept" / "64x48" / "model1").shape == (48, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("dash", "utf-8"), ("no text", "utf-8"), ("hangul", "ascii"), ("line break", "ascii")],
)
def test_as_a_process(kind, encoding, name, stack, tmp_path):
    """Whatever the encoding of the terminal; what each verb does with it, test_every_verb says."""
    env = os.environ | {"PYTHONIOENCODING": encoding}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    commands = [["fit", f"--output={name}.ptm", "--", f"{name}/{name}.lp"]]
    if kind == "no text":  # the one that no encoding holds
        commands.append(["info", "--", f"{name}.ptm"])
        commands.append(["convert", "--to", "folder", "--out", "made", "--", f"{name}.ptm"])
    for argv in commands:
        done = subprocess.run(
            [sys.executable, "-m", "drti_core", *argv],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    made = tmp_path / "made" / name if kind == "no text" else tmp_path / f"{name}.ptm"
    assert open_model(made).shape == SIZE


def test_errors_show_the_name(name, run):
    for argv in (["info"], ["convert", "--to", "ptm", "--out=x"], ["evaluate"]):
        status, out, err = run(*argv, "--", f"{name}.ptm")
        assert status == 1
        # A table breaks a line where the name does.
        expected = f"{shown(name)}.ptm".splitlines()[-1]
        assert expected in out + err
    status, _, err = run("fit", "--output=x", "--", f"{name}.lp")
    assert status == 1
    assert f"{shown(name)}.lp" in err


def test_a_mask_and_a_folder_of_photographs(name, stack, run, tmp_path):
    lights = tmp_path / "elsewhere" / f"{name}.lp"
    lights.parent.mkdir()
    shutil.copy(stack, lights)
    save_picture(tmp_path / f"mask {name}.png", make_stack(SIZE, 1).images[0])
    status, _, err = run(
        "fit", f"--output={name}.ptm", f"--images={name}", f"--mask=mask {name}.png",
        "--", f"elsewhere/{name}.lp",
    )  # fmt: skip
    assert (status, err) == (0, "")


def test_a_line_break_has_no_place_in_a_row(photographs, tmp_path):
    with pytest.raises(OptionError) as caught:
        write_lp(tmp_path / "a.lp", ["one\ntwo"] * COUNT, photographs.lights)
    assert str(caught.value) == (
        f"{tmp_path}/a.lp: name 'one\\ntwo'; expected a name without line breaks. "
        "Rename the photograph."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spaces"])
def test_long_names_get_numbers(stack, run, tmp_path):
    """A name as long as the file system allows leaves room for a number."""
    long = "ö" * 125
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    assert run("fit", "--output=a/" + long + ".ptm", "--", stack)[0] == 0
    shutil.copy(tmp_path / "a" / f"{long}.ptm", tmp_path / "b" / f"{long}.ptm")
    status, _, _ = run("convert", "a", "b", "--to", "ptm", "--out", "c")
    assert status == 0
    made = sorted(path.name for path in (tmp_path / "c").glob("[!.]*"))
    assert made == sorted([f"{long}.ptm", "ö" * 124 + "-2.ptm"])
