"""Instances are restarted before the certificates of their tasks end, where operators want that.

One at a time, within `max-unavailable` and what the disruption check lets happen, and only while
the whole service is deployed and none of the instance's tasks is on its way to anything else.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from holdfast.core.agenda import Agenda
from holdfast.core.budget import too_many
from holdfast.core.commands import Refused, restart_pod
from holdfast.core.confidential import VALIDITY_SECONDS, Signer, Stage
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.effects import Decision, Effect
from holdfast.core.ledger import Ledger
from holdfast.records import Pod

LOOK_SECONDS = 5.0
"""How often it is looked for what is due."""

GAIN_SECONDS = 86400.0
"""A new certificate that ends no later than that after the former is not worth a restart."""

RENEWED = "restarted for a new certificate"


class Renewal:
    """Finds who is due; `before` is how many seconds before the end, None for never."""

    def __init__(
        self, ledger: Ledger, agenda: Agenda, disruptions: Disruptions, before: float | None
    ) -> None:
        self._ledger = ledger
        self._agenda = agenda
        self._disruptions = disruptions
        self._before = before
        self._next = 0.0

    def step(self, now: float) -> Iterator[Effect]:
        """Have one instance restarted, if one is due and may be."""
        ledger, signer = self._ledger, self._agenda.shortage.signer
        if self._before is None or signer is None or now < self._next:
            return
        self._next = now + LOOK_SECONDS
        if ledger.uninstalling is not None or ledger.deployed != ledger.target_id:
            return
        going = self._agenda.going()
        for name, pod in list(ledger.pods.items()):
            why = due(pod, signer, self._before, now)
            if not why or not _steady(pod) or ledger.paused.get(name):
                continue
            if too_many(ledger.service, self._agenda.down_of, (name,), going) is not None:
                continue
            tasks = [task.name for task in pod.tasks]
            if self._disruptions.refusal(pod, Action.RESTART, tasks, RENEWED, now) is not None:
                continue
            try:
                restart_pod(ledger, name, self._agenda.shortage, RENEWED)
            except Refused:
                continue  # a secret is missing: it would not start again
            self._disruptions.done(name)
            yield Decision(f"{name} is restarted on its volumes: {why}")
            return


def due(pod: Pod, signer: Signer, before: float, now: float) -> str:
    """Why the instance needs new certificates, "" if it does not."""
    ends = min(now + VALIDITY_SECONDS, signer.ends)
    for task in pod.tasks:
        held = task.certified
        if held is None or not task.live:
            continue
        if held.signer != signer.id:
            return f"the certificate of {task.name} is of another authority"
        if held.ends - now < before and ends - held.ends > GAIN_SECONDS:
            day = datetime.fromtimestamp(held.ends, UTC)
            return f"the certificate of {task.name} ends on {day:%Y-%m-%d}"
    return ""


def outdated(ledger: Ledger, signer: Signer) -> list[str]:
    """The instances with a certificate of another authority than the one that signs now."""
    return [
        name
        for name, pod in ledger.pods.items()
        if any(t.certified and t.certified.signer != signer.id and not t.dead for t in pod.tasks)
    ]


def rotate(ledger: Ledger, signer: Signer | None, force: bool) -> str:
    """What the operator is told of the next step on the way to another authority. Raises Refused.

    Before it, every certificate has to be of the step before: or else tasks would not trust others.
    """
    if signer is None:
        raise Refused(409, "no task here has a certificate; nothing was changed")
    if signer.stage is None:
        raise Refused(
            409,
            "the authority is one you gave (--tls-ca-certificate): change the file, and start the"
            " scheduler again. Nothing was changed",
        )
    late = outdated(ledger, signer)
    if late and not force:
        raise Refused(
            409,
            f"{', '.join(late)} {'has a certificate' if len(late) == 1 else 'have certificates'} of"
            " before the last step, and would not be trusted, or trust others, after the next."
            " Nothing was changed. Restart what is named first, one after the other",
        )
    return _STEPS[signer.stage]


_STEPS = {
    Stage.ALONE: "step 1 of 3: there is a new authority, which tasks trust from their next launch"
    " on; the old one still signs. Restart all instances with certificates, then rotate again",
    Stage.COMING: "step 2 of 3: the new authority signs; the old one is still trusted. Restart all"
    " instances with certificates, then rotate again",
    Stage.FORMER: "step 3 of 3: the old authority is gone. Tasks forget it with their next launch",
}


def _steady(pod: Pod) -> bool:
    """Each task runs or has reached its goal, and nobody is ending one."""
    return all(task.running or (task.dead and task.reached) for task in pod.tasks)
