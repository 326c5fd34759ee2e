"""What pods need of agents, and what is said of an agent that lacks it."""

from dataclasses import replace

import pytest

from holdfast.mesos.messages import AgentFeatures
from holdfast.placement.features import cannot, needs
from holdfast.service.model import (
    ExternalVolumeSpec,
    Goal,
    HostVolumeSpec,
    IpcMode,
    LimitsSpec,
    NetworkSpec,
    PodSpec,
    RLimitSpec,
    SeccompSpec,
    TaskSpec,
)

TASK = TaskSpec("node", Goal.RUNNING, "run", 0.5, 128)
POD = PodSpec("db", 1, (TASK,))
ALL = frozenset(
    {
        *("filesystem/linux", "docker/runtime", "network/cni", "volume/host_path"),
        *("docker/volume", "linux/seccomp", "namespaces/ipc"),
        *("volume/sandbox_path", "posix/rlimits"),
    }
)
ABLE = AgentFeatures("linux", ALL, frozenset({"docker"}), True, (1, 10, 0))


def without(*isolators: str) -> AgentFeatures:
    return replace(ABLE, isolation=ALL - set(isolators))


def test_a_plain_pod_needs_nothing() -> None:
    assert needs(POD) == ()
    assert needs(replace(POD, share_pid_namespace=True)) == ()
    assert needs(replace(POD, tasks=(replace(TASK, ipc_mode=IpcMode.SHARE_PARENT),))) == ()


@pytest.mark.parametrize(
    ("pod", "lacking", "message"),
    [
        (replace(POD, image="x"), without("docker/runtime"), "with --image_providers=docker"),
        (replace(POD, image="x"), without("volume/sandbox_path"), "volume/sandbox_path)"),
        (replace(POD, image="x"), replace(ABLE, version=(1, 9, 5)), "it needs Mesos 1.10 or later"),
        (replace(POD, image="x"), replace(ABLE, image_providers=frozenset()), "image (it needs"),
        (
            replace(POD, image="x", rlimits=(RLimitSpec("RLIMIT_AS", 1, 1),)),
            without("posix/rlimits"),
            "rlimits of tasks with an image (start it with --isolation=...,posix/rlimits)",
        ),
        (replace(POD, networks=(NetworkSpec("n"),)), without("network/cni"), "networks (start"),
        (replace(POD, networks=(NetworkSpec("n"),)), replace(ABLE, has_cni=False), "_config_dir"),
        (
            replace(POD, host_volumes=(HostVolumeSpec("h", "/a", "a"),)),
            without("volume/host_path"),
            "host-volumes (start it with --isolation=...,filesystem/linux,volume/host_path)",
        ),
        (
            replace(POD, external_volumes=(ExternalVolumeSpec("e", "d", "e"),)),
            without("docker/volume"),
            "external-volumes (start it with --isolation=...,filesystem/linux,docker/volume and "
            "dvdcli in its PATH)",
        ),
        (
            replace(POD, seccomp=SeccompSpec(unconfined=True)),
            without("linux/seccomp"),
            "seccomp (start it with --isolation=...,linux/seccomp)",
        ),
        (replace(POD, ipc_mode=IpcMode.PRIVATE), without("namespaces/ipc"), "ipc-mode and shm-siz"),
        (
            replace(POD, image="x", tasks=(TASK, replace(TASK, shm_size_mb=5))),
            without("namespaces/ipc"),
            "ipc-mode and shm-size (start",
        ),
        (
            replace(POD, tasks=(replace(TASK, limits=LimitsSpec(cpus=1.0)),)),
            replace(ABLE, version=(1, 9, 5)),
            "resource-limits (it needs Mesos 1.10 or later)",
        ),
    ],
)
def test_what_an_agent_lacks(pod: PodSpec, lacking: AgentFeatures, message: str) -> None:
    assert cannot(needs(pod), ABLE) is None
    refusal = cannot(needs(pod), lacking)
    assert refusal is not None
    assert str(refusal).startswith("agent: cannot: ")
    assert message in refusal.detail


def test_all_that_is_lacking_is_told() -> None:
    pod = replace(POD, seccomp=SeccompSpec(profile="p"), networks=(NetworkSpec("n"),))
    refusal = cannot(needs(pod), without("linux/seccomp", "network/cni"))
    assert refusal is not None
    assert refusal.detail.count("start it with") == 2
