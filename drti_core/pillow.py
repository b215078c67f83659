"""A plugin of Pillow: ``PIL.Image.open("coin.ptm")`` shows the coin under a light from the front.

Import this module once; from then on Pillow opens .ptm and .rti::

    import drti_core.pillow
    from PIL import Image

    with Image.open("coin.rti") as coin:
        coin.relight(-0.7, 0.2).save("raking.png")

As with Pillow's own formats, opening reads the header only, a file that is none of ours is left to
other plugins (:class:`PIL.UnidentifiedImageError` if there is none), and damage found later is an
:class:`OSError`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageFile

from drti_core.arrays import Window
from drti_core.errors import DrtiError
from drti_core.formats.ptm import READER as PTM
from drti_core.formats.ptm.read import PtmReader
from drti_core.formats.rti import READER as RTI
from drti_core.formats.rti.read import RtiReader
from drti_core.io import scratch
from drti_core.lights import LightDirections
from drti_core.model import Metadata, RelightableModel
from drti_core.model.ground import Ground
from drti_core.registry.doors import restore

#: Bytes by which a file is recognised.
_HEAD = 512
_INCH_MM = 25.4


class RelightableImage(ImageFile.ImageFile):
    """A relightable model as a picture; its pixels are those under a light from the front.

    Where the file has a mask the picture has alpha, 0 outside.

    ``info`` holds what the file knows, as far as it does: ``icc_profile``, ``exif``, ``xmp``,
    ``dpi`` (of the object), ``pixel_size_mm``, ``lights`` (unit vectors), ``comments``, ``notes``,
    ``provenance``.
    """

    reader: PtmReader | RtiReader
    _file: Path
    _model: RelightableModel | None = None
    _shown = False

    def _open(self) -> None:
        file: IO[bytes] = self.fp  # type: ignore[assignment]
        head = file.read(_HEAD)
        name = os.fsdecode(self.filename) if self.filename else ""
        if not self.reader.sniff(Path(name), head):
            raise SyntaxError(f"no {self.format} file")  # Pillow asks its next plugin
        self._file = Path(name) if name else self._spooled(file)
        try:
            shape, metadata = self.reader.head(self._file)
        except DrtiError as error:
            raise SyntaxError(str(error)) from error
        self._mode = "RGB" if metadata.mask is None else "RGBA"
        self._size, self.tile = (shape[1], shape[0]), []
        self.info = _info(metadata)

    def _spooled(self, file: IO[bytes]) -> Path:
        """A stream's bytes as a file that goes with the picture."""
        try:
            folder, size = scratch.directory(), file.seek(0, os.SEEK_END)
            scratch.check_room(size, "a copy of the stream")
        except DrtiError as error:
            raise OSError(str(error)) from error
        handle, name = tempfile.mkstemp(dir=folder, prefix="drti-")
        weakref.finalize(self, Path(name).unlink, missing_ok=True)
        file.seek(0)
        with os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(file, copy)
        return Path(name)

    def model(self) -> RelightableModel:
        """The model, decoded when first asked for.

        Raises:
            OSError: the file is damaged, or gone.
        """
        if self._model is None:
            try:
                self._model = restore(self.reader.read(self._file))
            except DrtiError as error:
                if isinstance(error, OSError):
                    raise
                raise OSError(str(error)) from error
        return self._model

    def relight(self, x: float, y: float) -> Image.Image:
        """The picture under another light.

        Args:
            x: of the unit vector to the light, to the right.
            y: of it, upwards.

        Raises:
            ValueError: outside the unit disk.
            OSError: the file is damaged, or gone.
        """
        try:
            light = LightDirections.from_disk([[x, y]])
        except DrtiError as error:
            raise ValueError(str(error)) from error
        model = self.model()
        whole = Window(0, 0, *model.shape)
        shown = Ground.of(model, whole, ".png", None).under(model.relight_uint8(light)[0], 0)
        picture = Image.fromarray(shown)
        picture.info = dict(self.info)
        return picture

    def load(self) -> Any:
        """Decode and relight, the first time that pixels are needed."""
        if not self._shown:
            self.im = self.relight(0, 0).im
            self._shown = True
            if getattr(self, "_exclusive_fp", False) and self.fp is not None:
                self.fp.close()  # as Pillow's own formats do
                self.fp = None
        return Image.Image.load(self)


class PtmImage(RelightableImage):
    """A polynomial texture map (.ptm)."""

    format = "PTM"
    format_description = PTM.summary
    reader = PTM


class RtiImage(RelightableImage):
    """Hemispherical harmonics (.rti)."""

    format = "RTI"
    format_description = RTI.summary
    reader = RTI


def _info(metadata: Metadata) -> dict[str | tuple[int, int], Any]:
    size = metadata.pixel_size_mm
    known = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif,
        "xmp": metadata.xmp,
        "pixel_size_mm": size,
        "dpi": None if size is None else (_INCH_MM / size, _INCH_MM / size),
        "lights": None if metadata.lights is None else metadata.lights.xyz.tolist(),
        "comments": list(metadata.comments),
        "notes": list(metadata.notes),
        "provenance": dict(metadata.provenance),
    }
    return {name: value for name, value in known.items() if value}


def _may_be_ptm(prefix: bytes) -> bool:
    return prefix.startswith(b"PTM_")


def _may_be_rti(prefix: bytes) -> bool:
    return prefix[:1] in (b"#", b"3")  # more than Pillow shows is looked at on opening


Image.register_open(PtmImage.format, PtmImage, _may_be_ptm)
Image.register_extension(PtmImage.format, ".ptm")
Image.register_mime(PtmImage.format, "image/x-ptm")
Image.register_open(RtiImage.format, RtiImage, _may_be_rti)
Image.register_extension(RtiImage.format, ".rti")
Image.register_mime(RtiImage.format, "image/x-rti")
