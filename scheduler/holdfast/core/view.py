"""What the outside may see of the core: an immutable picture, made after each step."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.confidential import Signer
from holdfast.core.uninstall_record import Uninstalling
from holdfast.core.upkeep import Answered, Cordon
from holdfast.plans.orders import Orders
from holdfast.plans.plan import Plan
from holdfast.records import DestroyIntent, Pod, Retired
from holdfast.recovery.decide import Verdict
from holdfast.service.model import ServiceSpec
from holdfast.service.task_env import USUAL_DOMAINS, Domains


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a pod instance is not running yet: what it waits for, and each agent's first refusal."""

    reason: str
    agents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Something reserved for our role that no record explains. It is kept and reported.

    `id` is the volume's persistence id, or the reservation's resource id where there is no volume.
    `size` is MB for disk and memory, a count of CPUs or ports otherwise. `role` is the one of ours
    it is reserved for, `principal` who reserved it.
    """

    id: str
    kind: str
    size: float
    agent_id: str
    hostname: str
    labels: Mapping[str, str]
    since: float
    role: str = ""
    principal: str | None = None


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is known of maintenance: closed hosts by name, what Mesos was answered by agent id, and
    the pod instances that are `down`, and those that are `going` since Mesos was told they may."""

    cordons: Mapping[str, Cordon] = field(default_factory=dict)
    answers: Mapping[str, Answered] = field(default_factory=dict)
    down: Collection[str] = ()
    going: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The state of a service at one moment. Everything in it is immutable or never changed.

    `deployed` is the configuration the whole service was last deployed under, `updating` whether
    there was one when the target was set; `files` are those operators stored, by name.
    `verdicts` say what becomes of failed pod instances, `disaster` what is lost too much at once;
    `signer` makes the certificates of tasks.
    """

    service: ServiceSpec
    target_id: str
    configs: Mapping[str, ServiceSpec]
    framework_id: str | None
    connected: bool
    suppressed: bool
    pods: Mapping[str, Pod]
    retired: Mapping[str, Retired]
    intents: Mapping[str, DestroyIntent]
    quarantined: Mapping[str, Quarantined]
    plans: Sequence[Plan]
    orders: Mapping[str, Orders]
    explanations: Mapping[str, Explanation]
    counters: Mapping[str, int]
    files: Mapping[str, str] = field(default_factory=dict)
    deployed: str | None = None
    updating: bool = False
    uninstalling: Uninstalling | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    disaster: str | None = None
    paused: Mapping[str, frozenset[str]] = field(default_factory=dict)
    domains: Domains = USUAL_DOMAINS
    upkeep: Upkeep = field(default_factory=Upkeep)
    signer: Signer | None = None
