"""What a process leads: one service, or a framework of many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from holdfast.engine import Decides, Engine
from holdfast.service.model import ServiceSpec


@dataclass(frozen=True, slots=True)
class Framework:
    """What the master and the store are told of it. `web_url` None is the API itself."""

    name: str
    user: str
    principal: str
    zookeeper: str
    web_url: str | None = None


@dataclass(frozen=True, slots=True)
class Leading:
    """The core that decides, and what the rest of the process asks of it, from any thread.

    `configs` are the configurations that need secrets delivered, None when nothing is launched any
    more; `ended` is whether there is no framework, and none to be made. `app` is the API.
    """

    core: Decides[Any]
    framework_id: str | None
    roles: Callable[[], Sequence[str]]
    suppressed_roles: Callable[[], Sequence[str]]
    gpus: Callable[[], bool]
    app: Callable[[Engine[Any], Mapping[str, bytes]], ASGIApp]
    configs: Mapping[str, ServiceSpec] | None
    deregisters: Callable[[], bool] = lambda: False
    ended: bool = False
