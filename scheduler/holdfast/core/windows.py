"""Mesos' maintenance: which machines may be serviced when, answered to inverse offers.

An inverse offer is a question (https://mesos.apache.org/documentation/latest/maintenance/): the
operator of the cluster reads the answers and decides. Nothing is moved because of it, since the
data would stay; an instance on an agent that goes down waits for its return.
"""

from dataclasses import replace

from holdfast.core.budget import Down, too_many
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.effects import AcceptInverse, Call, Decision, DeclineInverse, Effect
from holdfast.core.ledger import Ledger
from holdfast.core.upkeep import Answered, Window
from holdfast.mesos.messages import InverseOffer, Offer

ACCEPTED_SECONDS = 60.0
DECLINED_SECONDS = 30.0
"""After that time the master asks again, so that the answer follows the state of the service."""

WITHDRAWN_SECONDS = 600.0
"""A window that has not begun and is not asked about for so long was taken back."""


class Windows:
    """Answers inverse offers. Accepted windows are in the ledger, everything else is asked anew.

    One that is over stays there while something is down on its agent: timers begin at its end.
    """

    def __init__(self, ledger: Ledger, down_of: Down, disruptions: Disruptions) -> None:
        self._ledger = ledger
        self._disruptions = disruptions
        self._down_of = down_of
        self._open: dict[str, InverseOffer] = {}
        self._sent: dict[str, InverseOffer] = {}
        self._asked: dict[str, float] = {}
        self.answers: dict[str, Answered] = {}
        """By agent id."""

    def asked(self, offers: tuple[InverseOffer, ...], now: float) -> None:
        """The master asks; a new question about an agent takes the place of the former one."""
        for offer in offers:
            self._open[offer.agent_id] = offer
            self._asked[offer.agent_id] = now

    def rescinded(self, offer_id: str) -> None:
        """The question is void."""
        self._open = {id_: o for id_, o in self._open.items() if o.id != offer_id}

    def disconnected(self) -> None:
        self._open.clear()
        self._sent.clear()

    def failed(self, call: Call) -> None:
        """The answer may not have arrived: it is given again, unless there is a new question."""
        if isinstance(call, AcceptInverse | DeclineInverse):
            for offer in self._sent.values():
                if offer.id in call.offer_ids:
                    self._open.setdefault(offer.agent_id, offer)

    def seen(self, offers: tuple[Offer, ...], now: float) -> None:
        """An agent that offers without saying that it will be away has no window any more."""
        for offer in offers:
            if offer.unavailability is None:
                self._forget(offer.agent_id, now)

    def going(self, now: float) -> frozenset[str]:
        """The agents that are, or are about to be, taken down with our consent."""
        for window in list(self._ledger.windows.values()):
            asked = self._asked.setdefault(window.agent_id, now)
            if now < window.start and now - asked > WITHDRAWN_SECONDS:
                self._forget(window.agent_id, now)
            elif window.over(now):
                self._end(window, now)
        return frozenset(w.agent_id for w in self._ledger.windows.values() if w.going(now))

    def answer(self, now: float) -> list[Effect]:
        """The answers to all open questions, earlier windows first.

        Those wait that a disruption check is to be asked about.
        """
        effects: list[Effect] = []
        waiting: dict[str, InverseOffer] = {}
        for offer in sorted(
            self._open.values(), key=lambda o: (o.unavailability.start, o.agent_id)
        ):
            answer = self._answer(offer, now)
            if answer is None:
                waiting[offer.agent_id] = offer
            else:
                self._sent[offer.agent_id] = offer
                effects += answer
        self._open = waiting
        return effects

    def _answer(self, offer: InverseOffer, now: float) -> list[Effect] | None:
        when = offer.unavailability
        window = Window(offer.agent_id, when.start, when.end)
        names = self._ledger.index.on_agent(offer.agent_id)
        others = [
            name
            for other in self._ledger.windows.values()
            if other.agent_id != offer.agent_id and not other.over(now) and other.overlaps(window)
            for name in self._ledger.index.on_agent(other.agent_id)
        ]
        broken = too_many(self._ledger.service, self._down_of, names, others)
        refusal = str(broken) if broken else self._checked(offer.agent_id, names, now)
        if refusal is None:
            return None
        known = self._ledger.windows.get(offer.agent_id)
        if not refusal and known != window:
            self._ledger.put_window(window)
        elif refusal and known is not None and now < known.start:  # it may be down by now
            self._ledger.drop_window(offer.agent_id)
        answered = Answered(window, self._hostname(offer.agent_id), refusal)
        before = self.answers.get(offer.agent_id)
        self.answers[offer.agent_id] = answered
        call: Effect
        if not refusal:
            for name in names:
                self._disruptions.done(name)
            call = AcceptInverse((offer.id,), ACCEPTED_SECONDS)
        else:
            call = DeclineInverse((offer.id,), DECLINED_SECONDS)
        if before is not None and (before.window, before.refusal) == (window, refusal):
            return [call]
        return [call, Decision(_words(answered, names, now))]

    def _checked(self, agent_id: str, names: tuple[str, ...], now: float) -> str | None:
        """Why disruption checks do not let the agent go, empty if they do; None before they answer.

        All are asked at once, so that no answer is old when the last one comes.
        """
        why = f"its agent {self._hostname(agent_id)} is to be taken down"
        refusals = {}
        for name in names:
            pod = self._ledger.pods[name]
            live = [task.name for task in pod.tasks if task.live]
            refused = self._disruptions.refusal(
                pod, Action.MAINTENANCE, live, why, now, in_turn=False
            )
            if refused is not None:
                refusals[name] = refused
        for name, refused in refusals.items():
            if refused.until is not None:
                return f"{name}: {refused.text}"
        return None if refusals else ""

    def _hostname(self, agent_id: str) -> str:
        for name in self._ledger.index.on_agent(agent_id):
            held = self._ledger.pods[name].reservation
            if held is not None:
                return held.hostname
        return agent_id

    def _forget(self, agent_id: str, now: float) -> None:
        self.answers.pop(agent_id, None)
        self._asked.pop(agent_id, None)
        window = self._ledger.windows.get(agent_id)
        if window is not None and window.going(now):
            window = replace(window, end=now)
            self._ledger.put_window(window)
        if window is not None:
            self._end(window, now)

    def _end(self, window: Window, now: float) -> None:
        """The window is over; it is forgotten once nothing is down there."""
        answered = self.answers.get(window.agent_id)
        if answered is not None and not answered.refusal and answered.window.over(now):
            del self.answers[window.agent_id]
        names = self._ledger.index.on_agent(window.agent_id)
        if not window.over(now) or all(self._ledger.pods[name].has_live_tasks for name in names):
            self._ledger.drop_window(window.agent_id)
            self._asked.pop(window.agent_id, None)


def _words(answered: Answered, names: tuple[str, ...], now: float) -> str:
    window = answered.window
    minutes = max(0.0, window.start - now) / 60
    when = f"in {minutes:.0f} min" if minutes >= 1 else "now"
    if window.end is not None:
        when += f" for {(window.end - window.start) / 60:.0f} min"
    if answered.refusal:
        return f"agent {answered.hostname} must not be serviced {when}: {answered.refusal}"
    who = ", ".join(sorted(names)) or "nothing"
    return (
        f"agent {answered.hostname} may be serviced {when}: {who} goes down with it, stays there"
        " with its data and starts again when the agent is back"
    )
