"""When failed pod instances are replaced, as svc.yml says it."""

from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from tests.unit.service.definitions import model

PODS = """\
name: data
pods:
  usual:
    count: 1
    tasks: {server: {goal: RUNNING, cmd: run, cpus: 1}}
  own:
    count: 1
    replacement-failure-policy: {permanent-failure-timeout-secs: 60, max-replacements-per-hour: 9}
    tasks: {server: {goal: RUNNING, cmd: run, cpus: 1}}
  never:
    count: 1
    replacement-failure-policy: none
    tasks: {server: {goal: RUNNING, cmd: run, cpus: 1}}
"""


def test_nothing_is_replaced_unless_asked_for() -> None:
    spec = model(PODS)
    own = ReplacementPolicy(60, 600, 9)
    assert [pod.replacement for pod in spec.pods] == [None, own, None]
    assert spec.disaster == DisasterSpec(33, 3, 600)


def test_the_policy_of_the_service_is_for_pods_without_one() -> None:
    spec = model(f"{PODS}replacement-failure-policy: {{min-replace-delay-secs: 0}}\n")
    assert spec.pods[0].replacement == ReplacementPolicy(1200, 0, 2)
    assert spec.pods[1].replacement == ReplacementPolicy(60, 600, 9)
    assert spec.pods[2].replacement is None


def test_an_empty_policy_is_the_usual_one() -> None:
    spec = model(f"{PODS}replacement-failure-policy: {{}}\n")
    assert spec.pods[0].replacement == ReplacementPolicy()


def test_what_counts_as_a_disaster() -> None:
    text = "disaster: {lost-pods-percent: 50, lost-agents: 2, window-secs: 60}\n"
    assert model(PODS + text).disaster == DisasterSpec(50, 2, 60)
