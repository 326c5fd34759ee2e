"""Records and a svc.yml turned into a ledger: which configuration is the target from now on."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from holdfast import records
from holdfast.core.journal import entry_from_json
from holdfast.core.ledger import (
    DEPLOYED_PATH,
    FRAMEWORK_PATH,
    HISTORY_PATH,
    PAUSED,
    TARGET_PATH,
    Ledger,
)
from holdfast.core.pause import paused_from_json
from holdfast.core.uninstall_record import (
    HOLDINGS,
    UNINSTALLING_PATH,
    Uninstalling,
    holding_from_json,
    uninstalling_from_json,
)
from holdfast.core.upkeep import cordon_from_json, window_from_json
from holdfast.plans.orders import orders_from_json
from holdfast.recovery.history import History, history_from_json
from holdfast.service.changes import refusals
from holdfast.service.encode import config_id, from_json
from holdfast.service.model import ServiceSpec

Record = Mapping[str, Any]
Stored = Mapping[str, Record]
T = TypeVar("T")


class BadRecord(Exception):
    """A stored record cannot be read. Nothing was changed; starting without it could lose data."""

    def __init__(self, path: str, error: Exception) -> None:
        super().__init__(
            f"the record {path} in ZooKeeper cannot be read ({type(error).__name__}: {error})."
            " Tasks and data are untouched, and nothing was written. Restore the record, or start"
            " the version of Holdfast that wrote it"
        )
        self.path = path
        self.error = error


def open_ledger(stored: Stored, candidate: ServiceSpec) -> tuple[Ledger, tuple[str, ...]]:
    """The ledger to start from, and why `candidate` cannot be the target, if it cannot.

    A candidate that breaks a rule of updating leaves the former target in force. Raises BadRecord.
    """
    configs = _all(stored, "configs/", lambda data: from_json(dict(data)))
    target = stored.get(TARGET_PATH)
    candidate_id = config_id(candidate)
    errors: tuple[str, ...] = ()
    service, target_id = candidate, candidate_id
    if target is not None:
        former = configs.get(target["id"])
        if former is None:
            raise BadRecord(f"configs/{target['id']}", KeyError("the target has no record"))
        judged = former
        if not any(path.startswith(("pods/", "retired/")) for path in stored):
            judged = replace(former, region=candidate.region)  # there is no data yet to stay in it
        errors = tuple(f"{p.path}: {p.message}" for p in refusals(judged, candidate))
        if errors:
            service, target_id = former, target["id"]
    configs[target_id] = service
    framework = stored.get(FRAMEWORK_PATH)
    deployed = stored.get(DEPLOYED_PATH)
    is_new = target is None or target["id"] != target_id
    updating = deployed is not None if target is None or is_new else target["updating"]
    ledger = Ledger(
        service,
        target_id,
        configs,
        framework_id=framework["id"] if framework else None,
        pods=_by(lambda p: p.name, _all(stored, "pods/", records.pod_from_json)),
        retired=_by(lambda r: r.id, _all(stored, "retired/", records.retired_from_json)),
        intents=_by(lambda i: i.volume_id, _all(stored, "intents/", records.intent_from_json)),
        orders=_by(lambda o: o.plan, _all(stored, "plans/", orders_from_json)),
        journal=_all(stored, "journal/", entry_from_json).values(),
        files=_all(stored, "files/", lambda data: str(data["content"])),
        windows=_all(stored, "windows/", window_from_json),
        cordons=_all(stored, "cordons/", cordon_from_json),
        deployed=deployed["config"] if deployed else None,
        updating=updating,
        uninstalling=_uninstalling(stored),
        paused=_all(stored, PAUSED, paused_from_json),
        holdings=_by(lambda h: h.id, _all(stored, HOLDINGS, holding_from_json)),
        history=_history(stored),
    )
    if is_new:
        ledger.store_target()
    ledger.drop_unused_configs()
    ledger.forget_pauses()
    return ledger, errors


def open_uninstall(stored: Stored, candidate: ServiceSpec, now: float) -> Ledger:
    """The ledger of a service that is to be uninstalled, by the word of whoever starts the process.

    It goes on being what it was: `candidate` counts only where nothing is stored. Without any
    records all is done. `now` is seconds since the epoch. Raises BadRecord.
    """
    if not stored:
        ledger = Ledger(candidate, config_id(candidate), {config_id(candidate): candidate})
        ledger.uninstalling = Uninstalling(now, deregistering=True, done=True)
        return ledger
    target = stored.get(TARGET_PATH, {}).get("id")
    path = f"configs/{target}"
    former = _all(stored, path, lambda data: from_json(dict(data))).get("")
    if former is None and _uninstalling(stored) is not None:
        # The records were being wiped: what is left of them tells nothing that is needed.
        stored = {UNINSTALLING_PATH: stored[UNINSTALLING_PATH]}
    ledger, _ = open_ledger(stored, former or candidate)
    if ledger.uninstalling is None:
        ledger.put_uninstalling(Uninstalling(now))
    return ledger


def is_being_uninstalled(stored: Stored) -> bool:
    """Whether somebody gave the word, for which there is no way back."""
    return UNINSTALLING_PATH in stored


def _uninstalling(stored: Stored) -> Uninstalling | None:
    data = stored.get(UNINSTALLING_PATH)
    if data is None:
        return None
    try:
        return uninstalling_from_json(data)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRecord(UNINSTALLING_PATH, error) from error


def _history(stored: Stored) -> History:
    if HISTORY_PATH not in stored:
        return History()
    try:
        return history_from_json(stored[HISTORY_PATH])
    except (KeyError, TypeError) as error:
        raise BadRecord(HISTORY_PATH, error) from error


def _all(stored: Stored, prefix: str, read: Callable[[Mapping[str, Any]], T]) -> dict[str, T]:
    """Every record under the prefix, read; by the rest of its path."""
    result = {}
    for path, data in stored.items():
        if path.startswith(prefix):
            try:
                result[path.removeprefix(prefix)] = read(data)
            except (KeyError, TypeError, ValueError) as error:
                raise BadRecord(path, error) from error
    return result


def _by(key: Callable[[T], str], items: Mapping[str, T]) -> dict[str, T]:
    return {key(item): item for item in items.values()}
