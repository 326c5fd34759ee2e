"""Agents are not asked twice for the same: what comes of a set of offers is as if they were."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from holdfast.core import allocation
from holdfast.core.allocation import Allocation, Result
from holdfast.core.inspections import Inspections
from holdfast.core.ledger import Ledger
from holdfast.core.refused import Refused
from holdfast.core.rooms import Rooms
from holdfast.core.startup import open_ledger
from holdfast.core.wanted import Wanted
from holdfast.placement import evaluate
from holdfast.records import Retired
from holdfast.service.model import Constraint, Operator, PodSpec, PortSpec, ServiceSpec
from holdfast.state.memory import MemoryStore

from .offers import offer, service
from .world import SETTINGS

CONSTRAINTS = (
    (),
    (Constraint("hostname", Operator.UNIQUE),),
    (Constraint("hostname", Operator.MAX_PER, "2"),),
    (Constraint("@zone", Operator.GROUP_BY, "2"),),
    (Constraint("@zone", Operator.CLUSTER),),
)


@st.composite
def services(draw: st.DrawFn) -> ServiceSpec:
    """Two pod types of other needs and constraints."""
    base = service().pods[0]
    (task,) = base.tasks
    pods = []
    for type_ in ("db", "web"):
        port = draw(st.sampled_from([(), (PortSpec("any", 0),), (PortSpec("client", 2379),)]))
        one = replace(task, cpus=draw(st.sampled_from([0.5, 1.0, 2.0])), ports=port)
        rules = draw(st.sampled_from(CONSTRAINTS))
        pods.append(replace(base, type=type_, count=6, tasks=(one,), placement=rules))
    return service(pods=tuple(pods))


class Services:
    """The pods of a service placed on one set of offers after the other."""

    def __init__(self, spec: ServiceSpec) -> None:
        ids = itertools.count()
        self.ledger: Ledger = open_ledger(MemoryStore().load(), spec)[0]
        self.ledger.set_framework_id("framework")
        self._allocation = Allocation(
            *(self.ledger, SETTINGS, lambda: f"id-{next(ids)}"),
            *(Inspections(), Rooms(self.ledger, SETTINGS.executor)),
        )

    def use(self, names: list[str], agents: list[tuple[int, float]], now: float) -> Result:
        offers = [offer(n, cpus=cpus, zone=f"zone-{n % 2}") for n, cpus in agents]
        wanted = [self._wanted(name) for name in names]
        return self._allocation.use(offers, wanted, "here", now)

    def leave(self, name: str) -> None:
        """The instance is replaced, and its task may still run on what it left behind."""
        pod = self.ledger.pods[name]
        assert pod.reservation is not None
        self.ledger.put_retired(Retired(f"of-{name}", name, pod.reservation, pod.tasks, "", 0.0))
        self.ledger.put_pod(replace(pod, reservation=None, tasks=()))

    def _wanted(self, name: str) -> Wanted:
        pod_type, index = self.ledger.instance(name)
        spec: PodSpec = self.ledger.service.pod(pod_type)
        return Wanted(name, spec, index, self.ledger.target_id, ("node",))


@contextmanager
def asking_always() -> Iterator[None]:
    with patch.object(Refused, "by", lambda *_: None):
        yield


AGENTS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0.3, 1.2, 2.5, 4.0])),
    max_size=5,
    unique_by=lambda agent: agent[0],
)


@settings(max_examples=100, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(services(), st.data())
def test_what_comes_of_offers_is_as_if_each_agent_was_asked_for_each_instance(
    spec: ServiceSpec, data: st.DataObject
) -> None:
    remembering, asking = Services(spec), Services(spec)
    waiting = [f"{pod.type}-{index}" for pod in spec.pods for index in range(pod.count)]
    for now in (100.0, 200.0, 300.0):
        waiting = data.draw(st.permutations(waiting))
        agents = data.draw(AGENTS)
        result = remembering.use(waiting, agents, now)
        with asking_always():
            expected = asking.use(waiting, agents, now)
        assert result.started == expected.started
        assert result.refusals == expected.refusals
        assert result.decisions == expected.decisions
        leaving = data.draw(st.sets(st.sampled_from(result.started))) if result.started else set()
        for name in sorted(leaving):
            remembering.leave(name)
            asking.leave(name)
        waiting = [name for name in waiting if name not in result.started or name in leaving]


def test_an_agent_without_room_is_asked_once_for_all_that_wait() -> None:
    services = Services(service(count=20, placement=()))
    names = [f"db-{index}" for index in range(20)]
    with patch.object(allocation, "place", wraps=evaluate.place) as asked:
        result = services.use(names, [(1, 0.1), (2, 0.1)], 100.0)
    assert asked.call_count == 2
    assert result.started == []
    assert all(result.refusals[name].keys() == {"host-1", "host-2"} for name in names)


def test_it_is_asked_again_once_something_was_taken() -> None:
    base = service(placement=()).pods[0]
    large = replace(base.tasks[0], cpus=2.0)
    pods = (replace(base, count=1), replace(base, type="web", count=2, tasks=(large,)))
    names = ["web-0", "db-0", "web-1"]
    result = Services(service(pods=pods)).use(names, [(1, 1.2)], 100.0)
    assert result.started == ["db-0"]
    assert result.refusals["web-0"] == {"host-1": "cpus: needs 2.1, the agent offers 1.2"}
    assert result.refusals["web-1"] == {"host-1": "ports: port 2379 is not on offer"}


def test_where_an_instance_runs_it_is_in_the_way_of_all_others_but_itself() -> None:
    services = Services(service(count=3))
    assert services.use(["db-0"], [(1, 4.0)], 100.0).started == ["db-0"]
    services.leave("db-0")
    result = services.use(["db-1", "db-0", "db-2"], [(1, 4.0)], 200.0)
    assert result.started == ["db-0"], "its former place is no reason against the agent"
    assert result.refusals["db-1"].keys() == result.refusals["db-2"].keys() == {"host-1"}
