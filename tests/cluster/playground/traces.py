"""What of a cluster is on this machine, found without asking the playground."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from holdfast_playground.cluster import Cluster


def mentioning(text: str) -> list[int]:
    """Processes whose command line, environment or cgroup mentions the text, but not this one."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        for file in ("cmdline", "environ", "cgroup"):
            try:
                content = Path("/proc", name, file).read_bytes()
            except OSError:
                continue
            if text.encode() in content and int(name) != os.getpid():
                found.append(int(name))
                break
    return found


def mounts(directory: Path) -> list[str]:
    """Mounts that mention the directory."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(directory) in line]


def cgroups(block: str) -> list[Path]:
    """Cgroups of the cluster with those addresses."""
    return list(Path("/sys/fs/cgroup").glob(f"*/*{block}*"))


def network(block: str) -> list[str]:
    """Namespaces and interfaces of the cluster with those addresses."""
    namespaces = Path("/run/netns").glob(f"holdfast-{block}-*")
    _, x, y = block.split(".")
    interfaces = Path("/sys/class/net").glob(f"hf{x}-{y}*")
    return [path.name for path in (*namespaces, *interfaces)]


def of(cluster: Cluster, block: str) -> dict[str, object]:
    """Everything of a cluster that was at those addresses; empty values when it is gone."""
    return {
        "processes": mentioning(str(cluster.directory)),
        "processes by address": mentioning(f"{block}."),
        "mounts": mounts(cluster.directory),
        "cgroups": cgroups(block),
        "network": network(block),
        "files": sorted(cluster.directory.iterdir()) if cluster.directory.exists() else [],
    }


NOTHING: dict[str, object] = {
    "processes": [],
    "processes by address": [],
    "mounts": [],
    "cgroups": [],
    "network": [],
    "files": [],
}


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
