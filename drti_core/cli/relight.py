"""``drti relight``: a model under lights, in surroundings or along a path of light → pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from drti_core.cli import console
from drti_core.errors import OptionError
from drti_core.lights import LightDirections
from drti_core.lights.coverage import coverage, outside_note
from drti_core.model import RelightableModel
from drti_core.model.ground import Colour, ground_note
from drti_core.model.rendering import Render
from drti_core.registry.doors import open_lights, open_model, read_from
from drti_core.relight.enhance import enhanced, parse_enhancement
from drti_core.relight.environment import EnvironmentLight
from drti_core.relight.environment_map import open_environment
from drti_core.relight.light_paths import light_circle, light_spiral, lights_along, save_light_path
from drti_core.relight.picture_tags import under
from drti_core.relight.save import open_for_one_pass, save_relit, save_rendered

#: Frames of a circle or spiral.
_FRAMES = 60
#: Paths that have a name; any other is a file.
_PATHS = {"circle": light_circle, "spiral": light_spiral}


def relight(
    model: Annotated[Path, typer.Argument(help="A model: .ptm, .rti or a folder.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Picture, numbered for several lights; see --path."),
    ],
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
    one_pass = len(light or azimuth or ()) == 1 and not steps
    found = (open_for_one_pass if one_pass else open_model)(model, reader=reader)
    part = console.parse_window(window, "--window")
    ground = None if background is None else _colour(background)
    common: dict[str, Any] = {"window": part, "quality": quality, "overwrite": overwrite}
    common |= {"background": ground, "name": model.name}
    depth: dict[str, Any] = {"as_float": as_float, "bits": bits}
    told = [note for note in [ground_note(found, output, ground)] if note is not None]
    if as_float:
        linear = found.metadata.encoding == "linear" or output.suffix.lower() == ".exr"
        told.append(f"the values are {'linear light' if linear else 'sRGB encoded'}")
    named = lights if path is None or path in _PATHS else Path(path)
    by_file = None if named is None else open_lights(named)
    common["inputs"] = [*read_from(model, reader=reader), *([] if env is None else [env])]
    common["inputs"] += [] if named is None else read_from(named)
    if env is not None:
        kind: Any = env_kind
        surroundings = open_environment(env, kind=kind, rotate=rotate, exposure=exposure)
        lit = EnvironmentLight(
            found, surroundings, samples=samples, seed=seed, linear_light=linear_light
        )
        pictures: list[Render] = [lit.render]
        turned = {"name": env.name, "kind": env_kind, "rotate": rotate, "exposure": exposure}
        made: list[dict[str, Any]] = [{"environment": turned}]
    elif path is not None:
        moving = _path(path, frames, elevation or [], by_file)
        if as_float or bits != 8:
            given_depth = "--float" if as_float else f"--bits {bits}"
            raise OptionError(given_depth, where="--path", expected="8-bit pictures")
        with console.progress_bar() as progress:
            written = save_light_path(
                found, moving, output, enhancements=steps, fps=fps, progress=progress, **common
            )
        console.say(f"wrote {written}, {len(moving)} frames")
        _say_outside(found, moving, told)
        return
    else:
        chosen = _lights(light or [], azimuth or [], elevation or [], by_file)
        if not steps:
            how: Any = {"runtime": runtime, "providers": provider or ()}
            with console.progress_bar() as progress:
                files = save_relit(
                    found, chosen, output, progress=progress, **depth, **how, **common
                )
            console.say(*(f"wrote {file}" for file in files))
            _say_outside(found, chosen, told)
            return
        pictures = [enhanced(found, one, steps) for one in chosen]
        made = [under(one, steps) for one in chosen]
    with console.progress_bar() as progress:
        files = save_rendered(
            found, pictures, output, made=made, progress=progress, **depth, **common
        )
    console.say(*(f"wrote {file}" for file in files))
    if env is None:
        _say_outside(found, chosen, told)
        return
    console.say_notes([*told, _environment_note(lit)])
    known = found.metadata.lights
    if known is not None and (note := coverage(known).note()) is not None:
        console.say_notes([note])


def _say_outside(model: RelightableModel, lights: LightDirections, told: list[str]) -> None:
    """Say what is ``told``, and which lights lie outside those that the model was fitted to."""
    note = outside_note(model.metadata.lights, lights)
    console.say_notes([*told, *([] if note is None else [note])])


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


def _environment_note(lit: EnvironmentLight) -> str:
    error = lit.error()
    if error is None:
        return "weights averaged over all lights of the map: no light was left out"
    return (
        f"{lit.samples} lights drawn from the map; against a sum over {error.lights} lights, "
        f"{error.pixels} pixels are {error.rms:.2f} grey levels off (root mean square; "
        f"at most {error.largest:.1f})"
    )


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
