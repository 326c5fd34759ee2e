"""etcd as its users see it: etcdctl, and the member processes on this machine."""

import base64
import itertools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast_playground.checker.etcd import CLIENT_PORT
from holdfast_playground.demo.checks import NotYet
from holdfast_playground.processes import ProcessRecord, all_processes, boot_id

# etcd refuses transactions of more operations (--max-txn-ops).
LARGEST_TRANSACTION: Final = 128


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the cluster lists it. `id` is hexadecimal."""

    id: str
    name: str
    client_url: str
    started: bool
    learner: bool


def client_url(ip: str) -> str:
    """Where the member at that address serves clients."""
    return f"http://{ip}:{CLIENT_PORT}"


def etcdctl(endpoint: str, *arguments: str, stdin: str = "") -> str:
    """What etcdctl prints. Raises NotYet when it fails."""
    done = subprocess.run(
        [
            "etcdctl",
            f"--endpoints={endpoint}",
            "--dial-timeout=2s",
            "--command-timeout=10s",
            *arguments,
        ],
        input=stdin,
        env={**os.environ, "ETCDCTL_API": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode != 0:
        raise NotYet(f"etcdctl {arguments[0]} at {endpoint}: {done.stderr.strip()[-300:]}")
    return done.stdout


def members(endpoint: str) -> tuple[Member, ...]:
    """The cluster's members, by name, as a quorum knows them. Raises NotYet."""
    found = []
    for line in etcdctl(endpoint, "member", "list").splitlines():
        id_, status, name, _peer, client, learner = line.split(", ")
        found.append(Member(id_, name, client, status == "started", learner == "true"))
    return tuple(sorted(found, key=lambda member: member.name))


def put_all(endpoint: str, pairs: Mapping[str, str]) -> None:
    """Write all pairs with `etcdctl txn`, many in one transaction. Raises NotYet."""
    items = list(pairs.items())
    for start in range(0, len(items), LARGEST_TRANSACTION):
        puts = "\n".join(
            f'put {key} "{value}"' for key, value in items[start : start + LARGEST_TRANSACTION]
        )
        # Compares, then what to do when they hold, then what else: each ends with an empty line.
        answer = etcdctl(endpoint, "txn", stdin=f"\n{puts}\n\n\n")
        if not answer.startswith("SUCCESS"):
            raise NotYet(f"etcdctl txn at {endpoint} said: {answer[:200]}")


def get_all(endpoint: str, prefix: str) -> dict[str, str]:
    """Every key under the prefix with its value, as a quorum has them. Raises NotYet."""
    body = json.loads(etcdctl(endpoint, "get", prefix, "--prefix", "--write-out=json"))
    return {
        base64.b64decode(pair["key"]).decode(): base64.b64decode(pair["value"]).decode()
        for pair in body.get("kvs", [])
    }


def member_processes(ips: Sequence[str]) -> dict[str, ProcessRecord]:
    """The etcd process of each member name, of those that serve at one of the addresses."""
    urls = {client_url(ip) for ip in ips}
    boot = boot_id()
    found = {}
    for facts in all_processes():
        if facts.state in "ZX":
            continue
        try:
            words = Path(f"/proc/{facts.pid}/cmdline").read_text().split("\0")
        except (OSError, UnicodeDecodeError):
            continue  # it ended meanwhile, or is no etcd of ours
        options = dict(itertools.pairwise(words))
        if Path(words[0]).name == "etcd" and options.get("--advertise-client-urls") in urls:
            found[options["--name"]] = ProcessRecord(facts.pid, facts.started, boot)
    return found
