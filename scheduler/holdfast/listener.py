"""What the master tells, on its way to the engine."""

from collections.abc import Callable

import structlog

from holdfast.core import events as ev
from holdfast.ending import EXIT_LEADERSHIP_LOST, EXIT_REFUSED_BY_MASTER, Fatal
from holdfast.mesos.messages import InverseOffer, MasterInfo, Offer, OperationStatus, TaskStatus

log = structlog.get_logger("holdfast")


class Listener:
    """Turns what the master tells into events of the engine."""

    def __init__(
        self,
        post: Callable[[ev.Event], None],
        end: Callable[[Fatal], None],
        deregisters: Callable[[], bool],
    ) -> None:
        """`deregisters` tells whether the framework is being torn down by us."""
        self._post = post
        self._end = end
        self._deregisters = deregisters

    def subscribed(self, framework_id: str, master: MasterInfo) -> None:
        self._post(ev.Subscribed(framework_id, master))

    def disconnected(self, reason: str) -> None:
        self._post(ev.Disconnected(reason))

    def waiting(self, reason: str) -> None:
        log.warning("no subscription yet; trying again", reason=reason)

    def offers(self, offers: tuple[Offer, ...]) -> None:
        self._post(ev.OffersReceived(offers))

    def rescinded(self, offer_id: str) -> None:
        self._post(ev.OfferRescinded(offer_id))

    def inverse_offers(self, offers: tuple[InverseOffer, ...]) -> None:
        self._post(ev.InverseOffersReceived(offers))

    def inverse_rescinded(self, offer_id: str) -> None:
        self._post(ev.InverseOfferRescinded(offer_id))

    def status(self, status: TaskStatus) -> None:
        self._post(ev.StatusReceived(status))

    def operation_status(self, status: OperationStatus) -> None:
        self._post(ev.OperationStatusReceived(status))

    def agent_failed(self, agent_id: str, executor_id: str | None) -> None:
        self._post(ev.AgentFailed(agent_id, executor_id))

    def failed_over(self, message: str) -> None:
        self._end(Fatal(message, EXIT_LEADERSHIP_LOST))

    def removed(self, message: str) -> None:
        if self._deregisters():
            self._post(ev.FrameworkRemoved())
        else:
            self.fatal(message)

    def fatal(self, message: str) -> None:
        self._end(Fatal(message, EXIT_REFUSED_BY_MASTER))
