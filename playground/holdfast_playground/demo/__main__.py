"""`python -m holdfast_playground.demo`: the whole demo, from nothing to nothing."""

import fcntl
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from holdfast_playground.addresses import claims_directory
from holdfast_playground.cluster import Cluster
from holdfast_playground.demo import ending, failures, opening
from holdfast_playground.demo.checks import CheckFailed, NotYet
from holdfast_playground.demo.narration import Narrator
from holdfast_playground.demo.scheduler import SERVICE, Scheduler
from holdfast_playground.demo.stage import SPEC, Picture, Stage
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.state import read_state

EXIT_CHECK_FAILED: Final = 1
EXIT_BUSY: Final = 3
EXIT_INTERRUPTED: Final = 130


def directory() -> Path:
    """Where the demo keeps its cluster and logs (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base).absolute() / "holdfast" / "demo"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--keep", is_flag=True, help="Leave everything running at the end.")
def main(keep: bool) -> NoReturn:
    """Run etcd on a real Mesos cluster with Holdfast, and let everything beneath it fail."""
    narrator = Narrator()
    with _alone():
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        cluster = Cluster.create(directory() / "cluster", SPEC)
        sys.exit(_run(Stage(cluster, Scheduler(cluster), narrator), keep))


def _run(stage: Stage, keep: bool) -> int:
    cluster, narrator = stage.cluster, stage.narrator
    try:
        if not SERVICE.exists():
            raise CheckFailed(f"the demo runs in a checkout of Holdfast: {SERVICE} is missing")
        if read_state(cluster.directory) is not None:
            narrator.plain("Ending what an earlier demo left ...")
        ending.remove(stage)
        picture = _play(stage)
        ending.summary(stage)
        if keep:
            ending.how_to_look(stage, picture)
        else:
            ending.tear_down(stage)
    except KeyboardInterrupt:
        _ignore_signals()
        narrator.plain("\nInterrupted. Ending everything ...")
        ending.remove(stage)
        narrator.plain("Nothing of it is left.")
        return EXIT_INTERRUPTED
    except (CheckFailed, PlaygroundError, NotYet, OSError, TimeoutError) as error:
        _ignore_signals()
        _explain(stage, error)
        return EXIT_CHECK_FAILED
    except BaseException:
        # A fault of the demo itself: still, nothing may be left running.
        _ignore_signals()
        cluster.down(keep_logs=True)
        raise
    return 0


def _play(stage: Stage) -> Picture:
    opening.start_cluster(stage)
    picture = opening.deploy(stage)
    opening.write(stage, picture)
    picture = failures.lose_an_agent_for_a_while(stage, picture)
    picture = failures.lose_the_scheduler(stage, picture)
    picture = failures.lose_a_task(stage, picture)
    picture = failures.lose_the_master(stage, picture)
    picture = failures.lose_an_agent_for_good(stage, picture)
    failures.read_back(stage, picture)
    return picture


def _explain(stage: Stage, error: Exception) -> None:
    """Name what failed, show the logs, and end the cluster but for its logs."""
    narrator, cluster = stage.narrator, stage.cluster
    narrator.wrong(f"{narrator.current or 'the end'}: {error}")
    ending.evidence(stage, getattr(error, "member", None))
    cluster.down(keep_logs=True)
    narrator.plain(f"\nEverything was ended. The logs are in {directory()}")


@contextmanager
def _alone() -> Iterator[None]:
    """Keep a second demo of the same user out while this one runs."""
    name = hashlib.sha256(os.fsencode(directory())).hexdigest()[:16]
    path = claims_directory() / f"demo-{name}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            click.echo(
                "Another demo is running. Wait for its end or interrupt it; it tears itself down.",
                err=True,
            )
            sys.exit(EXIT_BUSY)
        yield


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """A teardown is short, and what interrupts it leaves more behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
