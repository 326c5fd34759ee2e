"""One answer of many services to a question that Mesos asks their framework: the inverse offer.

An agent may be serviced when all of them say so, and the first who says no decides: the master
takes one answer, the first, and forgets the question.
"""

from collections.abc import Collection, Iterable, Iterator

from holdfast.core.effects import AcceptInverse, DeclineInverse


class Votes:
    """Who has yet to answer which question."""

    def __init__(self) -> None:
        self._open: dict[str, set[str]] = {}

    def ask(self, offer_ids: Iterable[str], services: Collection[str]) -> None:
        """These services are asked, perhaps once more."""
        self._open.update((offer_id, set(services)) for offer_id in offer_ids)

    def void(self, offer_id: str) -> None:
        """The question was taken back."""
        self._open.pop(offer_id, None)

    def clear(self) -> None:
        """All questions of the former subscription are void."""
        self._open.clear()

    def answer(
        self, service: str, answer: AcceptInverse | DeclineInverse, services: Collection[str]
    ) -> Iterator[AcceptInverse | DeclineInverse]:
        """What the master is told now that a service has answered; `services` are those there are.

        Nothing while others have yet to answer, or when the question is settled.
        """
        for offer_id in answer.offer_ids:
            open_ = self._open.get(offer_id)
            if open_ is None:
                continue
            open_.discard(service)
            if isinstance(answer, DeclineInverse) or not open_ & set(services):
                del self._open[offer_id]
                yield type(answer)((offer_id,), answer.refuse_seconds)
