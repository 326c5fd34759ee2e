"""What was sent to the master, counted under the names of dcos-commons (its Metrics)."""

from collections.abc import Iterable, Iterator

from holdfast.core.effects import Accept, Decline, Effect

SHORT_SECONDS = 60.0
"""A decline for longer says that nothing is wanted; a shorter one, that something else is."""


def tally(effects: Iterable[Effect]) -> Iterator[tuple[str, int]]:
    """Names of counters, and what to add to each."""
    for effect in effects:
        match effect:
            case Accept(_, operations, _):
                for operation in operations:
                    yield f"operation.{operation['type'].lower()}", 1
            case Decline(offer_ids, refuse_seconds):
                length = "short" if refuse_seconds <= SHORT_SECONDS else "long"
                yield f"declines.{length}", len(offer_ids)
            case _:
                pass
