"""What taking machines down would do to a service, and in which order they can be serviced."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.core.budget import TooMany, too_many, wanted
from holdfast.core.view import View
from holdfast.records import Pod
from holdfast.service.instance_names import type_of


@dataclass(frozen=True, slots=True)
class Check:
    """Whether hosts may be taken down together now: `problems` is empty when they may.

    `pods` would go down with them, `down` are down already; `unknown` are hosts on which the
    service has nothing.
    """

    pods: tuple[str, ...]
    down: tuple[str, ...]
    problems: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Hosts that can be serviced together, and the pod instances that go down with them."""

    hosts: tuple[str, ...]
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Batches to service one after the other, each once all pod instances are up again.

    `waits_for` are down elsewhere and must be up before the first batch; `never` tells by host why
    it cannot be taken down within the budget at all.
    """

    batches: tuple[Batch, ...]
    waits_for: tuple[str, ...]
    never: Mapping[str, str]


def check(view: View, hosts: Sequence[str]) -> Check:
    """What would happen if the hosts were taken down at this moment."""
    there = {host: _names_on(view, host) for host in hosts}
    names = [name for of_host in there.values() for name in of_host]
    problems = [
        str(broken)
        for pod_type in wanted(view.service, names)
        if (broken := _broken(view, [n for n in names if type_of(n) == pod_type]))
    ]
    return Check(
        pods=tuple(name for name in names if name not in view.upkeep.down),
        down=tuple(sorted(view.upkeep.down)),
        problems=tuple(problems),
        unknown=tuple(host for host, of_host in there.items() if not of_host),
    )


def order(view: View, hosts: Iterable[str]) -> Order:
    """Batches made host by host; those of one are in one zone.

    Hosts with an instance that is down come first: to take them down costs the least.
    """
    return order_of_all({"": view}, hosts)


def order_of_all(views: Mapping[str, View], hosts: Iterable[str]) -> Order:
    """Batches that every service can spare; pod instances are told after their service's name."""
    there = {
        host: {service: _names_on(view, host) for service, view in views.items()}
        for host in dict.fromkeys(hosts)
    }
    zone = {host: _zone(views.values(), host) for host in there}

    def names_on(batch: Iterable[str], service: str) -> list[str]:
        return [name for host in batch for name in there[host][service]]

    def problems(batch: Sequence[str]) -> Iterator[str]:
        for service, view in views.items():
            broken = too_many(view.service, lambda _: (), names_on(batch, service))
            if broken:
                yield _told(service, str(broken))

    def rank(host: str) -> tuple[bool, str, str]:
        down = any(n in views[s].upkeep.down for s, of_it in there[host].items() for n in of_it)
        return not down, zone[host], host

    never = {host: found for host in there if (found := next(problems([host]), None))}
    batches: list[list[str]] = []
    for host in sorted((h for h in there if h not in never), key=rank):
        for batch in batches:
            together = [*batch, host]
            zones = {zone[other] for other in together if any(there[other].values())}
            if len(zones) < 2 and next(problems(together), None) is None:
                batch.append(host)
                break
        else:
            batches.append([host])
    waits_for = []
    for service, view in views.items():
        first = names_on(batches[0], service) if batches else []
        if _broken(view, first):
            others = sorted(n for n in view.upkeep.down if n not in first)
            waits_for += [_told(service, name) for name in others]
    return Order(
        batches=tuple(
            Batch(
                tuple(batch),
                tuple(
                    _told(service, name)
                    for host in batch
                    for service, names in there[host].items()
                    for name in names
                ),
            )
            for batch in batches
        ),
        waits_for=tuple(waits_for),
        never=never,
    )


def _told(service: str, text: str) -> str:
    return f"{service}: {text}" if service else text


def _broken(view: View, names: Sequence[str]) -> TooMany | None:
    def down_of(pod_type: str) -> list[str]:
        return [n for n in view.upkeep.down if type_of(n) == pod_type]

    return too_many(view.service, down_of, names, view.upkeep.going)


def _on(view: View, host: str) -> list[Pod]:
    pods = view.pods.values()
    return [pod for pod in pods if pod.reservation and pod.reservation.hostname == host]


def _names_on(view: View, host: str) -> list[str]:
    of_type = wanted(view.service, (pod.name for pod in _on(view, host)))
    return [name for names in of_type.values() for name in names]


def _zone(views: Iterable[View], host: str) -> str:
    held = [pod.reservation for view in views for pod in _on(view, host)]
    return next((each.zone or "" for each in held if each), "")
