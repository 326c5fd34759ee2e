"""What is known of what agents can do, and whom to ask: each agent once, when it first matters."""

from dataclasses import dataclass

from holdfast.core.effects import InspectAgent
from holdfast.core.events import AgentInspected
from holdfast.mesos.messages import AgentFeatures
from holdfast.placement.constraints import Refusal
from holdfast.placement.features import RULE, cannot, needs
from holdfast.placement.pool import AgentPool
from holdfast.service.model import PodSpec

AGAIN_SECONDS = 60.0
"""An agent that did not answer, or could not do what was needed, is asked again after that time:
an agent may come back with other settings under its former id."""

PATIENCE_SECONDS = 60.0
"""An answer that has not come after so long is not waited for any more."""

MOST_AGENTS = 10_000
"""What is known of so many agents is kept; the one that was asked first is forgotten first."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an agent told at `at`, or why it is not known; both empty while it is being asked."""

    at: float
    features: AgentFeatures | None = None
    reason: str = ""


class Inspections:
    """Remembers the answers of agents by their ids. Nothing of it is stored."""

    def __init__(self) -> None:
        self.answers = 0
        self._known: dict[str, Known] = {}
        self._to_ask: list[InspectAgent] = []

    def refusal(self, pod: PodSpec, pool: AgentPool, now: float) -> Refusal | None:
        """Why the pod cannot run on the agent, as far as is known; None when it can.

        An agent that nothing is known of is refused for the moment, and will be asked.
        """
        wanted = needs(pod)
        if not wanted:
            return None
        known = self._known.get(pool.agent_id)
        if known is None:
            return self._ask(pool, now)
        if known.features is None:
            if not known.reason:
                patient = now - known.at <= PATIENCE_SECONDS
                return _ASKING if patient else self._ask(pool, now)
            if now - known.at > AGAIN_SECONDS:
                self._ask(pool, now)
            return Refusal(RULE, f"what it can do is not known: {known.reason}")
        lacking = cannot(wanted, known.features)
        if lacking and now - known.at > AGAIN_SECONDS:
            self._ask(pool, now)
        return lacking

    def answered(self, event: AgentInspected, now: float) -> None:
        """Take the answer of an agent that was asked."""
        if event.agent_id in self._known:
            self.answers += 1
            self._known[event.agent_id] = Known(now, event.features, event.reason)

    def forget(self, agent_id: str) -> None:
        """The agent is gone; if it comes back it may have other settings."""
        self._known.pop(agent_id, None)

    def take_questions(self) -> list[InspectAgent]:
        """Whom to ask now."""
        questions, self._to_ask = self._to_ask, []
        return questions

    def _ask(self, pool: AgentPool, now: float) -> Refusal:
        while len(self._known) >= MOST_AGENTS:
            del self._known[next(iter(self._known))]
        self._known[pool.agent_id] = Known(now)
        self._to_ask.append(InspectAgent(pool.agent_id, pool.agent_url))
        return _ASKING


_ASKING = Refusal(RULE, "is being asked what it can do")
