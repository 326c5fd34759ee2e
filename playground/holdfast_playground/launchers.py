"""How agents isolate containers here: plain processes, or cgroups and namespaces."""

import os
import subprocess
from pathlib import Path
from typing import Final, Literal

from holdfast_playground.errors import PlaygroundError
from holdfast_playground.leftovers import CGROUP_HIERARCHIES
from holdfast_playground.spec import Launcher

HIERARCHIES: Final = ("cpu", "cpuacct", "freezer", "memory")
POSIX_ISOLATION: Final = "filesystem/posix,posix/cpu,posix/mem"
LINUX_ISOLATION: Final = (
    "filesystem/linux,docker/runtime,cgroups/cpu,cgroups/mem,namespaces/pid,posix/rlimits,"
    "volume/sandbox_path"
)


def choose(asked: Launcher, hierarchies: Path = CGROUP_HIERARCHIES) -> Literal["posix", "linux"]:
    """The launcher to use. Raises PlaygroundError when `linux` was asked for and cannot work."""
    if asked == "posix":
        return "posix"
    obstacle = obstacle_to_linux(hierarchies)
    if obstacle is None:
        return "linux"
    if asked == "linux":
        raise PlaygroundError(
            f"The linux launcher cannot work here: {obstacle}. Use --launcher posix (or auto): "
            "containers are then plain processes, without limits."
        )
    return "posix"


def obstacle_to_linux(hierarchies: Path = CGROUP_HIERARCHIES) -> str | None:
    """Why the linux launcher cannot work here, None when it can. Tries what the agent will do."""
    if os.geteuid() != 0:
        return "it needs root"
    for name in HIERARCHIES:
        # Mesos 1.11 knows cgroup v1 only, one mounted hierarchy for each controller.
        if not (hierarchies / name / "cgroup.procs").exists():
            return f"no cgroup v1 hierarchy at {hierarchies / name}"
        probe = hierarchies / name / f"holdfast-probe-{os.getpid()}"
        try:
            probe.mkdir()
            probe.rmdir()
        except OSError as error:
            return f"cannot make a cgroup in {hierarchies / name}: {error.strerror}"
    try:
        unshared = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "true"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except FileNotFoundError:
        return "the command unshare (package util-linux) is missing"
    if unshared.returncode != 0:
        return f"namespaces cannot be made: {unshared.stderr.strip()}"
    return None
