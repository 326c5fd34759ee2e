"""`mesos-containerizer`: what an agent runs to start a container. Standard library only.

The agent runs it as `mesos-containerizer launch FLAGS`, with the container's launch information as
JSON in the environment. The library's own class of that subcommand does the work and ends in the
exec of the container's command, so what this module imports is paid for at every launch.
"""

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Final

from holdfast_playground.libmesos import LibMesos, Pointer

LAUNCH_INFO: Final = "MESOS_CONTAINERIZER_LAUNCH_INFO"
SYSRQ_TRIGGER: Final = "/proc/sysrq-trigger"
SUBCOMMANDS: Final = {
    "launch": "24MesosContainerizerLaunch",
    "network-cni-setup": "23NetworkCniIsolatorSetup",
}


def without_missing_mounts(launch_info: str) -> str:
    """The launch information without the mask of /proc/sysrq-trigger where the kernel has none."""
    if SYSRQ_TRIGGER not in launch_info or os.path.exists(SYSRQ_TRIGGER):
        return launch_info
    import json

    info = json.loads(launch_info)
    info["mounts"] = [
        mount
        for mount in info.get("mounts", [])
        if not mount.get("target", "").endswith(SYSRQ_TRIGGER)
    ]
    return json.dumps(info)


def execute(mesos: LibMesos, name: str, arguments: Sequence[str]) -> int:
    """Run one subcommand by its Mesos class; returns its exit code, or never when it execs."""
    mangled = f"5mesos8internal5slave{SUBCOMMANDS[name]}"
    command = mesos.room()
    # The object is built by hand, as its constructor is inlined: the virtual table's address
    # point, the name, and the flags with a virtual base where getFlags() says.
    table = mesos.address(f"_ZTVN{mangled}E") + 16
    ctypes.memmove(command, struct.pack("<Q", table), 8)
    mesos.write_string(command + 8, name)
    base = mesos.call(f"_ZN{mangled}8getFlagsEv", Pointer(command), returns=ctypes.c_size_t)
    sample = mesos.room()
    mesos.call(f"_ZN{mangled}5FlagsC1Ev", Pointer(sample))
    flags = base - mesos.virtual_base_offset(sample, -3)
    mesos.call(f"_ZN{mangled}5FlagsC1Ev", Pointer(flags))
    mesos.load_flags(base, "MESOS_CONTAINERIZER_", arguments)
    result: int = mesos.call(f"_ZN{mangled}7executeEv", Pointer(command), returns=ctypes.c_int)
    return result


def main(library: str, arguments: Sequence[str]) -> int:
    """`mesos-containerizer SUBCOMMAND FLAGS`."""
    if not arguments or arguments[0] not in SUBCOMMANDS:
        raise SystemExit(f"mesos-containerizer: {arguments[:1]} is none of {sorted(SUBCOMMANDS)}")
    launch_info = os.environ.get(LAUNCH_INFO)
    if arguments[0] == "launch" and launch_info:
        os.environ[LAUNCH_INFO] = without_missing_mounts(launch_info)
    return execute(LibMesos(library), arguments[0], arguments[1:])
