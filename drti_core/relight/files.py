"""A model on disk, relit into pictures: under lights, along a path of light, or in surroundings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drti_core.arrays import Window
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.lights.coverage import coverage, outside_note
from drti_core.model.ground import Colour, ground_note
from drti_core.model.rendering import Render
from drti_core.progress import Progress, no_progress
from drti_core.registry.doors import open_model, read_from
from drti_core.relight.enhance import Enhancement, enhanced
from drti_core.relight.environment import EnvironmentLight
from drti_core.relight.environment_map import open_environment
from drti_core.relight.light_paths import save_light_path
from drti_core.relight.picture_tags import under
from drti_core.relight.save import open_for_one_pass, save_relit, save_rendered


@dataclass(frozen=True)
class Surroundings:
    """Light of all round, as it is told by a file.

    Args:
        file: see :func:`drti_core.open_environment`; ``kind``, ``rotate`` and ``exposure`` too.
        kind: what it shows.
        rotate: about the vertical, degrees.
        exposure: stops.
        samples: see :class:`drti_core.EnvironmentLight`; ``seed`` and ``linear_light`` too.
        seed: of the drawing.
        linear_light: add linear values of a model in sRGB.
    """

    file: str
    kind: str = "equirectangular"
    rotate: float = 0.0
    exposure: float = 0.0
    samples: int = 256
    seed: int = 0
    linear_light: bool = False

    def as_json(self) -> dict[str, Any]:
        """Its fields, the file by its whole path: ``Surroundings(**…)`` is the same again."""
        return asdict(self) | {"file": os.path.abspath(self.file)}  # noqa: PTH100 - links are kept


@dataclass(frozen=True)
class Relit:
    """What was written.

    Args:
        files: pictures, or one film, animation or folder.
        what: it is, in a few words.
        notes: what the user should know, a sentence each.
    """

    files: tuple[Path, ...]
    what: str
    notes: tuple[str, ...]


def relight_file(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    lights: LightDirections | None = None,
    moving: LightDirections | None = None,
    surroundings: Surroundings | None = None,
    enhancements: Sequence[Enhancement] = (),
    fps: float = 25.0,
    window: Window | None = None,
    background: Colour | Sequence[int] | None = None,
    as_float: bool = False,
    bits: int = 8,
    quality: int = 95,
    runtime: str = "auto",
    providers: Sequence[str] = (),
    reader: str | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Relit:
    """Open a model, relight it and save what is seen.

    Args:
        model: file or folder.
        output: picture, numbered for several lights; of a path see
            :func:`drti_core.save_light_path`.
        lights: a picture for each.
        moving: or a path of light, a frame for each.
        surroundings: or light of all round.
        enhancements: of every picture, one after the other; not of surroundings.
        fps: frames of a path a second.
        window: part of the picture.
        background: colour outside the mask, sRGB 0..255.
        as_float: see :func:`drti_core.save_relit`; the next four too.
        bits: likewise.
        quality: likewise.
        runtime: likewise; only of lights without enhancements.
        providers: likewise.
        reader: id of the reader of the model.
        inputs: files that were read beside the model, of which no output may take the place.
        overwrite: replace what is there.
        progress: called with the share done and what is being done.

    Raises:
        OptionError: not one of ``lights``, ``moving`` and ``surroundings``; or what does not fit
            the output.
        OutputExistsError: an output exists and ``overwrite`` is false.
        DrtiError: see :func:`drti_core.open_model`.
    """
    if sum(each is not None for each in (lights, moving, surroundings)) != 1:
        raise OptionError("no light", expected="lights, a path of them, or surroundings")
    if moving is not None and (as_float or bits != 8):
        given = "floats" if as_float else f"{bits} bits"
        raise OptionError(f"{given} along a path of light", expected="8-bit pictures")
    one_pass = lights is not None and len(lights) == 1 and not enhancements
    found = (open_for_one_pass if one_pass else open_model)(model, reader=reader)
    ground: Any = None if background is None else tuple(background)
    common: dict[str, Any] = {"window": window, "quality": quality, "overwrite": overwrite}
    common |= {"background": ground, "name": Path(model).name, "progress": progress}
    common["inputs"] = [*read_from(model, reader=reader), *inputs]
    depth: dict[str, Any] = {"as_float": as_float, "bits": bits}
    told = [note for note in [ground_note(found, Path(output), ground)] if note is not None]
    if as_float:
        linear = found.metadata.encoding == "linear" or Path(output).suffix.lower() == ".exr"
        told.append(f"the values are {'linear light' if linear else 'sRGB encoded'}")
    seen = lights if moving is None else moving
    if seen is not None:
        outside = outside_note(found.metadata.lights, seen)
        told += [] if outside is None else [outside]
    if moving is not None:
        path = save_light_path(found, moving, output, enhancements=enhancements, fps=fps, **common)
        return Relit((path,), f"{len(moving)} frames", tuple(told))
    if surroundings is not None:
        kind: Any = surroundings.kind
        common["inputs"] += [surroundings.file]
        turned = {"rotate": surroundings.rotate, "exposure": surroundings.exposure}
        around = open_environment(surroundings.file, kind=kind, **turned)
        lit = EnvironmentLight(
            found,
            around,
            samples=surroundings.samples,
            seed=surroundings.seed,
            linear_light=surroundings.linear_light,
        )
        tag = {"name": Path(surroundings.file).name, "kind": kind, **turned}
        made = [{"environment": tag}]
        files = save_rendered(found, [lit.render], output, made=made, **depth, **common)
        told.append(_environment_note(lit))
        known = found.metadata.lights
        if known is not None and (note := coverage(known).note()) is not None:
            told.append(note)
        return Relit(files, f"in the surroundings of {tag['name']}", tuple(told))
    assert lights is not None
    if enhancements:
        pictures: list[Render] = [enhanced(found, one, enhancements) for one in lights]
        made = [under(one, enhancements) for one in lights]
        files = save_rendered(found, pictures, output, made=made, **depth, **common)
    else:
        how: Any = {"runtime": runtime, "providers": providers}
        files = save_relit(found, lights, output, **depth, **how, **common)
    what = "under a light" if len(lights) == 1 else f"under {len(lights)} lights"
    return Relit(tuple(files), what, tuple(told))


def _environment_note(lit: EnvironmentLight) -> str:
    error = lit.error()
    if error is None:
        return "weights averaged over all lights of the map: no light was left out"
    return (
        f"{lit.samples} lights drawn from the map; against a sum over {error.lights} lights, "
        f"{error.pixels} pixels are {error.rms:.2f} grey levels off (root mean square; "
        f"at most {error.largest:.1f})"
    )
