"""The soak ends with exit code 1 and says why, whatever of all that it looks for is the case.

Its cluster, schedulers and stores are made up; what judges them is the soak's own.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from holdfast_playground.checker.load import PREFIX, Load
from holdfast_playground.checker.store import Unanswered
from tests.cluster import invariants
from tests.cluster.running_service import Scheduler, wait_until
from tests.cluster.soak import __main__ as soak
from tests.cluster.soak import ground as ground_module
from tests.cluster.soak.acts import Act, Begun, Layer
from tests.cluster.soak.ground import Ground, Service, SoakFailed
from tests.unit.made_up_world import World, framework, operation, where_all_is_well
from tests.unit.playground.memory_store import Memory


@dataclass
class MadeUpScheduler:
    """Answers as the world does; `code` is its process' exit code, None while that runs."""

    world: World
    url: str
    code: int | None = None
    log: str = "what it logged last"
    volumes: invariants.Volumes = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = self.world.cluster
        self.session = self.world.session
        self.volumes = invariants.Volumes(self.cluster)

    def get(self, path: str) -> Any:
        return self.world.get(path)

    def ended_with(self) -> int | None:
        return self.code

    def start(self) -> None:
        self.code = None


class MadeUpGround(Ground):
    """Without processes of tasks, and without an etcd that could be asked."""

    def _dead(self) -> str | None:
        return None

    def _no_voters(self) -> str | None:
        return None


@dataclass
class Stage:
    """All that a fault may be done to: `etcd` is the store and `scheduler` that of etcd."""

    world: World
    ground: Ground
    etcd: Memory
    scheduler: MadeUpScheduler
    standby: MadeUpScheduler


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with where_all_is_well(tmp_path) as world:
        world.bodies |= {
            "/v1/health": {"connected": True},
            "/v1/plans/deploy": {"status": "COMPLETE"},
            "/v1/plans/recovery": {"status": "COMPLETE"},
            "/v1/explain": {"pods": []},
        }
        nobody = "http://127.0.0.1:1"
        first, standby, redis = (
            MadeUpScheduler(world, url) for url in (world.url, nobody, world.url)
        )
        first.volumes.look(world)
        etcd_store, redis_store = Memory(), Memory()

        def service(name: str, store: Memory, *schedulers: MadeUpScheduler) -> Service:
            load = Load(lambda: store, pause=0.002)
            return Service(name, cast(list[Scheduler], list(schedulers)), load, tmp_path / "clock")

        ground = MadeUpGround(
            world.cluster,
            service("etcd", etcd_store, first, standby),
            service("redis", redis_store, redis),
            soak.say,
        )
        yield Stage(world, ground, etcd_store, first, standby)


Run = Callable[[Callable[[], Begun | None]], Result]


@pytest.fixture
def run(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs the soak with one fault, which does what it is given; at most a second long."""
    for name, function in (("check", invariants.check), ("idle", invariants.idle)):
        monkeypatch.setattr(invariants, name, partial(function, seconds=0.1))
    monkeypatch.setattr(invariants, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(soak, "READ_BACK_SECONDS", 0.1)
    monkeypatch.setattr(soak, "LEARNS_SECONDS", 0.1)

    @contextmanager
    def ground(*_: object) -> Iterator[Ground]:
        for service in stage.ground.services:
            service.load.start()
        try:
            yield stage.ground
        finally:
            for service in stage.ground.services:
                service.load.stop()

    def run(fault: Callable[[], Begun | None]) -> Result:
        def begin(_ground: Ground, _rng: Random) -> Begun:
            return fault() or Begun("")

        monkeypatch.setattr(soak, "ground", ground)
        monkeypatch.setattr(soak, "ACTS", (Act("the fault", Layer.TASK, begin),))
        arguments = ["--acts", "1", "--seed", "1", "--logs", str(tmp_path / "logs")]
        return CliRunner().invoke(soak.main, arguments)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def failed(result: Result, *said: str) -> None:
    """It ended as a soak that found something does, and not with a traceback of its own."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    for part in said:
        assert part in result.output
    assert "etcd: " in result.output, "it reads all back and reports in any case"


def a_written_key(store: Memory) -> str:
    """One that was acknowledged; the writer has begun."""
    wait_until("something is written", lambda: store.keys, every=0.01)
    return f"{PREFIX}0000000"


def test_where_nothing_is_wrong_it_ends_well(run: Run) -> None:
    result = run(lambda: None)
    assert result.exit_code == 0, result.output
    assert result.output.count(" writes acknowledged, 0 lost or wrong;") == 2
    assert "invariants held at each of 1 looks" in result.output
    assert "WRONG" not in result.output
    assert "FAILED" not in result.output


def test_a_lost_acknowledged_write_is_found_while_it_runs(stage: Stage, run: Run) -> None:
    def lose() -> None:
        a_written_key(stage.etcd)
        stage.etcd.forgets = True
        stage.etcd.keys.clear()

    failed(run(lose), "FAILED", f"WRONG: {PREFIX}", "reads None, acknowledged was 'value-")


def test_a_lost_acknowledged_write_is_found_at_the_end(
    stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that no reading happened to be of."""
    complete = Memory.read_all

    def without_the_first(store: Memory, prefix: str) -> dict[str, str]:
        found = dict(complete(store, prefix))
        del found[min(found)]
        return found

    monkeypatch.setattr(Memory, "read_all", without_the_first)
    result = run(lambda: None)
    failed(result, f"WRONG: {PREFIX}0000000 reads None, acknowledged was 'value-0-")
    assert "FAILED" not in result.output
    assert result.output.count(" 1 lost or wrong;") == 2


def test_a_wrong_value_is_found(stage: Stage, run: Run) -> None:
    def change() -> None:
        stage.etcd.keys[a_written_key(stage.etcd)] = "another"

    failed(run(change), f"WRONG: {PREFIX}0000000 reads 'another', acknowledged was 'value-0-")


def test_a_value_that_nobody_wrote_is_found(stage: Stage, run: Run) -> None:
    def add() -> None:
        stage.etcd.keys[f"{PREFIX}strange"] = "value"

    failed(run(add), f"WRONG: {PREFIX}strange reads 'value', which nobody wrote")


def test_a_store_that_goes_back_is_found(stage: Stage, run: Run) -> None:
    def back() -> None:
        a_written_key(stage.etcd)
        stage.etcd.position = -1000

    failed(run(back), "the store went back")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_checker_that_breaks_is_found(stage: Stage, run: Run) -> None:
    def broken(_key: str) -> Any:
        raise ZeroDivisionError

    def break_() -> None:
        cast(Any, stage.etcd).read = broken
        a_written_key(stage.etcd)

    failed(run(break_), "WRONG: the checker itself failed: ZeroDivisionError()")


def test_a_store_that_cannot_be_read_back_is_found(stage: Stage, run: Run) -> None:
    def nothing(_prefix: str) -> dict[str, str]:
        raise Unanswered("no")

    def hide() -> None:
        cast(Any, stage.etcd).read_all = nothing

    failed(run(hide), "WRONG: nothing could be read back: no")


def two_frameworks(stage: Stage) -> None:
    stage.world.frameworks.append(framework("5d8b3a1e-0002"))


def two_that_serve(stage: Stage) -> None:
    stage.standby.url = stage.world.url


def twice_owned(stage: Stage) -> None:
    stage.ground.seen.append("I2: volume v is used by 2 executors at once")


def lost_volume(stage: Stage) -> None:
    stage.world.volume.rmdir()


def reserved_for_nobody(stage: Stage) -> None:
    stage.world.orphans[0] |= {"class": "forgotten", "applicable": True}


def no_outcome(stage: Stage) -> None:
    stage.world.operations.append(operation("OPERATION_PENDING"))


def always_asking(stage: Stage) -> None:
    stage.world.bodies["/v1/state/properties/suppressed"] = False


@pytest.mark.parametrize(
    ("violate", "said"),
    [
        (two_frameworks, "I1: Mesos has 2 active frameworks called {'db'}"),
        (two_that_serve, "I1: 2 schedulers of etcd lead"),
        (twice_owned, "WRONG: I2: volume v is used by 2 executors at once"),
        (lost_volume, "I3: volume volume-of-node-0 is gone, and no operator named it"),
        (reserved_for_nobody, "I4: reservation r1-cpus on 10.0.0.1 is forgotten"),
        (no_outcome, "I5: operation RESERVE on agent 5d8b3a1e-S0 has no outcome"),
        (always_asking, "I10: nothing is to be done, and offers come"),
    ],
)
def test_a_violated_invariant_is_found(
    stage: Stage, run: Run, violate: Callable[[Stage], None], said: str
) -> None:
    failed(run(lambda: violate(stage)), "FAILED", said)


def test_what_is_violated_only_after_the_last_round_is_told(
    stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "idle", lambda _: twice_owned(stage))
    result = run(lambda: None)
    failed(result, "WRONG: I2: volume v is used by 2 executors at once")
    assert "FAILED" not in result.output


def an_agent_away(stage: Stage) -> None:
    cast(SimpleNamespace, stage.world.cluster).agent_ids = dict


def no_plan_complete(stage: Stage) -> None:
    stage.world.bodies["/v1/plans/recovery"] = {"status": "IN_PROGRESS"}


def an_instance_down(stage: Stage) -> None:
    stage.world.instance("node-1")["state"] = "down"


def not_connected(stage: Stage) -> None:
    stage.world.bodies["/v1/health"] = {"connected": False}


def nobody_answers(stage: Stage) -> None:
    stage.scheduler.url = stage.standby.url


def no_writes(stage: Stage) -> None:
    stage.etcd.broken = True


@pytest.mark.parametrize(
    ("strike", "reason"),
    [
        (an_agent_away, "agents [1] are not registered"),
        (no_plan_complete, "plan recovery of etcd is IN_PROGRESS"),
        (an_instance_down, "node-1 is down"),
        (not_connected, "the scheduler of etcd is not connected"),
        (nobody_answers, "no scheduler of etcd answers"),
        (no_writes, "['etcd'] take no writes"),
    ],
)
def test_a_fault_that_never_heals_is_found(
    stage: Stage,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    strike: Callable[[Stage], None],
    reason: str,
) -> None:
    monkeypatch.setattr(soak, "WELL_SECONDS", 0.3)
    failed(run(lambda: strike(stage)), "FAILED", f"not well again within 0.3 s: {reason}")


def test_a_scheduler_that_ends_by_itself_is_found(stage: Stage, run: Run) -> None:
    def end() -> None:
        stage.scheduler.code = 1

    failed(run(end), "a scheduler of etcd ended with 1:\nwhat it logged last")


def test_a_fault_that_cannot_be_mended_is_found(run: Run) -> None:
    def undo() -> None:
        raise RuntimeError("agent-1 does not start")

    failed(run(lambda: Begun("", undo=undo)), "FAILED", "agent-1 does not start")


def test_an_order_that_is_never_taken_is_found(
    stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground_module, "INSIST_SECONDS", 0.1)
    stage.world.server.status = 503

    def order() -> None:
        stage.ground.insist(stage.ground.etcd, "pod/node-0/replace")

    failed(
        run(lambda: Begun("", order=order)),
        "FAILED",
        "pod/node-0/replace of etcd: refused (503) for 0.1 s",
    )


def test_an_interrupted_soak_has_not_passed(run: Run) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    failed(run(interrupt), "interrupted")


def test_the_watch_tells_what_it_sees_and_that_it_broke(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground_module, "WATCH_SECONDS", 0.001)
    looks = iter([[], ["I2: volume v is used by 2 executors at once"]])
    monkeypatch.setattr(invariants, "twice_owned", lambda _: next(looks))
    with pytest.raises(StopIteration):
        ground_module._watch(stage.ground, ground_module.twice_owned, threading.Event())
    assert stage.ground.seen == [
        "I2: volume v is used by 2 executors at once",
        "twice_owned: the watch itself failed: StopIteration()",
    ]


@pytest.mark.usefixtures("run")
def test_each_act_is_played_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rounds: list[list[Act]] = []

    def play(_folder: Path, chosen: Iterator[list[Act]], *_: object) -> int:
        rounds.extend(chosen)
        return 0

    monkeypatch.setattr(soak, "_run", play)
    result = CliRunner().invoke(soak.main, ["--each-once", "--logs", str(tmp_path / "logs")])
    assert result.exit_code == 0, result.output
    assert rounds == [[act] for act in soak.ACTS]


def test_no_two_acts_have_one_name() -> None:
    names = [act.name for act in soak.ACTS]
    assert len(set(names)) == len(names)


def test_the_watch_sees_too_many_that_are_taken_down(stage: Stage) -> None:
    assert ground_module.too_many_down(stage.ground) == []
    for name in ("node-0", "node-2"):
        stage.world.instance(name)["state"] = "stopping"
    found = "I6: ['node-0', 'node-2'] are down by our doing at once, at most 1 may be"
    assert ground_module.too_many_down(stage.ground) == [found, found], "both have the same answers"
    stage.scheduler.url = stage.standby.url
    assert ground_module.too_many_down(stage.ground) == [found], "nobody answers for etcd"


def test_what_must_not_be_is_told_in_words() -> None:
    soak._must_not_be([])
    with pytest.raises(SoakFailed, match="one; two"):
        soak._must_not_be(["one", "two"])
