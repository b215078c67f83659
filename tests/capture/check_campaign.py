"""What ``drti check`` finds in made-up captures, spoilt ones and sound ones, against the truth.

``python -m tests.capture.check_campaign --captures 200 --seed 1 --jobs 2`` looks at 200 captures
with one to three faults and at 200 sound ones, and prints recall by kind of fault and the share of
sound captures with an alarm. Names are ``f`` (faults) or ``s`` (sound) and the capture's number.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from drti_core.capture.check import check
from drti_core.formats.lp import write_lp
from drti_core.registry.doors import open_stack
from drti_core.stack.samples.capture_plan import FAULT_KINDS, FaultKind
from drti_core.stack.samples.made_up import make_capture
from tests.capture.campaign import Row, arguments, photographs, quantiles, run

#: What a check calls each fault.
CALLED: dict[FaultKind, tuple[str, ...]] = {
    "misfire": ("misfire",),
    "exchanged": ("exchanged",),
    "exposure": ("exposure", "exif"),
    "shift": ("moved",),
    "blur": ("blurred",),
    "duplicate": ("duplicate",),
    "light": ("light",),
}


def measure(name: str, given: argparse.Namespace) -> Row:
    """Check one capture."""
    seed = 1000 * given.seed + int(name[1:])
    draw = np.random.default_rng([seed, 99])
    count = int(draw.integers(1, 4))
    kinds = [FAULT_KINDS[k] for k in draw.choice(len(FAULT_KINDS), count, replace=False)]
    capture = make_capture(seed, given.photographs, faults=kinds if name[0] == "f" else ())
    folder = photographs(capture, name, given.keep)
    truth = capture.truth
    write_lp(folder / "dirs.lp", truth.names, truth.listed_lights(), overwrite=True)
    result = check(open_stack(folder / "dirs.lp"))
    return {
        "seed": seed,
        "faults": [
            {"kind": f.kind, "photographs": f.photographs, "amount": round(f.amount, 2)}
            | ({"in_exif": f.in_exif} if f.kind == "exposure" else {})
            for f in truth.faults
        ],
        "told": [
            {"kind": f.kind, "photographs": list(f.photographs), "amount": f.amount}
            for f in result.findings
            if f.grave
        ],
        "sound": result.sound,
    }


def named(fault: Row, told: list[Row]) -> bool:
    """Whether a finding of the right kind names all photographs that it must."""
    wanted = fault["photographs"]
    return any(
        item["kind"] in CALLED[fault["kind"]] and set(wanted) <= set(item["photographs"])
        for item in told
    )


def noticed(fault: Row, told: list[Row]) -> bool:
    """Whether any finding names one of its photographs."""
    return any(set(fault["photographs"]) & set(item["photographs"]) for item in told)


def others(row: Row) -> list[Row]:
    """Findings about photographs that no fault concerns, or about none."""
    spoilt = {number for fault in row["faults"] for number in fault["photographs"]}
    return [item for item in row["told"] if not set(item["photographs"]) & spoilt]


def table(rows: list[Row]) -> str:
    """The campaign's result as text."""
    failed = [row for row in rows if "error" in row]
    spoilt = [row for row in rows if "error" not in row and row["name"][0] == "f"]
    sound = [row for row in rows if "error" not in row and row["name"][0] == "s"]
    lines = [
        f"{len(spoilt)} captures with faults, {len(sound)} sound ones, {len(failed)} in an error"
    ]
    count, right, seen = Counter[str](), Counter[str](), Counter[str]()
    for row in spoilt:
        for fault in row["faults"]:
            kind = fault["kind"]
            count[kind] += 1
            right[kind] += named(fault, row["told"])
            seen[kind] += noticed(fault, row["told"])
    for kind in FAULT_KINDS:
        lines.append(f"  {kind:10} {right[kind]}/{count[kind]} named; noticed {seen[kind]}")
    total = max(1, count.total())
    lines.append(
        f"recall: {right.total()}/{count.total()} ({right.total() / total:.1%}); "
        f"noticed {seen.total() / total:.1%}"
    )
    alarms = [row for row in sound if not row["sound"]]
    share = len(alarms) / max(1, len(sound))
    lines.append(f"alarms in sound captures: {len(alarms)}/{len(sound)} ({share:.1%})")
    beside = sum(len(others(row)) for row in spoilt)
    lines.append(f"findings about sound photographs of spoilt captures: {beside}")
    lines.append("processor seconds: " + quantiles(row["seconds"] for row in rows))
    lines += ["", "captures to look at (name, seed: what):"]
    for row in rows:
        said = why(row)
        if said:
            lines.append(f"  {row['name']}, {row.get('seed', '')}: {said}")
    return "\n".join(lines)


def why(row: Row) -> str:
    """What is wrong with an answer, in one line; "" of a right one."""
    if "error" in row:
        return str(row["error"].strip().splitlines()[-1])
    missed = [fault for fault in row["faults"] if not named(fault, row["told"])]
    parts = [f"missed {fault}" for fault in missed]
    parts += [f"false {item}" for item in others(row)]
    if missed and row["told"]:
        parts.append(f"told {[(item['kind'], item['photographs']) for item in row['told']]}")
    return "; ".join(parts)


def main() -> None:
    """Run the campaign and print its table."""
    given = arguments("check_campaign", __doc__ or "")
    numbers = range(given.first, given.first + given.captures)
    names = [f"{kind}{number:03d}" for number in numbers for kind in "fs"]
    text = f"seed {given.seed}\n{table(run(given, names, measure))}\n"
    (given.keep / "table.txt").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
