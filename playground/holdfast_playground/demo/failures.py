"""The steps in which something fails, each with what must be so afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast_playground import processes
from holdfast_playground.checker.history import wrong_content
from holdfast_playground.checker.load import PREFIX
from holdfast_playground.demo import etcd
from holdfast_playground.demo.checks import require, until
from holdfast_playground.demo.stage import MEMBERS, Picture, Stage


@contextmanager
def _failure(stage: Stage, title: str) -> Iterator[None]:
    """A step that also tells what clients noticed."""
    with stage.narrator.step(title):
        began = time.monotonic()
        yield
        assert stage.load is not None
        report = stage.load.report(since=began)
        noticed = (
            f"no write for {report.longest_outage:.1f} s at the longest"
            if report.longest_outage
            else "never more than 1 s apart"
        )
        stage.narrator.say(f"{report.acknowledged} writes acknowledged meanwhile, {noticed}")


def lose_an_agent_for_a_while(stage: Stage, before: Picture) -> Picture:
    """kill -9 of an agent and everything on it; it comes back with its disk."""
    name = "etcd-1"
    victim = stage.agent_at(before.instances[name].agent)
    with _failure(stage, f"kill -9 {victim.name} and everything on it, then start it again"):
        stage.cluster.agent_kill(victim.number)
        left = etcd.member_processes([victim.ip])
        require(not left, f"{victim.name} is dead with all it ran", f"{left}", name)
        stage.narrator.say(f"{victim.name} (zone {victim.zone}) is dead, and with it {name}")
        stage.writes_go_on(50, 30)
        stage.narrator.verified(f"{MEMBERS - 1} of {MEMBERS} members go on taking writes")
        stage.cluster.agent_start(victim.number)
        stage.cluster.wait_for_agents([victim.number])
        after = stage.settled(f"{name} is back", 90, changed={name: before.instances[name].task_id})
        stage.same_place(name, before, after)
    return after


def lose_the_scheduler(stage: Stage, before: Picture) -> Picture:
    """kill -9 of the scheduler; its successor reads what is so from ZooKeeper."""
    with _failure(stage, "kill -9 the Holdfast scheduler, then start it again"):
        old = stage.scheduler.kill()
        stage.writes_go_on(20, 15)
        stage.narrator.verified("etcd does not need the scheduler to go on")
        stage.scheduler.start()
        after = stage.settled("the new scheduler knows the service", 60)
        stage.narrator.say(f"process {old} is dead; process {stage.scheduler.process.pid} leads")
        stage.nothing_restarted(before, after)
    return after


def lose_a_task(stage: Stage, before: Picture) -> Picture:
    """kill -9 of an etcd process; Holdfast starts it again where its data is."""
    name = "etcd-2"
    with _failure(stage, f"kill -9 the etcd process of {name}"):
        processes.kill([before.processes[name]])
        after = stage.settled(f"{name} is back", 60, changed={name: before.instances[name].task_id})
        old, new = before.processes[name].pid, after.processes[name].pid
        stage.narrator.say(f"process {old} is dead; process {new} took its place")
        stage.same_place(name, before, after)
    return after


def lose_the_master(stage: Stage, before: Picture) -> Picture:
    """kill -9 of the leading master; the other takes over, then the first again."""
    with _failure(stage, "kill -9 the leading Mesos master; another one takes over"):
        killed = stage.cluster.master_kill()
        leader = stage.cluster.wait_for_leader()
        stage.narrator.say(f"master-{killed} is dead; ZooKeeper elected {leader}")
        stage.cluster.master_start(killed)
        numbers = [agent.number for agent in stage.cluster.agents]
        stage.cluster.wait_for_agents(numbers)
        after = stage.settled("Mesos and Holdfast agree again", 60)
        stage.narrator.verified("all agents and the scheduler are registered with the new leader")
        stage.nothing_restarted(before, after)
    return after


def lose_an_agent_for_good(stage: Stage, before: Picture) -> Picture:
    """An agent is gone with its disks; the operator replaces the member."""
    name, instance = next((n, i) for n, i in before.instances.items() if i.zone == "a")
    victim = stage.agent_at(instance.agent)
    other = next(a for a in stage.cluster.agents if a.zone == "a" and a.number != victim.number)
    with _failure(stage, f"{victim.name} is gone for good: `holdfast pod replace {name}`"):
        stage.cluster.agent_remove(victim.number)
        stage.narrator.say(f"{victim.name} (zone a) and its volumes are gone, and with them {name}")
        stage.writes_go_on(50, 30)
        for line in stage.scheduler.holdfast("pod", "replace", name, "--yes").splitlines():
            stage.narrator.say(f"holdfast: {line}")
        spec = stage.cluster.spec
        stage.narrator.say(
            "the new instance starts once Mesos has given the agent up"
            f" ({spec.ping_timeout_seconds * spec.max_ping_timeouts} s): never two of one name"
        )
        after = stage.settled(f"{name} runs elsewhere", 120, changed={name: instance.task_id})
        moved = after.instances[name]
        require(
            moved.agent == other.ip and moved.volume != instance.volume,
            f"{name} moved to {other.name} with a new volume",
            f"it is at {moved.agent} with {moved.volume}",
            name,
        )
        stage.narrator.verified(f"{name} moved to {other.name}, zone a, on volume {moved.volume}")
        old, new = before.members[name], after.members[name]
        ids = {member.id for member in after.members.values()}
        require(
            old.id not in ids and new.id in ids and new.id != old.id,
            "etcd has the new member instead of the old one",
            f"its members are {sorted(ids)}",
            name,
        )
        stage.narrator.verified(f"etcd lost member {old.id}, gained {new.id}: {MEMBERS} voters")
    return after


def read_back(stage: Stage, picture: Picture) -> None:
    """End the load and compare every acknowledged key, read through the youngest member."""
    assert stage.load is not None
    with stage.narrator.step("Every acknowledged write is read back"):
        stage.load.stop()
        youngest = max(picture.processes, key=lambda name: picture.processes[name].started)
        endpoint = etcd.client_url(picture.instances[youngest].agent)
        seed = until(lambda: etcd.get_all(endpoint, "seed/"), "etcdctl get reads the first", 30)
        found = until(lambda: etcd.get_all(endpoint, PREFIX), "etcdctl get reads the rest", 30)
        stage.load.wrong += wrong_content(stage.seed, {}, seed)
        stage.took_effect = stage.load.verify(found)
        count = len(stage.seed) + stage.load.acknowledged
        stage.narrator.say(f"{count:,} keys read through {youngest}, the newest member")
        require(
            not stage.load.wrong,
            "no acknowledged write is lost",
            f"{len(stage.load.wrong)} faults: {'; '.join(stage.load.wrong[:5])}",
        )
        stage.narrator.verified(f"all {count:,} have the value that was acknowledged")
