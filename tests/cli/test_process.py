"""Signals, closed streams and a lost folder: a program of drti ends quietly, with its status."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from drti_core import demo_stack, get_codec, save_model
from drti_core.cli import main, process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux")

#: What an installed command consists of.
DRTI = "import re, sys; from drti_core.cli import main; sys.exit(main())"
DROP_IN = "import re, sys; from drti_plugins.relight import main; sys.exit(main())"
#: At which a program is interrupted.
MOMENTS = 20
WORDS = {
    signal.SIGINT: (130, "interrupted\n"),
    signal.SIGTERM: (143, "terminated\n"),
    signal.SIGHUP: (129, "hung up\n"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("process") / "coin.ptm"
    save_model(get_codec("ptm").fit(demo_stack((24, 32), 12)), path)
    return path


def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **(pipes | options))


def worked(pid: int) -> float:
    """Seconds that a process has had a core, to the hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def cost(code: str, *arguments: object) -> float:
    """Seconds on a core of a whole run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with start(code, *arguments) as running:
        running.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_ctrl_c_at_any_moment():
    """Moments of work, not of the clock, so that a busy machine asks the same; of the start."""
    # Before 50 ms, or what a slow machine takes instead, Python itself is still starting.
    first = max(0.05, 1.3 * cost(DRTI.partition(" sys.exit")[0]))
    done = (DRTI, "--version"), (DROP_IN, "-Z")
    lasts = [cost(*each) for each in done]
    ended = {}
    for number in range(MOMENTS):
        program = number % 5 == 4
        moment = first + (lasts[program] - first) * number / (MOMENTS - 1)
        with start(*done[program]) as running:
            while running.poll() is None and worked(running.pid) < moment:
                time.sleep(0.003)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        ended[round(1000 * moment), program] = running.returncode
        if running.returncode == 130:
            assert err in ("", "interrupted\n")
        else:  # all was done and told
            assert (running.returncode, bool(out), bool(err)) == (
                int(program),
                not program,
                program,
            )
            assert "Traceback" not in err
    assert sum(status == 130 for status in ended.values()) >= MOMENTS // 2, ended


@pytest.mark.slow
@pytest.mark.parametrize("module", ["numpy._core._multiarray_umath", "typer.main"])
def test_ctrl_c_in_the_middle_of_an_import(module, model):
    code = (
        "import os, signal, sys\n"
        "def hook(event, arguments):\n"
        f"    if event == 'import' and arguments[0] == {module!r}:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hook)\n"
    )
    with start(code + DRTI, "info", model) as running:
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "interrupted\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", list(WORDS), ids=lambda number: number.name)
def test_a_verb_is_ended_and_cleans(number, model, tmp_path):
    out = tmp_path / "frames"
    command = ("relight", model, "--path", "circle", "--frames", "100000", "-o", out)
    with start(DRTI, *command) as running:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".drti-*/frame-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(number)
        if number == signal.SIGHUP:
            running.send_signal(number)  # the shell tells of the terminal, and so does the kernel
        try:
            said, err = running.communicate(timeout=60)
        finally:
            running.kill()  # leaving the block waits for it
    assert (running.returncode, said, err) == (WORDS[number][0], "", WORDS[number][1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupt_that_got_lost_is_raised_again():
    """As in the import of something optional that is left out if it fails."""
    code = (
        "import signal, sys, time\n"
        "from drti_core.cli import process\n"
        "with process.Ending() as ending:\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        time.sleep(3)  # cleaning is left in peace\n"
        "        print('cleaned')\n"
        "    try:\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        print('again')\n"
    )
    with start(code) as running:
        assert running.communicate(timeout=50) == ("cleaned\nagain\n", "")


def test_what_is_ignored_stays_so():
    """A program started by nohup, or in the background of a script."""
    code = (
        "import signal, sys\n"
        "for number in (signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
        "from drti_core.cli import process\n"
        "process.begin()\n"
        "with process.Ending() as ending:\n"
        "    for number in (signal.SIGINT, signal.SIGHUP): signal.raise_signal(number)\n"
        "sys.exit(process.end(7 + (ending.number or 0)))\n"
    )
    with start(code) as running:
        assert running.communicate() == ("", "")
    assert running.returncode == 7


def test_an_interrupt_that_comes_as_another_error(monkeypatch, capsys, model):
    """As out of an import of numpy's or onnxruntime's."""

    def turned(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("pages of advice") from error

    monkeypatch.setattr("drti_core.cli.info.describe_file", turned)
    before = [signal.getsignal(number) for number in WORDS]
    assert main(["info", str(model)]) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert [signal.getsignal(number) for number in WORDS] == before


@pytest.mark.parametrize("number", list(WORDS), ids=lambda number: number.name)
def test_an_interrupt_that_python_drops_is_raised_again(number, capsys):
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(number)

    hook = sys.unraisablehook
    ending = process.Ending()

    def work() -> None:
        with ending:
            Dropped()
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (ending.status, f"{ending.word}\n") == WORDS[number]
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_other_dropped_errors_are_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Dropped:
        def __del__(self) -> None:
            raise ZeroDivisionError

    with process.Ending():
        Dropped()
    assert [each.exc_type for each in told] == [ZeroDivisionError]


def test_signals_in_quick_succession_are_one(monkeypatch):
    cleaned, ending = [], process.Ending()

    def work() -> None:
        with ending:
            try:
                signal.raise_signal(signal.SIGHUP)
            finally:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (cleaned, ending.status) == ([True], 129)
    with process.Ending() as ending:
        for _ in range(2):  # who insists later is heard
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(ending, "_since", -process._SAME)


def test_in_a_thread_no_signal_is_touched(model):
    """A program may call verbs in threads of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(main(["info", str(model)])))
    thread.start()
    thread.join()
    assert found == [0]


@pytest.mark.slow
def test_closed_streams(model, tmp_path):
    def ran(redirected: str, *arguments: object) -> tuple[int, str, str]:
        line = f'"$@" {redirected}; echo "${{PIPESTATUS[0]}}"'
        command = ["bash", "-c", line, "bash", sys.executable, "-c", DRTI, *map(str, arguments)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=environment
        )
        *out, status = done.stdout.splitlines()
        return int(status), "\n".join(out), done.stderr

    assert ran("| head -c 0", "info", model) == (1, "", "")
    assert ran("| head -c 0", "info", model, "--json") == (1, "", "")
    full = "error: standard output: No space left on device\n"
    assert ran("> /dev/full", "info", model) == (1, "", full)
    assert ran("> /dev/full", "plugins") == (1, "", full)
    assert ran(">&-", "info", model) == (0, "", "")
    assert ran("2>&-", "info", tmp_path / "none") == (1, "", "")
    assert ran("2> /dev/full", "info", tmp_path / "none") == (1, "", "")
    assert ran("<&- >&- 2>&-", "info", model) == (0, "", "")


@pytest.mark.slow
def test_the_working_folder_is_gone(model, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    code = "import os; os.rmdir(os.getcwd()); " + DRTI
    with start(code, "info", model, cwd=folder) as running:
        out, err = running.communicate()
    assert (running.returncode, err) == (0, "")
    assert "ptm" in out
    folder.mkdir()
    with start(code, "convert", model, "out.ptm", cwd=folder) as running:
        out, err = running.communicate()
    assert (running.returncode, out) == (1, "")
    assert err == "error: the working folder: No such file or directory\n"


#: Works, forks, and does the same work in the child; prints the child's exit status.
FORKED = """
import os, signal, sys
import drti_core as drti
model = drti.get_codec("ptm").fit(drti.demo_stack((300, 400), 12))
def work(folder):
    drti.export(model, folder, exporter="openlime:layout=deepzoom")
    drti.open_model(folder).relight_uint8([[0, 0, 1]], runtime="onnx")
work(sys.argv[1])
child = os.fork()
if child == 0:
    signal.alarm(60)  # instead of waiting for threads that stayed behind
    work(sys.argv[2])
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.slow
def test_a_fork_after_threads_worked(tmp_path):
    """libvips' threads, onnxruntime's and drti's own stay behind, and are started anew."""
    pytest.importorskip("pyvips", reason="the extra tiles is not installed")
    with start(FORKED, tmp_path / "a", tmp_path / "b") as running:
        out, err = running.communicate(timeout=120)
    assert (running.returncode, out) == (0, "0\n"), err
    assert (tmp_path / "b" / "index.html").is_file()


def children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text().split())
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def many(model, tmp_path) -> list[object]:
    """A batch that takes a while in two processes."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(300):
        os.link(model, sources / f"{number}.ptm")
    return ["convert", sources, "--to", "folder", "--out", tmp_path / "out", "--jobs", 2]


def workers_of(running: subprocess.Popen[str]) -> list[int]:
    deadline = time.monotonic() + 60
    while len(children(running.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    found = children(running.pid)
    assert len(found) == 2
    return found


@pytest.mark.slow
@pytest.mark.parametrize("early", [True, False])
def test_workers_go_with_what_started_them(early, many, tmp_path):
    with start(DRTI, *many) as running:
        workers = workers_of(running)
        deadline = time.monotonic() + 60
        while not early and not list((tmp_path / "out").glob("[0-9]*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.kill()
        running.communicate()
    while not all(map(gone, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [gone(worker) for worker in workers] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_what_a_terminal_sends_to_all(number, many):
    """Workers that are just starting say nothing of it either."""
    with start(DRTI, *many, start_new_session=True) as running:
        workers = workers_of(running)
        time.sleep(0.05)
        os.killpg(running.pid, number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (WORDS[number][0], "", WORDS[number][1])
    assert all(map(gone, workers))


@pytest.mark.slow
def test_stopped_and_continued(many, tmp_path):
    for path in list((tmp_path / "sources").iterdir())[40:]:
        path.unlink()
    with start(DRTI, *many, start_new_session=True) as running:
        while worked(running.pid) < 0.2:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGSTOP)
        time.sleep(0.2)
        os.killpg(running.pid, signal.SIGCONT)
        out, err = running.communicate(timeout=200)
    assert (running.returncode, err) == (0, "")
    assert len(list((tmp_path / "out").glob("[0-9]*"))) == 40
    assert out
