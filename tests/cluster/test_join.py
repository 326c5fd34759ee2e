"""Single tasks launched into a running executor, on a real cluster: Mesos takes it for the same."""

from dataclasses import replace
from pathlib import Path

from holdfast.core.launch import (
    Launch,
    LaunchSettings,
    accept_operations,
    executor_info,
    task_infos,
)
from holdfast.mesos import calls
from holdfast.mesos.messages import TaskState
from holdfast.placement.evaluate import Owner, Placement, join, place
from holdfast.placement.pool import AgentPool
from holdfast.records import Pod, Task
from holdfast.service.model import (
    Goal,
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ServiceSpec,
    TaskSpec,
    VolumeSpec,
)
from holdfast_executor import archive
from holdfast_playground.cluster import ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import wait_until
from tests.cluster.test_wire import Framework

ROLE = "join-role"
COMMAND = "echo $TASK_NAME >> data/log && exec sleep 100000"


def task(name: str, *ports: PortSpec) -> TaskSpec:
    return TaskSpec(
        name, Goal.RUNNING, COMMAND, 0.2, 32, volumes=(VolumeSpec("data", 16),), ports=ports
    )


POD = PodSpec("app", 1, (task("first"), task("second", PortSpec("web", 0))))
SERVICE = ServiceSpec(
    "join", "root", ROLE, "zk:2181", (POD,), PlanSpec("deploy", (PhaseSpec("app", "app"),))
)


def test_a_second_task_joins_the_executor_of_the_first(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1, zones=("a",)))
    settings = LaunchSettings(f"file://{archive.build(tmp_path)}", "scheduler", 8080)
    numbers = iter(range(1, 100))
    framework = Framework(cluster.master_url, ROLE).start().subscribed()
    try:
        ((framework_id, _),) = framework.heard.of("subscribed")
        owner = Owner(SERVICE, framework_id)
        offer = framework.offer()
        placed = place(
            owner, POD, "app-0", AgentPool([offer]), [], None, lambda: f"id-{next(numbers)}"
        )
        assert isinstance(placed, Placement), placed
        tasks = tuple(
            Task(spec.name, f"task-{spec.name}", "config", TaskState.STAGING) for spec in POD.tasks
        )
        executor = executor_info(
            *(SERVICE, POD, placed.reservation, 0, "executor-1", framework_id),
            *(placed.holding, settings),
        )
        pod = Pod("app", 0, placed.reservation.settled(), tasks, executor)
        first, second = POD.tasks
        launch = Launch(SERVICE, POD, pod, (first,), placed.holding, {}, framework_id, {})
        infos = task_infos(launch, settings)
        framework.send(calls.accept([offer.id], accept_operations(placed, infos), 0.1))
        _runs(framework, "task-first")

        held = placed.reservation
        offer = framework.offer(
            lambda offer: AgentPool([offer]).amount(held.resource_id, "cpus") > 0
        )
        found = join(owner, POD, "app-0", held, [second], AgentPool([offer]))
        assert isinstance(found, Placement), found
        infos = task_infos(replace(launch, tasks=(second,), holding=found.holding), settings)
        framework.send(calls.accept([offer.id], accept_operations(found, infos), 0.1))
        _runs(framework, "task-second")
        (volume,) = held.volumes
        (agent,) = cluster.agents
        log = agent.work_dir / "volumes" / "roles" / ROLE / volume.id / "log"
        wait_until(
            "both have written to the volume",
            lambda: log.read_text() == "app-0-first\napp-0-second\n",
        )
    finally:
        framework.close()


def _runs(framework: Framework, task_id: str) -> None:
    status = framework.status(
        lambda status: (
            status.task_id == task_id
            and status.state not in (TaskState.STAGING, TaskState.STARTING)
        )
    )
    assert status.state is TaskState.RUNNING, status
    assert status.executor_id == "executor-1"
