"""A Mesos cluster in a directory: ZooKeeper, masters and agents, and what can happen to them."""

import signal
import ssl
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from holdfast_playground import (
    addresses,
    certificates,
    disks,
    launchers,
    leftovers,
    mesos_command,
    mesos_view,
    network,
    processes,
    requirements,
    zookeeper,
)
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.layout import ZOOKEEPER, Layout, agent_name, master_name
from holdfast_playground.library import library
from holdfast_playground.network import Network
from holdfast_playground.processes import ProcessRecord
from holdfast_playground.spec import Agent, ClusterSpec, Master, State
from holdfast_playground.state import (
    ClusterState,
    holds_block,
    locked,
    read_state,
    write_state,
)

__all__ = ["Cluster", "ClusterSpec", "running"]

POLL_SECONDS: Final = 0.05
LOG_TAIL_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster in `directory`. It goes on when this object, or its Python process, is gone.

    Methods that change something may be called from several processes; they take turns. Numbers
    count from 1. Every method raises PlaygroundError when it cannot do what it says.
    """

    directory: Path
    spec: ClusterSpec

    @classmethod
    def create(cls, directory: Path, spec: ClusterSpec | None = None) -> Self:
        """A cluster that is to live in `directory`. Nothing starts before `up`."""
        return cls(directory.absolute(), spec or ClusterSpec())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The cluster an earlier `up`, of any process, started in `directory`."""
        state = read_state(directory.absolute())
        if state is None:
            raise _nothing_in(directory)
        return cls(directory.absolute(), state.spec)

    # What it is -----------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        """Where everything lies, as logs and work directories."""
        return Layout(self.directory)

    @property
    def state(self) -> ClusterState:
        """What is recorded now."""
        state = read_state(self.directory)
        if state is None:
            raise _nothing_in(self.directory)
        return state

    @property
    def zookeeper_address(self) -> str:
        """The "ip:port" clients of ZooKeeper connect to."""
        return f"{self.state.block.zookeeper}:{addresses.ZOOKEEPER_PORT}"

    @property
    def network(self) -> Network:
        """The cluster's own network, where it was asked for."""
        if not self.state.spec.network_namespaces:
            raise PlaygroundError(
                "The agents share the machine's network, which is not cut. Start the playground "
                "with --network-namespaces."
            )
        return Network(self.state.block)

    @property
    def zookeeper_state(self) -> State:
        """Whether ZooKeeper runs."""
        return _state_of(self.state, ZOOKEEPER)[1]

    @property
    def master_url(self) -> str:
        """The zk:// URL frameworks find the leading master at."""
        return mesos_command.zookeeper_url(self.state)

    @property
    def authority(self) -> Path:
        """What signed for masters and agents, where they speak TLS: a file of PEM."""
        return certificates.authority(self.layout.certificates)

    def leader(self) -> str:
        """The URL of the master that leads now, https:// where it speaks TLS."""
        found = self._leader(self.state)
        if found is None:
            raise PlaygroundError(
                "No master leads at the moment: none runs, ZooKeeper is away, or the session of "
                f"the last leader (up to {self.spec.zookeeper_session_seconds:g} s) has yet to end."
            )
        return f"{self._scheme}://{found}"

    @property
    def masters(self) -> tuple[Master, ...]:
        """Every master, running or not."""
        state = self.state
        return tuple(
            Master(
                master_name(number),
                number,
                state.block.master(number),
                addresses.MASTER_PORT,
                *_state_of(state, master_name(number)),
            )
            for number in range(1, state.spec.masters + 1)
        )

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Every agent, running or not."""
        state = self.state
        return tuple(self._agent(number, state) for number in range(1, state.spec.agents + 1))

    def agent_ids(self) -> Mapping[int, str]:
        """The agent id of each agent that is registered and connected, by number.

        Empty while no master leads.
        """
        state = self.state
        leader = self._leader(state)
        if leader is None:
            return {}
        numbers = {state.block.agent(n): n for n in range(1, state.spec.agents + 1)}
        return {
            numbers[agent.hostname]: agent.agent_id
            for agent in mesos_view.registered_agents(leader, self._trust)
            if agent.active
        }

    # All of it ------------------------------------------------------------------------------

    def up(self) -> None:
        """Start everything; returns when a master leads and every agent is registered with it.

        What an earlier run left in the directory is ended and deleted first.
        """
        with locked(self.directory):
            self._clean(keep_logs=False)
            if self.directory.exists() and any(self.directory.iterdir()):
                raise PlaygroundError(
                    f"{self.directory} holds files that are not the playground's, and `down` "
                    "deletes what lies there. Name an empty or a new directory."
                )
            requirements.check()
            path = library()
            launcher = launchers.choose(self.spec.launcher)
            if self.spec.network_namespaces:
                network.check()
            self.layout.logs.mkdir(parents=True)
            self._claim(
                lambda block: write_state(
                    self.directory, ClusterState(self.spec, block, launcher, str(path))
                )
            )
            try:
                self._start_all()
                numbers = range(1, self.spec.agents + 1)
                self.wait_for_agents(numbers, seconds=60 + 3 * self.spec.agents)
            except BaseException:
                self._clean(keep_logs=True)
                raise

    def down(self, keep_logs: bool = False) -> None:
        """End everything that was started here and delete what it wrote; harmless when repeated."""
        with locked(self.directory):
            self._clean(keep_logs)

    def wait_for_agents(self, numbers: Collection[int], seconds: float = 60.0) -> None:
        """Return when these agents are registered and connected."""
        self._wait(
            lambda: set(numbers) <= set(self.agent_ids()),
            [agent_name(number) for number in numbers],
            lambda: f"agents {sorted(set(numbers) - set(self.agent_ids()))} did not register",
            seconds,
        )

    def wait_for_leader(self, seconds: float = 60.0) -> str:
        """Return the leader's URL when there is one."""
        self._wait(
            lambda: self._leader(self.state) is not None,
            [],
            lambda: "no master was elected",
            seconds,
        )
        return self.leader()

    # Agents ---------------------------------------------------------------------------------

    def agent_kill(self, number: int) -> None:
        """Take the power from an agent's machine: it and all of its containers end at once.

        Its work_dir stays, with the volumes; what a reboot would lose (/run, mounts) is lost.
        """
        with locked(self.directory):
            self._agent_kill(number)

    def agent_crash(self, number: int) -> None:
        """SIGKILL the agent's process only; executors and tasks go on."""
        with locked(self.directory):
            processes.kill([self._running(agent_name(self._agent_number(number)))])

    def agent_stop(self, number: int) -> None:
        """SIGSTOP the agent's process: it is there but does not answer."""
        self._signal(agent_name(self._agent_number(number)), signal.SIGSTOP)

    def agent_continue(self, number: int) -> None:
        """SIGCONT after `agent_stop`."""
        self._signal(agent_name(self._agent_number(number)), signal.SIGCONT)

    def agent_start(self, number: int) -> None:
        """Start an agent on its work_dir, or as a new machine when it was removed.

        Returns without waiting for its registration: see `wait_for_agents`.
        """
        with locked(self.directory):
            self._agent_start(number)

    def agent_remove(self, number: int) -> None:
        """Take an agent's machine away with everything on it, volumes included."""
        with locked(self.directory):
            self._agent_kill(number)
            leftovers.remove_directory(self.layout.agent(number))
            self.layout.agent_disk(number).unlink(missing_ok=True)
            state = self.state
            write_state(self.directory, replace(state, removed=state.removed | {number}))

    # Masters and ZooKeeper ------------------------------------------------------------------

    def leading_master(self) -> int:
        """The number of the master that leads now. Raises PlaygroundError."""
        leader = urlsplit(self.leader()).netloc
        return next(m.number for m in self.masters if f"{m.ip}:{m.port}" == leader)

    def master_kill(self, number: int | None = None) -> int:
        """SIGKILL a master, the leading one when no number is given; returns its number."""
        with locked(self.directory):
            if number is None:
                number = self.leading_master()
            processes.kill([self._running(master_name(self._master_number(number)))])
        return number

    def master_start(self, number: int = 1) -> None:
        """Start a master on its work_dir. It leads once ZooKeeper has forgotten the one before."""
        with locked(self.directory):
            self._master_start(self._master_number(number))

    def master_pause(self, number: int = 1) -> None:
        """SIGSTOP a master: connections stay open and nothing answers."""
        self._signal(master_name(self._master_number(number)), signal.SIGSTOP)

    def master_continue(self, number: int = 1) -> None:
        """SIGCONT after `master_pause`."""
        self._signal(master_name(self._master_number(number)), signal.SIGCONT)

    def zookeeper_stop(self) -> None:
        """SIGKILL ZooKeeper. Masters step down when their sessions have run out."""
        with locked(self.directory):
            processes.kill([self._running(ZOOKEEPER)])

    def zookeeper_start(self) -> None:
        """Start ZooKeeper on its data. Masters come back by themselves."""
        with locked(self.directory):
            self._zookeeper_start()

    def zookeeper_pause(self) -> None:
        """SIGSTOP ZooKeeper: connections stay open and nothing answers."""
        self._signal(ZOOKEEPER, signal.SIGSTOP)

    def zookeeper_continue(self) -> None:
        """SIGCONT after `zookeeper_pause`."""
        self._signal(ZOOKEEPER, signal.SIGCONT)

    # Below: without the lock ----------------------------------------------------------------

    def _claim(self, note: Callable[[addresses.Block], None]) -> None:
        choice = self.directory, addresses.claims_directory(), holds_block, note
        if self.spec.network_namespaces:
            addresses.claim(*choice, network.is_free, addresses.BENCHMARK_BLOCKS)
        else:
            addresses.claim(*choice)

    def _start_all(self) -> None:
        state = self.state
        mesos_command.write_launcher_programs(self.layout, state.library)
        self.layout.images.mkdir()
        if state.spec.network_namespaces:
            self.network.create(state.spec)
        if state.spec.tls:
            numbers = range(1, state.spec.masters + 1), range(1, state.spec.agents + 1)
            servers = (*map(state.block.master, numbers[0]), *map(state.block.agent, numbers[1]))
            certificates.make(self.layout.certificates, servers)
        # All at once: masters and agents keep trying until ZooKeeper answers.
        self._zookeeper_start()
        for number in range(1, state.spec.masters + 1):
            self._master_start(number)
        for number in range(1, state.spec.agents + 1):
            self._agent_start(number)

    def _zookeeper_start(self) -> None:
        command = zookeeper.command(self.state.block.zookeeper, self.layout.zookeeper)
        self._start(ZOOKEEPER, command, mesos_command.basic_environment())

    def _master_start(self, number: int) -> None:
        state = self.state
        environment = mesos_command.master_environment(number, state, self.layout)
        self._start(master_name(number), mesos_command.mesos_command("master", state), environment)

    def _agent_start(self, number: int) -> None:
        state = self.state
        environment = mesos_command.agent_environment(
            self._agent_number(number), state, self.layout
        )
        machine, name = self.layout.agent(number), agent_name(number)
        machine.mkdir(exist_ok=True)
        if state.spec.agent_disk_mb is not None and not machine.is_mount():
            disks.mount(self.layout.agent_disk(number), state.spec.agent_disk_mb, machine)
        command = mesos_command.mesos_command("agent", state)
        if state.spec.network_namespaces:
            command = self.network.within(name, command)
        self._start(name, command, environment)
        if number in state.removed:
            write_state(self.directory, replace(self.state, removed=state.removed - {number}))

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        state = self.state
        _, current = _state_of(state, name)
        if current in ("running", "stopped"):
            raise PlaygroundError(f"{name} is {current} already.")

        def note(record: ProcessRecord) -> None:
            write_state(self.directory, state.with_process(name, record))

        processes.spawn(command, environment, self.layout.log(name), note)

    def _agent_kill(self, number: int) -> None:
        state = self.state
        name = agent_name(self._agent_number(number))
        record = state.processes.get(name)
        machine = self.layout.agent(number)
        cgroup = mesos_command.agent_cgroup(number, state)
        leftovers.end_processes([record] if record else [], machine, cgroup)
        if record:
            processes.reap(record)
        leftovers.remove_mounts(machine)
        leftovers.remove_cgroups(cgroup)
        leftovers.remove_directory(self.layout.agent_runtime(number))
        boot_id = self.layout.agent_boot_id(number)
        if boot_id.exists():
            # Another boot: the agent will look for no process of the time before.
            boot_id.write_text(str(uuid.uuid4()))

    def _clean(self, keep_logs: bool) -> None:
        state = read_state(self.directory)
        if state is not None:
            records = state.processes.values()
            cgroup = mesos_command.cluster_cgroup(state)
            leftovers.end_processes(records, self.directory, cgroup)
            for record in records:
                processes.reap(record)
            leftovers.remove_mounts(self.directory)
            leftovers.remove_cgroups(cgroup)
            if state.spec.network_namespaces:
                Network(state.block).delete()
            for path in self.layout.run_data(state.spec):
                leftovers.remove_directory(path)
        if not keep_logs:
            self.layout.remove_logs()
        if state is not None:
            # Last, so that a crash in between is repaired by the next call.
            self.layout.state_file.unlink()
            claims = addresses.claims_directory()
            addresses.release(state.block, self.directory, claims)
        self.layout.remove_if_empty()

    def _signal(self, name: str, number: signal.Signals) -> None:
        wanted = "stopped" if number == signal.SIGSTOP else "running"
        with locked(self.directory):
            processes.send(self._running(name), number)
            # A process of many threads takes a moment to stop.
            self._wait(
                lambda: _state_of(self.state, name)[1] == wanted,
                [name],
                lambda: f"{name} is not {wanted}",
                10.0,
            )

    def _running(self, name: str) -> ProcessRecord:
        record = self.state.processes.get(name)
        if record is None or not processes.is_alive(record):
            raise PlaygroundError(f"{name} does not run. Its log: {self.layout.log(name)}")
        return record

    def _agent_number(self, number: int) -> int:
        return _checked("agent", number, self.spec.agents)

    def _master_number(self, number: int) -> int:
        return _checked("master", number, self.spec.masters)

    def _agent(self, number: int, state: ClusterState) -> Agent:
        name = agent_name(number)
        pid, current = _state_of(state, name)
        return Agent(
            name=name,
            number=number,
            ip=state.block.agent(number),
            port=addresses.AGENT_PORT,
            zone=state.spec.zone(number),
            work_dir=self.layout.agent_work(number),
            pid=pid,
            state="removed" if number in state.removed else current,
        )

    def _leader(self, state: ClusterState) -> str | None:
        running = (
            state.block.master(number)
            for number in range(1, state.spec.masters + 1)
            if _state_of(state, master_name(number))[1] == "running"
        )
        return mesos_view.leading_master(running, self._trust)

    @property
    def _scheme(self) -> str:
        return "https" if self.spec.tls else "http"

    @property
    def _trust(self) -> mesos_view.Trust:
        return ssl.create_default_context(cafile=self.authority) if self.spec.tls else None

    def _wait(
        self,
        reached: Callable[[], bool],
        needed: Collection[str],
        missing: Callable[[], str],
        seconds: float,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            state = self.state
            for name in (ZOOKEEPER, *needed):
                if _state_of(state, name)[1] == "dead":
                    raise PlaygroundError(f"{name} ended. {self._tail(name)}")
            if time.monotonic() > deadline:
                culprit = next(iter(needed), master_name(1))
                raise PlaygroundError(f"After {seconds:g} s {missing()}. {self._tail(culprit)}")
            time.sleep(POLL_SECONDS)

    def _tail(self, name: str) -> str:
        log = self.layout.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join((f"The end of {log}:", *lines[-LOG_TAIL_LINES:]))


def _checked(kind: str, number: int, most: int) -> int:
    if not 1 <= number <= most:
        raise PlaygroundError(f"There is no {kind} {number}; they are numbered 1 to {most}.")
    return number


def _state_of(state: ClusterState, name: str) -> tuple[int | None, State]:
    record = state.processes.get(name)
    letter = processes.state_of(record) if record else None
    if record is None or letter is None:
        return None, "dead"
    return record.pid, "stopped" if letter in "Tt" else "running"


def _nothing_in(directory: Path) -> PlaygroundError:
    return PlaygroundError(
        f"No playground was started in {directory}. Start one with `holdfast playground up`."
    )


@contextmanager
def running(
    directory: Path, spec: ClusterSpec | None = None, keep_logs: bool = False
) -> Iterator[Cluster]:
    """A cluster that is up inside the `with` block and gone after it."""
    cluster = Cluster.create(directory, spec)
    cluster.up()
    try:
        yield cluster
    finally:
        cluster.down(keep_logs)
