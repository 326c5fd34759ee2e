"""One task of svc.yml, and everything in it, as a model."""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.service import vocabulary
from holdfast.service.document import Null, Scalar
from holdfast.service.model import (
    ConfigSpec,
    DiscoverySpec,
    EncryptionType,
    Goal,
    HealthCheckSpec,
    IpcMode,
    ReadinessCheckSpec,
    ResourceSetSpec,
    TaskSpec,
    TransportEncryptionSpec,
    Visibility,
    implicit_set_id,
)
from holdfast.service.resource_section import dns_name, read_resources
from holdfast.service.section import Section, open_section
from holdfast_executor import mustache

MAX_KILL_GRACE_S = 3600  # dcos-commons: the longest time it declines offers
MAX_TEMPLATE_BYTES = 1024 * 1024  # dcos-commons' bootstrap reads no more
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
# Ignored in a task that uses a resource set (dcos-commons); volumes are not, see below.
_INLINE = ("cpus", "gpus", "memory", "resource-limits", "ports")


@dataclass(frozen=True, slots=True)
class TaskSources:
    """What a task is made of besides its own keys: template files, variables routed to its pod,
    and the ids of the pod's resource sets."""

    read_template: Callable[[str], str]
    routed_env: Mapping[str, str]
    resource_sets: Sequence[str]


def read_task(section: Section, name: str, sources: TaskSources) -> TaskSpec:
    """The task in `section`; faults go to the section's report."""
    resource_set = _resource_set(section, sources.resource_sets)
    own = ResourceSetSpec("")
    if resource_set is None:
        own = read_resources(section, implicit_set_id(name))
    ipc_mode = section.member("ipc-mode", IpcMode)
    shm_size = read_shm_size(section)
    if ipc_mode is IpcMode.SHARE_PARENT and shm_size:
        section.error("shm-size", "has no meaning with SHARE_PARENT, which has the pod's /dev/shm")
    return TaskSpec(
        name=name,
        goal=_goal(section),
        cmd=section.words("cmd"),
        cpus=own.cpus,
        memory_mb=own.memory_mb,
        env={**_env(section), **sources.routed_env},
        ports=own.ports,
        volumes=own.volumes,
        configs=_configs(section, sources.read_template),
        health_check=_health_check(section),
        readiness_check=_readiness_check(section),
        kill_grace_period=section.whole("kill-grace-period", 0, least=0, most=MAX_KILL_GRACE_S),
        essential=section.boolean("essential", True),
        labels=section.pairs("labels", ",", ":", strict=False),
        gpus=own.gpus,
        limits=own.limits,
        resource_set=resource_set,
        discovery=_discovery(section),
        transport_encryption=_transport_encryption(section),
        ipc_mode=ipc_mode,
        shm_size_mb=shm_size,
    )


def read_shm_size(section: Section) -> int | None:
    """The size of /dev/shm in MB, if there is one."""
    return section.whole("shm-size", least=1) if section.has("shm-size") else None


def _resource_set(section: Section, known: Sequence[str]) -> str | None:
    name = section.text("resource-set", "")
    if not name.strip():
        return None
    if known:
        section.choice("resource-set", known)
    else:
        section.error("resource-set", f"{name!r} is unknown; the pod has no `resource-sets`")
    for key in _INLINE:
        if section.has(key):
            section.warn(key, f"ignored, as the task has the resources of {name!r}")
    for key in ("volume", "volumes"):
        if section.has(key):
            # dcos-commons ignores these too, and the data would go with the sandbox.
            section.error(key, f"would be ignored, as the task has the volumes of {name!r}")
    return name


def _goal(section: Section) -> Goal:
    text = section.text("goal")
    if text.upper() in Goal.__members__:
        return Goal[text.upper()]
    if isinstance(section.node.entries.get("goal"), Scalar):
        hint = "; the goal of a task that ends is FINISH" if text.upper() == "FINISHED" else ""
        section.error("goal", f"expected RUNNING, FINISH or ONCE, found {text!r}{hint}")
    return Goal.RUNNING


def _env(section: Section) -> dict[str, str]:
    env = {}
    for entry in section.named("env", what="variable"):
        match entry.node:
            case Null():
                env[entry.name] = ""
            case Scalar(text=text) if "\0" not in text:
                env[entry.name] = text
            case _:
                section.unexpected(entry, "a text")
        if not entry.name or "=" in entry.name or "\0" in entry.name:
            section.report.error(entry.line, entry.path, "is no name of an environment variable")
    return env


def _configs(section: Section, read_template: Callable[[str], str]) -> tuple[ConfigSpec, ...]:
    configs: list[ConfigSpec] = []
    for entry in section.named("configs", what="config"):
        config = open_section(entry, vocabulary.CONFIG, section.report)
        if config is None:
            continue
        if not _FILE_NAME.match(entry.name):
            section.report.error(
                entry.line, entry.path, "a config's name may have letters, digits, ., _ and - only"
            )
        template, dest = config.words("template"), config.words("dest")
        clean = posixpath.normpath(dest) if dest else ""
        if clean and posixpath.normpath(posixpath.join("/sandbox", dest)) in ("/", "/sandbox"):
            config.error("dest", f"expected the path of a file, found {dest!r}")
        elif config_leads_out(dest):
            config.warn("dest", f"{dest!r} is outside of the sandbox, and stays when the task ends")
        if clean and any(clean == posixpath.normpath(o.dest) for o in configs if o.dest):
            config.error("dest", f"{dest!r} is already written by another config of this task")
        content = read_template_file(config, template, read_template) if template.strip() else ""
        configs.append(ConfigSpec(entry.name, template, dest, content))
    return tuple(configs)


def config_leads_out(dest: str) -> bool:
    """Whether a config's destination is outside of the sandbox."""
    return posixpath.isabs(dest) or posixpath.normpath(dest).split("/")[0] == ".."


def read_template_file(config: Section, name: str, read_template: Callable[[str], str]) -> str:
    try:
        content = read_template(name)
        mustache.render_listing_missing(content, {})
    except OSError as error:
        reason = error.strerror or str(error)
        config.error("template", f"{name!r} cannot be read: {reason}")
        return ""
    except UnicodeDecodeError as error:
        config.error("template", f"{name!r} is not UTF-8 text: {error.reason}")
        return ""
    except mustache.TemplateError as error:
        config.error("template", f"{name!r} is not a Mustache template: {error}")
        return content
    size = len(content.encode())
    if not size:
        config.error("template", f"{name!r} is empty")
    elif size > MAX_TEMPLATE_BYTES:
        config.error("template", f"{name!r} has {size} bytes; at most {MAX_TEMPLATE_BYTES} allowed")
    return content


def _health_check(section: Section) -> HealthCheckSpec | None:
    check = section.child("health-check", vocabulary.HEALTH_CHECK)
    if check is None:
        return None
    return HealthCheckSpec(
        cmd=check.words("cmd"),
        interval=check.number("interval"),
        grace_period=check.number("grace-period"),
        max_consecutive_failures=check.whole("max-consecutive-failures", least=1),
        delay=check.number("delay"),
        timeout=check.number("timeout"),
    )


def _readiness_check(section: Section) -> ReadinessCheckSpec | None:
    check = section.child("readiness-check", vocabulary.READINESS_CHECK)
    if check is None:
        return None
    return ReadinessCheckSpec(
        cmd=check.words("cmd"),
        interval=check.number("interval"),
        delay=check.number("delay", 0.0),
        timeout=check.number("timeout"),
    )


def _discovery(section: Section) -> DiscoverySpec | None:
    discovery = section.child("discovery", vocabulary.DISCOVERY)
    if discovery is None:
        return None
    visibility = discovery.member("visibility", Visibility) or Visibility.CLUSTER
    return DiscoverySpec(dns_name(discovery, "prefix"), visibility)


def _transport_encryption(section: Section) -> tuple[TransportEncryptionSpec, ...]:
    found: list[TransportEncryptionSpec] = []
    for entry in section.sections("transport-encryption", vocabulary.TRANSPORT_ENCRYPTION):
        name = entry.words("name")
        if name.strip() and not _FILE_NAME.match(name):
            entry.error(
                "name", f"becomes a file's name, of letters, digits, ., _ and -; found {name!r}"
            )
        kind = entry.member("type", EncryptionType, required=True)
        spec = TransportEncryptionSpec(name, kind or EncryptionType.TLS)
        if kind and spec in found:
            entry.error("name", f"{name!r} of type {kind} is given twice")
        found.append(spec)
    return tuple(found)
