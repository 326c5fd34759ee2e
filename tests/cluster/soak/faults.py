"""The faults: what breaks, and what mends it. Whether services come back is the soak's to see."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from random import Random
from typing import Final

from holdfast_playground import faults, processes
from holdfast_playground.errors import PlaygroundError
from tests.cluster.dying_scheduler import DIES, arm
from tests.cluster.running_service import SESSION_SECONDS
from tests.cluster.soak.acts import Act, Begun, Layer
from tests.cluster.soak.ground import AGENTS, ETCD_AGENTS, MEMBERS, SPEC, Ground, Service, armed
from tests.cluster.stepped_clock import set_ahead

UNREACHABLE_SECONDS: Final = SPEC.ping_timeout_seconds * (SPEC.max_ping_timeouts + 1) + 1.0
SHORT: Final = (0.0, 3.0)
HOURS: Final = 7200.0
BOUNDARIES: Final = 24
"""As many as a replacement has at most (docs/testing.md)."""


def _short(rng: Random) -> float:
    return rng.uniform(*SHORT)


def _long(rng: Random) -> float:
    """Long enough for Mesos to give an agent up."""
    return UNREACHABLE_SECONDS + rng.uniform(0, 3)


# Agents --------------------------------------------------------------------------------------


def agent_process_killed(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = _short(rng)
    ground.cluster.agent_crash(agent)
    return Begun(f"agent-{agent}", hold, lambda: ground.cluster.agent_start(agent))


def agent_process_frozen(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.choice((_short, _long))(rng)
    ground.cluster.agent_stop(agent)
    return Begun(f"agent-{agent}", hold, lambda: ground.cluster.agent_continue(agent))


def agent_reboots(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    faults.agent_reboot(ground.cluster, agent)
    return Begun(f"agent-{agent}")


def agent_without_power(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.choice((_short, _long))(rng)
    ground.cluster.agent_kill(agent)
    return Begun(f"agent-{agent}", hold, lambda: ground.cluster.agent_start(agent))


def agent_cut_off(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.choice((_short, _long))(rng)
    network = ground.cluster.network
    network.cut(f"agent-{agent}")
    return Begun(f"agent-{agent}", hold, lambda: network.heal(f"agent-{agent}"))


def machine_hangs(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.choice((_short, _long))(rng)
    frozen = faults.machine_freeze(ground.cluster, agent)
    return Begun(f"agent-{agent}", hold, lambda: faults.thaw(frozen))


def disk_full(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.uniform(1, 5)
    faults.disk_fill(ground.cluster, agent)

    def undo() -> None:
        faults.disk_free(ground.cluster, agent)
        _start_what_died(ground, agent)

    return Begun(f"of agent-{agent}", hold, undo)


def _start_what_died(ground: Ground, agent: int) -> None:
    """An agent that cannot write its records ends; its supervisor starts it again."""
    if ground.cluster.agents[agent - 1].state == "dead":
        ground.cluster.agent_start(agent)


def agent_forgets_its_id(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    faults.agent_forget_id(ground.cluster, agent)
    return Begun(f"agent-{agent}")


# Data of one member --------------------------------------------------------------------------


def _replace_lost(ground: Ground, members: list[str]) -> None:
    """Have the members replaced whose data is lost, as an operator would."""
    for member in members:
        ground.insist(ground.etcd, f"pod/{member}/replace?force=true")


def machine_lost(ground: Ground, rng: Random) -> Begun:
    """Lost with its volumes; a new one comes in its place."""
    agent = rng.choice(ETCD_AGENTS)
    hold = rng.choice((_short, _long))(rng)
    members = ground.members_on(agent)
    ground.cluster.agent_remove(agent)

    return Begun(
        f"agent-{agent} with {members or 'nothing'}",
        hold,
        undo=lambda: ground.cluster.agent_start(agent),
        order=lambda: _replace_lost(ground, members),
    )


def agent_forgets_all(ground: Ground, rng: Random) -> Begun:
    """Its records are wiped: it has no reservation and no volume, as far as it knows."""
    agent = rng.choice(ETCD_AGENTS)
    members = ground.members_on(agent)
    faults.agent_forget(ground.cluster, agent)
    return Begun(
        f"agent-{agent} with {members or 'nothing'}",
        order=lambda: _replace_lost(ground, members),
    )


def scheduler_dies_replacing(ground: Ground, rng: Random) -> Begun:
    """Between two steps of the replacement of a member, which goes on without it."""
    member, number, hold = rng.choice(MEMBERS), rng.randint(1, BOUNDARIES), rng.uniform(4, 8)
    scheduler = ground.etcd.schedulers[ground.etcd.leader() or 0]
    before = scheduler.log.count(DIES)
    arm(armed(scheduler), number)
    said = ground.etcd.order(f"pod/{member}/replace")

    def disarm() -> None:
        armed(scheduler).unlink()
        times = scheduler.log.count(DIES) - before
        ground.say(f"     it died {times} times at boundary {number}")

    return Begun(f"of {member} at boundary {number}: {said}", hold, disarm)


# Tasks ---------------------------------------------------------------------------------------


def task_killed(ground: Ground, rng: Random) -> Begun:
    instance = rng.choice((*MEMBERS, "redis-0"))
    records = ground.processes_of(instance)
    if not records:
        return Begun(f"of {instance}, which does not run")
    processes.kill(records)
    return Begun(f"of {instance}")


def executor_killed(ground: Ground, rng: Random) -> Begun:
    instance = rng.choice((*MEMBERS, "redis-0"))
    container = ground.container(instance)
    if container is None:
        return Begun(f"of {instance}, which does not run")
    faults.executor_kill(container)
    return Begun(f"of {instance}")


def executor_frozen(ground: Ground, rng: Random) -> Begun:
    instance = rng.choice((*MEMBERS, "redis-0"))
    hold = rng.uniform(1, 10)
    container = ground.container(instance)
    if container is None:
        return Begun(f"of {instance}, which does not run")
    faults.freeze(container.executor)
    return Begun(f"of {instance}", hold, lambda: faults.thaw(container.executor))


def task_frozen(ground: Ground, rng: Random) -> Begun:
    instance = rng.choice((*MEMBERS, "redis-0"))
    hold = rng.uniform(1, 6)
    records = ground.processes_of(instance)
    if not records:
        return Begun(f"of {instance}, which does not run")
    faults.freeze(records)
    return Begun(f"of {instance}", hold, lambda: faults.thaw(records))


# Masters and ZooKeeper -----------------------------------------------------------------------


def _leading(ground: Ground) -> int | None:
    try:
        return ground.cluster.leading_master()
    except PlaygroundError:
        return None


def _on_leading_master(
    ground: Ground,
    hold: float,
    strike: Callable[[int], object],
    mend: Callable[[int], None],
) -> Begun:
    number = _leading(ground)
    if number is None:
        return Begun("none, since none leads")
    strike(number)
    return Begun(f"master-{number}, the leading one", hold, lambda: mend(number))


def master_killed(ground: Ground, rng: Random) -> Begun:
    cluster = ground.cluster
    return _on_leading_master(ground, _short(rng), cluster.master_kill, cluster.master_start)


def standby_master_killed(ground: Ground, rng: Random) -> Begun:
    hold = _short(rng)
    number = 2 if _leading(ground) == 1 else 1
    ground.cluster.master_kill(number)
    return Begun(f"master-{number}", hold, lambda: ground.cluster.master_start(number))


def master_frozen(ground: Ground, rng: Random) -> Begun:
    cluster, hold = ground.cluster, rng.uniform(1, 8)
    return _on_leading_master(ground, hold, cluster.master_pause, cluster.master_continue)


def zookeeper_killed(ground: Ground, rng: Random) -> Begun:
    hold = rng.choice((rng.uniform(0, 2), SESSION_SECONDS + rng.uniform(1, 4)))
    ground.cluster.zookeeper_stop()
    return Begun("", hold, ground.cluster.zookeeper_start)


def zookeeper_frozen(ground: Ground, rng: Random) -> Begun:
    hold = rng.choice((rng.uniform(0, 2), SESSION_SECONDS + rng.uniform(1, 4)))
    ground.cluster.zookeeper_pause()
    return Begun("", hold, ground.cluster.zookeeper_continue)


def zookeeper_slow(ground: Ground, rng: Random) -> Begun:
    hold = rng.uniform(2, 6)
    slow = ExitStack()
    slow.enter_context(faults.slow_zookeeper(ground.cluster))
    return Begun("", hold, slow.close)


# Schedulers ----------------------------------------------------------------------------------


def _one(ground: Ground, rng: Random) -> tuple[Service, int]:
    """A service's leading scheduler; one that has standbys twice as often."""
    service = rng.choice((ground.etcd, ground.etcd, ground.redis))
    return service, service.leader() or 0


def scheduler_killed(ground: Ground, rng: Random) -> Begun:
    hold = _short(rng)
    service, number = _one(ground, rng)
    service.away.add(number)
    service.schedulers[number].kill()
    return Begun(f"of {service.name}", hold, lambda: service.away.discard(number))


def scheduler_ends(ground: Ground, rng: Random) -> Begun:
    service, number = _one(ground, rng)
    service.schedulers[number].send(signal.SIGTERM)
    return Begun(f"of {service.name}")


def scheduler_frozen(ground: Ground, rng: Random) -> Begun:
    hold = rng.choice((_short(rng), SESSION_SECONDS + rng.uniform(1, 4)))
    service, number = _one(ground, rng)
    scheduler = service.schedulers[number]
    scheduler.send(signal.SIGSTOP)
    return Begun(f"of {service.name}", hold, lambda: scheduler.send(signal.SIGCONT))


def all_schedulers_killed(ground: Ground, rng: Random) -> Begun:
    hold = _short(rng)
    for service in ground.services:
        for number, scheduler in enumerate(service.schedulers):
            service.away.add(number)
            scheduler.kill()

    def undo() -> None:
        for service in ground.services:
            service.away.clear()

    return Begun("", hold, undo)


def scheduler_without_zookeeper(ground: Ground, rng: Random) -> Begun:
    return _parted(ground, rng, [ground.cluster.state.block.zookeeper])


def scheduler_without_masters(ground: Ground, rng: Random) -> Begun:
    return _parted(ground, rng, [master.ip for master in ground.cluster.masters])


def _parted(ground: Ground, rng: Random, addresses: list[str]) -> Begun:
    hold = rng.choice((_short(rng), SESSION_SECONDS + rng.uniform(1, 6)))
    member = f"client-{(ground.etcd.leader() or 0) + 1}"
    network = ground.cluster.network
    network.part(member, addresses)
    return Begun("of etcd", hold, lambda: network.rejoin(member))


def clock_set(ground: Ground, rng: Random) -> Begun:
    """Of a service's schedulers, by hours; then set right again."""
    hold = rng.uniform(1, 6)
    ahead = rng.choice((-HOURS, HOURS))
    service = rng.choice(ground.services)
    set_ahead(service.clock, ahead)
    return Begun(
        f"of {service.name} by {ahead / 3600:+g} h", hold, lambda: set_ahead(service.clock, 0)
    )


FAULTS: Final = (
    Act("kill an agent's process", Layer.AGENT, agent_process_killed),
    Act("freeze an agent's process", Layer.AGENT, agent_process_frozen),
    Act("reboot an agent", Layer.AGENT, agent_reboots, 3),
    Act("take an agent's power", Layer.AGENT, agent_without_power),
    Act("cut an agent off", Layer.AGENT, agent_cut_off, 4),
    Act("freeze a whole machine", Layer.AGENT, machine_hangs),
    Act("fill a disk", Layer.AGENT, disk_full, 1),
    Act("an agent forgets its id", Layer.IDENTITY, agent_forgets_its_id, 1),
    Act("lose a machine with its disk", Layer.DATA, machine_lost, 2),
    Act("an agent forgets all", Layer.DATA, agent_forgets_all, 1),
    Act("kill a scheduler in a replacement", Layer.DATA, scheduler_dies_replacing, 3),
    Act("kill a task", Layer.TASK, task_killed, 3),
    Act("freeze a task", Layer.TASK, task_frozen),
    Act("kill an executor", Layer.TASK, executor_killed, 3),
    Act("freeze an executor", Layer.TASK, executor_frozen),
    Act("kill the leading master", Layer.MASTER, master_killed, 3),
    Act("kill the other master", Layer.MASTER, standby_master_killed, 1),
    Act("freeze the leading master", Layer.MASTER, master_frozen),
    Act("kill ZooKeeper", Layer.ZOOKEEPER, zookeeper_killed),
    Act("freeze ZooKeeper", Layer.ZOOKEEPER, zookeeper_frozen),
    Act("slow ZooKeeper down", Layer.ZOOKEEPER, zookeeper_slow),
    Act("kill a scheduler", Layer.SCHEDULER, scheduler_killed, 5),
    Act("end a scheduler orderly", Layer.SCHEDULER, scheduler_ends, 1),
    Act("freeze a scheduler", Layer.SCHEDULER, scheduler_frozen, 3),
    Act("kill all schedulers", Layer.SCHEDULER, all_schedulers_killed, 1),
    Act("part a scheduler from ZooKeeper", Layer.SCHEDULER, scheduler_without_zookeeper),
    Act("part a scheduler from masters", Layer.SCHEDULER, scheduler_without_masters),
    Act("set a scheduler's clock", Layer.CLOCK, clock_set),
)
