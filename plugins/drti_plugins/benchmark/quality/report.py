"""Tables and files of a quality benchmark."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drti_core.io import outputs, regular
from drti_core.io.pictures import figures
from drti_core.jobs import journal
from drti_core.jobs.journal import Entry
from drti_plugins.benchmark.collections import GROUPS
from drti_plugins.benchmark.quality.fit import Result
from drti_plugins.benchmark.quality.plots import Point, plot_quality
from drti_plugins.benchmark.quality.run import BASELINE, Quality

#: What is written beside the results.
_TEXTS = ("table.md", "results.csv", "results.json")
#: What the journal calls their writer.
_REPORT = "quality report"

_HOW = (
    "SynthRTI: fitted to Dome, tested on Test. RealRTI: five photographs held out, nearest to the "
    "10, 30, 50, 70 and 90 % quantiles of elevation. PSNR over rounded 8-bit RGB for each picture, "
    "then averaged; SSIM by scikit-image (Gaussian 11x11 window, sigma 1.5). Gain: PSNR less "
    f"that of {BASELINE} on the same photographs. CPU: of the fit, one thread, photographs decoded "
    "before, with that of its teachers, each fitted once."
)
_LEFT_OUT = (
    "The test photographs were not opened: {} of those to fit were left out, nearest to as many "
    "quantiles of elevation, and stand for them."
)


@dataclass(frozen=True)
class Mean:
    """One codec's mean over collections and seeds.

    Args:
        codec: its label.
        over: a group of collections, or one collection.
        collections: how many.
        psnr: dB.
        ssim: None where it was not taken.
        gain: dB over :data:`~drti_plugins.benchmark.quality.run.BASELINE`; None where that failed.
        worst_gain: the lowest of a collection and seed.
        seed_spread: largest difference in PSNR between seeds of one collection, dB.
        plane_bytes: of the planes as PNG.
        decoder_bytes: of the decoder's parameters; None where they are not known.
        parameters: likewise.
        multiply_adds: of a pixel; likewise.
        fit_cpu: CPU seconds of a fit.
    """

    codec: str
    over: str
    collections: int
    psnr: float
    ssim: float | None
    gain: float | None
    worst_gain: float | None
    seed_spread: float
    plane_bytes: float
    decoder_bytes: float | None
    parameters: float | None
    multiply_adds: float | None
    fit_cpu: float


def means(quality: Quality, *, by: str = "group") -> list[Mean]:
    """Means by ``group`` or by ``collection``, each codec's together, in order.

    A collection counts once, whatever its number of seeds.
    """
    keys = dict.fromkeys(getattr(result, by) for result in quality.results)
    order = [key for key in GROUPS if key in keys] if by == "group" else list(keys)
    base = _by_collection(r for r in quality.results if r.codec == BASELINE)
    found = []
    for key in order:
        for codec in quality.codecs:
            results = [r for r in quality.results if r.codec == codec and getattr(r, by) == key]
            if results:
                found.append(_mean(codec, key, results, base))
    return found


def _by_collection(results: Any) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.collection, []).append(result)
    return found


def _mean(codec: str, over: str, results: list[Result], base: dict[str, list[Result]]) -> Mean:
    each = _by_collection(results)

    def mean(value: Callable[[Result], float | None]) -> float | None:
        per = [_average([value(r) for r in seeds]) for seeds in each.values()]
        return _average(per)

    def gain(result: Result) -> float | None:
        if result.collection not in base:
            return None
        return result.psnr - base[result.collection][0].psnr

    psnr, cpu, planes = (mean(v) for v in (_psnr, lambda r: r.fit_cpu, lambda r: r.plane_bytes))
    assert psnr is not None
    assert cpu is not None
    assert planes is not None
    gains = [gain(result) for result in results]
    known = [value for value in gains if value is not None]
    return Mean(
        codec=codec,
        over=over,
        collections=len(each),
        psnr=psnr,
        ssim=mean(lambda r: r.ssim),
        gain=mean(gain),
        worst_gain=min(known) if len(known) == len(gains) else None,
        seed_spread=max(max(map(_psnr, seeds)) - min(map(_psnr, seeds)) for seeds in each.values()),
        plane_bytes=planes,
        decoder_bytes=mean(lambda r: r.decoder_bytes),
        parameters=mean(lambda r: r.parameters),
        multiply_adds=mean(lambda r: r.multiply_adds),
        fit_cpu=cpu,
    )


def _psnr(result: Result) -> float:
    return result.psnr


def _average(values: Sequence[float | None]) -> float | None:
    """The mean, or None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


HEADINGS = (
    "collections",
    "codec",
    "PSNR dB",
    "SSIM",
    "gain dB",
    "worst",
    "seeds ±",
    "planes kB",
    "decoder B",
    "MAC/px",
    "fit CPU s",
)


def rows(found: Sequence[Mean]) -> list[list[str]]:
    """Texts of a table under :data:`HEADINGS`."""

    def text(value: float | None, digits: int, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.{digits}f}"

    return [
        [
            f"{mean.over} ({mean.collections})" if mean.collections > 1 else mean.over,
            mean.codec,
            text(mean.psnr, 2),
            text(mean.ssim, 4),
            text(mean.gain, 2, "+"),
            text(mean.worst_gain, 2, "+"),
            text(mean.seed_spread / 2, 2),
            text(mean.plane_bytes / 1000, 0),
            text(mean.decoder_bytes, 0),
            text(mean.multiply_adds, 0),
            text(mean.fit_cpu, 1),
        ]
        for mean in found
    ]


def check_places(
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Check, before any work is done, that :func:`write_report` may write there.

    Raises:
        OutputExistsError: a file has the name of one of them that no earlier run has written.
        FormatError: the journal is damaged.
    """
    folder = Path(out)
    entries = journal.load(folder)
    for name in _names():
        ours = _is_ours(entries.get(name), regular.digest(folder / name))
        outputs.check_output(folder / name, ours or overwrite, inputs=inputs)


def write_report(
    quality: Quality, out: str | os.PathLike[str], *, overwrite: bool = False
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write ``table.md``, ``results.csv``, ``results.json`` and the plots into a folder.

    Those of an earlier run are replaced. They are known by their digests in the journal.

    Args:
        quality: what they tell.
        out: the folder.
        overwrite: replace others of their names too.

    Returns:
        What was written, and notes: without matplotlib there are no plots.

    Raises:
        OutputExistsError: a file has the name of one of them that no earlier run has written.
        FormatError: the journal is damaged.
    """
    folder = Path(out)
    check_places(folder, overwrite=overwrite)
    made = _made(quality)
    entries = journal.load(folder)
    noted, ours = {}, {}
    for name, data in made.items():
        before = regular.digest(folder / name)
        ours[name] = _is_ours(entries.get(name), before)
        # The old one counts too: a run may be killed before the new one is in its place.
        noted[name] = Entry(
            name, regular.digest_of(data), _REPORT, "", before if ours[name] else ""
        )
    journal.save(folder, entries | noted)
    for name, data in made.items():
        with outputs.atomic_file(folder / name, overwrite=ours[name] or overwrite) as temporary:
            temporary.write_bytes(data)
    paths = tuple(folder / name for name in made)
    return paths, () if len(made) > len(_TEXTS) else (_NO_PLOTS,)


def _names() -> list[str]:
    return [*_TEXTS, *(f"quality-{name}.png" for name in _PLOTS if figures.can_draw())]


def _is_ours(entry: Entry | None, digest: str) -> bool:
    known = entry is not None and entry.writer == _REPORT and digest in (entry.state, entry.before)
    return known and digest != ""


def _made(quality: Quality) -> dict[str, bytes]:
    """The contents of all files, by name."""
    groups, single = means(quality), means(quality, by="collection")
    texts = (_markdown(quality, groups, single), _csv(quality), _json(quality, groups, single))
    contents = [text.encode(errors="replace") for text in texts]  # names may be any bytes
    if figures.can_draw():
        for heading, quantity in _PLOTS.values():
            with plot_quality(_points(groups, quantity), heading) as figure:
                contents.append(figures.png_of(figure))
    return dict(zip(_names(), contents, strict=True))


def _bytes(mean: Mean) -> float | None:
    return None if mean.decoder_bytes is None else mean.plane_bytes + mean.decoder_bytes


#: Plots by name: what PSNR is drawn against.
_PLOTS: dict[str, tuple[str, Callable[[Mean], float | None]]] = {
    "parameters": ("parameters of the decoder", lambda mean: mean.parameters),
    "multiply-adds": ("multiply-adds of a pixel", lambda mean: mean.multiply_adds),
    "time": ("CPU seconds of the fit", lambda mean: mean.fit_cpu),
    "bytes": ("bytes of planes and decoder", _bytes),
}
_NO_PLOTS = "no plots: they need the 'plot' extra (pip install 'drti[plot]')"


def _points(found: Sequence[Mean], quantity: Callable[[Mean], float | None]) -> list[Point]:
    points = []
    for mean in found:
        value = quantity(mean)
        if value is not None and value > 0:
            points.append(Point(mean.over, mean.codec, value, mean.psnr))
    return points


def _how(quality: Quality) -> str:
    counts = {result.left_out for result in quality.results} - {0}
    return " ".join([_HOW, *(_LEFT_OUT.format(count) for count in sorted(counts))])


def _markdown(quality: Quality, groups: Sequence[Mean], single: Sequence[Mean]) -> str:
    parts = ["# Quality", "", _how(quality), ""]
    for title, found in (("Means", groups), ("Collections", single)):
        parts += [f"## {title}", "", _line(HEADINGS), _line(["---"] * 2 + ["---:"] * 9)]
        parts += [_line(row) for row in rows(found)] + [""]
    if quality.failures:
        parts += ["## Failed", ""]
        told = (f"{f.collection}, {f.codec}: {f.reason}" for f in quality.failures)
        parts += [f"- {_plain(text)}" for text in told] + [""]
    return "\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell).replace('|', '/') for cell in cells)} |"


def _plain(text: str) -> str:
    """A text that is no markup to who renders the table: names of folders may be anything."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\[\]`!])", r"\\\1", escaped)


def _csv(quality: Quality) -> str:
    names = [name for name in Result.__dataclass_fields__ if name not in ("lights", "notes")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for result in quality.results:
        writer.writerow(["" if (v := getattr(result, name)) is None else v for name in names])
    return out.getvalue()


def _json(quality: Quality, groups: Sequence[Mean], single: Sequence[Mean]) -> str:
    found = {
        "kind": "drti quality benchmark",
        "protocol": _how(quality),
        "means": [asdict(mean) for mean in groups],
        "collections": [asdict(mean) for mean in single],
        "results": [result.as_dict() for result in quality.results],
        "failures": [asdict(failure) for failure in quality.failures],
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
