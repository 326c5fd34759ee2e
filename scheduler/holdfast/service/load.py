"""svc.yml into the model: Mustache, then YAML, then every rule of the format, all faults at once.

The format is that of dcos-commons; keys it knows and this version does not are refused by name.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from holdfast.service import vocabulary
from holdfast.service.document import Null, parse
from holdfast.service.model import (
    PhaseSpec,
    PlanSpec,
    PodSpec,
    ServiceSpec,
    Strategy,
)
from holdfast.service.pod_section import read_pod
from holdfast.service.problems import Problem, Report, ServiceError
from holdfast.service.section import Entry, Section, not_supported, open_section
from holdfast.service.template_lines import render
from holdfast_executor import mustache

__all__ = ["Problem", "ServiceError", "load", "loads"]

DEFAULT_ZOOKEEPER = "master.mesos:2181"
DEFAULT_USER = "root"
_LONGEST_NAME = 63  # a DNS label, which the name becomes part of
_NAME_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_ZOOKEEPER_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,/\[\]]+):([0-9]{1,5})\Z")

Warn = Callable[[Problem], None]


def load(path: Path, environment: Mapping[str, str], *, warn: Warn | None = None) -> ServiceSpec:
    """The service in the file `path`, rendered with `environment`.

    Config templates are read relative to the file's folder. Remarks that do not make the file
    unusable go to `warn`. Raises ServiceError with everything that is wrong.
    """
    source = str(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ServiceError(source, [Problem(0, "", reason, source)]) from None
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text: {error.reason} at byte {error.start}"
        raise ServiceError(source, [Problem(0, "", reason, source)]) from None

    def read_template(name: str) -> str:
        return (path.parent / name).read_text("utf-8")

    return loads(
        text, source=source, read_template=read_template, environment=environment, warn=warn
    )


def loads(
    text: str,
    *,
    source: str,
    read_template: Callable[[str], str],
    environment: Mapping[str, str],
    warn: Warn | None = None,
) -> ServiceSpec:
    """The service in `text`; `source` is its name in messages. Otherwise like `load`.

    `read_template` gives the text of a config template, or raises OSError.
    """
    report = Report(source)
    spec = _read(text, report, read_template, environment)
    report.warnings.sort(key=lambda problem: problem.line)
    if spec is None or report.errors:
        raise ServiceError(source, sorted(report.errors, key=lambda p: p.line), report.warnings)
    for problem in report.warnings if warn else ():
        assert warn
        warn(problem)
    return spec


def _read(
    text: str,
    report: Report,
    read_template: Callable[[str], str],
    environment: Mapping[str, str],
) -> ServiceSpec | None:
    try:
        rendered = render(text, mustache.env_values(environment))
    except mustache.TemplateError as error:
        report.error(0, "", f"not a Mustache template: {error}")
        return None
    if rendered.missing:
        names = ", ".join(sorted(set(rendered.missing)))
        report.warn(0, "", f"not set in the environment, so left empty: {names}")
    root = parse(rendered.text, rendered.lines, report)
    if root is None:
        return None
    if isinstance(root, Null):
        report.error(root.line, "", "is empty")
        return None
    section = open_section(Entry("", root, root.line, ""), vocabulary.SERVICE, report)
    return None if section is None else _service(section, read_template, environment)


def _service(
    section: Section, read_template: Callable[[str], str], environment: Mapping[str, str]
) -> ServiceSpec:
    name = section.words("name")
    _check_service_name(section, name)
    pods: list[PodSpec] = []
    for entry in section.named("pods", what="pod", required=True):
        pod = open_section(entry, vocabulary.POD, section.report)
        if pod is not None:
            spec = read_pod(pod, entry.name, read_template=read_template, environment=environment)
            _check_against_others(pod, spec, pods)
            pods.append(spec)
    user, principal, zookeeper = DEFAULT_USER, f"{name}-principal", DEFAULT_ZOOKEEPER
    scheduler = section.child("scheduler", vocabulary.SCHEDULER)
    if scheduler is not None:
        user = scheduler.words("user", user)
        principal = scheduler.words("principal", principal)
        zookeeper = scheduler.words("zookeeper", zookeeper)
        _check_zookeeper(scheduler, zookeeper)
    return ServiceSpec(
        name=name,
        user=user,
        principal=principal,
        zookeeper=zookeeper,
        pods=tuple(pods),
        deploy=_deploy(section, pods),
        web_url=section.text("web-url", "") or None,
    )


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


def _check_against_others(section: Section, pod: PodSpec, others: list[PodSpec]) -> None:
    advertised = {
        port.name: f"{other.type}.{task.name}"
        for other in others
        for task in other.tasks
        for port in task.ports
        if port.advertise
    }
    for task in pod.tasks:
        for port in task.ports:
            if not port.advertise:
                continue
            if port.name in advertised:
                section.error(
                    f"tasks.{task.name}.ports.{port.name}",
                    f"is already advertised by task {advertised[port.name]!r}; the names of "
                    "advertised ports are endpoints and must differ in a service",
                )
            advertised[port.name] = f"{pod.type}.{task.name}"
    for other in others:
        for one, two in ((pod.type, other.type), (other.type, pod.type)):
            if re.match(rf"{re.escape(one)}-[0-9]+(-|\Z)", two):
                section.error(
                    "", f"pods {one!r} and {two!r} could have tasks of the same name; rename one"
                )


def _deploy(section: Section, pods: list[PodSpec]) -> PlanSpec:
    plans = section.named("plans", what="plan")
    default = PlanSpec("deploy", tuple(PhaseSpec(pod.type, pod.type) for pod in pods))
    deploy: PlanSpec | None = None
    for entry in plans:
        if entry.name != "deploy":
            section.report.error(
                entry.line,
                entry.path,
                not_supported(
                    "a plan other than 'deploy'",
                    "updates and recovery need no plan here, remove it",
                ),
            )
            continue
        plan = open_section(entry, vocabulary.PLAN, section.report)
        deploy = default if plan is None else _plan(plan, pods)
    if plans and deploy is None:
        section.error("plans", "has no 'deploy'; add it, or remove `plans` to have it generated")
    return deploy or default


def _plan(plan: Section, pods: list[PodSpec]) -> PlanSpec:
    types = [pod.type for pod in pods]
    phases: list[PhaseSpec] = []
    for entry in plan.named("phases", what="phase", required=True):
        phase = open_section(entry, vocabulary.PHASE, plan.report)
        if phase is None:
            continue
        pod = phase.choice("pod", types) if types else phase.text("pod")
        for other in phases:
            # With `steps`, already refused, phases may share a pod; without, one has no work left.
            if pod and pod == other.pod and not phase.has("steps"):
                phase.error("pod", f"{pod!r} is already deployed by phase {other.name!r}")
        phases.append(PhaseSpec(entry.name, pod, _strategy(phase)))
    strategy = _strategy(plan)
    for type_ in types:
        if phases and all(phase.pod != type_ for phase in phases):
            plan.warn("phases", f"pod {type_!r} is in no phase and will not be deployed")
    return PlanSpec("deploy", tuple(phases), strategy)


def _strategy(section: Section) -> Strategy:
    found = section.text("strategy", "serial")
    if found in vocabulary.CANARY_STRATEGIES:
        section.error("strategy", not_supported(repr(found), "use serial or parallel"))
        return Strategy.SERIAL
    chosen = section.choice("strategy", vocabulary.STRATEGIES, "serial")
    return Strategy(chosen) if chosen in vocabulary.STRATEGIES else Strategy.SERIAL
