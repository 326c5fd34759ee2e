"""The end: what the demo measured, what is left, and what to look at when it failed or is kept."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast_playground import leftovers, processes
from holdfast_playground.cluster import Cluster
from holdfast_playground.demo import etcd
from holdfast_playground.demo.checks import require
from holdfast_playground.demo.scheduler import BIN
from holdfast_playground.demo.stage import Picture, Stage
from holdfast_playground.processes import ProcessRecord, all_processes, boot_id
from holdfast_playground.state import read_state

TAIL_LINES: Final = 25


def summary(stage: Stage) -> None:
    """What clients saw, and what each step took."""
    assert stage.load is not None
    report = stage.load.report()
    narrator = stage.narrator
    narrator.plain()
    narrator.plain("Summary")
    rows = [(title, f"{seconds:.1f} s") for title, seconds in narrator.times]
    total = sum(seconds for _, seconds in narrator.times)
    narrator.table(("step", "took"), [*rows, ("all", f"{total:.1f} s")])
    narrator.plain(f"   writes acknowledged   {report.acknowledged + len(stage.seed):,}")
    narrator.plain(f"   writes lost           {len(stage.load.wrong)}")
    narrator.plain(
        f"   without an answer     {report.unanswered} writes, of which {stage.took_effect} took"
        f" effect; {report.failed_reads} of {report.reads + report.failed_reads:,} reads"
    )
    narrator.plain(
        f"   unavailable           {report.unavailable:.1f} s in all without a write,"
        f" {report.longest_outage:.1f} s at the longest"
    )


def remove(stage: Stage) -> None:
    """End and delete all there is of this or an earlier demo; harmless when there is nothing."""
    stage.cluster.down()
    stage.scheduler.log.unlink(missing_ok=True)
    if stage.scheduler.scratch.exists():
        shutil.rmtree(stage.scheduler.scratch)
    home = stage.scheduler.log.parent
    if home.exists() and not any(home.iterdir()):
        home.rmdir()


def tear_down(stage: Stage) -> None:
    """End everything and check that nothing of it is left. Raises CheckFailed."""
    cluster = stage.cluster
    records = dict(cluster.state.processes)
    records |= etcd.member_processes([agent.ip for agent in cluster.agents])
    remove(stage)
    alive = [name for name, record in records.items() if processes.is_alive(record)]
    strangers = [record.pid for record in _processes_naming(cluster.directory)]
    require(not alive and not strangers, "no process is left", f"{alive}, {strangers}")
    mounts = [str(path) for path in leftovers.mounts_under(cluster.directory)]
    require(not mounts, "no mount is left", f"{mounts}")
    require(not cluster.directory.exists(), "no file is left", str(cluster.directory))
    stage.narrator.plain()
    stage.narrator.verified(
        f"torn down: {len(records)} recorded processes have ended; no process, mount or file of"
        f" {cluster.directory} is left, and so no reservation"
    )


def _processes_naming(directory: Path) -> Iterator[ProcessRecord]:
    """Processes with a path under the directory in their command line or environment."""
    inside = os.fsencode(directory) + b"/"
    boot = boot_id()
    for facts in all_processes():
        if facts.pid == os.getpid() or facts.state in "ZX":
            continue
        try:
            own = Path(f"/proc/{facts.pid}")
            said = (own / "cmdline").read_bytes() + b"\0" + (own / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if inside in said:
            yield ProcessRecord(facts.pid, facts.started, boot)


def how_to_look(stage: Stage, picture: Picture) -> None:
    """What to do with a demo that was left running."""
    narrator, holdfast = stage.narrator, f"{_shown(BIN)}/holdfast"
    endpoints = ",".join(etcd.client_url(i.agent) for i in picture.instances.values())
    narrator.plain()
    narrator.plain("It goes on running. Look at it:")
    for line in (
        f"{holdfast} --url {stage.scheduler.url} plan show deploy",
        f"{holdfast} --url {stage.scheduler.url} pod status",
        f"{holdfast} --url {stage.scheduler.url} volumes list",
        f"etcdctl --endpoints={endpoints} member list --write-out=table",
        f"curl --silent {stage.cluster.leader()}/master/state",
        f"tail -f {stage.scheduler.log}",
        f"{holdfast} playground --directory {stage.cluster.directory} status",
    ):
        narrator.plain(f"   {line}")
    narrator.plain("End all of it, the scheduler included:")
    narrator.plain(f"   {holdfast} playground --directory {stage.cluster.directory} down")


def evidence(stage: Stage, member: str | None) -> None:
    """The ends of the logs a failure is most likely to be found in."""
    narrator, logs = stage.narrator, [stage.scheduler.log]
    if member is not None and read_state(stage.cluster.directory) is not None:
        logs += _sandbox_logs(stage.cluster, member)
    for log in logs:
        if log.exists():
            narrator.plain(f"\nThe end of {log}:")
            for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:]:
                narrator.plain(f"   {line}")


def _sandbox_logs(cluster: Cluster, member: str) -> list[Path]:
    """Standard error of the member's latest run."""
    runs = [
        path
        for agent in cluster.agents
        for path in agent.work_dir.glob(
            f"slaves/*/frameworks/*/executors/*__{member}__*/runs/latest/stderr"
        )
    ]
    return sorted(runs, key=lambda path: path.stat().st_mtime)[-1:]


def _shown(path: Path) -> str:
    """The path as the user would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
