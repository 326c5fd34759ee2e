"""A reservation found again and made what is asked for now; tasks that join a running executor."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.placement.constraints import Refusal
from holdfast.placement.evaluate import Placement, join, place, resume
from holdfast.records import Pod, Reservation, pod_from_json, pod_to_json
from holdfast.service.model import (
    ANY_ROLE,
    PodSpec,
    PortRange,
    PortSpec,
    ResourceSetSpec,
    TaskSpec,
    VolumeKind,
    VolumeSpec,
)

from .agent import Agent, disk, new_id, owner, pod, ports, scalar, task, wanted


def start(agent: Agent, spec: PodSpec) -> Reservation:
    """A new instance, its operations carried out, its task seen running and then dead."""
    found = place(owner(spec), spec, "db-0", agent.pool(role(spec)), [], None, new_id)
    assert isinstance(found, Placement), found
    agent.apply(found)
    return found.reservation.settled()


def again(agent: Agent, spec: PodSpec, held: Reservation) -> Placement | Refusal:
    return resume(owner(spec), spec, "db-0", held, agent.pool(role(spec)), new_id)


def found_again(agent: Agent, spec: PodSpec, held: Reservation) -> Placement:
    found = again(agent, spec, held)
    assert isinstance(found, Placement), found
    return found


def role(spec: PodSpec) -> str:
    return owner(spec).role(spec.pre_reserved_role)


def agent(cpus: float = 4) -> Agent:
    return Agent(scalar("cpus", cpus), scalar("mem", 4096), scalar("disk", 1000), ports(80, 99))


def test_growing_reserves_the_difference_and_shrinking_gives_it_back() -> None:
    here = agent()
    held = start(here, pod(task(cpus=1, memory_mb=500)))
    more = found_again(here, pod(task(cpus=3, memory_mb=100)), held)
    assert here.apply(more) == ["UNRESERVE", "RESERVE"]
    assert [m["scalar"] for m in more.reserve] == [{"value": 2}]
    assert [m["scalar"] for m in more.unreserve] == [{"value": 400}]
    assert here.reserved(held) == wanted(more.reservation)
    assert more.holding.cpus["scalar"] == {"value": 3.1}
    assert found_again(here, pod(task(cpus=3, memory_mb=100)), more.reservation).changes is False


def test_growing_beyond_what_the_agent_has_is_refused_with_nothing_done() -> None:
    here = agent(cpus=1.6)
    held = start(here, pod(task(cpus=1, memory_mb=500)))
    refused = again(here, pod(task(cpus=3, memory_mb=100)), held)
    assert str(refused) == "cpus: needs 2 more, the agent offers 0.5"
    assert found_again(here, pod(task(cpus=1, memory_mb=500)), held).changes is False


def test_ports_follow_the_pod_and_dynamic_ones_stay_where_they_were() -> None:
    here = agent()
    first = (PortSpec("any", 0), PortSpec("fixed", 90), PortSpec("gone", 99))
    held = start(here, pod(task(ports=first)))
    assert held.task_ports("node") == {"any": 80, "fixed": 90, "gone": 99}
    second = (PortSpec("new", 0), PortSpec("fixed", 91), PortSpec("any", 0), PortSpec("old", 90))
    moved = found_again(here, pod(task(ports=second)), held)
    assert moved.reservation.task_ports("node") == {"new": 81, "fixed": 91, "any": 80, "old": 90}
    here.apply(moved)
    assert here.reserved(held) == wanted(moved.reservation)
    third = (PortSpec("any", 0, ranges=(PortRange(95, 99),)),)
    within = found_again(here, pod(task(ports=third)), moved.reservation.settled())
    assert within.reservation.task_ports("node") == {"any": 95}


def test_a_volume_is_added_and_those_there_are_never_touched() -> None:
    here = agent()
    held = start(here, pod(task(volumes=(VolumeSpec("data", 100), VolumeSpec("old", 50)))))
    other = pod(task(volumes=(VolumeSpec("data", 300), VolumeSpec("log", 20))))
    added = found_again(here, other, held)
    assert here.apply(added) == ["RESERVE", "CREATE"]
    assert {v.path: v.size_mb for v in added.reservation.volumes} == {
        "data": 100,
        "old": 50,
        "log": 20,
    }
    assert added.reservation.volumes[:2] == held.volumes


def test_what_may_be_in_use_is_neither_resized_nor_replaced() -> None:
    here = agent()
    spec = pod(task(volumes=(VolumeSpec("data", 100),)))
    held = start(here, spec)
    here.use(found_again(here, spec, held).holding.volumes[0])
    refused = again(here, pod(task(cpus=2)), held)
    (volume,) = held.volumes
    assert str(refused) == f"reservation: waits for volume {volume.id} to be offered again"


def test_a_change_that_never_reached_the_agent_is_made_when_it_is_next_seen() -> None:
    here = agent()
    held = start(here, pod(task(volumes=(VolumeSpec("data", 100),))))
    larger = pod(task(cpus=2, volumes=(VolumeSpec("data", 100), VolumeSpec("log", 20))))
    lost = found_again(here, larger, held)
    record = Pod("db", 0, reservation=lost.reservation)
    assert pod_from_json(pod_to_json(record)) == record
    assert lost.reservation.seen is not None
    made = found_again(here, larger, lost.reservation)
    assert here.apply(made) == ["RESERVE", "CREATE"]
    assert here.reserved(made.reservation) == wanted(made.reservation)
    assert made.reservation == lost.reservation
    done = found_again(here, larger, made.reservation)
    assert done.reservation == made.reservation.settled()


def test_a_change_that_may_have_reached_the_agent_is_not_made_again_while_in_use() -> None:
    """As long as its tasks may run, all of it must be on offer: the new volume too."""
    here = agent()
    held = start(here, pod(task(cpus=1)))
    larger = pod(task(cpus=2, volumes=(VolumeSpec("log", 20),)))
    change = found_again(here, larger, held)
    here.apply(change)
    here.use(*change.holding.volumes)
    (log,) = change.reservation.volumes
    refused = again(here, larger, change.reservation.settled())
    assert str(refused) == f"reservation: waits for volume {log.id} to be offered again"


def test_an_attempt_that_came_no_further_than_its_reservation_is_finished() -> None:
    here = Agent(
        *(scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 1000)),
        *(disk("MOUNT", "/m1", 200), disk("MOUNT", "/m2", 300)),
    )
    kinds = (VolumeKind.ROOT, VolumeKind.MOUNT)
    spec = pod(task(volumes=tuple(VolumeSpec(kind.lower(), 100, kind) for kind in kinds)))
    found = place(owner(spec), spec, "db-0", here.pool(), [], None, new_id)
    assert isinstance(found, Placement)
    here.apply(replace(found, create=()))
    finished = found_again(here, spec, found.reservation)
    assert here.apply(finished) == ["CREATE"]
    assert here.reserved(finished.reservation) == wanted(finished.reservation)
    assert finished.reservation.volumes == found.reservation.volumes


def test_an_attempt_made_twice_gives_back_what_it_has_too_much_of() -> None:
    here = Agent(
        *(scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 1000)),
        *(disk("MOUNT", "/m1", 200), disk("MOUNT", "/m2", 300)),
    )
    volumes = (VolumeSpec("root", 100), VolumeSpec("whole", 100, VolumeKind.MOUNT))
    spec = pod(task(volumes=volumes))
    pool = here.pool()
    found = place(owner(spec), spec, "db-0", pool, [], None, new_id)
    assert isinstance(found, Placement)
    second = resume(owner(spec), spec, "db-0", found.reservation, pool, new_id)
    assert isinstance(second, Placement)
    here.apply(found)
    here.apply(replace(second, create=()))
    cleaned = found_again(here, spec, found.reservation.settled())
    assert here.apply(cleaned) == ["UNRESERVE"]
    assert here.reserved(cleaned.reservation) == wanted(cleaned.reservation)


def test_a_volume_that_was_never_made_gets_the_size_asked_for_now() -> None:
    here = agent()
    spec = pod(task(volumes=(VolumeSpec("data", 600),)))
    lost = place(owner(spec), spec, "db-0", here.pool(), [], None, new_id)
    assert isinstance(lost, Placement)
    smaller = found_again(here, pod(task(volumes=(VolumeSpec("data", 40),))), lost.reservation)
    here.apply(smaller)
    assert here.reserved(smaller.reservation) == wanted(smaller.reservation)
    assert [volume.size_mb for volume in smaller.reservation.volumes] == [40]


SETS = st.builds(
    TaskSpec,
    name=st.just(""),
    goal=st.just(task().goal),
    cmd=st.just("run"),
    cpus=st.integers(0, 20).map(lambda tenths: tenths / 10),
    memory_mb=st.integers(0, 5).map(lambda parts: parts * 100),
    gpus=st.sampled_from((0.0, 0.0, 1.0, 2.0)),
)
PORTS = st.lists(
    st.builds(
        PortSpec,
        name=st.sampled_from("abcd"),
        port=st.just(0) | st.integers(80, 85),
        ranges=st.just(()) | st.just((PortRange(84, 88),)),
    ),
    max_size=3,
    unique_by=lambda port: port.name,
)
PATHS = ("v0", "v1", "v2", "v3")
VOLUMES = st.lists(
    st.builds(
        VolumeSpec,
        path=st.sampled_from(PATHS),
        size_mb=st.integers(1, 4).map(lambda parts: parts * 50),
        kind=st.sampled_from(VolumeKind),
        profiles=st.just(()),
    ).flatmap(
        lambda volume: (
            st.just(volume)
            if volume.kind is not VolumeKind.MOUNT
            else st.sampled_from([(), ("ssd", "hdd")]).map(
                lambda profiles: replace(volume, profiles=profiles)
            )
        )
    ),
    max_size=3,
    unique_by=lambda volume: volume.path,
)


@st.composite
def pods(draw: st.DrawFn, role: str = ANY_ROLE) -> PodSpec:
    """A pod of one to three tasks, of which two may share a resource set."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 3)))]
    tasks = [
        replace(draw(SETS), name=name, ports=tuple(draw(PORTS)), volumes=tuple(draw(VOLUMES)))
        for name in names
    ]
    sets: tuple[ResourceSetSpec, ...] = ()
    if len(tasks) == 3 and draw(st.booleans()):
        first = tasks[1]
        sets = (
            ResourceSetSpec(
                "shared", first.cpus, first.gpus, first.memory_mb, first.ports, first.volumes
            ),
        )
        tasks[1:] = [task(name, cpus=0, memory_mb=0, resource_set="shared") for name in names[1:]]
    return PodSpec("db", 1, tuple(tasks), resource_sets=sets, pre_reserved_role=role)


@st.composite
def agents(draw: st.DrawFn, role: str = ANY_ROLE) -> Agent:
    disks = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("PATH", "MOUNT")),
                st.integers(1, 5).map(lambda parts: parts * 50.0),
                st.sampled_from((None, "ssd", "hdd")),
            ),
            min_size=2,
            max_size=8,
        )
    )
    return Agent(
        scalar("cpus", draw(st.integers(2, 12)), role),
        scalar("mem", draw(st.integers(5, 30)) * 100, role),
        scalar("gpus", draw(st.integers(0, 6)), role),
        scalar("disk", draw(st.integers(4, 30)) * 50, role),
        ports(80, draw(st.integers(86, 99)), role),
        *(
            disk(kind, f"/d{n}", size, profile, role)
            for n, (kind, size, profile) in enumerate(disks)
        ),
        *((scalar("cpus", 5), scalar("disk", 500)) if role != ANY_ROLE else ()),
    )


ROLES = st.sampled_from((ANY_ROLE, "slave_public"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_asked_for_the_operations_end_in_exactly_that(data: st.DataObject) -> None:
    """A new instance, then changes of all kinds; some never reach the agent."""
    role_ = data.draw(ROLES)
    here = data.draw(agents(role_))
    everything = dict(here.bag)
    spec = data.draw(pods(role_))
    found = place(owner(spec), spec, "db-0", here.pool(role(spec)), [], None, new_id)
    if isinstance(found, Refusal):
        assert here.bag == everything
        return
    here.apply(found)
    assert here.reserved(found.reservation) == wanted(found.reservation)
    held = found.reservation.settled()
    for _ in range(data.draw(st.integers(1, 4))):
        spec = data.draw(pods(role_))
        before = here.reserved(held)
        changed = again(here, spec, held)
        if isinstance(changed, Refusal):
            assert here.reserved(held) == before
            assert changed.rule != "reservation", "all of it is on offer"
            continue
        now = changed.reservation
        assert now.volumes[: len(held.volumes)] == held.volumes or held.seen is not None
        _is_what_was_asked_for(now, spec)
        if data.draw(st.booleans()):
            here.apply(changed)
            assert here.reserved(now) == wanted(now)
            volumes = here.reserved(now)["volumes"]
            assert {id_: volumes.get(id_) for id_ in before["volumes"]} == before["volumes"]
            assert found_again(here, spec, now).changes is False
        held = now
    spec_again = again(here, spec, held)
    if isinstance(spec_again, Placement):
        here.apply(spec_again)
        assert here.reserved(spec_again.reservation) == wanted(spec_again.reservation)


def _is_what_was_asked_for(held: Reservation, spec: PodSpec) -> None:
    sets = spec.reserved_sets
    assert held.cpus == round(0.1 + sum(of.cpus for of in sets), 3)
    assert held.memory_mb == 32 + sum(of.memory_mb for of in sets)
    assert held.gpus == sum(of.gpus for of in sets)
    assert {v.path for v in spec.volumes} <= {v.path for v in held.volumes}
    assert {(p.task, p.name) for p in held.ports} == {
        (task.name, port.name) for task in spec.tasks for port in spec.resources(task).ports
    }
    for one in spec.tasks:
        for port in spec.resources(one).ports:
            number = held.task_ports(one.name)[port.name]
            assert number == (port.port or number)
            if not port.port and port.ranges:
                assert any(r.begin <= number <= r.end for r in port.ranges)
    dynamic = [
        held.task_ports(user.name)[port.name]
        for user in {spec.resources(one).id: one for one in spec.tasks}.values()
        for port in spec.resources(user).ports
        if not port.port
    ]
    assert len(set(dynamic)) == len(dynamic), "no port twice"


TWO = pod(
    task("node", cpus=1, memory_mb=100, volumes=(VolumeSpec("data", 10),)),
    task("side", cpus=0.5, memory_mb=50, gpus=1, ports=(PortSpec("admin", 0),)),
)


def running(here: Agent) -> Reservation:
    """An instance whose executor and task `node` use what is theirs."""
    held = start(here, TWO)
    holding = found_again(here, TWO, held).holding
    here.use(
        {**holding.cpus, "scalar": {"value": 1.1}},
        {**holding.mem, "scalar": {"value": 132}},
        *holding.volumes,
    )
    return held


def test_a_task_joins_a_running_executor() -> None:
    here = Agent(
        *(scalar("cpus", 4), scalar("mem", 400), scalar("disk", 10), scalar("gpus", 1)),
        ports(80, 99),
    )
    alone = start(here, TWO)
    whole = found_again(here, TWO, alone).holding
    here = Agent(
        *(scalar("cpus", 4), scalar("mem", 400), scalar("disk", 10), scalar("gpus", 1)),
        ports(80, 99),
    )
    held = running(here)
    joined = join(owner(TWO), TWO, "db-0", held, [TWO.task("side")], here.pool())
    assert isinstance(joined, Placement), joined
    assert not joined.changes
    found = joined.holding
    assert (found.cpus["scalar"], found.mem["scalar"]) == ({"value": 0.5}, {"value": 50})
    assert found.gpus is not None
    assert found.ports is not None
    assert found.ports["ranges"] == {"range": [{"begin": 80, "end": 80}]}
    assert [sorted(volume) for volume in found.volumes] == [
        sorted(key for key in volume if key != "allocation_info") for volume in whole.volumes
    ]
    here.use(found.cpus, found.mem, found.gpus, found.ports)
    refused = join(owner(TWO), TWO, "db-0", held, [TWO.task("side")], here.pool())
    assert str(refused) == (
        "reservation: waits for 0.5 cpus, 50 MB of memory, 1 gpus, port 80 to be offered again"
    )


@pytest.mark.parametrize("kind", VolumeKind)
def test_the_volumes_of_a_running_executor_are_told_as_they_were_offered(kind: VolumeKind) -> None:
    here = Agent(
        *(scalar("cpus", 4), scalar("mem", 400), scalar("disk", 100)),
        *(disk("PATH", "/p", 100), disk("MOUNT", "/m", 100, "ssd")),
    )
    profiles = ("ssd",) if kind is VolumeKind.MOUNT else ()
    spec = pod(task(volumes=(VolumeSpec("data", 20, kind, profiles),)), task("side"))
    held = start(here, spec)
    (offered,) = found_again(here, spec, held).holding.volumes
    found = join(owner(spec), spec, "db-0", held, [spec.task("side")], here.pool())
    assert isinstance(found, Placement)
    offered.pop("allocation_info")
    assert found.holding.volumes == (offered,)


def grown_in_vain(here: Agent) -> tuple[PodSpec, Reservation]:
    """An instance that was to grow: Mesos dropped the RESERVE for `side`, and launched `node`."""
    held = start(here, pod(task(), task("side")))
    larger = pod(task(), task("side", cpus=1.5, memory_mb=200))
    change = found_again(here, larger, held)
    assert [r["name"] for r in change.reserve] == ["cpus", "mem"]
    here.use(
        {**change.holding.cpus, "scalar": {"value": 0.6}},
        {**change.holding.mem, "scalar": {"value": 160}},
    )
    return larger, change.reservation.proven()


def test_what_surely_was_not_reserved_is_reserved_for_who_joins() -> None:
    here = Agent(scalar("cpus", 4), scalar("mem", 400), scalar("disk", 10))
    larger, held = grown_in_vain(here)
    found = join(owner(larger), larger, "db-0", held, [larger.task("side")], here.pool())
    assert isinstance(found, Placement), found
    assert [(r["name"], r["scalar"]["value"]) for r in found.reserve] == [("cpus", 1), ("mem", 72)]
    assert here.apply(found) == ["RESERVE"]
    here.use(found.holding.cpus, found.holding.mem)
    refused = join(owner(larger), larger, "db-0", held, [larger.task("side")], here.pool())
    assert isinstance(refused, Refusal), "no more than what is in doubt is reserved"


def test_an_instance_that_grew_in_vain_is_found_again_and_grows() -> None:
    here = Agent(scalar("cpus", 4), scalar("mem", 400), scalar("disk", 10))
    held = start(here, pod(task()))
    larger = pod(task(cpus=1.5))
    vain = found_again(here, larger, held).reservation.proven()
    assert vain.confirmed
    found = found_again(here, larger, vain)
    assert [(r["name"], r["scalar"]["value"]) for r in found.reserve] == [("cpus", 1)]
    here.apply(found)
    assert not found_again(here, larger, found.reservation.proven()).changes
