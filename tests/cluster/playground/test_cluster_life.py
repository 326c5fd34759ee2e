"""A cluster comes, goes and leaves nothing, however it ends and whoever starts it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

from holdfast_playground import mesos_command
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.fixtures import ClusterFactory
from holdfast_playground.launchers import choose
from holdfast_playground.library import library
from tests.cluster.playground import traces
from tests.cluster.playground.minimal_framework import EXECUTOR, Framework

NOBODY = 65534
LIBRARIES = (Path(click.__file__).parent,)
"""The packages that the playground's commands need beside the standard library."""
CLI = "from holdfast_playground.commands import playground; playground()"


@pytest.mark.parametrize("launcher", sorted({"posix", choose("auto")}))
def test_down_leaves_nothing(tmp_path: Path, launcher: str) -> None:
    spec = ClusterSpec(agents=2, launcher=launcher)  # type: ignore[arg-type]
    cluster = Cluster.create(tmp_path / "cluster", spec)
    cluster.up()
    block = str(cluster.state.block)
    try:
        framework = Framework(cluster.leader())
        framework.subscribe(cluster.leader())
        framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")
        assert traces.of(cluster, block)["processes"]
    finally:
        cluster.down()
    assert traces.of(cluster, block) == traces.NOTHING
    assert not cluster.directory.exists()


def test_down_keeps_logs_when_asked(tmp_path: Path) -> None:
    cluster = Cluster.create(tmp_path / "cluster", ClusterSpec(agents=1))
    cluster.up()
    cluster.down(keep_logs=True)
    assert [path.name for path in cluster.directory.iterdir()] == ["logs"]
    assert (cluster.directory / "logs" / "agent-1.log").read_text()


def start_and_die(directory: Path, settings: str = "agents=1") -> None:
    """Bring a cluster up in another process that then ends without a word."""
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from holdfast_playground.cluster import Cluster, ClusterSpec; "
        f"Cluster.create(Path(sys.argv[1]), ClusterSpec({settings})).up(); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=120,
    )
    assert done.returncode == -9


def test_another_process_ends_what_a_dead_one_started(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    start_and_die(directory)
    cluster = Cluster.open(directory)
    block = str(cluster.state.block)
    try:
        with Framework(cluster.leader()) as framework:
            framework.launch("t1")
            framework.wait_for_state("t1", "TASK_RUNNING")
            # The agent dies as well, so that only the container's own traces lead to it.
            cluster.agent_crash(1)
            assert traces.mentioning(str(directory / "agent-1"))
    finally:
        cluster.down()
    assert traces.of(cluster, block) == traces.NOTHING


def test_up_clears_away_what_an_earlier_run_left(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    start_and_die(directory)
    earlier = Cluster.open(directory)
    old = {record.pid for record in earlier.state.processes.values()}
    cluster = Cluster.create(directory, ClusterSpec(agents=1))
    try:
        cluster.up()
        assert not old & set(traces.mentioning(str(directory)))
        assert set(cluster.agent_ids()) == {1}
    finally:
        cluster.down()


def test_a_failing_start_shows_the_log_and_leaves_nothing_running(tmp_path: Path) -> None:
    spec = ClusterSpec(agents=1, resources="cpus:many")
    cluster = Cluster.create(tmp_path / "cluster", spec)
    with pytest.raises(PlaygroundError, match=r"agent-1 ended\.[\s\S]*cpus"):
        cluster.up()
    assert traces.mentioning(str(cluster.directory)) == []
    assert [path.name for path in cluster.directory.iterdir()] == ["logs"]


def test_two_clusters_side_by_side(cluster_factory: ClusterFactory) -> None:
    first = cluster_factory(ClusterSpec(agents=1))
    second = cluster_factory(ClusterSpec(agents=2))
    assert first.state.block != second.state.block
    frameworks = []
    for cluster in (first, second):
        framework = Framework(cluster.leader())
        framework.subscribe(cluster.leader())
        framework.launch("t1")
        framework.wait_for_state("t1", "TASK_RUNNING")
        frameworks.append(framework)

    second.down()

    ids = first.agent_ids()
    assert set(ids) == {1}
    assert frameworks[0].reconcile("t1", {"value": ids[1]})["state"] == "TASK_RUNNING"


def test_what_cannot_be_done_is_said(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    cluster = cluster_factory(ClusterSpec(agents=1))
    with pytest.raises(PlaygroundError, match="no agent 2; they are numbered 1 to 1"):
        cluster.agent_kill(2)
    with pytest.raises(PlaygroundError, match="agent-1 is running already"):
        cluster.agent_start(1)
    cluster.agent_crash(1)
    with pytest.raises(PlaygroundError, match="agent-1 does not run"):
        cluster.agent_stop(1)
    with pytest.raises(PlaygroundError, match="No playground was started"):
        Cluster.open(tmp_path / "empty")


def run_cli(
    command: list[str], environment: dict[str, str], *arguments: str, user: int | None = None
) -> str:
    done = subprocess.run(
        [*command, *arguments],
        env=environment,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_line(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    command = [sys.executable, "-c", CLI, "--directory", str(directory)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def cli(*arguments: str) -> str:
        return run_cli(command, environment, *arguments)

    try:
        assert "Mesos" in cli("up", "--agents", "1")
        status = json.loads(cli("status", "--json"))
        assert status["agents"][0]["registered"]
        assert status["masters"][0]["leads"]
        assert "agent-1" in cli("status")
        assert "stopped" in cli("agent", "stop", "1")
        assert "running" in cli("agent", "continue", "1")
        assert "dead" in cli("agent", "crash", "1")
        assert "running" in cli("agent", "start", "1")
        assert "master-1 is dead" in cli("master", "kill")
        assert "The leader is" in cli("master", "start")
    finally:
        cli("down")
    assert not directory.exists()


def python_for(user: int | None) -> str:
    """A Python of at least 3.11 that the user can run."""
    program = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run([python, "-c", program], check=True, cwd="/", user=user)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    raise AssertionError("no Python 3.11 that an ordinary user can run: install python3")


def test_an_ordinary_user_can_do_all_this() -> None:
    """Root becomes nobody for it; anyone else stays who they are."""
    user = NOBODY if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="holdfast-user-") as name:
        home = Path(name)
        shutil.copytree(library().parent, home / "cache" / "holdfast" / "playground")
        # The checkout may be where nobody else may look, as in root's home.
        for package in (mesos_command.PACKAGE_PARENT / "holdfast_playground", *LIBRARIES):
            shutil.copytree(package, home / "python" / package.name)
        executor = shutil.copy(EXECUTOR, home)
        if user is not None:
            for path in (home, *home.rglob("*")):
                os.chown(path, user, user)
        directory = home / "cluster"
        command = [python_for(user), "-c", CLI, "--directory", str(directory)]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_RUNTIME_DIR": str(home),
            "PYTHONPATH": str(home / "python"),
        }

        def cli(*arguments: str) -> str:
            return run_cli(command, environment, *arguments, user=user)

        block = ""
        try:
            assert "posix launcher" in cli("up", "--agents", "1")
            cluster = Cluster.open(directory)
            block = str(cluster.state.block)
            agent = cluster.agents[0]
            assert agent.pid is not None
            assert Path("/proc", str(agent.pid)).stat().st_uid == (os.geteuid() or NOBODY)
            with Framework(cluster.leader()) as framework:
                framework.launch("t1", value=str(executor))
                framework.wait_for_state("t1", "TASK_RUNNING")
                cli("agent", "kill", "1")
                cli("agent", "start", "1")
                framework.wait_for_state("t1", "TASK_FAILED")
        finally:
            cli("down")
        assert traces.of(cluster, block) == traces.NOTHING
