"""``drti-relight-cli``: the arguments and outputs of relight-cli, by drti (docs/relight-cli.md).

A script that calls relight-cli needs only the name changed. Facts about relight-cli were measured
with its program and its files; none of its code is here.
"""

from __future__ import annotations

from drti_plugins.relight.command import main

__all__ = ["main"]
