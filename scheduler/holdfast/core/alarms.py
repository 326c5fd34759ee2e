"""Which decisions about failed pod instances an operator must hear of at once."""

from collections.abc import Iterable, Iterator

from holdfast.core.effects import Decision
from holdfast.recovery.decide import Choice, Verdict
from holdfast.recovery.failure import Cause
from holdfast.service.instance_names import type_of
from holdfast.service.model import ServiceSpec

DISASTER = "disaster: "
"""How the decision begins that tells of one."""


def told(
    decisions: Iterable[str], verdicts: Iterable[Verdict], service: ServiceSpec
) -> Iterator[Decision]:
    """The decisions, as warnings where nothing goes on until an operator acts: a disaster, and what
    becomes of instances he is asked about, or that are out of reach without a policy."""
    waiting = {
        str(verdict)
        for verdict in verdicts
        if verdict.choice is Choice.ASK
        or (
            verdict.choice is Choice.WAIT
            and verdict.cause is not Cause.DOWN
            and not service.pod(type_of(verdict.pod)).replacement
        )
    }
    for text in decisions:
        yield Decision(text, warning=text.startswith(DISASTER) or text in waiting)
