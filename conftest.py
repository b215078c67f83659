"""Doctests of modules that cannot be imported where an extra is missing."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = (
    [] if find_spec("torch") else ["drti_core/training/*.py", "tests/fuzz/resumed.py"]
)
