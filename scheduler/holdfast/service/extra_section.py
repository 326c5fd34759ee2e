"""The endpoints and the rules of svc.yml as models."""

import re
from collections.abc import Callable, Sequence

from holdfast.service import vocabulary
from holdfast.service.extra_model import EndpointSpec, RuleSpec
from holdfast.service.model import PodSpec, PortSpec
from holdfast.service.section import Section, open_section
from holdfast.service.task_section import read_template_file

_ENDPOINT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


def read_endpoints(
    section: Section, pods: Sequence[PodSpec], read_template: Callable[[str], str]
) -> tuple[EndpointSpec, ...]:
    """The endpoints besides advertised ports, in the order of the file."""
    advertised = {
        port.name
        for pod in pods
        for resources in _sets_of(pod)
        for port in resources
        if port.advertise
    }
    found = []
    for entry in section.named("endpoints", what="endpoint"):
        endpoint = open_section(entry, vocabulary.ENDPOINT, section.report)
        if endpoint is None:
            continue
        if not _ENDPOINT.match(entry.name):
            endpoint.error("", "a name may have letters, digits, '.', '_' and '-'")
        if entry.name in advertised:
            endpoint.error("", "is the name of an advertised port, which is an endpoint already")
        found.append(_endpoint(endpoint, entry.name, pods, read_template))
    return tuple(found)


def _sets_of(pod: PodSpec) -> list[tuple[PortSpec, ...]]:
    return [task.ports for task in pod.tasks] + [each.ports for each in pod.resource_sets]


def _endpoint(
    endpoint: Section, name: str, pods: Sequence[PodSpec], read_template: Callable[[str], str]
) -> EndpointSpec:
    if endpoint.has("template"):
        for key in ("pod", "count", "port"):
            if endpoint.has(key):
                endpoint.error(key, "has no meaning beside `template`")
        file = endpoint.words("template")
        content = read_template_file(endpoint, file, read_template) if file.strip() else ""
        return EndpointSpec(name, template=file, content=content)
    types = {pod.type: pod for pod in pods}
    type_ = endpoint.choice("pod", tuple(types)) if types else endpoint.text("pod")
    count = endpoint.whole("count", least=1) if endpoint.has("count") else None
    port = endpoint.words("port") if endpoint.has("port") else None
    if port is not None and type_ in types:
        names = {each.name for ports in _sets_of(types[type_]) for each in ports}
        if port not in names:
            known = ", ".join(sorted(names)) or "none"
            endpoint.error("port", f"pod {type_!r} has no port {port!r}; it has {known}")
    return EndpointSpec(name, type_, count, port)


def read_rules(section: Section) -> tuple[RuleSpec, ...]:
    """The rules this definition must keep, in their order."""
    return tuple(_rule(each) for each in section.sections("validation", vocabulary.RULE))


def _rule(rule: Section) -> RuleSpec:
    matches = rule.words("matches") if rule.has("matches") else None
    if matches is not None:
        try:
            re.compile(matches)
        except re.error as error:
            rule.error("matches", f"is no regular expression: {error}")
            matches = None
    if not any(rule.has(key) for key in vocabulary.RULE_KINDS):
        rule.error("", f"asks nothing of the value; give one of {', '.join(vocabulary.RULE_KINDS)}")
    return RuleSpec(
        path=rule.words("path"),
        message=rule.text("message", ""),
        unchanged=rule.boolean("unchanged", False),
        only_grows=rule.boolean("only-grows", False),
        matches=matches,
        one_of=tuple(text for _, _, text in rule.texts("one-of")),
        at_least=rule.number("at-least") if rule.has("at-least") else None,
        at_most=rule.number("at-most") if rule.has("at-most") else None,
    )
