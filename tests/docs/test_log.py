"""What long work logs, and that the command line shows it when it is asked to."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest

import drti_core as drti
from drti_core.cli import main
from drti_core.progress import logged


@pytest.fixture
def model() -> drti.RelightableModel:
    return drti.get_codec("ptm").fit(drti.demo_stack((16, 20), 12))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Lines of the log, times left out."""
    return [
        f"{record.name}: {re.sub(r'[0-9.]+ s$', 'T s', record.getMessage())}"
        for record in caplog.records
        if record.name.startswith("drti")
    ]


def test_files_are_logged(model, tmp_path, caplog):
    source, out = tmp_path / "a.ptm", tmp_path / "b"
    drti.save_model(model, source)
    with caplog.at_level(logging.INFO, "drti_core"):
        drti.convert_file(source, out)
        drti.export_file(out, tmp_path / "c.onnx", exporter="onnx")
        with pytest.raises(drti.OutputExistsError):
            drti.convert_file(source, out)
    assert told(caplog) == [
        f"drti_core.workflow.convert: convert {source} {out}: begins",
        f"drti_core.workflow.convert: convert {source} {out}: done after T s",
        f"drti_core.workflow.export: export {out} {tmp_path / 'c.onnx'}: begins",
        f"drti_core.workflow.export: export {out} {tmp_path / 'c.onnx'}: done after T s",
        f"drti_core.workflow.convert: convert {source} {out}: begins",
        f"drti_core.workflow.convert: convert {source} {out}: broke off after T s",
    ]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


@pytest.mark.slow
def test_a_batch_names_its_items(model, tmp_path, caplog):
    drti.save_model(model, tmp_path / "a.ptm")
    with caplog.at_level(logging.INFO, "drti_core"):
        drti.convert_many([tmp_path / "a.ptm"], tmp_path / "out")
    about = f"drti_core.workflow.many: convert many {tmp_path / 'out'}"
    assert told(caplog) == [
        f"{about}: begins",
        f"drti_core.jobs.batch: converted: {tmp_path / 'a.ptm'}",
        f"{about}: done after T s",
    ]


def test_fits_and_evaluations_are_logged(tmp_path, caplog):
    stack = drti.demo_stack((16, 20), 12)
    with caplog.at_level(logging.INFO, "drti_core"):
        drti.evaluate([("ptm", drti.get_codec("ptm"))], stack, with_ssim=False)
        with pytest.raises(drti.MissingFileError):
            drti.fit_file(tmp_path / "no.lp", tmp_path / "out")
    about = f"drti_core.workflow.fit: fit and save {tmp_path / 'no.lp'} {tmp_path / 'out'}"
    assert told(caplog) == [
        "drti_core.measure.evaluation: evaluate: begins",
        "drti_core.registry.codec_calls: fit: begins",
        "drti_core.registry.codec_calls: fit: done after T s",
        "drti_core.measure.evaluation: evaluate: done after T s",
        f"{about}: begins",
        f"{about}: broke off after T s",
    ]


def test_a_logged_function_stays_what_it_is():
    @logged("add")
    def add(a: int, b: int = 1) -> int:
        """Sum."""
        return a + b

    assert add(2, b=3) == 5
    assert (add.__name__, add.__doc__) == ("add", "Sum.")


def test_nothing_is_shown_unless_it_is_asked_for(model, tmp_path, capsys):
    source = tmp_path / "a.ptm"
    drti.save_model(model, source)
    assert main(["convert", str(source), str(tmp_path / "b")]) == 0
    assert capsys.readouterr().err == ""
    assert main(["-v", "convert", str(source), str(tmp_path / "c")]) == 0
    begins, done = capsys.readouterr().err.splitlines()
    about = f"drti_core.workflow.convert: convert {source} {tmp_path / 'c'}"
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {re.escape(about)}: begins", begins)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {re.escape(about)}: done after [0-9.]+ s", done)
    # The next command of this process is silent again.
    assert main(["convert", str(source), str(tmp_path / "d")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_an_unconfigured_program_stays_silent():
    """No handler of last resort speaks up for the library."""
    code = (
        "import logging, drti_core; logging.getLogger('drti_core.x').warning('aloud'); "
        "print(logging.getLogger('drti_core').handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout == "[<NullHandler (NOTSET)>]\n"
