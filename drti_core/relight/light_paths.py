"""Light paths: a light that moves, and the pictures of it as frames, animations and films."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Window, bands
from drti_core.colour import to_uint8
from drti_core.errors import DrtiError, LightError, OptionError
from drti_core.io import outputs, scratch
from drti_core.io.pictures.colours import Conversion, bytes_for_screen
from drti_core.io.pictures.png import write_png
from drti_core.io.pictures.writers import Tags, rows_of
from drti_core.io.places import anywhere
from drti_core.lights import LightDirections
from drti_core.model import RelightableModel
from drti_core.model.ground import Colour, Ground
from drti_core.model.rendering import Render
from drti_core.progress import Progress, no_progress
from drti_core.relight.enhance import Enhancement, enhanced
from drti_core.relight.picture_tags import picture_tags, steps_of, under

#: Endings of animations and films; anything without an ending is a folder of PNG frames.
ENDINGS = (".webp", ".gif", ".mp4")
FOLDER = outputs.FolderKind("frames only", ("frame-[0-9]*.png",))

#: Turns of a spiral from the zenith down.
SPIRAL_TURNS = 3
#: Rows rendered at a time.
_ROWS = 64
#: Sides that the formats can hold (WebP: 14 bits; GIF: 16 bits), and bytes of all GIF frames,
#: which Pillow collects before it writes.
_WEBP_SIDE = 16383
_GIF_BYTES = 1 << 30
_MAX_FRAMES = 100_000
#: The colour of a GIF's palette that is transparent, where one is.
_TRANSPARENT = 255

_FFMPEG = "ffmpeg"


def light_circle(frames: int, elevation: float = 45.0) -> LightDirections:
    """One turn at a fixed elevation (degrees), from +x towards +y; its end meets its start.

    Args:
        frames: number of lights, 1 or more.
        elevation: degrees above the object.

    Raises:
        OptionError: no frame, or too many.
        LightError: the elevation is outside -90..90.

    >>> light_circle(4, 0).xyz.round(3)[1] + 0
    array([0., 1., 0.], dtype=float32)
    """
    turn = 360 / _check_frames(frames) * np.arange(frames)
    return LightDirections.from_spherical(turn, np.full(frames, elevation))


def light_spiral(frames: int, elevation: float = 15.0) -> LightDirections:
    """Three turns from the zenith down to an elevation (degrees), in equal steps of angle.

    Args:
        frames: number of lights, 1 or more.
        elevation: of the last light, degrees above the object.

    Raises:
        OptionError: no frame, or too many.
        LightError: the elevation is outside -90..90.
    """
    way = np.linspace(0, 1, _check_frames(frames))
    return LightDirections.from_spherical(360 * SPIRAL_TURNS * way, 90 + (elevation - 90) * way)


def lights_along(lights: LightDirections, frames: int) -> LightDirections:
    """Lights at equal distances on the great circles from each light to the next.

    Args:
        lights: one or more.
        frames: how many; the first and the last light are among them.

    Raises:
        OptionError: no frame, or too many.
        LightError: two lights that follow each other are opposite.
    """
    points = lights.xyz.astype(np.float64)
    _check_frames(frames)
    if len(points) == 1:
        return lights[[0] * frames]
    cross = np.linalg.norm(np.cross(points[:-1], points[1:]), axis=1)
    steps = np.arctan2(cross, np.sum(points[:-1] * points[1:], axis=1))
    for leg in np.flatnonzero(steps > np.pi - 1e-3)[:1]:
        raise LightError(
            f"lights {leg} and {leg + 1} of the path are opposite",
            expected="less than 180 degrees between them",
            mend="Put a light between them.",
        )
    travel = np.concatenate([[0.0], np.cumsum(steps)])
    where = np.linspace(0, travel[-1], frames)
    leg = np.clip(np.searchsorted(travel, where, side="right") - 1, 0, len(steps) - 1)
    share = (where - travel[leg]) / np.maximum(steps[leg], 1e-12)
    angle = np.maximum(steps[leg], 1e-9)
    first = np.sin((1 - share) * angle) / np.sin(angle)
    second = np.sin(share * angle) / np.sin(angle)
    return LightDirections(
        (points[leg] * first[:, None] + points[leg + 1] * second[:, None]).astype(np.float32)
    )


@anywhere(writes=["path"])
def save_light_path(
    model: RelightableModel,
    lights: LightDirections,
    path: str | os.PathLike[str],
    *,
    enhancements: Sequence[Enhancement] = (),
    fps: float = 25.0,
    window: Window | None = None,
    quality: int = 90,
    background: Colour | None = None,
    overwrite: bool = False,
    inputs: Sequence[str | os.PathLike[str]] = (),
    name: str | None = None,
    progress: Progress = no_progress,
) -> Path:
    """Relight along a path: frames, an animation or a film; whole or not at all.

    Frames and WebP carry the model's ICC profile. GIF and films can not: their colours are sRGB.

    Args:
        model: what to relight.
        lights: one for each frame, in order.
        path: ``.webp`` or ``.gif`` (they repeat for ever), ``.mp4`` (H.264 by ffmpeg), or a
            folder, which gets frame-1.png, frame-2.png …
        enhancements: of every frame, one after the other.
        fps: frames a second; GIF keeps hundredths of a second.
        window: part of the image; all of it by default.
        quality: of WebP, 1..100 (100 is lossless).
        background: colour outside the model's mask, sRGB 0..255. By default that is transparent;
            black in ``.mp4``, which has no transparency.
        overwrite: replace what is there.
        inputs: files and folders that were read, which it may not be, hold or lie in.
        name: of the model's file, which the metadata tell; those of frames tell the light too.
        progress: called after each frame.

    Returns:
        What was written.

    Raises:
        OptionError: an ending, rate, quality or size that the format does not allow, or a folder
            that holds something else than frames.
        OutputExistsError: it exists and ``overwrite`` is false.
        DrtiError: ffmpeg is not there, or it failed; with what it said.
    """
    frames_only = None if Path(path).suffix.lower() in ENDINGS else FOLDER
    target = outputs.check_output(path, overwrite, frames_only, inputs=inputs)
    part = (window or Window(0, 0, *model.shape)).check(model.shape)
    suffix = target.suffix.lower()
    _check_film(target, suffix, part, len(lights), fps, quality)
    ground = Ground.of(model, part, suffix, background)
    convert = bytes_for_screen(model.metadata.icc) if suffix in (".gif", ".mp4") else None

    def frames() -> Iterator[npt.NDArray[np.uint8]]:
        for number, light in enumerate(lights):
            yield _whole(model, enhanced(model, light, enhancements), part, ground, convert)
            progress((number + 1) / len(lights), f"frame {number + 1} of {len(lights)}")

    if suffix not in ENDINGS:
        with outputs.atomic_folder(target, overwrite=overwrite, kind=FOLDER) as folder:
            digits = len(str(len(lights)))
            for number, (light, frame) in enumerate(zip(lights, frames(), strict=True)):
                write_png(
                    folder / f"frame-{number + 1:0{digits}}.png",
                    rows_of(frame),
                    (part.height, part.width),
                    channels=ground.channels,
                    icc=model.metadata.icc,
                    tags=picture_tags(model, name, under(light, enhancements)),
                )
        return target
    with outputs.atomic_file(target, overwrite=overwrite) as temporary:
        if suffix == ".mp4":
            _film(temporary, frames(), part, fps)
        else:
            tags = picture_tags(model, name, {"frames": len(lights), **steps_of(enhancements)})
            _animate(temporary, frames(), suffix, fps, quality, model.metadata.icc, tags)
    return target


def _whole(
    model: RelightableModel,
    picture: Render,
    part: Window,
    ground: Ground,
    convert: Conversion | None,
) -> npt.NDArray[np.uint8]:
    out = np.empty((part.height, part.width, ground.channels), np.uint8)
    for band in bands((part.height, part.width), _ROWS):
        strip = Window(part.y + band.y, part.x, band.height, band.width)
        shown = to_uint8(picture(strip), model.metadata.encoding)
        shown = shown if convert is None else convert.to_codes(shown)
        out[band.y : band.y + band.height] = ground.under(shown, band.y)
    return out


def _check_frames(frames: int) -> int:
    if not 1 <= frames <= _MAX_FRAMES:
        raise OptionError(f"{frames} frames", expected=f"1 to {_MAX_FRAMES}")
    return frames


def _check_film(
    path: Path, suffix: str, part: Window, frames: int, fps: float, quality: int
) -> None:
    if suffix and suffix not in ENDINGS:
        raise OptionError(
            f"file ending {path.suffix!r}",
            where=str(path),
            expected=f"{', '.join(ENDINGS)}, or a folder for PNG frames",
        )
    _check_frames(frames)
    if not 0.1 <= fps <= 1000:
        raise OptionError(f"{fps:g} frames a second", where=str(path), expected="0.1 to 1000")
    if not 1 <= quality <= 100:
        raise OptionError(f"quality {quality}", where=str(path), expected="1 to 100")
    if suffix == ".webp" and max(part.width, part.height) > _WEBP_SIDE:
        raise OptionError(
            f"a WebP of {part.width}x{part.height} pixels",
            where=str(path),
            expected=f"sides of up to {_WEBP_SIDE}",
            mend="Choose a part of it, or a folder of PNG frames.",
        )
    if suffix == ".gif" and part.width * part.height * frames > _GIF_BYTES:
        raise OptionError(
            f"a GIF of {frames} frames of {part.width}x{part.height} pixels",
            where=str(path),
            expected=f"up to {_GIF_BYTES} pixels in all",
            mend="Choose .webp or .mp4, or a part of it.",
        )
    if suffix == ".mp4" and shutil.which(_FFMPEG) is None:
        raise DrtiError(
            "ffmpeg is not installed",
            where=str(path),
            expected="the program ffmpeg on the PATH",
            mend="Install it, or choose .webp, .gif or a folder.",
        )


def _animate(
    path: Path,
    frames: Iterator[npt.NDArray[np.uint8]],
    suffix: str,
    fps: float,
    quality: int,
    icc: bytes | None,
    tags: Tags,
) -> None:
    from PIL import Image

    def images() -> Iterator[Any]:
        for frame in frames:
            yield _with_palette(frame) if suffix == ".gif" else Image.fromarray(frame)

    rest = images()
    first = next(rest)
    options: dict[str, Any] = {"duration": round(1000 / fps), "loop": 0, "save_all": True}
    if suffix == ".webp":
        options |= {"quality": quality, "lossless": quality == 100, "method": 3}
        known = {"icc_profile": icc, "exif": tags.exif, "xmp": tags.xmp}
        options |= {what: value for what, value in known.items() if value}
    elif first.info.get("transparency") is not None:
        options |= {"disposal": 2}  # each frame is cleared before the next
    first.save(path, suffix[1:].upper(), append_images=rest, **options)


def _with_palette(frame: npt.NDArray[np.uint8]) -> Any:
    """A picture of at most 256 colours, one of which is transparency where there is alpha."""
    from PIL import Image

    # One palette for each frame, dithered: gradients of light band badly otherwise.
    if frame.shape[2] == 3:
        return Image.fromarray(frame).quantize(256)
    image = Image.fromarray(np.ascontiguousarray(frame[..., :3])).quantize(_TRANSPARENT)
    codes = np.where(frame[..., 3] == 0, np.uint8(_TRANSPARENT), np.asarray(image))
    made = Image.fromarray(codes, "P")
    made.putpalette([*(image.getpalette() or [])[: 3 * _TRANSPARENT]])
    made.info["transparency"] = _TRANSPARENT
    return made


def _film(path: Path, frames: Iterator[npt.NDArray[np.uint8]], part: Window, fps: float) -> None:
    """Hand raw frames to ffmpeg; sides are made even, which H.264 4:2:0 needs."""
    command = [_FFMPEG, "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{part.width}x{part.height}"]
    command += ["-r", f"{fps:g}", "-i", "-", "-an"]
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
    command += ["-movflags", "+faststart", "-f", "mp4", str(path)]
    with scratch.unnamed_file() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin is not None
        try:
            for frame in frames:
                process.stdin.write(frame.tobytes())
            process.stdin.close()
            status = process.wait()
        except BrokenPipeError:
            status = process.wait() or 1  # it says why on its error output
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if status != 0:
        raise DrtiError(f"exit status {status}: {text[-500:]}", where=_FFMPEG)
