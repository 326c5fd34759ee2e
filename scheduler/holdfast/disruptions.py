"""Asks disruption checks: their URLs, or their commands."""

from collections.abc import Callable

import structlog

from holdfast.asking import Asker
from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered
from holdfast.disruption_command import said_by_command
from holdfast.disruption_url import said_by_url

log = structlog.get_logger("holdfast.disruptions")


class DisruptionAsker(Asker[AskDisruption, DisruptionAnswered]):
    """Asks disruption checks. After `stop` the commands that run are killed."""

    def __init__(self, post: Callable[[DisruptionAnswered], None]) -> None:
        super().__init__(post, "disruption")

    def answer(self, question: AskDisruption) -> DisruptionAnswered:
        if question.check.command:
            answer = said_by_command(question, self.stopped)
        else:
            answer = said_by_url(question)
        if not answer.allowed:
            pod = question.question["pod"]
            log.warning("a disruption check does not say yes", pod=pod, why=answer.reason)
        return answer

    def failed(self, question: AskDisruption, reason: str) -> DisruptionAnswered:
        return DisruptionAnswered(question.id, question.service, False, reason)
