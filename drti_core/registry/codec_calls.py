"""One fit, whatever the codec: hooks, near lights, the time it takes, where the model is from."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drti_core.fitting.near_lights import distant, levelled
from drti_core.io import memory, outputs
from drti_core.lights.coverage import coverage
from drti_core.model import RelightableModel
from drti_core.model.contracts import Codec
from drti_core.model.provenance import with_provenance
from drti_core.progress import Progress, logged, no_progress, part_of
from drti_core.registry import catalogue, hook_calls
from drti_core.registry.hookspecs import FitReport
from drti_core.stack import Stack

#: Share of the progress that decoding the photographs has, and where the fit is a training.
_DECODING, _BEFORE_TRAINING = 0.5, 0.02


@logged("fit")
def fit(
    stack: Stack,
    codec: str | Codec = "hsh",
    options: Mapping[str, Any] | None = None,
    *,
    output: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    progress: Progress = no_progress,
) -> tuple[RelightableModel, FitReport]:
    """Fit a codec to photographs, with all that holds for every codec.

    Plugins see the photographs before and the model after; the model says of which photographs,
    how and by what it was made.

    Args:
        stack: the photographs.
        codec: a codec, or its id with options (``"hsh:terms=9"``).
        options: more of them, as texts or values.
        output: where the model is about to be written, for plugins to know.
        provenance: more to be kept with the model; see
            :func:`drti_core.model.provenance.with_provenance`.
        notes: oddities already met, to stand first in the report.
        progress: called with the share done and what is being done.

    Returns:
        The model, and how the fit went.

    Raises:
        VetoError: a plugin's hook refuses.
        FitError: the stack cannot be fitted.
        StackError: a photograph is damaged.
        OptionError: an option is not there, or has a value outside its range; or a
            folder that the codec writes into is that of the photographs.
        PluginError: no such codec.
        MissingExtraError: the codec needs an extra that is not installed.
        ResourceError: memory does not suffice, threads, or the disk of temporary files.
    """
    fitter = catalogue.codec(codec, options)
    for folder in fitter.writes_in():
        outputs.check_apart(folder, stack.files)
    photographs, before = hook_calls.before_fit(stack, fitter)
    share = _BEFORE_TRAINING if fitter.trains else _DECODING
    photographs.prepare(part_of(progress, 0, share))
    cpu, wall = time.process_time(), time.perf_counter()
    with memory.told(f"the fit of {fitter.codec_id}", "Fit a part of it, or fewer photographs."):
        seen = levelled(photographs) if fitter.near_lights else distant(photographs)
        model = fitter.fit(seen, part_of(progress, share, 1))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    model = with_provenance(model, photographs, fitter, **(provenance or {}))
    gap = coverage(photographs.lights).note()
    open_to = () if gap is None else (gap,)
    told = (*notes, *before, *model.metadata.notes, *open_to)
    report = FitReport(photographs, fitter, output, wall, cpu, told)
    model, after = hook_calls.after_fit(model, report)
    told = (*notes, *before, *model.metadata.notes, *open_to, *after)
    return model, replace(report, notes=told)
