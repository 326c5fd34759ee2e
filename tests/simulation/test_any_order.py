"""Whatever operators ask for, in whatever order: the service becomes what it was asked to be last,
or says why it will not, and no invariant breaks on the way."""

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.service.model import PodSpec, ServiceSpec, VolumeSpec
from tests.simulation.faults import KINDS
from tests.simulation.services import SERVICES
from tests.simulation.world import World, quiet

ORDERS = [
    *("plan_start", "plan_stop", "plan_interrupt", "plan_continue", "plan_restart"),
    *("plan_force_complete", "pod_restart", "pod_replace", "kill", "task_crash"),
]
picks = st.integers(0, 9999)


def _smaller(pod: PodSpec) -> PodSpec:
    first = pod.tasks[0]
    volume = first.volumes[0]
    return replace(
        pod,
        tasks=(
            replace(first, volumes=(VolumeSpec(volume.path, 1), *first.volumes[1:])),
            *pod.tasks[1:],
        ),
    )


REFUSED = {
    "another user": lambda spec: replace(spec, user="somebody"),
    "a smaller volume": lambda spec: replace(spec, pods=(_smaller(spec.pods[0]), *spec.pods[1:])),
    "another role": lambda spec: replace(
        spec, pods=(replace(spec.pods[0], pre_reserved_role="other"), *spec.pods[1:])
    ),
}
"""Updates that would cost data or what is reserved."""


class Operator(RuleBasedStateMachine):
    """Orders, updates, restarts of the scheduler, and updates that must be refused."""

    world: World

    @initialize(service=st.sampled_from(sorted(SERVICES)), seed=picks)
    def begin(self, service: str, seed: int) -> None:
        with quiet():
            self.world = World(seed, SERVICES[service]())
        self.spec: ServiceSpec = self.world.spec
        self.wait(90.0)

    @rule(seconds=st.floats(1.0, 200.0))
    def wait(self, seconds: float) -> None:
        with quiet():
            self.world.clock.run_until(self.world.clock.now + seconds)

    @rule(order=st.sampled_from(ORDERS), pick=picks)
    def order(self, order: str, pick: int) -> None:
        KINDS[order](self.world, pick)
        self.wait(2.0)

    @rule(pick=picks)
    def update(self, pick: int) -> None:
        self.world.update(pick)
        self.wait(20.0)

    @rule(why=st.sampled_from(sorted(REFUSED)))
    def refused_update(self, why: str) -> None:
        """The former definition stays in force, the plan says why, and tasks run on."""
        before = self.world.target
        self._restart_with(before)
        target_id = self.world.newest.core.ledger.target_id
        self._restart_with(REFUSED[why](before))
        assert self.world.newest.core.ledger.target_id == target_id
        (deploy,) = [p for p in self.world.newest.engine.view.plans if p.name == "deploy"]
        assert deploy.errors, why
        self.wait(30.0)
        self._restart_with(before)
        assert not any(plan.errors for plan in self.world.newest.engine.view.plans)

    def _restart_with(self, spec: ServiceSpec) -> None:
        """Until the new process has taken its first step; the judge still expects the former."""
        self.world.target = spec
        self.world.newest.die()
        deadline = self.world.clock.now + 60.0
        while not self.world.newest.alive or not self.world.newest.engine.view.plans:
            assert self.world.clock.now < deadline
            self.wait(1.0)

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "world"):
            assert not self.world.judge.violations, "\n".join(self.world.trace[-60:])

    def teardown(self) -> None:
        if hasattr(self, "world"):
            with quiet():
                self.world.heal()
                self.world.settle()
            self.nothing_is_broken()


Operator.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAnyOrder = Operator.TestCase
