"""The command line: ``drti info | fit | convert | relight | evaluate | …``.

Each verb is one module, a thin call of public functions. Exit status: 0 done, 1 an error (one
line on the error output), 2 wrong usage, 74 the machine's trouble (a full disk, no permission to
write, no more memory, threads or open files), 130 interrupted (143 terminated, 129 hung up).
"""

from __future__ import annotations

from collections.abc import Sequence

from drti_core.cli import process


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; without them the process is the program, takes
            its own, and is ended by signals from here on.

    Returns:
        The exit status.
    """
    process.begin(program=argv is None)
    from drti_core.cli.app import app

    try:
        app(args=None if argv is None else list(argv), prog_name="drti")
    except SystemExit as end:
        return process.end(end.code if isinstance(end.code, int) else int(end.code is not None))
    return process.end(0)
