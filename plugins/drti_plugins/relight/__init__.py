"""``drti-relight-cli``: the arguments and outputs of relight-cli, by drti (docs/relight-cli.md).

A script that calls relight-cli needs only the name changed. Facts about relight-cli were measured
with its program and its files; none of its code is here.
"""

from __future__ import annotations

from collections.abc import Sequence

from drti_core.cli import process


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``drti-relight-cli``; see :func:`drti_plugins.relight.command.main`.

    Args:
        argv: arguments without the program's name; without them the process is the program, takes
            its own, and is ended by signals from here on.

    Returns:
        The exit status.
    """
    process.begin(program=argv is None)
    from drti_plugins.relight import command

    return process.end(command.main(argv))
