"""The demo as a user runs it: from nothing to nothing, whatever became of an earlier run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast_playground.cluster import Cluster
from holdfast_playground.leftovers import mounts_under

DEMO_SECONDS = 300


@dataclass
class Demo:
    """Runs of the demo with a state directory of their own."""

    home: Path
    runs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.home / "holdfast" / "demo"

    def start(self) -> subprocess.Popen[bytes]:
        with self.log(len(self.runs)).open("wb") as output:
            run = subprocess.Popen(
                [sys.executable, "-m", "holdfast_playground.demo"],
                env={**os.environ, "XDG_STATE_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A shell has what it runs in the background ignore interrupts, and these tests too.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.runs.append(run)
        return run

    def log(self, run: int) -> Path:
        return self.home / f"run-{run}.txt"

    def output(self) -> str:
        """What the last run has said so far."""
        return self.log(len(self.runs) - 1).read_text()

    def wait_for_text(self, text: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.output():
            assert self.runs[-1].poll() is None, self.output()
            assert time.monotonic() < deadline, f"no {text!r} in: {self.output()}"
            time.sleep(0.05)

    def processes(self) -> list[int]:
        """Processes whose command line or environment names a file of the demo."""
        inside = os.fsencode(self.directory) + b"/"
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                said = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if inside in said:
                found.append(int(folder.name))
        return found

    def assert_nothing_left(self) -> None:
        assert self.processes() == []
        assert list(mounts_under(self.directory)) == []
        assert list(self.directory.glob("*")) == []


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    for run in demo.runs:
        run.kill()
        run.wait()
    Cluster.create(demo.directory / "cluster").down()


@pytest.mark.timeout(2 * DEMO_SECONDS)
def test_runs_to_the_end_after_an_earlier_run_was_killed(demo: Demo) -> None:
    killed = demo.start()
    demo.wait_for_text("4. kill -9 agent-2")
    killed.kill()
    killed.wait()
    assert demo.processes(), "the killed run should have left its cluster running"

    complete = demo.start()
    assert complete.wait(DEMO_SECONDS) == 0, demo.output()
    said = demo.output()
    assert said.startswith("Ending what an earlier demo left")
    assert "writes lost           0" in said
    assert "✗" not in said
    demo.assert_nothing_left()


def test_an_interrupt_tears_everything_down(demo: Demo) -> None:
    run = demo.start()
    demo.wait_for_text("2. Holdfast deploys")
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130, demo.output()
    assert "Nothing of it is left." in demo.output()
    demo.assert_nothing_left()


def test_a_second_demo_leaves_the_first_alone(demo: Demo) -> None:
    first = demo.start()
    demo.wait_for_text("1. A real Mesos cluster")
    second = demo.start()
    assert second.wait(30) == 3, demo.output()
    assert "Another demo is running" in demo.output()
    assert first.poll() is None
