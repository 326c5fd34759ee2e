"""Many services in one framework: who hears what, and that nobody hears more."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.conduct import Conduct
from holdfast.core.confidential import Shortage, Signer, Stage
from holdfast.core.discipline import Discipline
from holdfast.core.events import Verb
from holdfast.core.hosted import Hosted, hosted_to_json
from holdfast.core.multi import LATE_SECONDS, Composite
from holdfast.core.multi_uninstall import uninstalls_many
from holdfast.core.startup import BadRecord, is_being_uninstalled
from holdfast.core.statuses import Backoff
from holdfast.mesos.messages import TaskState, TaskStatus
from holdfast.plans.plan import Status
from holdfast.service.load import ServiceError
from tests.unit.core.offers import service
from tests.unit.core.world import MASTER, SETTINGS, Agent, World

YAML = """
name: {{NAME}}
pods:
  node:
    count: 2
    placement: '[["hostname", "UNIQUE"]]'
    tasks:
      server: {goal: RUNNING, cmd: "run {{MORE}}", cpus: 0.5, memory: 64,
               volume: {path: data, type: ROOT, size: 10}}
"""


def hosted(name: str, more: str = "") -> Hosted:
    return Hosted(name, YAML, {"NAME": name, "MORE": more}, {})


class MultiWorld(World):
    """A scheduler of many services: an agent makes each role an offer of its own."""

    def __init__(self, *names: str, limit: int = 0) -> None:
        self.limit = limit
        self.failing: list[ef.Effect] = []
        super().__init__(service(), agents=3)
        for name in names:
            assert self.host(name) == 200

    def start(self, *_: object, **more: Any) -> None:
        ids = (f"id{n}" for n in itertools.count((self.store.commits + 1) * 1000))
        self.multi = Composite(
            self.store.load(), SETTINGS, lambda: next(ids), "ours", self.limit, self.now, **more
        )
        self.core = self.multi  # type: ignore[assignment]
        self.step(ev.Subscribed("framework", MASTER))
        for agent in self.agents.values():
            if agent.reachable:
                self._reconcile(agent)

    def host(self, name: str, more: str = "") -> int:
        what = hosted(name, more)
        effects = self.step(ev.HostService("h", what, what.spec("ours")))
        return self._answered(effects)

    def command(self, verb: Verb, target: str, service: str) -> int:
        return self._answered(self.step(ev.Command("c", verb, target, service=service)))

    def _answered(self, effects: list[ef.Effect]) -> int:
        (reply,) = [e for e in effects if isinstance(e, ef.Reply)]
        self.answer = str(reply.body["message"])
        return reply.status

    def round(self, after: float = 1.0) -> None:
        number = next(self._offer_numbers)
        offers = []
        live = [agent for agent in self.agents.values() if agent.reachable]
        for agent in live:
            for turn, role in enumerate(self.multi.roles):
                free = 8.0 if (number + turn) % len(self.multi.roles) == 0 else 0.0
                part = Agent(agent.number, tasks=agent.tasks)
                part.reserved = {
                    key: resource
                    for key, resource in agent.reserved.items()
                    if resource["reservations"][-1]["role"] == role
                }
                held = {key[0] for key in part.reserved}
                part.tasks = {
                    id_: running
                    for id_, running in agent.tasks.items()
                    if self._label(running.info) in held
                }
                made = part.offer(f"{number}/agent-{agent.number}/{role}", free)
                offers.append(replace(made, role=role))
        self.step(ev.OffersReceived(tuple(offers)), after=after)
        for agent in live:
            for running in list(agent.tasks.values()):
                if running.to_report and running.info["task_id"]["value"] in agent.tasks:
                    self._report(agent, running, running.to_report.pop(0))

    @staticmethod
    def _label(info: dict[str, object]) -> str:
        resources: list[dict[str, object]] = info["resources"]  # type: ignore[assignment]
        labels = resources[0]["reservations"][-1]["labels"]["labels"]  # type: ignore[index]
        return str(next(each["value"] for each in labels if each["key"] == "resource_id"))

    def well(self, *names: str) -> bool:
        views = self.multi.view(self.now).services
        return all(plan.status is Status.COMPLETE for name in names for plan in views[name].plans)

    def task_ids(self, service: str) -> set[str]:
        prefix = service.strip("/").replace("/", ".") + "__"
        return {id_ for a in self.agents.values() for id_ in a.tasks if id_.startswith(prefix)}


@pytest.fixture
def two() -> MultiWorld:
    world = MultiWorld("one", "/team/two")
    world.until(lambda: world.well("one", "/team/two"))
    return world


def test_each_service_is_deployed_under_its_own_role(two: MultiWorld) -> None:
    assert two.multi.roles == ("one-role", "team__two-role")
    assert len(two.task_ids("one")) == len(two.task_ids("/team/two")) == 2
    for agent in two.agents.values():
        for resource in agent.reserved.values():
            held = resource["reservations"][-1]
            labels = {each["key"]: each["value"] for each in held["labels"]["labels"]}
            assert held["role"] == f"{labels['service'].strip('/').replace('/', '__')}-role"
            assert held["principal"] == "ours"
    paths = set(two.store.load())
    assert {"multi", "framework", "services/one", "services/team__two"} <= paths
    assert {"one:pods/node-0", "team__two:pods/node-0", "one:target"} <= paths


def test_a_restart_goes_on_with_all_of_them(two: MultiWorld) -> None:
    before = two.task_ids("one") | two.task_ids("/team/two")
    two.forget()
    two.start()
    two.settle()
    assert two.well("one", "/team/two")
    assert two.launched == []
    assert two.killed == []
    assert two.task_ids("one") | two.task_ids("/team/two") == before


def test_an_update_restarts_the_one_and_not_the_other(two: MultiWorld) -> None:
    one, other = two.task_ids("one"), two.task_ids("/team/two")
    volumes = {key: r for a in two.agents.values() for key, r in a.reserved.items()}
    assert two.host("one", "faster") == 200
    two.until(lambda: not one & two.task_ids("one") and two.well("one"))
    assert two.task_ids("/team/two") == other
    assert {key: r for a in two.agents.values() for key, r in a.reserved.items()} == volumes
    two.forget()
    two.start()
    two.settle()
    assert two.launched == []


def test_what_cannot_be_changed_is_refused_and_nothing_stored(two: MultiWorld) -> None:
    smaller = YAML.replace("count: 2", "count: 1")
    what = Hosted("one", smaller, {"NAME": "one"}, {})
    before = two.store.load()
    effects = two.step(ev.HostService("h", what, what.spec("ours")))
    assert two._answered(effects) == 409
    assert "stays as it is" in two.answer
    assert two.store.load() == before


def test_names_that_would_share_a_role_or_task_ids_are_refused(two: MultiWorld) -> None:
    for name in ("team/two", "team.two"):
        assert two.host(name) == 409, name
    assert set(two.multi.view(two.now).services) == {"one", "/team/two"}


def test_a_removed_service_leaves_nothing_and_the_other_alone(two: MultiWorld) -> None:
    other = two.task_ids("/team/two")
    assert two.command(Verb.UNINSTALL, "one", "one") == 200
    assert two.host("one") == 409
    two.until(lambda: "one" not in two.multi.view(two.now).services)
    assert two.multi.roles == ("team__two-role",)
    assert two.torn_down == 0
    assert not two.task_ids("one")
    roles = {
        r["reservations"][-1]["role"] for a in two.agents.values() for r in a.reserved.values()
    }
    assert roles == {"team__two-role"}
    assert not [path for path in two.store.load() if path.startswith(("one", "services/one"))]
    assert two.task_ids("/team/two") == other
    assert two.host("one") == 200
    two.until(lambda: two.well("one", "/team/two"))


def test_a_removal_that_was_cut_short_is_brought_to_its_end(two: MultiWorld) -> None:
    two.command(Verb.UNINSTALL, "one", "one")
    two.store.commit([("services/one", None), ("one:target", None)])
    two.start()
    assert set(two.multi.view(two.now).services) == {"/team/two"}
    assert not [path for path in two.store.load() if path.startswith("one")]


def test_records_without_their_service_stop_the_start(two: MultiWorld) -> None:
    two.store.commit([("services/one", None)])
    with pytest.raises(BadRecord):
        two.start()


def test_a_record_of_a_service_that_makes_no_sense_is_named_as_it_is_stored(
    two: MultiWorld,
) -> None:
    two.store.commit([("one:pods/node-0", {"name": "node-0"})])
    with pytest.raises(BadRecord, match="one:pods/node-0") as failure:
        two.start()
    assert failure.value.path == "one:pods/node-0"


def test_roles_are_told_before_any_other_call() -> None:
    world = MultiWorld()
    what = hosted("one")
    effects = world.step(ev.HostService("h", what, what.spec("ours")))
    calls = [e for e in effects if isinstance(e, ef.CALL_TYPES)]
    assert isinstance(calls[0], ef.UpdateFramework)
    failed = ev.CallFailed(calls[0], "busy", sent=False)
    assert ef.UpdateFramework() not in world.step(failed)
    assert ef.UpdateFramework() in world.step(after=1.0)


def test_roles_are_told_once_more_when_an_older_word_may_have_come_late() -> None:
    world = MultiWorld()
    what = hosted("one")
    world.step(ev.HostService("h", what, what.spec("ours")))
    world.step(ev.CallFailed(ef.UpdateFramework(), "no answer", sent=True))
    assert ef.UpdateFramework() in world.step(after=1.0)
    assert ef.UpdateFramework() not in world.step(after=LATE_SECONDS - 2.0)
    assert ef.UpdateFramework() in world.step(after=2.0)
    assert ef.UpdateFramework() not in world.step(after=LATE_SECONDS * 2)


def test_wishes_for_offers_name_the_role(two: MultiWorld) -> None:
    two.settle(20)
    assert two.multi.suppressed_roles == two.multi.roles
    effects = two.step(ev.Command("c", Verb.POD_REPLACE, "node-0", service="one"), after=1.0)
    effects += two.step(after=1.0)
    revived = [e.roles for e in effects if isinstance(e, ef.Revive)]
    assert revived
    assert set(revived) == {("one-role",)}
    assert two.multi.suppressed_roles == ("team__two-role",)


def test_a_failed_call_goes_back_to_whoever_made_it(two: MultiWorld) -> None:
    effects = two.step(ev.Command("c", Verb.POD_RESTART, "node-0", service="one"))
    (kill,) = [e for e in effects if isinstance(e, ef.Kill)]
    assert kill.task_id.startswith("one__")
    two.step(ev.CallFailed(kill, "no answer", sent=True))
    views = two.multi.view(two.now).services
    assert views["one"].counters["calls.failed"] == 1
    assert "calls.failed" not in views["/team/two"].counters


def test_a_task_that_no_service_knows_is_killed_and_known_ones_are_not(two: MultiWorld) -> None:
    for id_ in ("one__node-0-server__old", "gone__x-0-y__1", "nonsense"):
        status = TaskStatus(id_, TaskState.RUNNING, agent_id="agent-1", uuid="uuid")
        effects = two.step(ev.StatusReceived(status), after=10.0)
        assert [e.task_id for e in effects if isinstance(e, ef.Kill)] == [id_]
        assert [e.task_id for e in effects if isinstance(e, ef.Acknowledge)] == [id_]
        assert [e for e in effects if isinstance(e, ef.Write)], "a fenced scheduler finds out"
    for id_ in two.task_ids("one"):
        status = TaskStatus(id_, TaskState.RUNNING, agent_id="agent-1", uuid="uuid")
        effects = two.step(ev.StatusReceived(status))
        assert not [e for e in effects if isinstance(e, ef.Kill)]


def test_no_service_frees_what_another_one_has(two: MultiWorld) -> None:
    """Not a task, a volume or a reservation, used or left behind; its own service may."""
    assert two.command(Verb.POD_REPLACE, "node-1", "/team/two") == 200
    two.until(lambda: two.well("one", "/team/two"))
    view = two.multi.view(two.now).services["/team/two"]
    (left,) = view.retired.values()
    used = view.pods["node-0"].reservation
    assert used is not None
    volumes = [volume.id for held in (used, left.reservation) for volume in held.volumes]
    names = [f"{id_}/cpus@agent-1" for id_ in used.resource_ids | left.reservation.resource_ids]
    tasks = two.task_ids("/team/two")
    assert len(volumes) == len(tasks) == 2
    before = two.store.load()
    orders = [(Verb.ORPHANS_KILL, id_) for id_ in tasks]
    orders += [(Verb.VOLUMES_DESTROY, name) for name in (*volumes, *names)]
    for verb, target in orders:
        effects = two.step(ev.Command("c", verb, target, service="one"))
        assert two._answered(effects) == 409
        assert target in two.answer
        assert "of the service /team/two; nothing was changed" in two.answer
        assert not [e for e in effects if isinstance(e, ef.Kill)]
    assert two.store.load() == before
    assert two.command(Verb.VOLUMES_DESTROY, left.reservation.volumes[0].id, "/team/two") == 200
    stranger = ev.Command(
        "c", Verb.ORPHANS_KILL, "stranger", parameters={"agent": "agent-1"}, service="one"
    )
    killed = [e for e in two.step(stranger) if isinstance(e, ef.Kill)]
    assert killed == [ef.Kill("stranger", "agent-1")]


def test_offers_for_a_role_of_nobody_are_declined(two: MultiWorld) -> None:
    stranger = replace(two.agents["agent-1"].offer("1/agent-1/x", 4.0), role="gone-role")
    effects = two.step(ev.OffersReceived((stranger,)))
    (decline,) = [e for e in effects if isinstance(e, ef.Decline)]
    assert decline.offer_ids == ("1/agent-1/x",)
    again = two.step(ev.CallFailed(decline, "busy", sent=False))
    assert [e.offer_ids for e in again if isinstance(e, ef.Decline)] == [("1/agent-1/x",)]


def test_a_command_for_a_service_that_is_not_there(two: MultiWorld) -> None:
    assert two.command(Verb.POD_RESTART, "node-0", "three") == 404


def test_with_discipline_one_grows_after_the_other() -> None:
    world = MultiWorld("one", "two", limit=1)
    assert world.multi.view(world.now).held == {"two"}
    while not world.well("one"):
        assert not world.task_ids("two")
        world.round()
    world.start()
    world.until(lambda: world.well("one", "two"))
    assert world.multi.view(world.now).held == frozenset()


def test_the_turn_is_kept_until_the_service_has_grown() -> None:
    discipline = Discipline(1, ["b"])
    assert discipline.choose(["a", "b", "c"]) == ()
    assert discipline.holds("a", True)
    assert not discipline.holds("a", False)
    assert discipline.choose(["a", "c"]) == ("a",)
    assert Discipline(0).choose(["a"]) == ()


# -- uninstalling all of it, and giving up ----------------------------------------------------


def test_all_are_uninstalled_and_then_the_framework_is_torn_down(two: MultiWorld) -> None:
    two.start(uninstall=True)
    plan = two.multi.view(two.now).uninstall
    assert plan is not None
    assert [step.pod for step in plan.phases[0].steps] == ["/team/two", "one"]
    assert plan.status is not Status.COMPLETE
    assert two.host("three") == 409
    two.until(lambda: two.torn_down > 0)
    assert two.multi.deregisters
    assert not [r for agent in two.agents.values() for r in agent.reserved]
    assert not [id_ for agent in two.agents.values() for id_ in agent.tasks]
    assert two.multi.view(two.now).services == {}
    effects = two.step(ev.FrameworkRemoved())
    assert ef.Wipe() in effects
    plan = two.multi.view(two.now).uninstall
    assert plan is not None
    assert plan.status is Status.COMPLETE
    assert not [e for e in two.step(after=60.0) if not isinstance(e, ef.Decision)]


def test_an_uninstall_of_all_goes_on_after_a_crash_at_any_moment(two: MultiWorld) -> None:
    for _ in range(60):
        two.start(uninstall=True)
        assert uninstalls_many(two.store.load())
        if two.torn_down:
            break
        for _ in range(5):
            two.round(after=4.0)
    assert two.torn_down
    two.start(uninstall=True)
    assert two.multi.deregisters, "what was torn down is known to be so"
    assert ef.Wipe() in two.step(ev.FrameworkRemoved())


def test_no_volume_is_destroyed_after_a_start_without_the_word(two: MultiWorld) -> None:
    """The process refuses to start then, by this record."""
    assert not is_being_uninstalled(two.store.load())
    two.start(uninstall=True)
    two.step()
    assert is_being_uninstalled(two.store.load())


def test_without_records_all_is_uninstalled() -> None:
    multi = Composite({}, SETTINGS, lambda: "id", "ours", 0, 0.0, uninstall=True)
    effects = multi.step([ev.Tick()], 1.0)
    assert not [e for e in effects if isinstance(e, ef.Write | ef.Teardown)]
    plan = multi.view(1.0).uninstall
    assert plan is not None
    assert plan.status is Status.COMPLETE


def test_a_framework_that_mesos_never_knew_is_wiped_at_once() -> None:
    stored = {"multi": {}, "services/one": hosted_to_json(hosted("one"))}
    multi = Composite(stored, SETTINGS, lambda: "id", "ours", 0, 0.0, uninstall=True)
    assert ef.Wipe() in [e for now in (1.0, 2.0) for e in multi.step([ev.Tick()], now)]


def test_what_a_removed_service_holds_is_given_up_after_a_time(two: MultiWorld) -> None:
    two.start(removal_timeout=600.0)
    other = two.task_ids("/team/two")
    lost = next(a for a in two.agents.values() if any(i in a.tasks for i in two.task_ids("one")))
    lost.reachable = False
    assert two.command(Verb.UNINSTALL, "one", "one") == 200
    for _ in range(100):
        two.round(after=4.0)
    assert "one" in two.multi.view(two.now).services
    two.until(lambda: "one" not in two.multi.view(two.now).services, rounds=300)
    told = [d for d in two.decisions if "given up" in d]
    assert len(told) == 1
    assert f"host-{lost.number} is forgotten" in told[0]
    assert lost.reserved, "nothing of it is destroyed"
    assert two.task_ids("/team/two") == other


def test_without_a_time_nothing_is_given_up(two: MultiWorld) -> None:
    lost = next(a for a in two.agents.values() if any(i in a.tasks for i in two.task_ids("one")))
    lost.reachable = False
    two.command(Verb.UNINSTALL, "one", "one")
    for _ in range(300):
        two.round(after=4.0)
    assert "one" in two.multi.view(two.now).services


# -- settings that hold for each service ------------------------------------------------------


def test_services_are_in_the_region_and_wait_as_they_are_told_to() -> None:
    backoff = Backoff(first=7.0, factor=1.0, most=7.0, at_once=False)
    world = MultiWorld()
    world.start(conduct=Conduct(backoff=backoff))
    assert world.host("one") == 200
    world.until(lambda: world.well("one"))
    (task_id, *_) = world.task_ids("one")
    status = TaskStatus(task_id, TaskState.FAILED, agent_id="agent-1", uuid="uuid")
    world.step(ev.StatusReceived(status))
    assert [text for text in world.decisions if "next try in 7 s" in text]

    far = MultiWorld()
    far.host("one")
    far.start(region="far")
    view = far.multi.view(far.now).services["one"]
    assert (view.service.region, view.plans[0].errors) == ("far", ())


def test_the_answer_of_a_disruption_check_reaches_whoever_asked() -> None:
    world = MultiWorld()
    for name in ("one", "two"):
        yaml = YAML + f"    disruption-check: {{url: 'http://{name}/'}}\n"
        what = Hosted(name, yaml, {"NAME": name, "MORE": ""}, {})
        world._answered(world.step(ev.HostService("h", what, what.spec("ours"))))
    world.until(lambda: world.well("one", "two"))
    orders = [ev.Command(name, Verb.POD_RESTART, "node-0", service=name) for name in ("one", "two")]
    asked = [e for e in world.step(*orders) if isinstance(e, ef.AskDisruption)]
    assert [(e.service, e.check.url) for e in asked] == [
        ("one", "http://one/"),
        ("two", "http://two/"),
    ]
    effects = world.step(ev.DisruptionAnswered(asked[1].id, "two", True))
    assert [(e.id, e.status) for e in effects if isinstance(e, ef.Reply)] == [("two", 200)]
    assert world.killed == ["node-0-server"]
    assert not world.step(ev.DisruptionAnswered(asked[0].id, "gone", True), after=0.1)


def test_a_command_is_not_for_those_who_add_services() -> None:
    yaml = YAML + "    disruption-check: {command: cat /etc/secret}\n"
    what = Hosted("one", yaml, {"NAME": "one", "MORE": ""}, {})
    with pytest.raises(ServiceError) as refused:
        what.spec("ours")
    (problem,) = refused.value.errors
    assert problem.path == "pods.node.disruption-check.command"
    assert "would be run by the scheduler" in problem.message
    assert "give a `url`" in problem.message


def test_the_authority_of_all_waits_for_all(two: MultiWorld) -> None:
    """The order goes to one service; what another one lacks is answered for it."""
    old, new = Signer("old", 1e12, Stage.ALONE), Signer("new", 1e12, Stage.COMING)
    path, record = next(
        (path, record)
        for path, record in two.store.load().items()
        if path.startswith("team__two:pods/")
    )
    record["tasks"][0]["certified"] = [1e12, old.id]
    two.store.commit([(path, record)])
    two.start()
    two.step(ev.ShortageChanged(Shortage(signer=new)))
    assert two.command(Verb.AUTHORITY_ROTATE, "own", "one") == 409
    assert "node-0 of /team/two must be restarted" in two.answer
    two.step(ev.ShortageChanged(Shortage(signer=old)))
    assert two.command(Verb.AUTHORITY_ROTATE, "own", "one") == 200
