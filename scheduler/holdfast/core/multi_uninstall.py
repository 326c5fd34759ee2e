"""The end of a framework of many services: each is uninstalled, then the framework torn down.

The word for it is stored beside the services before anything else is done, and deleted last.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from holdfast.core.effects import Decision, Effect, Teardown, Wipe
from holdfast.core.startup import BadRecord, Record, Stored
from holdfast.core.uninstall import DEREGISTER, TEARDOWN_AGAIN_SECONDS
from holdfast.core.uninstall_record import (
    UNINSTALLING_PATH,
    Uninstalling,
    uninstalling_from_json,
    uninstalling_to_json,
)
from holdfast.plans.derive import DEPLOY
from holdfast.plans.plan import Phase, Plan, Status, Step
from holdfast.service.model import Strategy

MANY = "many"
"""The key that tells the record from that of a single service."""

SERVICES = "uninstall-services"


def uninstalls_many(stored: Stored) -> bool:
    """Whether the records are of a framework of many services that is being ended."""
    return MANY in stored.get(UNINSTALLING_PATH, {})


class FrameworkUninstall:
    """Drives it, once the word was given; `record` is None before."""

    def __init__(self, stored: Stored) -> None:
        """Raises BadRecord."""
        data = stored.get(UNINSTALLING_PATH)
        try:
            self.record = uninstalling_from_json(data) if data is not None else None
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecord(UNINSTALLING_PATH, error) from error
        self._asked = -1e9

    @property
    def deregisters(self) -> bool:
        """Whether the framework is being torn down."""
        return self.record is not None and self.record.deregistering

    @property
    def done(self) -> bool:
        return self.record is not None and self.record.done

    def begin(self, now: float, nothing_stored: bool) -> None:
        """Take the word, for which there is no way back. `now` is seconds since the epoch."""
        if self.record is None:
            self.record = Uninstalling(now, deregistering=nothing_stored, done=nothing_stored)

    def writes(self) -> dict[str, Record | None]:
        """The record as it is to be stored; none once all is wiped."""
        if self.record is None or self.record.done:
            return {}
        return {UNINSTALLING_PATH: {**uninstalling_to_json(self.record), MANY: True}}

    def subscribed(self) -> None:
        """What was sent to the master before may be lost."""
        self._asked = -1e9

    def step(
        self, left: Collection[str], known: bool, subscribed: bool, now: float
    ) -> Iterator[Effect]:
        """One step further. `left` are the services still there; `known` whether Mesos has ever
        known the framework."""
        if self.record is None or self.record.done or left:
            return
        if not known:
            yield from self.removed()
            return
        if not self.record.deregistering:
            self.record = replace(self.record, deregistering=True)
            yield Decision("no service is left; the framework is being deregistered")
        if subscribed and now - self._asked >= TEARDOWN_AGAIN_SECONDS:
            self._asked = now
            yield Teardown()

    def removed(self) -> Iterator[Effect]:
        """The master has no such framework any more: nothing is left but the records."""
        if self.record is None or self.record.done:
            return
        self.record = replace(self.record, deregistering=True, done=True)
        yield Wipe()
        yield Decision("the framework is deregistered and the records are wiped: uninstalled")

    def plan(self, left: Mapping[str, str]) -> Plan | None:
        """How far it is, as the plan that Cosmos waits for. `left` says of each service what it
        waits for, by name."""
        if self.record is None:
            return None
        steps = tuple(
            Step(f"uninstall-{name}", name, (), Status.IN_PROGRESS, text)
            for name, text in sorted(left.items())
        )
        if self.record.done:
            status, text = Status.COMPLETE, "nothing is left"
        elif self.record.deregistering:
            status, text = Status.IN_PROGRESS, "no service is left"
        else:
            status, text = Status.PENDING, "it waits until no service is left"
        last = Step("deregister", "", (), status, text)
        phases = (
            Phase(SERVICES, Strategy.PARALLEL, steps),
            Phase(DEREGISTER, Strategy.SERIAL, (last,)),
        )
        return Plan(DEPLOY, Strategy.SERIAL, phases)
