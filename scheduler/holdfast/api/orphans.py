"""What the master has for the service's roles and framework, by whether the records explain it."""

from collections.abc import Iterator, Mapping, Set
from enum import StrEnum

from holdfast.api.shapes import OrphanBody
from holdfast.core.leftovers import reservation_name
from holdfast.core.view import View
from holdfast.mesos.inventory import Held, Inventory, Running
from holdfast.placement.owner import roles
from holdfast.placement.pool import FRAMEWORK_ID, POD, RESOURCE_ID
from holdfast.records import Reservation

_Users = dict[tuple[str, str], str]


class OrphanClass(StrEnum):
    """EXPLAINED by a record; FORGOTTEN: this framework made it, no record knows it; or UNKNOWN."""

    EXPLAINED = "explained"
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"


def roles_of(view: View) -> tuple[str, ...]:
    """The roles of all configurations that instances may still be of."""
    return tuple({role for service in view.configs.values() for role in roles(service)})


def silent_agents(view: View, inventory: Inventory) -> list[str]:
    """Agents of which the master tells nothing: to come back to it, or unknown to it."""
    held = [pod.reservation for pod in view.pods.values()]
    held += [left.reservation for left in view.retired.values()]
    away = {
        one.hostname for one in held if one is not None and one.agent_id not in inventory.agents
    }
    return sorted(away | set(inventory.silent))


def orphans_body(
    view: View, others: Mapping[str, View], inventory: Inventory, now: float
) -> list[OrphanBody]:
    """Reservations and volumes, then tasks and executors. `now` is seconds since the epoch.

    `others` are the other services of the framework, by name: what they have is no orphan.
    """
    owners, users = _known({**_named(others), "": view})
    found = [_held_body(view, owners, item, now) for item in inventory.held]
    return found + _running(inventory, view.framework_id, set(roles_of(view)), users, now)


def orphans_of_all(
    views: Mapping[str, View], framework_id: str | None, inventory: Inventory, now: float
) -> list[OrphanBody]:
    """The same of all services of a framework, by name, each of which has roles of its own."""
    by_role = {role: view for view in views.values() for role in roles_of(view)}
    owners, users = _known(_named(views))
    found = [
        _held_body(by_role[item.resource.role], owners, item, now)
        for item in inventory.held
        if item.resource.role in by_role  # a service may have gone meanwhile
    ]
    return found + _running(inventory, framework_id, by_role.keys(), users, now)


def _named(views: Mapping[str, View]) -> dict[str, View]:
    """The services by what follows the names of their pod instances."""
    return {f" of {name}": view for name, view in views.items()}


def _known(views: Mapping[str, View]) -> tuple[dict[str, tuple[str, str]], _Users]:
    """What these services explain, as `_owners` and `_users` tell it; the last one counts."""
    owners: dict[str, tuple[str, str]] = {}
    users: _Users = {}
    for of, view in views.items():
        owners |= _owners(view, of)
        users |= _users(view, of)
    return owners, users


def _running(
    inventory: Inventory, framework_id: str | None, ours: Set[str], users: _Users, now: float
) -> list[OrphanBody]:
    """The tasks and executors of the framework, and what others run in roles of `ours`."""
    return [
        _running_body(framework_id, users, item, now)
        for item in inventory.running
        if item.framework_id == framework_id or item.roles & ours
    ]


def _owners(view: View, of: str) -> dict[str, tuple[str, str]]:
    """By resource id who has it, and what can be done. `of` follows the pod instances' names."""
    owners: dict[str, tuple[str, str]] = {}
    for pod in view.pods.values():
        name = f"{pod.name}{of}"
        owners.update((id_, (name, f"in use by {name}")) for id_ in _ids(pod.reservation))
    for left in view.retired.values():
        name = f"{left.pod}{of}"
        hint = f"kept of {name}: `holdfast volumes destroy` or `forget`"
        owners.update((id_, (name, hint)) for id_ in _ids(left.reservation))
    return owners


def _ids(held: Reservation | None) -> Iterator[str]:
    return iter(held.resource_ids if held is not None else ())


def _users(view: View, of: str) -> _Users:
    """By kind and id the pod instance of each task and executor in the records."""
    users = {}
    for pod in view.pods.values():
        users.update({("task", task.id): f"{pod.name}{of}" for task in pod.tasks})
        if pod.executor_id:
            users["executor", pod.executor_id] = f"{pod.name}{of}"
    for left in view.retired.values():
        users.update({("task", task.id): f"{left.pod}{of}" for task in left.tasks})
    return users


def _held_body(
    view: View, owners: dict[str, tuple[str, str]], item: Held, now: float
) -> OrphanBody:
    resource = item.resource
    id_ = resource.labels.get(RESOURCE_ID, "")
    name = resource.persistence_id or reservation_name(id_, resource.name, item.agent_id)
    pod, hint = owners.get(id_, (resource.labels.get(POD), ""))
    kept = view.quarantined.get(name)
    if id_ in owners:
        kind = OrphanClass.EXPLAINED
    elif view.framework_id and resource.labels.get(FRAMEWORK_ID) == view.framework_id:
        kind = OrphanClass.FORGOTTEN
    else:
        kind = OrphanClass.UNKNOWN
    principal = resource.principal
    frees = kind is not OrphanClass.EXPLAINED
    if not frees:
        pass
    elif principal not in (None, view.service.principal):
        frees, hint = False, f"was reserved by {principal!r}, who can free it"
    elif kept is None:
        frees, hint = False, "not offered to the service yet; what uses it must end first"
    elif name in view.intents:
        frees, hint = False, "goes as soon as its agent offers it, as ordered"
    else:
        hint = "`holdfast orphans --apply` with its name"
    return {
        "name": name,
        "kind": "volume" if resource.persistence_id else "reservation",
        "resource": resource.name,
        "class": kind.value,
        "agent": item.hostname,
        "agent_id": item.agent_id,
        "size": resource.amount or sum(end - first + 1 for first, end in resource.ranges),
        "age": None if kept is None else max(0.0, now - kept.since),
        "labels": dict(resource.labels),
        "pod": pod,
        "applicable": frees,
        "hint": hint,
    }


def _running_body(framework_id: str | None, users: _Users, item: Running, now: float) -> OrphanBody:
    pod = users.get((item.kind, item.id))
    ours = item.framework_id == framework_id
    if ours and pod is not None:
        kind, hint = OrphanClass.EXPLAINED, f"runs for {pod}"
    elif ours:
        kind, hint = OrphanClass.FORGOTTEN, "`holdfast orphans --apply` kills it"
    else:
        kind, hint = OrphanClass.UNKNOWN, f"belongs to framework {item.framework_id}, who ends it"
    frees = kind is OrphanClass.FORGOTTEN and item.kind == "task"
    if kind is OrphanClass.FORGOTTEN and item.kind == "executor":
        hint = "ends with its tasks"
    return {
        "name": item.id,
        "kind": item.kind,
        "resource": None,
        "class": kind.value,
        "agent": item.hostname,
        "agent_id": item.agent_id,
        "size": None,
        "age": None if item.since is None else max(0.0, now - item.since),
        "labels": {},
        "pod": pod,
        "applicable": frees,
        "hint": hint,
    }
