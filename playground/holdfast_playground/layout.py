"""Where things lie in a cluster's directory, and what they are called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast_playground.spec import ClusterSpec

ZOOKEEPER: Final = "zookeeper"


def master_name(number: int | str) -> str:
    """The process name of a master."""
    return f"master-{number}"


def agent_name(number: int | str) -> str:
    """The process name of an agent."""
    return f"agent-{number}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the cluster in `directory`."""

    directory: Path

    @property
    def logs(self) -> Path:
        """One log per process, kept over restarts."""
        return self.directory / "logs"

    def remove_logs(self) -> None:
        """Delete the logs, and their directory unless someone else's files are in it."""
        for pattern in (f"{ZOOKEEPER}.log", master_name("*") + ".log", agent_name("*") + ".log"):
            for path in self.logs.glob(pattern):
                path.unlink()
        _remove_if_empty(self.logs)

    def remove_if_empty(self) -> None:
        """Delete the whole directory if nothing is in it."""
        self.fresh_state_file.unlink(missing_ok=True)
        _remove_if_empty(self.directory)

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.logs / f"{name}.log"

    @property
    def launcher(self) -> Path:
        """The programs agents run: mesos-containerizer and mesos-fetcher."""
        return self.directory / "launcher"

    @property
    def state_file(self) -> Path:
        """The record of settings, addresses and processes."""
        return self.directory / "state.json"

    @property
    def fresh_state_file(self) -> Path:
        """The next state file, while it is being written."""
        return self.directory / "state.new"

    @property
    def images(self) -> Path:
        """Docker images as NAME.tar (docker save), for containers of the linux launcher."""
        return self.directory / "images"

    @property
    def zookeeper(self) -> Path:
        """ZooKeeper's configuration and data."""
        return self.directory / ZOOKEEPER

    @property
    def disks(self) -> Path:
        """Images of agents' file systems, where each agent has one of its own."""
        return self.directory / "disks"

    def agent_disk(self, number: int) -> Path:
        """The image of an agent's file system."""
        return self.disks / f"{agent_name(number)}.ext4"

    def agent_ballast(self, number: int) -> Path:
        """What fills an agent's file system."""
        return self.agent(number) / "ballast"

    @property
    def certificates(self) -> Path:
        """The certificates of a cluster that speaks TLS."""
        return self.directory / "certificates"

    def master(self, number: int) -> Path:
        """A master's work_dir, with its registry."""
        return self.directory / master_name(number)

    def agent(self, number: int) -> Path:
        """All of an agent's machine: what `agent_remove` deletes."""
        return self.directory / agent_name(number)

    def agent_work(self, number: int) -> Path:
        """An agent's work_dir. `local::launch` gives agent 0 its own below the one it is told."""
        return self.agent(number) / "agents" / "0" / "work"

    def agent_runtime(self, number: int) -> Path:
        """An agent's runtime_dir: /run, which a machine loses with its power."""
        return self.agent(number) / "agents" / "0" / "run"

    def agent_boot_id(self, number: int) -> Path:
        """Where an agent notes the boot it ran in."""
        return self.agent_work(number) / "meta" / "boot_id"

    def run_data(self, spec: ClusterSpec) -> Iterator[Path]:
        """Every directory a cluster writes, but for the logs."""
        yield from (self.launcher, self.images, self.zookeeper, self.certificates)
        yield from (self.master(number) for number in range(1, spec.masters + 1))
        yield from (self.agent(number) for number in range(1, spec.agents + 1))
        yield self.disks


def _remove_if_empty(directory: Path) -> None:
    if directory.exists() and not any(directory.iterdir()):
        directory.rmdir()
