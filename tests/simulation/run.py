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

from tests.simulation.faults import KINDS, Fault, plan
from tests.simulation.services import DATABASES, SCENARIOS, SERVICES, with_check, with_policy
from tests.simulation.world import World, quiet


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
    """One seed from start to quiescence; with its own faults unless some are given.

    What is broken is mended `patience` virtual seconds after the last fault, if not before.
    """
    wait = (5.0, 5.0, 60.0, 300.0)[seed // 7 % 4] if patience is None else patience
    with_a_policy = service is None and seed % 4 == 3
    with_a_check = service is None and seed % 5 == 2
    service = service or _service(seed)
    chosen = tuple(plan(seed) if faults is None else faults)
    with quiet():
        spec = {**SERVICES, **SCENARIOS, **DATABASES}[service]()
        spec = with_policy(spec, seed) if with_a_policy else spec
        world = World(seed, with_check(spec) if with_a_check else spec)
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


def _service(seed: int) -> str:
    """Which service a seed runs."""
    names = sorted(DATABASES if seed % 6 == 5 else SERVICES)
    return names[(seed // 6 if seed % 6 == 5 else seed) % len(names)]


def _do(world: World, fault: Fault) -> None:
    world.log(f"fault {fault}")
    KINDS[fault.kind](world, fault.pick)


def shrink(outcome: Outcome, budget_seconds: float = 60.0) -> Outcome:
    """The same violation with as few faults as can be found within the time given."""
    deadline = time.monotonic() + budget_seconds
    kind = _kind(outcome)
    best = outcome
    size = max(1, len(best.faults) // 2)
    while size >= 1 and time.monotonic() < deadline:
        start, smaller = 0, False
        while start < len(best.faults) and time.monotonic() < deadline:
            rest = best.faults[:start] + best.faults[start + size :]
            tried = run(best.seed, rest, service=best.service)
            if tried.violations and _kind(tried) == kind:
                best, smaller = tried, True
            else:
                start += size
        if size == 1 and not smaller:
            break
        size = max(1, size // 2) if not smaller or size > 1 else 1
    return best


def _kind(outcome: Outcome) -> str:
    return outcome.violations[0].split(":")[0]


def report(outcome: Outcome, lines: int = 60) -> str:
    """How a seed failed, in words, and how to see it again."""
    faults = ",".join(str(fault) for fault in outcome.faults)
    return "\n".join(
        [
            f"seed {outcome.seed} ({outcome.service}), {len(outcome.faults)} faults:",
            *(f"  {violation}" for violation in outcome.violations[:5]),
            f"  again: python -m tests.simulation.run --start {outcome.seed} --seeds 1"
            f" --service '{outcome.service}' --trace --faults '{faults}'",
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
    failed = [outcome for outcome in outcomes if outcome.violations]
    for outcome in sorted(failed, key=lambda o: o.seed)[:5]:
        small = shrink(outcome, arguments.shrink) if arguments.shrink else outcome
        print(report(small, 100_000 if arguments.trace else 60))
    counts = Counter(fault.kind for outcome in outcomes for fault in outcome.faults)
    print(f"{len(outcomes)} seeds, {sum(o.steps for o in outcomes)} steps,", end=" ")
    print(f"{len(failed)} failed, {time.monotonic() - began:.0f} s")
    print("faults:", ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items())))
    kinds = Counter(_kind(outcome) for outcome in failed)
    if kinds:
        print("violations:", ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
