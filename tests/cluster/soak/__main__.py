"""`python -m tests.cluster.soak`: faults and orders at random on a real cluster."""

import json
import math
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from random import Random
from types import FrameType
from typing import NoReturn

import click
import requests

from holdfast_playground.checker.load import PREFIX
from holdfast_playground.checker.store import Unanswered
from tests.cluster import invariants
from tests.cluster.soak.acts import Act, Begun
from tests.cluster.soak.faults import FAULTS
from tests.cluster.soak.ground import Ground, Service, SoakFailed, ground
from tests.cluster.soak.orders import ORDERS
from tests.cluster.soak.report import Tally, told

MOST_AT_A_TIME = 4
ANOTHER = 0.75
"""The part of rounds in which one more act happens beside those that do already."""
WELL_SECONDS = 240.0
READ_BACK_SECONDS = 60.0
LEARNS_SECONDS = 10.0
WRITER_PAUSE_SECONDS = 0.05
ACTS = (*FAULTS, *ORDERS)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", default=10.0, show_default=True, help="Begin no round after that.")
@click.option("--acts", "most", type=int, help="Begin no round after so many faults and orders.")
@click.option("--seed", type=int, help="Of the choice of acts; a run prints its own.")
@click.option("--only", help="Only acts with this in their name.")
@click.option("--each-once", is_flag=True, help="Each act once, one after the other.")
@click.option("--logs", type=click.Path(path_type=Path), help="Directory for logs, kept.")
def main(
    minutes: float,
    most: int | None,
    seed: int | None,
    only: str | None,
    each_once: bool,
    logs: Path | None,
) -> NoReturn:
    """Let everything beneath etcd and Redis fail, and check that no acknowledged write is lost."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    seed = Random().randrange(1_000_000) if seed is None else seed
    folder = logs or Path(tempfile.mkdtemp(prefix="holdfast-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    acts = [act for act in ACTS if only is None or only in act.name]
    if not acts:
        raise click.BadParameter(f"none of {[act.name for act in ACTS]}", param_hint="--only")
    say(f"seed {seed}, logs in {folder}")
    rounds = iter([act] for act in acts) if each_once else repeat(acts)
    end = math.inf if each_once else time.monotonic() + 60 * minutes
    sys.exit(_run(folder, rounds, Random(seed), end, most))


def _run(
    folder: Path, rounds: Iterator[list[Act]], rng: Random, end: float, most: int | None
) -> int:
    """`rounds` are the acts that each round chooses from, until there is none or it is late."""
    tally = Tally()
    with ground(folder, say, WRITER_PAUSE_SECONDS) as all_:
        say("deployed; writers run")
        failure: BaseException | None = None
        try:
            for acts in rounds:
                if time.monotonic() > end or (most is not None and tally.acts.total() >= most):
                    break
                _round(all_, acts, rng, tally)
            for service in all_.services:
                invariants.idle(service.schedulers[service.leader() or 0])
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 told below, with the report
            failure = error
        if isinstance(failure, KeyboardInterrupt):
            say("interrupted")
        elif failure is not None:
            say("FAILED: " + "".join(traceback.format_exception(failure)))
            _evidence(all_)
        wrong = _summary(all_, tally)
    return 1 if wrong or failure is not None else 0


def _round(all_: Ground, acts: list[Act], rng: Random, tally: Tally) -> None:
    """Some acts that overlap; then all must be well, and every invariant hold."""
    chosen = [rng.choices(acts, [act.weight for act in acts])[0]]
    while len(chosen) < MOST_AT_A_TIME and rng.random() < ANOTHER:
        beside = [act for act in acts if all(act.beside(other) for other in chosen)]
        if not beside:
            break
        chosen.append(rng.choices(beside, [act.weight for act in beside])[0])
    between = rng.uniform(0, 1)
    begun: list[Begun] = []
    ends: list[float] = []
    try:
        for act in chosen:
            if begun:
                all_.rest(between)
            done = act.begin(all_, rng)
            begun.append(done)
            ends.append(time.monotonic() + done.hold)
            say(f"{tally.acts.total() + len(begun):4} {act.name} {done.text}".rstrip())
        for at, done in sorted(zip(ends, begun, strict=True), key=lambda pair: pair[0]):
            all_.rest(at - time.monotonic())
            if done.undo is not None:
                undo, done_at = done.undo, begun.index(done)
                begun[done_at] = replace(done, undo=None)
                undo()
    except BaseException:
        # What is cut or frozen must not be left so: the end of everything would wait for it.
        for done in begun:
            if done.undo is not None:
                done.undo()
        raise
    for done in begun:
        if done.order is not None:
            done.order()
    seconds = all_.wait_well(WELL_SECONDS)
    _must_not_be(all_.seen)
    while not all(list(map(_checked, all_.services))):
        # A scheduler ends when it learns late that its session has ended. That is no fault.
        seconds += all_.wait_well(WELL_SECONDS)
    tally.looks += 1
    tally.note([act.name for act in chosen], seconds)
    say(f"     all is well after {seconds:.1f} s")


def _checked(service: Service) -> bool:
    """Fail when something is wrong; whether one and the same scheduler led all the while."""
    _must_not_be(service.load.wrong)
    before = list(service.leaders())
    deadline = time.monotonic() + LEARNS_SECONDS
    while len(before) > 1:  # one whose session has ended may answer on until it learns that
        if time.monotonic() > deadline:
            raise SoakFailed(f"I1: {len(before)} schedulers of {service.name} lead")
        time.sleep(0.1)
        before = list(service.leaders())
    if not before:
        return False
    scheduler, volumes = service.schedulers[before[0]], service.schedulers[0].volumes
    invariants.check(scheduler, volumes)
    try:
        volumes.look(scheduler)
    except requests.RequestException:
        return False
    return list(service.leaders()) == before


def _must_not_be(faults: list[str]) -> None:
    if faults:
        raise SoakFailed("; ".join(faults[:10]))


def _summary(all_: Ground, tally: Tally) -> int:
    """Read everything back and tell what was found; how much is wrong."""
    say("")
    wrong = 0
    for service in all_.services:
        load = service.load
        load.stop()
        effect = 0
        deadline = time.monotonic() + READ_BACK_SECONDS
        while True:
            try:
                effect = load.verify(load.store().read_all(PREFIX))
                break
            except Unanswered as error:
                if time.monotonic() > deadline:
                    load.wrong.append(f"nothing could be read back: {error}")
                    break
                all_.rest(1.0)
        say(told(service.name, load, effect))
        down = service.down
        say(f"    taken down by its scheduler {down.taken} times, as seen in {down.looks} looks")
        for fault in load.wrong[:10]:
            say(f"    WRONG: {fault}")
        wrong += len(load.wrong)
    for fault in all_.seen[:10]:
        say(f"WRONG: {fault}")
    wrong += len(all_.seen)
    say(f"invariants held at each of {tally.looks} looks")
    for line in tally.lines():
        say(line)
    return wrong


def _evidence(all_: Ground) -> None:
    """What is known at the moment of a failure: the logs have the rest."""
    try:
        say(f"what is amiss now: {all_.amiss()}")
    except SoakFailed as error:
        say(f"what is amiss now: {error}")
    for service in all_.services:
        for path in ("pod/status", "explain", "volumes"):
            say(f"{service.name} {path}: {json.dumps(service.ask(path))}")


def say(line: str) -> None:
    """Print a line with the time, for a log that is followed."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
