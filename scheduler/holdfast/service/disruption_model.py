"""Who is asked before pod instances are stopped, as a plain fact."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DisruptionCheck:
    """The URL that is asked each time, or the command that is run; the other one is empty.

    `$NAME` and `${NAME}` in the URL are filled in by then; the command has these variables.
    """

    url: str = ""
    command: str = ""
