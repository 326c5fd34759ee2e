"""`mesos-io-switchboard`: what an agent runs beside each debug container, for its output.

Mesos' own server does the work; the program of mesos-io-switchboard, which is not in the library,
only hands it the flags. Standard library only.
"""

import ctypes
import os
import signal
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from holdfast_playground.libmesos import STRING, LibMesos, Pointer

SERVER: Final = "_ZN5mesos8internal5slave19IOSwitchboardServer"
FUTURE: Final = "_ZNK7process6FutureI7NothingE"
NO_LIMIT: Final = -1.0
HEARTBEAT_SECONDS: Final = 30.0


def flags(arguments: Sequence[str]) -> Mapping[str, str]:
    """`--name=value`, and `--name` or `--no-name` for true and false."""
    found = {}
    for argument in arguments:
        name, given, value = argument.removeprefix("--").partition("=")
        if given:
            found[name] = value
        else:
            found[name.removeprefix("no-")] = str(not name.startswith("no-")).lower()
    return found


def main(library: str, arguments: Sequence[str]) -> int:
    """Serve until the container's output has ended and been read, or until SIGTERM."""
    given = flags(arguments)
    stop = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    mesos = LibMesos(library)
    mesos.call(
        f"_ZN7process10initializeERK6OptionI{STRING}ES9_S9_",
        *(Pointer(mesos.none()) for _ in range(3)),
    )
    heartbeat = mesos.room(16)
    ctypes.memmove(heartbeat, struct.pack("<qq", 0, int(HEARTBEAT_SECONDS * 1_000_000_000)), 16)
    created = mesos.room()
    mesos.call(
        f"{SERVER}6createEbiiiiiRK{STRING}b6OptionI8DurationE",
        Pointer(created),
        ctypes.c_bool(given.get("tty") == "true"),
        *(
            ctypes.c_int(int(given.get(name, -1)))
            for name in (
                *("stdin_to_fd", "stdout_from_fd", "stdout_to_fd"),
                *("stderr_from_fd", "stderr_to_fd"),
            )
        ),
        Pointer(mesos.string(given["socket_address"])),
        ctypes.c_bool(given.get("wait_for_connection") == "true"),
        Pointer(heartbeat),
    )
    if ctypes.c_int32.from_address(created).value != 0:
        raise SystemExit(f"mesos-io-switchboard: no server at {given['socket_address']}")
    # Try<Owned<Server>>: behind its state a shared pointer to a struct that begins with the server.
    server = Pointer(mesos.word(mesos.word(created + 8)))
    running = Pointer(mesos.room())
    mesos.call(f"{SERVER}3runEv", running, server)

    def unblock() -> None:
        signal.sigwait(stop)
        mesos.call(f"{SERVER}7unblockEv", server)

    threading.Thread(target=unblock, daemon=True).start()
    mesos.call(f"{FUTURE}5awaitERK8Duration", running, Pointer(mesos.duration(NO_LIMIT)))
    os._exit(0)
