"""Zarr v3 stores (``coin.zarr``): planes in chunks and shards at several levels (docs/zarr.md).

For archives, object stores, and images too large for one file.

=============  ====================================================================================
zarr.json      what the model is (attribute ``drti``) and its levels (``ome``); written last
0/planes       (K, H, W) codes; chunks of three planes, shards of all of them
0/mask         (H, W) bool, where the object is
0/y, 0/x       places of rows and columns, for xarray
1/planes …     half the size, a code being the mean of four, and so on
arrays/NAME    the codec's arrays
decoder        the decoder as ONNX (docs/onnx.md), byte by byte in one file
=============  ====================================================================================
"""

from drti_core.formats.zarr.reader import ZarrReader
from drti_core.formats.zarr.writer import ZarrWriter

__all__ = ["READER", "WRITER", "ZarrReader", "ZarrWriter"]

READER = ZarrReader()
WRITER = ZarrWriter()
