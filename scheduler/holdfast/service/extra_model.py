"""What a service is besides its pods and plans: endpoints made of their places, and the rules its
definition must keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A name under which clients are told where pod instances are.

    Either the addresses of the first `count` instances of `pod` (all without it), with the number
    of `port` if there is one; or the text `content` of the file `template`, filled in.
    """

    name: str
    pod: str | None = None
    count: int | None = None
    port: str | None = None
    template: str | None = None
    content: str = ""


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """What the value at `path`, written as in svc.yml, must be; `message` says why, or what to do.

    `unchanged` and `only_grows` are about updates, the others about each definition alone.
    """

    path: str
    message: str = ""
    unchanged: bool = False
    only_grows: bool = False
    matches: str | None = None
    one_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
