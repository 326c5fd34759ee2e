"""A listener that keeps what it is told."""

import time
from collections.abc import Callable
from typing import Any

from holdfast.mesos.messages import InverseOffer, MasterInfo, Offer, OperationStatus, TaskStatus


def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        time.sleep(0.005)


class Recorder:
    """A listener that keeps what it is told, as (what, details) pairs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.times: list[float] = []

    def of(self, kind: str) -> list[Any]:
        return [details for what, details in list(self.told) if what == kind]

    def _note(self, what: str, details: Any) -> None:
        self.told.append((what, details))
        self.times.append(time.monotonic())

    def subscribed(self, framework_id: str, master: MasterInfo) -> None:
        self._note("subscribed", (framework_id, master))

    def disconnected(self, reason: str) -> None:
        self._note("disconnected", reason)

    def waiting(self, reason: str) -> None:
        self._note("waiting", reason)

    def offers(self, offers: tuple[Offer, ...]) -> None:
        self._note("offers", offers)

    def rescinded(self, offer_id: str) -> None:
        self._note("rescinded", offer_id)

    def inverse_offers(self, offers: tuple[InverseOffer, ...]) -> None:
        self._note("inverse_offers", offers)

    def inverse_rescinded(self, offer_id: str) -> None:
        self._note("inverse_rescinded", offer_id)

    def status(self, status: TaskStatus) -> None:
        self._note("status", status)

    def operation_status(self, status: OperationStatus) -> None:
        self._note("operation_status", status)

    def agent_failed(self, agent_id: str, executor_id: str | None) -> None:
        self._note("agent_failed", (agent_id, executor_id))

    def failed_over(self, message: str) -> None:
        self._note("failed_over", message)

    def removed(self, message: str) -> None:
        self._note("removed", message)

    def fatal(self, message: str) -> None:
        self._note("fatal", message)
