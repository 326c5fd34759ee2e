"""`python3 -m holdfast_executor`: the same as running the archive."""

import sys

from holdfast_executor.main import main

if __name__ == "__main__":
    sys.exit(main())
