"""A service survives its record."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.service.encode import config_id, from_json, to_json
from holdfast.service.model import (
    ConfigSpec,
    Constraint,
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ReadinessCheckSpec,
    RLimitSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    VolumeSpec,
)

TEXT = st.text(max_size=20)
NAME = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=8)
SECONDS = st.floats(0, 1e6)
SIZE = st.integers(1, 2**40)
LIMIT = st.none() | st.integers(0, 2**63 - 1)


def tuples(of: st.SearchStrategy[object], most: int = 2) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(of, max_size=most).map(tuple)


HOOK = st.none() | st.builds(HookSpec, TEXT, SECONDS)
TASK = st.builds(
    TaskSpec,
    name=NAME,
    goal=st.sampled_from(Goal),
    cmd=TEXT,
    cpus=st.floats(0.01, 1e3),
    memory_mb=SIZE,
    env=st.dictionaries(NAME, TEXT, max_size=3),
    ports=tuples(st.builds(PortSpec, NAME, st.integers(0, 65535), st.none() | NAME, st.booleans())),
    volumes=tuples(st.builds(VolumeSpec, NAME, SIZE)),
    configs=tuples(st.builds(ConfigSpec, NAME, TEXT, TEXT, TEXT)),
    health_check=st.none()
    | st.builds(HealthCheckSpec, TEXT, SECONDS, SECONDS, st.integers(1, 9), SECONDS, SECONDS),
    readiness_check=st.none() | st.builds(ReadinessCheckSpec, TEXT, SECONDS, SECONDS, SECONDS),
    kill_grace_period=st.integers(0, 3600),
)
POD = st.builds(
    PodSpec,
    type=NAME,
    count=st.integers(0, 99),
    tasks=tuples(TASK),
    placement=tuples(st.builds(Constraint, NAME, st.sampled_from(Operator), NAME)),
    uris=tuples(TEXT),
    rlimits=tuples(st.builds(RLimitSpec, NAME, LIMIT, LIMIT)),
    hooks=st.builds(HooksSpec, HOOK, HOOK),
)
STRATEGY = st.sampled_from(Strategy)
PLAN = st.builds(PlanSpec, NAME, tuples(st.builds(PhaseSpec, NAME, NAME, STRATEGY)), STRATEGY)
SERVICE = st.builds(ServiceSpec, NAME, NAME, NAME, TEXT, tuples(POD), PLAN, st.none() | TEXT)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SERVICE)
def test_round_trip(spec: ServiceSpec) -> None:
    document = json.loads(json.dumps(to_json(spec)))
    assert from_json(document) == spec
    assert to_json(from_json(document)) == document
    assert config_id(from_json(document)) == config_id(spec)


def service(**changes: object) -> ServiceSpec:
    task = TaskSpec("t", Goal.RUNNING, "run", 1, 32, env={"A": "1", "B": "2"})
    fields: dict[str, object] = {
        "name": "data",
        "user": "root",
        "principal": "p",
        "zookeeper": "z:1",
        "pods": (PodSpec("node", 1, (task,)),),
        "deploy": PlanSpec("deploy", (PhaseSpec("node", "node"),)),
    }
    return ServiceSpec(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_identity_is_that_of_equal_services() -> None:
    assert config_id(service()) == config_id(service())
    assert config_id(service()) != config_id(service(user="nobody"))
    assert len(config_id(service())) == 32
    assert set(config_id(service())) <= set("0123456789abcdef")


def test_the_identity_does_not_depend_on_order_in_env_or_kind_of_number() -> None:
    def with_task(cpus: float, env: dict[str, str]) -> ServiceSpec:
        task = TaskSpec("t", Goal.RUNNING, "run", cpus, 32, env=env)
        return service(pods=(PodSpec("node", 1, (task,)),))

    one = with_task(1, {"A": "1", "B": "2"})
    other = with_task(1.0, {"B": "2", "A": "1"})
    assert one == other
    assert config_id(one) == config_id(other)


def test_the_identity_is_stable_between_releases() -> None:
    assert config_id(service()) == "3e1e36ac3d28490993bffb9fae6cb974"


def test_a_broken_record_is_refused() -> None:
    document = to_json(service())
    del document["pods"]
    with pytest.raises(ValidationError, match="pods"):
        from_json(document)
