"""`python -m alight`: the command `alight`."""

import sys

from alight.cli import main

if __name__ == "__main__":
    sys.exit(main())
