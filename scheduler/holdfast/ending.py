"""How the scheduler's process comes to its end, and the codes that tell why."""

import signal
import threading
from types import FrameType
from typing import Any

import structlog

from holdfast.engine import Engine

EXIT_BAD_INPUT = 1
EXIT_REFUSED_BY_MASTER = 6
EXIT_LEADERSHIP_LOST = 8
EXIT_API = 9
EXIT_UNINSTALLING = 11
EXIT_RECORDS = 14
"""Exit codes; those below 14 mean what they mean in dcos-commons (ProcessExit)."""

log = structlog.get_logger("holdfast")


class Fatal(Exception):
    """Ends the process with a code; the message is for the operator. Tasks run on."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Ending:
    """Brings the process to its end, once, from whatever thread noticed that it must end."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.fatal: Fatal | None = None
        self.engine: Engine[Any] | None = None

    def __call__(self, fatal: Fatal | None = None) -> None:
        self.fatal = self.fatal or fatal
        self.stop.set()
        if self.engine is not None:
            self.engine.stop()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping; tasks run on", signal=signal.Signals(number).name)
        self()
