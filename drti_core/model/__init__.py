"""What a model is, what plugins promise, and what is kept beside the pixels.

Plugins are codecs, readers, writers and exporters.
"""

from __future__ import annotations

from drti_core.model.model import Metadata, RelightableModel, StoredModel
from drti_core.model.provenance import metadata_of

__all__ = ["Metadata", "RelightableModel", "StoredModel", "metadata_of"]
