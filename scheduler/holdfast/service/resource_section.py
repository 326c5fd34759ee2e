"""What a task or resource set of svc.yml reserves, as a model."""

import re
from typing import Literal, TypeVar

from holdfast.service import vocabulary
from holdfast.service.document import MapNode, Null, Scalar
from holdfast.service.model import (
    UNLIMITED,
    LimitsSpec,
    PortRange,
    PortSpec,
    ResourceSetSpec,
    VipSpec,
    VolumeKind,
    VolumeSpec,
)
from holdfast.service.section import Entry, Section, open_section

HIGHEST_PORT = 65535
# Mesos mounts a volume whose path has a slash nowhere, without a word (dcos-commons VolumeSpec).
_VOLUME_PATH = re.compile(r"[a-zA-Z0-9]+[a-zA-Z0-9_-]*\Z")
_PROFILE = re.compile(r"[a-zA-Z0-9_.-]{1,128}\Z")
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_DNS_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\Z")
N = TypeVar("N", int, float)
_NEEDED = ("cpus", "gpus", "memory", "ports")


def read_resources(section: Section, id_: str) -> ResourceSetSpec:
    """The resources in `section`, of a task or a resource set; faults go to its report."""
    if not any(section.has(key) for key in _NEEDED):
        section.error("", "needs at least one of cpus, gpus, memory and ports")
    if section.has("volume") and section.has("volumes"):
        section.error("volume", "give either `volume` or `volumes`, not both")
    gpus = section.number("gpus", 0.0)
    if gpus % 1:
        section.error("gpus", f"Mesos gives whole GPUs only, found {gpus:g}")
    cpus = section.number("cpus", 0.0, above=0.0)
    memory_mb = section.whole("memory", 0, least=1)
    return ResourceSetSpec(
        id=id_,
        cpus=cpus,
        gpus=gpus,
        memory_mb=memory_mb,
        ports=_ports(section),
        volumes=read_volumes(section),
        limits=_limits(section, cpus, memory_mb),
    )


def env_key(section: Section, key: str = "env-key") -> str | None:
    """The name of a variable, if there is one."""
    if not section.has(key):
        return None
    name = section.words(key)
    if name.strip() and not _ENV_KEY.match(name):
        section.error(
            key, f"expected letters, digits and _ not starting with a digit, found {name!r}"
        )
    return name


def dns_name(section: Section, key: str, default: str | None = None) -> str:
    """A name that becomes part of a host name; required without `default`."""
    name = section.words(key, default)
    if name.strip() and not _DNS_NAME.match(name):
        section.error(
            key,
            "expected letters, digits, '.', '_' and '-', not starting or ending with '.' or '-', "
            f"found {name!r}",
        )
    return name


def _ports(section: Section) -> tuple[PortSpec, ...]:
    entries = section.named("ports", what="port")
    names = [entry.name for entry in entries]
    ports: list[PortSpec] = []
    for entry in entries:
        port = open_section(entry, vocabulary.PORT, section.report)
        if port is None:
            continue
        number = port.whole("port", least=0, most=HIGHEST_PORT)
        key = env_key(port)
        for other in ports:
            if number and number == other.port:
                port.error("port", f"{number} is already the port of {other.name!r} in this task")
            if key and key == other.env_key:
                port.error("env-key", f"{key} is already set by port {other.name!r}")
        ranges = _ranges(port)
        if ranges and number:
            port.warn("ranges", f"ignored, as the port is {number}; they are for port 0")
            ranges = ()
        advertise = port.boolean("advertise", False)
        ports.append(PortSpec(entry.name, number, key, advertise, _vip(port, entry, names), ranges))
    return tuple(ports)


def _vip(port: Section, entry: Entry, names: list[str]) -> VipSpec | None:
    vip = port.child("vip", vocabulary.VIP)
    if vip is None:
        return None
    # An empty prefix is none (dcos-commons): templates leave it so.
    named = not isinstance(p := vip.node.entries.get("prefix"), Scalar) or bool(p.text)
    prefix = dns_name(vip, "prefix", entry.name) if named else entry.name
    if prefix != entry.name and prefix in names:
        vip.error("prefix", f"{prefix!r} is the name of another port of this task; choose another")
    return VipSpec(prefix, vip.whole("port", least=1, most=HIGHEST_PORT))


def _ranges(port: Section) -> tuple[PortRange, ...]:
    ranges = []
    for range_ in port.sections("ranges", vocabulary.RANGE):
        begin = range_.whole("begin", 0, least=0, most=HIGHEST_PORT)
        # 0 is no end, as dcos-commons reads it (RangeSpec).
        end = range_.whole("end", 0, least=0, most=HIGHEST_PORT) or HIGHEST_PORT
        if begin > end:
            range_.error("begin", f"must not be more than end, found {begin} and {end}")
        ranges.append(PortRange(begin, end))
    return tuple(ranges)


def read_volumes(section: Section) -> tuple[VolumeSpec, ...]:
    """The `volume` and the `volumes` of `section`, whose names have no meaning."""
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
            volume.error("path", f"{path!r} is already the path of another volume here")
        kind = volume.member("type", VolumeKind, required=True) or VolumeKind.ROOT
        size = volume.whole("size", least=1)
        volumes.append(VolumeSpec(path, size, kind, _profiles(volume, kind)))
    return tuple(volumes)


def _profiles(volume: Section, kind: VolumeKind) -> tuple[str, ...]:
    profiles: list[str] = []
    for line, path, text in volume.texts("profiles"):
        if not _PROFILE.match(text):
            volume.report.error(
                line, path, f"expected 1 to 128 letters, digits, '_', '.' and '-', found {text!r}"
            )
        if text in profiles:
            volume.report.error(line, path, f"{text!r} is given twice")
        profiles.append(text)
    if profiles and kind is not VolumeKind.MOUNT:
        volume.error("profiles", f"are of volumes of type MOUNT, this one is of type {kind}")
    return tuple(profiles)


def _limits(section: Section, cpus: float, memory_mb: int) -> LimitsSpec:
    limits = section.child("resource-limits", vocabulary.LIMITS)
    if limits is None:
        return LimitsSpec()
    return LimitsSpec(_limit(limits, "cpus", cpus), _limit(limits, "memory", memory_mb))


def _limit(limits: Section, key: str, asked: N) -> N | Literal["unlimited"] | None:
    text = limits.text(key, "").strip()
    if not text or text == UNLIMITED:
        return UNLIMITED if text else None
    most: float | int
    if isinstance(asked, int):
        most = limits.whole(key, 0, least=1, also=" or unlimited")
    else:
        most = limits.number(key, 0.0, above=0.0, also=" or unlimited")
    if most and most < asked:
        limits.error(key, f"must not be less than what is reserved, {asked:g}, found {most:g}")
    return type(asked)(most) or None


def empty_as_mapping(entry: Entry) -> Entry:
    """`entry` with a mapping without keys in the place of nothing."""
    if isinstance(entry.node, Null):
        return Entry(entry.name, MapNode(entry.line, {}, {}), entry.line, entry.path)
    return entry
