"""The scripts of services/etcd with the real etcd, run as an executor runs them, without Mesos."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.service.load import load
from holdfast.service.model import PodSpec, ServiceSpec
from holdfast.service.task_env import task_environment

SERVICE = Path(__file__).parents[2] / "services/etcd/svc.yml"
CLIENT_PORT, PEER_PORT = 2379, 2380

pytestmark = pytest.mark.skipif(
    shutil.which("etcd") is None or shutil.which("etcdctl") is None, reason="etcd is not installed"
)


def free_network() -> str:
    """The first three bytes of loopback addresses nobody uses etcd's ports on."""
    for number in range(os.getpid() % 250 + 1, 251 + os.getpid() % 250):
        prefix = f"127.77.{number % 250 + 1}"
        try:
            for last in range(1, 7):
                for port in (CLIENT_PORT, PEER_PORT):
                    with socket.socket() as probe:
                        probe.bind((f"{prefix}.{last}", port))
        except OSError:
            continue
        return prefix
    raise AssertionError("no free loopback network")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.2)


@dataclass
class Instance:
    """One placed pod instance: its sandbox with an empty volume, and its task once started."""

    name: str
    ip: str
    sandbox: Path
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Executor:
    """Runs the commands of the service's pod as the executor does: in the sandbox, through sh."""

    folder: Path
    prefix: str
    service: ServiceSpec
    placed: dict[str, Instance] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def pod(self) -> PodSpec:
        return self.service.pods[0]

    def place(self, index: int, last_byte: int) -> Instance:
        """A place with a new, empty volume; takes that of an earlier instance of the index."""
        sandbox = self.folder / f"etcd-{index}-at-{last_byte}-{len(self.started)}"
        (sandbox / "data").mkdir(parents=True)
        for config in self.pod.tasks[0].configs:
            (sandbox / config.dest).write_text(config.content)
        instance = Instance(f"etcd-{index}", f"{self.prefix}.{last_byte}", sandbox)
        self.placed[instance.name] = instance
        return instance

    def env(self, instance: Instance, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        env = task_environment(
            self.service,
            self.pod,
            int(instance.name.rpartition("-")[2]),
            self.pod.tasks[0],
            ports={"client": CLIENT_PORT, "peer": PEER_PORT},
            region=None,
            zone=None,
            scheduler_host="127.0.0.1",
            scheduler_port=1,
            peers={name: other.ip for name, other in self.placed.items()},
        )
        path = os.environ["PATH"]
        return {"PATH": path, **env, "MESOS_CONTAINER_IP": instance.ip, **(extra or {})}

    def run(self, instance: Instance, cmd: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", cmd],
            cwd=instance.sandbox,
            env=self.env(instance, extra),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def hook(self, instance: Instance, name: str, **extra: str) -> str:
        """Run the hook of that name, which must succeed; what it printed on stderr."""
        hook = self.pod.hooks.create if name == "create" else self.pod.hooks.replace
        assert hook
        done = self.run(instance, hook.cmd, **extra)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self, instance: Instance) -> None:
        with (instance.sandbox / "log").open("ab") as log:
            instance.process = subprocess.Popen(
                ["sh", "-c", self.pod.tasks[0].cmd],
                cwd=instance.sandbox,
                env=self.env(instance),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(instance.process)

    def stop(self, instance: Instance, how: signal.Signals = signal.SIGKILL) -> None:
        assert instance.process
        os.killpg(instance.process.pid, how)
        instance.process.wait(30)

    def ready(self, instance: Instance) -> bool:
        check = self.pod.tasks[0].readiness_check
        assert check
        assert instance.process
        assert instance.process.poll() is None, (instance.sandbox / "log").read_text()[-2000:]
        return self.run(instance, check.cmd).returncode == 0

    def alive(self, instance: Instance) -> bool:
        check = self.pod.tasks[0].health_check
        assert check
        return self.run(instance, check.cmd).returncode == 0

    def deploy(self, index: int, last_byte: int, hook: str = "create") -> Instance:
        instance = self.place(index, last_byte)
        self.hook(instance, hook)
        self.start(instance)
        wait_for(lambda: self.ready(instance), f"ready {instance.name}")
        return instance

    def ctl(self, instance: Instance, *args: str) -> str:
        done = subprocess.run(
            ["etcdctl", f"--endpoints=http://{instance.ip}:{CLIENT_PORT}", *args],
            env={"PATH": os.environ["PATH"], "ETCDCTL_API": "3"},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def members(self, instance: Instance) -> dict[str, tuple[str, str]]:
        """Name, then the host of its peer URL and whether it is a learner, as the cluster says."""
        lines = self.ctl(instance, "member", "list").splitlines()
        rows = [line.split(", ") for line in lines]
        return {row[2]: (row[3].split("/")[2].split(":")[0], row[5]) for row in rows}


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[Executor]:
    service = load(SERVICE, {"NODE_DISK": "512"})
    executor = Executor(tmp_path, free_network(), service)
    yield executor
    for process in executor.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def test_deploy_lose_a_member_and_replace_it(executor: Executor) -> None:
    first = executor.deploy(0, 1)
    executor.ctl(first, "put", "before", "1")
    second = executor.deploy(1, 2)
    third = executor.deploy(2, 3)
    names = ("etcd-0", "etcd-1", "etcd-2")
    hosts = [f"{executor.prefix}.{last}" for last in (1, 2, 3)]
    assert executor.members(first) == {n: (h, "false") for n, h in zip(names, hosts, strict=True)}
    executor.ctl(third, "put", "all", "3")

    executor.stop(second)  # its agent is lost with its data
    executor.ctl(first, "put", "while-down", "2")
    new = executor.place(1, 4)
    executor.hook(new, "replace")
    executor.hook(new, "replace")  # interrupted before the task ran: the hook runs again
    executor.start(new)
    wait_for(lambda: executor.ready(new), "ready replacement")

    hosts[1] = f"{executor.prefix}.4"
    assert executor.members(new) == {n: (h, "false") for n, h in zip(names, hosts, strict=True)}
    for key, value in (("before", "1"), ("all", "3"), ("while-down", "2")):
        assert (
            executor.ctl(new, "get", "--consistency=s", "--print-value-only", key) == value + "\n"
        )
    # The replacement votes: without it there would be no quorum now.
    executor.stop(first)
    wait_for(lambda: executor.ready(new), "quorum with the replacement")
    executor.ctl(new, "put", "after", "4")


def test_a_join_given_up_before_its_start_is_taken_out(executor: Executor) -> None:
    first = executor.deploy(0, 1)
    executor.hook(executor.place(1, 2), "create")
    assert executor.members(first)[""] == (f"{executor.prefix}.2", "true")
    executor.ctl(first, "put", "quorum", "kept")
    executor.deploy(1, 3)
    assert executor.members(first) == {
        "etcd-0": (f"{executor.prefix}.1", "false"),
        "etcd-1": (f"{executor.prefix}.3", "false"),
    }


def test_restart_on_its_data_at_another_address(executor: Executor) -> None:
    first, second, third = (executor.deploy(index, index + 1) for index in range(3))
    executor.ctl(first, "put", "kept", "yes")
    executor.stop(second, signal.SIGTERM)
    second.ip = f"{executor.prefix}.5"
    executor.start(second)
    wait_for(lambda: executor.ready(second), "ready member at its new address")
    moved = (second.ip, "false")
    wait_for(lambda: executor.members(third)["etcd-1"] == moved, "new address in the member list")
    assert executor.ctl(second, "get", "--print-value-only", "kept") == "yes\n"
    hook_text = executor.hook(second, "create")
    assert "already has a member's data" in hook_text


def test_without_a_quorum_nothing_is_bootstrapped_and_nothing_killed(executor: Executor) -> None:
    first, second = (executor.deploy(index, index + 1) for index in range(2))
    executor.ctl(first, "put", "kept", "yes")
    executor.stop(second)
    wait_for(lambda: not executor.ready(first), "member that notices the lost quorum")
    assert executor.alive(first)

    new = executor.place(1, 3)
    replace = executor.pod.hooks.replace
    assert replace
    done = executor.run(new, replace.cmd, JOIN_WAIT_S="1")
    assert done.returncode == 1
    assert "could not join" in done.stderr
    assert "no peer reaches a quorum" in done.stderr
    assert list((new.sandbox / "data").iterdir()) == []

    executor.placed = {new.name: new}
    done = executor.run(new, replace.cmd)
    assert done.returncode == 1
    assert "not started in place of one that had data" in done.stderr

    create = executor.pod.hooks.create
    assert create
    done = executor.run(new, create.cmd)
    assert done.returncode == 1
    assert "only instance 0 starts a new cluster" in done.stderr


def test_a_voter_whose_data_vanished_is_not_started_empty(executor: Executor) -> None:
    first = executor.deploy(0, 1)
    wait_for((first.sandbox / "data/voted").exists, "record of the vote")
    executor.stop(first)
    shutil.rmtree(first.sandbox / "data/etcd")
    done = executor.run(first, executor.pod.tasks[0].cmd)
    assert done.returncode == 1
    assert "Replace the pod" in done.stderr
