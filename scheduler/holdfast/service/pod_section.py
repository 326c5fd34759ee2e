"""One pod type of svc.yml as a model."""

import re
from collections.abc import Callable, Mapping

from holdfast.service import vocabulary
from holdfast.service.document import MapNode, Null
from holdfast.service.model import (
    Constraint,
    HookSpec,
    HooksSpec,
    PodSpec,
    RLimitSpec,
    TaskSpec,
    VolumeSpec,
)
from holdfast.service.placement_rule import PlacementError, parse_placement
from holdfast.service.section import Entry, Section, not_supported, open_section
from holdfast.service.task_env import routed_settings
from holdfast.service.task_section import TaskSources, check_resources, read_task

HOOK_TIMEOUT_S = 300.0
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_UNLIMITED = -1


def read_pod(
    section: Section,
    type_: str,
    *,
    read_template: Callable[[str], str],
    environment: Mapping[str, str],
) -> PodSpec:
    """The pod type in `section`; faults go to the section's report."""
    check_name(section, type_)
    sources = TaskSources(read_template, routed_settings(environment, type_))
    tasks: list[TaskSpec] = []
    for entry in section.named("tasks", what="task", required=True):
        task = open_section(entry, vocabulary.TASK, section.report)
        if task is None:
            continue
        check_name(task, entry.name)
        check_resources(task)
        tasks.append(read_task(task, entry.name, sources))
        _check_shared(task, tasks)
    return PodSpec(
        type=type_,
        count=section.whole("count", least=0),
        tasks=tuple(tasks),
        placement=_placement(section),
        uris=tuple(text for _, _, text in section.texts("uris")),
        rlimits=tuple(_rlimits(section)),
        hooks=_hooks(section, len(tasks)),
    )


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


def _check_shared(section: Section, tasks: list[TaskSpec]) -> None:
    """The tasks of a pod are on one agent: ports collide there, and volumes are shared."""
    *others, task = tasks
    ports = {p.port: other.name for other in others for p in other.ports if p.port}
    for port in task.ports:
        if port.port in ports:
            section.error(
                "ports", f"port {port.port} is already used by task {ports[port.port]!r} of the pod"
            )
    owners: dict[str, tuple[str, VolumeSpec]] = {
        v.path: (other.name, v) for other in others for v in other.volumes
    }
    key = "volume" if section.has("volume") else "volumes"
    for volume in task.volumes:
        owner, known = owners.get(volume.path, ("", volume))
        if volume.size_mb != known.size_mb:
            section.error(
                key,
                f"volume {volume.path!r} has {volume.size_mb} MB here and {known.size_mb} MB in "
                f"task {owner!r}; tasks of a pod share a volume of the same path, so the sizes "
                "must be equal",
            )
        elif owner and volume.path:
            section.warn(
                key, f"volume {volume.path!r} is one volume, shared with task {owner!r} of the pod"
            )


def _placement(section: Section) -> tuple[Constraint, ...]:
    text = section.text("placement", "")
    try:
        return parse_placement(text)
    except PlacementError as error:
        section.error("placement", str(error))
        return ()


def _rlimits(section: Section) -> list[RLimitSpec]:
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
        limit = open_section(_or_empty(entry), vocabulary.RLIMIT, section.report)
        if limit is not None:
            limits.append(_rlimit(limit, entry.name))
    return limits


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


def _or_empty(entry: Entry) -> Entry:
    if isinstance(entry.node, Null):
        return Entry(entry.name, MapNode(entry.line, {}, {}), entry.line, entry.path)
    return entry


def _hooks(section: Section, tasks: int) -> HooksSpec:
    hooks = section.child("hooks", vocabulary.HOOKS)
    if hooks is None:
        return HooksSpec()
    if tasks > 1:
        # The executor runs a hook before one task; the others would not wait for it.
        section.error(
            "hooks", not_supported("a hook in a pod of several tasks", "give it one task")
        )
    return HooksSpec(create=_hook(hooks, "create"), replace=_hook(hooks, "replace"))


def _hook(hooks: Section, name: str) -> HookSpec | None:
    hook = hooks.child(name, vocabulary.HOOK)
    if hook is None:
        return None
    return HookSpec(hook.words("cmd"), hook.number("timeout", HOOK_TIMEOUT_S, above=0.0))
