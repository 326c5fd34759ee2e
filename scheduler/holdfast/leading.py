"""What a process leads, one service or many, as the rest of the process sees it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.api.shapes import MetricsBody
from holdfast.engine import Decides, Engine
from holdfast.service.model import ServiceSpec


class CannotStart(Exception):
    """The records are not what was expected, or cannot be read. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Leading:
    """The core that decides, and what the rest of the process asks of it, from any thread.

    `configs` are the configurations that need secrets delivered, None when nothing is launched any
    more; `ended` is whether there is no framework, and none to be made. `metrics` are
    those of each service with its name, or with "" of the only one.
    """

    core: Decides[Any]
    framework_id: str | None
    roles: Callable[[], Sequence[str]]
    suppressed_roles: Callable[[], Sequence[str]]
    gpus: Callable[[], bool]
    metrics: Callable[[Engine[Any], float], Iterable[tuple[str, MetricsBody]]]
    configs: Mapping[str, ServiceSpec] | None
    deregisters: Callable[[], bool] = lambda: False
    ended: bool = False
