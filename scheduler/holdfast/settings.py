"""What the scheduler's environment sets besides svc.yml, under the names of dcos-commons.

All of it is read and checked here, once, with every fault told at once. What has no meaning outside
dcos-commons is in `IGNORED`, with the reason; docs/operations.md has the table for operators.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from holdfast.core.conduct import USUAL, Conduct
from holdfast.core.pausing import SLEEP
from holdfast.core.reconcile import PERIOD
from holdfast.core.statuses import DEFAULT_BACKOFF, Backoff
from holdfast.placement.owner import USUAL_SHARE, ExecutorShare
from holdfast.service.model import ServiceSpec
from holdfast.service.task_env import USUAL_DOMAINS, Domains
from holdfast.statsd import Target

LEGACY_ROLES = ("slave_public", "*")
"""What Marathon calls the role of apps that are in no group's: none of the service's own."""

_ROLE = re.compile(r"(?![-.])[^\s\\/*]+\Z")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")

IGNORED = {
    "API_SERVER_TIMEOUT_S": "the API answers before anything else is begun",
    "BOOTSTRAP_URI": "the executor brings what ./bootstrap did",
    "DISABLE_DEADLOCK_EXIT": "one thread decides; there is nothing to lock",
    "DISABLE_STATE_CACHE": "the records in memory are those in ZooKeeper",
    "EXECUTOR_DISK_MB": "sandboxes are not reserved",
    "FRAMEWORK_PRERESERVED_ROLES": "the roles follow from pre-reserved-role in svc.yml",
    "IMPLICIT_RECONCILIATION_DELAY_MS": "the first reconciliation is at once",
    "JAVA_HOME": "there is no Java",
    "JAVA_URI": "there is no Java",
    "LIBMESOS_URI": "Mesos is spoken to over HTTP",
    "MARATHON_NAME": "tasks reach the scheduler at its --host",
    "MESOS_API_VERSION": "it is always the v1 API",
    "USE_LEGACY_KILL_UNNEEDED_TASKS": "what no plan has is always stopped",
}
"""Variables of dcos-commons that change nothing here, and why."""


class BadSettings(Exception):
    """`problems` are all that is wrong with the variables, a line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Package:
    """What installed the scheduler, as it says itself; only shown."""

    name: str = ""
    version: str = ""
    built_ms: int = 0


NO_PACKAGE = Package()


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings; what is not set has the default of its part of the program.

    `user`, `principal`, `zookeeper` and `web_url` win over svc.yml, `region` is where pods go that
    name none, `group_role` the role the service takes instead of one of its own; all are None when
    not set. `space` is where the service is in the secret store of DC/OS. After `removal_timeout`
    seconds what one of many services still holds while it is removed is given up.
    """

    user: str | None = None
    principal: str | None = None
    zookeeper: str | None = None
    web_url: str | None = None
    region: str | None = None
    group_role: str | None = None
    space: str = "/"
    executor: ExecutorShare = USUAL_SHARE
    domains: Domains = USUAL_DOMAINS
    conduct: Conduct = USUAL
    pause_command: str = SLEEP
    package: Package = NO_PACKAGE
    statsd: Target | None = None
    removal_timeout: float | None = None

    @property
    def of_one_service(self) -> list[str]:
        """The variables that are set and do not count for a framework of many services."""
        return ["MESOS_ALLOCATION_ROLE"] if self.group_role is not None else []

    def applied_to(self, service: ServiceSpec) -> ServiceSpec:
        """The service of svc.yml as it is in this environment."""
        return replace(
            service,
            user=self.user or service.user,
            principal=self.principal or service.principal,
            zookeeper=self.zookeeper or service.zookeeper,
            web_url=self.web_url or service.web_url,
            region=self.region,
            group_role=self.group_role,
        )


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of that environment. Raises BadSettings with all that is wrong."""
    read = _Reader(environment)
    if read.truth("ENABLE_ROLE_MIGRATION", False):
        read.wrong(
            "ENABLE_ROLE_MIGRATION is not supported: a service keeps its role for good, since its"
            " volumes are reserved for it. Leave it unset"
        )
    region = read.text("SERVICE_REGION") or None
    settings = Settings(
        user=read.text("FRAMEWORK_USER") or None,
        principal=read.text("FRAMEWORK_PRINCIPAL") or None,
        zookeeper=read.text("FRAMEWORK_ZOOKEEPER") or None,
        web_url=read.text("FRAMEWORK_WEB_URL") or None,
        region=region if read.truth("ALLOW_REGION_AWARENESS", True) else None,
        group_role=_group_role(read),
        space=read.text("DCOS_SPACE") or read.text("MARATHON_APP_ID") or "/",
        executor=ExecutorShare(
            read.number("EXECUTOR_CPUS", USUAL_SHARE.cpus, above=0.0),
            read.number("EXECUTOR_MEM_MB", USUAL_SHARE.memory_mb, above=0.0),
        ),
        domains=Domains(
            read.domain("SERVICE_TLD", USUAL_DOMAINS.tasks),
            read.domain("VIP_TLD", USUAL_DOMAINS.vips),
        ),
        conduct=_conduct(read),
        pause_command=read.text("PAUSE_OVERRIDE_CMD") or SLEEP,
        package=Package(
            read.text("PACKAGE_NAME"),
            read.text("PACKAGE_VERSION"),
            read.whole("PACKAGE_BUILD_TIME_EPOCH_MS", 0, 2**63 - 1),
        ),
        statsd=_statsd(read),
        removal_timeout=(
            read.number("SERVICE_REMOVAL_TIMEOUT_S", 600.0, above=0.0)
            if read.text("SERVICE_REMOVAL_TIMEOUT_S")
            else None
        ),
    )
    if read.problems:
        raise BadSettings(tuple(read.problems))
    return settings


def ignored(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set and change nothing, and why."""
    return {name: why for name, why in IGNORED.items() if name in environment}


def _conduct(read: "_Reader") -> Conduct:
    # Read whether it is used or not, so that what is wrong is told before it is.
    asked = Backoff(
        first=read.number("FRAMEWORK_INITIAL_BACKOFF", 60.0, above=0.0),
        factor=read.number("FRAMEWORK_BACKOFF_FACTOR", 1.15, least=1.0),
        most=read.number("FRAMEWORK_MAX_LAUNCH_DELAY", 300.0, above=0.0),
        at_once=False,
    )
    period = read.number("IMPLICIT_RECONCILIATION_PERIOD_MS", PERIOD * 1000.0, least=1000.0)
    return Conduct(
        backoff=asked if read.truth("ENABLE_BACKOFF", False) else DEFAULT_BACKOFF,
        reconciliation=period / 1000.0,
        suppress=not read.truth("DISABLE_SUPPRESS", False),
    )


def _statsd(read: "_Reader") -> Target | None:
    host, port = read.text("STATSD_UDP_HOST"), read.whole("STATSD_UDP_PORT", 1, 65535)
    interval = read.number("STATSD_POLL_INTERVAL_S", 10.0, above=0.0)
    if bool(host) != bool(read.text("STATSD_UDP_PORT")):
        read.wrong("STATSD_UDP_HOST and STATSD_UDP_PORT go together: set both or none")
    return Target(host, port, interval) if host and port else None


def _group_role(read: "_Reader") -> str | None:
    """The role of the Marathon group, where DC/OS wants the service to have it (SchedulerConfig).

    That is when Marathon enforces it, or when there is one that is not the legacy one.
    """
    found = read.text("MESOS_ALLOCATION_ROLE")
    role = found.strip("/").replace("/", "__")
    enforced = read.truth("MARATHON_APP_ENFORCE_GROUP_ROLE", False)
    if enforced and not role:
        read.wrong(
            "MARATHON_APP_ENFORCE_GROUP_ROLE is set, and MESOS_ALLOCATION_ROLE does not say which"
        )
    if not enforced and role in LEGACY_ROLES:
        return None
    if role and not _ROLE.match(role):
        read.wrong(
            "MESOS_ALLOCATION_ROLE: expected the name of a role that resources can be reserved"
            f" for, found {found!r}"
        )
    return role or None


class _Reader:
    """Reads variables one by one and notes what is wrong. What is empty counts as not set."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def wrong(self, text: str) -> None:
        self.problems.append(text)

    def text(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def truth(self, name: str, default: bool) -> bool:
        found = self.text(name)
        if found.lower() not in ("", "true", "false"):
            self.wrong(f"{name}: expected true or false, found {found!r}")
        return found.lower() == "true" if found else default

    def number(
        self, name: str, default: float, *, above: float = -math.inf, least: float = -math.inf
    ) -> float:
        found = self.text(name)
        value = self._parsed(found, float) if found else default
        if value is None or not math.isfinite(value) or value <= above or value < least:
            bound = f"of at least {least:g}" if least > above else f"above {above:g}"
            self.wrong(f"{name}: expected a number {bound}, found {found!r}")
            return default
        return value

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number; 0 when it is not set."""
        found = self.text(name)
        value = self._parsed(found, int) if found else 0
        if value is None or (found and not least <= value <= most):
            self.wrong(f"{name}: expected a whole number from {least} to {most}, found {found!r}")
            return 0
        return int(value)

    def domain(self, name: str, default: str) -> str:
        found = self.text(name)
        if found and not _DOMAIN.match(found):
            self.wrong(f"{name}: expected a DNS domain, found {found!r}")
        return found or default

    @staticmethod
    def _parsed(found: str, kind: Callable[[str], float]) -> float | None:
        try:
            return kind(found)
        except ValueError:
            return None
