"""What the master has, told by whether the records explain it, and freed by name."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from holdfast.api.app import create_app
from holdfast.api.multi import create_multi_app
from holdfast.core.events import Verb
from holdfast.core.view import Quarantined
from holdfast.mesos.inventory import Inventory, NoInventory, parse_state
from tests.unit.api.many import FRAMEWORK, PATH, ManySource
from tests.unit.api.pictures import SERVICE, Source, well

VIEW = well()
ROLE = SERVICE.role
HELD = next(pod for pod in VIEW.pods.values() if pod.reservation is not None)


def reserved(
    resource_id: str, framework: str, principal: str | None = None, volume: str = ""
) -> dict[str, Any]:
    labels = {"resource_id": resource_id, "framework_id": framework, "pod": "etcd-9"}
    reservation: dict[str, Any] = {
        "type": "DYNAMIC",
        "role": ROLE,
        "labels": {"labels": [{"key": k, "value": v} for k, v in labels.items()]},
    }
    if principal:
        reservation["principal"] = principal
    disk = {"disk": {"persistence": {"id": volume}}} if volume else {}
    return {
        "type": "SCALAR",
        "name": "disk" if volume else "cpus",
        "scalar": {"value": 2.0},
        "reservations": [reservation],
        **disk,
    }


def state(resources: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "get_agents": {
            "agents": [
                {
                    "agent_info": {"id": {"value": "agent-7"}, "hostname": "host-7"},
                    "total_resources": resources,
                }
            ],
            "recovered_agents": [{"id": {"value": "agent-8"}, "hostname": "host-8"}],
        },
        "get_tasks": {"tasks": tasks},
        "get_executors": {},
    }


def task(id_: str, framework: str | None) -> dict[str, Any]:
    return {
        "task_id": {"value": id_},
        "framework_id": {"value": framework},
        "agent_id": {"value": "agent-7"},
        "resources": [reserved("r", "f")],
        "statuses": [{"timestamp": 1.0e9}],
    }


OURS = VIEW.framework_id or ""
assert HELD.reservation
STATE = state(
    [
        reserved(min(HELD.reservation.resource_ids), OURS),
        reserved("r-old", OURS),
        reserved("r-foreign", "f-other", volume="v-foreign"),
        reserved("r-unseen", "f-other"),
        reserved("r-theirs", "f-other", principal="somebody"),
    ],
    [task(HELD.tasks[0].id, OURS), task("lost", OURS), task("alien", "f-other")],
)


def kept(id_: str, kind: str) -> Quarantined:
    return Quarantined(id_, kind, 2.0, "agent-7", "host-7", {}, 0.0, ROLE)


@pytest.fixture
def source() -> Source:
    quarantined = {
        "r-old/cpus@agent-7": kept("r-old/cpus@agent-7", "cpus"),
        "v-foreign": kept("v-foreign", "volume"),
    }
    return Source(replace(VIEW, quarantined=quarantined))


@pytest.fixture
def client(source: Source) -> TestClient:
    def ask(roles: Collection[str]) -> Inventory:
        return parse_state(STATE, frozenset(roles))

    return TestClient(create_app(source, {}, ask_master=ask))


def test_classes(client: TestClient) -> None:
    body = client.get("/v1/orphans").json()
    found = {item["name"]: (item["class"], item["applicable"]) for item in body["items"]}
    held = HELD.reservation
    assert held
    assert found == {
        f"{min(held.resource_ids)}/cpus@agent-7": ("explained", False),
        "r-old/cpus@agent-7": ("forgotten", True),
        "v-foreign": ("unknown", True),
        "r-unseen/cpus@agent-7": ("unknown", False),
        "r-theirs/cpus@agent-7": ("unknown", False),
        HELD.tasks[0].id: ("explained", False),
        "lost": ("forgotten", True),
        "alien": ("unknown", False),
    }
    assert "host-8" in body["silent"]
    assert held.hostname in body["silent"], "the master does not list its agent"


def test_what_other_services_of_the_framework_have_is_no_orphan() -> None:
    """All have one framework id, and what is reserved for their roles has it as a label."""
    held = HELD.reservation
    assert held
    spec = replace(SERVICE, name="other")
    other = replace(VIEW, service=spec, pods={"etcd-9": replace(HELD, index=9)}, retired={})
    idle = replace(VIEW, pods={}, retired={}, quarantined={})
    resources = [reserved(min(held.resource_ids), OURS)]
    tasks = [task(HELD.tasks[0].id, OURS), task("lost", OURS)]
    source = ManySource(
        view=replace(ManySource().view, services={SERVICE.name: idle, "other": other})
    )

    def ask(roles: Collection[str]) -> Inventory:
        return parse_state(state(resources, tasks), frozenset(roles))

    client = TestClient(create_multi_app(source, {}, FRAMEWORK, ask_master=ask))
    items = {item["name"]: item for item in client.get(f"{PATH}/orphans").json()["items"]}
    theirs = [f"{min(held.resource_ids)}/cpus@agent-7", HELD.tasks[0].id]
    assert {name for name in items if items[name]["applicable"]} == {"lost"}
    for name in theirs:
        assert (items[name]["class"], items[name]["pod"]) == ("explained", "etcd-9 of other")
        answer = client.post(f"{PATH}/orphans/apply", json={"names": ["lost", name]})
        assert answer.status_code == 409
        assert "etcd-9 of other" in answer.json()["message"]
    assert not source.commands


def test_all_services_of_a_framework_are_asked_about_at_once() -> None:
    """What none explains goes, as ordered, to the service that keeps it; others stay explained."""
    held = HELD.reservation
    assert held
    kept_by = {"r-old/cpus@agent-7": kept("r-old/cpus@agent-7", "cpus")}
    spec = replace(SERVICE, name="idle")
    idle = replace(VIEW, service=spec, configs={"c": spec}, pods={}, retired={}, quarantined={})
    views = {"idle": idle, SERVICE.name: replace(VIEW, quarantined=kept_by)}
    source = ManySource(view=replace(ManySource().view, services=views))
    asked: list[Collection[str]] = []

    def ask(roles: Collection[str]) -> Inventory:
        asked.append(roles)
        return parse_state(STATE, frozenset(roles))

    client = TestClient(create_multi_app(source, {}, FRAMEWORK, ask_master=ask))
    body = client.get("/v1/orphans").json()
    assert set(asked[0]) == {ROLE, "idle-role"}
    assert "host-8" in body["silent"]
    items = {item["name"]: item for item in body["items"]}
    assert items[HELD.tasks[0].id]["pod"].endswith(f" of {SERVICE.name}")
    assert items[HELD.tasks[0].id]["class"] == "explained"
    free = {name for name, item in items.items() if item["applicable"]}
    assert free == {"r-old/cpus@agent-7", "lost"}
    refused = client.post("/v1/orphans/apply", json={"names": ["lost", HELD.tasks[0].id]})
    assert refused.status_code == 409
    assert not source.commands
    answer = client.post("/v1/orphans/apply", json={"names": ["r-old/cpus@agent-7"]})
    assert answer.status_code == 200, answer.text
    assert [(c.verb, c.target) for c in source.commands] == [
        (Verb.VOLUMES_DESTROY, "r-old/cpus@agent-7")
    ]


def test_named_ones_become_orders(client: TestClient, source: Source) -> None:
    names = ["r-old/cpus@agent-7", "lost", "v-foreign"]
    answer = client.post("/v1/orphans/apply", json={"names": names})
    assert answer.status_code == 200
    assert [(c.verb, c.target) for c in source.commands] == [
        (Verb.VOLUMES_DESTROY, "r-old/cpus@agent-7"),
        (Verb.ORPHANS_KILL, "lost"),
        (Verb.VOLUMES_DESTROY, "v-foreign"),
    ]


@pytest.mark.parametrize(
    ("name", "status"),
    [("nobody", 404), ("alien", 409), ("r-theirs/cpus@agent-7", 409), (HELD.tasks[0].id, 409)],
)
def test_one_that_cannot_be_freed_stops_all(
    client: TestClient, source: Source, name: str, status: int
) -> None:
    answer = client.post("/v1/orphans/apply", json={"names": ["lost", name]})
    assert answer.status_code == status
    assert not source.commands


@pytest.mark.parametrize("body", [b"", b"[]", b'{"names": []}', b'{"names": [1]}', b'{"x": 1}'])
def test_bodies_that_name_nothing(client: TestClient, source: Source, body: bytes) -> None:
    assert client.post("/v1/orphans/apply", content=body).status_code == 400
    assert not source.commands


def test_a_master_that_does_not_tell(source: Source) -> None:
    def ask(roles: Collection[str]) -> Inventory:
        raise NoInventory("no answer in time")

    client = TestClient(create_app(source, {}, ask_master=ask))
    for answer in (
        client.get("/v1/orphans"),
        client.post("/v1/orphans/apply", json={"names": ["lost"]}),
    ):
        assert answer.status_code == 503
        assert "no answer in time" in answer.json()["message"]
    assert not source.commands
