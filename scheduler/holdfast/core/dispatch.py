"""Operators' commands carried out, each with its answer."""

from collections.abc import Callable, Iterable, Sequence

from holdfast.core.agenda import Agenda
from holdfast.core.budget import too_many
from holdfast.core.commands import (
    FORCE,
    Refused,
    destroy_volume,
    forget_retired,
    refuse_known,
    replace_pod,
    restart_pod,
)
from holdfast.core.disruption import Action, Disruptions
from holdfast.core.effects import Decision, Effect, Journalled, Reply, RotateAuthority
from holdfast.core.events import Command, Verb
from holdfast.core.failures import Failures
from holdfast.core.ledger import Ledger
from holdfast.core.leftovers import Leftovers
from holdfast.core.maintenance import end_maintenance, start_maintenance
from holdfast.core.pause import INSIST, carry_out, ordered_change, stopped_by
from holdfast.core.plan_commands import order
from holdfast.core.recover import recover
from holdfast.core.renewal import rotate
from holdfast.core.state_commands import confirm_records, store_file
from holdfast.core.uninstall import Uninstall
from holdfast.plans.derive import RECOVERY, all_plans
from holdfast.recovery.proposal import proposal
from holdfast.service.instance_names import type_of

BY_ORDER = "ordered by an operator"

ACTIONS = {Verb.POD_RESTART: Action.RESTART, Verb.POD_REPLACE: Action.REPLACE}


class _Deferred(Exception):
    """Somebody is being asked first."""


class Dispatch:
    """Turns commands into records, and keeps those that wait for a disruption check."""

    def __init__(
        self,
        ledger: Ledger,
        agenda: Agenda,
        failures: Failures,
        disruptions: Disruptions,
        leftovers: Leftovers,
        uninstall: Uninstall,
        new_id: Callable[[], str],
        kill: Callable[[str, str | None, float], bool],
        sweep: Callable[[float], None],
        errors: tuple[str, ...],
    ) -> None:
        """`kill` has a task killed, `sweep` looks for what is left behind; both at a time."""
        self._ledger = ledger
        self._agenda = agenda
        self._failures = failures
        self._disruptions = disruptions
        self._leftovers = leftovers
        self._uninstall = uninstall
        self._new_id = new_id
        self._kill = kill
        self._sweep = sweep
        self._errors = errors
        self._deferred: list[Command] = []

    def take_deferred(self) -> Sequence[Command]:
        """The commands to be tried again: nothing of them was done yet, and nobody answered."""
        deferred, self._deferred = self._deferred, []
        return deferred

    def carry_out(self, command: Command, now: float) -> list[Effect]:
        """What comes of the command, its answer among it; nothing when it must be tried again."""
        effects: list[Effect] = []
        body: dict[str, str] = {}
        try:
            status, body["message"] = self._do(command, now)
        except _Deferred:
            self._deferred.append(command)
            return []
        except Refused as refusal:
            status, body["message"] = refusal.status, str(refusal)
        else:
            effects.append(Decision(f"operator: {command.verb} {command.target}"))
            signer = self._agenda.shortage.signer
            if command.verb is Verb.AUTHORITY_ROTATE and signer is not None:
                effects.append(RotateAuthority(signer.id))
            if command.target in self._ledger.pods:
                body["pod"] = command.target
        reply = Reply(command.id, status, body)
        # Stored with the changes of the command.
        entry = self._ledger.journal_command(command, reply, now)
        journalled = Journalled(now, entry.by, entry.what, entry.status, entry.text)
        return [*effects, reply, journalled]

    def _do(self, command: Command, now: float) -> tuple[int, str]:
        ledger, target = self._ledger, command.target
        match command.verb:
            case Verb.UNINSTALL:
                return 200, self._uninstall.order(target, now)
            case Verb.PLAN_FORCE_COMPLETE if self._uninstall.begun:
                return 200, self._uninstall.force(command, now)
            case _ if self._uninstall.begun:
                name = ledger.service.name
                raise Refused(409, f"{name} is being uninstalled; nothing else is done any more")
            case Verb.POD_RESTART | Verb.POD_REPLACE:
                text = self._disrupt(command, now)
            case Verb.RECOVER:
                text = self._recover(command, now)
                self._sweep(now)
            case Verb.POD_PAUSE | Verb.POD_RESUME:
                text = self._pause(command, now)
            case Verb.VOLUMES_DESTROY:
                text = destroy_volume(ledger, target, self._leftovers.quarantined, now)
                self._sweep(now)
            case Verb.ORPHANS_KILL:
                refuse_known(ledger, target)
                self._kill(target, command.parameters.get("agent"), now)
                text = f"task {target} is being killed"
            case Verb.MAINTENANCE_START:
                text = start_maintenance(ledger, target, now)
            case Verb.MAINTENANCE_END:
                text = end_maintenance(ledger, target)
            case Verb.STATE_STORE_FILE:
                text = store_file(ledger, target, command.parameters)
            case Verb.AUTHORITY_ROTATE:
                force = command.parameters.get(FORCE) == "true"
                text = rotate(ledger, self._agenda.shortage.signer, force)
            case Verb.STATE_REFRESH:
                text = confirm_records(ledger)
            case Verb.VOLUMES_FORGET:
                text = forget_retired(ledger, target)
            case _:
                self._agenda.renew_orders(now)
                plans = all_plans(self._agenda.situation(now, errors=self._errors))
                return order(ledger, plans, command)
        return 200, text

    def _disrupt(self, command: Command, now: float) -> str:
        """Restart or replace an instance, if neither the others nor its check forbid that."""
        name = command.target
        if command.parameters.get(FORCE) != "true" and name in self._ledger.pods:
            self._keep_budget(name)
            tasks = [task.name for task in self._ledger.pods[name].tasks if not task.dead]
            self._ask_first(name, ACTIONS[command.verb], tasks, now)
        if command.verb is Verb.POD_RESTART:
            text = restart_pod(self._ledger, name, self._agenda.shortage)
        else:
            text = replace_pod(self._ledger, name, self._new_id, now)
            self._sweep(now)
        self._disruptions.done(name)
        return text

    def _pause(self, command: Command, now: float) -> str:
        """Pause tasks of an instance, if its check does not forbid that, or resume them."""
        name = command.target
        change = ordered_change(self._ledger, command, self._agenda.shortage)
        stopped = stopped_by(self._ledger, change) if change.pause else ()
        if stopped and command.parameters.get(INSIST) != "true":
            self._ask_first(name, Action.PAUSE, stopped, now)
        if stopped:
            self._disruptions.done(name)
        down = self._agenda.down_of(type_of(name)) - {name}
        return carry_out(self._ledger, change, down)

    def _keep_budget(self, name: str) -> None:
        """Refuse an order that takes down too many."""
        service, going = self._ledger.service, self._agenda.going()
        broken = too_many(service, self._agenda.down_of, (name,), going)
        if broken is not None:
            raise Refused(
                409, f"{broken}. Nothing was changed. Wait until it is up, or insist with --force"
            )

    def _ask_first(self, name: str, action: Action, tasks: Iterable[str], now: float) -> None:
        """Refuse an order that the disruption check does not let happen, once it has answered."""
        pod = self._ledger.pods[name]
        refusal = self._disruptions.refusal(pod, action, tasks, BY_ORDER, now, in_turn=False)
        if refusal is None:
            return
        if refusal.until is None:
            raise _Deferred
        why = self._disruptions.forget(name, action, BY_ORDER)
        raise Refused(
            409,
            f"the disruption check of {name} does not let it be stopped: {why}. Nothing was"
            " changed. Order it again later, or insist with --force",
        )

    def _recover(self, command: Command, now: float) -> str:
        self._failures.renew(now)
        orders = self._ledger.orders.get(RECOVERY)
        actions = proposal(self._failures.verdicts.values(), orders)
        seen = command.parameters["seen"].splitlines()
        return recover(self._ledger, actions, seen, self._agenda.shortage, self._new_id, now)
