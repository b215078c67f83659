"""``python -m drti_core``: the command line."""

import sys

from drti_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
