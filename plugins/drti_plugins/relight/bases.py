"""From a basis of relight-cli and its options to a codec of drti."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from drti_core.codec import Codec, parse_spec, with_options
from drti_core.errors import OptionError, PluginError
from drti_core.registry import catalogue
from drti_plugins.relight.arguments import Arguments
from drti_plugins.relight.outputs import is_file

#: Codecs behind relight's names.
BASES = {
    "rbf": "rbf",
    "ptm": "ptm",
    "lptm": "ptm:colorspace=lrgb",
    "hsh": "hsh",
    "sh": "sh",
    "bilinear": "bilinear",
    "bln": "bilinear",
    "yrbf": "rbf:colorspace=mycc",
    "ybilinear": "bilinear:colorspace=mycc",
    "ybln": "bilinear:colorspace=mycc",
    "yptm": "ptm:colorspace=ycc",
    "yhsh": "hsh:colorspace=ycc",
    "lhsh": "hsh:colorspace=lrgb",
}
#: No model: only what -n, -m and -M ask for.
SKIP = "skip"

#: The regularisation that relight-cli starts from, and the smoothness that drti starts from.
_REGULARISATION, _SMOOTHNESS = 0.1, 0.3
#: Share of each plane's values that is not clipped where planes become JPEGs: wider ranges make
#: JPEG's errors larger. Measured on SynthRTI and RealRTI at quality 95 (docs/relight-cli.md).
_JPEG_QUANTILE = 0.999
#: Bytes of a sampled pixel for each light: three float32.
_SAMPLE_BYTES = 12


def basis_of(arguments: Arguments) -> str:
    """The basis asked for; by default the one of the output's format."""
    by_ending = {".ptm": "ptm", ".rti": "hsh"}
    return arguments.basis or by_ending.get(arguments.output.suffix.lower(), "rbf")


def codec_of(arguments: Arguments, lights: int) -> tuple[Codec, list[str]]:
    """The codec with every option that it has, and a sentence for each that it has not.

    Args:
        arguments: what was asked for.
        lights: number of the photographs.

    Raises:
        OptionError: a number of planes that the basis cannot have.
        PluginError: no such basis.
    """
    name = basis_of(arguments)
    codec = _find("rbf" if name in ("bilinear", "bln") and arguments.resolution == 0 else name)
    given: dict[str, tuple[str, Any]] = {
        "-y": ("luma_planes", arguments.luma_planes),
        "-r": ("resolution", arguments.resolution),
        "-S": ("sigma", arguments.sigma),
        "-Q": ("quantile", arguments.quantile),
    }
    if arguments.regularisation is not None:
        smoothness = arguments.regularisation * _SMOOTHNESS / _REGULARISATION
        given["-R"] = ("smoothness", smoothness)
    if arguments.sampling is not None:
        pixels = max(100, (arguments.sampling << 20) // (_SAMPLE_BYTES * lights))
        given["-s"] = ("sample", pixels)
    fields = {field.name for field in dataclasses.fields(codec)}
    codec, notes = _with_planes(codec, name, arguments.planes), list[str]()
    changes: dict[str, Any] = {}
    if "quantile" in fields and not is_file(arguments.output):
        changes["quantile"] = _JPEG_QUANTILE
    for letter, (field, value) in given.items():
        if value is None or (letter == "-r" and value == 0):
            continue
        if field in fields:
            changes[field] = value
        else:
            notes.append(f"{letter} is not used: {name} has no {field.replace('_', ' ')}")
    if arguments.steady:
        if "ridge" in fields:
            changes["ridge"] = None
        else:
            notes.append(f"-H is not used: {name} has no ridge")
    return with_options(codec, changes), notes


def _find(name: str) -> Codec:
    codecs = catalogue.registry().codecs
    plain, _ = parse_spec(name)
    if name in BASES:
        return catalogue.codec(BASES[name])
    if plain in codecs.ids():
        return catalogue.codec(name)
    # disk20, hyper12: the width of a codec's network, in its name.
    match = re.fullmatch(r"([a-z]+)([0-9]+)", plain)
    if match is not None and match[1] in codecs.ids():
        codec = catalogue.codec(match[1] + name[len(plain) :])
        if "width" in {field.name for field in dataclasses.fields(codec)}:
            return with_options(codec, {"width": match[2]})
    mend = f"Install the package that brings the codec {plain!r}, or choose another basis."
    known = [*BASES, SKIP, *(name for name in codecs.working() if name not in BASES)]
    raise PluginError(f"{name!r}", where="-b", expected=", ".join(known), mend=mend)


def _with_planes(codec: Codec, name: str, planes: int | None) -> Codec:
    """The codec with as many planes as -p says, which relight asks for where there is no choice."""
    if planes is None:
        return codec
    try:
        return codec.with_planes(planes)
    except OptionError as error:
        raise OptionError(
            f"{planes} planes of {name}", where="-p", expected=error.expected
        ) from None
