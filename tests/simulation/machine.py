"""What there is on a simulated machine: volumes, executors, tasks, and updates still to be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast_executor.contract import TaskLaunch
from tests.simulation.resources import Bag, Json

TERMINAL = frozenset(
    {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE"}
)


@dataclass(slots=True)
class Volume:
    """A persistent volume and who wrote to it: executor ids in order."""

    id: str
    pod: str
    writers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Task:
    """A task as its agent knows it. `ready` is None without a readiness check."""

    id: str
    pod: str
    executor_id: str
    info: Json
    state: str = "TASK_STAGING"
    alive: bool = False
    ready: bool | None = None
    updates: list[Json] = field(default_factory=list)

    @property
    def command(self) -> str:
        return TaskLaunch.decode(self.info["data"]).command

    @property
    def environment(self) -> Mapping[str, str]:
        return TaskLaunch.decode(self.info["data"]).environment

    @property
    def config_id(self) -> str:
        return label_of(self.info, "target_configuration")

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


@dataclass(slots=True)
class Executor:
    """An executor and its tasks; it `waits` while another has its volumes locked."""

    id: str
    pod: str
    resources: Bag
    volumes: tuple[str, ...]
    info: Json
    tasks: dict[str, Task] = field(default_factory=dict)
    registered: bool = False
    waits: bool = False
    began: float = 0.0
    exiting: bool = False


@dataclass(slots=True)
class Updates:
    """What goes wrong with an agent's status updates: times until when, and numbers of them."""

    late_until: float = 0.0
    mixed_until: float = 0.0
    lose: int = 0
    double: int = 0


def label_of(info: Json, key: str) -> str:
    """One of a TaskInfo's labels."""
    return next(str(pair["value"]) for pair in info["labels"]["labels"] if pair["key"] == key)
