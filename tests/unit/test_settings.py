"""The scheduler's environment, read and checked."""

import pytest

from holdfast.core.conduct import USUAL, Conduct
from holdfast.core.statuses import Backoff
from holdfast.placement.owner import ExecutorShare
from holdfast.service.task_env import Domains
from holdfast.settings import IGNORED, BadSettings, Package, Settings, ignored, read_settings
from holdfast.statsd import Target
from tests.unit.core.offers import service


def problems(**environment: str) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as error:
        read_settings(environment)
    return error.value.problems


def test_without_variables_all_is_as_usual() -> None:
    assert read_settings({"PATH": "/bin"}) == Settings()
    assert Settings().applied_to(service()) == service()


def test_what_is_empty_is_not_set() -> None:
    given = {"FRAMEWORK_USER": "", "EXECUTOR_CPUS": " ", "STATSD_UDP_PORT": ""}
    assert read_settings(given) == Settings()


def test_all_together() -> None:
    found = read_settings(
        {
            "FRAMEWORK_USER": "nobody",
            "FRAMEWORK_PRINCIPAL": "me",
            "FRAMEWORK_ZOOKEEPER": "zk:2181",
            "FRAMEWORK_WEB_URL": "http://here",
            "EXECUTOR_CPUS": "0.2",
            "EXECUTOR_MEM_MB": "64",
            "SERVICE_REGION": "north",
            "SERVICE_TLD": "tasks.example",
            "VIP_TLD": "vips.example",
            "MESOS_ALLOCATION_ROLE": "/dev/db",
            "DCOS_SPACE": "/dev",
            "ENABLE_BACKOFF": "true",
            "PAUSE_OVERRIDE_CMD": "sleep 1",
            "IMPLICIT_RECONCILIATION_PERIOD_MS": "60000",
            "DISABLE_SUPPRESS": "true",
            "PACKAGE_NAME": "db",
            "PACKAGE_VERSION": "1.2",
            "PACKAGE_BUILD_TIME_EPOCH_MS": "1700000000000",
            "STATSD_UDP_HOST": "127.0.0.1",
            "STATSD_UDP_PORT": "8125",
        }
    )
    assert found == Settings(
        user="nobody",
        principal="me",
        zookeeper="zk:2181",
        web_url="http://here",
        executor=ExecutorShare(0.2, 64),
        region="north",
        domains=Domains("tasks.example", "vips.example"),
        group_role="dev__db",
        space="/dev",
        conduct=Conduct(Backoff(60.0, 1.15, 300.0, at_once=False), 60.0, suppress=False),
        pause_command="sleep 1",
        package=Package("db", "1.2", 1700000000000),
        statsd=Target("127.0.0.1", 8125, 10.0),
    )
    applied = found.applied_to(service())
    assert (applied.user, applied.principal, applied.zookeeper) == ("nobody", "me", "zk:2181")
    assert (applied.region, applied.role, applied.web_url) == ("north", "dev__db", "http://here")


def test_what_is_for_one_service_alone() -> None:
    assert read_settings({"EXECUTOR_CPUS": "1", "FRAMEWORK_USER": "me"}).of_one_service == []
    found = read_settings({"SERVICE_REGION": "north", "MESOS_ALLOCATION_ROLE": "dev"})
    assert found.of_one_service == ["MESOS_ALLOCATION_ROLE"]


def test_nothing_is_given_up_unless_a_time_is_set() -> None:
    assert read_settings({}).removal_timeout is None
    assert read_settings({"SERVICE_REMOVAL_TIMEOUT_S": "600"}).removal_timeout == 600.0
    (problem,) = problems(SERVICE_REMOVAL_TIMEOUT_S="0")
    assert problem == "SERVICE_REMOVAL_TIMEOUT_S: expected a number above 0, found '0'"


def test_every_fault_is_told_at_once() -> None:
    found = problems(
        EXECUTOR_CPUS="0",
        EXECUTOR_MEM_MB="much",
        ENABLE_BACKOFF="yes",
        FRAMEWORK_BACKOFF_FACTOR="0.5",
        FRAMEWORK_INITIAL_BACKOFF="nan",
        STATSD_UDP_PORT="70000",
        SERVICE_TLD="not a domain",
    )
    names = [each.partition(":")[0] for each in found]
    assert sorted(names) == [
        "ENABLE_BACKOFF",
        "EXECUTOR_CPUS",
        "EXECUTOR_MEM_MB",
        "FRAMEWORK_BACKOFF_FACTOR",
        "FRAMEWORK_INITIAL_BACKOFF",
        "SERVICE_TLD",
        "STATSD_UDP_HOST and STATSD_UDP_PORT go together",
        "STATSD_UDP_PORT",
    ]
    assert "EXECUTOR_CPUS: expected a number above 0, found '0'" in found
    assert "FRAMEWORK_BACKOFF_FACTOR: expected a number of at least 1, found '0.5'" in found
    assert "STATSD_UDP_PORT: expected a whole number from 1 to 65535, found '70000'" in found


def test_quota_upgrade_and_downgrade() -> None:
    """A migration to another role is refused with a reason."""
    (told,) = problems(ENABLE_ROLE_MIGRATION="true")
    assert "ENABLE_ROLE_MIGRATION is not supported: a service keeps its role for good" in told
    assert read_settings({"ENABLE_ROLE_MIGRATION": "false"}) == Settings()


@pytest.mark.parametrize(
    ("role", "enforced", "expected"),
    [
        ("", "false", None),
        ("slave_public", "false", None),
        ("*", "", None),  # what Marathon tells apps of no group
        ("slave_public", "true", "slave_public"),
        ("dev", "false", "dev"),
        ("/dev/", "true", "dev"),
    ],
)
def test_quota_deployment(role: str, enforced: str, expected: str | None) -> None:
    environment = {"MESOS_ALLOCATION_ROLE": role, "MARATHON_APP_ENFORCE_GROUP_ROLE": enforced}
    assert read_settings(environment).group_role == expected


@pytest.mark.parametrize("role", ["", "*", "-dev", "a b", ".."])
def test_a_role_that_cannot_be_the_groups(role: str) -> None:
    assert problems(MESOS_ALLOCATION_ROLE=role, MARATHON_APP_ENFORCE_GROUP_ROLE="true")


def test_without_region_awareness_no_region() -> None:
    environment = {"SERVICE_REGION": "north", "ALLOW_REGION_AWARENESS": "false"}
    assert read_settings(environment).region is None


def test_a_backoff_counts_only_when_enabled() -> None:
    assert read_settings({"FRAMEWORK_INITIAL_BACKOFF": "7"}).conduct == USUAL
    asked = read_settings({"FRAMEWORK_INITIAL_BACKOFF": "7", "ENABLE_BACKOFF": "TRUE"})
    assert asked.conduct.backoff.first == 7


def test_the_space_of_a_service() -> None:
    assert read_settings({}).space == "/"
    assert read_settings({"MARATHON_APP_ID": "/a/b"}).space == "/a/b"
    assert read_settings({"MARATHON_APP_ID": "/a/b", "DCOS_SPACE": "/a"}).space == "/a"


def test_what_changes_nothing_is_told() -> None:
    told = ignored({"JAVA_HOME": "/usr", "EXECUTOR_DISK_MB": "256", "OTHER": "x"})
    assert told == {name: IGNORED[name] for name in ("EXECUTOR_DISK_MB", "JAVA_HOME")}
    assert read_settings(dict.fromkeys(IGNORED, "anything")) == Settings()


def test_backoff_grows_to_its_bound() -> None:
    usual, asked = Backoff(), Backoff(60.0, 1.15, 300.0, at_once=False)
    assert [usual.after(n) for n in range(1, 9)] == [0, 5, 10, 20, 40, 80, 160, 300]
    assert [round(asked.after(n), 2) for n in (1, 2, 3, 12, 13)] == [60, 69, 79.35, 279.14, 300]
    assert Backoff(1.0, 1e300, 300.0).after(10_000) == 300
    assert Backoff(7.0, 1.0, 300.0).after(10_000) == 7
