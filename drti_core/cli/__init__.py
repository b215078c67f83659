"""The command line: ``drti info | fit | convert | relight | evaluate | …``.

Each verb is one module, a thin call of public functions. Exit status: 0 done, 1 an error (one
line on the error output), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    from drti_core.cli.app import app

    # A file name may hold what the terminal's encoding cannot express.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=None if argv is None else list(argv), prog_name="drti")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
