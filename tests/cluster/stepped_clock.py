"""`holdfast-scheduler` on a machine whose clock is set while it runs, for tests.

`python -m tests.cluster.stepped_clock FILE ...` adds the seconds in FILE to the clock. All other
arguments are the scheduler's own.
"""

import sys
import time
from pathlib import Path


def set_ahead(file: Path, seconds: float) -> None:
    """Set the clock of those that read the file, all at once: it never is half written."""
    fresh = file.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.replace(file)


def main() -> None:
    """Step this process' wall clock, before any module of the scheduler has looked at it."""
    file, right = Path(sys.argv.pop(1)), time.time
    time.time = lambda: right() + float(file.read_text())
    from holdfast import main as program

    program.main()


if __name__ == "__main__":
    main()
