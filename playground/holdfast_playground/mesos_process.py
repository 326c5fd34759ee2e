"""The body of one Mesos master or agent process. Standard library only.

`mesos::internal::local::launch` can start a master and agents in one process, with the "standalone"
contender and detector that know no ZooKeeper. Here it starts one of them, and the classes of the
same library that do know ZooKeeper take the standalone ones' places. So electing, detecting,
losing a session and stepping down are Mesos' own code, as `mesos-master` and `mesos-agent` run it.

All settings are Mesos' own MESOS_* and LIBPROCESS_* environment variables.
"""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from holdfast_playground.libmesos import STRING, LibMesos, Pointer

DETECTOR: Final = "_ZN5mesos6master8detector"
CONTENDER: Final = "_ZN5mesos6master9contender"
LOCAL: Final = "_ZN5mesos8internal5local"
VERSION: Final = "_ZN5mesos8internal14VersionProcess"
# A forever that stout's Duration can hold; process::wait takes a negative one as "no limit".
NO_LIMIT: Final = -1.0
AGENT: Final = "slave(1)"
RESTART_SECONDS: Final = 1.0
SWITCHBOARD: Final = "_ZN5mesos8internal5slave13IOSwitchboard6createERKNS1_5FlagsEb"

# Callbacks C holds on to must not be collected.
_kept: list[object] = []


def join_zookeeper(mesos: LibMesos, url: str, session_seconds: float, contend: bool) -> None:
    """Let the coming master or agent find (and, with `contend`, be) the leader at a zk:// URL."""
    parsed = mesos.room()
    mesos.call(f"_ZN9zookeeper3URL5parseERK{STRING}", Pointer(parsed), Pointer(mesos.string(url)))
    if ctypes.c_int32.from_address(parsed).value != 0:
        raise ValueError(f"not a ZooKeeper URL: {url!r}, expected zk://host:port/path")
    zookeeper = Pointer(parsed + 8)
    session = Pointer(mesos.duration(session_seconds))

    def construct_detector(this: int, _: int) -> None:
        name = f"{DETECTOR}23ZooKeeperMasterDetectorC1ERKN9zookeeper3URLERK8Duration"
        mesos.call(name, Pointer(this), zookeeper, session)

    def initialize_contender(this: int, master_info: int) -> None:
        # The standalone contender's constructor is inlined, so this first call turns it, in its
        # own memory, into one for ZooKeeper (two words of the standalone one's three).
        name = f"{CONTENDER}24ZooKeeperMasterContender"
        mesos.call(f"{name}C1ERKN9zookeeper3URLERK8Duration", Pointer(this), zookeeper, session)
        mesos.call(f"{name}10initializeERKNS_10MasterInfoE", Pointer(this), Pointer(master_info))

    mesos.replace(f"{DETECTOR}24StandaloneMasterDetectorC1Ev", construct_detector)
    mesos.disable(f"{DETECTOR}24StandaloneMasterDetector7appointERK6OptionINS_10MasterInfoEE")
    if contend:
        mesos.replace(
            f"{CONTENDER}25StandaloneMasterContender10initializeERKNS_10MasterInfoE",
            initialize_contender,
        )


def keep_output_as_agents_do(mesos: LibMesos) -> None:
    """Containers' output goes to their sandboxes, and debug containers can be attached to.

    `local::launch` asks for an IOSwitchboard that leaves all output on the terminal: its
    parameter `local`, which IOSwitchboard::create keeps in a register, becomes false.
    """
    # mov r13d, edx -> xor r13d, r13d
    mesos.patch(SWITCHBOARD, 0x17, b"\x41\x89\xd5", b"\x45\x31\xed")


def launch(mesos: LibMesos, delegate: str) -> int:
    """Start what the environment describes; returns the address of the master's process id.

    `delegate` is the process that answers for paths that name none, as /state.
    """
    flags = mesos.room()
    mesos.call(f"{LOCAL}5FlagsC1Ev", Pointer(flags))
    mesos.load_flags(flags + mesos.virtual_base_offset(flags, -4), "MESOS_")
    mesos.call(
        f"_ZN7process10initializeERK6OptionI{STRING}ES9_S9_",
        Pointer(mesos.some_string(delegate)),
        Pointer(mesos.none()),
        Pointer(mesos.none()),
    )
    mesos.call(
        f"_ZN5mesos8internal7logging10initializeERK{STRING}bRK6OptionINS1_5FlagsEE",
        Pointer(mesos.string("mesos")),
        ctypes.c_bool(False),
        Pointer(mesos.none()),
    )
    # /version is a process of its own, which mesos-master's and mesos-agent's main() start.
    version = Pointer(mesos.room())
    mesos.call(f"{VERSION}C1Ev", version)
    mesos.call(
        "_ZN7process5spawnIN5mesos8internal14VersionProcessEEENS_3PIDIT_EEPS5_b",
        Pointer(mesos.room()),
        version,
        ctypes.c_bool(False),
    )
    master = mesos.room()
    mesos.call(
        f"{LOCAL}6launchERKNS1_5FlagsEPNS_9allocator9AllocatorE",
        Pointer(master),
        Pointer(flags),
        None,
    )
    return master


def wait(mesos: LibMesos, process: int) -> None:
    """Stay until the libprocess process of that id, given by its address, has ended."""
    mesos.call(
        "_ZN7process4waitERKNS_4UPIDERK8Duration",
        Pointer(process),
        Pointer(mesos.duration(NO_LIMIT)),
    )


def restart_when_it_exits(arguments: Sequence[str]) -> None:
    """From now on, when Mesos ends this process by exit(), begin again in the same process.

    A master that loses its ZooKeeper session exits, and counts on an init system to start it again
    (systemd's Restart=always on every real installation). Kills are not affected.
    """
    program = [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]]

    def begin_again(status: int, _: int) -> None:
        os.write(2, f"Mesos ended with status {status}: starting it again\n".encode())
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2:
                with contextlib.suppress(OSError):
                    os.set_inheritable(int(name), False)
        time.sleep(RESTART_SECONDS)
        os.execv(program[0], [*program, *arguments])

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)(begin_again)
    if ctypes.CDLL(None).on_exit(handler, None) != 0:
        raise OSError("on_exit: no room for another handler")
    _kept.append(handler)


def main() -> int:
    """`master|agent LIBRARY ZK_URL SESSION_SECONDS` in sys.argv; returns when Mesos has ended."""
    kind, library, zookeeper, session_seconds = sys.argv[1:]
    is_master = kind == "master"
    os.environ["MESOS_NUM_SLAVES"] = "0" if is_master else "1"
    mesos = LibMesos(library)
    join_zookeeper(mesos, zookeeper, float(session_seconds), contend=is_master)
    if not is_master:
        keep_output_as_agents_do(mesos)
    master = launch(mesos, "master" if is_master else AGENT)
    if is_master:
        restart_when_it_exits(sys.argv[1:])
        wait(mesos, master)
    else:
        here = f"{AGENT}@{os.environ['LIBPROCESS_IP']}:{os.environ['LIBPROCESS_PORT']}"
        agent = mesos.room()
        mesos.call("_ZN7process4UPIDC1EPKc", Pointer(agent), here.encode())
        wait(mesos, agent)
    return 1
