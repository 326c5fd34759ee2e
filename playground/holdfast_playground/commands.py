"""`holdfast playground`: the cluster on this machine, from the command line."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.layout import agent_name
from holdfast_playground.spec import Launcher, State
from holdfast_playground.state import read_state

COLOURS: Final[dict[State, str]] = {
    "running": "green",
    "stopped": "yellow",
    "dead": "red",
    "removed": "bright_black",
}


def default_directory() -> Path:
    """Where the playground lives unless told otherwise (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "holdfast" / "playground"


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except PlaygroundError as error:
        raise click.ClickException(str(error)) from error
    except TimeoutError as error:
        raise click.ClickException(
            f"Processes of the playground do not end: {error}. Run `down` again in a moment."
        ) from error


@click.group()
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_directory,
    help="Where the cluster lives.  [default: ~/.local/state/holdfast/playground]",
)
@click.pass_context
def playground(context: click.Context, directory: Path) -> None:
    """A real Mesos cluster and ZooKeeper on this machine."""
    context.obj = directory.absolute()


@playground.command()
@click.option("--agents", type=int, default=4, show_default=True, help="How many agents.")
@click.option("--masters", type=int, default=1, show_default=True, help="How many masters.")
@click.option("--zones", default="a,b,c", show_default=True, help="Zones, filled in turn.")
@click.option("--region", default="local", show_default=True, help="The region they are in.")
@click.option("--resources", default=ClusterSpec().resources, help="What each agent offers.")
@click.option(
    "--launcher",
    type=click.Choice(["auto", "posix", "linux"]),
    default="auto",
    show_default=True,
    help="How containers are isolated; auto takes linux (cgroups, namespaces) where it works.",
)
@click.option(
    "--network-namespaces",
    is_flag=True,
    help="Give each agent a network of its own, which can be cut; needs root.",
)
@click.option(
    "--agent-disk",
    type=int,
    metavar="MB",
    help="Give each agent a file system of its own, which can be full; needs root.",
)
@click.option("--tls", is_flag=True, help="Masters and agents speak TLS, and nothing else.")
@click.pass_obj
def up(
    directory: Path,
    agents: int,
    masters: int,
    zones: str,
    region: str,
    resources: str,
    launcher: Launcher,
    network_namespaces: bool,
    agent_disk: int | None,
    tls: bool,
) -> None:
    """Start ZooKeeper, masters and agents. The first time it downloads Mesos (27 MB)."""
    with _errors_for_people():
        spec = ClusterSpec(
            agents=agents,
            masters=masters,
            zones=tuple(zone.strip() for zone in zones.split(",")),
            region=region,
            resources=resources,
            launcher=launcher,
            network_namespaces=network_namespaces,
            agent_disk_mb=agent_disk,
            tls=tls,
        )
        if read_state(directory) is not None and Cluster.open(directory).agent_ids():
            raise PlaygroundError(
                f"A playground runs in {directory} already. See it with `status`, end it with "
                "`down`, or start another one with --directory."
            )
        cluster = Cluster.create(directory, spec)
        cluster.up()
        click.echo(f"Mesos      {cluster.leader()}")
        click.echo(f"Masters at {cluster.master_url}")
        click.echo(f"ZooKeeper  {cluster.zookeeper_address}")
        if tls:
            click.echo(f"Trust      {cluster.authority}")
        click.echo(f"{agents} agents, {cluster.state.launcher} launcher. End it with `down`.")


@playground.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(directory: Path, as_json: bool) -> None:
    """Show what runs."""
    with _errors_for_people():
        facts = _facts(Cluster.open(directory))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _print_table(facts)


def _facts(cluster: Cluster) -> dict[str, Any]:
    ids = cluster.agent_ids()
    try:
        leader = cluster.leader()
    except PlaygroundError:
        leader = None
    return {
        "directory": str(cluster.directory),
        "launcher": cluster.state.launcher,
        "leader": leader,
        "master_url": cluster.master_url,
        "zookeeper": {"address": cluster.zookeeper_address, "state": cluster.zookeeper_state},
        "masters": [
            {
                "name": master.name,
                "address": f"{master.ip}:{master.port}",
                "pid": master.pid,
                "state": master.state,
                "leads": (leader or "").endswith(f"//{master.ip}:{master.port}"),
            }
            for master in cluster.masters
        ],
        "agents": [
            {
                "name": agent.name,
                "address": f"{agent.ip}:{agent.port}",
                "zone": agent.zone,
                "pid": agent.pid,
                "state": agent.state,
                "registered": agent.number in ids,
                "id": ids.get(agent.number),
                "work_dir": str(agent.work_dir),
            }
            for agent in cluster.agents
        ],
    }


def _print_table(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{facts['master_url']} ({facts['launcher']} launcher)")
    for column in ("name", "address", "zone", "process", "state", "in Mesos"):
        table.add_column(column)

    def row(name: str, part: dict[str, Any], zone: str, in_mesos: str) -> None:
        state = part["state"]
        table.add_row(
            name,
            part["address"],
            zone,
            str(part.get("pid") or ""),
            f"[{COLOURS[state]}]{state}[/]",
            in_mesos,
        )

    row("zookeeper", facts["zookeeper"], "", "")
    for master in facts["masters"]:
        row(master["name"], master, "", "leads" if master["leads"] else "")
    for agent in facts["agents"]:
        row(agent["name"], agent, agent["zone"], agent["id"] or "not registered")
    Console().print(table)


@playground.command()
@click.option("--keep-logs", is_flag=True, help="Leave the logs directory.")
@click.pass_obj
def down(directory: Path, keep_logs: bool) -> None:
    """End everything and delete all data, volumes included."""
    with _errors_for_people():
        Cluster.create(directory).down(keep_logs)
        click.echo("Nothing of the playground is left.")


@playground.group()
def agent() -> None:
    """Let things happen to an agent."""


@playground.group()
def master() -> None:
    """Let things happen to a master."""


@playground.group()
def zookeeper() -> None:
    """Let things happen to ZooKeeper."""


def _on_agent(name: str, help_text: str, act: Callable[[Cluster, int], str | None]) -> None:
    @agent.command(name, help=help_text)
    @click.argument("number", type=int)
    @click.pass_obj
    def command(directory: Path, number: int) -> None:
        with _errors_for_people():
            cluster = Cluster.open(directory)
            done = act(cluster, number)
            click.echo(done or f"agent-{number} is {cluster.agents[number - 1].state}.")


def _start_and_wait(cluster: Cluster, number: int) -> None:
    cluster.agent_start(number)
    cluster.wait_for_agents([number])


def _reboot_and_wait(cluster: Cluster, number: int) -> None:
    cluster.agent_kill(number)
    _start_and_wait(cluster, number)


def _cut(cluster: Cluster, number: int) -> str:
    cluster.network.cut(agent_name(number))
    return f"agent-{number} is cut off. Undo it with `agent heal {number}`."


def _heal(cluster: Cluster, number: int) -> str:
    cluster.network.heal(agent_name(number))
    return f"agent-{number} is connected again."


_on_agent("kill", "Cut its power: it and all of its containers end at once.", Cluster.agent_kill)
_on_agent("crash", "Kill its process only; tasks go on.", Cluster.agent_crash)
_on_agent("stop", "Freeze its process (SIGSTOP).", Cluster.agent_stop)
_on_agent("continue", "Let it go on (SIGCONT).", Cluster.agent_continue)
_on_agent("start", "Start it on its data, or anew after `remove`.", _start_and_wait)
_on_agent("reboot", "Take its power and give it back.", _reboot_and_wait)
_on_agent("cut", "Pull its network cable; needs --network-namespaces.", _cut)
_on_agent("heal", "Plug its network cable in again.", _heal)
_on_agent("remove", "Take the machine away for good, with all volumes.", Cluster.agent_remove)


@master.command("kill")
@click.argument("number", type=int, required=False)
@click.pass_obj
def master_kill(directory: Path, number: int | None) -> None:
    """Kill a master, the leading one when no NUMBER is given."""
    with _errors_for_people():
        killed = Cluster.open(directory).master_kill(number)
        click.echo(f"master-{killed} is dead. Start it with `master start {killed}`.")


@master.command("start")
@click.argument("number", type=int, default=1)
@click.pass_obj
def master_start(directory: Path, number: int) -> None:
    """Start a master on its data and wait for a leader."""
    with _errors_for_people():
        cluster = Cluster.open(directory)
        cluster.master_start(number)
        click.echo(f"The leader is {cluster.wait_for_leader()}.")


@master.command("pause")
@click.argument("number", type=int, default=1)
@click.pass_obj
def master_pause(directory: Path, number: int) -> None:
    """Freeze a master (SIGSTOP)."""
    with _errors_for_people():
        Cluster.open(directory).master_pause(number)
        click.echo(f"master-{number} is stopped. Let it go on with `master continue {number}`.")


@master.command("continue")
@click.argument("number", type=int, default=1)
@click.pass_obj
def master_continue(directory: Path, number: int) -> None:
    """Let a master go on (SIGCONT)."""
    with _errors_for_people():
        cluster = Cluster.open(directory)
        cluster.master_continue(number)
        click.echo(f"The leader is {cluster.wait_for_leader()}.")


def _on_zookeeper(name: str, help_text: str, act: Callable[[Cluster], None]) -> None:
    @zookeeper.command(name, help=help_text)
    @click.pass_obj
    def command(directory: Path) -> None:
        with _errors_for_people():
            cluster = Cluster.open(directory)
            act(cluster)
            click.echo(f"ZooKeeper is {cluster.zookeeper_state}.")


_on_zookeeper("stop", "Kill it. Its data stays.", Cluster.zookeeper_stop)
_on_zookeeper("start", "Start it on its data.", Cluster.zookeeper_start)
_on_zookeeper("pause", "Freeze it (SIGSTOP).", Cluster.zookeeper_pause)
_on_zookeeper("continue", "Let it go on (SIGCONT).", Cluster.zookeeper_continue)
