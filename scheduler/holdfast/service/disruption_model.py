"""Who is asked before pod instances are stopped, as a plain fact."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DisruptionCheck:
    """The URL that is asked each time; `$NAME` and `${NAME}` in it are filled in by then."""

    url: str
