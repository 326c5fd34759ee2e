"""Judges what is replaced without an operator's word: by policy, in time, and never too much."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast.mesos.messages import TaskState
from holdfast.records import DEAD, DRAINED
from holdfast.service.failure_model import ReplacementPolicy
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Writes
from tests.simulation.clock import START

HOUR = 3600.0


class RecoveryJudge:
    """Reads the records as they are stored. `replaced` is told of what was rightly replaced."""

    def __init__(
        self,
        replaced: dict[str, float],
        violate: Callable[[str, str], None],
        now: Callable[[], float],
    ) -> None:
        self.gone: set[str] = set()
        self.serviced: dict[str, float] = {}
        """Until when machines are down with the consent of the service, by agent id."""
        self.target: ServiceSpec | None = None
        self._replaced = replaced
        self._violate = violate
        self._now = now
        self._pods: dict[str, Mapping[str, Any]] = {}
        self._retired: set[str] = set()
        self._times: list[float] = []
        self._disaster: float | None = None

    def stored(self, writes: Writes) -> None:
        """The scheduler has stored these records, and may act on them now."""
        told = dict(writes)
        if told.get("recovery") is not None:
            self._disaster = told["recovery"]["disaster"]  # type: ignore[index]
        for path, data in told.items():
            if data is not None and path.startswith("retired/") and path not in self._retired:
                self._retired.add(path)
                self._left(data)
        for path, data in told.items():
            if data is not None and path.startswith("pods/"):
                self._pods[path.removeprefix("pods/")] = data

    def _left(self, left: Mapping[str, Any]) -> None:
        pod, reason = left["pod"], left["reason"]
        if "was marked gone" in reason:
            if left["reservation"]["agent_id"] not in self.gone:
                self._violate("I3", f"{pod} is replaced, and its agent is not gone")
        elif reason.startswith("replaced by policy"):
            self._by_policy(pod, left["at"])
        else:
            return
        self._replaced[pod] = self._now()

    def _by_policy(self, pod: str, now: float) -> None:
        assert self.target is not None
        policy = self.target.pod(pod.rpartition("-")[0]).replacement
        if policy is None:
            self._violate("I3", f"{pod} is replaced without a policy")
            return
        self._limits(pod, policy, now)
        if self._disaster is not None:
            self._violate("I3", f"{pod} is replaced by policy in a disaster")
        tasks = self._pods[pod]["tasks"]
        down = [task for task in tasks if TaskState(task["state"]) in DEAD or _hidden(task)]
        if len(down) < len(tasks):
            self._violate("I2", f"{pod} is replaced by policy while it runs on record")
        if now < min(task["since"] for task in down) + policy.timeout:
            self._violate("I3", f"{pod} is replaced before its time")
        ends = self.serviced.get(self._pods[pod]["reservation"]["agent_id"])
        if ends is not None and now < START + ends + policy.timeout:  # by the scheduler's clock
            self._violate("I3", f"{pod} is replaced by policy, as its agent was serviced")
        if _drained(tasks):
            self._violate("I3", f"{pod} is replaced by policy while its agent is drained")
        self._times.append(now)

    def _limits(self, pod: str, policy: ReplacementPolicy, now: float) -> None:
        recent = [time for time in self._times if now - time < HOUR]
        if len(recent) >= policy.per_hour:
            self._violate("I3", f"{pod}: more replacements than {policy.per_hour} in an hour")
        if recent and now - recent[-1] < policy.delay:
            self._violate("I3", f"{pod} is replaced too soon after another")


def _drained(tasks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether Mesos ended them to empty the agent, and started again was none of them."""
    launched = max(task["launched"] for task in tasks)
    return any(task["message"] == DRAINED and task["since"] >= launched for task in tasks)


def _hidden(task: Mapping[str, Any]) -> bool:
    return task["state"] in ("TASK_UNREACHABLE", "TASK_LOST", "TASK_UNKNOWN")
