"""The small definitions on one real cluster, where it is Mesos, the executor and the kernel that
have to do their part."""

import getpass
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until
from tests.definitions import HELLO, HELLO_WORLD

FIRST_PORT = 8080


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with running(folder, ClusterSpec(agents=2), keep_logs=True) as shared:
        yield shared


@contextmanager
def service(cluster: Cluster, folder: Path, name: str, **environment: str) -> Iterator[Scheduler]:
    """One of the services, deployed, under its own name; its tasks end with the cluster."""
    scheduler = Scheduler(
        cluster,
        HELLO_WORLD / f"{name}.yml",
        folder,
        environment=settings(name, **environment),
        zookeeper=cluster.zookeeper_address,
        master=f"zk://{cluster.zookeeper_address}/mesos",
    ).start()
    try:
        yield scheduler
    finally:
        scheduler.close()


def settings(name: str, **environment: str) -> dict[str, str]:
    small = {f"{pod}_{what}": "0.1" for pod in ("HELLO", "WORLD") for what in ("CPUS",)}
    memory = {f"{pod}_MEM": "32" for pod in ("HELLO", "WORLD")}
    return {
        **HELLO,
        **small,
        **memory,
        "FRAMEWORK_NAME": name,
        "FRAMEWORK_USER": getpass.getuser(),
        "FRAMEWORK_PRINCIPAL": f"{name}-principal",
        **environment,
    }


def processes(cluster: Cluster, service: str, task: str) -> dict[int, dict[str, str]]:
    """The environments of the processes of a task, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            sandbox = Path(os.readlink(folder / "cwd"))
            pairs = (folder / "environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # it ended meanwhile, or is another's
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        ours = any(sandbox.is_relative_to(agent.work_dir) for agent in cluster.agents)
        if ours and (environment.get("FRAMEWORK_NAME"), environment.get("TASK_NAME")) == (
            service,
            task,
        ):
            found[int(folder.name)] = environment
    return found


def environment_of(cluster: Cluster, service: str, task: str) -> dict[str, str]:
    """That of a task, once it runs."""
    found = wait_until(f"{task} runs", lambda: processes(cluster, service, task))
    return next(iter(found.values()))


def kill(cluster: Cluster, service: str, task: str) -> None:
    for pid in processes(cluster, service, task):
        with suppress(ProcessLookupError):  # its child was killed first, and it with that
            os.kill(pid, signal.SIGKILL)


def output(cluster: Cluster, name: str) -> str:
    """All that the tasks of a service wrote to their outputs."""
    files = (
        path
        for agent in cluster.agents
        for path in (agent.work_dir / "slaves").glob("*/frameworks/*/executors/*/runs/*/*stdout")
        if not path.parent.is_symlink() and f"/{name}__" in str(path)
    )
    return "".join(path.read_text(errors="replace") for path in files)


def test_sanity(cluster: Cluster, tmp_path: Path) -> None:
    """Deployed, changed, made larger and smaller; every other task is left alone."""
    with service(cluster, tmp_path, "svc") as scheduler:
        scheduler.wait_well()
        first = scheduler.task_ids()
        assert len(first) == 4
        scheduler.end()
        scheduler.set_environment(HELLO_CPUS="0.2")
        scheduler.start()
        wait_until(
            "hello has been changed",
            lambda: (
                scheduler.is_well() and scheduler.task_ids()["hello-0-server"] not in first.values()
            ),
        )
        second = scheduler.task_ids()
        worlds = ("world-0-server", "world-1-server")
        assert [second[name] for name in worlds] == [first[name] for name in worlds]
        assert second["hello-1-server"] != first["hello-1-server"]
        scheduler.end()
        scheduler.set_environment(HELLO_COUNT="1", WORLD_COUNT="3")
        scheduler.start()
        wait_until(
            "one of the one is gone, and one more of the other there",
            lambda: (
                scheduler.is_well()
                and sorted(scheduler.task_ids()) == ["hello-0-server", *worlds, "world-2-server"]
            ),
        )
        third = scheduler.task_ids()
        kept = ("hello-0-server", *worlds)
        assert [third[name] for name in kept] == [second[name] for name in kept]
        wait_until("hello-1 has ended", lambda: not processes(cluster, "svc", "hello-1-server"))


def test_graceful_shutdown(cluster: Cluster, tmp_path: Path) -> None:
    """A task is asked to end first, and has the time it asked for."""
    with service(cluster, tmp_path, "graceful-shutdown") as scheduler:
        scheduler.wait_well()
        name, _task = "graceful-shutdown", "hello-0-server"
        before = scheduler.task_ids()
        began = time.monotonic()
        scheduler.post("pod/hello-0/restart")
        wait_until(
            "it is started again",
            lambda: scheduler.is_well() and scheduler.task_ids() != before,
        )
        assert time.monotonic() - began >= 3.0
        assert "cleaning up\nclean\n" in output(cluster, name)


def test_nonessential_tasks(cluster: Cluster, tmp_path: Path) -> None:
    """One that is not essential is started again beside the other, in the same executor."""
    name, essential, other = "nonessential", "hello-0-essential", "hello-0-nonessential"
    with service(cluster, tmp_path, name) as scheduler:
        scheduler.wait_well()
        first = scheduler.task_ids()
        sandbox = environment_of(cluster, name, essential)["MESOS_SANDBOX"]
        kill(cluster, name, other)
        wait_until(
            "it runs again",
            lambda: scheduler.is_well() and scheduler.task_ids()[other] != first[other],
        )
        second = scheduler.task_ids()
        assert second[essential] == first[essential]
        assert environment_of(cluster, name, other)["MESOS_SANDBOX"] == sandbox
        kill(cluster, name, essential)
        wait_until(
            "both run again",
            lambda: (
                scheduler.is_well() and not {*second.values()} & {*scheduler.task_ids().values()}
            ),
        )
        assert environment_of(cluster, name, essential)["MESOS_SANDBOX"] != sandbox


def test_multiple_ports(cluster: Cluster, tmp_path: Path) -> None:
    ranges = {
        "STATIC_PORT": "31555",
        "FIRST_BEGIN": "31600",
        "FIRST_END": "31602",
        "SECOND_BEGIN": "31700",
    }
    with service(cluster, tmp_path, "multiple-ports", **ranges) as scheduler:
        scheduler.wait_well()
        found = environment_of(cluster, "multiple-ports", "hello-0-server")
        assert found["PORT_STATIC"] == "31555"
        assert 31600 <= int(found["PORT_FIRST"]) <= 31602
        assert int(found["PORT_SECOND"]) >= 31700


def test_custom_service_tld(cluster: Cluster, tmp_path: Path) -> None:
    """The names of endpoints and those told to tasks are in the domains that are set."""
    domains = {"SERVICE_TLD": "tasks.example", "VIP_TLD": "vips.example"}
    with service(cluster, tmp_path, "custom-tld", HELLO_COUNT="1", **domains) as scheduler:
        scheduler.wait_well()
        found = environment_of(cluster, "custom-tld", "hello-0-server")
        endpoint = scheduler.get("endpoints/front")
        name = f"hello-0-server.custom-tld.tasks.example:{found['PORT_FRONT']}"
        assert endpoint["dns"] == [name]
        assert endpoint["vip"] == "hello.custom-tld.vips.example:80"
        assert found["FRAMEWORK_HOST"] == "custom-tld.tasks.example"


def test_web_url(cluster: Cluster, tmp_path: Path) -> None:
    """The master tells it, for those who show frameworks."""
    with service(cluster, tmp_path, "web-url") as scheduler:
        scheduler.wait_well()
        state = requests.get(f"{cluster.leader()}/frameworks", timeout=10).json()
        urls = {each["name"]: each.get("webui_url") for each in state["frameworks"]}
        assert urls["web-url"] == "https://hello.example/ui"


def test_custom_plan(cluster: Cluster, tmp_path: Path) -> None:
    """The last instance of a phase first, and the tasks run in that order."""
    with service(cluster, tmp_path, "custom-plan") as scheduler:
        scheduler.wait_well()
        log = scheduler.log
        places = [
            log.index(f"starting {pod} on") for pod in ("hello-0", "hello-1", "world-1", "world-0")
        ]
        assert places == sorted(places)


def test_taskcfg(cluster: Cluster, tmp_path: Path) -> None:
    """Settings of the scheduler repair tasks that fail without them."""
    with service(cluster, tmp_path, "taskcfg") as scheduler:
        wait_until(
            "the task fails again and again",
            lambda: (
                scheduler.answers()
                and "DELAYED"
                in [scheduler.get(f"plans/{plan}")["status"] for plan in ("deploy", "recovery")]
            ),
        )
        scheduler.end()
        scheduler.set_environment(TASKCFG_ALL_GREETING="hello", TASKCFG_HELLO_NOUN="world")
        scheduler.start()
        scheduler.wait_well()
        assert environment_of(cluster, "taskcfg", "hello-0-server")["NOUN"] == "world"
        assert "NOUN" not in environment_of(cluster, "taskcfg", "big-world-0-server")


def test_sidecar(cluster: Cluster, tmp_path: Path) -> None:
    """A plan's tasks get its parameters; one that fails is no concern of the servers."""
    with service(cluster, tmp_path, "sidecar", HELLO_COUNT="1") as scheduler:
        scheduler.wait_well()
        before = scheduler.task_ids()["hello-0-server"]
        url = f"http://{scheduler.host}:{scheduler.port}/v1/plans"
        for plan, body in (
            ("sidecar-parameterized", {"PLAN_PARAMETER": "parameter-7"}),
            ("sidecar-toxic", {}),
        ):
            assert requests.post(f"{url}/{plan}/start", json=body, timeout=10).status_code == 200
        wait_until(
            "the plan is done",
            lambda: scheduler.get("plans/sidecar-parameterized")["status"] == "COMPLETE",
        )
        wait_until(
            "the other waits to be tried again",
            lambda: scheduler.get("plans/sidecar-toxic")["status"] == "DELAYED",
        )
        assert "parameter-7" in output(cluster, "sidecar")
        assert scheduler.get("plans/recovery")["status"] == "COMPLETE"
        assert scheduler.task_ids()["hello-0-server"] == before
