"""The command and environment of masters and agents, and the programs agents run."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Final

from holdfast_playground.addresses import AGENT_PORT, MASTER_PORT
from holdfast_playground.certificates import authority, pair
from holdfast_playground.launchers import LINUX_ISOLATION, POSIX_ISOLATION
from holdfast_playground.layout import Layout
from holdfast_playground.spec import ClusterSpec
from holdfast_playground.state import ClusterState

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# This Python without its site-packages and settings: nothing the user installed gets in.
PYTHON: Final = os.path.realpath(sys.executable)
PACKAGE_PARENT: Final = Path(__file__).resolve().parent.parent


def python_command(module: str, call: str, *arguments: str) -> list[str]:
    """A command that runs `call` with a module of this package, starting as fast as Python can."""
    program = (
        f"import sys; sys.path.append({str(PACKAGE_PARENT)!r}); "
        f"from holdfast_playground import {module}; sys.exit({module}.{call})"
    )
    return [PYTHON, "-I", "-S", "-c", program, *arguments]


def basic_environment() -> dict[str, str]:
    """What every process gets, and through the agents every task: nothing of the user's own."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "HOME": os.path.expanduser("~")}


def zookeeper_url(state: ClusterState) -> str:
    """Where masters are elected."""
    return f"zk://{state.block.zookeeper}:2181/mesos"


def mesos_command(kind: str, state: ClusterState) -> list[str]:
    """The command of a "master" or an "agent"; its environment says which."""
    return python_command(
        "mesos_process",
        "main()",
        kind,
        state.library,
        zookeeper_url(state),
        str(state.spec.zookeeper_session_seconds),
    )


def _common_environment(
    ip: str, port: int, zone: str, spec: ClusterSpec, layout: Layout
) -> dict[str, str]:
    domain = {"fault_domain": {"region": {"name": spec.region}, "zone": {"name": zone}}}
    encryption = _encryption(ip, layout) if spec.tls else {"LIBPROCESS_SSL_ENABLED": "0"}
    return basic_environment() | {
        "GLOG_logtostderr": "1",
        "LIBPROCESS_IP": ip,
        "LIBPROCESS_PORT": str(port),
        "MESOS_DOMAIN": json.dumps(domain),
        "MESOS_HOSTNAME": ip,
        **encryption,
    }


def _encryption(ip: str, layout: Layout) -> dict[str, str]:
    """TLS only, among masters and agents too (Mesos: ssl.md), known by their addresses."""
    certificate, key = pair(layout.certificates, ip)
    return {
        "LIBPROCESS_SSL_ENABLED": "1",
        "LIBPROCESS_SSL_CA_FILE": str(authority(layout.certificates)),
        "LIBPROCESS_SSL_CERT_FILE": str(certificate),
        "LIBPROCESS_SSL_HOSTNAME_VALIDATION_SCHEME": "openssl",
        "LIBPROCESS_SSL_KEY_FILE": str(key),
        "LIBPROCESS_SSL_VERIFY_IPADD": "1",
        "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "1",
    }


def master_environment(number: int, state: ClusterState, layout: Layout) -> dict[str, str]:
    """The settings of a master. It has its own registry, which outlives its restarts."""
    spec = state.spec
    settings = {
        "MESOS_AGENT_PING_TIMEOUT": f"{spec.ping_timeout_seconds}secs",
        "MESOS_ALLOCATION_INTERVAL": f"{spec.allocation_interval_ms}ms",
        "MESOS_CLUSTER": "playground",
        "MESOS_MAX_AGENT_PING_TIMEOUTS": str(spec.max_ping_timeouts),
        "MESOS_REGISTRY": "replicated_log",
        "MESOS_WORK_DIR": str(layout.master(number)),
    }
    address = state.block.master(number)
    common = _common_environment(address, MASTER_PORT, spec.zones[0], spec, layout)
    return common | settings | dict(spec.master_settings)


def agent_environment(number: int, state: ClusterState, layout: Layout) -> dict[str, str]:
    """The settings of an agent."""
    spec = state.spec
    machine = layout.agent(number)
    settings = {
        "MESOS_ATTRIBUTES": f"rack:r{number}",
        "MESOS_FETCHER_CACHE_DIR": str(machine / "fetched"),
        "MESOS_REGISTRATION_BACKOFF_FACTOR": "200ms",
        "MESOS_HOSTNAME_LOOKUP": "false",
        "MESOS_LAUNCHER": state.launcher,
        "MESOS_LAUNCHER_DIR": str(layout.launcher),
        # The idle master beside each agent keeps no registry.
        "MESOS_REGISTRY": "in_memory",
        "MESOS_RESOURCES": spec.resources,
        "MESOS_SWITCH_USER": "true" if os.geteuid() == 0 else "false",
        "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
        "MESOS_WORK_DIR": str(machine),
    }
    if state.launcher == "linux":
        settings |= {
            "MESOS_CGROUPS_ROOT": agent_cgroup(number, state),
            "MESOS_DOCKER_REGISTRY": str(layout.directory / "images"),
            "MESOS_DOCKER_STORE_DIR": str(machine / "images"),
            "MESOS_IMAGE_PROVIDERS": "docker",
            "MESOS_IMAGE_PROVISIONER_BACKEND": "copy",
            "MESOS_ISOLATION": LINUX_ISOLATION,
        }
    else:
        settings["MESOS_ISOLATION"] = POSIX_ISOLATION
    address = state.block.agent(number)
    common = _common_environment(address, AGENT_PORT, spec.zone(number), spec, layout)
    if spec.tls:  # of its own settings an agent hands executors those alone that it is told to
        encryption = {k: v for k, v in common.items() if k.startswith("LIBPROCESS_SSL_")}
        inherited = basic_environment() | encryption
        settings["MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"] = json.dumps(inherited)
    return common | settings | dict(spec.settings(number))


def cluster_cgroup(state: ClusterState) -> str:
    """The cgroup, below each hierarchy, that holds all of the cluster's."""
    return f"holdfast-{state.block}"


def agent_cgroup(number: int, state: ClusterState) -> str:
    """The cgroup of one agent's containers."""
    return f"{cluster_cgroup(state)}/agent-{number}"


def write_launcher_programs(layout: Layout, library: str) -> None:
    """Write the programs an agent looks for in its launcher_dir."""
    layout.launcher.mkdir(parents=True, exist_ok=True)
    programs = {
        "mesos-containerizer": python_command(
            "containerizer", "main(sys.argv[1], sys.argv[2:])", library
        ),
        "mesos-io-switchboard": python_command(
            "switchboard", "main(sys.argv[1], sys.argv[2:])", library
        ),
        "mesos-fetcher": python_command("fetcher", "main()"),
    }
    for name, command in programs.items():
        path = layout.launcher / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        path.chmod(0o755)
