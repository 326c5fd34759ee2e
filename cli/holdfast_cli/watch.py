"""`--watch`: a plan as it goes on, live on a terminal and as lines elsewhere."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import click

from holdfast_cli import output
from holdfast_cli.errors import Failure, NotFound, TimedOut, Trouble, Unreachable
from holdfast_cli.watched import Plan, Watched

if TYPE_CHECKING:
    from rich.console import RenderableType

EVERY_SECONDS = 1.0
VANISHES = "decommission"
"""The plan that is gone once it is complete."""


def steps_of(plan: Plan) -> dict[tuple[str, str], str]:
    """Status by the names of phase and step."""
    return {
        (phase["name"], step["name"]): step["status"]
        for phase in plan["phases"]
        for step in phase["steps"]
    }


def finished(plan: Plan) -> tuple[int, int]:
    """How many steps are complete, and how many there are."""
    statuses = steps_of(plan).values()
    return sum(status == "COMPLETE" for status in statuses), len(statuses)


def remaining(seconds: float, done_before: int, done: int, all_steps: int) -> float | None:
    """Seconds the rest takes at the pace since `done_before`; None when nothing got done yet."""
    if done <= done_before:
        return None
    return seconds / (done - done_before) * (all_steps - done)


def changes(before: Plan, after: Plan) -> Iterator[str]:
    """A line for each step whose status is another one, and for the plan's own."""
    was = steps_of(before)
    for (phase, step), status in steps_of(after).items():
        if was.get((phase, step)) != status:
            yield f"{phase} {step} {status}"
    if before["status"] != after["status"]:
        yield _told(after)


def _told(plan: Plan) -> str:
    done, of = finished(plan)
    return f"{plan['status']}, {done} of {of} steps complete"


@dataclass(slots=True)
class Lines:
    """For what is no terminal: a line for each change, with the time."""

    name: str
    last: Plan | None = None
    note: str = ""

    def update(self, plan: Plan, note: str, _seconds: float) -> None:
        if self.last is None:
            self._print(f"{self.name} {_told(plan)}")
        else:
            for line in changes(self.last, plan):
                self._print(f"{self.name} {line}")
        if note and note != self.note:
            self._print(note)
        self.last, self.note = plan, note

    def _print(self, text: str) -> None:
        click.echo(f"{datetime.now():%H:%M:%S} {text}")
        sys.stdout.flush()


@dataclass(slots=True)
class Documents:
    """For programs: the plan as a line of JSON, each time it changes."""

    last: Plan | None = None

    def update(self, plan: Plan, _note: str, _seconds: float) -> None:
        if plan != self.last:
            click.echo(json.dumps(plan, ensure_ascii=False))
            sys.stdout.flush()
        self.last = plan


@dataclass(slots=True)
class Live:
    """For a terminal: the plan, drawn anew in its place, with a bar and the time it may take."""

    draw: Callable[[Plan], "RenderableType"]
    screen: Any
    done_before: int | None = None
    since: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)

    def update(self, plan: Plan, note: str, seconds: float) -> None:
        from rich.console import Group
        from rich.text import Text

        done, of = finished(plan)
        if self.done_before is None:
            self.done_before = done
        parts = [self.draw(self._timed(plan, seconds)), self._bar(done, of, seconds)]
        if note:
            parts.append(Text(note, "yellow"))
        self.screen.update(Group(*parts), refresh=True)

    def _bar(self, done: int, of: int, seconds: float) -> "RenderableType":
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        assert self.done_before is not None
        left = remaining(seconds, self.done_before, done, of)
        told = f"{done} of {of} steps, {output.age(seconds)}"
        if left:
            told += f", about {output.age(left)} to go"
        line = Table.grid(padding=(0, 1))
        line.add_row(ProgressBar(total=max(of, 1), completed=done, width=30), told)
        return line

    def _timed(self, plan: Plan, seconds: float) -> Plan:
        """The plan, with how long each step that is under way has been in its status."""

        def timed(phase: str, step: Mapping[str, Any]) -> Mapping[str, Any]:
            key, status = (phase, step["name"]), step["status"]
            if self.since.get(key, ("",))[0] != status:
                self.since[key] = (status, seconds)
            if status in ("COMPLETE", "PENDING"):
                return step
            for_ = f"for {output.age(seconds - self.since[key][1])}"
            return {**step, "message": ", ".join(filter(None, (step["message"], for_)))}

        return {
            **plan,
            "phases": [
                {**phase, "steps": [timed(phase["name"], step) for step in phase["steps"]]}
                for phase in plan["phases"]
            ],
        }


def watch(
    watched: Watched,
    draw: Callable[[Plan], "RenderableType"],
    timeout: float | None,
    as_json: bool,
) -> None:
    """Show what is watched until it is complete. A scheduler that is away is waited for.

    `timeout` is in seconds. Raises Trouble when the plan has errors, TimedOut, and what the
    first `read` raises.
    """
    name = watched.name
    plan = watched.read()
    begun = monotonic()
    trouble: str | None = None
    with _screen(draw, name, as_json) as shown:
        while True:
            seconds = monotonic() - begun
            shown.update(plan, trouble or "\n".join(watched.hints(plan)), seconds)
            if not trouble and _over(name, plan):
                return
            if timeout is not None and seconds >= timeout:
                raise TimedOut(
                    f"{name} is not complete after {timeout:g} s: {_told(plan)}. It goes on; see"
                    f" {watched.look}."
                )
            left = EVERY_SECONDS if timeout is None else timeout - seconds
            sleep(min(EVERY_SECONDS, left))
            try:
                plan, trouble = watched.read(), None
            except NotFound:
                if name != VANISHES:
                    raise
                return
            except (Unreachable, Trouble) as failure:
                trouble = _away(failure)


def _over(name: str, plan: Plan) -> bool:
    if plan["errors"]:
        raise Trouble(
            f"{name} has errors: {'; '.join(plan['errors'])}. What was in force stays in force."
        )
    return bool(plan["status"] == "COMPLETE")


def _away(failure: Failure) -> str:
    return f"{failure.message} Asking on."


@contextmanager
def _screen(
    draw: Callable[[Plan], "RenderableType"], name: str, as_json: bool
) -> Iterator[Lines | Documents | Live]:
    console = output.console()
    if as_json:
        yield Documents()
    elif not console.is_terminal:
        yield Lines(name)
    else:
        from rich.live import Live as Screen

        with Screen(console=console, auto_refresh=False) as screen:
            yield Live(draw, screen)
