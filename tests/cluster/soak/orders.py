"""What operators order meanwhile. An order that is refused, or not answered, is one as well."""

from functools import partial
from random import Random
from typing import Final

from tests.cluster.soak.acts import Act, Begun, Layer
from tests.cluster.soak.ground import AGENTS, MEMBERS, Ground, Service

CPUS: Final = (0.3, 0.4, 0.5)


def _instance(ground: Ground, rng: Random) -> tuple[Service, str]:
    name = rng.choice((*MEMBERS, "redis-0"))
    return (ground.redis if name == "redis-0" else ground.etcd), name


def restart(ground: Ground, rng: Random) -> Begun:
    service, name = _instance(ground, rng)
    return Begun(f"{name}: {service.order(f'pod/{name}/restart')}")


def replace(ground: Ground, rng: Random) -> Begun:
    """Of a member that runs: its volume is kept, and the new one begins empty."""
    name = rng.choice(MEMBERS)
    return Begun(f"{name}: {ground.etcd.order(f'pod/{name}/replace')}")


def pause(ground: Ground, rng: Random) -> Begun:
    service, name = _instance(ground, rng)
    hold = rng.uniform(1, 4)
    said = service.order(f"pod/{name}/pause")
    resume = partial(ground.insist, service, f"pod/{name}/resume")
    return Begun(f"{name}: {said}", hold, order=resume)


def maintain(ground: Ground, rng: Random) -> Begun:
    agent = rng.choice(AGENTS)
    hold = rng.uniform(1, 5)
    host = ground.ip(agent)
    said = [service.order(f"maintenance/{host}/start") for service in ground.services]

    def end() -> None:
        for service in ground.services:
            ground.insist(service, f"maintenance/{host}/end")

    return Begun(f"agent-{agent}: {', '.join(said)}", hold, order=end)


def update(ground: Ground, rng: Random) -> Begun:
    """Other cpus for etcd: all its schedulers are started with the changed definition."""
    cpus = rng.choice([one for one in CPUS if one != ground.cpus])
    ground.cpus = cpus
    for number, scheduler in enumerate(ground.etcd.schedulers):
        scheduler.set_environment(NODE_CPUS=str(cpus))
        if number not in ground.etcd.away:
            scheduler.kill()
            scheduler.start()
    return Begun(f"etcd has {cpus:g} cpus")


def destroy(ground: Ground, rng: Random) -> Begun:
    """One volume that replaced members have left behind; the oldest goes first."""
    del rng
    volumes = ground.etcd.ask("volumes") or []
    left = sorted((v for v in volumes if v["state"] == "retired"), key=lambda v: v["since"])
    if not left:
        return Begun("nothing is retired")
    id_ = left[0]["id"]
    for scheduler in ground.etcd.schedulers:
        scheduler.volumes.seen.pop(id_, None)
    return Begun(f"{id_} of {left[0]['pod']}: {ground.etcd.order(f'volumes/{id_}', 'DELETE')}")


ORDERS: Final = (
    Act("order a restart", Layer.ORDER, restart, 4),
    Act("order a replacement", Layer.DATA, replace, 3),
    Act("order a pause", Layer.ORDER, pause, 2),
    Act("order maintenance", Layer.ORDER, maintain, 3),
    Act("order an update", Layer.ORDER, update, 1),
    Act("order a volume destroyed", Layer.ORDER, destroy, 2),
)
