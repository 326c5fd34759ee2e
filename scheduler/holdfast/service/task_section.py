"""One task of svc.yml, and everything in it, as a model."""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.service import vocabulary
from holdfast.service.document import Null, Scalar, describe
from holdfast.service.model import (
    ConfigSpec,
    Goal,
    HealthCheckSpec,
    PortSpec,
    ReadinessCheckSpec,
    TaskSpec,
    VolumeSpec,
)
from holdfast.service.section import Entry, Section, not_supported, open_section
from holdfast_executor import mustache

MAX_KILL_GRACE_S = 3600  # dcos-commons: the longest time it declines offers
MAX_TEMPLATE_BYTES = 1024 * 1024  # dcos-commons' bootstrap reads no more
# Mesos mounts a volume whose path has a slash nowhere, without a word (dcos-commons VolumeSpec).
_VOLUME_PATH = re.compile(r"[a-zA-Z0-9]+[a-zA-Z0-9_-]*\Z")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True, slots=True)
class TaskSources:
    """What a task is made of besides its own keys: template files, variables routed to its pod."""

    read_template: Callable[[str], str]
    routed_env: Mapping[str, str]


def read_task(section: Section, name: str, sources: TaskSources) -> TaskSpec:
    """The task in `section`; faults go to the section's report."""
    return TaskSpec(
        name=name,
        goal=_goal(section),
        cmd=section.words("cmd"),
        cpus=section.number("cpus", 0.0, above=0.0),
        memory_mb=section.whole("memory", 0, least=1),
        env={**_env(section), **sources.routed_env},
        ports=_ports(section),
        volumes=_volumes(section),
        configs=_configs(section, sources.read_template),
        health_check=_health_check(section),
        readiness_check=_readiness_check(section),
        kill_grace_period=section.whole("kill-grace-period", 0, least=0, most=MAX_KILL_GRACE_S),
    )


def check_resources(section: Section) -> None:
    """A task without any resource cannot be launched."""
    if not any(section.has(key) for key in ("cpus", "memory", "ports", "resource-set")):
        section.error("", "needs at least one of cpus, memory and ports")


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
            case node:
                section.report.error(
                    entry.line, entry.path, f"expected a text, found {describe(node)}"
                )
        if not entry.name or "=" in entry.name or "\0" in entry.name:
            section.report.error(entry.line, entry.path, "is no name of an environment variable")
    return env


def _ports(section: Section) -> tuple[PortSpec, ...]:
    ports: list[PortSpec] = []
    for entry in section.named("ports", what="port"):
        port = open_section(entry, vocabulary.PORT, section.report)
        if port is None:
            continue
        number = port.whole("port", least=0, most=65535)
        env_key = port.words("env-key") if port.has("env-key") else None
        if env_key is not None and not _ENV_KEY.match(env_key):
            port.error(
                "env-key",
                f"expected letters, digits and _ not starting with a digit, found {env_key!r}",
            )
        for other in ports:
            if number and number == other.port:
                port.error("port", f"{number} is already the port of {other.name!r} in this task")
            if env_key and env_key == other.env_key:
                port.error("env-key", f"{env_key} is already set by port {other.name!r}")
        ports.append(PortSpec(entry.name, number, env_key, port.boolean("advertise", False)))
    return tuple(ports)


def _volumes(section: Section) -> tuple[VolumeSpec, ...]:
    if section.has("volume") and section.has("volumes"):
        section.error("volume", "give either `volume` or `volumes`, not both")
    entries = section.named("volumes", what="volume")
    if section.has("volume"):
        node, line = section.node.entries["volume"], section.node.lines["volume"]
        entries.insert(0, Entry("volume", node, line, section.at("volume")))
    volumes: list[VolumeSpec] = []
    for entry in entries:
        volume = open_section(entry, vocabulary.VOLUME, section.report)
        if volume is None:
            continue
        path = volume.text("path")
        if isinstance(volume.node.entries.get("path"), Scalar) and not _VOLUME_PATH.match(path):
            volume.error(
                "path",
                f"expected letters, digits, _ and - starting with a letter or digit, and no "
                f"slash, found {path!r}",
            )
        if path and any(path == other.path for other in volumes):
            volume.error("path", f"{path!r} is already the path of another volume of this task")
        if volume.text("type", "" if volume.has("type") else None) == "MOUNT":
            volume.error("type", not_supported("MOUNT", "use ROOT"))
        elif volume.has("type"):
            volume.choice("type", ("ROOT",))
        volumes.append(VolumeSpec(path, volume.whole("size", least=1)))
    return tuple(volumes)


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
        if posixpath.isabs(dest) or clean in (".", "..") or clean.startswith("../"):
            config.error("dest", f"expected a path inside the sandbox, found {dest!r}")
        if clean and any(clean == posixpath.normpath(o.dest) for o in configs if o.dest):
            config.error("dest", f"{dest!r} is already written by another config of this task")
        content = _template(config, template, read_template) if template.strip() else ""
        configs.append(ConfigSpec(entry.name, template, dest, content))
    return tuple(configs)


def _template(config: Section, name: str, read_template: Callable[[str], str]) -> str:
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
