"""``python -m drti_plugins.relight``."""

from __future__ import annotations

import sys

from drti_plugins.relight import main

sys.exit(main())
