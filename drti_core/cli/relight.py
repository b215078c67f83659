"""``drti relight``: a model under lights, in surroundings or along a path of light → pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from drti_core.cli import batches, console
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.model.ground import Colour
from drti_core.registry.doors import open_lights, read_from
from drti_core.relight.enhance import parse_enhancement
from drti_core.relight.files import Surroundings, relight_file
from drti_core.relight.light_paths import light_circle, light_spiral, lights_along
from drti_core.relight.many import relight_many

#: Frames of a circle or spiral.
_FRAMES = 60
#: Paths that have a name; any other is a file.
_PATHS = {"circle": light_circle, "spiral": light_spiral}


def relight(
    model: batches.Models,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Picture, numbered for several lights; see --path."),
    ] = None,
    out: batches.Out = None,
    to: Annotated[
        str | None,
        typer.Option(help="Of many: ending of the pictures, png by default; or of the paths."),
    ] = None,
    light: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y[,Z]", help="Towards the light, +x right, +y up; repeatable."),
    ] = None,
    azimuth: Annotated[
        list[float] | None, typer.Option(help="Degrees from +x towards +y; repeatable.")
    ] = None,
    elevation: Annotated[
        list[float] | None,
        typer.Option(help="Degrees above the object; one for each azimuth, or of a --path."),
    ] = None,
    lights: Annotated[
        Path | None, typer.Option(help="All lights of a light file, stack or model.")
    ] = None,
    window: Annotated[str | None, typer.Option(metavar="WxH+X+Y", help="Only this part.")] = None,
    enhance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:OPTION=VALUE,…",
            help="specular:ks=0.4,kd=0.4,exponent=75; diffuse-gain:gain=2; "
            "luminance-unsharp:amount=1,radius=2; normal-unsharp:amount=1,radius=4; repeatable.",
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="circle|spiral|FILE",
            help="Move the light: to a folder of PNG frames, a .webp, .gif or .mp4 (ffmpeg).",
        ),
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Of a path; 60, or the file's lights.")] = None,
    fps: Annotated[float, typer.Option(help="Frames of a path a second.")] = 25.0,
    env: Annotated[
        Path | None, typer.Option(help="Light of all round: .hdr, .exr, or .png, .jpg (sRGB).")
    ] = None,
    env_kind: Annotated[
        str, typer.Option(help="What the map shows: equirectangular or mirrorball.")
    ] = "equirectangular",
    rotate: Annotated[
        float, typer.Option(help="Turn the surroundings about the vertical, degrees.")
    ] = 0.0,
    exposure: Annotated[float, typer.Option(help="Of --env, stops (EV).")] = 0.0,
    samples: Annotated[
        int, typer.Option(help="Lights drawn from --env for networks and --linear-light.")
    ] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    linear_light: Annotated[
        bool, typer.Option("--linear-light", help="Add linear values of an sRGB model (--env).")
    ] = False,
    as_float: Annotated[
        bool, typer.Option("--float", help="32-bit values as decoded (.tif, .npy).")
    ] = False,
    bits: Annotated[int, typer.Option(help="Of a PNG or TIFF: 8 or 16.")] = 8,
    quality: Annotated[int, typer.Option(help="JPEG or WebP quality, 1 to 100.")] = 95,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR",
            help="Outside the model's mask: black, white, #rrggbb; else transparent.",
        ),
    ] = None,
    runtime: Annotated[
        str, typer.Option(help="What computes pixels: auto (the fastest), onnx, numpy or compiled.")
    ] = "auto",
    provider: Annotated[
        list[str] | None,
        typer.Option(help="Of ONNX Runtime: cpu, cuda, coreml, directml, openvino; repeatable."),
    ] = None,
    reader: console.Reader = None,
    jobs: batches.Jobs = None,
    cluster: batches.Cluster = None,
    json: batches.Report = None,
    overwrite: console.Overwrite = False,
) -> None:
    """Relight a model: a picture for each light, one of an environment, or a light path."""
    steps = [parse_enhancement(text) for text in enhance or ()]
    given = bool(light or azimuth or lights)
    if sum((given, path is not None, env is not None)) > 1 or (env is not None and steps):
        raise OptionError(
            "options that exclude one another",
            expected="lights, --path or --env, and no --enhance with --env",
        )
    chosen_runtime = runtime != "auto" or bool(provider)
    if chosen_runtime and (steps or path is not None or env is not None):
        raise OptionError(
            "--runtime or --provider",
            expected="lights only: --enhance, --path and --env choose for themselves",
        )
    part = console.parse_window(window, "--window")
    ground = None if background is None else _colour(background)
    named = lights if path is None or path in _PATHS else Path(path)
    by_file = None if named is None else open_lights(named)
    lit: dict[str, Any] = {}
    if env is not None:
        turned: dict[str, Any] = {"kind": env_kind, "rotate": rotate, "exposure": exposure}
        drawn: dict[str, Any] = {"samples": samples, "seed": seed, "linear_light": linear_light}
        lit["surroundings"] = Surroundings(str(env), **turned, **drawn)
    elif path is not None:
        lit["moving"] = _path(path, frames, elevation or [], by_file)
    else:
        lit["lights"] = _lights(light or [], azimuth or [], elevation or [], by_file)
    how: dict[str, Any] = {"as_float": as_float, "bits": bits, "quality": quality, "fps": fps}
    how |= {"background": ground, "runtime": runtime, "providers": list(provider or ())}
    if out is not None:
        batches.of_one(output)
        done = batches.run(
            relight_many,
            model,
            out,
            **lit,
            ending=None if to in (None, "folder") else f".{to.removeprefix('.')}",
            enhancements=enhance or (),
            window=part,
            reader=reader,
            settings=how,
            jobs=jobs,
            cluster=cluster,
            report=json,
            overwrite=overwrite,
        )
        batches.end(done)
        return
    batches.alone(to=to, jobs=jobs, cluster=cluster, json=json)
    with console.progress_bar() as progress:
        found = relight_file(
            batches.one(model),
            batches.needed(output),
            **lit,
            **how,
            enhancements=steps,
            window=part,
            reader=reader,
            inputs=[] if named is None else read_from(named),
            overwrite=overwrite,
            progress=progress,
        )
    frames_told = f", {found.what}" if path is not None else ""
    console.say(*(f"wrote {file}{frames_told}" for file in found.files))
    console.say_notes(found.notes)


def _colour(text: str) -> Colour:
    """``black``, ``white``, ``#rrggbb`` → a colour.

    Raises:
        OptionError: another text.
    """
    found = {"black": "#000000", "white": "#ffffff"}.get(text, text)
    if re.fullmatch("#[0-9a-fA-F]{6}", found) is None:
        raise OptionError(f"{text!r}", where="--background", expected="black, white or #rrggbb")
    red, green, blue = bytes.fromhex(found[1:])
    return red, green, blue


def _path(
    name: str, frames: int | None, elevation: list[float], by_file: LightDirections | None
) -> LightDirections:
    if len(elevation) > 1:
        raise OptionError(f"{len(elevation)} elevations", where="--path", expected="one or none")
    if by_file is None:
        return _PATHS[name](_FRAMES if frames is None else frames, *elevation)
    if elevation:
        raise OptionError("an elevation", where=f"--path {name}", expected="none for a file")
    return by_file if frames is None else lights_along(by_file, frames)


def _lights(
    given: list[str], azimuth: list[float], elevation: list[float], by_file: LightDirections | None
) -> LightDirections:
    if len(azimuth) != len(elevation):
        raise OptionError(
            f"{len(azimuth)} azimuths and {len(elevation)} elevations",
            expected="an --elevation for each --azimuth",
        )
    found = [console.parse_light(text) for text in given]
    if azimuth:
        found.append(LightDirections.from_spherical(azimuth, elevation))
    if by_file is not None:
        found.append(by_file)
    if not found:
        raise OptionError(
            "no light", expected="--light, --azimuth and --elevation, or --lights FILE"
        )
    return LightDirections(np.concatenate([item.xyz for item in found]))
