"""A scheduler process of many services: the real core of all of them, and the real engine."""

from collections.abc import Callable, Iterable
from typing import Any

from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.hosted import Hosted, service_key, split_path
from holdfast.core.multi import Composite
from holdfast.core.startup import Stored
from holdfast.mesos.channel import CallResult
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.scheduler import SETTINGS, Records, Scheduler, Stream

PRINCIPAL = "sim-principal"
LIMIT = 2
"""How many services may be deployed for the first time at once."""

SERVER = "goal: RUNNING, cmd: run, cpus: {{CPUS}}, memory: 128, env: {VERSION: '{{VERSION}}'}"
DATA = "volume: {path: data, type: ROOT, size: 100}"
UNIQUE = """placement: '[["hostname", "UNIQUE"]]'"""

DEFINITIONS = {
    "one": f"""
name: one
pods:
  alpha:
    count: {{{{COUNT}}}}
    allow-decommission: true
    {UNIQUE}
    tasks:
      node: {{{SERVER}, {DATA}, ports: {{client: {{port: 1003}}}}}}
""",
    "two": f"""
name: two
pods:
  beta:
    count: 2
    {UNIQUE}
    tasks:
      format: {{goal: ONCE, cmd: finish, cpus: 0.1, memory: 32, resource-set: side}}
      node: {{{SERVER}, {DATA}}}
    resource-sets:
      side: {{cpus: 0.1, memory: 32}}
  gamma:
    count: {{{{COUNT}}}}
    allow-decommission: true
    tasks:
      node: {{{SERVER}, ports: {{client: {{port: 0}}}}}}
plans:
  deploy:
    strategy: serial
    phases:
      beta: {{pod: beta, steps: [default: [[format], [node]]]}}
      gamma: {{pod: gamma, strategy: parallel}}
""",
    "/team/three": f"""
name: /team/three
pods:
  delta:
    count: {{{{COUNT}}}}
    allow-decommission: true
    max-unavailable: 2
    replacement-failure-policy: {{permanent-failure-timeout-secs: 180, min-replace-delay-secs: 30}}
    tasks:
      node: {{{SERVER}, {DATA}}}
      helper: {{goal: RUNNING, essential: false, cmd: run, cpus: 0.1, memory: 32}}
plans:
  deploy:
    phases:
      delta: {{pod: delta, strategy: parallel}}
""",
}


def hosted(name: str, version: int = 0, pick: int = 0) -> Hosted:
    """The service as an operator gives it, in one of its versions."""
    environment = {
        "VERSION": str(version),
        "CPUS": ("0.4", "0.6", "0.8")[pick % 3],
        "COUNT": str(2 + pick // 3 % 3),
    }
    return Hosted(name, DEFINITIONS[name], environment, {})


def prefix(name: str) -> str:
    """How the ids of the service's tasks and executors begin."""
    return name.strip("/").replace("/", ".")


class TracedComposite(Composite):
    """The core of all services, telling its decisions to the trace."""

    log: Callable[[str], None]

    def step(self, events: Iterable[ev.Event], now: float) -> list[ef.Effect]:
        effects = super().step(events, now)
        for effect in effects:
            if isinstance(effect, ef.Decision):
                self.log(f"{effect.service}: {effect.text}" if effect.service else effect.text)
            elif isinstance(effect, ef.Reply):
                self.log(f"reply {effect.status}: {effect.body['message']}")
        return effects


class ManyRecords(Records):
    """What is stored for all services; whoever judges one of them sees its records alone."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, Records] = {}

    def part(self, name: str) -> Records:
        return self._parts.setdefault(service_key(name), Records())

    def note(self, writes: Writes, now: float) -> None:
        by_key: dict[str, list[Any]] = {}
        for path, data in writes:
            key, rest = split_path(path)
            by_key.setdefault(key, []).append((rest, data))
        for key, of_it in by_key.items():
            if key:
                self._parts[key].note(of_it, now)


class ManyScheduler(Scheduler):
    """Such a process, from its start to its end."""

    many: TracedComposite

    def _open(self, stored: Stored, spec: ServiceSpec, uninstall: bool) -> None:
        self.many = TracedComposite(stored, SETTINGS, self._new_id, PRINCIPAL, LIMIT, self._time())
        self.many.log = self._log
        self.engine = self._engine_of(self.many)

    def _subscribe(self, stream: Stream) -> None:
        many = self.many
        self._master.subscribe(stream, many.framework_id, many.roles, many.suppressed_roles)

    def _deregisters(self) -> bool:
        return False

    def update_framework(self) -> CallResult:
        body = {"roles": self.many.roles, "suppressed_roles": self.many.suppressed_roles}
        return self.call({"type": "UPDATE_FRAMEWORK", "update_framework": body})
