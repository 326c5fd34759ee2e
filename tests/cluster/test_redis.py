"""services/redis on a real cluster: what was acknowledged is there after each kind of end."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.running_service import Scheduler, wait_until

SERVICE = Path(__file__).parents[2] / "services/redis/svc.yml"
PASSWORD = "pass # 'word"

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("redis")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "password").write_text(PASSWORD)
    spec = ClusterSpec(agents=1, zones=("a",))
    options = ("--secrets-dir", str(folder / "secrets"))
    environment = {"PASSWORD_SECRET": "password", "NODE_DISK": "128"}
    with (
        running(folder / "cluster", spec, keep_logs=True) as cluster,
        Scheduler(
            cluster, SERVICE, folder, environment=environment, options=options
        ).start() as scheduler,
    ):
        scheduler.wait_well()
        yield scheduler


def client(service: Scheduler, password: str | None = PASSWORD) -> Redis:
    host, port = service.get("endpoints/redis")["address"][0].split(":")
    return Redis(host, int(port), password=password, socket_timeout=5, decode_responses=True)


def kill_server(service: Scheduler) -> None:
    """kill -9 of the server, which shows its address as its title."""
    title = "redis-server " + service.get("endpoints/redis")["address"][0]
    (process,) = (
        process
        for process in psutil.process_iter(["cmdline"])
        if " ".join(process.info["cmdline"] or ()).strip() == title
    )
    process.kill()


def volume(cluster: Cluster, id_: str) -> Path:
    return cluster.agents[0].work_dir / "volumes" / "roles" / "redis-role" / id_


def volume_id(service: Scheduler) -> str:
    return str(service.instances()["redis-0"]["volumes"][0]["id"])


def wait_for_another(service: Scheduler, before: dict[str, str]) -> None:
    wait_until("another task runs", lambda: service.task_ids() != before)
    service.wait_well()


def test_a_password_is_asked_for(service: Scheduler) -> None:
    assert client(service).ping()
    with pytest.raises(AuthenticationError):
        client(service, None).get("anything")


def test_what_was_acknowledged_is_there_after_a_crash(service: Scheduler) -> None:
    client(service).set("crash", "kept")
    before, data = service.task_ids(), volume_id(service)
    kill_server(service)
    wait_for_another(service, before)
    assert client(service).get("crash") == "kept"
    assert volume_id(service) == data


def test_a_restart_ends_it_cleanly_and_keeps_everything(service: Scheduler) -> None:
    client(service).set("restart", "kept")
    before = service.task_ids()
    service.post("pod/redis-0/restart")
    wait_for_another(service, before)
    assert client(service).get("restart") == "kept"
    said = "".join(
        path.read_text(errors="replace")
        for path in service.cluster.agents[0].work_dir.glob(
            "slaves/*/frameworks/*/executors/*/runs/*/*stdout"
        )
    )
    assert "Redis is now ready to exit, bye bye..." in said


def test_it_comes_back_with_its_machine(service: Scheduler) -> None:
    client(service).set("machine", "kept")
    before = service.task_ids()
    service.cluster.agent_kill(1)
    service.cluster.agent_start(1)
    wait_for_another(service, before)
    assert client(service).get("machine") == "kept"


def test_lost_files_are_told_and_not_taken_for_none(service: Scheduler) -> None:
    folder = volume(service.cluster, volume_id(service))
    wait_until("it has served", (folder / "served").exists)
    (folder / "appendonlydir").rename(folder / "lost")
    kill_server(service)
    box = service.cluster.agents[0].work_dir
    told = "the append-only files of Redis are gone from the volume"
    wait_until(
        "it says so",
        lambda: any(
            told in path.read_text(errors="replace")
            for path in box.glob("slaves/*/frameworks/*/executors/*/runs/*/*stderr")
        ),
    )
    assert not (folder / "appendonlydir").exists()
    (folder / "lost").rename(folder / "appendonlydir")
    service.wait_well(120)
    assert client(service).get("machine") == "kept"
