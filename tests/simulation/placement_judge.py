"""Judges where instances are placed: as their constraints ask, and in no region but theirs. I7."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations, product

from holdfast import records
from holdfast.records import Pod, Retired
from holdfast.service.model import Constraint, Operator, PodSpec, ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.agent import REGION, Agent

COUNTED = frozenset({Operator.UNIQUE, Operator.MAX_PER, Operator.GROUP_BY})


class PlacementJudge:
    """Reads reservations as they are stored, and asks the machines in which zone they are."""

    def __init__(
        self, agents: Callable[[], Iterable[Agent]], violate: Callable[[str, str], None]
    ) -> None:
        self.target: ServiceSpec | None = None
        self._agents = agents
        self._violate = violate
        self._pods: dict[str, Pod] = {}
        self._retired: dict[str, Retired] = {}

    def stored(self, writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        pods, retired = dict(self._pods), dict(self._retired)
        for path, data in writes:
            folder, _, name = path.partition("/")
            if folder == "pods":
                self._pods.pop(name, None)
                if data is not None:
                    self._pods[name] = records.pod_from_json(data)
            elif folder == "retired":
                self._retired.pop(name, None)
                if data is not None:
                    self._retired[name] = records.retired_from_json(data)
        placed = [pod for name, pod in self._pods.items() if _is_moved(pods.get(name), pod)]
        for spec in self.target.pods if self.target and placed else ():
            of_type = [pod for pod in placed if pod.type == spec.type]
            for constraint in spec.placement if of_type else ():
                if constraint.operator in COUNTED:
                    self._judge(constraint, of_type, pods, retired)
            for pod in of_type:
                self._judge_region(spec, pod)

    def _judge(
        self,
        constraint: Constraint,
        placed: Sequence[Pod],
        pods: dict[str, Pod],
        retired: dict[str, Retired],
    ) -> None:
        """Whether all were allowed in some order.

        What was held before counts or not until an instance is placed anew, and likewise what was
        left to tasks that may live: the records do not tell which came first in one step.
        """
        names = {pod.name for pod in placed}
        type_ = placed[0].type
        stay = [pod for pod in self._pods.values() if pod.type == type_ and pod.name not in names]
        held = [pod for name, pod in pods.items() if name in names]
        left = [
            [each for each in some.values() if each.pod.rpartition("-")[0] == type_]
            for some in ({}, retired, self._retired)
        ]
        for order, before, former in product(permutations(placed), ([], held), left):
            there = {pod.name: self._value(constraint.field, pod) for pod in (*before, *stay)}
            there |= {
                f"{each.pod} {each.id}": self._value(constraint.field, each)
                for each in former
                if any(task.live for task in each.tasks)
            }
            if self._allowed(constraint, order, there):
                return
        where = ", ".join(f"{p.name} in {self._value(constraint.field, p)}" for p in placed)
        others = sorted(filter(None, (self._value(constraint.field, p) for p in stay)))
        self._violate("I7", f"{constraint} is broken by {where}; the others are in {others}")

    def _allowed(
        self, constraint: Constraint, order: Iterable[Pod], there: dict[str, str | None]
    ) -> bool:
        """Whether they may be placed one after the other, as counts of peers are then."""
        for pod in order:
            value = self._value(constraint.field, pod)
            peers = Counter(
                at for name, at in there.items() if at and name.split(" ")[0] != pod.name
            )
            if peers[value or ""] > _most(constraint, [n for n in peers.values() if n]):
                return False
            there[pod.name] = value
        return True

    def _value(self, field: str, holder: Pod | Retired) -> str | None:
        """What the field is on the machine itself where that has something reserved."""
        if holder.reservation is None:
            return None
        agent = self._agent(holder.reservation.hostname)
        return {"hostname": agent.hostname, "@zone": agent.zone, "@region": agent.region}[field]

    def _agent(self, hostname: str) -> Agent:
        return next(agent for agent in self._agents() if agent.hostname == hostname)

    def _judge_region(self, spec: PodSpec, pod: Pod) -> None:
        """Without a word on regions an instance is where the service is, or else the master."""
        assert pod.reservation is not None
        assert self.target is not None
        region = self._agent(pod.reservation.hostname).region
        home = self.target.region or REGION
        if region != home and all(c.field != "@region" for c in spec.placement):
            self._violate("I7", f"{pod.name} is placed in {region}, and belongs in {home}")


def _is_moved(before: Pod | None, pod: Pod) -> bool:
    """Whether it has been given a place it did not have."""
    held = before.reservation if before else None
    return pod.reservation is not None and (
        held is None or held.resource_id != pod.reservation.resource_id
    )


def _most(constraint: Constraint, peers: Sequence[int]) -> int:
    """How many peers there may be with its value already, given how many there are of each."""
    match constraint.operator:
        case Operator.UNIQUE:
            return 0
        case Operator.MAX_PER:
            return int(constraint.parameter) - 1
        case _:
            too_few = constraint.parameter and len(peers) < int(constraint.parameter)
            return 0 if too_few else min(peers, default=0)
