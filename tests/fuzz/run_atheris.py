"""Coverage-guided fuzzing: ``python -m tests.fuzz.run_atheris [libFuzzer options] [corpus]``.

The first byte of an input chooses a seed and the second one of its files, whose content is the
rest. Without a corpus folder the seeds' own files are the first inputs. Needs the extra ``fuzz``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["drti_core"]):
    from tests.fuzz.check import open_input, put
    from tests.fuzz.seeds import seeds

SEEDS = list(seeds().values())
FOLDER = Path(tempfile.mkdtemp(prefix="drti-atheris-")) / "in"


def one_input(data: bytes) -> None:
    """Open one input; any exception but drti's own is a finding."""
    if len(data) < 2:
        return
    seed = SEEDS[data[0] % len(SEEDS)]
    files = dict(seed.files)
    files[sorted(files)[data[1] % len(files)]] = data[2:]
    put(files, FOLDER)
    open_input(FOLDER / seed.target)


def write_corpus(folder: Path) -> None:
    """The inputs that are the seeds themselves."""
    for number, seed in enumerate(SEEDS):
        for place, name in enumerate(sorted(seed.files)):
            path = folder / f"{number}-{place}"
            path.write_bytes(bytes([number, place]) + seed.files[name])


def main() -> None:
    """Run libFuzzer, which does not return."""
    arguments = sys.argv
    if not any(Path(argument).is_dir() for argument in arguments[1:]):
        corpus = Path(tempfile.mkdtemp(prefix="drti-corpus-"))
        write_corpus(corpus)
        arguments = [*arguments, str(corpus)]
    atheris.Setup(arguments, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
