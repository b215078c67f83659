"""Fuzzing guided by coverage: ``python -m tests.fuzz.run_atheris READER [libFuzzer options]``.

Starts from the seeds of the reader and from ``tests/fuzz/corpus/READER``; half of the changes are
those of :mod:`tests.fuzz.mutations`, half libFuzzer's. ``--take 12`` puts twelve of the inputs
that reached something new into the corpus, after ``-max_total_time=60`` seconds say. Needs
the extra ``fuzz``.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["drti_core"]):
    from tests.fuzz.mutations import changed
    from tests.fuzz.targets import CORPUS, HEAD, open_bytes, own, readers

#: Largest input of the corpus in the repository.
_LARGEST = 2000


def fuzz(reader: str, options: list[str], folders: list[str]) -> None:
    """Run libFuzzer, which does not return."""
    scratch = Path(tempfile.mkdtemp(prefix="drti-atheris-")) / "in"

    def one_input(data: bytes) -> None:
        open_bytes(reader, data, scratch)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if len(data) <= HEAD or rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return (data[:HEAD] + changed(data[HEAD:], rng))[:most]

    for content in own(reader):  # what is loaded once is no input's
        open_bytes(reader, content, scratch)
    atheris.Setup([sys.argv[0], *options, *folders], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def take(reader: str, found: Path, count: int) -> None:
    """Put some new inputs, of all sizes up to the largest, into the corpus beside what is there."""
    folder = CORPUS / reader
    folder.mkdir(parents=True, exist_ok=True)
    new = {path.read_bytes() for path in found.iterdir()}
    fitting = sorted((each for each in new if len(each) <= _LARGEST), key=lambda e: (len(e), e))
    for content in fitting[:: max(1, -(-len(fitting) // count))]:
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()[:12]
        (folder / name).write_bytes(content)
    print(f"{len(list(folder.iterdir()))} inputs in {folder}")


def main() -> int:
    """Fuzz in a process of its own, then take what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=readers())
    parser.add_argument("--take", type=int, default=0, help="so many inputs into the corpus")
    parser.add_argument("--found", type=Path, help="folder of what reaches something new")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given, options = parser.parse_known_args()
    found = given.found or Path(tempfile.mkdtemp(prefix="drti-corpus-"))
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as start:
        for number, content in enumerate(own(given.reader)):
            (Path(start) / str(number)).write_bytes(content)
        kept = [str(CORPUS / given.reader)] if (CORPUS / given.reader).is_dir() else []
        if given.child:
            fuzz(given.reader, options, [str(found), start, *kept])
        command = [sys.executable, "-m", "tests.fuzz.run_atheris", given.reader, "--child"]
        done = subprocess.run([*command, "--found", str(found), *options], check=False)
    print(f"what reached something new: {found}")
    if given.take:
        take(given.reader, found, given.take)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
