"""Nothing is stopped on purpose before the disruption check of its pod has said yes."""

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.disruption import AGAIN_SECONDS, MOST_SECONDS, PATIENCE_SECONDS, VALID_SECONDS
from holdfast.core.pause import INSIST
from holdfast.mesos.messages import InverseOffer, TaskState, Unavailability
from holdfast.plans.plan import Status
from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.failure_model import ReplacementPolicy
from holdfast.service.model import Goal, ServiceSpec, Strategy

from .test_failures import host, is_replaced
from .test_plan_engine import DATA, build, changed, plan, task, with_pod
from .world import World

CHECK = DisruptionCheck("http://10.9.8.7/may-go?${POD_INSTANCE}")


def guarded(count: int = 2, **more: Any) -> ServiceSpec:
    return build(task("node", volumes=DATA), count=count, **({"disruption_check": CHECK} | more))


class Guarded(World):
    """Keeps what is asked, for the test to answer."""

    def __init__(self, spec: ServiceSpec, agents: int) -> None:
        self.asked: list[ef.AskDisruption] = []
        self.replies: list[ef.Reply] = []
        super().__init__(spec, agents)

    def step(self, *events: ev.Event, after: float = 0.0) -> list[ef.Effect]:
        effects = super().step(*events, after=after)
        self.asked += [e for e in effects if isinstance(e, ef.AskDisruption)]
        self.replies += [e for e in effects if isinstance(e, ef.Reply)]
        return effects

    def tell(self, allowed: bool, why: str = "", after: float = 0.0) -> ef.AskDisruption:
        question = self.asked.pop(0)
        answer = ev.DisruptionAnswered(question.id, question.service, allowed, why)
        self.step(answer, after=after)
        return question

    def reason(self, name: str) -> str:
        return self.core.view(self.now).explanations[name].reason

    def command(self, verb: ev.Verb, target: str, **parts: Any) -> None:
        self.step(ev.Command(f"c{len(self.replies)}", verb, target, **parts))


def world_of(spec: ServiceSpec, agents: int = 3) -> Guarded:
    world = Guarded(spec, agents)
    world.settle(12)
    assert world.status() is Status.COMPLETE
    assert world.asked == []
    world.forget()
    return world


def updating(spec: ServiceSpec | None = None) -> Guarded:
    """An update wants to restart instances."""
    spec = spec or guarded()
    world = world_of(spec)
    world.start(changed(spec, cmd="run other"))
    world.settle(2)
    return world


def test_a_step_waits_for_a_yes_and_the_instance_runs_meanwhile() -> None:
    world = updating()
    (question,) = world.asked
    assert question.check.url == "http://10.9.8.7/may-go?db-0"
    assert question.question == {
        "service": "db",
        "pod": "db-0",
        "tasks": ["node"],
        "action": "restart",
        "reason": "it is to be launched anew",
    }
    assert world.reason("db-0") == "its disruption check is being asked"
    (first, _) = world.plan().steps()
    assert "its disruption check is being asked" in first.message
    assert world.killed == []
    world.tell(True)
    world.settle(8)
    assert world.killed == ["db-0-node"]
    assert [q.question["pod"] for q in world.asked] == ["db-1"], "each instance is asked about"
    world.tell(True)
    world.settle(8)
    assert world.status() is Status.COMPLETE


def test_after_a_no_it_is_asked_again_ever_later() -> None:
    world = updating()
    waits = []
    for _ in range(7):
        world.tell(False, "no quorum")
        reason = world.reason("db-0")
        assert "its disruption check does not let it be stopped: no quorum" in reason
        assert "it is asked again (in " in reason
        began = world.now
        world.until(lambda: bool(world.asked))
        waits.append(world.now - began)
    assert waits == [AGAIN_SECONDS, 10.0, 20.0, 40.0, MOST_SECONDS, MOST_SECONDS, MOST_SECONDS]
    assert world.killed == []
    told = [text for text in world.decisions if "does not let node be stopped" in text]
    assert len(told) == 1, "a no that is repeated is told once"
    world.tell(True)
    world.settle(2)
    assert world.killed == ["db-0-node"]


def test_a_yes_is_about_what_was_asked_and_not_for_long() -> None:
    world = updating(guarded(max_unavailable=1))
    world.end("db-1-node")  # as many are down as may be, while the answer is on its way
    world.behaviour["node"] = (TaskState.STARTING,)
    world.round()
    world.tell(True)
    world.settle(int(VALID_SECONDS) + 1)
    assert world.killed == []
    assert "max-unavailable" in world.reason("db-0")
    agent, running = world._find("db-1-node")
    world._report(agent, running, TaskState.RUNNING)
    world.round()
    assert [q.question["pod"] for q in world.asked] == ["db-0"], "that yes is too old"
    assert world.killed == []


def test_what_is_stopped_makes_answers_about_its_type_void() -> None:
    spec = guarded(3, max_unavailable=3)
    world = updating(spec)
    (question,) = world.asked
    world.command(ev.Verb.POD_RESTART, "db-2", parameters={"force": "true"})
    world.step(ev.DisruptionAnswered(question.id, "db", True))
    assert world.killed == ["db-2-node"], "that yes was given when db-2 still ran"
    world.settle(2)
    assert [q.question["pod"] for q in world.asked][-1] == "db-0"
    assert world.asked[-1].id != question.id


def test_one_of_a_type_is_asked_about_at_a_time() -> None:
    spec = build(
        task("node"),
        count=3,
        strategy=Strategy.PARALLEL,
        max_unavailable=3,
        disruption_check=CHECK,
    )
    world = updating(spec)
    assert [q.question["pod"] for q in world.asked] == ["db-0"]
    assert "asked about db-0 first" in world.reason("db-1")
    world.tell(False, "not now")
    world.settle(2)
    assert [q.question["pod"] for q in world.asked] == ["db-1"]
    world.tell(True)
    world.settle(2)
    assert world.killed == ["db-1-node"]
    assert [q.question["pod"] for q in world.asked] == ["db-2"]


def test_an_answer_that_never_comes_is_a_no() -> None:
    world = updating()
    world.asked.clear()
    world.settle(2, after=PATIENCE_SECONDS / 2 + 1)
    assert "it has not answered" in world.reason("db-0")
    world.settle(2, after=AGAIN_SECONDS)
    assert len(world.asked) == 1
    assert world.killed == []


def test_a_new_scheduler_asks_again() -> None:
    world = updating()
    old = world.asked.pop()
    world.start(changed(guarded(), cmd="run other"))
    world.step(ev.DisruptionAnswered(old.id, "db", True))
    world.settle(2)
    assert world.killed == []
    assert len(world.asked) == 1


def test_a_failure_is_mended_without_asking() -> None:
    spec = build(task("node"), task("proxy"), count=1, disruption_check=CHECK)
    world = world_of(spec)
    world.end("db-0-node")
    world.settle(5)
    assert world.killed == ["db-0-proxy"]
    assert world.running() == {"db-0-node", "db-0-proxy"}
    assert world.asked == []


@pytest.mark.parametrize("verb", [ev.Verb.POD_RESTART, ev.Verb.POD_REPLACE])
def test_an_order_is_answered_once_the_check_has(verb: ev.Verb) -> None:
    world = world_of(guarded())
    world.command(verb, "db-0")
    assert world.replies == []
    assert world.asked[0].question["action"] == verb.removeprefix("pod ")
    world.tell(False, "no quorum")
    (refused,) = world.replies
    assert refused.status == 409
    assert "does not let it be stopped: no quorum. Nothing was changed" in refused.body["message"]
    assert "--force" in refused.body["message"]
    assert world.killed == []
    world.command(verb, "db-0")
    world.tell(True)
    assert world.replies[-1].status == 200
    assert world.killed == ["db-0-node"]


def test_a_pause_waits_for_a_yes_and_a_resume_for_nobody() -> None:
    world = world_of(guarded())
    world.command(ev.Verb.POD_PAUSE, "db-0")
    assert world.replies == []
    question = world.tell(False, "no quorum").question
    assert (question["action"], question["tasks"]) == ("pause", ["node"])
    (refused,) = world.replies
    assert refused.status == 409
    assert "does not let it be stopped: no quorum. Nothing was changed" in refused.body["message"]
    assert world.core.ledger.paused == {}
    assert world.killed == []
    world.command(ev.Verb.POD_PAUSE, "db-0")
    world.tell(True)
    assert world.replies[-1].status == 200
    assert world.killed == ["db-0-node"]
    world.settle(4)
    assert world.order(ev.Verb.POD_RESUME, "db-0") == 200
    assert world.asked == []


def test_of_a_pause_all_are_asked_about_that_it_stops() -> None:
    spec = build(task("node"), task("proxy", essential=False), count=1, disruption_check=CHECK)
    world = world_of(spec)
    world.command(ev.Verb.POD_PAUSE, "db-0", parameters={"proxy": ""})
    assert world.tell(False, "no").question["tasks"] == ["proxy"]
    world.command(ev.Verb.POD_PAUSE, "db-0", parameters={"node": ""})
    assert world.tell(True).question["tasks"] == ["node", "proxy"]
    world.settle(6)
    assert sorted(world.killed) == ["db-0-node", "db-0-proxy"]


def test_a_pause_of_what_does_not_run_or_that_is_wrong_asks_nobody() -> None:
    world = world_of(guarded())
    assert world.order(ev.Verb.POD_PAUSE, "db-0", parameters={"nothing": ""}) == 404
    assert world.order(ev.Verb.POD_PAUSE, "db-0", parameters={INSIST: "true"}) == 200
    assert world.killed == ["db-0-node"]
    world.behaviour["node"] = (TaskState.FAILED,)
    world.end("db-1-node")
    assert world.order(ev.Verb.POD_PAUSE, "db-1") == 200
    assert world.asked == []


def test_an_operator_who_insists_is_obeyed_at_once() -> None:
    world = world_of(guarded())
    assert world.order(ev.Verb.POD_RESTART, "db-0", parameters={"force": "true"}) == 200
    assert world.asked == []
    assert world.killed == ["db-0-node"]


def test_whoever_insists_on_a_restart_overrules_the_step_that_waits() -> None:
    world = updating()
    world.tell(False, "not now")
    assert world.order(ev.Verb.POD_RESTART, "db-0", parameters={"force": "true"}) == 200
    world.settle(4)
    assert world.names_launched() == ["db-0-node"]
    assert list(world.steps().values()) == [Status.COMPLETE, Status.PENDING]


def test_whoever_insists_on_a_restart_overrules_the_end_that_waits() -> None:
    spec = guarded(2, allow_decommission=True)
    world = world_of(spec)
    world.start(with_pod(spec, count=1))
    world.settle(2)
    assert world.order(ev.Verb.POD_RESTART, "db-1", parameters={"force": "true"}) == 200
    world.settle(4)
    assert "db-1" not in world.core.ledger.pods
    assert world.launched == []


def test_an_order_about_what_does_not_run_needs_no_yes() -> None:
    world = world_of(guarded())
    world.behaviour["node"] = (TaskState.FAILED,)
    world.end("db-0-node")
    assert world.order(ev.Verb.POD_REPLACE, "db-0") == 200
    assert world.asked == []


def test_an_instance_that_leaves_waits_for_a_yes() -> None:
    spec = guarded(2, allow_decommission=True)
    world = world_of(spec)
    world.start(with_pod(spec, count=1))
    world.settle(3)
    assert world.asked[0].question["action"] == "decommission"
    world.tell(False, "it has the last copy")
    assert "it has the last copy" in world.reason("db-1")
    assert "it has the last copy" in world.plan("decommission").phases[0].steps[0].message
    world.settle(6)
    assert world.killed == []
    world.tell(True)
    world.settle(4)
    assert world.killed == ["db-1-node"]
    assert "db-1" not in world.core.ledger.pods


def test_what_no_plan_has_any_more_is_stopped_after_a_yes() -> None:
    both = build(
        task("node", volumes=DATA),
        task("extra", essential=False),
        deploy=(("node",), ("extra",)),
        disruption_check=CHECK,
    )
    world = world_of(both)
    world.start(replace(both, deploy=plan("deploy", "node")))
    world.settle(3)
    (question,) = world.asked
    assert question.question["tasks"] == ["extra"]
    world.tell(False, "a backup is under way")
    assert "a backup is under way" in world.reason("db-0")
    world.settle(6)
    assert world.killed == []
    world.tell(True)
    world.settle(3)
    assert world.killed == ["db-0-extra"]
    assert world.asked == []


def test_a_closed_host_waits_for_a_yes() -> None:
    world = world_of(guarded())
    agent = world.pod("db-0").reservation
    assert agent is not None
    world.command(ev.Verb.MAINTENANCE_START, agent.hostname)
    assert world.asked[0].question["action"] == "maintenance"
    assert world.killed == []
    world.tell(True)
    assert world.killed == ["db-0-node"]


def test_mesos_is_answered_once_the_checks_have() -> None:
    world = world_of(guarded())
    held = world.pod("db-0").reservation
    assert held is not None
    when = Unavailability(world.now + 3600.0, None)
    question = ev.InverseOffersReceived((InverseOffer("i1", held.agent_id, when),))
    no = world.step(question)
    assert not [e for e in no if isinstance(e, ef.AcceptInverse | ef.DeclineInverse)]
    asked = world.asked.pop()
    said = world.step(ev.DisruptionAnswered(asked.id, "db", False, "no quorum"))
    assert [e.offer_ids for e in said if isinstance(e, ef.DeclineInverse)] == [("i1",)]
    assert any("must not be serviced" in t and "no quorum" in t for t in world.decisions)
    world.settle(2, after=MOST_SECONDS)
    world.step(question)
    asked = world.asked.pop()
    said = world.step(ev.DisruptionAnswered(asked.id, "db", True))
    assert [e.offer_ids for e in said if isinstance(e, ef.AcceptInverse)] == [("i1",)]
    assert held.agent_id in world.core.ledger.windows


def test_one_out_of_sight_is_replaced_by_policy_after_a_yes() -> None:
    policy = ReplacementPolicy(timeout=100, delay=0, per_hour=9)
    world = world_of(guarded(3, replacement=policy), agents=4)
    world.lose(host(world, "db-0"))
    world.settle(12, after=10.0)
    assert world.asked[0].question["action"] == "replace"
    world.tell(False, "wait for the rack")
    verdict = world.core.view(world.now).verdicts["db-0"]
    assert "but its disruption check does not let it be stopped" in verdict.reason
    assert not is_replaced(world)
    world.until(lambda: bool(world.asked))
    world.tell(True)
    assert is_replaced(world)


def test_a_url_whose_variable_has_no_value_yet_is_not_asked() -> None:
    check = DisruptionCheck("http://${DB_0_IP}:${DB_0_PORT_API}/")
    spec = guarded(disruption_check=check)
    world = updating(spec)
    assert world.asked == []
    assert "DB_0_PORT_API in its URL is not known yet" in world.reason("db-0")
    world.start(changed(guarded(disruption_check=DisruptionCheck("http://${DB_1_IP}/")), cmd="x"))
    world.settle(2)
    assert world.asked[0].check.url == "http://10.0.0.2/"


def test_a_command_is_given_as_it_is_with_the_variables() -> None:
    check = DisruptionCheck(command="test $NO_SUCH = $$")
    world = updating(guarded(disruption_check=check))
    (question,) = world.asked
    assert question.check == check
    assert question.variables == {
        "DISRUPTION_ACTION": "restart",
        "DISRUPTION_REASON": "it is to be launched anew",
        "DISRUPTION_TASKS": "node",
        "POD_INSTANCE": "db-0",
        "FRAMEWORK_NAME": "db",
        "FRAMEWORK_HOST": "db.autoip.dcos.thisdcos.directory",
        "DB_COUNT": "2",
        "DB_IPS": "10.0.0.1,10.0.0.2",
        "DB_0_IP": "10.0.0.1",
        "DB_0_HOSTNAME": "host-1",
        "DB_0_ZONE": "zone-1",
        "DB_1_IP": "10.0.0.2",
        "DB_1_HOSTNAME": "host-2",
        "DB_1_ZONE": "zone-2",
    }
    world.tell(True)
    world.settle(2)
    assert world.killed == ["db-0-node"]


def test_a_plan_of_ones_own_asks_before_it_stops_something() -> None:
    again = plan("again", "node")
    spec = replace(guarded(1), plans=(again,))
    world = world_of(spec)
    world.command(ev.Verb.PLAN_START, "again")
    world.settle(2)
    world.command(ev.Verb.PLAN_RESTART, "again")
    world.settle(2)
    assert world.asked[0].question["action"] == "restart"
    assert world.killed == []


def test_goals_that_end_are_launched_without_asking() -> None:
    spec = build(
        task("node"),
        task("once", Goal.FINISH),
        deploy=(("node",), ("once",)),
        disruption_check=CHECK,
    )
    world = Guarded(spec, 1)
    world.behaviour["once"] = (TaskState.RUNNING, TaskState.FINISHED)
    world.settle(10)
    assert world.status() is Status.COMPLETE
    assert world.asked == []
