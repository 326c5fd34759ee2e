"""What a svc.yml can say of pods and tasks, seen on a real cluster."""

import tarfile
from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until


@pytest.fixture
def one_agent(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1, zones=("a",)))


def start(cluster: Cluster, folder: Path, text: str, **environment: str) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text("name: demo\nscheduler:\n  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'\n" + text)
    return Scheduler(cluster, svc_yml, folder, environment=environment).start()


def volume(service: Scheduler, instance: str, path: str) -> Path:
    (id_,) = (v["id"] for v in service.instances()[instance]["volumes"] if v["path"] == path)
    (agent,) = service.cluster.agents
    return agent.work_dir / "volumes" / "roles" / "demo-role" / str(id_)


ONE_OF_EACH = """
pods:
  app:
    count: 1
    uris: ["file://{{{ARCHIVE}}}"]
    rlimits: {RLIMIT_NOFILE: {soft: 333, hard: 444}}
    tasks:
      server:
        goal: RUNNING
        cmd: (cat app.conf unpacked.txt && ulimit -n) > data/server && exec sleep 100000
        cpus: 0.1
        memory: 32
        env: {COLOUR: "{{COLOUR}}"}
        volume: {path: data, type: ROOT, size: 16}
        configs:
          app: {template: app.conf.mustache, dest: app.conf}
        ports:
          web: {port: 0, env-key: PORT_WEB, advertise: true}
          admin: {port: 8888, env-key: PORT_ADMIN}
        health-check:
          {cmd: "test ! -e data/ill", interval: 1, grace-period: 0, max-consecutive-failures: 2,
           delay: 0, timeout: 5}
      format:
        goal: ONCE
        cmd: echo once >> data/once
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
      setup:
        goal: FINISH
        cmd: echo finish >> data/finish
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""


def test_tasks_of_one_pod(one_agent: Cluster, tmp_path: Path) -> None:
    """Archive, template, ports, limits; ONCE and FINISH; then illness, and a changed service."""
    (tmp_path / "unpacked.txt").write_text("from the archive\n")
    with tarfile.open(tmp_path / "files.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "unpacked.txt", "unpacked.txt")
    template = "{{COLOUR}} {{PORT_WEB}} {{PORT_ADMIN}} {{TASK_NAME}} {{POD_INSTANCE}}\n"
    (tmp_path / "app.conf.mustache").write_text(template)
    settings = {"ARCHIVE": str(tmp_path / "files.tar.gz")}
    with start(one_agent, tmp_path, ONE_OF_EACH, COLOUR="blue", **settings) as service:
        service.wait_well()
        data = volume(service, "app-0", "data")
        (address,) = service.get("endpoints/web")["address"]
        port = address.split(":")[1]
        expected = f"blue {port} 8888 app-0-server app-0\nfrom the archive\n333\n"
        wait_until("the server has written", (data / "server").is_file)
        assert (data / "server").read_text() == expected
        first = service.task_ids()
        (data / "ill").touch()
        wait_until("it was killed", lambda: service.task_ids() != first)
        (data / "ill").unlink()
        service.wait_well()
        assert (data / "once").read_text() == "once\n"
        assert (data / "finish").read_text() == "finish\n", "neither runs again after a failure"
        service.end()
        with start(one_agent, tmp_path, ONE_OF_EACH, COLOUR="red", **settings) as changed:
            changed.wait_well()
            wait_until(
                "the change is rolled out", lambda: (data / "server").read_text().startswith("red ")
            )
            assert (data / "once").read_text() == "once\n", "ONCE is once"
            assert (data / "finish").read_text() == "finish\nfinish\n", "FINISH: per configuration"
            assert volume(changed, "app-0", "data") == data


TWO_PHASES = """
pods:
  first:
    count: 2
    tasks:
      t:
        {goal: RUNNING, cmd: "exec sleep 100000", cpus: 0.1, memory: 32,
         readiness-check: {cmd: "test -e {{{GATE}}}", interval: 1, timeout: 5}}
  second:
    count: 2
    tasks:
      t: {goal: RUNNING, cmd: "exec sleep 100000", cpus: 0.1, memory: 32}
plans:
  deploy:
    strategy: serial
    phases:
      one: {strategy: parallel, pod: first}
      two: {strategy: serial, pod: second}
"""


def test_phases_and_readiness(one_agent: Cluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with start(one_agent, tmp_path, TWO_PHASES, GATE=str(gate)) as service:
        wait_until("the API answers", service.answers)

        def statuses() -> list[list[str]]:
            plan = service.get("plans/deploy")
            return [[step["status"] for step in phase["steps"]] for phase in plan["phases"]]

        wait_until(
            "both instances of the parallel phase run, not ready",
            lambda: statuses() == [["STARTED", "STARTED"], ["PENDING", "PENDING"]],
        )
        assert set(service.instances()) == {"first-0", "first-1", "second-0", "second-1"}
        gate.touch()
        service.wait_well()


CRASHING = """
pods:
  app:
    count: 1
    tasks:
      t:
        goal: RUNNING
        cmd: echo start >> data/starts; exit 3
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""


def test_crash_loop_slows_down_and_is_told(one_agent: Cluster, tmp_path: Path) -> None:
    with start(one_agent, tmp_path, CRASHING) as service:
        wait_until("the API answers", service.answers)
        # Without a readiness check it was deployed the moment it ran.
        wait_until(
            "the recovery says DELAYED",
            lambda: service.get("plans/recovery")["status"] == "DELAYED",
        )
        assert "failed 2 times" in service.get("explain/app-0")["reason"]
        assert (volume(service, "app-0", "data") / "starts").read_text().count("start") == 2
        assert "exit code 3" in service.log
