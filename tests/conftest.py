"""Fixtures shared by the tests."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.helpers import passed, real_files
from tests.helpers.browser import Chromium
from tests.helpers.train import CAN_TRAIN, WHY

# How fast a busy machine is says nothing about an example.
hypothesis.settings.register_profile("drti", deadline=None)
hypothesis.settings.load_profile("drti")


#: Where Linux keeps files in memory, and the room that the tests ask for there; they take a tenth.
MEMORY, ROOM = Path("/dev/shm"), 2 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests a folder of their own, and what they start signals as in a terminal.

    A background shell ignores Ctrl-C and nohup SIGHUP, and so would the children of the tests.
    """
    passed.register(config)
    if config.getoption("numprocesses", None):
        # A worker for each core: threads of their own would wait for each other (a quarter of all
        # the time of the tests, most of it on matrices of a few lights).
        for library in ("OPENBLAS", "OMP"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    if not hasattr(config, "workerinput"):  # workers inherit the folders
        # Thousands of outputs are flushed to the disk, which takes as long as all that is computed:
        # in memory it takes nothing. ``--basetemp`` chooses another place, whose folders stay.
        enough = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
        os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="drti-", dir=MEMORY if enough else None)
        tempfile.tempdir = None  # is found anew
    # Notes of what is being written are each worker's own, and those of the processes it starts.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="state-")
    # The tests themselves go on under nohup; what has a handler here has none in a new program.
    handlers = {"SIGINT": signal.default_int_handler, "SIGHUP": lambda *_: None}
    if threading.current_thread() is threading.main_thread():
        for name, handler in handlers.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of the tests."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need; skip what trains where it cannot."""
    for item in items:
        needed = getattr(item, "fixturenames", ())
        if "data" in needed:
            item.add_marker(pytest.mark.data)
        if "chromium" in needed:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("train") and not CAN_TRAIN:
            item.add_marker(pytest.mark.skip(reason=WHY))


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real files; see :mod:`tests.helpers.real_files`."""
    folder = real_files.folder()
    if not folder.is_dir():
        pytest.skip(f"no real files: set DRTI_DATA (looked for {folder})")
    return folder


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """Call it with a renderer for a headless browser; it skips where that is missing."""
    browsers = Chromium()
    yield browsers
    browsers.close()
