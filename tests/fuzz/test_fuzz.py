"""A short campaign, the same inputs every time; ``run_campaign`` runs as many as are asked for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drti_core.registry.catalogue import registry
from tests.fuzz.check import open_input
from tests.fuzz.entries import Files, put
from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import seeds

SEEDS = seeds()


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_valid(name: str, tmp_path: Path) -> None:
    """Else mutations of them would test nothing."""
    seed = SEEDS[name]
    put(seed.files, tmp_path / "in")
    expected = "UnsupportedFormatError" if seed.reader == "foreign" else "opened"
    assert open_input(seed, tmp_path / "in") == (seed.reader, expected)


def test_every_reader_has_a_seed() -> None:
    missing = set(registry().readers.load_all()) - {seed.reader for seed in SEEDS.values()}
    assert missing == set(), "add a small valid input of it to tests/fuzz/seeds.py"


@pytest.mark.slow
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.sampled_from(sorted(SEEDS)), number=st.integers(0, 2**32))
def test_mutations(tmp_path: Path, name: str, number: int) -> None:
    """They are opened or refused by drti's own errors."""
    seed = SEEDS[name]
    files = mutated(seed, random.Random(number), list(SEEDS.values()))
    put(files, tmp_path / "in")
    reader, result = open_input(seed, tmp_path / "in")
    assert reader or result != "opened"


@pytest.mark.slow
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(sorted(SEEDS)),
    cut=st.floats(0, 1, exclude_max=True),
    tail=st.binary(max_size=40),
)
def test_cut_and_continued(tmp_path: Path, name: str, cut: float, tail: bytes) -> None:
    """Cut anywhere, and continued with bytes that hypothesis finds."""
    seed = SEEDS[name]
    files: Files = dict(seed.files)
    for file in sorted(files, key=lambda file: len(seed.files[file]))[:1]:
        files[file] = seed.files[file][: int(cut * len(seed.files[file]))] + tail
    put(files, tmp_path / "in")
    reader, result = open_input(seed, tmp_path / "in")
    assert reader or result != "opened"
