"""What the containers of a pod of svc.yml are given: networks, secrets, foreign volumes, limits."""

import re
from enum import StrEnum

from holdfast.service import vocabulary
from holdfast.service.document import Scalar
from holdfast.service.model import (
    AccessMode,
    ExternalVolumeSpec,
    HostVolumeSpec,
    NetworkSpec,
    RLimitSpec,
    SeccompSpec,
    SecretSpec,
)
from holdfast.service.resource_section import HIGHEST_PORT, empty_as_mapping, env_key
from holdfast.service.section import Section, open_section

_UNLIMITED = -1
# dcos-commons DefaultSecretSpec and DefaultHostVolumeSpec, without what makes them slow.
_RELATIVE_PATH = re.compile(r"[.a-zA-Z0-9][.a-zA-Z0-9_/\\-]*\Z")
_ABSOLUTE_PATH = re.compile(r"/[.a-zA-Z0-9][.a-zA-Z0-9_/\\-]*\Z")


class _ExternalType(StrEnum):
    DOCKER = "DOCKER"


def read_networks(section: Section) -> tuple[NetworkSpec, ...]:
    """The networks of a pod; none is the agent's own."""
    networks = []
    for entry in section.named("networks", what="network"):
        network = open_section(empty_as_mapping(entry), vocabulary.NETWORK, section.report)
        if network is None:
            continue
        spec = NetworkSpec(
            entry.name,
            network.wholes("host-ports", least=1, most=HIGHEST_PORT),
            network.wholes("container-ports", least=1, most=HIGHEST_PORT),
            network.pairs("labels", ",", ":", strict=False),
        )
        if len(spec.host_ports) != len(spec.container_ports):
            network.error(
                "",
                "give as many `host-ports` as `container-ports`, found "
                f"{len(spec.host_ports)} and {len(spec.container_ports)}",
            )
        elif spec.host_ports and not spec.maps_ports:
            network.error(
                "host-ports",
                f"network {entry.name!r} maps no ports of the agent; mesos-bridge does",
            )
        elif len(set(spec.host_ports)) < len(spec.host_ports):
            network.error("host-ports", f"has a port twice: {', '.join(map(str, spec.host_ports))}")
        networks.append(spec)
    return tuple(networks)


def read_secrets(section: Section) -> tuple[SecretSpec, ...]:
    """The secrets of a pod; with neither variable nor file, it is in a file of its path."""
    secrets: list[SecretSpec] = []
    for entry in section.named("secrets", what="secret"):
        secret = open_section(entry, vocabulary.SECRET, section.report)
        if secret is None:
            continue
        path = secret.words("secret")
        key = env_key(secret)
        file = secret.words("file") if secret.has("file") else None
        if key is None and file is None and path.strip():
            file = path
            _check_path(secret, "secret", path, "it is the path of the file too, as there is no")
        elif file:
            _check_path(secret, "file", file)
        for other in secrets:
            if key and key == other.env_key:
                secret.error("env-key", f"{key} is already set by secret {other.name!r}")
            if file and file == other.file:
                secret.error("file", f"{file!r} is already the file of secret {other.name!r}")
        secrets.append(SecretSpec(entry.name, path, key, file))
    return tuple(secrets)


def read_host_volumes(section: Section) -> tuple[HostVolumeSpec, ...]:
    """The paths of the agent a pod sees."""
    volumes = []
    for entry in section.named("host-volumes", what="volume"):
        volume = open_section(entry, vocabulary.HOST_VOLUME, section.report)
        if volume is None:
            continue
        host, inside = volume.words("host-path"), volume.words("container-path")
        if host.strip() and not _ABSOLUTE_PATH.match(host):
            volume.error("host-path", f"expected an absolute path, found {host!r}")
        _check_path(volume, "container-path", inside)
        mode = volume.member("mode", AccessMode) or AccessMode.RW
        volumes.append(HostVolumeSpec(entry.name, host, inside, mode))
    return tuple(volumes)


def read_external_volumes(section: Section) -> tuple[ExternalVolumeSpec, ...]:
    """The volumes of Docker volume drivers a pod uses."""
    volumes = []
    for entry in section.named("external-volumes", what="volume"):
        volume = open_section(entry, vocabulary.EXTERNAL_VOLUME, section.report)
        if volume is None:
            continue
        volume.member("type", _ExternalType, required=True)
        options = volume.pairs("driver-options", ";", "=", strict=True)
        if "name" in options:
            volume.error("driver-options", "must not have `name`; give it as `volume-name`")
        inside = volume.words("container-path")
        if ".." in re.split(r"[/\\]", inside):
            volume.error("container-path", f"must not have '..' in it, found {inside!r}")
        volumes.append(
            ExternalVolumeSpec(
                name=entry.name,
                driver_name=volume.words("driver-name"),
                container_path=inside,
                volume_name=volume.words("volume-name") if volume.has("volume-name") else None,
                mode=volume.member("volume-mode", AccessMode),
                driver_options=options,
            )
        )
    return tuple(volumes)


def read_seccomp(section: Section) -> SeccompSpec:
    """Which system calls a pod may make."""
    key = "seccomp-profile-name"
    spec = SeccompSpec(
        unconfined=section.boolean("seccomp-unconfined", False),
        profile=section.words(key) if section.has(key) else None,
    )
    if spec.unconfined and spec.profile is not None:
        section.error(key, "give either this or `seccomp-unconfined`, not both")
    return spec


def read_rlimits(section: Section) -> tuple[RLimitSpec, ...]:
    """The POSIX limits of a pod."""
    limits = []
    for entry in section.named("rlimits", what="limit"):
        if entry.name not in vocabulary.RLIMITS:
            section.report.error(
                entry.line,
                entry.path,
                f"unknown limit; allowed here: {', '.join(vocabulary.RLIMITS)}",
            )
            continue
        # `RLIMIT_CORE:` alone is a limit without values: unlimited.
        limit = open_section(empty_as_mapping(entry), vocabulary.RLIMIT, section.report)
        if limit is not None:
            limits.append(_rlimit(limit, entry.name))
    return tuple(limits)


def _rlimit(limit: Section, name: str) -> RLimitSpec:
    faults = len(limit.report.errors)
    soft, hard = (limit.whole(key, _UNLIMITED, least=_UNLIMITED) for key in ("soft", "hard"))
    if len(limit.report.errors) > faults:
        pass  # one fault is enough; comparing what was read in its place would tell of another
    elif limit.has("soft") != limit.has("hard"):
        limit.error("", "give both `soft` and `hard`, or none of them for unlimited")
    elif (soft == _UNLIMITED) != (hard == _UNLIMITED):
        limit.error("", f"-1 (unlimited) must be given for both, found {soft} and {hard}")
    elif soft > hard:
        limit.error("soft", f"must not be more than hard, found {soft} and {hard}")
    return RLimitSpec(name, *(None if v == _UNLIMITED else v for v in (soft, hard)))


def _check_path(section: Section, key: str, path: str, why: str = "") -> None:
    """A path in the sandbox; outside of it a volume would cover what belongs to others."""
    if not isinstance(section.node.entries.get(key), Scalar) or not path.strip():
        return  # reported where it was read
    if not _RELATIVE_PATH.match(path) or ".." in re.split(r"[/\\]", path):
        because = f" ({why} `file`)" if why else ""
        section.error(
            key,
            "expected a path inside the sandbox, of letters, digits, '.', '_', '-' and '/', found "
            f"{path!r}{because}",
        )
