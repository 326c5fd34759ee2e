"""Pods with networks, namespaces, and host and external volumes, on agents that can do it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from holdfast_playground.launchers import LINUX_ISOLATION, obstacle_to_linux
from holdfast_playground.mesos_command import PATH
from tests.cluster.running_service import Scheduler, wait_until

OBSTACLE = obstacle_to_linux()
pytestmark = pytest.mark.skipif(
    OBSTACLE is not None, reason=f"the linux launcher cannot work here: {OBSTACLE}"
)

PLUGIN = Path(__file__).with_name("cni_plugin.py")
ISOLATORS = "namespaces/ipc,linux/seccomp,volume/host_path,docker/volume,network/cni"
NETWORK = "10.213.7"
SERVICE = """\
name: isolated
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  shared:
    count: 1
    host-volumes:
      written: {host-path: {{{HOST}}}, container-path: host}
      read: {host-path: {{{HOST}}}, container-path: host-ro, mode: RO}
    external-volumes:
      disk: {type: DOCKER, driver-name: rexray, container-path: disk, driver-options: size=5}
    ipc-mode: PRIVATE
    shm-size: {{SHM_SIZE}}
    share-pid-namespace: true
    seccomp-unconfined: true
    tasks:
      one:
        goal: RUNNING
        cpus: 0.1
        memory: 32
        cmd: |
          cat host/in > read
          echo out > host/out
          echo out > host-ro/never || echo refused > read-only
          cat disk/data > kept
          df --output=size /dev/shm | tail -1 > shm
          readlink /proc/self/ns/ipc /proc/self/ns/pid > namespaces
          grep Seccomp: /proc/self/status > seccomp
          echo > done
          exec python3 -c 'import time; time.sleep(10000)' probe-one
      two:
        goal: RUNNING
        cpus: 0.1
        memory: 32
        cmd: |
          until grep -ls 'probe-[o]ne' /proc/[0-9]*/cmdline > seen; do sleep 0.1; done
          exec sleep 10000
  web:
    count: 2
    placement: '[["hostname", "UNIQUE"]]'
    networks:
      playground: {labels: "zone:inner"}
    tasks:
      server:
        goal: RUNNING
        cpus: 0.1
        memory: 32
        cmd: |
          readlink /proc/self/ns/net > namespaces
          echo "$POD_PEERS" > peers
          exec python3 -m http.server --bind "$MESOS_CONTAINER_IP" "$PORT_WEB"
        ports:
          web: {port: 0, env-key: PORT_WEB, advertise: true}
  bound:
    count: 1
    placement: '[["rack", "IS", "r1"]]'
    seccomp-profile-name: strict
    tasks:
      server: {goal: RUNNING, cpus: 0.1, memory: 32, cmd: sleep 10000}
plans:
  deploy:
    strategy: parallel
    phases:
      shared: {pod: shared}
      web: {pod: web}
      bound: {pod: bound}
"""
DVDCLI = """\
#!/bin/sh
# In the place of the program that speaks to volume drivers: each volume is a folder.
for option; do
  case $option in --volumename=*) volume=%s/${option#*=};; esac
done
[ "$1" = mount ] || exit 0
mkdir -p "$volume"
[ -e "$volume/data" ] || echo new > "$volume/data"
echo "$volume"
"""


@dataclass
class Machines:
    """A cluster whose first agent can do nothing special, and the others all."""

    cluster: Cluster
    folder: Path

    @property
    def host(self) -> Path:
        return self.folder / "host"

    @property
    def volumes(self) -> Path:
        return self.folder / "volumes"

    @property
    def state(self) -> Path:
        return self.folder / "network"

    def sandboxes(self, pod: str) -> list[Path]:
        """Those an instance has had, the oldest first."""
        pattern = f"slaves/*/frameworks/*/executors/isolated__{pod}__*/runs/*-*"
        found = (path for agent in self.cluster.agents for path in agent.work_dir.glob(pattern))
        return sorted(found, key=lambda path: path.stat().st_ctime)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    tmp_path = tmp_path_factory.mktemp("isolated")
    folders = {name: tmp_path / name for name in ("host", "bin", "volumes", "plugins", "network")}
    for folder in (*folders.values(), tmp_path / "networks"):
        folder.mkdir()
    (folders["host"] / "in").write_text("from the host\n")
    _program(folders["bin"] / "dvdcli", DVDCLI % folders["volumes"])
    start = shlex.join([sys.executable, str(PLUGIN)])
    _program(folders["plugins"] / "pair", f"#!/bin/sh\nexec {start}\n")
    network = {
        "name": "playground",
        "type": "pair",
        "prefix": NETWORK,
        "state": str(folders["network"]),
    }
    (tmp_path / "networks" / "playground.conf").write_text(json.dumps(network))
    able = {
        "MESOS_DOCKER_VOLUME_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        "MESOS_ISOLATION": f"{LINUX_ISOLATION},{ISOLATORS}",
        "MESOS_NETWORK_CNI_CONFIG_DIR": str(tmp_path / "networks"),
        "MESOS_NETWORK_CNI_PLUGINS_DIR": str(folders["plugins"]),
        "MESOS_SECCOMP_CONFIG_DIR": str(tmp_path),
        "PATH": f"{folders['bin']}:{PATH}",
    }
    spec = ClusterSpec(agents=3, launcher="linux", agent_settings=({}, able, able))
    try:
        with running(tmp_path / "cluster", spec, keep_logs=True) as cluster:
            relay = [f"{agent.ip}:{agent.port}" for agent in cluster.agents]
            (folders["network"] / "relay").write_text(json.dumps(relay))
            yield Machines(cluster, tmp_path)
    finally:
        for path in folders["network"].glob("hf*"):
            path.unlink()  # its relay ends
            subprocess.run(["ip", "link", "delete", path.name], check=False, capture_output=True)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def scheduler(machines: Machines) -> Iterator[Scheduler]:
    """Of the service, all of which runs that can."""
    svc_yml = machines.folder / "svc.yml"
    svc_yml.write_text(SERVICE)
    environment = {"HOST": str(machines.host), "SHM_SIZE": "128"}
    with Scheduler(
        machines.cluster, svc_yml, machines.folder, environment=environment
    ).start() as started:
        names = ("shared-0", "web-0", "web-1")
        try:
            wait_until("all that can run runs", lambda: _running(started, *names))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{started.log[-6000:]}") from None
        yield started


def _running(scheduler: Scheduler, *names: str) -> bool:
    if not scheduler.answers():
        return False
    instances = scheduler.instances()
    return all(instances[name]["state"] == "running" for name in names)


@pytest.fixture
def shared(machines: Machines, scheduler: Scheduler) -> Path:
    """The sandbox of the pod of two tasks, once both have looked around."""
    sandbox = machines.sandboxes("shared-0")[0]
    wait_until("both tasks have begun", lambda: _done(sandbox))
    return sandbox


def test_host_volumes(machines: Machines, shared: Path) -> None:
    assert (shared / "read").read_text() == "from the host\n"
    assert (machines.host / "out").read_text() == "out\n"
    assert (shared / "read-only").exists()
    assert not (machines.host / "never").exists()


def test_external_volumes(machines: Machines, shared: Path) -> None:
    assert (shared / "kept").read_text() == "new\n"
    assert [path.name for path in machines.volumes.iterdir()] == ["isolated_shared_0"]


def test_share_pid_namespace(shared: Path) -> None:
    """Of the tasks of an instance, not of the agent."""
    _, pid = (shared / "namespaces").read_text().split()
    assert pid != os.readlink("/proc/self/ns/pid")
    assert "/proc/" in (shared / "seen").read_text(), "one task sees the other's process"


def test_seccomp(shared: Path) -> None:
    """Unconfined; a profile takes an older kernel than most machines have."""
    assert (shared / "seccomp").read_text().split() == ["Seccomp:", "0"]


def test_shm(machines: Machines, scheduler: Scheduler, shared: Path) -> None:
    """Of the size asked for in a namespace of its own; another size takes a new container."""
    assert (shared / "shm").read_text().split() == ["131072"], "KB, for 128 MB"
    ipc, _ = (shared / "namespaces").read_text().split()
    assert ipc != os.readlink("/proc/self/ns/ipc")
    before = scheduler.instances()["shared-0"]
    scheduler.end()
    scheduler.set_environment(SHM_SIZE="64")
    scheduler.start()
    wait_until(
        "the pod runs in a new container",
        lambda: len(machines.sandboxes("shared-0")) == 2 and _running(scheduler, "shared-0"),
    )
    after = scheduler.instances()["shared-0"]
    assert after["agent"] in {agent.ip for agent in machines.cluster.agents[1:]}
    assert {t["id"] for t in after["tasks"]}.isdisjoint(t["id"] for t in before["tasks"])
    sandbox = machines.sandboxes("shared-0")[-1]
    wait_until("the task has begun", (sandbox / "done").exists)
    assert (sandbox / "shm").read_text().split() == ["65536"]


def _done(sandbox: Path) -> bool:
    seen = sandbox / "seen"
    return (sandbox / "done").exists() and seen.exists() and bool(seen.read_text())


def test_overlay(machines: Machines, scheduler: Scheduler) -> None:
    """On a network of own addresses no ports of the agent are taken; labels reach the plugin."""
    endpoint: dict[str, Any] = scheduler.get("endpoints/web")
    assert len(endpoint["address"]) == 2
    for address in endpoint["address"]:
        host, _, port = address.partition(":")
        assert host.startswith(NETWORK)
        assert port == "1025", "the first of the ports a pod has on a network of its own"
        page = wait_until("the server answers", partial(_page, f"http://{address}/"))
        assert "namespaces" in page
    own = os.readlink("/proc/self/ns/net")
    for sandbox in machines.sandboxes("web-0") + machines.sandboxes("web-1"):
        assert (sandbox / "namespaces").read_text().strip() != own
    first = endpoint["address"][0].partition(":")[0]
    (second,) = machines.sandboxes("web-1")
    assert (second / "peers").read_text().strip() == f"web-0={first}"
    asked = [json.loads(path.read_text()) for path in machines.state.glob("asked-*")]
    labels = [a["org.apache.mesos"]["network_info"]["labels"]["labels"] for a in asked]
    assert labels == [[{"key": "zone", "value": "inner"}]] * 2


def _page(url: str) -> str:
    try:
        return requests.get(url, timeout=5).text
    except requests.ConnectionError:
        return ""


def test_what_an_agent_cannot_do_is_explained(machines: Machines, scheduler: Scheduler) -> None:
    unable, able, _ = (agent.ip for agent in machines.cluster.agents)
    agents = wait_until(
        "the first agent is explained",
        lambda: _refusals(scheduler, "bound-0").get(unable) and _refusals(scheduler, "bound-0"),
    )
    assert agents[unable] == (
        "agent: cannot: seccomp (start it with --isolation=...,linux/seccomp)"
    )
    assert agents[able].startswith("rack:IS:r1: ")
    assert machines.sandboxes("bound-0") == []
    placed = {one["agent"] for one in scheduler.instances().values()}
    assert unable not in placed


def _refusals(scheduler: Scheduler, name: str) -> dict[str, str]:
    pods = scheduler.get("explain")["pods"]
    return next((pod["agents"] for pod in pods if pod["name"] == name), {})
