"""What a pod's containers are given: networks, secrets, foreign volumes, namespaces, roles."""

import pytest

from holdfast.service.model import (
    AccessMode,
    ExternalVolumeSpec,
    HostVolumeSpec,
    IpcMode,
    NetworkSpec,
    SeccompSpec,
    SecretSpec,
)
from tests.unit.service.definitions import definition, only, pod_of, problems, task_of


def test_defaults() -> None:
    pod, task = pod_of(definition()), task_of(definition())
    assert (pod.image, pod.networks, pod.secrets, pod.host_volumes) == (None, (), (), ())
    assert (pod.external_volumes, pod.shared_volumes, pod.resource_sets) == ((), (), ())
    assert (pod.pre_reserved_role, pod.share_pid_namespace, pod.seccomp) == (
        "*",
        False,
        SeccompSpec(),
    )
    assert (pod.allow_decommission, pod.max_unavailable) == (False, 1)
    assert (pod.ipc_mode, pod.shm_size_mb, task.ipc_mode, task.shm_size_mb) == (None,) * 4
    assert (task.essential, task.labels, task.discovery, task.transport_encryption) == (
        True,
        {},
        None,
        (),
    )


def test_networks() -> None:
    pod = pod_of(
        definition(
            pod="""
            networks:
              dcos:
              own: {labels: "a:b,c:d:e,f:"}
              mesos-bridge: {host-ports: ["4040", 4041], container-ports: [8080, 8080], labels: ""}
            """
        )
    )
    assert pod.networks == (
        NetworkSpec("dcos"),
        NetworkSpec("own", labels={"a": "b", "c": "d:e", "f": ""}),
        NetworkSpec("mesos-bridge", (4040, 4041), (8080, 8080)),
    )


@pytest.mark.parametrize(
    ("networks", "host_ports"),
    [("", True), ("dcos:", False), ("mesos-bridge:", True), ("other: {}", False)],
)
def test_whose_ports_are_used(networks: str, host_ports: bool) -> None:
    assert pod_of(definition(pod=f"networks: {{{networks}}}")).uses_host_ports is host_ports


def test_secrets() -> None:
    pod = pod_of(
        definition(
            pod="""
            secrets:
              variable: {secret: a/b, env-key: KEY}
              file: {secret: /a/b, file: etc/key.pem}
              both: {secret: a, env-key: OTHER, file: .key}
              neither: {secret: a/b.c}
            """
        )
    )
    assert pod.secrets == (
        SecretSpec("variable", "a/b", "KEY", None),
        SecretSpec("file", "/a/b", None, "etc/key.pem"),
        SecretSpec("both", "a", "OTHER", ".key"),
        SecretSpec("neither", "a/b.c", None, "a/b.c"),
    )


def test_foreign_volumes() -> None:
    pod = pod_of(
        definition(
            pod="""
            host-volumes:
              logs: {host-path: /var/log, container-path: host-logs}
              etc: {host-path: /etc, container-path: host/etc, mode: RO}
            external-volumes:
              first:
                type: DOCKER
                volume-name: disk
                volume-mode: RO
                driver-name: pxd
                driver-options: shared=true;size=10;
                container-path: external
              second: {type: DOCKER, driver-name: pxd, container-path: /data, volume-mode: ""}
            """
        )
    )
    assert pod.host_volumes == (
        HostVolumeSpec("logs", "/var/log", "host-logs", AccessMode.RW),
        HostVolumeSpec("etc", "/etc", "host/etc", AccessMode.RO),
    )
    assert pod.external_volumes == (
        ExternalVolumeSpec(
            "first", "pxd", "external", "disk", AccessMode.RO, {"shared": "true", "size": "10"}
        ),
        ExternalVolumeSpec("second", "pxd", "/data"),
    )


def test_namespaces_and_roles() -> None:
    pod = pod_of(
        definition(
            pod="""
            image: busybox:latest
            pre-reserved-role: slave_public
            share-pid-namespace: "true"
            seccomp-unconfined: true
            ipc-mode: PRIVATE
            shm-size: "64"
            allow-decommission: TRUE
            max-unavailable: 2
            """
        )
    )
    assert (pod.image, pod.pre_reserved_role, pod.share_pid_namespace) == (
        "busybox:latest",
        "slave_public",
        True,
    )
    assert pod.seccomp == SeccompSpec(unconfined=True)
    assert (pod.ipc_mode, pod.shm_size_mb) == (IpcMode.PRIVATE, 64)
    assert (pod.allow_decommission, pod.max_unavailable) == (True, 2)
    profile = pod_of(definition(pod="seccomp-unconfined: false\nseccomp-profile-name: p"))
    assert profile.seccomp == SeccompSpec(profile="p")


HOST = "host-volumes: {v: {host-path: %s, container-path: %s}}"
EXTERNAL = "external-volumes: {v: {type: DOCKER, driver-name: d, container-path: c%s}}"


@pytest.mark.parametrize(
    ("pod", "path", "message"),
    [
        ("image: ''", "image", "must not be blank"),
        ("allow-decommission: yes", "allow-decommission", "expected true or false"),
        ("max-unavailable: 0", "max-unavailable", "at least 1, found '0'"),
        ("networks: [dcos]", "networks", "expected a mapping of network names"),
        ("networks: {dcos: x}", "networks.dcos", "expected a mapping with host-ports"),
        ("networks: {dcos: {ports: [1]}}", "networks.dcos.ports", "unknown key"),
        (
            "networks: {dcos: {host-ports: [1], container-ports: [1]}}",
            "networks.dcos.host-ports",
            "maps no ports of the agent; mesos-bridge does",
        ),
        (
            "networks: {mesos-bridge: {host-ports: [1, 2], container-ports: [1]}}",
            "networks.mesos-bridge",
            "found 2 and 1",
        ),
        ("networks: {mesos-bridge: {host-ports: [1]}}", "networks.mesos-bridge", "1 and 0"),
        (
            "networks: {mesos-bridge: {host-ports: [1, 1], container-ports: [1, 2]}}",
            "networks.mesos-bridge.host-ports",
            "has a port twice",
        ),
        (
            "networks: {mesos-bridge: {host-ports: [0], container-ports: []}}",
            "networks.mesos-bridge.host-ports[0]",
            "a whole number from 1 to 65535, found '0'",
        ),
        ("networks: {dcos: {labels: a}}", "networks.dcos.labels", "pairs such as a:1,b:2"),
        ("networks: {dcos: {labels: 'a:1,a:2'}}", "networks.dcos.labels", "'a' is given twice"),
        ("networks: {dcos: {labels: '  '}}", "networks.dcos.labels", "found '  '"),
        ("networks: {dcos: {labels: ':a'}}", "networks.dcos.labels", "found ':a'"),
        ("secrets: {s: {env-key: A}}", "secrets.s.secret", "is required"),
        ("secrets: {s: {secret: ''}}", "secrets.s.secret", "must not be blank"),
        ("secrets: {s: {secret: a, env-key: a-b}}", "secrets.s.env-key", "found 'a-b'"),
        ("secrets: {s: {secret: a, file: /a}}", "secrets.s.file", "inside the sandbox"),
        ("secrets: {s: {secret: a, file: ../a}}", "secrets.s.file", "inside the sandbox"),
        ("secrets: {s: {secret: a, file: a b}}", "secrets.s.file", "found 'a b'"),
        ("secrets: {s: {secret: /a}}", "secrets.s.secret", "as there is no `file`"),
        (
            "secrets: {s: {secret: a, env-key: A}, t: {secret: b, env-key: A}}",
            "secrets.t.env-key",
            "A is already set by secret 's'",
        ),
        (
            "secrets: {s: {secret: a}, t: {secret: b, file: a}}",
            "secrets.t.file",
            "'a' is already the file of secret 's'",
        ),
        (HOST % ("var", "c"), "host-volumes.v.host-path", "an absolute path, found 'var'"),
        (HOST % ("/", "c"), "host-volumes.v.host-path", "found '/'"),
        (HOST % ("/v", "/c"), "host-volumes.v.container-path", "inside the sandbox"),
        (HOST % ("/v", "a/../b"), "host-volumes.v.container-path", "inside the sandbox"),
        ("host-volumes: {v: {host-path: /v}}", "host-volumes.v.container-path", "is required"),
        (
            "host-volumes: {v: {host-path: /v, container-path: c, mode: WO}}",
            "host-volumes.v.mode",
            "expected RW or RO, found 'WO'",
        ),
        (
            "host-volumes: {v: {host-path: /v, container-path: c},"
            " w: {host-path: /w, container-path: c/}}",
            "host-volumes.w.container-path",
            "already the path of `host-volumes.v`",
        ),
        (EXTERNAL.replace("DOCKER", "NFS") % "", "external-volumes.v.type", "expected DOCKER"),
        (EXTERNAL.replace("DOCKER", "''") % "", "external-volumes.v.type", "found ''"),
        (EXTERNAL.replace("driver-name: d, ", "") % "", "external-volumes.v.driver-name", "is req"),
        (EXTERNAL % ", volume-mode: rw", "external-volumes.v.volume-mode", "did you mean 'RW'?"),
        (EXTERNAL % ", driver-options: a", "external-volumes.v.driver-options", "a=1;b=2"),
        (EXTERNAL % ", driver-options: a=", "external-volumes.v.driver-options", "found 'a='"),
        (EXTERNAL % ", driver-options: a=b=c", "external-volumes.v.driver-options", "a=b=c"),
        (EXTERNAL % ", driver-options: name=x", "external-volumes.v.driver-options", "volume-name"),
        (EXTERNAL.replace(": c", ": ../c") % "", "external-volumes.v.container-path", "'..'"),
        (
            "volume: {path: c, type: ROOT, size: 1}\n" + EXTERNAL % "",
            "external-volumes.v.container-path",
            "already the path of a volume of the pod",
        ),
        (
            "external-volumes: {a: {type: DOCKER, driver-name: d, container-path: a},"
            " b: {type: DOCKER, driver-name: d, container-path: b}}",
            "external-volumes.b.volume-name",
            "driver 'd' would know it by the same name as volume 'a'",
        ),
        ("pre-reserved-role: ''", "pre-reserved-role", "must not be blank"),
        ("pre-reserved-role: a b", "pre-reserved-role", "no name of a Mesos role"),
        ("pre-reserved-role: a/../b", "pre-reserved-role", "no name of a Mesos role"),
        ("pre-reserved-role: -a", "pre-reserved-role", "no name of a Mesos role"),
        ("share-pid-namespace: maybe", "share-pid-namespace", "expected true or false"),
        (
            "seccomp-unconfined: true\nseccomp-profile-name: p",
            "seccomp-profile-name",
            "either this or `seccomp-unconfined`, not both",
        ),
        ("ipc-mode: SHARE_PARENT", "ipc-mode", "SHARE_PARENT is for tasks"),
        ("ipc-mode: private", "ipc-mode", "did you mean 'PRIVATE'?"),
        ("shm-size: 0", "shm-size", "at least 1"),
    ],
)
def test_a_broken_pod_is_refused(pod: str, path: str, message: str) -> None:
    found_path, found = only(definition(pod=pod))
    assert found_path == f"pods.node.{path}"
    assert message in found


@pytest.mark.parametrize(
    ("task", "path", "message"),
    [
        ("essential: no", "essential", "expected true or false, found 'no'"),
        ("labels: a", "labels", "expected pairs such as a:1,b:2, found 'a'"),
        ("labels: 'a:1,,b:2'", "labels", "found ''"),
        ("discovery: {}", "discovery.prefix", "is required"),
        ("discovery: {prefix: ''}", "discovery.prefix", "must not be blank"),
        ("discovery: {prefix: -a}", "discovery.prefix", "found '-a'"),
        (
            "discovery: {prefix: a, visibility: cluster}",
            "discovery.visibility",
            "expected FRAMEWORK, CLUSTER or EXTERNAL, found 'cluster', did you mean 'CLUSTER'?",
        ),
        ("transport-encryption: {name: a}", "transport-encryption", "expected a list of mappings"),
        ("transport-encryption: [a]", "transport-encryption[0]", "a mapping with name, type"),
        ("transport-encryption: [{name: a}]", "transport-encryption[0].type", "is required"),
        (
            "transport-encryption: [{name: a/b, type: TLS}]",
            "transport-encryption[0].name",
            "becomes a file's name",
        ),
        (
            "transport-encryption: [{name: a, type: TLS}, {name: a, type: TLS}]",
            "transport-encryption[1].name",
            "'a' of type TLS is given twice",
        ),
        ("ipc-mode: SHARED", "ipc-mode", "expected PRIVATE or SHARE_PARENT"),
        ("ipc-mode: SHARE_PARENT\nshm-size: 1", "shm-size", "has no meaning with SHARE_PARENT"),
    ],
)
def test_a_broken_task_is_refused(task: str, path: str, message: str) -> None:
    found_path, found = only(definition(task=task))
    assert found_path == f"pods.node.tasks.server.{path}"
    assert message in found


def test_labels_are_cut_at_the_first_colon_and_may_end_in_a_comma() -> None:
    assert task_of(definition(task="labels: 'a:b:c,d:,'")).labels == {"a": "b:c", "d": ""}
    assert task_of(definition(task="labels: ''")).labels == {}


def test_a_hostile_path_is_refused_at_once() -> None:
    """The pattern of dcos-commons takes longer than the universe for this one."""
    assert len(problems(definition(pod=f"secrets: {{s: {{secret: a, file: {'a' * 200}!}}}}"))) == 1


def test_discovery_prefixes_are_of_one_pod() -> None:
    discovery = "discovery: {prefix: db}"
    other = definition(task=discovery).split("pods:\n")[1].replace("node:", "web:")
    path, message = only(definition(task=discovery) + other)
    assert path == "pods.web.tasks.server.discovery.prefix"
    assert "'db' is already used by pod 'node'" in message
