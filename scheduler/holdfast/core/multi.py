"""Many services in one framework: a core each, and what comes in goes to whom it concerns.

Each service has a role of its own, which tells whose an offer is; task ids and the records tell
whose a status is; a failed call goes back to the core that made it. All writes of a step are one
commit. The cores know nothing of each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.commands import FORCE
from holdfast.core.conduct import USUAL, Conduct
from holdfast.core.core import Core
from holdfast.core.discipline import SELECTED_PATH, Discipline
from holdfast.core.hosted import (
    hosted_path,
    hosted_to_json,
    record_path,
    service_key,
)
from holdfast.core.kills import Kills
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import FRAMEWORK_PATH, Ledger
from holdfast.core.multi_guard import anothers
from holdfast.core.multi_uninstall import FrameworkUninstall
from holdfast.core.multi_view import MultiView, waits_for
from holdfast.core.part import Maker, Part, deletions, open_parts
from holdfast.core.renewal import outdated
from holdfast.core.roles import subscribed_roles
from holdfast.core.startup import (
    Record,
    Stored,
    open_ledger,
)
from holdfast.core.statuses import operation_acknowledged, runs
from holdfast.core.votes import Votes
from holdfast.core.withdrawal import Withdrawals
from holdfast.mesos.messages import Offer, TaskStatus
from holdfast.placement.owner import uses_gpus
from holdfast.state.store import decode, encode

MULTI_PATH = "multi"
"""The record that says that these are the records of many services."""

STEP_SECONDS = 1.0
"""How long a service to which nothing happens is left alone."""

REFUSE_SECONDS = 3600.0
UPDATE_AGAIN_SECONDS = 1.0
LATE_SECONDS = 120.0
"""After which no call arrives any more that was given up: an UPDATE_FRAMEWORK that came late would
take back the roles that were told meanwhile, so it is told once more then."""


class Composite:
    """The decisions of all services. `step` is the only way in, as in `Core`."""

    def __init__(
        self,
        stored: Stored,
        settings: LaunchSettings,
        new_id: Callable[[], str],
        principal: str,
        limit: int,
        now: float,
        core_type: type[Core] = Core,
        *,
        region: str | None = None,
        conduct: Conduct = USUAL,
        removal_timeout: float | None = None,
        uninstall: bool = False,
    ) -> None:
        """Go on from these records. `limit` is how many services may grow at once, 0 for all.

        `region` is where pods go that name none. After `removal_timeout` seconds what a removed
        service still holds is forgotten. With `uninstall` all services go, then the framework.
        Raises BadRecord, and ServiceError when a svc.yml that was taken cannot be read any more.
        """
        self._make = Maker(settings, new_id, core_type, conduct)
        self._removal_timeout = removal_timeout
        self._uninstall = FrameworkUninstall(stored)
        if uninstall:
            self._uninstall.begin(now, nothing_stored=not stored)
        self._subscription: ev.Subscribed | None = None
        self._shortage: ev.ShortageChanged | None = None
        self._withdrawals = Withdrawals()
        self._votes = Votes()
        self._made: list[tuple[ef.Call, str]] = []
        self._orders: list[ev.HostService] = []
        self._kills = Kills()
        self._told: tuple[tuple[str, ...], bool] | None = None
        self._tell_at = 0.0
        self._surely_at: float | None = None
        self._writes: dict[str, Record | None] = {}
        self._out: list[ef.Effect] = []
        self.roles: tuple[str, ...] = ()
        self.suppressed_roles: tuple[str, ...] = ()
        self.gpus = False
        framework = stored.get(FRAMEWORK_PATH)
        self.framework_id: str | None = framework["id"] if framework else None
        self._discipline = Discipline(limit, stored.get(SELECTED_PATH, {}).get("services", ()))
        if MULTI_PATH not in stored and self._uninstall.record is None:
            self._writes[MULTI_PATH] = {}
        self._writes |= self._uninstall.writes()
        ending = self._uninstall.record is not None
        self._parts, remains = open_parts(
            stored, self._make, self.framework_id, principal, region, ending, now
        )
        for key, records in remains.items():
            self._writes |= deletions(key, records)
        self._note_roles()

    # -- the way in ---------------------------------------------------------------------------

    def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
        """As `Core.step`: each core concerned decides once, and so does each after a second."""
        self._out = []
        inboxes: dict[str, list[ev.Event]] = {name: [] for name in self._parts}
        for event in events:
            self._take(event, inboxes, now)
        self._made = []
        for name, part in list(self._parts.items()):
            if inboxes[name] or now - part.stepped >= STEP_SECONDS:
                self._step(name, part, inboxes[name], now)
        self._host_ordered(now)
        self._take_turns()
        self._take_down(now)
        if self._subscription is not None:
            self._out.extend(self._withdrawals.step(now)[0])
        self._note_roles()
        calls = [*self._update_framework(now), *_once(self._out)]
        writes: list[ef.Effect] = [ef.Write(path, data) for path, data in self._writes.items()]
        self._writes = {}
        return writes + calls

    def view(self, now: float) -> MultiView:
        """A picture of all services; of each as it was after its last step."""
        views = {}
        for name, part in self._parts.items():
            if part.view is None:
                part.view = part.core.view(now)
            views[name] = part.view
        return MultiView(
            framework_id=self.framework_id,
            connected=self._subscription is not None,
            services=views,
            hosted={name: part.hosted for name, part in self._parts.items()},
            held=frozenset(name for name in self._parts if self._holds(name)),
            uninstall=self._uninstall.plan({name: waits_for(views[name]) for name in views}),
        )

    @property
    def deregisters(self) -> bool:
        """Whether the framework is being torn down; safe from any thread."""
        return self._uninstall.deregisters

    def journalled(self) -> Iterator[ef.Journalled]:
        """The commands of former times, of all services, the oldest first."""
        entries = [
            replace(entry, service=name)
            for name, part in self._parts.items()
            for entry in part.core.journalled()
        ]
        yield from sorted(entries, key=lambda entry: entry.at)

    # -- events -------------------------------------------------------------------------------

    def _take(self, event: ev.Event, inboxes: dict[str, list[ev.Event]], now: float) -> None:
        match event:
            case ev.OffersReceived(offers):
                self._offers(offers, inboxes)
                return
            case ev.StatusReceived(status):
                owner = self._owner_of(status.task_id)
                if owner is None:
                    self._stray(status, now)
                else:
                    inboxes[owner].append(event)
                return
            case ev.OperationStatusReceived(status):
                self._out.extend(operation_acknowledged(status))
                return
            case ev.CallFailed():
                self._call_failed(event, inboxes, now)
                return
            case ev.Command():
                if event.verb is ev.Verb.AUTHORITY_ROTATE and self._rotation_refused(event):
                    return
                ledgers = {name: part.ledger for name, part in self._parts.items()}
                if (refused := anothers(ledgers, event)) is not None:
                    self._out.append(ef.Reply(event.id, 409, {"message": refused}))
                elif event.service in inboxes:
                    inboxes[event.service].append(event)
                else:
                    text = f"there is no service {event.service!r} here; nothing was changed"
                    self._out.append(ef.Reply(event.id, 404, {"message": text}))
                return
            case ev.DisruptionAnswered():
                if event.service in inboxes:
                    inboxes[event.service].append(event)
                return
            case ev.HostService():
                self._orders.append(event)
                return
            case ev.InverseOffersReceived(questions):
                self._votes.ask((question.id for question in questions), self._voters())
            case ev.InverseOfferRescinded(offer_id):
                self._votes.void(offer_id)
            case ev.Subscribed():
                self._subscription = event
                self._uninstall.subscribed()
                self._withdrawals.clear()
                self._votes.clear()
                self._told = self._surely_at = None
                if event.framework_id != self.framework_id:
                    self.framework_id = event.framework_id
                    self._writes[FRAMEWORK_PATH] = {"id": event.framework_id}
            case ev.Disconnected():
                self._subscription = None
                self._withdrawals.clear()
                self._votes.clear()
            case ev.ShortageChanged():
                self._shortage = event
            case ev.FrameworkRemoved():
                self._subscription = None
                self._out.extend(self._uninstall.removed())
                return
            case ev.OfferRescinded() | ev.AgentFailed() | ev.AgentInspected() | ev.Tick():
                pass
        for inbox in inboxes.values():
            inbox.append(event)

    def _rotation_refused(self, event: ev.Command) -> bool:
        """Whether an order for another authority is refused, and answered: it is everybody's, so
        the other services must be as far as the one that is named."""
        signer = self._shortage.shortage.signer if self._shortage else None
        if signer is None or event.parameters.get(FORCE) == "true":
            return False
        late = [
            f"{pod} of {name}"
            for name, part in self._parts.items()
            if name != event.service
            for pod in outdated(part.ledger, signer)
        ]
        if late:
            text = (
                f"the authority is that of all services, and {', '.join(late)} must be restarted"
                " before the next step. Nothing was changed"
            )
            self._out.append(ef.Reply(event.id, 409, {"message": text}))
        return bool(late)

    def _offers(self, offers: Iterable[Offer], inboxes: dict[str, list[ev.Event]]) -> None:
        by_role = {
            role: name
            for name, part in self._parts.items()
            for role in subscribed_roles(part.ledger)
        }
        sorted_: dict[str, list[Offer]] = {}
        unwanted = []
        for offer in offers:
            name = by_role.get(offer.role)
            if name is None or self._holds(name):
                unwanted.append(offer.id)
            else:
                sorted_.setdefault(name, []).append(offer)
        for name, of_it in sorted_.items():
            inboxes[name].append(ev.OffersReceived(tuple(of_it)))
        if unwanted:
            self._out.append(ef.Decline(tuple(unwanted), REFUSE_SECONDS))

    def _voters(self) -> list[str]:
        """The services that say whether an agent may be serviced: not those that go anyway."""
        return [name for name, part in self._parts.items() if part.ledger.uninstalling is None]

    def _owner_of(self, task_id: str) -> str | None:
        """The service whose records know the task; if none does, the one that its id names."""
        prefix = task_id.partition("__")[0]
        named = [n for n in self._parts if n.strip("/").replace("/", ".") == prefix]
        for name in (*named, *self._parts):
            if self._parts[name].ledger.owner_of(task_id) is not None:
                return name
        return named[0] if named else None

    def _stray(self, status: TaskStatus, now: float) -> None:
        """A task of no service that is known here, as `Core` takes one that no record knows."""
        if status.uuid and status.agent_id:
            self._out.append(ef.Acknowledge(status.task_id, status.agent_id, status.uuid))
        if not runs(status) or self._subscription is None:
            return
        if not self._kills.begin(status.task_id, now):
            return
        self._writes.setdefault(FRAMEWORK_PATH, {"id": self.framework_id})
        self._out.append(ef.Kill(status.task_id, status.agent_id))
        self._out.append(ef.Decision(f"killing {status.task_id}: it is of no service here"))

    def _call_failed(
        self, event: ev.CallFailed, inboxes: dict[str, list[ev.Event]], now: float
    ) -> None:
        if isinstance(event.call, ef.AcceptInverse | ef.DeclineInverse):
            self._votes.ask(event.call.offer_ids, self._voters())  # each answers anew
            for inbox in inboxes.values():
                inbox.append(event)
            return
        maker = next((name for call, name in self._made if call is event.call), "")
        if maker in inboxes:
            inboxes[maker].append(event)
            return
        kind = type(event.call).__name__.upper()
        self._out.append(ef.Decision(f"{kind} failed: {event.reason}"))
        match event.call:
            case ef.Accept() | ef.Decline():
                self._withdrawals.failed(event.call, (), now)
            case ef.UpdateFramework():
                self._told = None
                self._tell_at = now + UPDATE_AGAIN_SECONDS
                if event.sent:
                    self._surely_at = now + LATE_SECONDS

    # -- the cores ----------------------------------------------------------------------------

    def _step(self, name: str, part: Part, events: Sequence[ev.Event], now: float) -> None:
        effects = part.core.step(events, now)
        part.stepped = now
        part.view = None
        ended = any(isinstance(effect, ef.Wipe) for effect in effects)
        roles = subscribed_roles(part.ledger)
        for effect in effects:
            match effect:
                case ef.Write(path, data):
                    self._write(name, part, path, data)
                case ef.Decision() | ef.Journalled():
                    self._out.append(replace(effect, service=name))
                case ef.Suppress() | ef.Revive():
                    if not ended:
                        self._call(type(effect)(roles), name)
                case ef.AcceptInverse() | ef.DeclineInverse():
                    self._out += self._votes.answer(name, effect, self._voters())
                case ef.Wipe():
                    pass
                case _ if isinstance(effect, ef.CALL_TYPES):
                    self._call(effect, name)
                case _:
                    self._out.append(effect)
        if ended:
            del self._parts[name]
            self._writes[hosted_path(name)] = None
            self._writes |= deletions(service_key(name), part.records)

    def _call(self, call: ef.Call, name: str) -> None:
        self._out.append(call)
        self._made.append((call, name))

    def _write(self, name: str, part: Part, path: str, data: Record | None) -> None:
        if data is None:
            part.records.pop(path, None)
        else:
            part.records[path] = data
        self._writes[record_path(name, path)] = data

    # -- services come, change and go ---------------------------------------------------------

    def _host_ordered(self, now: float) -> None:
        orders, self._orders = self._orders, []
        for order in orders:
            part = self._parts.get(order.hosted.name)
            if part is not None and part.core.withdrawing:
                self._orders.append(order)  # its launches must be settled first
                continue
            refused = self._refusal(order, part)
            if refused is None:
                self._host(order, part, now)
            else:
                status, text = refused
                self._out.append(ef.Reply(order.id, status, {"message": text}))

    def _refusal(self, order: ev.HostService, part: Part | None) -> tuple[int, str] | None:
        name = order.hosted.name
        if self._uninstall.record is not None:
            return 409, "the framework is being uninstalled with all of its services"
        if part is not None and part.ledger.uninstalling is not None:
            return 409, f"{name} is being uninstalled; add it again once that is done"
        roles = set(subscribed_roles(Ledger(order.spec, "", {})))
        for other, its in self._parts.items():
            same_tasks = other.strip("/").replace("/", ".") == name.strip("/").replace("/", ".")
            if other != name and (same_tasks or roles & set(subscribed_roles(its.ledger))):
                text = f"{name} and {other}, which is hosted, would share roles or task ids"
                return 409, f"{text}; choose another name. Nothing was changed"
        return None

    def _host(self, order: ev.HostService, before: Part | None, now: float) -> None:
        """Take the service up, or its change, as a process would that starts with it."""
        name = order.hosted.name
        records = _as_stored(before.records) if before else {}
        ledger, errors = open_ledger(records, order.spec)
        if errors:
            text = f"the change is refused, and {name} stays as it is: {'; '.join(errors)}"
            self._out.append(ef.Reply(order.id, 409, {"message": text}))
            return
        part = self._make(order.hosted, ledger, errors, records, self.framework_id)
        self._parts[name] = part
        self._writes[hosted_path(name)] = hosted_to_json(order.hosted)
        verb = ev.Verb.SERVICE_UPDATE if before else ev.Verb.SERVICE_ADD
        done = "has the new svc.yml" if before else "is added"
        reply = ef.Reply(order.id, 200, {"message": f"{name} {done}; its plan deploy shows more"})
        self._out += [reply, ef.Decision(f"operator: {verb} {name}", name)]
        entry = ledger.journal_command(ev.Command(order.id, verb, name, by=order.by), reply, now)
        self._out.append(
            ef.Journalled(now, entry.by, entry.what, entry.status, entry.text, service=name)
        )
        known = (self._shortage, self._subscription)
        self._step(name, part, [event for event in known if event is not None], now)

    def _take_down(self, now: float) -> None:
        """Bring removed services to their end after a time, and the framework to its own."""
        if self._removal_timeout is not None and self._uninstall.record is None:
            for name, part in self._parts.items():
                ordered = part.ledger.uninstalling
                if ordered is not None and now - ordered.at > self._removal_timeout:
                    texts = part.core.give_up(now)
                    self._out += [ef.Decision(f"given up: {text}", name) for text in texts]
        known, subscribed = self.framework_id is not None, self._subscription is not None
        self._out.extend(self._uninstall.step(self._parts, known, subscribed, now))
        self._writes |= self._uninstall.writes()

    def _take_turns(self) -> None:
        before = self._discipline.selected
        growing = [name for name, part in self._parts.items() if part.grows]
        for name in self._discipline.choose(growing):
            self._out.append(ef.Decision("it is its turn to be deployed", name))
            if self._subscription is not None:
                # What was offered to it until now was declined.
                self._call(ef.Revive(subscribed_roles(self._parts[name].ledger)), name)
        if self._discipline.selected != before:
            self._writes[SELECTED_PATH] = {"services": list(self._discipline.selected)}

    def _holds(self, name: str) -> bool:
        return self._discipline.holds(name, self._parts[name].grows)

    def _note_roles(self) -> None:
        roles = {name: subscribed_roles(part.ledger) for name, part in self._parts.items()}
        self.roles = tuple(sorted(role for of_it in roles.values() for role in of_it))
        self.suppressed_roles = tuple(
            sorted(
                role
                for name, of_it in roles.items()
                if self._parts[name].core.suppressed
                for role in of_it
            )
        )
        self.gpus = any(uses_gpus(part.ledger.service) for part in self._parts.values())

    def _update_framework(self, now: float) -> Iterator[ef.Effect]:
        """Goes before all other calls: those for a role that the master does not know are lost."""
        wanted = (self.roles, self.gpus)
        if self._uninstall.deregisters:
            return
        if self._surely_at is not None and now >= self._surely_at:
            self._told = self._surely_at = None
        if self._subscription is not None and wanted != self._told and now >= self._tell_at:
            self._told = wanted
            yield ef.UpdateFramework()


def _once(effects: Iterable[ef.Effect]) -> Iterator[ef.Effect]:
    """The effects, with the question for every task asked no more than once."""
    asked = False
    for effect in effects:
        if effect == ef.Reconcile(()):
            if asked:
                continue
            asked = True
        yield effect


def _as_stored(records: Mapping[str, Record]) -> dict[str, dict[str, Any]]:
    return {path: decode(path, encode(data)) for path, data in records.items()}
