"""The first steps: the cluster, the service on it, and data in the service."""

from typing import Final

from holdfast_playground.checker.etcd import EtcdStore
from holdfast_playground.checker.load import Load
from holdfast_playground.demo import etcd
from holdfast_playground.demo.checks import require, until
from holdfast_playground.demo.stage import MEMBERS, Picture, Stage

KEYS: Final = 1000


def start_cluster(stage: Stage) -> None:
    """ZooKeeper, two masters, four agents in three zones."""
    with stage.narrator.step("A real Mesos cluster, with real ZooKeeper"):
        stage.cluster.up()
        ids = stage.cluster.agent_ids()
        require(len(ids) == stage.cluster.spec.agents, "every agent is registered", f"{ids}")
        stage.narrator.verified(
            f"ZooKeeper at {stage.cluster.zookeeper_address}, {stage.cluster.spec.masters} Mesos"
            f" masters, the leader at {stage.cluster.leader()}"
        )
        stage.narrator.table(
            ("agent", "zone", "address", "agent id"),
            [
                (agent.name, agent.zone, agent.ip, ids[agent.number])
                for agent in stage.cluster.agents
            ],
        )


def deploy(stage: Stage) -> Picture:
    """The scheduler and three etcd members, one in each zone."""
    with stage.narrator.step("Holdfast deploys three etcd members, one in each zone"):
        stage.scheduler.start()
        stage.narrator.say(
            f"holdfast-scheduler services/etcd/svc.yml, API at {stage.scheduler.url}"
        )
        picture = stage.settled("the deploy plan is complete", 120)
        zones = sorted(instance.zone for instance in picture.instances.values())
        require(zones == sorted(stage.cluster.spec.zones), "one member in each zone", f"{zones}")
        stage.narrator.table(
            ("member", "on (zone)", "etcd member id", "reserved persistent volume"),
            [
                (
                    name,
                    f"{stage.agent_at(instance.agent).name} ({instance.zone})",
                    picture.members[name].id,
                    instance.volume,
                )
                for name, instance in picture.instances.items()
            ],
        )
        stage.narrator.verified(f"{MEMBERS} members vote; each keeps its data on its own volume")
    return picture


def write(stage: Stage, picture: Picture) -> None:
    """A thousand keys with etcdctl; then a writer and a reader that go on to the end."""
    with stage.narrator.step(f"{KEYS:,} keys are written, and writing goes on"):
        stage.seed = {f"seed/{n:04}": f"value of key {n}" for n in range(KEYS)}
        endpoint = etcd.client_url(next(iter(picture.instances.values())).agent)
        until(lambda: etcd.put_all(endpoint, stage.seed), "etcdctl txn writes", 30)
        found = until(lambda: etcd.get_all(endpoint, "seed/"), "etcdctl get reads", 10)
        require(found == stage.seed, "what was written is read", f"{len(found)} keys")
        stage.narrator.verified(f"{KEYS:,} keys written with etcdctl, and read again")
        ips = [agent.ip for agent in stage.cluster.agents]
        stage.load = Load(lambda: EtcdStore(ips))
        stage.load.start()
        stage.writes_go_on(20, 10)
        stage.narrator.verified("a writer and a reader run from here to the end")
