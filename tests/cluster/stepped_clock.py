"""`holdfast-scheduler` on a machine whose clock is set while it runs, for tests.

`python -m tests.cluster.stepped_clock FILE MODULE ...` adds the seconds in FILE to what `time.time`
says in that process, and runs MODULE, as holdfast.main; the rest are its arguments.
"""

import runpy
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
    file, right, module = Path(sys.argv.pop(1)), time.time, sys.argv.pop(1)
    time.time = lambda: right() + float(file.read_text())
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
