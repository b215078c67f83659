"""A run file does what its steps say, goes on where it was, and notes what was done."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from drti_core.cli import main
from drti_core.codecs.ptm import CODEC
from drti_core.jobs.campaign import digest_of
from drti_core.registry import doors
from drti_core.stack.samples.demo import make_stack

STEPS = """
[[step]]
verb = "convert"
from = ["old/*.ptm"]
out = "web"
to = "folder"
option = { image = "png" }

[[step]]
verb = "convert"
from = "web"
out = "ptm"
to = "ptm"
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "coin.ptm"
    doors.save_model(CODEC.fit(make_stack((16, 16), 8)), path)
    return path


def campaign(folder: Path, model: Path, text: str = STEPS) -> Path:
    (folder / "old").mkdir(parents=True)
    shutil.copy(model, folder / "old")
    file = folder / "campaign.toml"
    file.write_text(text)
    return file


def record(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((file.parent / "campaign.done.json").read_text())
    return found


@pytest.mark.slow
def test_a_campaign_is_done_noted_and_goes_on(model: Path, tmp_path: Path, capsys) -> None:
    file = campaign(tmp_path / "a", model)
    assert main(["run", str(file), "--jobs", "1"]) == 0  # names are relative to the file's folder
    assert "step 2 of 2: convert web -> ptm\n" in capsys.readouterr().out
    first = record(file)
    assert [step["counts"] for step in first["steps"]] == [{"converted": 1}] * 2
    (web,), (ptm,) = (step["items"] for step in first["steps"])
    assert (web["output"], ptm["output"]) == ("web/coin", "ptm/coin.ptm")
    assert web["digest"] == ptm["source_digest"] == digest_of([file.parent / "web" / "coin"])
    assert web["source_digest"] == digest_of([model])
    assert web["seconds"] > 0
    (file.parent / "ptm" / "coin.ptm").unlink()
    assert main(["run", str(file)]) == 0
    second = record(file)
    assert [step["counts"] for step in second["steps"]] == [{"unchanged": 1}, {"converted": 1}]
    assert second["steps"][0]["items"] == [web | {"status": "unchanged"}]
    assert second["steps"][1]["items"][0]["digest"] == ptm["digest"]


def test_commands_are_told_and_nothing_is_done(model: Path, tmp_path: Path, capsys) -> None:
    file = campaign(tmp_path, model)
    assert main(["run", str(file), "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "drti convert --to=folder --option=image=png --out web -- 'old/*.ptm'\n"
        "drti convert --to=ptm --out ptm -- web\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.toml", "old"]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('to = "ptm"', 'too = "ptm"', "$.step[1].too: is unknown; expected from, lights, option, "
         "reader, to, verb"),
        ('to = "ptm"', "overwrite = true", "$.step[1].overwrite: is unknown; expected from, "
         "lights, option, reader, to, verb"),
        ('to = "ptm"', "to = ['ptm']", '$.step[1].to: ["ptm"]; expected a text or a number'),
        ('to = "ptm"', "to = 2026-05-01", "$.step[1].to: is no text and no number; expected a "
         "text, a number, true or false"),
        ('"png"', "[1]", "$.step[0].option.image: is no text and no number; expected a text, a "
         "number, true or false"),
        ('verb = "convert"', 'verb = "info"', '$.step[0].verb: "info"; expected a verb of drti '
         "that takes --out"),
        ("from = [", "form = [", "$.step[0].from: is missing; expected a value"),
        ('"web"\nout', "[]\nout", "$.step[1].from: []; expected files, folders or patterns"),
        ("[[step]]", "steps = 1\n[[step]]", "$.steps: is unknown; expected record, step"),
        ("[[step]]", 'record = "../a"\n[[step]]', "$.record: the name '../a': it leads to another "
         "folder; expected the name of a file beside this one"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_before_work(
    old: str, new: str, text: str, model: Path, tmp_path: Path, capsys
) -> None:
    file = campaign(tmp_path, model, STEPS.replace(old, new, 1))
    assert main(["run", str(file)]) == 1
    assert capsys.readouterr().err == f"error: {file}: {text}\n"
    assert not (tmp_path / "web").exists()


def test_what_is_no_record_is_kept(model: Path, tmp_path: Path, capsys) -> None:
    file = campaign(tmp_path, model)
    other = tmp_path / "campaign.done.json"
    other.write_text('{"kind": "drti run", "steps": [1]}')
    with contextlib.chdir(tmp_path):
        assert main(["run", file.name]) == 1
    assert capsys.readouterr().err == (
        "error: campaign.done.json: exists already. Choose another name, or ask for it to be "
        "overwritten (--overwrite).\n"
    )
    file.write_text("[[step")
    assert main(["run", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {file}: Expected ")
