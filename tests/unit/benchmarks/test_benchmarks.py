"""The benchmarks' own parts: what is compared is comparable, and a missed limit shows."""

import base64
import io
import json
import uuid

import pytest

from benchmarks import bare_executor, core, workload
from benchmarks.__main__ import MARK, recorded
from benchmarks.contestants import BlindDeployment, Deployment, Load, operations_of_one
from benchmarks.cpu import Usage, usage
from benchmarks.deploy import Round, rows, warning
from benchmarks.report import Row, shown, table


@pytest.mark.parametrize(
    ("value", "limit", "verdict"), [(1.25, 1.25, "ok"), (1.26, 1.25, "MISSED"), (9.0, None, "")]
)
def test_a_value_above_its_limit_is_missed(value: float, limit: float | None, verdict: str) -> None:
    row = Row("ratio", value, limit=limit)
    assert row.cells()[-1] == verdict
    assert row.missed == (verdict == "MISSED")


def test_numbers_keep_their_digits() -> None:
    assert [shown(value) for value in (0.0123, 1.0, 12.34, 1234.5)] == [
        "0.0123",
        "1.00",
        "12.3",
        "1234",
    ]


def test_a_table_is_aligned() -> None:
    assert table(("a", "long"), [("wide cell", "b")]) == (
        "| a         | long |\n| --------- | ---- |\n| wide cell | b    |"
    )


def test_the_blind_launcher_sends_what_holdfast_sends() -> None:
    operations = operations_of_one(workload.service(100), "http://host/executor.pyz", "host")
    assert [operation["type"] for operation in operations] == ["RESERVE", "CREATE", "LAUNCH"]
    (info,) = operations[2]["launch"]["task_infos"]
    assert info["agent_id"]["value"] == "@AGENT@"
    assert info["executor"]["framework_id"]["value"] == "@FRAMEWORK@"
    assert info["executor"]["command"]["uris"][0]["value"] == "http://host/executor.pyz"
    (volume,) = operations[1]["create"]["volumes"]
    ids = (
        info["task_id"]["value"],
        info["executor"]["executor_id"]["value"],
        volume["disk"]["persistence"]["id"],
    )
    assert len(set(ids)) == 3
    assert all("@ID@" in id_ for id_ in ids)


def test_the_bare_executor_reads_records_cut_anywhere() -> None:
    first, second = json.dumps({"type": "SUBSCRIBED"}), json.dumps({"type": "LAUNCH"})
    text = f"{len(first)}\n{first}{len(second)}\n{second}".encode()
    for cut in range(1, len(text)):
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (text[:cut], text[cut:]))
        events = bare_executor.events(io.BytesIO(chunks))
        assert [event["type"] for event in events] == ["SUBSCRIBED", "LAUNCH"]


def test_uuids_are_of_version_4() -> None:
    assert uuid.UUID(bytes=base64.b64decode(bare_executor.random_uuid())).version == 4


def test_the_round_least_disturbed_by_others_counts() -> None:
    def played(ours: float, blindly: float, others: float) -> Round:
        total = Usage(machine=10 + others, ours=10)
        deployment = Deployment(
            seconds=ours,
            total=total,
            startup_seconds=1,
            cpu=1,
            startup_cpu=1,
            memory=50 + ours,
            transactions=100,
            startup_transactions=7,
            commits=90,
        )
        return Round(deployment, BlindDeployment(blindly, total), BlindDeployment(1, total))

    rounds = [played(5, 10, 20), played(12, 10, 1), played(30, 10, 9)]
    found = {row.name: row.value for row in rows(Load(100, 20), rounds)}
    assert found["Holdfast / blind launcher"] == pytest.approx(1.2)
    assert found["memory of the scheduler"] == 80, "the worst of all rounds"
    assert found["ZooKeeper transactions per pod"] == 1
    assert warning(rounds) == "", "one calm round is enough"
    assert "67%" in warning(rounds[:1])


def test_own_cpu_is_told_apart() -> None:
    before = usage([])
    sum(number * number for number in range(2_000_000))
    used = usage([]).since(before)
    assert used.ours > 0
    assert used.machine > 0


def test_the_core_is_measured_on_what_it_really_does() -> None:
    spec = workload.service(10)
    assert core.deploy(spec) > 0
    ledger = core.launched(spec)
    assert len(ledger.pods) == 10
    assert len({pod.tasks[0].id for pod in ledger.pods.values()}) == 10
    assert all(measure(spec) > 0 for measure in core.EVENTS.values())
    seconds, memory = core.restart(10)
    assert 0 < seconds < memory


def test_a_result_takes_the_place_of_the_former_one_of_its_benchmark() -> None:
    page = (
        f"# Benchmarks\n\ntext\n\n{MARK}\n\n## The core in memory\n\nold\n\n## Deployment\n\nkept\n"
    )
    assert recorded(page, "The core in memory", "| new |\n") == (
        f"# Benchmarks\n\ntext\n\n{MARK}\n\n## Deployment\n\nkept\n\n"
        "## The core in memory\n\n| new |\n"
    )
