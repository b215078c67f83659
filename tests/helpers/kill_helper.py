"""Runs command lines in forked children that are killed: imports are paid once.

Reads lines of JSON: {"argv": [...], "delay": seconds or null, "rename": number or null,
"two_steps": bool, "after": [folder, number of outputs] or null}.
Answers each with {"status": ..., "seconds": ...}.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

from drti_core.cli import main
from drti_core.io.outputs import system


class Killing(system.System):
    """Dies before a rename of that number, and may be a system without an exchange."""

    def __init__(self, rename: int | None, two_steps: bool) -> None:
        self.left, self.two_steps = rename, two_steps

    def step(self, call: str, path: Path) -> None:
        if call != "rename" or self.left is None:
            return
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def exchange(self, source: system.Folder, one: str, target: system.Folder, other: str) -> bool:
        return not self.two_steps and super().exchange(source, one, target, other)


def child(order) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    system.os_ = Killing(order["rename"], order["two_steps"])
    os._exit(main(order["argv"]))


def serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        start = time.monotonic()
        process = os.fork()
        if process == 0:
            child(order)
        if order["after"] is not None:
            folder, count = order["after"]
            while time.monotonic() - start < 30:
                if len(list(Path(folder).glob("[!.]*"))) >= count:
                    break
                time.sleep(0.002)
        if order["delay"] is not None:
            time.sleep(order["delay"])
            if order.get("group"):
                try:
                    os.killpg(process, signal.SIGKILL)
                except ProcessLookupError:
                    os.kill(process, signal.SIGKILL)  # before it had a group of its own
            else:
                os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        answer = {"status": status, "seconds": time.monotonic() - start}
        print(json.dumps(answer), flush=True)


def warm() -> None:
    """Import what the children need: each would do so anew."""
    import onnx  # noqa: F401
    import safetensors.numpy  # noqa: F401
    from PIL import Image

    import drti_core.cli.convert
    import drti_core.cli.export
    import drti_core.cli.fit
    import drti_core.cli.relight
    import drti_core.workflow.many  # noqa: F401

    Image.preinit()
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["plugins"]) == 0  # loads every plugin, and what parses a command line


if __name__ == "__main__":
    warm()
    serve()
