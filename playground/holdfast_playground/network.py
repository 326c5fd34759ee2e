"""A network of a cluster's own: a bridge, and a namespace behind it for each agent.

ZooKeeper, masters and whoever started the cluster stay in the machine's own namespace, at addresses
of the bridge. Two more namespaces, `client-1` and `client-2`, are there for schedulers. All names
follow from the cluster's block, so that whoever knows that can remove everything.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast_playground.addresses import CLIENTS, Block
from holdfast_playground.errors import PlaygroundError
from holdfast_playground.layout import agent_name
from holdfast_playground.spec import ClusterSpec

NAMESPACES: Final = Path("/run/netns")
INTERFACES: Final = Path("/sys/class/net")
ROUTES: Final = Path("/proc/net/route")
SECONDS: Final = 20.0
# A source that the namespace has no way to is not listened to either (RFC 3704, strict).
LISTEN_TO_THE_REACHABLE: Final = "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter"


def client_name(number: int) -> str:
    """The namespace of a scheduler."""
    return f"client-{number}"


@dataclass(frozen=True, slots=True)
class Network:
    """The network of the cluster that has `block`. Members are `agent-N` and `client-N`.

    Methods raise PlaygroundError with what `ip` said.
    """

    block: Block

    @property
    def bridge(self) -> str:
        """The name of the bridge."""
        return f"hf{self.block.x}-{self.block.y}"

    def namespace(self, member: str) -> str:
        """The name of a member's namespace."""
        return f"holdfast-{self.block}-{member}"

    def within(self, member: str, command: Sequence[str]) -> list[str]:
        """The command that runs `command` in the member's namespace, as the same process."""
        return ["nsenter", f"--net={NAMESPACES / self.namespace(member)}", *command]

    def create(self, spec: ClusterSpec) -> None:
        """Make the bridge and all namespaces."""
        servers = [self.block.zookeeper, *map(self.block.master, range(1, spec.masters + 1))]
        members = self._members(spec)
        _ip(
            f"link add {self.bridge} type bridge",
            # The first one is the source of what this machine sends.
            f"addr add {self.block.host}/24 dev {self.bridge}",
            *(f"addr add {ip}/32 dev {self.bridge}" for ip in servers),
            f"link set {self.bridge} up",
        )
        for member, ip in members.items():
            namespace, port = self.namespace(member), self._port(member)
            _ip(
                f"netns add {namespace}",
                f"link add {port} type veth peer name eth0 netns {namespace}",
                f"link set {port} master {self.bridge} up",
            )
            _ip(
                "link set lo up",
                f"addr add {ip}/24 dev eth0",
                "link set eth0 up",
                namespace=namespace,
            )
            _run(self.within(member, ["sh", "-c", LISTEN_TO_THE_REACHABLE]))

    def delete(self) -> None:
        """Remove what there is of it; harmless when repeated. What ran in it has to have ended."""
        # Ports first: with their namespace they would go at a moment of the kernel's choice.
        for interface in [*INTERFACES.glob(f"{self.bridge}-*"), INTERFACES / self.bridge]:
            if interface.exists():
                _ip(f"link delete {interface.name}")
        for namespace in NAMESPACES.glob(f"holdfast-{self.block}-*"):
            _ip(f"netns delete {namespace.name}")

    def cut(self, member: str) -> None:
        """Pull the member's cable: nothing reaches it, and nobody is told."""
        _ip(f"link set {self._port(member)} down")

    def heal(self, member: str) -> None:
        """Plug the member's cable in again."""
        _ip(f"link set {self._port(member)} up")

    def part(self, member: str, addresses: Iterable[str]) -> None:
        """Let the member neither reach nor hear these addresses, and everything else as before."""
        routes = (f"route replace unreachable {ip}/32" for ip in addresses)
        _ip(*routes, namespace=self.namespace(member))

    def rejoin(self, member: str) -> None:
        """Undo every `part` of the member."""
        _ip("route flush type unreachable", namespace=self.namespace(member))

    def _members(self, spec: ClusterSpec) -> dict[str, str]:
        agents = {agent_name(n): self.block.agent(n) for n in range(1, spec.agents + 1)}
        clients = {client_name(n): self.block.client(n) for n in range(1, CLIENTS + 1)}
        return agents | clients

    def _port(self, member: str) -> str:
        kind, number = member.split("-")
        return f"{self.bridge}-{kind[0]}{number}"


def is_free(block: Block) -> bool:
    """Whether no interface and no route of this machine uses the block."""
    if (INTERFACES / Network(block).bridge).exists():
        return False
    inside = int.from_bytes((block.first, block.x, block.y, 0))
    # A default route (mask 0) goes everywhere, and in each block.
    return not any(mask and inside & mask == destination & mask for destination, mask in _routes())


def _routes() -> Iterator[tuple[int, int]]:
    """Destination and mask of every route. The kernel prints them in its own byte order."""
    for line in ROUTES.read_text().splitlines()[1:]:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[n])[::-1]) for n in (1, 7))
        yield destination, mask


def obstacle() -> str | None:
    """Why there can be no network namespaces here, None when there can. Tries it."""
    if os.geteuid() != 0:
        return "it needs root"
    probe = f"holdfast-probe-{os.getpid()}"
    port = f"hfp{os.getpid()}"
    try:
        _ip(f"netns add {probe}")
        try:
            _ip(f"link add {port} type bridge", f"link delete {port}")
            _ip(f"link add {port} type veth peer name eth0 netns {probe}", f"link delete {port}")
        finally:
            _ip(f"netns delete {probe}")
    except PlaygroundError as error:
        return str(error)
    return None


def check() -> None:
    """Raise PlaygroundError where there can be no network namespaces."""
    why = obstacle()
    if why is not None:
        raise PlaygroundError(
            f"Agents cannot have network namespaces here: {why}. Start the playground as root on a "
            "kernel with bridges and veth, or without --network-namespaces: agents then share the "
            "machine's network, and cannot be cut off."
        )


def _ip(*commands: str, namespace: str | None = None) -> None:
    inside = ["-netns", namespace] if namespace else []
    _run(["ip", *inside, "-batch", "-"], "\n".join(commands) + "\n")


def _run(command: Sequence[str], text: str = "") -> None:
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except FileNotFoundError as error:
        raise PlaygroundError(f"the command {command[0]} is missing") from error
    if done.returncode != 0:
        raise PlaygroundError(f"{' '.join(command)}: {text.strip()}: {done.stderr.strip()}")
