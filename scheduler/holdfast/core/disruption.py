"""Whether somebody outside lets an instance be stopped: `disruption-check` of svc.yml.

Before anything of an instance is stopped on purpose its check is asked about exactly that, and
only a yes lets it happen. Nothing of this is stored: a new scheduler asks again.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from string import Template

from holdfast.core.addresses import values
from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.core.ledger import Ledger
from holdfast.core.outcome import Reason
from holdfast.records import Pod
from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.disruption_section import POD_INSTANCE
from holdfast.service.instance_names import type_of
from holdfast.service.task_env import Domains

VALID_SECONDS = 30.0
"""For so long after it was asked for a yes counts: what it was said of may change."""

AGAIN_SECONDS = 5.0
MOST_SECONDS = 60.0
"""After a no it is asked again: after the first of these, then twice that, up to the last."""

PATIENCE_SECONDS = 60.0
"""An answer that has not come after so long is not waited for any more."""

FORGET_SECONDS = 600.0
"""What nobody has wanted to do for so long is forgotten."""

MANY = 100
"""Questions: what is known is looked through for old ones once there are more."""


class Action(StrEnum):
    """What is to become of the instance whose tasks are stopped."""

    RESTART = "restart"
    PAUSE = "pause"
    REPLACE = "replace"
    DECOMMISSION = "decommission"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Disruption:
    """What is to be done, to which tasks of which instance, and why; an answer is for it all."""

    pod: str
    action: Action
    tasks: tuple[str, ...]
    reason: str

    @property
    def pod_type(self) -> str:
        return type_of(self.pod)


@dataclass(slots=True)
class _Asked:
    """How it stands with one question: `open` while its answer has not come.

    `at` is when it was asked, `again` when it is to be asked again after so many `refusals`.
    """

    at: float
    open: bool = False
    allowed: bool = False
    again: float = 0.0
    refusals: int = 0
    why: str = ""
    wanted: float = 0.0


@dataclass(slots=True)
class _Turn:
    """Of one pod type: who waits to be asked about, and whether an answer came in this step."""

    waiting: dict[str, None] = field(default_factory=dict)
    answered: bool = False


class Disruptions:
    """Asks, and remembers the answers for a short time."""

    def __init__(self, ledger: Ledger, domains: Domains, new_id: Callable[[], str]) -> None:
        self._ledger = ledger
        self._domains = domains
        self._new_id = new_id
        self._known: dict[Disruption, _Asked] = {}
        self._open: dict[str, Disruption] = {}
        self._turns: dict[str, _Turn] = {}
        self._alarms: list[tuple[float, str]] = []
        self._look_at: list[str] = []
        self._questions: list[AskDisruption] = []
        self._decisions: list[str] = []

    def refusal(
        self,
        pod: Pod,
        action: Action,
        tasks: Iterable[str],
        reason: str,
        now: float,
        in_turn: bool = True,
    ) -> Reason | None:
        """Why these tasks must not be stopped now; None when they may, or nobody is to be asked.

        Whoever is told so does it at once, and calls `done`. A reason with a time is a no, one
        without means that the answer is awaited. Of each pod type one question is open at a time,
        except for those that do not wait for their turn.
        """
        check = self._check(pod)
        wanted = Disruption(pod.name, action, tuple(tasks), reason)
        if check is None or not wanted.tasks:
            return None
        known = self._known.get(wanted)
        if known is not None:
            known.wanted = now
            if known.open and now - known.at > PATIENCE_SECONDS:
                self._refused(wanted, known, "it has not answered", now)
            if known.open:
                return Reason("its disruption check is being asked")
            if known.allowed and now - known.at <= VALID_SECONDS:
                return None
            if not known.allowed and now < known.again:
                return Reason(
                    f"its disruption check does not let it be stopped: {known.why}; it is asked"
                    " again",
                    known.again,
                )
        other = self._asking(wanted.pod_type, now)
        if in_turn and other is not None:
            self._turns.setdefault(wanted.pod_type, _Turn()).waiting[pod.name] = None
            return Reason(f"its disruption check is asked about {other.pod} first")
        return self._ask(check, wanted, now)

    def done(self, name: str) -> None:
        """The instance is being stopped: what was said of its type before that is void."""
        pod_type = type_of(name)
        for known in [each for each in self._known if each.pod_type == pod_type]:
            state = self._known[known]
            if state.open or state.allowed or known.pod == name:
                self._drop(known)
                self._look_at.append(known.pod)

    def forget(self, name: str, action: Action, reason: str) -> str:
        """Let the next one of that kind be asked about at once; why the last one was refused."""
        why = ""
        wanted = (name, action, reason)
        for known in [k for k in self._known if (k.pod, k.action, k.reason) == wanted]:
            why = self._known[known].why or why
            self._drop(known)
        return why

    def answered(self, event: DisruptionAnswered, now: float) -> None:
        """Take an answer; one to a question that is void changes nothing."""
        wanted = self._open.pop(event.id, None)
        known = self._known.get(wanted) if wanted is not None else None
        if wanted is None or known is None or not known.open:
            return
        self._turns.setdefault(wanted.pod_type, _Turn()).answered = True
        self._look_at.append(wanted.pod)
        if event.allowed:
            known.open, known.allowed, known.refusals, known.why = False, True, 0, ""
        else:
            self._refused(wanted, known, event.reason, now)

    def due(self, now: float) -> list[str]:
        """The instances to look at: they have an answer, ask again, or it is their turn."""
        names, self._look_at = self._look_at, []
        while self._alarms and self._alarms[0][0] <= now:
            names.append(heapq.heappop(self._alarms)[1])
        for pod_type, turn in list(self._turns.items()):
            if turn.answered:  # what it lets happen comes first
                turn.answered = False
            elif turn.waiting and self._asking(pod_type, now) is None:
                first = next(iter(turn.waiting))
                del turn.waiting[first]
                names.append(first)
            if not turn.waiting:
                del self._turns[pod_type]
        if len(self._known) > MANY:
            for old in [k for k, v in self._known.items() if now - v.wanted > FORGET_SECONDS]:
                self._drop(old)
        return names

    def take_questions(self) -> list[AskDisruption]:
        """Whom to ask what now."""
        questions, self._questions = self._questions, []
        return questions

    def take_decisions(self) -> list[str]:
        """What was answered since the last call, in words; a no that is repeated only once."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def _check(self, pod: Pod) -> DisruptionCheck | None:
        """That of the type as it is asked for; if nobody asks for it now, as it was launched."""
        for spec in self._ledger.service.pods:
            if spec.type == pod.type:
                return spec.disruption_check
        return self._ledger.spec_of(pod).disruption_check if pod.tasks else None

    def _asking(self, pod_type: str, now: float) -> Disruption | None:
        """What of the type is being asked about."""
        for wanted in self._open.values():
            if wanted.pod_type == pod_type and now - self._known[wanted].at <= PATIENCE_SECONDS:
                return wanted
        return None

    def _drop(self, wanted: Disruption) -> None:
        self._close(wanted)
        del self._known[wanted]

    def _close(self, wanted: Disruption) -> None:
        """The answer, should it still come, is not waited for."""
        self._open = {id_: other for id_, other in self._open.items() if other != wanted}

    def _ask(self, check: DisruptionCheck, wanted: Disruption, now: float) -> Reason:
        known = self._known.setdefault(wanted, _Asked(now))
        known.at = known.wanted = now
        known.allowed = False
        facts = values(self._ledger.service, self._ledger.pods, self._domains)
        facts[POD_INSTANCE] = wanted.pod
        template = Template(check.url)
        lacking = sorted(set(template.get_identifiers()) - facts.keys())
        if lacking:
            self._refused(wanted, known, f"{', '.join(lacking)} in its URL is not known yet", now)
            return Reason(f"its disruption check cannot be asked: {known.why}", known.again)
        known.open = True
        id_ = self._new_id()
        self._open[id_] = wanted
        heapq.heappush(self._alarms, (now + PATIENCE_SECONDS + 1.0, wanted.pod))
        service = self._ledger.service.name
        question = {
            "service": service,
            "pod": wanted.pod,
            "tasks": list(wanted.tasks),
            "action": str(wanted.action),
            "reason": wanted.reason,
        }
        facts |= {
            "DISRUPTION_ACTION": str(wanted.action),
            "DISRUPTION_REASON": wanted.reason,
            "DISRUPTION_TASKS": ",".join(wanted.tasks),
        }
        asked = replace(check, url=template.substitute(facts))
        self._questions.append(AskDisruption(id_, service, asked, question, facts))
        return Reason("its disruption check is being asked")

    def _refused(self, wanted: Disruption, known: _Asked, why: str, now: float) -> None:
        if why != known.why:
            self._decisions.append(
                f"{wanted.pod}: its disruption check does not let {', '.join(wanted.tasks)} be"
                f" stopped ({wanted.reason}): {why}"
            )
        wait = min(MOST_SECONDS, AGAIN_SECONDS * 2.0 ** min(known.refusals, 10))
        self._close(wanted)
        known.open, known.allowed, known.why = False, False, why
        known.again, known.refusals = now + wait, known.refusals + 1
        heapq.heappush(self._alarms, (known.again, wanted.pod))
