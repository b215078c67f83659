"""A stored model → info.json and plane pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from drti_core.arrays import Codes
from drti_core.errors import DrtiError, OptionError, UnsupportedFormatError
from drti_core.formats._shared.graphs import graph_of
from drti_core.formats.folder import openlime_neural
from drti_core.formats.folder.layouts import GOOGLE_SIDE
from drti_core.formats.folder.pictures import (
    FolderLayout,
    Pictures,
    corrections,
    jpeg_psnr,
    picture_names,
)
from drti_core.formats.folder.pyramid import Kind, Layout, kind_of_folder
from drti_core.formats.folder.reader import GRAPH, MASK
from drti_core.io import outputs, strict_json
from drti_core.io.pictures import decoders
from drti_core.io.pictures.jpeg import JPEG_MAX_SIDE, Chroma
from drti_core.io.pictures.mask_picture import encode_mask
from drti_core.io.pictures.tiles import MAX_SIDE, MIN_SIDE
from drti_core.io.pictures.webp import WEBP_MAX_SIDE
from drti_core.io.software import software
from drti_core.io.strict_json import nine_digits
from drti_core.model import StoredModel
from drti_core.model.contracts import Writer

#: Files of a model's folder, and patterns of its pictures' names.
FILES = ("info.json", GRAPH, "arrays.safetensors", MASK)
PICTURES = ("plane_[0-9]*", "planes")
#: Types whose planes are coefficients.
_TERMS = ("ptm", "hsh", "sh")
#: Arrays that info.json itself holds.
_IN_JSON = {"rbf": ("lights", "basis", "range"), "bilinear": ("basis", "range")}


@dataclass(frozen=True)
class FolderWriter(Writer):
    """relight's keys in relight's types and order, and one more, ``drti``.

    Networks that OpenLIME can show are of its type ``neural``; see :mod:`.network`.

    Args:
        image: ``jpg`` (8-bit planes, 4:4:4), ``png`` (exact; 8 or 16 bits) or ``webp`` (exact;
            8 bits). None: ``png`` for latents of networks, which bear JPEG worse than coefficients
            do, and for 16 bits; else, and wherever a quality is given, ``jpg``.
        quality: of the JPEGs, 1..100; None: 95, and 100 with ``max_error``.
        chroma: ``444``, or ``420``, which makes the JPEGs of PTM, HSH and SH smaller and worse
            (image layout only; planes of other models keep their full resolution).
        layout: ``image`` (whole pictures), or a pyramid of tiles, for a viewer that fetches what it
            shows: ``deepzoom``, ``google``, ``zoomify``, ``tarzoom`` (one file for each picture)
            or ``itarzoom`` (one for all); see :mod:`.layouts`.
        tile: side of the tiles, 16..4096; 256 for ``google``.
        max_error: most that a code may differ after the JPEG, 0..255 (image layout only): what
            differs more is stored apart, in ``arrays.safetensors``, and put right when drti reads
            the folder; other viewers show the JPEGs alone. None: no such limit. At quality 100
            hardly any code differs by more than 1.
    """

    writer_id = "folder"
    summary = (
        "relight/OpenLIME web folder: info.json and plane_0.jpg …, or tiles "
        "(deepzoom, google, zoomify, tarzoom, itarzoom)"
    )

    folder = kind_of_folder("a model's folder", "info.json", FILES, PICTURES)

    image: Kind | None = None
    quality: int | None = None
    chroma: Chroma = "444"
    layout: FolderLayout = "image"
    tile: int = 256
    max_error: int | None = None

    def refuse(self, stored: StoredModel) -> str | None:
        """Why this model cannot be written, or None if it can."""
        self._check_options()
        image = self.chosen(stored)
        if self.max_error is not None and self.layout != "image":
            return f"max_error needs the image layout, not {self.layout}"
        if self.chroma != "444" and self.layout != "image":
            return f"chroma {self.chroma} needs the image layout, not {self.layout}"
        if image != "png" and stored.planes is not None:
            kind = "JPEG" if image == "jpg" else "WebP"
            if stored.planes.code_max > 255:
                return f"{kind} holds 8-bit planes and these have 16 bits; write image=png"
            limit = JPEG_MAX_SIDE if image == "jpg" else WEBP_MAX_SIDE
            if self.layout == "image" and max(stored.shape) > limit:
                return f"{kind} holds sides of up to {limit} pixels; write image=png"
            pixels = stored.shape[0] * stored.shape[1]
            if self.layout == "image" and image == "webp" and pixels > decoders.WEBP_MAX_PIXELS:
                return f"{pixels} pixels are too many for one WebP; write tiles or image=png"
        try:
            self._info(stored, _extra_arrays(stored))
        except DrtiError as error:
            return str(error)
        return None

    def chosen(self, stored: StoredModel) -> Kind:
        """What the planes are written as."""
        if self.image is not None:
            return self.image
        if self.quality is not None:
            return "jpg"
        deep = stored.planes is not None and stored.planes.code_max > 255
        return "png" if deep or _is_network(stored) else "jpg"

    @property
    def _quality(self) -> int:
        if self.quality is not None:
            return self.quality
        return 95 if self.max_error is None else 100

    def write(self, stored: StoredModel, path: Path, *, overwrite: bool = False) -> tuple[str, ...]:
        """Write a folder; see :meth:`Writer.write`.

        Raises:
            OptionError: a folder is there that holds something else than a model.
        """
        outputs.check_output(path, overwrite, self.folder)
        with outputs.atomic_folder(path, overwrite=overwrite, kind=self.folder) as folder:
            return self.write_into(stored, folder)

    def write_into(
        self,
        stored: StoredModel,
        folder: Path,
        *,
        others: Mapping[str, Codes] | None = None,
        bare: bool = False,
    ) -> tuple[str, ...]:
        """Write into a folder that is there; the caller makes it whole or absent.

        Args:
            stored: the model.
            folder: an empty folder.
            others: (3, H, W) codes of more pictures, by their names.
            bare: leave the colour profile to info.json in any layout: browsers would apply it to
                the coefficients.

        Returns:
            What was lost or changed on the way, a sentence each.

        Raises:
            UnsupportedFormatError: :meth:`refuse` gives a reason.
        """
        reason = self.refuse(stored)
        if reason is not None:
            raise UnsupportedFormatError(f"cannot be written as a web folder: {reason}")
        image = self.chosen(stored)
        extra = _extra_arrays(stored)
        graph, notes = graph_of(stored, GRAPH)
        bare = bare or self.layout != "image" or image == "webp"
        pictures = Pictures(image, self._quality, self.chroma, self.layout, self.tile)
        pictures.write(stored, folder, others or {}, None if bare else stored.metadata.icc)
        planes = stored.planes
        if planes is not None and image == "jpg" and self.max_error is not None:
            names = picture_names(stored)
            extra |= corrections(planes.codes, folder, names, self.max_error)
        (folder / "info.json").write_bytes(self._info(stored, extra, graph is not None, bare))
        if graph is not None:
            (folder / GRAPH).write_bytes(graph)
        if (mask := stored.metadata.mask) is not None:
            (folder / MASK).write_bytes(encode_mask(mask))
        if extra:
            from safetensors.numpy import save_file

            save_file(extra, folder / "arrays.safetensors")
        if planes is None or image != "jpg" or self.max_error == 0:
            return notes
        change = "a little" if self.max_error is None else f"by up to {self.max_error} of 255"
        note = f"the planes are JPEGs of quality {self._quality}, which changes them {change}"
        measured = self.max_error is None and self.layout == "image"
        if measured and stored.decoder is not None and _is_network(stored):
            note += f"; relit pictures are {jpeg_psnr(stored, folder):.1f} dB from the exact ones"
        return (*notes, note)

    def _check_options(self) -> None:
        limited = self.max_error is None or 0 <= self.max_error <= 255
        known = self.image is None or self.image in get_args(Kind)
        if not known or not 1 <= self._quality <= 100 or not limited:
            raise OptionError(
                f"image {self.image!r}, quality {self._quality!r}, max_error {self.max_error!r}",
                where="folder",
                expected="image jpg, png or webp, quality 1 to 100, max_error 0 to 255 or none",
            )
        if self.layout != "image" and self.layout not in get_args(Layout):
            raise OptionError(
                f"layout {self.layout!r}",
                where="folder",
                expected="image, deepzoom, google, zoomify, tarzoom or itarzoom",
            )
        if self.chroma not in get_args(Chroma):
            raise OptionError(f"chroma {self.chroma!r}", where="folder", expected="444 or 420")
        if not MIN_SIDE <= self.tile <= MAX_SIDE:
            raise OptionError(
                f"tile {self.tile}", where="folder", expected=f"{MIN_SIDE} to {MAX_SIDE}"
            )
        if self.layout == "google" and self.tile != GOOGLE_SIDE:
            raise OptionError(
                f"tile {self.tile} in the layout google", where="folder", expected=f"{GOOGLE_SIDE}"
            )

    def _info(
        self,
        stored: StoredModel,
        extra: Mapping[str, npt.NDArray[Any]],
        graph: bool = False,
        bare: bool = False,
    ) -> bytes:
        """The text of info.json.

        Args:
            stored: the model.
            extra: the arrays that are stored apart.
            graph: whether decoder.onnx is written.
            bare: whether the colour profile is not in the pictures.

        Raises:
            DrtiError: a part is missing, does not fit the others or is not finite.
        """
        config, metadata, planes = stored.config, stored.metadata, stored.planes
        kind = config.get("codec")
        if not isinstance(kind, str) or not kind:
            raise DrtiError(f"config without a codec: {dict(config)}", expected="a codec id")
        count = 0 if planes is None else planes.count
        if planes is not None and planes.shape != tuple(stored.shape):
            raise DrtiError(f"planes of shape {planes.shape}", expected=f"{stored.shape}")
        if metadata.mask is not None and metadata.mask.shape != tuple(stored.shape):
            raise DrtiError(f"a mask of shape {metadata.mask.shape}", expected=f"{stored.shape}")
        info: dict[str, Any] = {
            "width": stored.shape[1],
            "height": stored.shape[0],
            "format": self.chosen(stored),
        }
        if metadata.pixel_size_mm is not None:
            info["pixelSizeInMM"] = nine_digits([metadata.pixel_size_mm])[0]
        native = openlime_neural.keys(stored)
        info["type"] = kind if native is None else "neural"
        if kind in _TERMS:
            _check_terms(config, count)
        if kind in _IN_JSON:
            _check_tables(stored, count)
        if kind == "bilinear":
            info["resolution"] = config["resolution"]
        if native is not None:
            info |= native
        elif isinstance(config.get("colorspace"), str):
            info["colorspace"] = config["colorspace"]
        if kind == "rbf":
            info["sigma"] = nine_digits([config["sigma"]])[0]
            info["lights"] = nine_digits(np.ravel(stored.arrays["lights"]))
        elif metadata.lights is not None:
            info["lights"] = nine_digits(np.ravel(metadata.lights.xyz))
        if config.get("colorspace") == "mycc":
            info["yccplanes"] = list(config["yccplanes"])
        else:
            info["nplanes"] = count
        info["quality"] = self._quality if info["format"] == "jpg" else 100
        info["colorprofile"] = "RGB" if metadata.encoding == "linear" else "sRGB"
        material: dict[str, Any] = {}
        if kind in _IN_JSON:
            info["basis"] = np.ravel(stored.arrays["basis"]).tolist()
            material["range"] = nine_digits(stored.arrays["range"])
        material["scale"] = nine_digits([] if planes is None else planes.scale)
        material["bias"] = nine_digits([] if planes is None else planes.bias)
        info["materials"] = [material]
        info["drti"] = _own(stored, extra)
        if graph:
            info["drti"]["decoder"] = GRAPH
        if metadata.icc and (bare or planes is None):
            # Not in every tile, where a viewer would apply it to coefficients.
            info["drti"]["icc"] = base64.b64encode(metadata.icc).decode("ascii")
        return strict_json.dump(info)


def _is_network(stored: StoredModel) -> bool:
    """Whether the planes go through anything but sums of products."""
    if stored.decoder is None:
        return "graph" in stored.arrays
    return any(layer.activation != "none" for layer in stored.decoder.layers)


def _own(stored: StoredModel, extra: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """The key ``drti``."""
    own: dict[str, Any] = {"software": software(), "config": dict(stored.config)}
    own["bits"] = 8 if stored.planes is None or stored.planes.code_max == 255 else 16
    if extra:
        own["arrays"] = sorted(extra)
    if stored.metadata.comments:
        own["comments"] = list(stored.metadata.comments)
    if stored.metadata.xmp:
        own["xmp"] = base64.b64encode(stored.metadata.xmp).decode("ascii")
    if stored.metadata.exif:
        own["exif"] = base64.b64encode(stored.metadata.exif).decode("ascii")
    if stored.metadata.provenance:
        own["provenance"] = dict(stored.metadata.provenance)
    if stored.metadata.mask is not None:
        own["mask"] = MASK
    return own


def _extra_arrays(stored: StoredModel) -> dict[str, npt.NDArray[Any]]:
    """Arrays that info.json has no place for.

    Raises:
        DrtiError: an array of Python objects, or a value that is not finite.
    """
    inside = _IN_JSON.get(str(stored.config.get("codec")), ())
    extra = {k: np.ascontiguousarray(v) for k, v in stored.arrays.items() if k not in inside}
    for name, array in extra.items():
        if array.dtype.kind not in "biuf":
            raise DrtiError(f"array {name!r} of {array.dtype}", expected="numbers")
        if not np.isfinite(array).all():
            raise DrtiError(f"array {name!r} holds nan or inf", expected="finite numbers")
    return extra


def _check_terms(config: Mapping[str, Any], count: int) -> None:
    """Check that there are as many planes as the terms need.

    Raises:
        DrtiError: there are not.
    """
    terms, colorspace = config.get("terms"), config.get("colorspace")
    if colorspace not in ("rgb", "lrgb", "ycc") or not isinstance(terms, int):
        raise DrtiError(
            f"terms {terms!r}, colorspace {colorspace!r}",
            expected="a number, and rgb, lrgb or ycc",
        )
    needed = terms + 3 if colorspace == "lrgb" else 3 * terms
    if count != needed:
        raise DrtiError(f"{count} planes", expected=f"{needed} for {terms} terms in {colorspace}")


def _check_tables(stored: StoredModel, count: int) -> None:
    """Check that the arrays of rbf and bilinear belong together.

    Raises:
        DrtiError: they do not.
    """
    kind, config, arrays = str(stored.config["codec"]), stored.config, stored.arrays
    needed = ["colorspace", "sigma" if kind == "rbf" else "resolution"]
    needed += ["yccplanes"] if config.get("colorspace") == "mycc" else []
    missing = [n for n in needed if n not in config] + [
        n for n in _IN_JSON[kind] if n not in arrays
    ]
    if missing:
        raise DrtiError(f"{kind} without {', '.join(missing)}", expected="all of its parameters")
    nodes = len(arrays["lights"]) if kind == "rbf" else config["resolution"] ** 2
    expected = {"basis": (count + 1, nodes, 3), "range": (count,)}
    if kind == "rbf":
        expected["lights"] = (nodes, 3)
    ycc = config["yccplanes"] if config["colorspace"] == "mycc" else [count]
    if count < 1 or sum(ycc) != count:
        raise DrtiError(f"{count} planes", expected=f"{sum(ycc) or 'at least 1'}")
    for name, shape in expected.items():
        if arrays[name].shape != shape:
            raise DrtiError(f"array {name!r} of shape {arrays[name].shape}", expected=f"{shape}")
    if arrays["basis"].dtype != np.uint8:
        raise DrtiError(f"array 'basis' of {arrays['basis'].dtype}", expected="uint8")
