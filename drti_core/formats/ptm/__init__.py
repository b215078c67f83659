"""Polynomial texture maps of HP: .ptm files (FORMATS.md section 1)."""

from __future__ import annotations

from drti_core.formats.ptm.read import PtmReader
from drti_core.formats.ptm.write import PtmWriter

READER = PtmReader()
WRITER = PtmWriter()
