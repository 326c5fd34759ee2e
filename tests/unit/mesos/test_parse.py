"""From the master's JSON to facts, in the forms Mesos 1.11 sends and in older ones."""

import copy
from typing import Any

import pytest

from holdfast.mesos.messages import (
    InverseOffer,
    MasterInfo,
    OperationStatus,
    TaskState,
    TaskStatus,
    Unavailability,
)
from holdfast.mesos.parse import (
    ParseError,
    parse_inverse_offers,
    parse_master,
    parse_offer,
    parse_offers,
    parse_operation_status,
    parse_resource,
    parse_task_status,
)

RESERVATIONS = [
    {"type": "STATIC", "role": "databases"},
    {
        "type": "DYNAMIC",
        "role": "databases/db",
        "principal": "db-principal",
        "labels": {"labels": [{"key": "pod", "value": "db-0"}, {"key": "flag"}]},
    },
]
VOLUME = {
    "name": "disk",
    "type": "SCALAR",
    "scalar": {"value": 512.0},
    "reservations": RESERVATIONS,
    "allocation_info": {"role": "databases/db"},
    "disk": {
        "persistence": {"id": "vol-1", "principal": "db-principal"},
        "volume": {"container_path": "data", "mode": "RW"},
    },
}
OFFER: dict[str, Any] = {
    "id": {"value": "o-1"},
    "framework_id": {"value": "f-1"},
    "agent_id": {"value": "a-1"},
    "hostname": "node1.example",
    "url": {"scheme": "http", "address": {"hostname": "node1.example", "ip": "10.0.0.1",
                                          "port": 5051}, "path": "/slave(1)"},
    "domain": {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-a"}}},
    "attributes": [
        {"name": "rack", "type": "TEXT", "text": {"value": "r1"}},
        {"name": "year", "type": "SCALAR", "scalar": {"value": 2024.0}},
        {"name": "slots", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 4},
                                                                 {"begin": 7, "end": 7}]}},
        {"name": "disks", "type": "SET", "set": {"item": ["ssd", "hdd"]}},
    ],
    "executor_ids": [{"value": "e-1"}],
    "allocation_info": {"role": "databases/db"},
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 3.5}},
        {"name": "ports", "type": "RANGES",
         "ranges": {"range": [{"begin": 31000, "end": 31009}, {"begin": 31020, "end": 31020}]}},
        VOLUME,
    ],
}  # fmt: skip


def test_offer() -> None:
    offer = parse_offer(OFFER)
    assert (offer.id, offer.agent_id, offer.role) == ("o-1", "a-1", "databases/db")
    assert (offer.hostname, offer.ip) == ("node1.example", "10.0.0.1")
    assert offer.agent_url == "http://10.0.0.1:5051/slave(1)"
    assert (offer.region, offer.zone) == ("eu", "eu-a")
    assert offer.attributes == {
        "rack": "r1", "year": "2024", "slots": "[1-4,7-7]", "disks": "{ssd,hdd}",
    }  # fmt: skip
    assert offer.executor_ids == {"e-1"}
    cpus, ports, disk = offer.resources
    assert (cpus.name, cpus.amount, cpus.role, cpus.labels) == ("cpus", 3.5, None, {})
    assert not cpus.is_root_disk
    assert ports.ranges == ((31000, 31009), (31020, 31020))
    assert (disk.amount, disk.role, disk.principal) == (512.0, "databases/db", "db-principal")
    assert disk.labels == {"pod": "db-0", "flag": ""}
    assert (disk.persistence_id, disk.container_path) == ("vol-1", "data")
    assert disk.is_root_disk
    assert disk.raw is VOLUME


def test_the_least_an_offer_has() -> None:
    offer = parse_offer(
        {
            "id": {"value": "o"},
            "agent_id": {"value": "a"},
            "hostname": "h",
            "allocation_info": {"role": "r"},
        }
    )
    assert (offer.ip, offer.region, offer.zone) == ("h", None, None)
    assert (offer.attributes, offer.executor_ids, offer.resources) == ({}, frozenset(), ())


def test_offers_event() -> None:
    assert parse_offers({"offers": {"offers": [OFFER, OFFER]}}) == (parse_offer(OFFER),) * 2
    assert parse_offers({"offers": {}}) == ()


def test_reservation_in_the_form_before_refinement() -> None:
    old = {
        "name": "mem", "type": "SCALAR", "scalar": {"value": 1}, "role": "db",
        "reservation": {"principal": "p", "labels": {"labels": [{"key": "k", "value": "v"}]}},
    }  # fmt: skip
    resource = parse_resource(old)
    assert (resource.role, resource.principal, resource.labels) == ("db", "p", {"k": "v"})
    static = parse_resource({"name": "mem", "scalar": {"value": 1}, "role": "db"})
    assert (static.role, static.principal, static.labels) == ("db", None, {})
    assert parse_resource({"name": "mem", "scalar": {"value": 1}, "role": "*"}).role is None


@pytest.mark.parametrize(
    "extra",
    [
        {"disk": {"source": {"type": "MOUNT", "mount": {"root": "/mnt"}}}},
        {"disk": {"source": {"type": "PATH"}, "persistence": {"id": "v"}}},
        {"shared": {}},
        {"provider_id": {"value": "csi"}},
    ],
)
def test_disks_that_are_not_the_root_disk(extra: dict[str, Any]) -> None:
    plain = {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}}
    assert parse_resource(plain).is_root_disk
    assert not parse_resource({**plain, **extra}).is_root_disk


@pytest.mark.parametrize("field", ["id", "agent_id", "hostname"])
def test_offer_without_a_required_field(field: str) -> None:
    broken = {key: value for key, value in OFFER.items() if key != field}
    with pytest.raises(ParseError, match=f"without the field '{field}'"):
        parse_offer(broken)


def test_offer_without_a_role() -> None:
    broken = {key: value for key, value in OFFER.items() if key != "allocation_info"}
    with pytest.raises(ParseError, match=r"offer o-1 has no allocation_info\.role"):
        parse_offer(broken)


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, [None]])
def test_nothing_but_parse_errors_comes_out(value: Any) -> None:
    """Replace each part of an offer by something odd."""

    def spoil(message: Any, path: tuple[Any, ...]) -> Any:
        spoiled = copy.deepcopy(message)
        parent = spoiled
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = value
        return spoiled

    def paths(message: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        below = message.items() if isinstance(message, dict) else enumerate(message)
        found = []
        for key, child in below:
            found.append((*prefix, key))
            if isinstance(child, dict | list):
                found += paths(child, (*prefix, key))
        return found

    rejected = 0
    for path in paths(OFFER):
        try:
            parse_offer(spoil(OFFER, path))
        except ParseError:
            rejected += 1
    assert rejected > 5


def test_task_status() -> None:
    status = parse_task_status(
        {
            "task_id": {"value": "t-1"},
            "agent_id": {"value": "a-1"},
            "executor_id": {"value": "e-1"},
            "state": "TASK_RUNNING",
            "source": "SOURCE_EXECUTOR",
            "reason": "REASON_TASK_CHECK_STATUS_UPDATED",
            "message": "ready",
            "uuid": "dXVpZA==",
            "timestamp": 1700000000.25,
            "healthy": True,
            "check_status": {"type": "COMMAND", "command": {"exit_code": 0}},
            "container_status": {
                "network_infos": [{}, {"ip_addresses": [{}, {"ip_address": "10.0.0.9"}]}]
            },
        }
    )
    assert status == TaskStatus(
        "t-1", TaskState.RUNNING, "a-1", "e-1", "dXVpZA==", "ready",
        "REASON_TASK_CHECK_STATUS_UPDATED", "SOURCE_EXECUTOR", True, 0, True, 1700000000.25,
        "10.0.0.9",
    )  # fmt: skip


def test_the_least_a_task_status_has() -> None:
    status = parse_task_status({"task_id": {"value": "t"}, "state": "TASK_LOST"})
    assert status == TaskStatus("t", TaskState.LOST)


def test_a_check_that_has_not_run_yet() -> None:
    status = parse_task_status(
        {"task_id": {"value": "t"}, "state": "TASK_RUNNING",
         "check_status": {"type": "COMMAND", "command": {}}}
    )  # fmt: skip
    assert (status.has_check, status.check_exit_code) == (True, None)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"state": "TASK_RUNNING"}, "without the field 'task_id'"),
        ({"task_id": {"value": "t"}}, "without the field 'state'"),
        ({"task_id": {"value": "t"}, "state": "TASK_DANCING"}, "TASK_DANCING"),
        ({"task_id": "t", "state": "TASK_RUNNING"}, "not understood"),
        ([], "not understood"),
    ],
)
def test_bad_task_status(message: Any, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        parse_task_status(message)


def test_operation_status() -> None:
    """Its uuid is a message with a value, that of a task status is plain."""
    status = parse_operation_status(
        {
            "operation_id": {"value": "op-1"},
            "state": "OPERATION_FINISHED",
            "uuid": {"value": "YWJj"},
            "agent_id": {"value": "a-1"},
            "resource_provider_id": {"value": "rp"},
            "message": "done",
        }
    )
    assert status == OperationStatus("op-1", "OPERATION_FINISHED", "YWJj", "a-1", "rp", "done")
    least = parse_operation_status({"operation_id": {"value": "op"}, "state": "OPERATION_DROPPED"})
    assert least == OperationStatus("op", "OPERATION_DROPPED")
    with pytest.raises(ParseError, match="operation_id"):
        parse_operation_status({"state": "OPERATION_FINISHED"})


def test_master() -> None:
    message = {
        "id": "m-1", "ip": 16777343, "port": 5050, "hostname": "master.example",
        "pid": "master@127.0.0.1:5050", "version": "1.11.0",
        "address": {"hostname": "master.example", "ip": "127.0.0.1", "port": 5050},
        "domain": {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "a"}}},
    }  # fmt: skip
    expected = MasterInfo("m-1", "http://127.0.0.1:5050", "1.11.0", "eu", "a")
    assert parse_master(message) == expected
    assert parse_master(message, scheme="https").url == "https://127.0.0.1:5050"
    assert parse_master(message, url="http://there:1").url == "http://there:1"
    old = {"id": "m", "hostname": "h", "port": 5050}
    assert parse_master(old) == MasterInfo("m", "http://h:5050")
    assert parse_master({**old, "address": {"ip": "::1", "port": 1}}).url == "http://[::1]:1"
    with pytest.raises(ParseError, match="hostname"):
        parse_master({"id": "m"})


def test_inverse_offers_and_the_unavailability_of_offers() -> None:
    hour = {"start": {"nanoseconds": "1795516056000000000"},
            "duration": {"nanoseconds": 3600000000000}}  # fmt: skip
    event = {
        "type": "INVERSE_OFFERS",
        "inverse_offers": {
            "inverse_offers": [
                {"id": {"value": "o-4"}, "agent_id": {"value": "a-1"}, "unavailability": hour},
                {"id": {"value": "o-5"}, "unavailability": hour},
                {
                    "id": {"value": "o-6"},
                    "agent_id": {"value": "a-2"},
                    "unavailability": {"start": {"nanoseconds": 5_000_000_000}},
                },
            ]
        },
    }
    when = Unavailability(1795516056.0, 1795519656.0)
    assert parse_inverse_offers(event) == (
        InverseOffer("o-4", "a-1", when),
        InverseOffer("o-6", "a-2", Unavailability(5.0)),
    )
    assert parse_offer({**OFFER, "unavailability": hour}).unavailability == when
    assert parse_offer(OFFER).unavailability is None
    with pytest.raises(ParseError, match="INVERSE_OFFERS event"):
        parse_inverse_offers({"inverse_offers": {"inverse_offers": [{"agent_id": {"value": "a"}}]}})
