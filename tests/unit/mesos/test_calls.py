"""The calls and operations have the fields of mesos/v1/scheduler/scheduler.proto."""

import pytest

from holdfast.mesos import calls, operations
from holdfast.mesos.backoff import Backoff


def test_subscribe_does_not_change_the_framework_info() -> None:
    info = calls.framework_info("db", roles=["r"], user="root", webui_url="http://h:1")
    before = dict(info)
    message = calls.subscribe(info, "f-1", ["r"])
    assert info == before
    assert message["framework_id"] == {"value": "f-1"}
    assert message["subscribe"]["framework_info"]["id"] == {"value": "f-1"}
    assert message["subscribe"]["suppressed_roles"] == ["r"]
    assert info["webui_url"] == "http://h:1"
    assert "principal" not in info
    assert "hostname" not in info


def test_accept_and_decline() -> None:
    operation = operations.launch([{"name": "t"}])
    assert calls.accept(["o-1", "o-2"], [operation], 5.0) == {
        "type": "ACCEPT",
        "accept": {
            "offer_ids": [{"value": "o-1"}, {"value": "o-2"}],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [{"name": "t"}]}}],
            "filters": {"refuse_seconds": 5.0},
        },
    }
    assert calls.decline(["o-1"], 3600.0) == {
        "type": "DECLINE",
        "decline": {"offer_ids": [{"value": "o-1"}], "filters": {"refuse_seconds": 3600.0}},
    }


def test_answers_to_inverse_offers() -> None:
    assert calls.accept_inverse_offers(["o-1"], 60.0) == {
        "type": "ACCEPT_INVERSE_OFFERS",
        "accept_inverse_offers": {
            "inverse_offer_ids": [{"value": "o-1"}],
            "filters": {"refuse_seconds": 60.0},
        },
    }
    assert calls.decline_inverse_offers(["o-1"], 30.0)["type"] == "DECLINE_INVERSE_OFFERS"


def test_revive_and_suppress() -> None:
    assert calls.revive() == {"type": "REVIVE"}
    assert calls.suppress() == {"type": "SUPPRESS"}
    assert calls.revive(["r"]) == {"type": "REVIVE", "revive": {"roles": ["r"]}}
    assert calls.suppress(["r"]) == {"type": "SUPPRESS", "suppress": {"roles": ["r"]}}


def test_kill_and_reconcile_carry_the_agent_when_known() -> None:
    assert calls.kill("t", "a")["kill"] == {"task_id": {"value": "t"}, "agent_id": {"value": "a"}}
    assert calls.kill("t", None)["kill"] == {"task_id": {"value": "t"}}
    assert calls.reconcile([("t", "a"), ("u", None)])["reconcile"]["tasks"] == [
        {"task_id": {"value": "t"}, "agent_id": {"value": "a"}},
        {"task_id": {"value": "u"}},
    ]
    assert calls.reconcile([]) == {"type": "RECONCILE", "reconcile": {"tasks": []}}


def test_acknowledgements() -> None:
    assert calls.acknowledge("t", "a", "dQ==")["acknowledge"] == {
        "task_id": {"value": "t"}, "agent_id": {"value": "a"}, "uuid": "dQ==",
    }  # fmt: skip
    message = calls.acknowledge_operation("op", "dQ==", "a", "rp")
    assert message["type"] == "ACKNOWLEDGE_OPERATION_STATUS"
    assert message["acknowledge_operation_status"] == {
        "operation_id": {"value": "op"}, "uuid": "dQ==", "agent_id": {"value": "a"},
        "resource_provider_id": {"value": "rp"},
    }  # fmt: skip
    least = calls.acknowledge_operation("op", "dQ==")
    assert set(least["acknowledge_operation_status"]) == {"operation_id", "uuid"}


def test_a_reservation_is_pushed_and_the_original_kept() -> None:
    static = {**operations.scalar("cpus", 1.5), "reservations": [{"type": "STATIC", "role": "r"}]}
    refined = operations.reserved(static, role="r/db", principal="p", labels={"pod": "db-0"})
    assert len(static["reservations"]) == 1
    assert refined["reservations"] == [
        {"type": "STATIC", "role": "r"},
        {
            "type": "DYNAMIC",
            "role": "r/db",
            "principal": "p",
            "labels": {"labels": [{"key": "pod", "value": "db-0"}]},
        },
    ]
    plain = operations.reserved(
        operations.port_ranges([(31000, 31001)]), role="r", principal=None, labels={}
    )
    assert "principal" not in plain["reservations"][0]
    assert plain["ranges"] == {"range": [{"begin": 31000, "end": 31001}]}


def test_a_volume_keeps_the_source_of_its_disk() -> None:
    source = {"type": "MOUNT", "mount": {"root": "/mnt"}}
    disk = {**operations.scalar("disk", 100.0), "disk": {"source": source}}
    volume = operations.volume(disk, persistence_id="v", container_path="data", principal="p")
    assert volume["disk"] == {
        "source": source,
        "persistence": {"id": "v", "principal": "p"},
        "volume": {"container_path": "data", "mode": "RW"},
    }
    assert disk["disk"] == {"source": source}


def test_operations_carry_an_id_when_feedback_is_wanted() -> None:
    cpus = operations.scalar("cpus", 1.0)
    assert operations.reserve([cpus]) == {"type": "RESERVE", "reserve": {"resources": [cpus]}}
    assert operations.unreserve([cpus], "op-1") == {
        "type": "UNRESERVE", "unreserve": {"resources": [cpus]}, "id": {"value": "op-1"},
    }  # fmt: skip
    assert operations.create([cpus], "op")["create"] == {"volumes": [cpus]}
    assert operations.destroy([cpus], "op")["destroy"] == {"volumes": [cpus]}


def test_backoff_doubles_up_to_its_longest_and_begins_anew() -> None:
    backoff = Backoff(first=1.0, longest=5.0, uniform=lambda low, high: high)
    assert [backoff.next() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next() == 1.0
    lowest = Backoff(first=1.0, longest=5.0, uniform=lambda low, high: low)
    assert [lowest.next() for _ in range(3)] == [0.5, 1.0, 2.0]


def test_backoff_is_spread() -> None:
    delays = [Backoff(first=1.0).next() for _ in range(100)]
    assert all(0.5 <= delay <= 1.0 for delay in delays)
    assert len(set(delays)) > 50


def test_teardown_is_a_call_of_its_own() -> None:
    assert calls.teardown() == {"type": "TEARDOWN"}
    with pytest.raises(TypeError):
        operations.launch([], "an operation id")  # type: ignore[call-arg]
