"""SIGKILL at any moment: outputs are absent, old or whole, and the next run clears up."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from drti_core.cli import main
from drti_core.errors import FormatError, OutputExistsError
from drti_core.io import outputs
from drti_core.jobs.journal import NAME as JOURNAL
from drti_core.jobs.journal import identity_of, load, save
from drti_core.measure.tour import write_stack
from drti_core.registry import doors
from drti_core.stack.samples.demo import make_stack
from drti_core.workflow import many

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")

MOMENTS = 20
#: What a run is held to last of what it was, once a kill came too late: it was timed when others
#: had the processor.
LATE = 0.8
SIZE = (48, 64)
HELPER = Path(__file__).parents[1] / "helpers" / "kill_helper.py"


class Killer:
    """Runs command lines in processes that are killed; see kill_helper.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HELPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def run(self, *argv, delay=None, rename=None, two_steps=False, group=False, after=None):
        """(exit status, seconds); killed after a delay, or before a rename of that number."""
        order = {"argv": [str(word) for word in argv], "delay": delay, "rename": rename}
        order |= {"two_steps": two_steps, "group": group, "after": after}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["seconds"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def killer():
    found = Killer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Path:
    return write_stack(make_stack(SIZE, 20), tmp_path_factory.mktemp("stacks") / "photographs")


@pytest.fixture(scope="module")
def models(stack, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    assert main(["fit", str(stack), "-o", str(folder / "a.ptm")]) == 0
    assert main(["fit", str(stack), "-o", str(folder / "b"), "--image", "png"]) == 0
    return folder


def content(path: Path) -> str | None:
    """A digest of everything in a file or folder; None if it is not there."""
    if not path.exists():
        return None
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path)).encode())
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".drti-") and p.name != JOURNAL]


COMMANDS = {
    "ptm": ("convert {models}/a.ptm {out}", "out.ptm"),
    "rti": ("convert {models}/b {out}", "out.rti"),
    "folder of jpg": ("convert {models}/a.ptm {out}", "out"),
    "folder of png": ("convert {models}/a.ptm {out} -O image=png", "out"),
    "relit png": ("relight {models}/a.ptm --light 0.3,0.2 -o {out}", "out.png"),
    "relit float": ("relight {models}/a.ptm --light 0.3,0.2 --float -o {out}", "out.tif"),
    "lp": ("convert {stack} {out}", "out.lp"),
    "page": ("export {models}/a.ptm --to html -o {out}", "out.html"),
    "page in a folder": ("export {models}/a.ptm --to html -O form=folder -o {out}", "out"),
    "openlime": ("export {models}/a.ptm --to openlime --layout deepzoom -o {out}", "out"),
    "fit": ("fit {stack} -o {out} --codec hsh", "out"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMANDS)
def test_writers(kind, killer, models, stack, tmp_path):
    line, name = COMMANDS[kind]
    out = tmp_path / name
    argv = [word.format(models=models, stack=stack, out=out) for word in line.split()]
    killer.run(*argv)  # files of the system are read for the first time
    killer.run(*argv, "--overwrite")
    status, seconds = killer.run(*argv, "--overwrite")
    assert status == 0
    whole = content(out)
    moments = random.Random(kind)
    killed = 0
    for number in range(3 * MOMENTS):
        if number >= MOMENTS and killed >= MOMENTS // 2:
            break
        delay = seconds * (number % MOMENTS + moments.random()) / MOMENTS
        old = None
        if number % 2:
            # Over something old, which is told apart by its content.
            if out.is_dir():
                # In a file of its own: a page's folder is not replaced if it holds another's.
                min(path for path in out.rglob("*") if path.is_file()).write_text("old")
            else:
                out.write_text("old")
            old = content(out)
        elif out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)
        status, _ = killer.run(*argv, "--overwrite", delay=delay, two_steps=number % 4 == 3)
        if status == -9:
            killed += 1
        else:
            seconds *= LATE
        outputs.clean(tmp_path)
        assert content(out) in (old, whole)
        assert leftovers(tmp_path) == []
    assert killer.run(*argv, "--overwrite")[0] == 0
    assert content(out) == whole
    assert killed >= MOMENTS // 2


@pytest.mark.parametrize("rename", range(4))
def test_between_the_two_renames(rename, killer, models, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(models / "b", out)
    old = content(out)
    argv = ["convert", models / "a.ptm", out, "--overwrite"]
    status, _ = killer.run(*argv, rename=rename, two_steps=True)
    if rename == 3:
        assert status == 0  # moved aside, moved in, marked as rubbish: three
        return
    assert status == -9
    assert out.exists() == (rename != 1)
    # The new folder, and beside it the old one or (at first) an empty place for it.
    assert len(leftovers(tmp_path)) == (1 if rename == 2 else 2)
    model = doors.open_model(out)  # puts the old one back where it is missing
    assert model.codec_id == ("ptm" if rename == 2 else "hsh")
    if rename < 2:
        assert content(out) == old
    outputs.clean(tmp_path)
    assert leftovers(tmp_path) == []


def test_the_next_write_puts_back_too(killer, models, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(models / "b", out)
    old = content(out)
    killer.run("convert", models / "a.ptm", out, "--overwrite", rename=1, two_steps=True)
    assert not out.exists()
    with pytest.raises(OutputExistsError) as caught:
        doors.save_model(doors.open_model(models / "a.ptm"), out)
    assert str(caught.value) == (
        f"{out}: exists already. Choose another name, or ask for it to be overwritten."
    )
    assert content(out) == old
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_batch(killer, models, tmp_path):
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(6):
        shutil.copy(models / "a.ptm", sources / f"coin {number}.ptm")
    shutil.copytree(models / "b", sources / "b")
    argv = ["convert", sources, "--to", "folder", "--jobs", 2, "--out"]
    whole = tmp_path / "whole"
    assert killer.run(*argv, whole)[0] == 0
    expected = {path.name: content(path) for path in whole.iterdir() if path.name != JOURNAL}
    assert len(expected) == 7
    status, seconds = killer.run(*argv, whole, "--overwrite")
    assert status == 0
    out = tmp_path / "out"
    moments = random.Random("batch")
    killed = resumed = 0
    # Five kills in a fresh folder and a resumption, then five that overwrite it and another.
    for number in range(10):
        delay = seconds * (number % 5 + moments.random()) / 5
        more, after = ["--overwrite"], None
        if number // 5 % 2 == 0:
            # So many outputs are there, and a little later.
            more, after, delay = [], (str(out), number % 5), moments.random() * 0.05
        status, _ = killer.run(*argv, out, *more, delay=delay, after=after, group=number % 2 == 0)
        if status == -9:
            killed += 1
        elif more:
            seconds *= LATE
        found = {p.name: content(p) for p in out.iterdir()} if out.exists() else {}
        for name in found:
            if not name.startswith(".drti-"):
                assert found[name] == expected[name]
        if number % 5 == 4:
            report = many.convert_many([sources], out, jobs=2)
            assert report.ok
            assert set(report.counts) <= {"converted", "unchanged"}
            resumed += report.counts.get("unchanged", 0)
            outputs.clean(out)
            assert {p.name: content(p) for p in out.iterdir() if p.name != JOURNAL} == expected
            assert leftovers(out) == []
            assert many.convert_many([sources], out).counts == {"unchanged": 7}
            if number // 5 % 2:
                shutil.rmtree(out)
    assert killed >= 5
    assert resumed >= 4


@pytest.mark.slow
def test_a_broken_overwriting_goes_on(models, tmp_path):
    """What was to be replaced, and was not yet, is replaced when the batch is resumed."""
    shutil.copy(models / "a.ptm", tmp_path / "one.ptm")
    out = tmp_path / "out"
    assert many.convert_many([tmp_path / "one.ptm"], out).ok
    made = content(out / "one")
    (out / "one" / "info.json").write_text("spoilt")
    assert many.convert_many([tmp_path / "one.ptm"], out).counts == {"unchanged": 1}
    # As a run with overwrite=True leaves it when it is killed before the first output.
    entry = load(out)["one"]
    before = identity_of(out / "one")
    save(out, {"one": replace(entry, before=before)})
    assert many.convert_many([tmp_path / "one.ptm"], out).counts == {"converted": 1}
    assert content(out / "one") == made
    assert many.convert_many([tmp_path / "one.ptm"], out).counts == {"unchanged": 1}


def test_damaged_journal(models, tmp_path):
    (tmp_path / JOURNAL).write_text('{"version": 1, "outputs": {"a": {"source": 3}}}')
    with pytest.raises(FormatError) as caught:
        many.convert_many([models / "a.ptm"], tmp_path)
    journal = tmp_path / JOURNAL
    assert str(caught.value) == (
        f"the journal of an earlier batch is damaged ({journal}: $.outputs.a.source: 3; expected "
        f"a string). Delete {journal}; outputs that are there are then kept as they are."
    )
