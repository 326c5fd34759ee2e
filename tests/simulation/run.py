"""Runs seeds of the simulation, on all cores, and shrinks what fails.

python -m tests.simulation.run --seeds 1000 [--start 0] [--jobs 2]
python -m tests.simulation.run --start 17 --seeds 1 --trace
python -m tests.simulation.run --start 17 --seeds 1 --faults 12.50:crash:3,40.00:removed:1
"""

import argparse
import functools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.service.model import ServiceSpec
from tests.simulation.faults import KINDS, Fault, plan
from tests.simulation.many import ManyWorld
from tests.simulation.operator_orders import ORDERS
from tests.simulation.services import DATABASES, SCENARIOS, SERVICES, with_check, with_policy
from tests.simulation.world import World, quiet

MANY = "many in one framework"
POLICY, CHECK = " with a policy", " with a check"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed came to."""

    seed: int
    service: str
    faults: tuple[Fault, ...]
    steps: int
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    seconds: float
    """Virtual seconds."""


def run(
    seed: int,
    faults: Sequence[Fault] | None = None,
    patience: float | None = None,
    service: str | None = None,
) -> Outcome:
    """One seed from start to quiescence; with its own faults and service unless some are given.

    What is broken is mended `patience` virtual seconds after the last fault, if not before.
    """
    wait = (5.0, 5.0, 60.0, 300.0)[seed // 7 % 4] if patience is None else patience
    service = service or service_of(seed)
    chosen = tuple(plan(seed) if faults is None else faults)
    with quiet():
        if service == MANY:
            world: World = ManyWorld(seed)
        else:  # each fifth has a machine in another region, which no service may use
            world = World(seed, _spec(service, seed), abroad=seed % 5 == 1)
        for fault in chosen:
            world.clock.at(fault.at, lambda fault=fault: _do(world, fault))  # type: ignore[misc]
        end = (chosen[-1].at if chosen else 0.0) + wait
        try:
            while world.clock.now < end and not world.judge.violations:
                world.clock.run_until(min(end, world.clock.now + 5.0))
            if not world.judge.violations:
                world.heal()
                world.settle()
        except Exception as error:  # noqa: BLE001 - a crash of the core is a finding like any other
            import traceback

            world.judge.violate("EXCEPTION", f"{error!r}")
            world.trace.extend(traceback.format_exc().splitlines())
    violations = tuple(world.judge.violations)
    trace = tuple(world.trace) if violations or faults is not None else ()
    return Outcome(seed, service, chosen, world.clock.steps, violations, trace, world.clock.now)


def service_of(seed: int) -> str:
    """Which service a seed runs, and whether with a policy that replaces instances, and a check.

    Every eighth has three of its own.
    """
    if seed % 8 == 4:
        return MANY
    names = sorted(DATABASES if seed % 6 == 5 else SERVICES)
    name = names[(seed // 6 if seed % 6 == 5 else seed) % len(names)]
    return name + (POLICY if seed % 4 == 3 else "") + (CHECK if seed % 5 == 2 else "")


def _spec(service: str, seed: int) -> ServiceSpec:
    spec = {**SERVICES, **SCENARIOS, **DATABASES}[name_of(service)]()
    if POLICY in service:
        spec = with_policy(spec, seed)
    return with_check(spec) if CHECK in service else spec


def name_of(service: str) -> str:
    """Without what is added to it."""
    return service.removesuffix(CHECK).removesuffix(POLICY)


def _do(world: World, fault: Fault) -> None:
    world.log(f"fault {fault}")
    target: World | None = world
    if isinstance(world, ManyWorld) and fault.kind in ORDERS:
        target = world.part(fault.pick // 31)
    if target is not None:
        KINDS[fault.kind](target, fault.pick)


def shrink(outcome: Outcome, budget_seconds: float = 60.0) -> Outcome:
    """The same violation with as few faults and orders as can be found within the time given.

    Delta debugging: parts of the schedule are left out, ever smaller ones; what is left at the end
    is needed, each fault of it, if there was time enough.
    """
    deadline = time.monotonic() + budget_seconds
    best, size = outcome, len(outcome.faults)
    while size and time.monotonic() < deadline:
        size = max(1, size // 2)
        before = best
        best = _without_parts(best, size, deadline)
        if size == 1 and best is before:
            break
    return best


def _without_parts(outcome: Outcome, size: int, deadline: float) -> Outcome:
    """Leave out one part of the schedule after the other, `size` faults each, if it fails still."""
    best, start = outcome, 0
    while start < len(best.faults) and time.monotonic() < deadline:
        rest = best.faults[:start] + best.faults[start + size :]
        tried = run(best.seed, rest, service=best.service)
        if tried.violations and _kind(tried) == _kind(outcome):
            best = tried
        else:
            start += size
    return best


def _kind(outcome: Outcome) -> str:
    return outcome.violations[0].split(":")[0]


def report(outcome: Outcome, lines: int = 60) -> str:
    """How a seed failed, in words, and how to see it again."""
    faults = ",".join(str(fault) for fault in outcome.faults)
    return "\n".join(
        [
            f"seed {outcome.seed} ({outcome.service}) breaks:",
            *(f"  {violation}" for violation in outcome.violations[:5]),
            f"  with {len(outcome.faults)} faults:",
            *(f"    {fault.at:9.2f}  {fault.kind} ({fault.pick})" for fault in outcome.faults),
            f"  again: python -m tests.simulation.run --start {outcome.seed} --seeds 1"
            f" --service '{outcome.service}' --trace --faults '{faults}'",
            f"  the last {min(lines, len(outcome.trace))} lines of the trace, in virtual seconds:",
            *(f"    {line}" for line in outcome.trace[-lines:]),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--service", help="this one instead of the seed's own")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--faults", help="these faults instead of the seed's own")
    parser.add_argument("--trace", action="store_true", help="print the whole trace of a failure")
    parser.add_argument("--minutes", type=float, default=1e6, help="to end after, if not done")
    parser.add_argument("--shrink", type=float, default=30.0, help="seconds to spend on each")
    arguments = parser.parse_args()
    began = time.monotonic()
    if arguments.faults is not None:
        given = [Fault.parse(text) for text in arguments.faults.split(",") if text]
        outcomes = [run(arguments.start, given, service=arguments.service)]
        print("\n".join(outcomes[0].trace))
        arguments.shrink = 0.0
    else:
        outcomes = []
        seeds = range(arguments.start, arguments.start + arguments.seeds)
        with multiprocessing.Pool(arguments.jobs) as pool:
            one = functools.partial(run, service=arguments.service)
            for number, outcome in enumerate(pool.imap_unordered(one, seeds, chunksize=4), 1):
                outcomes.append(outcome)
                if outcome.violations:
                    print(f"seed {outcome.seed}: {outcome.violations[0]}", flush=True)
                if number % 500 == 0:
                    print(f"... {number} seeds, {time.monotonic() - began:.0f} s", flush=True)
                if time.monotonic() - began > arguments.minutes * 60:
                    break
    failed = [outcome for outcome in outcomes if outcome.violations]
    for outcome in sorted(failed, key=lambda o: o.seed)[:5]:
        small = shrink(outcome, arguments.shrink) if arguments.shrink else outcome
        print(report(small, 100_000 if arguments.trace else 60))
    counts = Counter(fault.kind for outcome in outcomes for fault in outcome.faults)
    days = sum(outcome.seconds for outcome in outcomes) / 86_400
    print(f"{len(outcomes)} seeds, {sum(o.steps for o in outcomes)} steps,", end=" ")
    print(f"{days:.1f} virtual days, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    print("faults:", ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())))
    services = Counter(outcome.service for outcome in outcomes)
    print("services:", ", ".join(f"{name} {n}" for name, n in sorted(services.items())))
    kinds = Counter(_kind(outcome) for outcome in failed)
    if kinds:
        print("violations:", ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
