"""A simulated cluster that runs one of the small definitions, and what can be asked of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from holdfast.core import events as ev
from holdfast.mesos.messages import AgentFeatures
from holdfast.plans.plan import Phase, Plan, Status
from holdfast.records import Pod
from holdfast.service.model import Goal, PodSpec, ServiceSpec
from holdfast.settings import Settings
from tests.definitions import hello_world
from tests.simulation.agent import Agent
from tests.simulation.machine import Task
from tests.simulation.world import World, quiet

SECONDS = 600.0
"""Virtual seconds within which what is waited for must come."""
EVERYTHING = AgentFeatures(
    "linux",
    frozenset(
        {
            *("filesystem/linux", "network/cni", "volume/host_path", "docker/volume"),
            *("linux/seccomp", "namespaces/ipc", "namespaces/pid", "docker/runtime"),
            *("volume/sandbox_path", "posix/rlimits"),
        }
    ),
    frozenset({"docker"}),
    has_cni=True,
    version=(1, 11, 0),
)
COMMANDS = {Goal.RUNNING: "run", Goal.FINISH: "finish", Goal.ONCE: "finish"}


def simulated(spec: ServiceSpec, commands: Mapping[str, str] | None = None) -> ServiceSpec:
    """The service with the commands of the simulation; `commands` are those of some tasks."""

    def pod_of(pod: PodSpec) -> PodSpec:
        tasks = (replace(t, cmd=(commands or {}).get(t.name, COMMANDS[t.goal])) for t in pod.tasks)
        return replace(pod, tasks=tuple(tasks))

    return replace(spec, pods=tuple(pod_of(pod) for pod in spec.pods))


class Cluster:
    """Machines on which the service `name` is run; `environment` are its settings.

    `service_region` is that of the scheduler's setting. `commands` tells what tasks do, by name:
    `run`, `finish`, or `needs VARIABLE...`, which fails without these variables.
    """

    def __init__(
        self,
        name: str,
        commands: Mapping[str, str] | None = None,
        machines: int = 6,
        service_region: str | None = None,
        **environment: str,
    ) -> None:
        self.name = name
        self._commands = commands
        self._region = service_region
        with quiet():
            self.world = World(3, self._spec(environment), machines)
        for agent in self.world.agents:
            agent.features = EVERYTHING

    def _spec(self, environment: Mapping[str, str]) -> ServiceSpec:
        spec = simulated(hello_world(self.name, **environment), self._commands)
        return Settings(region=self._region).applied_to(spec)

    # -- time ---------------------------------------------------------------------------------

    def until(self, there: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Run until that is so. Fails when it is not in time, or an invariant breaks."""
        end = self.world.clock.now + seconds
        while not there():
            assert self.world.clock.now < end, "\n".join(self.world.trace[-40:])
            self.run(1.0)

    def run(self, seconds: float) -> None:
        with quiet():
            self.world.clock.run_until(self.world.clock.now + seconds)
        assert not self.world.judge.violations, self.world.judge.violations

    def deployed(self) -> "Cluster":
        """The same once its deploy plan is complete."""
        self.until(lambda: self.status("deploy") is Status.COMPLETE)
        return self

    def end(self) -> None:
        """Run until the service is whole and silent, also after a restart of its scheduler."""
        with quiet():
            self.world.heal()
            self.world.settle()
        assert not self.world.judge.violations, self.world.judge.violations

    # -- what is there ------------------------------------------------------------------------

    def plan(self, name: str) -> Plan:
        (found,) = [p for p in self.world.newest.engine.view.plans if p.name == name]
        return found

    def phase(self, plan: str, name: str) -> Phase:
        (found,) = [phase for phase in self.plan(plan).phases if phase.name == name]
        return found

    def status(self, plan: str) -> Status | None:
        """How far a plan is; None while no scheduler with the newest definition runs."""
        scheduler = self.world.newest
        if (
            not scheduler.alive
            or scheduler.engine.view.target_id != scheduler.core.ledger.target_id
        ):
            return None
        return self.plan(plan).status

    def pod(self, name: str) -> Pod:
        return self.world.newest.engine.view.pods[name]

    def tasks(self) -> dict[str, Task]:
        """The tasks whose processes run, by the name of their instance."""
        return {
            task.info["name"]: task
            for agent in self.world.agents
            for task in agent.tasks.values()
            if task.alive
        }

    def ids(self) -> dict[str, str]:
        """The ids of the tasks that run."""
        return {name: task.id for name, task in self.tasks().items()}

    def launched(self) -> list[str]:
        """The instances of tasks in the order of their launches, again and again."""
        lines = (line.strip().partition("  ")[2] for line in self.world.trace)
        return [line.split(" ")[2].split("__")[1] for line in lines if line.startswith("LAUNCH ")]

    def agent_of(self, task: str) -> Agent:
        (found,) = [a for a in self.world.agents if self.ids()[task] in a.tasks]
        return found

    def hosts(self, pod: str) -> list[str]:
        """Where the instances of a pod type are, in their order."""
        pods = self.world.newest.engine.view.pods.values()
        found = sorted(
            (p.index, p.reservation.hostname) for p in pods if p.type == pod and p.reservation
        )
        return [host for _, host in found]

    # -- what is done to it -------------------------------------------------------------------

    def order(
        self,
        verb: ev.Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        **parameters: str,
    ) -> None:
        self.world.order(verb, target, phase, step, parameters)
        self.run(1.0)

    def update(self, service_region: str | None = None, **environment: str) -> None:
        """Start the scheduler with other settings; returns when it leads."""
        self._region = service_region
        self.world.update_to(self._spec(environment))
        self.until(lambda: self.world.newest.alive)
        self.run(5.0)

    def fail(self, task: str) -> None:
        self.agent_of(task).end_task(self.tasks()[task], "TASK_FAILED")
