"""Pods with an image: their tasks in nested containers on a real agent, with the linux launcher."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from holdfast_playground.launchers import LINUX_ISOLATION, obstacle_to_linux
from tests.cluster.image_archive import BUSYBOX, write_image
from tests.cluster.running_service import Scheduler, wait_until

_obstacle = obstacle_to_linux() or (
    None if BUSYBOX.exists() else f"no {BUSYBOX} (package busybox-static)"
)
pytestmark = pytest.mark.skipif(_obstacle is not None, reason=f"no images here: {_obstacle}")

MARKER = {"etc/marker": b"of the image\n"}


@pytest.fixture
def one_agent(cluster_factory: ClusterFactory) -> Cluster:
    settings = {"MESOS_ISOLATION": f"{LINUX_ISOLATION},volume/host_path"}
    cluster = cluster_factory(
        ClusterSpec(agents=1, zones=("a",), launcher="linux", agent_settings=(settings,))
    )
    write_image(cluster.layout.images / "busybox.tar", MARKER)
    return cluster


def start(cluster: Cluster, folder: Path, text: str, **environment: str) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text("name: demo\nscheduler:\n  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'\n" + text)
    return Scheduler(cluster, svc_yml, folder, environment=environment).start()


def volume(service: Scheduler, instance: str, path: str) -> Path:
    (id_,) = (v["id"] for v in service.instances()[instance]["volumes"] if v["path"] == path)
    (agent,) = service.cluster.agents
    return agent.work_dir / "volumes" / "roles" / "demo-role" / str(id_)


def sandboxes(cluster: Cluster) -> list[Path]:
    """The sandboxes of the executors, the latest last."""
    (agent,) = cluster.agents
    found = agent.work_dir.glob("slaves/*/frameworks/*/executors/*/runs/*")
    runs = [path for path in found if not path.is_symlink()]
    return sorted(runs, key=lambda path: path.stat().st_mtime)


def processes_of(task_id: str) -> list[int]:
    """The living processes of a task: those of its container, by the environment of each."""
    mark = f"MESOS_TASK_ID={task_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return sorted(found)


def text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


# A signal to the shell that runs it would end the container before it is done.
SERVER = """
on_term() { echo "term" >> data/terms; sleep 1; echo "clean" >> data/terms; exit 0; }
trap on_term TERM
while true; do sleep 0.1; done
"""

DATABASE = """
pods:
  db:
    count: 1
    image: busybox
    uris: ["file://{{{FETCHED}}}"]
    rlimits: {RLIMIT_NOFILE: {soft: 333, hard: 444}}
    host-volumes:
      inner: {host-path: "{{{HOST}}}", container-path: inner, mode: RO}
      outer: {host-path: "{{{HOST}}}", container-path: outer}
    volume: {path: shared, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: |
          echo "started $(cat /etc/marker) {{COLOUR}}" >> data/starts
          (./bootstrap -resolve-hosts localhost && cat db.conf fetched.txt inner/file \\
            && ulimit -n && env && id -u) > data/seen 2> data/bootstrap
          echo outer >> outer/file
          echo "to stdout"; echo "to stderr" >&2
          touch /tmp/ready && sh server.sh && true
        cpus: 0.1
        memory: 32
        kill-grace-period: 20
        env: {LEVEL: info}
        volume: {path: data, type: ROOT, size: 16}
        configs:
          db: {template: db.conf.mustache, dest: db.conf}
          server: {template: server.sh.mustache, dest: server.sh}
        ports:
          web: {port: 0, env-key: PORT_WEB}
        readiness-check:
          {cmd: "test -e /tmp/ready && test -e data/ready", interval: 1, timeout: 20}
        health-check:
          {cmd: "test -e /tmp/ready && test ! -e data/ill", interval: 1, grace-period: 60,
           max-consecutive-failures: 2, delay: 0, timeout: 20}
      backup:
        goal: ONCE
        essential: false
        cmd: cat data/starts /etc/marker > shared/backup-$BACKUP_NAME
        cpus: 0.1
        memory: 32
plans:
  deploy:
    phases:
      db: {pod: db, steps: [default: [[server]]]}
  backup:
    phases:
      db: {pod: db, steps: [default: [[backup]]]}
"""


def test_a_database_in_an_image(one_agent: Cluster, tmp_path: Path) -> None:
    """Its whole life: deployed, checked, killed, made ill, its agent crashed, and changed."""
    (tmp_path / "fetched.txt").write_text("fetched\n")
    (tmp_path / "db.conf.mustache").write_text("{{LEVEL}} {{PORT_WEB}} {{POD_INSTANCE}}\n")
    (tmp_path / "server.sh.mustache").write_text(SERVER)
    host = tmp_path / "host"
    host.mkdir()
    (host / "file").write_text("of the host\n")
    settings = {"FETCHED": str(tmp_path / "fetched.txt"), "HOST": str(host)}
    with start(one_agent, tmp_path, DATABASE, COLOUR="blue", **settings) as service:
        wait_until("the API answers", service.answers)
        wait_until("there is an instance", lambda: service.instances().get("db-0"))
        data = volume(service, "db-0", "data")
        shared = volume(service, "db-0", "shared")
        wait_until("it has a readiness result", lambda: "readiness check" in log_of(one_agent))
        assert service.get("plans/deploy")["status"] != "COMPLETE", "it is not ready"
        (data / "ready").touch()
        service.wait_well()
        assert_seen_inside(data, one_agent)
        assert text_of(host / "file") == "of the host\nouter\n"
        assert text_of(data / "starts") == "started of the image blue\n"

        first = service.task_ids()
        kill_the_command(first["db-0-server"])
        wait_until("it runs anew", lambda: text_of(data / "starts").count("blue") == 2)
        service.wait_well()
        assert service.task_ids() != first

        (data / "ill").touch()
        wait_until("it was told to end", lambda: "term" in text_of(data / "terms"))
        wait_until("it ended in its own time", lambda: "clean" in text_of(data / "terms"))
        (data / "ill").unlink()
        wait_until("it runs anew", lambda: text_of(data / "starts").count("blue") == 3)
        service.wait_well()

        running = service.task_ids()["db-0-server"]
        pids = processes_of(running)
        one_agent.agent_crash(1)
        one_agent.agent_start(1)
        one_agent.wait_for_agents([1])
        wait_until("the executor lost it", lambda: "lost the agent" in log_of(one_agent))
        service.post("plans/backup/start")
        wait_until("it was backed up", lambda: text_of(shared / "backup-"))
        assert text_of(shared / "backup-").endswith("of the image\n")
        assert service.task_ids()["db-0-server"] == running
        assert set(pids[:1]) <= set(processes_of(running)), "the same process runs on"

        service.end()
        with start(one_agent, tmp_path, DATABASE, COLOUR="red", **settings) as changed:
            wait_until("the change runs", lambda: "red" in text_of(data / "starts"))
            changed.wait_well()
            assert text_of(data / "terms") == "term\nclean\n" * 2, "stopped in its own time"
            assert volume(changed, "db-0", "data") == data


def log_of(cluster: Cluster) -> str:
    """What the executors have said."""
    return "".join(text_of(sandbox / "stderr") for sandbox in sandboxes(cluster))


def kill_the_command(task_id: str) -> None:
    """kill -9 the task's first process."""
    os.kill(processes_of(task_id)[0], signal.SIGKILL)


def assert_seen_inside(data: Path, cluster: Cluster) -> None:
    conf, fetched, host, limit, *variables, user = text_of(data / "seen").splitlines()
    env = dict(line.partition("=")[::2] for line in variables)
    assert conf == f"info {env['PORT_WEB']} db-0"
    assert (fetched, host, limit, user) == ("fetched", "of the host", "333", "0")
    assert env["FROM_IMAGE"] == "yes"
    assert env["PATH"] == "/bin"
    assert env["MESOS_SANDBOX"] == "/mnt/mesos/sandbox"
    assert env["MESOS_CONTAINER_IP"] == cluster.agents[0].ip
    assert env["TASK_NAME"] == "db-0-server"
    told = text_of(data / "bootstrap")
    assert "bootstrap: host localhost resolves" in told
    assert "bootstrap: db.conf was written from config-templates/db before the start" in told
    sandbox = sandboxes(cluster)[-1]
    assert text_of(sandbox / "server.stdout") == "to stdout\n"
    assert text_of(sandbox / "server.stderr") == "to stderr\n"


FAILURES = """
pods:
  absent:
    count: 1
    image: nowhere
    tasks:
      t: {goal: RUNNING, cmd: "true", cpus: 0.1, memory: 32}
  shellless:
    count: 1
    image: shellless
    tasks:
      t: {goal: RUNNING, cmd: "true", cpus: 0.1, memory: 32}
  greedy:
    count: 1
    image: busybox
    tasks:
      t:
        goal: RUNNING
        cmd: x=0123456789abcdef; while true; do x=$x$x; done
        cpus: 0.1
        memory: 32
  hooked:
    count: 1
    image: elsewhere
    hooks: {create: {cmd: "pwd > $MESOS_SANDBOX/data/hook"}}
    tasks:
      t:
        goal: RUNNING
        cmd: cat $MESOS_SANDBOX/data/hook > $MESOS_SANDBOX/data/seen; exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
plans:
  deploy:
    strategy: parallel
    phases:
      absent: {pod: absent}
      shellless: {pod: shellless}
      greedy: {pod: greedy}
      hooked: {pod: hooked}
"""


def test_what_goes_wrong_is_told(one_agent: Cluster, tmp_path: Path) -> None:
    images = one_agent.layout.images
    write_image(images / "shellless.tar", programs=())
    write_image(images / "elsewhere.tar", config={"WorkingDir": "/tmp"})
    with start(one_agent, tmp_path, FAILURES) as service:
        wait_until("the API answers", service.answers)
        for task, what in (
            ("absent-0-t", "the agent answered LAUNCH_CONTAINER with"),
            ("shellless-0-t", "Failed to execute"),
            ("greedy-0-t", "Memory limit exceeded"),
        ):
            wait_until(f"{task}: {what}", partial(told, service, task, what))
        wait_until("it was deployed", lambda: "hooked-0" in service.instances())
        data = volume(service, "hooked-0", "data")
        wait_until("the task ran after its hook", lambda: text_of(data / "seen"))
        assert text_of(data / "seen") == "/tmp\n", "the folder is the image's"


def told(service: Scheduler, task: str, what: str) -> bool:
    """Whether one line of the scheduler's log says so of the task."""
    pod = task.rpartition("-")[0]
    return any(pod in line and what in line for line in service.log.splitlines())
