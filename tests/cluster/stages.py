"""The scheduler is killed between any two steps of a deployment and of a replacement.

Real processes, killed for good: each time another one goes on from the records. Several services,
each with its own number, go through that at once on one cluster. All boundaries, one after the
other, which takes a while: `python -m tests.cluster.stages 1 26`. It ends with exit code 1 when a
scheduler still died at the last number: then there may be more boundaries than that.
"""

import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from holdfast_playground.cluster import Cluster, ClusterSpec, running
from tests.cluster.data_service import (
    Place,
    assert_nothing_is_lost,
    definition,
    place,
    volume_states,
)
from tests.cluster.dying_scheduler import DIES, arm
from tests.cluster.running_service import EXIT_LEADERSHIP_LOST, Scheduler, wait_until

AT_ONCE = 4
PATIENCE_SECONDS = 120.0
SPEC = ClusterSpec(agents=2, ping_timeout_seconds=1)


class Trial:
    """One service of one instance, whose scheduler dies at a boundary of each stage."""

    def __init__(self, cluster: Cluster, folder: Path, number: int, lane: int) -> None:
        self.name = f"stage{number}"
        folder = folder / self.name
        folder.mkdir()
        self.armed = folder / "armed"
        svc_yml = folder / "svc.yml"
        svc_yml.write_text(definition(1, name=self.name))
        program = ("tests.cluster.dying_scheduler", str(self.armed))
        self.scheduler = Scheduler(cluster, svc_yml, folder, port=8100 + lane, program=program)
        self.number = number

    @property
    def deaths(self) -> int:
        """How often a process died at its boundary."""
        return self.scheduler.log.count(DIES)

    def run_on(self) -> None:
        """Start another process when the one that runs has died, until the service is well.

        None dies afterwards: what it still sends, as a DECLINE, is no part of the stage.
        """
        self._wait_well()
        self.armed.unlink(missing_ok=True)
        self._wait_well()

    def _wait_well(self) -> None:
        wait_until("it is well", self._is_well, seconds=PATIENCE_SECONDS, every=0.2)

    def _is_well(self) -> bool:
        if self.scheduler.has_ended:
            # On a busy machine it may miss its ZooKeeper session instead.
            assert self.scheduler.exit_code() in (-signal.SIGKILL, EXIT_LEADERSHIP_LOST)
            self.armed.unlink(missing_ok=True)  # one dies in a stage, not all
            self.scheduler.start()
        try:
            return self.scheduler.is_well()
        except (AssertionError, requests.RequestException):
            return False  # it is ending, which the next look tells

    def place(self) -> Place:
        return place(self.scheduler, "node-0", self.name)

    def check(self, *former: Place) -> Place:
        now = self.place()
        wait_until("the task is there", lambda: now.task_id in now.starts)
        assert_nothing_is_lost(self.scheduler, *former, service_name=self.name)
        known = volume_states(self.scheduler)
        assert set(known) == {now.volume, *(one.volume for one in former)}
        return now

    def deploy(self) -> bool:
        """Whether the scheduler died on the way to a deployed service."""
        arm(self.armed, self.number)
        self.scheduler.start()
        self.run_on()
        now = self.check()
        assert now.starts == [now.task_id], "it was started once, whatever happened"
        return self.deaths > 0

    def replace(self) -> bool:
        """Whether the scheduler died on the way to a replaced instance."""
        self.scheduler.end()  # the next one begins to count anew
        self.scheduler.start()
        self.run_on()
        former, deaths = self.place(), self.deaths
        arm(self.armed, self.number)
        self._order()
        self.run_on()
        if self.place().volume == former.volume:
            # It died before the order was stored, and nobody was told that it was.
            self._order()
        wait_until("it has another volume", lambda: self._is_elsewhere_than(former))
        now = self.check(former)
        assert volume_states(self.scheduler)[former.volume]["state"] == "retired"
        assert now.starts == [now.task_id]
        assert former.starts == [former.task_id]
        return self.deaths > deaths

    def _is_elsewhere_than(self, former: Place) -> bool:
        return self._is_well() and self.place().volume != former.volume

    def _order(self) -> None:
        try:
            self.scheduler.post("pod/node-0/replace?force=true")
        except (requests.RequestException, AssertionError):
            # It lost its connection to the one who ordered, or said that it is ending.
            wait_until("it died of the order", lambda: self.scheduler.has_ended)


def trials(cluster: Cluster, folder: Path, numbers: Sequence[int]) -> list[tuple[bool, bool]]:
    """For each number: whether the scheduler died in the deployment, and in the replacement."""

    def lane_of(lane: int) -> list[tuple[int, tuple[bool, bool]]]:
        results = []
        for number in numbers[lane::AT_ONCE]:
            trial = Trial(cluster, folder, number, lane)
            try:
                results.append((number, (trial.deploy(), trial.replace())))
            except (AssertionError, requests.RequestException) as error:
                log = trial.scheduler.log[-5000:]
                raise AssertionError(f"boundary {number}: {error!r}\n{log}") from error
            finally:
                trial.scheduler.close()
        return results

    with ThreadPoolExecutor(AT_ONCE) as lanes:
        found = dict(each for some in lanes.map(lane_of, range(AT_ONCE)) for each in some)
    return [found[number] for number in numbers]


def main() -> None:
    """Try the boundaries from the first number given to the last one."""
    first, last = int(sys.argv[1]), int(sys.argv[2])
    folder = Path(tempfile.mkdtemp(prefix="holdfast-stages-"))
    with running(folder / "cluster", SPEC, keep_logs=True) as cluster:
        died = trials(cluster, folder, range(first, last + 1))
    for number, (deploying, replacing) in enumerate(died, first):
        print(f"{number}: died in the deployment: {deploying}, in the replacement: {replacing}")
    print(f"all is well; logs are in {folder}")
    if any(died[-1]):
        sys.exit(f"a scheduler still died at boundary {last}: there may be more of them")
    print(f"boundary {last} was reached in neither part: there are no more of them")


if __name__ == "__main__":
    main()
