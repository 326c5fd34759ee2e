"""The package on a real cluster: installed as Marathon would, updated, and what it leaves."""

import contextlib
import json
import os
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from holdfast.service.env_file import read_env_file
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import wait_until
from tests.packaging.conftest import Served
from tests.packaging.marathon import Marathon

pytestmark = pytest.mark.timeout(300)
ETCD_PORTS = {"client_port": 12379, "peer_port": 12380}


@pytest.fixture
def cluster(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=2, zones=("a", "b")))


def options(cluster: Cluster, **groups: dict[str, Any]) -> dict[str, Any]:
    """Options for a package on the playground, which has its ZooKeeper elsewhere than DC/OS."""
    service = {"mesos_master": cluster.master_url, "zookeeper": cluster.zookeeper_address}
    return {**groups, "service": {"session_timeout": 4, **service, **groups.get("service", {})}}


def get(marathon: Marathon, path: str) -> Any:
    return requests.get(f"{marathon.url}/v1/{path}", timeout=10).json()


def wait_complete(marathon: Marathon, plan: str = "deploy", seconds: float = 90.0) -> None:
    def complete() -> bool:
        if marathon.health() is None:
            return False
        answer = requests.get(f"{marathon.url}/v1/plans/{plan}", timeout=10)
        return answer.status_code == 200 and answer.json()["status"] == "COMPLETE"

    wait_until(f"plan {plan} is complete", complete, seconds)


def task_ids(marathon: Marathon) -> dict[str, str]:
    pods = get(marathon, "pod/status")["pods"]
    return {t["name"]: t["id"] for p in pods for i in p["instances"] for t in i["tasks"]}


def test_etcd_is_installed_updated_and_outlives_its_scheduler(
    cluster: Cluster, served: Served
) -> None:
    members = {"count": 2, "cpus": 0.2, "mem": 128, "disk": 96, **ETCD_PORTS}
    with Marathon(cluster.leader()) as marathon:
        marathon.put(served.app(options(cluster, nodes=members)))
        marathon.wait_deployed()
        wait_complete(marathon)
        first = task_ids(marathon)
        assert set(first) == {"etcd-0-member", "etcd-1-member"}
        framework_id = get(marathon, "state/frameworkId")

        # New options: the app starts again with other variables, and updates its service.
        marathon.put(served.app(options(cluster, nodes={**members, "mem": 160})))
        marathon.wait_deployed()
        wait_until("the update begins", lambda: task_ids(marathon) != first, 60)
        wait_complete(marathon)
        second = task_ids(marathon)
        assert not set(first.values()) & set(second.values())
        assert get(marathon, "state/frameworkId") == framework_id

        # The same options: nothing happens to the service.
        marathon.put(served.app(options(cluster, nodes={**members, "mem": 160})))
        marathon.wait_deployed()
        wait_complete(marathon)
        assert task_ids(marathon) == second

        # Options that are refused: said by the API, and the service runs on as it was.
        marathon.put(served.app(options(cluster, nodes={**members, "mem": 160, "disk": 64})))
        wait_until("the health says so", lambda: marathon.health() == 500, 60)
        (error,) = get(marathon, "plans/deploy")["errors"]
        assert "volume" in error
        assert task_ids(marathon) == second
        assert {state for state, _ in marathon.ended} == {"TASK_KILLED"}


HELLO = """
name: {{FRAMEWORK_NAME}}
scheduler:
  user: {{FRAMEWORK_USER}}
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  hello:
    count: 1
    tasks:
      server:
        goal: RUNNING
        cmd: echo "$GREETING" > data/greeting && exec sleep 100000
        cpus: 0.1
        memory: 32
        env: {GREETING: "{{{GREETING}}}"}
        volume: {path: data, type: ROOT, size: 16}
"""


@pytest.mark.parametrize("way", ["inline", "file"])
def test_a_service_of_ones_own(cluster: Cluster, served: Served, tmp_path: Path, way: str) -> None:
    (tmp_path / "svc.yml").write_text(HELLO)
    definition = {"definition": HELLO} if way == "inline" else {}
    if way == "file":
        definition["definition_uri"] = f"file://{tmp_path / 'svc.yml'}"
    service = {
        "name": "hello",
        "environment": 'GREETING="it\'s $HOME"\n',
        **definition,
    }
    with Marathon(cluster.leader()) as marathon:
        marathon.put(served.app(options(cluster, service=service)))
        wait_complete(marathon)
        assert set(task_ids(marathon)) == {"hello-0-server"}
        (written,) = [
            file
            for agent in cluster.agents
            for file in agent.work_dir.glob("volumes/roles/hello-role/*/greeting")
        ]
        assert written.read_text() == "it's $HOME\n"


def cosmos_uninstalls(marathon: Marathon) -> None:
    """As UninstallHandler and ServiceUninstaller of Cosmos 0.6.3 do with this app's labels."""
    framework_ids = get(marathon, "state/frameworkId")
    assert isinstance(framework_ids, list)
    assert framework_ids
    marathon.set_env(SDK_UNINSTALL="true")
    marathon.wait_deployed()

    def torn_down() -> bool:
        answer = requests.get(f"{marathon.url}/v1/plans/deploy", timeout=10)
        assert answer.status_code in (200, 202), answer.text
        if answer.status_code != 200:
            return False
        now = requests.get(f"{marathon.url}/v1/state/frameworkId", timeout=10)
        return now.status_code != 200 or now.json() == framework_ids

    wait_until("the service is uninstalled", torn_down, 90)
    marathon.delete()


def left_over(cluster: Cluster, role: str) -> list[object]:
    """What the master still has of a role: reservations, volumes among them, and frameworks."""
    agents = requests.get(f"{cluster.leader()}/slaves", timeout=10).json()["slaves"]
    state = requests.get(f"{cluster.leader()}/state", timeout=10).json()
    return [
        *(
            agent["reserved_resources_full"][role]
            for agent in agents
            if role in agent["reserved_resources_full"]
        ),
        *(one["id"] for one in state["frameworks"] if role in one.get("roles", [one.get("role")])),
    ]


def test_uninstalling_leaves_nothing(cluster: Cluster, served: Served) -> None:
    service = {"name": "hello", "definition": HELLO, "environment": "GREETING=bye"}
    app = served.app(options(cluster, service=service))
    with Marathon(cluster.leader()) as marathon:
        marathon.put(app)
        wait_complete(marathon)
        assert left_over(cluster, "hello-role")
        framework_ids = get(marathon, "state/frameworkId")
        cosmos_uninstalls(marathon)
        assert left_over(cluster, "hello-role") == []
        assert {state for state, _ in marathon.ended} == {"TASK_KILLED"}

        # Installed once more, it is a new service.
        marathon.put(app)
        wait_complete(marathon)
        assert get(marathon, "state/frameworkId") != framework_ids


DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_marathon_app_without_dcos(cluster: Cluster, served: Served) -> None:
    text = (DEPLOY / "marathon.json").read_text()
    addresses = {
        "http://files.example:8000": served.url,
        "zk://zk1.example:2181,zk2.example:2181,zk3.example:2181/mesos": cluster.master_url,
        "zk1.example:2181,zk2.example:2181,zk3.example:2181": cluster.zookeeper_address,
    }
    for example, real in addresses.items():
        assert example in text
        text = text.replace(example, real)
    app = json.loads(text)
    app["env"] |= {"NODE_COUNT": "1", "NODE_DISK": "64", "NODE_CPUS": "0.2", "NODE_MEM": "128"}
    with Marathon(cluster.leader()) as marathon:
        marathon.put(app)
        wait_complete(marathon)
        assert set(task_ids(marathon)) == {"etcd-0-member"}


def scheduler_process(marathon: Marathon) -> psutil.Process:
    """The process of the app, known by its own address and port."""
    assert marathon.task is not None
    place = {"HOST": marathon.task.host, "PORT0": str(marathon.task.port)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if place.items() <= process.environ().items() and "--env-file" in process.cmdline():
                return process
    raise AssertionError(f"no process at {place}")


def test_a_scheduler_that_ends_is_started_again(cluster: Cluster, served: Served) -> None:
    service = {"name": "hello", "definition": HELLO, "environment": "GREETING=hello"}
    with Marathon(cluster.leader()) as marathon:
        marathon.put(served.app(options(cluster, service=service)))
        wait_complete(marathon)
        before = task_ids(marathon)
        scheduler_process(marathon).kill()
        wait_until("Marathon is told", lambda: marathon.ended, 30)
        assert marathon.ended == [("TASK_FAILED", "exit code -9")]
        wait_complete(marathon)
        assert task_ids(marathon) == before


@pytest.fixture
def unit(tmp_path: Path, served: Served) -> Path:
    """deploy/holdfast@.service with the paths of a test instead of the system's."""
    text = (DEPLOY / "holdfast@.service").read_text()
    for example, real in {
        "/usr/local/bin/holdfast-scheduler": str(served.files["scheduler"].path),
        "/etc/holdfast": str(tmp_path / "etc"),
    }.items():
        assert example in text
        text = text.replace(example, real)
    path = tmp_path / "holdfast@.service"
    path.write_text(text)
    return path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(unit: Path) -> None:
    verify = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("ExecStart=/", "ExecStart=-./"))
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


def test_the_command_of_the_unit(unit: Path, cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "etc" / "hello"
    folder.mkdir(parents=True)
    (folder / "svc.yml").write_text(HELLO)
    host = cluster.zookeeper_address.split(":")[0]
    (folder / "service.env").write_text(
        f"FRAMEWORK_NAME=hello\nFRAMEWORK_USER=root\nGREETING=hi\n"
        f"FRAMEWORK_ZOOKEEPER={cluster.zookeeper_address}\n"
    )
    (folder / "scheduler.env").write_text(
        f"MASTER={cluster.master_url}\nZOOKEEPER={cluster.zookeeper_address}\n"
        f"HOST={host}\nPORT_API=8080\n"
    )
    command = next(
        line.removeprefix("ExecStart=").replace("%i", "hello")
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    variables = read_env_file(folder / "scheduler.env")
    words = [string.Template(word).substitute(variables) for word in command.split()]
    # As under the unit: its own variables alone, and not root's home.
    environment = {"PATH": os.environ["PATH"], "PEX_ROOT": str(tmp_path / "cache"), **variables}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, cwd="/", stdout=log, stderr=log)
    try:

        def complete() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                answer = requests.get(f"http://{host}:8080/v1/plans/deploy", timeout=5)
            except requests.ConnectionError:
                return False
            return answer.status_code == 200

        wait_until("the service is deployed", complete)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
