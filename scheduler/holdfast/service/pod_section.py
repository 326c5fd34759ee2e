"""One pod type of svc.yml as a model."""

import re
from collections.abc import Callable, Iterator, Mapping

from holdfast.service import vocabulary
from holdfast.service.container_section import (
    read_external_volumes,
    read_host_volumes,
    read_networks,
    read_rlimits,
    read_seccomp,
    read_secrets,
)
from holdfast.service.disruption_section import read_disruption_check
from holdfast.service.failure_model import ReplacementPolicy
from holdfast.service.failure_section import read_replacement
from holdfast.service.model import (
    ANY_ROLE,
    AfterReplaceSpec,
    Constraint,
    HookSpec,
    HooksSpec,
    IpcMode,
    PodSpec,
    ResourceSetSpec,
    TaskSpec,
    VolumeSpec,
    implicit_set_id,
)
from holdfast.service.placement_rule import PlacementError, parse_placement
from holdfast.service.resource_section import read_resources, read_volumes
from holdfast.service.section import Section, open_section
from holdfast.service.task_env import routed_settings
from holdfast.service.task_section import (
    TaskSources,
    config_leads_out,
    read_shm_size,
    read_task,
)

HOOK_TIMEOUT_S = 300.0
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
# Mesos (roles.cpp): no white space, no backslash, no '.', '..' or leading '-' between slashes.
_ROLE = re.compile(r"\*\Z|(?!-|\.\.?(/|\Z))[^\s/\\*]+(/(?!-|\.\.?(/|\Z))[^\s/\\*]+)*\Z")


def read_pod(
    section: Section,
    type_: str,
    *,
    read_template: Callable[[str], str],
    environment: Mapping[str, str],
    replacement: ReplacementPolicy | None = None,
) -> PodSpec:
    """The pod type in `section`; faults go to the section's report.

    `replacement` is the policy of the service, for pods without one of their own.
    """
    check_name(section, type_)
    sets = _resource_sets(section)
    sources = TaskSources(read_template, routed_settings(environment, type_), tuple(sets))
    owners = {spec.id: (f"resource set {spec.id!r}", where) for spec, where in sets.values()}
    tasks: list[TaskSpec] = []
    for entry in section.named("tasks", what="task", required=True):
        task = open_section(entry, vocabulary.TASK, section.report)
        if task is None:
            continue
        check_name(task, entry.name)
        tasks.append(read_task(task, entry.name, sources))
        implicit = implicit_set_id(entry.name)
        if implicit in sets and tasks[-1].resource_set is None:
            sets[implicit][1].error(
                "", f"is the name of the resources of task {entry.name!r}; choose another"
            )
        owners.setdefault(implicit, (f"task {entry.name!r}", task))
    pod = PodSpec(
        type=type_,
        count=section.whole("count", least=0),
        tasks=tuple(tasks),
        placement=_placement(section),
        uris=tuple(text for _, _, text in section.texts("uris")),
        rlimits=read_rlimits(section),
        hooks=_hooks(section),
        allow_decommission=section.boolean("allow-decommission", False),
        max_unavailable=section.whole("max-unavailable", 1, least=1),
        image=section.words("image") if section.has("image") else None,
        networks=read_networks(section),
        shared_volumes=read_volumes(section),
        resource_sets=tuple(spec for spec, _ in sets.values()),
        pre_reserved_role=_role(section),
        secrets=read_secrets(section),
        host_volumes=read_host_volumes(section),
        external_volumes=read_external_volumes(section),
        share_pid_namespace=section.boolean("share-pid-namespace", False),
        seccomp=read_seccomp(section),
        ipc_mode=_ipc_mode(section),
        shm_size_mb=read_shm_size(section),
        after_replace=_after_replace(section, type_),
        replacement=read_replacement(section, replacement),
        disruption_check=read_disruption_check(section),
    )
    _check_together(section, pod, owners)
    _check_own_containers(section, pod, owners)
    return pod


def check_name(section: Section, name: str) -> None:
    """Names of pods and tasks become parts of task ids, ZooKeeper paths and URLs."""
    if "__" in name:
        section.error("", "a name must not contain '__', which separates the parts of task ids")
    elif not _NAME.match(name):
        section.error(
            "",
            "a name may have letters, digits, '.', '_' and '-', and starts and ends with a letter "
            f"or digit; found {name!r}",
        )


def _resource_sets(section: Section) -> dict[str, tuple[ResourceSetSpec, Section]]:
    sets = {}
    for entry in section.named("resource-sets", what="resource set"):
        resources = open_section(entry, vocabulary.RESOURCE_SET, section.report)
        if resources is not None:
            check_name(resources, entry.name)
            sets[entry.name] = (read_resources(resources, entry.name), resources)
    return sets


def _check_together(
    section: Section, pod: PodSpec, owners: Mapping[str, tuple[str, Section]]
) -> None:
    """The tasks of a pod are on one agent: ports collide there, and volumes are shared."""
    used = {task.resource_set for task in pod.tasks}
    for spec in pod.resource_sets:
        if spec.id not in used:
            owners[spec.id][1].warn("", "is used by no task and will not be reserved")
    known: dict[str, tuple[str, VolumeSpec]] = {v.path: ("", v) for v in pod.shared_volumes}
    ports: dict[int, str] = {}
    for spec in _sets_of(pod):
        owner, where = owners[spec.id]
        for port in spec.ports:
            first = ports.setdefault(port.port, owner) if port.port else owner
            if first != owner:
                where.error("ports", f"port {port.port} is already used by {first} of the pod")
        for volume in spec.volumes:
            _check_volume(where, volume, *known.setdefault(volume.path, (owner, volume)), owner)
    _check_mounts(section, pod)
    _check_external_volumes(section, pod)


def _sets_of(pod: PodSpec) -> Iterator[ResourceSetSpec]:
    """The resource sets of the tasks, without those that are unknown, which is reported."""
    known = {spec.id for spec in pod.resource_sets}
    sets = {
        spec.id: spec
        for task in pod.tasks
        if task.resource_set is None or task.resource_set in known
        for spec in (pod.resources(task),)
    }
    yield from sets.values()


def _check_volume(
    where: Section, volume: VolumeSpec, first: str, known: VolumeSpec, owner: str
) -> None:
    key = "volume" if where.has("volume") else "volumes"
    if not volume.path or first == owner:
        return
    if not first:
        where.error(key, f"volume {volume.path!r} is one of the pod's own, which its tasks share")
    elif volume.size_mb != known.size_mb:
        where.error(
            key,
            f"volume {volume.path!r} has {volume.size_mb} MB here and {known.size_mb} MB in "
            f"{first}; tasks of a pod share a volume of the same path, so the sizes must be equal",
        )
    elif volume != known:
        where.error(
            key,
            f"volume {volume.path!r} is also in {first} with another type or profiles; tasks of a "
            "pod share a volume of the same path, so these must be equal",
        )
    else:
        where.warn(key, f"volume {volume.path!r} is one volume, shared with {first} of the pod")


def _check_mounts(section: Section, pod: PodSpec) -> None:
    """Nothing may be mounted over a volume of the pod."""
    taken = {v.path: "a volume" for spec in _sets_of(pod) for v in spec.volumes}
    taken |= {v.path: "a volume of the pod" for v in pod.shared_volumes}
    mounts = [(f"host-volumes.{v.name}", v.container_path) for v in pod.host_volumes]
    mounts += [(f"external-volumes.{v.name}", v.container_path) for v in pod.external_volumes]
    for key, path in mounts:
        clean = path.rstrip("/")
        if clean and clean in taken:
            where = section.at(f"{key}.container-path")
            line = section.node.lines[key.partition(".")[0]]
            section.report.error(line, where, f"{path!r} is already the path of {taken[clean]}")
        taken[clean] = f"`{key}`"


def _check_external_volumes(section: Section, pod: PodSpec) -> None:
    """A driver knows a volume by its name, which is made of the pod's when none is given."""
    known: dict[tuple[str, str | None], str] = {}
    for volume in pod.external_volumes:
        first = known.setdefault((volume.driver_name, volume.volume_name), volume.name)
        if first != volume.name:
            section.report.error(
                section.node.lines["external-volumes"],
                section.at(f"external-volumes.{volume.name}.volume-name"),
                f"driver {volume.driver_name!r} would know it by the same name as volume "
                f"{first!r}; give each a `volume-name` of its own",
            )


def _check_own_containers(
    section: Section, pod: PodSpec, owners: Mapping[str, tuple[str, Section]]
) -> None:
    """What differs where each task has a container of its own, with an image, and where not."""
    for task in pod.tasks:
        where = owners[implicit_set_id(task.name)][1]
        if pod.image is None and len(pod.tasks) > 1 and task.has_own_ipc:
            where.warn(
                "shm-size" if task.ipc_mode is None else "ipc-mode",
                "without an `image` the tasks of a pod share System V IPC and one /dev/shm, as "
                "large as all that they and the pod ask for",
            )
        for config in task.configs if pod.image is not None else ():
            if config_leads_out(config.dest):
                section.report.error(
                    where.node.lines.get("configs", where.line),
                    where.at(f"configs.{config.name}.dest"),
                    f"expected a path inside the sandbox, found {config.dest!r}: config files of a "
                    "pod with an image are written there, and its commands can copy them",
                )


def _role(section: Section) -> str:
    role = section.words("pre-reserved-role", ANY_ROLE)
    if role.strip() and not _ROLE.match(role):
        section.error("pre-reserved-role", f"is no name of a Mesos role, found {role!r}")
    return role


def _ipc_mode(section: Section) -> IpcMode | None:
    mode = section.member("ipc-mode", IpcMode)
    if mode is IpcMode.SHARE_PARENT:
        section.error("ipc-mode", "SHARE_PARENT is for tasks; a pod has no parent to share with")
    return mode


def _placement(section: Section) -> tuple[Constraint, ...]:
    text = section.text("placement", "")
    try:
        return parse_placement(text)
    except PlacementError as error:
        section.error("placement", str(error))
        return ()


def _hooks(section: Section) -> HooksSpec:
    hooks = section.child("hooks", vocabulary.HOOKS)
    if hooks is None:
        return HooksSpec()
    return HooksSpec(create=_hook(hooks, "create"), replace=_hook(hooks, "replace"))


def _after_replace(section: Section, type_: str) -> tuple[AfterReplaceSpec, ...]:
    return tuple(
        AfterReplaceSpec(
            restart=each.words("restart", type_),
            index_below=each.whole("index-below", least=1) if each.has("index-below") else None,
        )
        for each in section.sections("after-replace", vocabulary.AFTER_REPLACE)
    )


def _hook(hooks: Section, name: str) -> HookSpec | None:
    hook = hooks.child(name, vocabulary.HOOK)
    if hook is None:
        return None
    return HookSpec(hook.words("cmd"), hook.number("timeout", HOOK_TIMEOUT_S, above=0.0))
