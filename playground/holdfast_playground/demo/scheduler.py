"""The Holdfast scheduler as a process of the demo's cluster, and what its API says."""

import getpass
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from holdfast_playground import processes
from holdfast_playground.cluster import Cluster
from holdfast_playground.demo.checks import CheckFailed, NotYet
from holdfast_playground.mesos_command import basic_environment
from holdfast_playground.processes import ProcessRecord
from holdfast_playground.state import locked, write_state

NAME: Final = "scheduler"
PORT: Final = 8080
BIN: Final = Path(sys.executable).parent
SERVICE: Final = Path(__file__).parents[3] / "services" / "etcd" / "svc.yml"
TIMEOUT_SECONDS: Final = 5.0
SESSION_SECONDS: Final = 4


@dataclass(frozen=True, slots=True)
class Instance:
    """A pod instance with its one task and one volume, as the API shows it; empty when unplaced."""

    name: str
    state: str
    task_id: str
    agent: str
    zone: str
    volume: str
    reason: str


@dataclass(frozen=True, slots=True)
class Scheduler:
    """The scheduler of the etcd service. It is recorded with the cluster and ends with it."""

    cluster: Cluster

    @property
    def url(self) -> str:
        """Where its API is: ZooKeeper's address, which is the cluster's alone, at another port."""
        return f"http://{self.cluster.state.block.zookeeper}:{PORT}"

    @property
    def log(self) -> Path:
        """What it printed, over all restarts; beside the cluster, whose directory is its own."""
        return self.cluster.directory.with_name(f"{NAME}.log")

    @property
    def scratch(self) -> Path:
        """Its folder for temporary files, which a killed one leaves behind."""
        return self.cluster.directory.with_name("tmp")

    @property
    def process(self) -> ProcessRecord:
        """The process that was started last."""
        return self.cluster.state.processes[NAME]

    def start(self) -> None:
        """Start it; returns at once."""
        command = [
            str(BIN / "holdfast-scheduler"),
            str(SERVICE),
            f"--host={self.cluster.state.block.zookeeper}",
            f"--port={PORT}",
            f"--session-timeout={SESSION_SECONDS}",
        ]
        environment = basic_environment() | {
            "FRAMEWORK_ZOOKEEPER": self.cluster.zookeeper_address,
            "FRAMEWORK_USER": getpass.getuser(),
            "TMPDIR": str(self.scratch),
        }
        self.scratch.mkdir(exist_ok=True)
        directory = self.cluster.directory
        with locked(directory):
            state = self.cluster.state
            processes.spawn(
                command,
                environment,
                self.log,
                lambda record: write_state(directory, state.with_process(NAME, record)),
            )

    def kill(self) -> int:
        """SIGKILL; returns the id the process had."""
        record = self.process
        processes.kill([record])
        return record.pid

    def instances(self) -> dict[str, Instance]:
        """Every pod instance by name. Raises NotYet while the API does not answer."""
        body = self._get("/v1/pod/status")
        found = (_instance(plain) for pod in body["pods"] for plain in pod["instances"])
        return {instance.name: instance for instance in found}

    def plan_status(self, plan: str) -> str:
        """The status of a plan in one word. Raises NotYet while the API does not answer."""
        return str(self._get(f"/v1/plans/{plan}")["status"])

    def holdfast(self, *arguments: str) -> str:
        """What the command line tool prints. Raises CheckFailed when it fails."""
        done = subprocess.run(
            [str(BIN / "holdfast"), "--url", self.url, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise CheckFailed(f"`holdfast {' '.join(arguments)}` ended {done.returncode}: {said}")
        return done.stdout.strip()

    def _get(self, path: str) -> dict[str, Any]:
        if not processes.is_alive(self.process):
            raise CheckFailed("the scheduler runs: it has ended by itself")
        try:
            response = requests.get(self.url + path, timeout=TIMEOUT_SECONDS)
            body: dict[str, Any] = response.json()
        except requests.RequestException as error:
            raise NotYet(f"the API does not answer {path}: {error}") from error
        # 202: under way; 417: with errors, which the body tells.
        if response.status_code not in (200, 202, 417):
            raise NotYet(f"GET {path} answers {response.status_code}: {response.text[:200]}")
        return body


def _instance(plain: Mapping[str, Any]) -> Instance:
    return Instance(
        name=plain["name"],
        state=plain["state"],
        task_id=plain["tasks"][0]["id"],
        agent=plain["agent"] or "",
        zone=plain["zone"] or "",
        volume=plain["volumes"][0]["id"] if plain["volumes"] else "",
        reason=plain["reason"] or "",
    )
