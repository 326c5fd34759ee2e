"""Whether agents have the room by which running instances are to grow, before they are stopped.

What is heard of an agent comes with its offers, and is no promise: others may take the room until
the instance has stopped. Nothing of it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.ledger import Ledger
from holdfast.core.outcome import Reason
from holdfast.placement.constraints import Refusal
from holdfast.placement.free import Free
from holdfast.placement.owner import ExecutorShare, role_for
from holdfast.placement.pool import AgentPool, PoolKey
from holdfast.placement.room import lacking
from holdfast.records import Pod
from holdfast.service.model import PodSpec

VALID_SECONDS = 15.0
"""For so long room that was offered is taken to be there."""

AGAIN_SECONDS = 300.0
"""An instance that was stopped, and found the room gone, is let run for so long."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the agent lacked at that time for the instance to be as in `spec`; None for nothing."""

    at: float
    spec: PodSpec
    lacks: Refusal | None


class Rooms:
    """Remembers who waits for room, and what the offers of its agent said."""

    def __init__(self, ledger: Ledger, executor: ExecutorShare) -> None:
        self._ledger = ledger
        self._executor = executor
        self._waiting: dict[str, PodSpec] = {}
        self._heard: dict[str, _Heard] = {}
        self._fell_back: dict[str, float] = {}
        self._look_at: list[str] = []

    def grows(self, pod: Pod, spec: PodSpec) -> bool:
        """Whether the instance needs more to be as in `spec` than it holds."""
        held = pod.reservation
        return held is not None and lacking(self._executor, spec, held, Free()) is not None

    def refusal(self, pod: Pod, spec: PodSpec, now: float) -> Reason | None:
        """Why the instance must run on as it is; None when it does not grow, or has the room.

        From then on its agent's offers are looked at, until `forget`.
        """
        if pod.reservation is None or not self.grows(pod, spec):
            return None
        host = pod.reservation.hostname
        fell_back = self._fell_back.get(pod.name)
        if fell_back is not None and now < fell_back + AGAIN_SECONDS:
            return Reason(
                f"it is to grow, but agent {host} had no room left for that once it was stopped; it"
                " runs as it was until that is tried again",
                fell_back + AGAIN_SECONDS,
            )
        heard = self._heard.get(pod.name)
        if heard is not None and heard.spec != spec:
            heard = None
        if heard is not None and heard.lacks is None and now - heard.at <= VALID_SECONDS:
            return None
        self._waiting[pod.name] = spec
        lacks = f"lacks room ({heard.lacks})" if heard and heard.lacks else "has not offered room"
        return Reason(f"it is to grow, and runs on as it is while agent {host} {lacks}")

    def forget(self, name: str) -> None:
        """It does not wait for room, as far as is known before it is looked at."""
        self._waiting.pop(name, None)

    def offered(self, by_key: Mapping[PoolKey, AgentPool], now: float) -> dict[str, Refusal | None]:
        """Take in what is left of the offers; what the agents lack that have something on offer."""
        frees: dict[tuple[PoolKey, str], Free] = {}
        told: dict[str, Refusal | None] = {}
        for name, spec in self._waiting.items():
            pod = self._ledger.pods.get(name)
            held = pod.reservation if pod is not None else None
            if held is None:
                continue
            key = PoolKey(held.agent_id, role_for(self._ledger.service, held.pre_reserved_role))
            if key not in by_key:
                continue
            role = held.pre_reserved_role
            free = frees.setdefault((key, role), by_key[key].free(role))
            heard = _Heard(now, spec, lacking(self._executor, spec, held, free))
            before = self._heard.get(name)
            self._heard[name] = heard
            told[name] = heard.lacks
            if heard.lacks is None or before is None or before.lacks != heard.lacks:
                self._look_at.append(name)
        return told

    def fell_back(self, name: str, now: float) -> None:
        """It was stopped in order to grow, found no room, and runs as it was."""
        self._fell_back[name] = now
        self._heard.pop(name, None)
        self._look_at.append(name)

    def due(self, now: float) -> list[str]:
        """The instances to look at again."""
        names, self._look_at = self._look_at, []
        for name in [n for n, at in self._fell_back.items() if at + AGAIN_SECONDS <= now]:
            del self._fell_back[name]
            names.append(name)
        return names

    def needs(self) -> set[str]:
        """For whom offers are wanted; one key for each."""
        return {f"room for {name} as of {self._ledger.target_id}" for name in self._waiting}
