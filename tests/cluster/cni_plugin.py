#!/usr/bin/env python3
"""A CNI plugin: a pair of virtual interfaces into the container's network namespace.

Agents of the playground listen on loopback addresses, which a container's own loopback hides. So
a relay listens on those in the file `relay` inside the namespace, and connects to them outside of
it. All files are in the folder `state` of the network's configuration. The relay ends when the
container's file there is deleted.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

CLONE_NEWNET = 0x40000000


def run(*command: str) -> None:
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    subprocess.run(command, check=True, env={"PATH": path}, stdout=subprocess.DEVNULL)


def enter(namespace: str) -> None:
    """Have this thread, and what it starts, in that network namespace."""
    with open(namespace) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def add(conf: dict[str, Any], name: str, namespace: str, interface: str) -> dict[str, Any]:
    number = claim(Path(conf["state"]), name)
    outside, inside = (f"{conf['prefix']}.{4 * number + i}" for i in (1, 2))
    run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}c")
    run("ip", "address", "add", f"{outside}/30", "dev", name)
    run("ip", "link", "set", name, "up")
    host = os.open("/proc/self/ns/net", os.O_RDONLY)
    give(f"{name}c", namespace)
    enter(namespace)
    run("ip", "link", "set", f"{name}c", "name", interface)
    run("ip", "address", "add", f"{inside}/30", "dev", interface)
    run("ip", "link", "set", interface, "up")
    run("ip", "link", "set", "lo", "up")
    run("ip", "route", "add", "default", "via", outside)
    if os.fork() == 0:
        relay(host, Path(conf["state"]) / name)
    return {"cniVersion": "0.2.0", "ip4": {"ip": f"{inside}/30", "gateway": outside}}


def claim(state: Path, name: str) -> int:
    """A number that no other container has, and the file that says so."""
    for number in range(1, 60):
        try:
            (state / f"number-{number}").symlink_to(name)
        except FileExistsError:
            continue
        (state / name).write_text(str(number))
        return number
    raise SystemExit("no address is left")


def give(interface: str, namespace: str) -> None:
    """Move an interface into the namespace, which `ip` knows by a process in it."""
    here = os.stat("/proc/self/ns/net").st_ino
    pid = os.fork()
    if pid == 0:
        enter(namespace)
        signal.pause()
    try:
        while os.stat(f"/proc/{pid}/ns/net").st_ino == here:
            time.sleep(0.005)
        run("ip", "link", "set", interface, "netns", str(pid))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def relay(host: int, alive: Path) -> None:
    addresses = json.loads((alive.parent / "relay").read_text())
    os.setsid()
    for descriptor in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    listening = []
    for address in addresses:
        ip, _, port = address.partition(":")
        listening.append((socket.create_server((ip, int(port))), (ip, int(port))))
    enter(f"/proc/self/fd/{host}")
    for server, target in listening:
        threading.Thread(target=accept, args=(server, target), daemon=True).start()
    while alive.exists():
        time.sleep(0.1)
    os._exit(0)


def accept(server: socket.socket, target: tuple[str, int]) -> None:
    while True:
        near, _ = server.accept()
        far = socket.create_connection(target)
        for ends in ((near, far), (far, near)):
            threading.Thread(target=copy, args=ends, daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            end.close()


def delete(conf: dict[str, Any], name: str) -> None:
    state = Path(conf["state"])
    if (state / name).exists():
        number = (state / name).read_text()
        (state / name).unlink()
        (state / f"number-{number}").unlink()
        subprocess.run(["/sbin/ip", "link", "delete", name], check=False, stderr=subprocess.DEVNULL)


def main() -> None:
    conf = json.load(sys.stdin)
    name = f"hf{os.environ['CNI_CONTAINERID'][:8]}"
    if os.environ["CNI_COMMAND"] == "ADD":
        result = add(conf, name, os.environ["CNI_NETNS"], os.environ["CNI_IFNAME"])
        Path(conf["state"], f"asked-{name}").write_text(json.dumps(conf["args"]))
        print(json.dumps(result))
    else:
        delete(conf, name)


if __name__ == "__main__":
    main()
