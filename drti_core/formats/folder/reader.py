"""info.json and plane pictures → a stored model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drti_core.arrays import MAX_SIDE, Bool
from drti_core.colour import Encoding
from drti_core.decoder import Planes
from drti_core.errors import (
    FileError,
    FormatError,
    LightError,
    MissingFileError,
    UnsupportedFormatError,
)
from drti_core.formats.folder import layouts, openlime_neural, rtiprep
from drti_core.io import regular, scratch, strict_json
from drti_core.io.pictures import plane_pictures
from drti_core.io.pictures.jpeg_strips import read_streamed
from drti_core.io.pictures.mask_picture import read_mask
from drti_core.io.pictures.tiles import assemble
from drti_core.io.regular import inside, look, open_file
from drti_core.io.strict_json import Node
from drti_core.lights import LightDirections, NamedLights
from drti_core.model import Metadata, StoredModel
from drti_core.model.contracts import LightsReader, ModelReader

Arrays = dict[str, npt.NDArray[Any]]

#: The decoder as ONNX.
GRAPH = "decoder.onnx"
#: Where the object is.
MASK = "mask.png"
#: Terms of the types whose planes are coefficients.
_TERMS = {"ptm": (3, 6), "hsh": (1, 4, 9, 16), "sh": (4, 9)}
#: Types whose planes are principal components.
_TABLES = ("rbf", "bilinear")
_MAX_PLANES = 9999
_SUFFIXES = ("jpg", "png", "webp")
_MAX_RESOLUTION = 256


@dataclass(frozen=True)
class FolderReader(ModelReader, LightsReader):
    """Folders of types ptm, hsh, sh, rbf, bilinear, neural, or by drti.

    Pictures are whole (layout ``image``) or cut into tiles; see
    :mod:`drti_core.formats.folder.layouts`.

    Args:
        stream: decode whole pictures while the codes are used, for one pass over the image;
            damage is found then. Needs pyvips; without it, nothing changes.
    """

    stream: bool = False

    reader_id = "folder"
    lazy = True
    summary = (
        "relight/OpenLIME web folder: info.json and plane_0.jpg …, or tiles "
        "(deepzoom, google, zoomify, tarzoom, itarzoom)"
    )

    def sniff(self, path: Path, head: bytes) -> bool:
        """A folder that holds info.json, or JSON that states a width and a height."""
        if path.is_dir():
            return look(path / "info.json").is_file() and not _is_webptm(path / "info.json")
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        project = any(key in start for key in (b'"RelightLab"', b'"images"', b'"crop"'))
        sized = b'"width"' in start and b'"height"' in start
        return start.startswith(b"{") and sized and not project

    def read(self, path: Path) -> StoredModel:
        """Read a folder, given itself or its info.json; see :meth:`Reader.read`."""
        info = _load(path)
        folder = info.file.parent
        shape = info["height"].integer(1, MAX_SIDE), info["width"].integer(1, MAX_SIDE)
        if (export := rtiprep.find(info)) is not None:
            return export.read(shape)
        own = _Own.read(info)
        kind = info["type"].text()
        notes: list[str] = []
        lights = _lights(info, notes)
        arrays: Arrays = own.read_arrays(folder)
        if kind in _TERMS:
            config, count = _read_terms(info, kind)
        elif kind in _TABLES:
            config, count, tables = _read_table(info, kind, lights)
            arrays |= tables
        elif kind == "neural" and not own.config:
            return _read_network(folder, info, shape)
        elif own.config.get("codec") == kind or (kind == "neural" and own.config):
            config, count = {}, info["nplanes"].integer(0, _MAX_PLANES)
        else:
            raise UnsupportedFormatError(
                f"type {kind!r}",
                where=f"{info.file}: $.type",
                expected=", ".join([*_TERMS, *_TABLES, "neural"]),
            )
        if own.config.get("codec") == kind or not config:
            config = {**own.config, **config}
        (material,) = info["materials"].items(1)
        scale, bias = material["scale"].numbers(count), material["bias"].numbers(count)
        names = None
        if kind == "neural" and "planes" in info:  # of which OpenLIME wants nine
            info["nplanes"].integer(1, openlime_neural.PLANES)
            names = openlime_neural.NAMES
        stream = self.stream and "corrections" not in arrays
        codes, icc = _read_codes(folder, info, count, shape, own.bits, notes, names, stream)
        if codes is not None and "corrections" in arrays:
            _correct(codes, arrays.pop("corrections"), folder)
        planes = None
        if codes is not None:
            planes = Planes(codes, np.array(scale), np.array(bias), str(info.file))
        if planes is not None and config.get("terms") == 1:
            planes, config["terms"] = _padded(planes), 4
            notes.append("the one HSH term is completed with zeros to four")
        metadata = Metadata(
            lights=_photographed(lights, config),
            encoding=_encoding(info, notes),
            icc=own.icc or icc,
            pixel_size_mm=_pixel_size(info),
            xmp=own.xmp,
            exif=own.exif,
            provenance=own.provenance,
            mask=own.read_mask(folder, shape),
            comments=own.comments,
            notes=tuple(notes),
        )
        return StoredModel(config, shape, planes, arrays, metadata, graph=own.graph(folder))

    def read_lights(self, path: Path) -> NamedLights:
        """The lights in info.json; no picture is opened."""
        info, notes = _load(path), list[str]()
        lights = _lights(info, notes)
        if lights is None:
            raise LightError(
                "; ".join(notes) or "this model does not know its lights",
                where=str(info.file),
                expected="lights, x, y, z of each",
            )
        return NamedLights.named(_photographed(lights, _Own.read(info).config) or lights)


def _photographed(
    lights: LightDirections | None, config: Mapping[str, Any]
) -> LightDirections | None:
    """The first lights, where the others are nodes at which drti predicted photographs."""
    count = config.get("photographs")
    if lights is None or type(count) is not int or not 1 <= count <= len(lights):
        return lights
    return lights[:count]


def _load(path: Path) -> Node:
    return strict_json.load(inside(path, "info.json") if path.is_dir() else path)


@dataclass(frozen=True)
class _Own:
    """The key ``drti``: what drti adds to the format."""

    config: dict[str, Any] = field(default_factory=dict)
    bits: int = 8
    arrays: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    xmp: bytes | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    decoder: bool = False
    mask: bool = False

    @staticmethod
    def read(info: Node) -> _Own:
        if "drti" not in info:
            return _Own()
        node = info["drti"]
        config = node["config"].object()
        node["config"]["codec"].text()
        bits = 8
        if "bits" in node:
            bits = node["bits"].integer(8, 16)
            if bits not in (8, 16):
                raise node["bits"].fails("8 or 16")
        xmp, icc, exif = (
            node[name].packet() if name in node else None for name in ("xmp", "icc", "exif")
        )
        provenance = node["provenance"].object() if "provenance" in node else {}
        arrays, comments = (
            tuple(item.text() for item in node[name].items()) if name in node else ()
            for name in ("arrays", "comments")
        )
        decoder = "decoder" in node and bool(node["decoder"].choice(GRAPH))
        mask = "mask" in node and bool(node["mask"].choice(MASK))
        return _Own(config, bits, arrays, comments, xmp, icc, exif, provenance, decoder, mask)

    def graph(self, folder: Path) -> Path | None:
        """The decoder as ONNX, if the folder holds it."""
        path = inside(folder, GRAPH)
        return path if self.decoder and look(path).is_file() else None

    def read_mask(self, folder: Path, shape: tuple[int, int]) -> Bool | None:
        """The mask (H, W), if the folder has one."""
        return read_mask(inside(folder, MASK), shape) if self.mask else None

    def read_arrays(self, folder: Path) -> Arrays:
        """The arrays in arrays.safetensors, if there are any."""
        if not self.arrays:
            return {}
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = inside(folder, "arrays.safetensors")
        try:
            regular.check(path)
            found = load_file(path)
        except FileNotFoundError:
            raise MissingFileError("is missing", where=str(path), expected="a file") from None
        except FileError:
            raise
        except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise FormatError(f"damaged ({error})", where=str(path)) from error
        if set(found) != set(self.arrays):
            raise FormatError(
                f"arrays {sorted(found)}", where=str(path), expected=f"{sorted(self.arrays)}"
            )
        return dict(found)


def _read_terms(info: Node, kind: str) -> tuple[dict[str, Any], int]:
    """Config and number of planes of ptm, hsh and sh."""
    colorspace = info["colorspace"].choice("rgb", "lrgb", "ycc")
    count = info["nplanes"].integer(1, _MAX_PLANES)
    choices = {n + 3 if colorspace == "lrgb" else 3 * n: n for n in _TERMS[kind]}
    if count not in choices:
        raise info["nplanes"].fails(f"{' or '.join(map(str, choices))} for {kind} in {colorspace}")
    config: dict[str, Any] = {"codec": kind, "version": 1, "colorspace": colorspace}
    config["terms"] = choices[count]
    return config, count


def _read_table(
    info: Node, kind: str, lights: LightDirections | None
) -> tuple[dict[str, Any], int, Arrays]:
    """Config, number of planes and arrays of rbf and bilinear."""
    colorspace = info["colorspace"].choice("mrgb", "mycc")
    config: dict[str, Any] = {"codec": kind, "version": 1, "colorspace": colorspace}
    arrays: Arrays = {}
    if kind == "rbf":
        config["sigma"] = info["sigma"].positive()
        if lights is None:
            raise FormatError(
                "no usable lights",
                where=f"{info.file}: $.lights",
                expected="the lights that an rbf interpolates between",
            )
        nodes = len(lights)
        arrays["lights"] = lights.xyz
    else:
        config["resolution"] = info["resolution"].integer(2, _MAX_RESOLUTION)
        nodes = config["resolution"] ** 2
    if colorspace == "mycc":
        ycc = info["yccplanes"].integers(0, _MAX_PLANES, 3)
        if ycc[1] != ycc[2] or ycc[0] < ycc[1] or not 0 < sum(ycc) <= _MAX_PLANES:
            raise info["yccplanes"].fails("[ny, nc, nc] with ny >= nc")
        config["yccplanes"], count = ycc, sum(ycc)
    else:
        count = info["nplanes"].integer(1, _MAX_PLANES)
    (material,) = info["materials"].items(1)
    arrays["range"] = np.array([item.positive() for item in material["range"].items(count)])
    arrays["basis"] = _read_basis(info, (count + 1, nodes, 3))
    return config, count, arrays


def _read_basis(info: Node, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """The basis from info.json, else from materials.bin."""
    size = shape[0] * shape[1] * shape[2]
    if "basis" in info:
        return np.array(info["basis"].integers(0, 255, size), np.uint8).reshape(shape)
    path = inside(info.file.parent, "materials.bin")
    if not os.path.lexists(look(path)):
        raise FormatError(
            "is missing",
            where=f"{info.file}: $.basis",
            expected=f"{size} integers here, or as many bytes in materials.bin",
        )
    with open_file(path) as file:
        data = file.read(size + 1)
    if len(data) != size:
        raise FormatError(f"{regular.check(path)} bytes", where=str(path), expected=f"{size} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _lights(info: Node, notes: list[str]) -> LightDirections | None:
    """The lights of the photographs; unusable ones are left out, all together, with a note."""
    if "lights" not in info:
        return None
    node = info["lights"]
    values = [item.any_number() for item in node.items()]
    if len(values) % 3:
        raise FormatError(
            f"{len(values)} values", where=f"{info.file}: {node.path}", expected="x, y, z of each"
        )
    if not values:
        return None
    try:
        xyz: Any = np.array(values, np.float64).reshape(-1, 3)
        return LightDirections(xyz)
    except LightError as error:
        notes.append(f"the lights in info.json are not used: {error}")
        return None


def _encoding(info: Node, notes: list[str]) -> Encoding:
    """``colorprofile``: RGB means linear values, sRGB and P3 share a transfer curve."""
    profile = info["colorprofile"].text() if "colorprofile" in info else "sRGB"
    if profile == "RGB":
        return "linear"
    if profile != "sRGB":
        notes.append(f"colour profile {profile!r} is treated as sRGB")
    return "srgb"


def _pixel_size(info: Node) -> float | None:
    """Side of a pixel in millimetres; relight writes 0 for unknown."""
    if "pixelSizeInMM" not in info:
        return None
    return info["pixelSizeInMM"].positive_or_none()


def _read_network(folder: Path, info: Node, shape: tuple[int, int]) -> StoredModel:
    """A network that another program wrote."""
    config, arrays, low, high = openlime_neural.read(info)
    notes: list[str] = []
    names = openlime_neural.names(folder, info["format"].choice(*_SUFFIXES))
    codes, icc = _read_codes(folder, info, openlime_neural.PLANES, shape, 8, notes, names)
    metadata = Metadata(
        lights=_lights(info, notes),
        encoding=_encoding(info, notes),
        icc=icc,
        pixel_size_mm=_pixel_size(info),
        notes=tuple(notes),
    )
    planes = openlime_neural.planes(codes, low, high, str(info.file))
    return StoredModel(config, shape, planes, arrays, metadata)


def _read_codes(
    folder: Path,
    info: Node,
    count: int,
    shape: tuple[int, int],
    bits: int,
    notes: list[str],
    stems: Sequence[str] | None = None,
    stream: bool = False,
) -> tuple[Any, bytes | None]:
    """(K, H, W) codes and the ICC profile; every header is checked before anything is allocated.

    ``stems`` are the pictures' names without ending, if they are not ``plane_0`` …; there may be
    more of them than the K planes need.
    """
    if count == 0:
        return None, None
    suffix = info["format"].choice(*_SUFFIXES)
    each = 3 if bits == 8 else 1
    numbered = stems is None
    if stems is None:
        stems = [f"plane_{number}" for number in range(-(-count // each))]
    layout = layouts.find(folder, suffix, stems[0])
    if layout != "image":
        planes = each * len(stems) if not numbered else count
        layers = layouts.layers(folder, layout, shape, suffix, planes, each, stems)
        codes, icc = assemble(shape, folder, layers, channels=each, bits=bits)
        return codes[:count], icc
    names = [f"{stem}.{suffix}" for stem in stems[: -(-count // each)]]
    pictures = []
    for name in names:
        if not look(folder / name).exists():
            raise MissingFileError(
                "is missing",
                where=str(folder / name),
                expected=f"{len(names)} pictures for the {count} planes of info.json",
            )
        path = inside(folder, name)
        if count == 48 and path.is_file() and not path.stat().st_size:
            raise FormatError(
                "is empty",
                where=str(path),
                expected="a picture",
                mend="relight-cli breaks off here when it converts a .rti of 16 terms: convert the "
                ".rti with drti instead.",
            )
        picture = plane_pictures.open_picture(path)
        kind = picture.shape, picture.channels, picture.bits
        if kind != (shape, each, bits):
            raise FormatError(
                plane_pictures.describe(*kind),
                where=str(picture.path),
                expected=plane_pictures.describe(shape, each, bits),
            )
        pictures.append(picture)
    if numbered and look(folder / f"plane_{len(names)}.{suffix}").exists():
        notes.append(f"plane_{len(names)}.{suffix} is not used: info.json counts {count} planes")
    codes = (
        read_streamed(pictures, count) if stream else plane_pictures.read_planes(pictures, count)
    )
    return codes, pictures[0].icc


def _correct(codes: Any, corrections: npt.NDArray[Any], folder: Path) -> None:
    """Put right what the JPEGs changed: rows of (index into (K, H, W), code)."""
    shape, kind = corrections.shape, corrections.dtype
    if corrections.ndim != 2 or shape[1] != 2 or kind != np.int64:
        problem = f"corrections {kind} of shape {shape}"
    elif (corrections < 0).any() or (corrections >= (codes.size, 256)).any():
        problem = "a correction outside the planes"
    else:
        codes.reshape(-1)[corrections[:, 0]] = corrections[:, 1]
        scratch.release(codes)
        return
    raise FormatError(
        problem,
        where=str(folder / "arrays.safetensors"),
        expected=f"int64 rows of index, 0 to {codes.size - 1}, and code, 0 to 255",
    )


def _padded(planes: Planes) -> Planes:
    """HSH of one term as HSH of four: nine planes of value 0 more."""
    codes = scratch.empty((12, *planes.shape), planes.codes.dtype)
    codes[:3], codes[3:] = planes.codes, 0
    zeros = np.zeros(9)
    return Planes(codes, np.append(planes.scale, zeros + 1), np.append(planes.bias, zeros))


def _is_webptm(path: Path) -> bool:
    """Whether an info.json is that of a WebPTM tree, which is another format."""
    try:
        with open_file(path) as file:
            return b'"MultiresStrategy"' in file.read(16 << 10)
    except OSError:
        return False
