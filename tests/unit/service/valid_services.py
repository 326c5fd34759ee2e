"""Strategies of services that obey every rule of the format, for property tests."""

import string
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st

from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.extra_model import EndpointSpec, RuleSpec
from holdfast.service.failure_model import DisasterSpec, ReplacementPolicy
from holdfast.service.model import (
    UNLIMITED,
    AccessMode,
    AfterReplaceSpec,
    ConfigSpec,
    Constraint,
    DiscoverySpec,
    EncryptionType,
    ExternalVolumeSpec,
    Goal,
    HealthCheckSpec,
    HookSpec,
    HooksSpec,
    HostVolumeSpec,
    InstanceSteps,
    IpcMode,
    LimitsSpec,
    NetworkSpec,
    Operator,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortRange,
    PortSpec,
    ReadinessCheckSpec,
    ResourceSetSpec,
    RLimitSpec,
    SeccompSpec,
    SecretSpec,
    ServiceSpec,
    Strategy,
    TaskSpec,
    TransportEncryptionSpec,
    VipSpec,
    Visibility,
    VolumeKind,
    VolumeSpec,
)

# Texts as operators write them: anything but what Mustache and the line markers mean.
_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Co"], exclude_characters="{}")
TEXT = st.text(_CHARACTERS | st.just("\n"), max_size=12)
WORDS = TEXT.filter(lambda text: bool(text.strip()))
VALUE = st.text(_CHARACTERS.filter(lambda c: c not in ",:;="), min_size=1, max_size=6)
LETTERS = st.text(string.ascii_lowercase, min_size=1, max_size=5)
ENV_KEY = st.text(string.ascii_uppercase + "_", min_size=1, max_size=6)
SECONDS = st.floats(0, 1e6)
MB = st.integers(1, 2**40)
LABELS = st.dictionaries(LETTERS, VALUE | st.just(""), max_size=2)
STRATEGY = st.sampled_from(Strategy)
SHM = st.none() | st.integers(1, 4096)

RANGE = st.lists(st.integers(1, 65535), min_size=2, max_size=2).map(
    lambda ends: PortRange(min(ends), max(ends))
)
CONSTRAINT = st.one_of(
    st.builds(Constraint, st.just("hostname"), st.sampled_from([Operator.UNIQUE])),
    st.builds(Constraint, st.just("@zone"), st.just(Operator.GROUP_BY), st.just("") | st.just("3")),
    st.builds(Constraint, LETTERS, st.just(Operator.MAX_PER), st.integers(1, 9).map(str)),
    st.builds(
        Constraint,
        st.just("@region") | LETTERS,
        st.sampled_from([Operator.IS, Operator.IS_NOT, Operator.CLUSTER, Operator.LIKE]),
        LETTERS,
    ),
    st.builds(Constraint, LETTERS, st.just(Operator.UNLIKE), st.just("a:b,c|\\d+")),
)
PROFILES = st.lists(LETTERS, unique=True, max_size=2).map(tuple)
HEALTH_CHECK = st.builds(
    HealthCheckSpec, WORDS, SECONDS, SECONDS, st.integers(1, 9), SECONDS, SECONDS
)
READINESS_CHECK = st.builds(ReadinessCheckSpec, WORDS, SECONDS, SECONDS, SECONDS)
COUNT = st.integers(1, 9)
HOOK = st.none() | st.builds(HookSpec, WORDS, st.floats(0.1, 1e6))
_RLIMIT = st.integers(0, 2**62).map(lambda soft: (soft, soft + 1)) | st.just((None, None))
RLIMITS = st.dictionaries(st.sampled_from(["RLIMIT_AS", "RLIMIT_NOFILE"]), _RLIMIT).map(
    lambda limits: tuple(RLimitSpec(name, *ends) for name, ends in limits.items())
)


@st.composite
def volumes(draw: st.DrawFn, names: Sequence[str]) -> tuple[VolumeSpec, ...]:
    """Volumes with these paths."""
    made = []
    for name in names:
        kind = draw(st.sampled_from(VolumeKind))
        profiles = draw(PROFILES) if kind is VolumeKind.MOUNT else ()
        made.append(VolumeSpec(name, draw(MB), kind, profiles))
    return tuple(made)


@st.composite
def resources(draw: st.DrawFn, id_: str, number: int) -> ResourceSetSpec:
    """A resource set; `number` makes its ports and volumes differ from those of others."""
    ports = []
    for index in range(draw(st.integers(0, 2))):
        fixed = draw(st.booleans())
        name = f"port-{number}-{index}"
        ports.append(
            PortSpec(
                name=name,
                port=number * 10 + index + 1 if fixed else 0,
                env_key=draw(st.none() | st.just(f"PORT_{index}")),
                advertise=draw(st.booleans()),
                vip=draw(
                    st.none() | st.builds(VipSpec, LETTERS | st.just(name), st.integers(1, 65535))
                ),
                ranges=() if fixed else tuple(draw(st.lists(RANGE, max_size=2))),
            )
        )
    cpus, memory_mb = draw(st.floats(0.01, 1e3)), draw(st.just(0) | MB)
    unlimited: st.SearchStrategy[Literal["unlimited"] | None] = st.sampled_from([None, UNLIMITED])
    limits = LimitsSpec(
        draw(unlimited | st.just(cpus) | st.just(cpus + 1)),
        draw(unlimited | st.just(memory_mb + 1)),
    )
    paths = [f"data-{number}-{index}" for index in range(draw(st.integers(0, 2)))]
    gpus = float(draw(st.integers(0, 2)))
    return ResourceSetSpec(id_, cpus, gpus, memory_mb, tuple(ports), draw(volumes(paths)), limits)


@st.composite
def tasks(draw: st.DrawFn, name: str, own: ResourceSetSpec, resource_set: str | None) -> TaskSpec:
    """A task on `own` resources, or on those of a resource set."""
    ipc_mode = draw(st.none() | st.sampled_from(IpcMode))
    configs = draw(st.lists(LETTERS, unique=True, max_size=2))
    return TaskSpec(
        name=name,
        goal=draw(st.sampled_from(Goal)),
        cmd=draw(WORDS),
        cpus=0.0 if resource_set else own.cpus,
        memory_mb=0 if resource_set else own.memory_mb,
        env=draw(st.dictionaries(ENV_KEY, TEXT, max_size=3)),
        ports=() if resource_set else own.ports,
        volumes=() if resource_set else own.volumes,
        configs=tuple(ConfigSpec(c, "app.conf", f"conf/{c}", "port={{PORT}}\n") for c in configs),
        health_check=draw(st.none() | HEALTH_CHECK),
        readiness_check=draw(st.none() | READINESS_CHECK),
        kill_grace_period=draw(st.integers(0, 3600)),
        essential=draw(st.booleans()),
        labels=draw(LABELS),
        gpus=0.0 if resource_set else own.gpus,
        limits=LimitsSpec() if resource_set else own.limits,
        resource_set=resource_set,
        discovery=None,
        transport_encryption=tuple(
            draw(
                st.lists(
                    st.builds(TransportEncryptionSpec, LETTERS, st.sampled_from(EncryptionType)),
                    unique=True,
                    max_size=2,
                )
            )
        ),
        ipc_mode=ipc_mode,
        shm_size_mb=None if ipc_mode is IpcMode.SHARE_PARENT else draw(SHM),
    )


@st.composite
def networks(draw: st.DrawFn) -> tuple[NetworkSpec, ...]:
    """The networks of a pod."""
    made = []
    for name in draw(st.lists(st.sampled_from(["dcos", "mesos-bridge", "own"]), unique=True)):
        host = draw(st.lists(st.integers(1, 65535), unique=True, max_size=2))
        ports = tuple(host) if name == "mesos-bridge" else ()
        made.append(NetworkSpec(name, ports, tuple(p ^ 1 or 1 for p in ports), draw(LABELS)))
    return tuple(made)


@st.composite
def secrets(draw: st.DrawFn) -> tuple[SecretSpec, ...]:
    """Secrets in a variable, in a file, or both."""
    made = []
    for number in range(draw(st.integers(0, 2))):
        key = draw(st.none() | st.just(f"SECRET_{number}"))
        file = draw((st.nothing() if key is None else st.none()) | st.just(f"key/{number}.pem"))
        made.append(SecretSpec(f"secret-{number}", draw(WORDS), key, file))
    return tuple(made)


REPLACEMENT = st.builds(
    ReplacementPolicy, st.integers(1, 9000), st.integers(0, 900), st.integers(1, 9)
)

DISRUPTION_CHECK = st.sampled_from(
    [
        DisruptionCheck("http://a"),
        DisruptionCheck("https://${POD_INSTANCE}.a:443/go?x=$$"),
        DisruptionCheck(command='test "$NO_SUCH" -gt $(( ${NODE_0_PORT_API} + 1 )) # 100%'),
    ]
)


@st.composite
def pods(draw: st.DrawFn, type_: str, number: int) -> PodSpec:
    """A pod type; `number` makes its names differ from those of others."""
    count = draw(st.integers(0, 3))
    first = draw(st.lists(st.sampled_from(["", "set-a", "set-a", "set-b"]), min_size=1, max_size=3))
    used = sorted({each for each in first if each})
    sets = tuple(draw(resources(id_, number * 10 + i)) for i, id_ in enumerate(used))
    made = []
    for index, resource_set in enumerate(first):
        own = draw(resources("", number * 10 + 5 + index))
        made.append(draw(tasks(f"task-{index}", own, resource_set or None)))
    if draw(st.booleans()):
        prefix = DiscoverySpec(f"name-{number}", draw(st.sampled_from(Visibility)))
        made = [_discovered(task, prefix) for task in made]
    unconfined = draw(st.booleans())
    shared = draw(volumes([f"own-{i}" for i in range(draw(st.integers(0, 2)))]))
    return PodSpec(
        type=type_,
        count=count,
        tasks=tuple(made),
        placement=tuple(draw(st.lists(CONSTRAINT, max_size=2))),
        uris=tuple(draw(st.lists(WORDS, max_size=2))),
        rlimits=draw(RLIMITS),
        hooks=HooksSpec(draw(HOOK), draw(HOOK)),
        allow_decommission=draw(st.booleans()),
        max_unavailable=draw(st.integers(1, 3)),
        image=draw(st.none() | WORDS),
        networks=draw(networks()),
        shared_volumes=shared,
        resource_sets=sets,
        pre_reserved_role=draw(st.sampled_from(["*", "slave_public", "a/b"])),
        secrets=draw(secrets()),
        host_volumes=tuple(
            HostVolumeSpec(f"host-{i}", "/var/log", f"host/{i}", draw(st.sampled_from(AccessMode)))
            for i in range(draw(st.integers(0, 2)))
        ),
        external_volumes=tuple(
            ExternalVolumeSpec(
                f"disk-{i}",
                draw(LETTERS) + str(i),  # two volumes of one driver need names of their own
                f"/mnt/{i}",
                draw(st.none() | WORDS),
                draw(st.none() | st.sampled_from(AccessMode)),
                draw(st.dictionaries(st.sampled_from(["size", "io"]), VALUE)),
            )
            for i in range(draw(st.integers(0, 2)))
        ),
        share_pid_namespace=draw(st.booleans()),
        seccomp=SeccompSpec(unconfined, None if unconfined else draw(st.none() | WORDS)),
        ipc_mode=draw(st.sampled_from([None, IpcMode.PRIVATE])),
        shm_size_mb=draw(SHM),
        after_replace=tuple(
            AfterReplaceSpec(type_, draw(st.none() | st.integers(1, 9)))
            for _ in range(draw(st.integers(0, 2)))
        ),
        replacement=draw(st.none() | REPLACEMENT),
        disruption_check=draw(st.none() | DISRUPTION_CHECK),
    )


def _discovered(task: TaskSpec, discovery: DiscoverySpec) -> TaskSpec:
    return replace(task, discovery=discovery)


@st.composite
def phases(draw: st.DrawFn, name: str, pod: PodSpec) -> PhaseSpec:
    """A phase of one task at a time, or of all at once where they may run together."""
    names = [task.name for task in pod.tasks]
    alone = len(names) == 1
    if alone and draw(st.booleans()):
        return PhaseSpec(name, pod.type, draw(STRATEGY), (), draw(st.booleans()))
    step = st.sampled_from(names).map(lambda task: (task,))
    steps = st.lists(step, max_size=3).map(tuple)
    indexes = draw(st.lists(st.integers(0, pod.count), unique=True, max_size=2))
    entries = [InstanceSteps(index, draw(steps)) for index in indexes]
    default = InstanceSteps(None, draw(steps))
    entries.insert(draw(st.integers(0, len(entries))), default)
    return PhaseSpec(name, pod.type, draw(STRATEGY), tuple(entries), draw(st.booleans()))


@st.composite
def plans(draw: st.DrawFn, name: str, all_pods: Sequence[PodSpec]) -> PlanSpec:
    """A plan of one phase for each of some pods."""
    chosen = draw(st.lists(st.sampled_from(all_pods), min_size=1, unique_by=lambda pod: pod.type))
    made = tuple(draw(phases(f"phase-{i}", pod)) for i, pod in enumerate(chosen))
    return PlanSpec(name, made, draw(st.sampled_from([Strategy.SERIAL, Strategy.PARALLEL])))


@st.composite
def endpoints(draw: st.DrawFn, name: str, all_pods: Sequence[PodSpec]) -> EndpointSpec:
    """Where the instances of a pod are, or a rendered file."""
    if draw(st.booleans()):
        return EndpointSpec(name, template="app.conf", content="port={{PORT}}\n")
    pod = draw(st.sampled_from(all_pods))
    sets = [task.ports for task in pod.tasks] + [each.ports for each in pod.resource_sets]
    names = sorted({port.name for each in sets for port in each})
    port = draw(st.none() | st.sampled_from(names)) if names else None
    return EndpointSpec(name, pod.type, draw(st.none() | COUNT), port)


@st.composite
def rules(draw: st.DrawFn, pod: PodSpec) -> RuleSpec:
    """A rule that the number of instances keeps; it asks for one thing or several."""
    count = pod.count
    rule = RuleSpec(
        path=f"pods.{pod.type}.count",
        message=draw(TEXT),
        unchanged=draw(st.booleans()),
        only_grows=draw(st.booleans()),
        matches=draw(st.none() | st.just(r"[0-9]+|\d{2}")),
        one_of=draw(st.just(()) | WORDS.map(lambda other: (other, str(count)))),
        at_least=draw(st.none() | st.integers(0, count).map(float)),
        at_most=draw(st.none() | st.integers(count, 9).map(float)),
    )
    bare = RuleSpec(rule.path, rule.message)
    return replace(rule, unchanged=True) if rule == bare else rule


@st.composite
def services(draw: st.DrawFn) -> ServiceSpec:
    """A valid service."""
    types = draw(st.lists(LETTERS, unique=True, min_size=1, max_size=3))
    made = tuple(draw(pods(type_, number + 1)) for number, type_ in enumerate(types))
    others = draw(
        st.lists(st.sampled_from(["update", "backup", "replace", "decommission"]), unique=True)
    )
    return ServiceSpec(
        name=draw(st.sampled_from(["data", "/prod/data", "a.b-c"])),
        user=draw(WORDS),
        principal=draw(WORDS),
        zookeeper=draw(st.sampled_from(["zk:2181", "a:1,[::1]:65535"])),
        pods=made,
        deploy=draw(plans("deploy", made)),
        web_url=draw(st.none() | WORDS),
        plans=tuple(draw(plans(name, made)) for name in others),
        endpoints=tuple(
            draw(endpoints(f"where-{i}", made)) for i in range(draw(st.integers(0, 2)))
        ),
        validation=tuple(
            draw(rules(draw(st.sampled_from(made)))) for _ in range(draw(st.integers(0, 2)))
        ),
        disaster=draw(
            st.builds(DisasterSpec, st.integers(1, 100), st.integers(1, 9), st.integers(1, 900))
        ),
    )
