"""Universal RTI files with hemispherical harmonics: .rti, "HSH1.2" (FORMATS.md section 2)."""

from __future__ import annotations

from drti_core.formats.rti.read import RtiReader
from drti_core.formats.rti.write import RtiWriter

READER = RtiReader()
WRITER = RtiWriter()
