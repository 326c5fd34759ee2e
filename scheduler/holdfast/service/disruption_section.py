"""What svc.yml says of who is asked before pod instances are stopped."""

from collections.abc import Iterator, Sequence
from string import Template
from urllib.parse import urlsplit

from holdfast.service import vocabulary
from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.model import PodSpec
from holdfast.service.places import Path, places_in
from holdfast.service.section import Section
from holdfast.service.task_env import env_name

CHECK = "disruption-check"
POD_INSTANCE = "POD_INSTANCE"
FRAMEWORK_NAME = "FRAMEWORK_NAME"
FRAMEWORK_HOST = "FRAMEWORK_HOST"


def read_disruption_check(section: Section) -> DisruptionCheck | None:
    """The check of the pod; which variables there are is not known before all pods are read."""
    check = section.child(CHECK, vocabulary.DISRUPTION_CHECK)
    if check is None:
        return None
    if check.has("url") == check.has("command"):
        found = "both" if check.has("url") else "neither"
        check.error("", f"expected either `url` or `command`, found {found}")
    url, command = check.words("url", ""), check.words("command", "")
    if url.strip():
        _check_url(check, url)
    return DisruptionCheck(url, command)


def _check_url(check: Section, url: str) -> None:
    template = Template(url)
    if not template.is_valid():
        check.error("url", f"a `$` stands for a variable, `$NAME` or `${{NAME}}`; found {url!r}")
        return
    numbers = dict.fromkeys(template.get_identifiers(), "1")
    try:
        parts = urlsplit(template.substitute(numbers))
        known = parts.port is None or parts.port > 0
    except ValueError:
        parts, known = urlsplit(""), False
    if not known or parts.scheme not in ("http", "https") or not parts.hostname:
        check.error("url", f"expected http://host[:port]/... or https://..., found {url!r}")
    elif parts.username is not None or parts.password is not None:
        check.error("url", "must not have a user or a password in it: it is stored and shown")


def check_variables(section: Section, pods: Sequence[PodSpec]) -> None:
    """Report variables in URLs that never have a value; `section` is the service."""
    known = {POD_INSTANCE, *_variables(pods)}
    for pod in pods:
        if pod.disruption_check is None:
            continue
        template = Template(pod.disruption_check.url)
        unknown = [name for name in template.get_identifiers() if name not in known]
        if unknown and template.is_valid():
            path: Path = ("pods", pod.type, CHECK, "url")
            line, shown = places_in(section.node)(path)
            section.report.error(
                line,
                shown,
                f"there is no variable {', '.join(unknown)}; there are those of endpoint templates,"
                f" such as {env_name(pod.type)}_0_IP, and {POD_INSTANCE}",
            )


def _variables(pods: Sequence[PodSpec]) -> Iterator[str]:
    """The names `core.addresses.values` has, once all instances have a place."""
    yield from (FRAMEWORK_NAME, FRAMEWORK_HOST)
    for pod in pods:
        type_ = env_name(pod.type)
        yield from (f"{type_}_COUNT", f"{type_}_IPS")
        ports = {env_name(port.name) for task in pod.tasks for port in task.ports}
        ports |= {env_name(port.name) for each in pod.resource_sets for port in each.ports}
        for index in range(pod.count):
            yield from (f"{type_}_{index}_{fact}" for fact in ("IP", "HOSTNAME", "ZONE"))
            yield from (f"{type_}_{index}_PORT_{name}" for name in ports)
