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

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
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
        pattern = f"slaves/*/frameworks/*/executors/isolated__{pod}__*/runs/*-*"
        return [path for agent in self.cluster.agents for path in agent.work_dir.glob(pattern)]


@pytest.fixture
def machines(cluster_factory: ClusterFactory, tmp_path: Path) -> Iterator[Machines]:
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
    cluster = cluster_factory(spec)
    relay = [f"{agent.ip}:{agent.port}" for agent in cluster.agents]
    (folders["network"] / "relay").write_text(json.dumps(relay))
    yield Machines(cluster, tmp_path)
    cluster.down()
    for path in folders["network"].glob("hf*"):
        path.unlink()  # its relay ends
        subprocess.run(["ip", "link", "delete", path.name], check=False, capture_output=True)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _scheduler(machines: Machines, shm_size: int) -> Scheduler:
    svc_yml = machines.folder / "svc.yml"
    svc_yml.write_text(SERVICE)
    environment = {"HOST": str(machines.host), "SHM_SIZE": str(shm_size)}
    return Scheduler(machines.cluster, svc_yml, machines.folder, environment=environment).start()


def _running(scheduler: Scheduler, *names: str) -> bool:
    if not scheduler.answers():
        return False
    instances = scheduler.instances()
    return all(instances[name]["state"] == "running" for name in names)


def test_containers_are_as_the_definition_says(machines: Machines) -> None:
    scheduler = _scheduler(machines, shm_size=128)
    try:
        names = ("shared-0", "web-0", "web-1")
        try:
            wait_until("all that can run runs", lambda: _running(scheduler, *names))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{scheduler.log[-6000:]}") from None
        _check_shared(machines)
        _check_network(machines, scheduler)
        _check_explained(machines, scheduler)
        before = scheduler.instances()["shared-0"]
        scheduler.end()
        scheduler = _scheduler(machines, shm_size=64)
        wait_until(
            "the pod runs in a new container",
            lambda: len(machines.sandboxes("shared-0")) == 2 and _running(scheduler, "shared-0"),
        )
        after = scheduler.instances()["shared-0"]
        assert after["agent"] in {agent.ip for agent in machines.cluster.agents[1:]}
        assert {t["id"] for t in after["tasks"]}.isdisjoint(t["id"] for t in before["tasks"])
        sandbox = max(machines.sandboxes("shared-0"), key=lambda path: path.stat().st_ctime)
        wait_until("the task has begun", (sandbox / "done").exists)
        assert (sandbox / "shm").read_text().split() == ["65536"]
    finally:
        scheduler.close()


def _check_shared(machines: Machines) -> None:
    (sandbox,) = machines.sandboxes("shared-0")
    wait_until("both tasks have begun", lambda: _done(sandbox))
    assert (sandbox / "read").read_text() == "from the host\n"
    assert (machines.host / "out").read_text() == "out\n"
    assert (sandbox / "read-only").exists()
    assert not (machines.host / "never").exists()
    assert (sandbox / "shm").read_text().split() == ["131072"], "KB, for 128 MB"
    ipc, pid = (sandbox / "namespaces").read_text().split()
    assert ipc != os.readlink("/proc/self/ns/ipc")
    assert pid != os.readlink("/proc/self/ns/pid")
    assert "/proc/" in (sandbox / "seen").read_text(), "one task sees the other's process"
    assert (sandbox / "kept").read_text() == "new\n"
    assert [path.name for path in machines.volumes.iterdir()] == ["isolated_shared_0"]


def _done(sandbox: Path) -> bool:
    seen = sandbox / "seen"
    return (sandbox / "done").exists() and seen.exists() and bool(seen.read_text())


def _check_network(machines: Machines, scheduler: Scheduler) -> None:
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


def _check_explained(machines: Machines, scheduler: Scheduler) -> None:
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
