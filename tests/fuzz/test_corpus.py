"""What fuzzing guided by coverage found is opened, or refused by errors of drti's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, open_bytes, readers

FILES = sorted(CORPUS.glob("*/*"))


@pytest.mark.slow
@pytest.mark.parametrize("reader", sorted({file.parent.name for file in FILES}))
def test_the_corpus(reader: str, tmp_path: Path) -> None:
    if reader not in readers():
        pytest.skip(f"{reader} needs a package that is not installed")
    for file in FILES:
        if file.parent.name == reader:
            claimed, result = open_bytes(reader, file.read_bytes(), tmp_path / "in")
            assert claimed or result != "opened", file.name


def test_the_corpus_is_small() -> None:
    assert FILES, "run python -m tests.fuzz.run_atheris READER --take 12"
    assert max(file.stat().st_size for file in FILES) <= 4096
    assert sum(file.stat().st_size for file in FILES) <= 256 << 10
