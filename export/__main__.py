"""`python -m miniseg_edge.export`: the same as `miniseg-export`."""

import sys

from miniseg_edge.export.command import main

if __name__ == "__main__":
    sys.exit(main())
