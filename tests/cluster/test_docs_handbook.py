"""The commands of the handbook, run in order, with the sections that need the same kind of service.

They are run as the page has them, on services with pods named as there. What is of one cluster
alone is put in: addresses of agents, and the id of a volume that a replacement left.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from holdfast_playground.cluster import ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "handbook.md"
COMMAND = re.compile(r"^(?:    (?:\$ )?|\| `)(holdfast [^#`\n]+)", re.MULTILINE)
VOLUME = re.compile(r"\b[0-9a-f]{32}\b")
ETCD_LIKE = """
name: etcd
scheduler: {zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'}
pods:
  etcd:
    count: 3
    placement: '[["hostname", "UNIQUE"]]'
    tasks:
      member:
        goal: RUNNING
        cmd: echo started >> data/log && exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""


def commands(section: str) -> Sequence[str]:
    """The commands in the blocks and tables of one section, with the sections below it."""
    (text,) = re.findall(
        rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    found = [command.strip() for command in COMMAND.findall(text)]
    assert found, f"the handbook has no commands in {section!r}"
    return found


def test_every_section_with_commands_is_run() -> None:
    here = Path(__file__).read_text()
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        assert f'"{title}"' in here or not COMMAND.search(section), title


class Operator:
    """Types the page's commands, with what is this cluster's own in the place of the page's."""

    def __init__(self, service: Scheduler, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._environment = {
            **os.environ,
            "HOLDFAST_URL": service.url,
            "FRAMEWORK_ZOOKEEPER": service.cluster.zookeeper_address,
        }
        self.own: Mapping[str, str] = {}

    def types(self, command: str, answer: str = "") -> str:
        """What the command prints; fails unless it succeeds. `answer` is given if it asks.

        With `n` nothing is done, which is code 1.
        """
        words = [self.own.get(word, word) for word in shlex.split(command)[1:]]
        result = subprocess.run(
            [sys.executable, "-m", "holdfast_cli.main", *words],
            cwd=self._folder,
            env=self._environment,
            input=f"{answer}\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        expected = 1 if answer == "n" else 0
        told = f"{command}: {words}\n{result.stdout}\n{result.stderr}"
        assert result.returncode == expected, told
        return result.stdout

    def follows(self, section: str) -> None:
        """All commands of a section, each once the service is well after the one before."""
        for command in commands(section):
            self.types(command)
            self._service.wait_well()


def test_what_is_said_of_instances_machines_and_volumes(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=5))
    svc_yml = tmp_path / "svc.yml"
    svc_yml.write_text(ETCD_LIKE)
    with Scheduler(cluster, svc_yml, tmp_path).start() as service:
        service.wait_well()
        operator = Operator(service, tmp_path)
        operator.follows("Looking")
        before = service.task_ids()
        operator.follows("Restarting an instance")
        after = service.task_ids()
        assert {name for name in before if before[name] != after[name]} == {"etcd-2-member"}

        pause, resume = commands("Pausing an instance")
        operator.types(pause)
        wait_until("etcd-2 is paused", lambda: "PAUSED" in operator.types("holdfast pod status"))
        operator.types(resume)
        service.wait_well()

        machines_are_serviced(operator, service)
        it_says_what_agents_cannot_do(service, tmp_path)
        lost = two_agents_are_lost(operator, service)
        volumes_are_given_up(operator, lost)

        for command in commands("Uninstalling"):
            operator.types(command, answer="etcd")
        wait_until(
            "the uninstall is over",
            lambda: "deploy (parallel) COMPLETE" in operator.types("holdfast plan show deploy"),
        )


def test_what_is_said_of_updates_and_plans(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    cluster = cluster_factory(ClusterSpec(agents=3))
    svc_yml = tmp_path / "svc.yml"
    queue = (DOCS / "svc-yml.md").read_text().split("```yaml\n")[1].split("```")[0]
    svc_yml.write_text(queue)
    with Scheduler(cluster, svc_yml, tmp_path).start() as service:
        service.wait_well()
        operator = Operator(service, tmp_path)
        start, show = commands("A plan of your own")
        operator.types(start)
        wait_until("the backup is done", lambda: "backup (serial) COMPLETE" in operator.types(show))

        validate, preview = commands("Updating and rolling back")
        svc_yml.write_text(changed(queue, "LEVEL: info", "LEVEL: debug"))
        assert "0 errors, 0 warnings" in operator.types(validate)
        assert operator.types(preview).count("server.env") == 3

        before = service.task_ids()
        service.end(signal.SIGTERM)
        service.start()
        (deploy,) = commands("Canaries")
        wait_until("the scheduler leads", service.answers)
        wait_until("canaries wait", lambda: operator.types(deploy).count("it is a canary") == 2)
        for instance in ("node-0", "node-1"):
            operator.types("holdfast plan resume deploy nodes")
            step = rf"{instance}:\[server\] COMPLETE"
            wait_until(f"{instance} is new", partial(found_in, operator, deploy, step))
        service.wait_well()
        after = service.task_ids()
        servers = {name for name in before if name.endswith("-server")}
        assert len(servers) == 3
        assert not {before[name] for name in servers} & {after[name] for name in servers}

        svc_yml.write_text(changed(queue, "LEVEL: info", "LEVEL: warn"))
        service.end(signal.SIGTERM)
        service.start()
        wait_until("the scheduler leads", service.answers)
        wait_until("canaries wait", lambda: operator.types(deploy).count("it is a canary") == 2)
        force, restart, again = commands("Overruling a plan")
        operator.types(force)
        done = r"node-1:\[server\] COMPLETE"
        wait_until("the step counts as complete", partial(found_in, operator, deploy, done))
        assert service.task_ids()["node-1-server"] == after["node-1-server"]
        operator.types(restart)
        operator.types("holdfast plan resume deploy nodes")
        operator.types("holdfast plan resume deploy nodes")
        service.wait_well()
        assert service.task_ids()["node-1-server"] != after["node-1-server"]
        operator.types(again)
        service.wait_well()

        for section, old, new, word in (
            ("Resizing", "cpus: 0.2", "cpus: 0.3", "resize"),
            ("Fewer instances", "count: 3", "count: 2", "decommission"),
        ):
            (preview,) = commands(section)
            svc_yml.write_text(changed(queue.replace("LEVEL: info", "LEVEL: debug"), old, new))
            assert word in operator.types(preview)


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def found_in(operator: Operator, command: str, pattern: str) -> bool:
    return re.search(pattern, operator.types(command)) is not None


def machines_are_serviced(operator: Operator, service: Scheduler) -> None:
    hosts = [service.instances()[f"etcd-{n}"]["agent"] for n in range(3)]
    operator.own = dict(zip(("10.0.0.7", "10.0.0.8", "10.0.0.9"), hosts, strict=True))
    check, plan, start, show, end = commands("Machines are serviced")
    assert "Safe" in operator.types(check)
    assert "etcd-2" in operator.types(plan)
    operator.types(start)
    wait_until("all there is stopped", lambda: "all is stopped" in operator.types(show))
    operator.types(end)
    service.wait_well()


def it_says_what_agents_cannot_do(service: Scheduler, folder: Path) -> None:
    """As of a service whose pods no agent here can run."""
    svc_yml = folder / "confined.yml"
    confined = ETCD_LIKE.replace("  etcd:\n", "  node:\n    seccomp-unconfined: true\n")
    svc_yml.write_text(changed(confined, "name: etcd", "name: confined"))
    with Scheduler(service.cluster, svc_yml, folder, port=8081).start() as other:
        wait_until("it leads", other.answers)
        _, explain = commands("Why does it not run?")
        operator = Operator(other, folder)
        text = (
            r"(?m)^127\S+ +agent: cannot: seccomp \(start it with --isolation=...,linux/seccomp\)"
        )
        wait_until("agents were asked", partial(found_in, operator, explain, text))


def two_agents_are_lost(operator: Operator, service: Scheduler) -> str:
    """The id of the volume that etcd-0 leaves on an agent that never comes back."""
    before = service.instances()
    agents = {name: before[name]["agent"] for name in before}
    numbers = {agent.ip: agent.number for agent in service.cluster.agents}
    for name in ("etcd-0", "etcd-2"):
        service.cluster.agent_kill(numbers[agents[name]])
    explain, _ = commands("Why does it not run?")
    said = (
        f"etcd-2: it waits until agent {agents['etcd-2']}, which has its data and cannot be reached"
    )
    wait_until("it says so", lambda: said in operator.types(explain))
    (recover,) = commands("When much is broken")
    given_up = re.compile("^pod replace etcd-", re.MULTILINE)
    wait_until(
        "both are given up", lambda: len(given_up.findall(operator.types(recover, "n"))) == 2
    )
    assert "There is a disaster: 2 of 3 pod instances on 2 agents" in operator.types(recover, "n")

    (replace,) = commands("An agent is lost")
    operator.types(replace, answer="y")
    wait_until(
        "etcd-0 is elsewhere", lambda: service.instances()["etcd-0"]["agent"] != agents["etcd-0"]
    )
    # As long as etcd-0 has not taken over, it asks for the service's name.
    assert "pod replace etcd-2" in operator.types(recover, answer="etcd\ny")
    service.wait_well()
    now = service.instances()
    assert now["etcd-1"]["volumes"] == before["etcd-1"]["volumes"]
    assert now["etcd-2"]["volumes"] != before["etcd-2"]["volumes"]
    service.cluster.agent_start(numbers[agents["etcd-2"]])
    (volume,) = before["etcd-0"]["volumes"]
    return str(volume["id"])


def volumes_are_given_up(operator: Operator, lost: str) -> None:
    page = "\n".join(commands("Volumes"))
    (named,) = set(VOLUME.findall(page))
    operator.own = {named: lost}
    show, destroy, forget, orphans = commands("Volumes")
    assert re.search(rf"{lost} +retired", operator.types(show))
    operator.types(destroy, answer=lost)
    assert re.search(rf"{lost} +to-be-destroyed", operator.types(show))
    operator.types(forget, answer="y")
    assert lost not in operator.types(show)
    operator.types(orphans)
