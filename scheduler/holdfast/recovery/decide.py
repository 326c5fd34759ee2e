"""One decision for each failed pod instance."""

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from holdfast.recovery.failure import Cause, Failure
from holdfast.recovery.history import HOUR, History
from holdfast.service.model import PodSpec


class Choice(StrEnum):
    """What is to become of a failed pod instance."""

    WAIT = "wait in place"
    REPLACE = "replace"
    ASK = "ask the operator"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about a pod instance that failed at `since`, and why.

    It is replaced at `deadline`, if it has not come back by then; seconds since the epoch.
    """

    pod: str
    choice: Choice
    reason: str
    since: float
    deadline: float | None = None
    cause: Cause = Cause.DOWN

    def __str__(self) -> str:
        return f"{self.pod}: {self.choice}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Situation:
    """What decisions depend on besides the policy.

    By pod type, `down` are the instances that do not serve, `replacing` those that take over from
    a predecessor and have not yet. `paused` are instances whose recovery an operator holds up,
    `back` those whose agent has come back without what they hold, under the id given.
    """

    failures: Mapping[str, Failure]
    down: Mapping[str, Collection[str]] = field(default_factory=dict)
    replacing: Mapping[str, Collection[str]] = field(default_factory=dict)
    history: History = field(default_factory=History)
    disaster: str | None = None
    paused: Container[str] = ()
    back: Mapping[str, str] = field(default_factory=dict)


def verdict(name: str, spec: PodSpec, situation: Situation) -> Verdict:
    """What to do about the failed instance `name`; `spec` is its pod as it is asked for now."""
    return replace(_verdict(name, spec, situation), cause=situation.failures[name].cause)


def _verdict(name: str, spec: PodSpec, situation: Situation) -> Verdict:
    failure = situation.failures[name]
    host, since = failure.host, failure.since
    command = f"`holdfast pod replace {name}`"
    if failure.cause is Cause.MARKED_GONE:
        why = f"agent {host} was marked gone in Mesos, and its volumes with it"
        return Verdict(name, Choice.REPLACE, why, since, since)
    if failure.cause is Cause.DRAINED:
        then = "gives its data there up" if spec.volumes else "starts it elsewhere"
        why = (
            f"Mesos drained its agent {host}, and it waits there until that is in service again"
            f" (REACTIVATE_AGENT) or marked gone. {command} {then}"
        )
        return Verdict(name, Choice.WAIT, why, since)
    if failure.cause is Cause.SERVICED:
        why = (
            f"its agent {host} is being serviced {_until(failure.service_ends)}, as Mesos' schedule"
            " says; it waits there for its return"
        )
        return Verdict(name, Choice.WAIT, why, since)
    out_of_sight = failure.cause is Cause.OUT_OF_SIGHT
    state = f"agent {host} cannot be reached" if out_of_sight else f"it does not run on {host}"
    if out_of_sight and name in situation.back:
        state = (
            f"agent {host} is back under another id ({situation.back[name]}) without what it holds"
        )
    policy = spec.replacement
    if policy is None and failure.cause is Cause.DOWN:
        why = f"{state}; it is started again there as soon as that agent offers what it holds"
        return Verdict(name, Choice.WAIT, why, since)
    if policy is None:
        for_what, then = " for its data", "gives its data there up"
        if not spec.volumes:
            for_what, then = "", "starts it elsewhere, as it has no volumes"
        why = (
            f"{state}; there is no replacement-failure-policy, so it waits there{for_what}, for as"
            f" long as it takes. {command} {then}"
        )
        return Verdict(name, Choice.WAIT, why, since)
    if name in situation.paused:
        return Verdict(name, Choice.WAIT, f"{state}; its recovery is paused", since)
    if situation.disaster:
        why = f"{state}; nothing is replaced in a disaster: {situation.disaster}. Bring them back,"
        return Verdict(name, Choice.ASK, f"{why} or {command}", since)
    most = spec.max_unavailable
    others = [other for other in situation.down.get(spec.type, ()) if other != name][:most]
    if len(others) >= most:
        if not all(_has_failed(situation.failures.get(other)) for other in others):
            also = ", ".join(others)
            return Verdict(name, Choice.WAIT, f"{state}; first {also} must serve again", since)
        why = (
            f"{state}, and {', '.join(others)} failed too: more than max-unavailable ({most}) of"
            f" its type. Bring their agents back, or {command}"
        )
        return Verdict(name, Choice.ASK, why, since)
    under_way = sorted(set(situation.replacing.get(spec.type, ())) - {name})
    if under_way:
        why = f"{state}; the replacement of {under_way[0]} is still under way"
        return Verdict(name, Choice.WAIT, why, since)
    deadline, why = since + policy.timeout, f"it has been down for {policy.timeout} s by then"
    if failure.service_ends is not None:
        why = f"{why}, not counting the service of its agent"
    history = situation.history
    earlier = sorted(history.replacements)
    limits = [(deadline, why)]
    if history.ended is not None:
        limits.append((history.ended + policy.delay, "a disaster has just ended"))
    if earlier:
        limits.append((earlier[-1] + policy.delay, "another instance was replaced just before"))
    if len(earlier) >= policy.per_hour:
        limits.append((earlier[-policy.per_hour] + HOUR, f"at most {policy.per_hour} in an hour"))
    deadline, why = max(limits, key=lambda limit: limit[0])
    return Verdict(name, Choice.REPLACE, f"{state}; {why}", since, deadline)


def _has_failed(failure: Failure | None) -> bool:
    """Whether it is for an operator to help; what is being serviced serves again after that."""
    return failure is not None and failure.cause not in (Cause.DRAINED, Cause.SERVICED)


def _until(end: float | None) -> str:
    """For how long an agent is serviced, in words; `end` is that of the accepted window."""
    return "for a while" if end is None else f"until {datetime.fromtimestamp(end, UTC):%F %R} UTC"
