"""A whole svc.yml, once it is a document, as a model."""

import re
from collections.abc import Callable, Mapping, Sequence

from holdfast.service import vocabulary
from holdfast.service.disruption_section import check_variables
from holdfast.service.extra_section import read_endpoints, read_rules
from holdfast.service.failure_section import read_disaster, read_replacement
from holdfast.service.model import PodSpec, PortSpec, ServiceSpec
from holdfast.service.places import Path, places_in
from holdfast.service.plan_section import read_plans
from holdfast.service.pod_section import read_pod
from holdfast.service.section import Section, open_section

DEFAULT_ZOOKEEPER = "master.mesos:2181"
DEFAULT_USER = "root"
_LONGEST_NAME = 63  # a DNS label, which the name becomes part of
_NAME_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_ZOOKEEPER_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/\[\]]+):([0-9]{1,5})\Z")


def read_service(
    section: Section, read_template: Callable[[str], str], environment: Mapping[str, str]
) -> ServiceSpec:
    """The service in `section`; faults go to the section's report."""
    name = section.words("name")
    _check_service_name(section, name)
    pods: list[PodSpec] = []
    replacement = read_replacement(section, None)
    for entry in section.named("pods", what="pod", required=True):
        pod = open_section(entry, vocabulary.POD, section.report)
        if pod is not None:
            spec = read_pod(
                pod,
                entry.name,
                read_template=read_template,
                environment=environment,
                replacement=replacement,
            )
            _check_against_others(pod, spec, pods)
            pods.append(spec)
    user, principal, zookeeper = DEFAULT_USER, f"{name}-principal", DEFAULT_ZOOKEEPER
    scheduler = section.child("scheduler", vocabulary.SCHEDULER)
    if scheduler is not None:
        user = scheduler.words("user", user)
        principal = scheduler.words("principal", principal)
        zookeeper = scheduler.words("zookeeper", zookeeper)
        _check_zookeeper(scheduler, zookeeper)
    _check_restarts(section, pods)
    check_variables(section, pods)
    deploy, plans = read_plans(section, pods)
    return ServiceSpec(
        name=name,
        user=user,
        principal=principal,
        zookeeper=zookeeper,
        pods=tuple(pods),
        deploy=deploy,
        web_url=section.text("web-url", "") or None,
        plans=plans,
        endpoints=read_endpoints(section, pods, read_template),
        validation=read_rules(section),
        disaster=read_disaster(section),
    )


def _check_restarts(section: Section, pods: Sequence[PodSpec]) -> None:
    """What is restarted after a replacement may be of a type further down in the file."""
    types = [pod.type for pod in pods]
    for pod in pods:
        for number, each in enumerate(pod.after_replace):
            if each.restart not in types:
                path: Path = ("pods", pod.type, "after-replace", number, "restart")
                line, shown = places_in(section.node)(path)
                known = ", ".join(types)
                message = f"there is no pod {each.restart!r}; there are {known}"
                section.report.error(line, shown, message)


def _check_service_name(section: Section, name: str) -> None:
    parts = name.removeprefix("/").split("/")
    if not name.strip():
        return  # already reported
    if "__" in name:
        section.error("name", f"must not contain '__', found {name!r}")
    elif not all(_NAME_PART.match(part) for part in parts):
        section.error(
            "name",
            "expected letters, digits, '.', '_' and '-', in folders separated by '/', each "
            f"starting and ending with a letter or digit; found {name!r}",
        )
    elif len("".join(parts)) > _LONGEST_NAME:
        section.error(
            "name",
            f"at most {_LONGEST_NAME} characters without slashes, as it becomes part of DNS names; "
            f"found {len(''.join(parts))}",
        )


def _check_zookeeper(section: Section, zookeeper: str) -> None:
    for host in zookeeper.split(","):
        match = _ZOOKEEPER_HOST.match(host.strip())
        if not match or not 0 < int(match[2]) < 65536:
            section.error(
                "zookeeper", f"expected host:port[,host:port...] with no path, found {zookeeper!r}"
            )
            return


def _check_against_others(section: Section, pod: PodSpec, others: Sequence[PodSpec]) -> None:
    _check_advertised(section, pod, others)
    prefixes = {
        task.discovery.prefix: other.type
        for other in others
        for task in other.tasks
        if task.discovery
    }
    for task in pod.tasks:
        if task.discovery and task.discovery.prefix in prefixes:
            section.error(
                f"tasks.{task.name}.discovery.prefix",
                f"{task.discovery.prefix!r} is already used by pod "
                f"{prefixes[task.discovery.prefix]!r}; pods need names of their own",
            )
    for other in others:
        for one, two in ((pod.type, other.type), (other.type, pod.type)):
            if re.match(rf"{re.escape(one)}-[0-9]+(-|\Z)", two):
                section.error(
                    "", f"pods {one!r} and {two!r} could have tasks of the same name; rename one"
                )


def _check_advertised(section: Section, pod: PodSpec, others: Sequence[PodSpec]) -> None:
    seen = {port.name: owner for other in others for _, owner, port in _advertised(other)}
    for path, owner, port in _advertised(pod):
        if port.name in seen:
            section.error(
                f"{path}.ports.{port.name}",
                f"is already advertised by {seen[port.name]}; the names of advertised ports are "
                "endpoints and must differ in a service",
            )
        seen[port.name] = owner


def _advertised(pod: PodSpec) -> list[tuple[str, str, PortSpec]]:
    """The path, owner and port of every endpoint, of resource sets no task uses too."""
    found = [
        (f"resource-sets.{spec.id}", f"resource set '{pod.type}.{spec.id}'", port)
        for spec in pod.resource_sets
        for port in spec.ports
    ]
    found += [
        (f"tasks.{task.name}", f"task '{pod.type}.{task.name}'", port)
        for task in pod.tasks
        for port in task.ports
    ]
    return [each for each in found if each[2].advertise]
