"""Web folders of relight and OpenLIME: ``info.json`` and pictures ``plane_0.jpg`` … (FORMATS.md 3).

Each picture holds three coefficient planes as R, G, B, rows from the top; a plane's value is
``(code / 255 - bias) * scale``. For ``rbf`` and ``bilinear`` the array ``basis`` holds bytes in the
order ((p * nodes) + node) * 3 + channel, plane p = 0 being the mean. Old builds of
relight leave ``basis`` out of info.json; their ``materials.bin`` is the same bytes in the same
order (its length is (planes + 1) * nodes * 3; checked by relighting against a photograph).

What drti writes is a superset: one more key, ``drti``, holds what the format has no word for
(16-bit planes as one grey PNG each, other codecs' options), ``arrays.safetensors`` the arrays, and
``mask.png`` the mask.
"""

from drti_core.formats.folder.reader import FolderReader
from drti_core.formats.folder.writer import FolderWriter

__all__ = ["READER", "WRITER", "FolderReader", "FolderWriter"]

READER = FolderReader()
WRITER = FolderWriter()
