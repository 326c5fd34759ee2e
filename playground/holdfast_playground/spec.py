"""What a cluster should be, and the facts about its agents."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from holdfast_playground.addresses import MOST_AGENTS, MOST_MASTERS
from holdfast_playground.errors import PlaygroundError

Launcher = Literal["auto", "posix", "linux"]
State = Literal["running", "stopped", "dead", "removed"]

# The port ranges a DC/OS agent offers: services find the static ports they ask for there.
DEFAULT_RESOURCES: Final = (
    "cpus:4;mem:4096;disk:10240;"
    "ports:[1025-2180,2182-3887,3889-5049,5052-8079,8082-8180,8182-32000]"
)
LEAST_DISK_MB: Final = 16
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What to start. `resources` are each agent's, in Mesos' notation (MB).

    Agents are spread over `zones` in turn. An agent counts as unreachable after
    `ping_timeout_seconds` x `max_ping_timeouts` without an answer. `agent_settings` go to the
    agents in turn, `master_settings` to all masters: variables of their environment in the place
    of the playground's own. With `network_namespaces` each agent has a network of its own, which
    can be cut, and with `agent_disk_mb` a file system of its own, which can be full: as root only.
    With `tls` Mesos speaks TLS alone, with certificates made for it.
    Raises PlaygroundError.
    """

    agents: int = 4
    zones: tuple[str, ...] = ("a", "b", "c")
    region: str = "local"
    resources: str = DEFAULT_RESOURCES
    launcher: Launcher = "auto"
    allocation_interval_ms: int = 100
    ping_timeout_seconds: int = 5
    max_ping_timeouts: int = 3
    masters: int = 1
    zookeeper_session_seconds: float = 4.0
    agent_settings: tuple[Mapping[str, str], ...] = ()
    master_settings: Mapping[str, str] = field(default_factory=dict)
    network_namespaces: bool = False
    agent_disk_mb: int | None = None
    tls: bool = False

    def __post_init__(self) -> None:
        _check("agents", self.agents, 1 <= self.agents <= MOST_AGENTS, f"1 to {MOST_AGENTS}")
        _check("masters", self.masters, 1 <= self.masters <= MOST_MASTERS, f"1 to {MOST_MASTERS}")
        _check(
            "zones",
            self.zones,
            bool(self.zones) and all(NAME.fullmatch(zone) for zone in self.zones),
            "at least one name of letters, digits, '_', '.', '-'",
        )
        _check("region", self.region, bool(NAME.fullmatch(self.region)), "a name")
        _check(
            "launcher",
            self.launcher,
            self.launcher in ("auto", "posix", "linux"),
            "auto, posix or linux",
        )
        for name in ("allocation_interval_ms", "ping_timeout_seconds", "max_ping_timeouts"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check(
            "zookeeper_session_seconds",
            self.zookeeper_session_seconds,
            1 <= self.zookeeper_session_seconds <= 120,
            "1 to 120",
        )
        _check(
            "agent_disk_mb",
            self.agent_disk_mb,
            self.agent_disk_mb is None or self.agent_disk_mb >= LEAST_DISK_MB,
            f"at least {LEAST_DISK_MB}",
        )

    def zone(self, agent: int) -> str:
        """The zone of an agent, counted from 1."""
        return self.zones[(agent - 1) % len(self.zones)]

    def settings(self, agent: int) -> Mapping[str, str]:
        """What of the environment of an agent, counted from 1, is as the cluster's maker says."""
        return (
            self.agent_settings[(agent - 1) % len(self.agent_settings)]
            if self.agent_settings
            else {}
        )


def _check(name: str, found: object, ok: bool, expected: str) -> None:
    if not ok:
        raise PlaygroundError(f"Cluster setting {name} is {found!r}, expected {expected}.")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent as it is now. `pid` is None unless it runs (or is stopped by SIGSTOP)."""

    name: str
    number: int
    ip: str
    port: int
    zone: str
    work_dir: Path
    pid: int | None
    state: State


@dataclass(frozen=True, slots=True)
class Master:
    """One master as it is now, leading or standing by."""

    name: str
    number: int
    ip: str
    port: int
    pid: int | None
    state: State
