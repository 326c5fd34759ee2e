"""Secrets and certificates on a real cluster: who gets them, and where they must not be."""

import base64
import hashlib
import re
import secrets
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from kazoo.client import KazooClient

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

HEAD = "name: demo\nscheduler:\n  zookeeper: '{{{FRAMEWORK_ZOOKEEPER}}}'\n"
PATHS = (
    *("pod", "pod/status", "pod/app-0/info", "pod/app-0/status", "plans", "plans/deploy"),
    *("state/frameworkId", "explain", "configurations", "configurations/target", "volumes"),
    *("endpoints", "health", "metrics"),
)
"""What the API answers about a service with an app-0."""


@pytest.fixture
def one_agent(cluster_factory: ClusterFactory) -> Cluster:
    return cluster_factory(ClusterSpec(agents=1, zones=("a",)))


def service(cluster: Cluster, folder: Path, text: str, **environment: str) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(HEAD + text)
    return Scheduler(cluster, svc_yml, folder, environment=environment)


def sandbox(cluster: Cluster, instance: str) -> Path:
    """Of the instance's newest executor."""
    found = [
        run
        for agent in cluster.agents
        for run in agent.work_dir.glob(f"slaves/*/frameworks/*/executors/demo__{instance}__*/runs")
    ]
    newest = max(found, key=lambda run: (run / "latest").lstat().st_mtime)
    return (newest / "latest").resolve()


def traces(value: bytes) -> list[bytes]:
    """The value as it would be found: as it is, and in base64 once or twice, at any alignment."""
    found = [value]
    for inner in (value, base64.b64encode(value)):
        for shift in range(3):
            coded = base64.b64encode(b"x" * shift + inner)
            found.append(coded[4:-4])
    return [*found, base64.b64encode(value)]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield str(path), path.read_bytes()


def everything(scheduler: Scheduler) -> Iterator[tuple[str, bytes]]:
    """Whatever is stored, logged or answered anywhere, by where it is."""
    cluster = scheduler.cluster
    client = KazooClient(cluster.zookeeper_address)
    client.start()
    try:
        left = ["/"]
        while left:
            path = left.pop()
            yield f"ZooKeeper {path}", client.get(path)[0] or b""
            left += [f"{path.rstrip('/')}/{child}" for child in client.get_children(path)]
    finally:
        client.stop()
        client.close()
    yield "scheduler's log", scheduler.log.encode()
    for path in PATHS:
        url = f"http://{scheduler.host}:{scheduler.port}/v1/{path}"
        yield url, requests.get(url, timeout=10).content
    leader = cluster.leader()
    urls = [f"{leader}/{path}" for path in ("state", "tasks", "frameworks", "slaves")]
    for agent in cluster.agents:
        base = f"http://{agent.ip}:{agent.port}"
        urls += [f"{base}/{path}" for path in ("state", "containers", "monitor/statistics")]
        yield from files(agent.work_dir / "meta")
        question = {"type": "GET_EXECUTORS"}
        answer = requests.post(f"{base}/api/v1", json=question, timeout=10)
        yield f"{base} GET_EXECUTORS", answer.content
    for url in urls:
        answer = requests.get(url, timeout=10)
        answer.raise_for_status()
        yield url, answer.content
    for call in ("GET_TASKS", "GET_STATE", "GET_EXECUTORS"):
        answer = requests.post(f"{leader}/api/v1", json={"type": call}, timeout=10)
        yield f"master {call}", answer.content
    # Logs of the masters and agents, and what agents keep at run time; not the volumes of tasks.
    for path, content in files(cluster.directory):
        if "/volumes/" not in path and "/runs/" not in path:
            yield path, content


def assert_nowhere(scheduler: Scheduler, *values: bytes) -> None:
    sought = [trace for value in values for trace in traces(value)]
    looked: list[str] = []
    for where, content in everything(scheduler):
        looked.append(where)
        assert not [trace for trace in sought if trace in content], f"a secret is in {where}"
    for kind in ("ZooKeeper /", "/meta/", "/state", "log"):
        assert any(kind in where for where in looked), f"nothing was looked at: {kind}"


def digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


SECRETS = """
pods:
  app:
    count: 1
    secrets:
      both: {secret: db/password, env-key: PASSWORD, file: etc/password}
      plain: {secret: plain.txt}
    volume: {path: data, type: ROOT, size: 16}
    tasks:
      server:
        goal: RUNNING
        cmd: >
          ./bootstrap && printf %s "$PASSWORD" | sha256sum > data/variable &&
          sha256sum < etc/password > data/file && sha256sum < app.conf > data/config &&
          stat -c %a etc/password plain.txt app.conf > data/modes && touch data/done &&
          exec sleep 100000
        cpus: 0.1
        memory: 32
        configs:
          app: {template: app.conf.mustache, dest: app.conf}
"""


def volume(scheduler: Scheduler) -> Path:
    (id_,) = (v["id"] for v in scheduler.instances()["app-0"]["volumes"])
    (agent,) = scheduler.cluster.agents
    return agent.work_dir / "volumes" / "roles" / "demo-role" / str(id_)


def test_secrets(one_agent: Cluster, tmp_path: Path) -> None:
    """In files and variables of the task, and nowhere else.

    First one is missing; then all is there; then the value changes.
    """
    folder = tmp_path / "secrets"
    (folder / "db").mkdir(parents=True)
    first, second = (secrets.token_hex(20).encode() for _ in range(2))
    (folder / "db" / "password").write_bytes(first + b"\n")
    (tmp_path / "app.conf.mustache").write_text("password={{PASSWORD}}")
    with service(
        one_agent, tmp_path, SECRETS, HOLDFAST_SECRETS_DIR=str(folder)
    ).start() as scheduler:
        wait_until("the API answers", scheduler.answers)

        def reason() -> Any:
            return scheduler.get("explain/app-0").get("reason")

        wait_until("it is explained", reason)
        assert reason() == (
            f"it waits for secret plain.txt: there is neither a file {folder}/plain.txt nor a "
            "scheduler's variable HOLDFAST_SECRET_PLAIN_TXT"
        )
        assert not scheduler.task_ids().get("app-0-server")
        plain = secrets.token_bytes(40)
        (folder / "plain.txt").write_bytes(plain)
        scheduler.wait_well()
        data = volume(scheduler)
        wait_until("the task has looked", (data / "done").exists)
        assert (data / "variable").read_text().split()[0] == digest(first)
        assert (data / "file").read_text().split()[0] == digest(first + b"\n")
        assert (data / "config").read_text().split()[0] == digest(b"password=" + first)
        assert (data / "modes").read_text().split() == ["600"] * 3
        box = sandbox(one_agent, "app-0")
        assert (box / "plain.txt").read_bytes() == plain
        for path, content in files(box):
            if Path(path).name not in ("password", "plain.txt", "app.conf"):
                assert first not in content, path
                assert plain not in content, path
        assert_nowhere(scheduler, first, plain)

        before = scheduler.task_ids()
        (folder / "plain.txt").rename(folder / "away")
        url = f"http://{scheduler.host}:{scheduler.port}/v1/pod/app-0/restart"
        wait_until(
            "a restart it would not survive is refused",
            lambda: requests.post(url, timeout=10).status_code == 409,
        )
        (folder / "away").rename(folder / "plain.txt")
        (folder / "db" / "password").write_bytes(second)
        assert scheduler.task_ids() == before, "a changed value is no update"
        wait_until("a restart is taken", lambda: requests.post(url, timeout=10).status_code == 200)
        wait_until(
            "the new value is there",
            lambda: (data / "variable").read_text().startswith(digest(second)),
        )
        scheduler.wait_well()
        assert not (box / "etc" / "password").exists(), "nothing is left in the former sandbox"
        assert not (box / "plain.txt").exists()
        assert_nowhere(scheduler, first, second, plain)


TLS = """
pods:
  app:
    count: 2
    tasks:
      server:
        goal: RUNNING
        cmd: >
          exec openssl s_server -accept "$MESOS_CONTAINER_IP:$PORT_TLS" -quiet -Verify 2
          -verify_return_error -cert node.crt -key node.key -CAfile node.ca -www
        cpus: 0.1
        memory: 32
        discovery: {prefix: %s}
        ports:
          tls: {port: 0, env-key: PORT_TLS, advertise: true, vip: {prefix: front, port: 443}}
        transport-encryption:
          - {name: node, type: TLS}
          - {name: node, type: KEYSTORE}
"""


def connect(address: str, trusted: Path, own: Path | None) -> x509.Certificate:
    """The certificate of a server, checked by a client that shows its own if it has any."""
    host, port = address.split(":")
    context = ssl.create_default_context(cafile=str(trusted / "node.ca"))
    if own is not None:
        context.load_cert_chain(own / "node.crt", own / "node.key")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if b"200 ok" not in secured.recv(4096):
            raise AssertionError("no answer")
        found = secured.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found)


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def keytool(store: Path) -> str:
    command = ["keytool", "-list", "-v", "-keystore", str(store), "-storepass", "notsecure"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_tls(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    """Chains, key stores, renewal, the authority that outlives the scheduler, and new names."""
    cluster = cluster_factory(ClusterSpec(agents=2))
    refused = service(cluster, tmp_path, TLS % "web").start()
    assert refused.exit_code() == 1
    assert "pods.app.tasks.server.transport-encryption: certificates need" in refused.log
    key = secrets.token_hex(32)
    (tmp_path / "state.key").write_text(key + "\n")
    settings = {"HOLDFAST_STATE_KEY_FILE": str(tmp_path / "state.key")}
    with service(cluster, tmp_path, TLS % "web", **settings).start() as scheduler:
        scheduler.wait_well()
        boxes = [sandbox(cluster, f"app-{index}") for index in range(2)]

        def addresses() -> list[str]:
            found: list[str] = scheduler.get("endpoints/tls")["address"]
            return found

        seen: list[x509.Certificate] = [
            wait_until("it serves", partial(_try, address, boxes[0], boxes[1]))
            for address in addresses()
        ]
        assert len(seen) == 2
        by_name = {certificate.subject.rfc4514_string(): certificate for certificate in seen}
        assert set(by_name) == {"CN=app-0-server.demo", "CN=app-1-server.demo"}
        assert names(by_name["CN=app-0-server.demo"])[:2] == [
            "web-0.demo.autoip.dcos.thisdcos.directory",
            "front.demo.l4lb.thisdcos.directory",
        ]
        with pytest.raises((ssl.SSLError, OSError)):
            connect(addresses()[0], boxes[0], None)
        store = keytool(boxes[0] / "node.keystore")
        assert "Alias name: default" in store
        assert "Entry type: PrivateKeyEntry" in store
        assert "Certificate chain length: 2" in store
        trust = keytool(boxes[0] / "node.truststore")
        assert "Alias name: dcos-root" in trust
        assert "Entry type: trustedCertEntry" in trust
        assert {(boxes[0] / f"node.{end}").stat().st_mode & 0o777 for end in _ENDINGS} == {0o600}
        private = re.sub(rb"\s|-----[A-Z ]+-----", b"", (boxes[0] / "node.key").read_bytes())
        assert_nowhere(scheduler, key.encode(), private[40:100])
        assert "certificate_expires" in str(scheduler.get("pod/app-0/status"))

        trusted = (boxes[0] / "node.ca").read_bytes()
        scheduler.end()
        scheduler = service(cluster, tmp_path, TLS % "other", **settings).start()
        wait_until(
            "the names follow the discovery prefix",
            lambda: any(
                "other-0.demo.autoip.dcos.thisdcos.directory" in names(certificate)
                for certificate in map(_certificate, _all_sandboxes(cluster, "app-0"))
            ),
        )
        scheduler.wait_well()
        box = sandbox(cluster, "app-0")
        assert (box / "node.ca").read_bytes() == trusted, "the authority is the same"
        assert _certificate(box).serial_number != by_name["CN=app-0-server.demo"].serial_number
        scheduler.end()
        (tmp_path / "state.key").write_text(secrets.token_hex(32))
        scheduler = service(cluster, tmp_path, TLS % "other", **settings).start()
        assert scheduler.exit_code() == 1
        assert "cannot be decrypted with the state key given" in scheduler.log


def test_another_authority_takes_over_while_tasks_trust_each_other(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    """Three steps, with a scheduler in between that is killed; it restarts the instances itself."""
    cluster = cluster_factory(ClusterSpec(agents=2))
    (tmp_path / "state.key").write_text(secrets.token_hex(32))
    scheduler = service(
        cluster,
        tmp_path,
        TLS % "web",
        HOLDFAST_STATE_KEY_FILE=str(tmp_path / "state.key"),
        HOLDFAST_RENEW_CERTIFICATES="30",
    ).start()

    def is_renewed() -> bool:
        certificates = scheduler.get("certificates")["certificates"]
        return len(certificates) == 2 and all(each["current"] for each in certificates)

    def authorities() -> list[list[x509.Certificate]]:
        """What each of the two tasks trusts."""
        boxes = [sandbox(cluster, f"app-{index}") for index in range(2)]
        return [x509.load_pem_x509_certificates((box / "node.ca").read_bytes()) for box in boxes]

    def step() -> None:
        scheduler.post("certificates/rotate")
        url = f"{scheduler.url}/v1/certificates/rotate"
        assert requests.post(url, timeout=10).status_code == 409, "the instances come first"
        wait_until("all is renewed", lambda: is_renewed() and scheduler.is_well(), 90)
        boxes = [sandbox(cluster, f"app-{index}") for index in range(2)]
        for address in scheduler.get("endpoints/tls")["address"]:
            for box in boxes:
                wait_until("it serves", partial(_try, address, box, box))

    try:
        scheduler.wait_well()
        (old,) = authorities()[0]
        step()
        assert [len(trusted) for trusted in authorities()] == [2, 2]
        _certificate(sandbox(cluster, "app-0")).verify_directly_issued_by(old)
        scheduler.end()
        scheduler.start()
        wait_until("it is back", scheduler.is_well)
        assert is_renewed(), "the step it was at is stored"
        step()
        assert [len(trusted) for trusted in authorities()] == [2, 2]
        step()
        ((new,), (same,)) = authorities()
        assert new == same != old
        assert scheduler.get("certificates")["authority"]["stage"] == "alone"
        _certificate(sandbox(cluster, "app-0")).verify_directly_issued_by(new)
    finally:
        scheduler.close()


_ENDINGS = ("crt", "key", "ca", "keystore", "truststore")


def _try(address: str, trusted: Path, own: Path) -> x509.Certificate | None:
    try:
        return connect(address, trusted, own)
    except ConnectionRefusedError:
        return None


def _all_sandboxes(cluster: Cluster, instance: str) -> list[Path]:
    pattern = f"slaves/*/frameworks/*/executors/demo__{instance}__*/runs/*/node.crt"
    return [path.parent for agent in cluster.agents for path in agent.work_dir.glob(pattern)]


def _certificate(box: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((box / "node.crt").read_bytes())


REFERENCES = """
pods:
  app:
    count: 1
    secrets:
      %s
    tasks:
      server: {goal: RUNNING, cmd: exec sleep 100000, cpus: 0.1, memory: 32}
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "variable: {secret: db/password, env-key: PASSWORD}",
            "Default secret resolver cannot resolve references",
        ),
        (
            "file: {secret: db/password, file: etc/password}",
            "the agent has not put secrets in place (file etc/password)",
        ),
    ],
)
def test_references_need_a_resolver(
    one_agent: Cluster, tmp_path: Path, how: str, said: str
) -> None:
    """Stock Mesos has none: no task runs without its secrets, and it is told why."""
    settings = {"HOLDFAST_SECRET_REFERENCES": "1", "DCOS_SPACE": "/demo"}
    with service(one_agent, tmp_path, REFERENCES % how, **settings).start() as scheduler:
        wait_until("the API answers", scheduler.answers)
        wait_until("it failed", lambda: "failed" in str(scheduler.get("explain/app-0")))
        (task,) = scheduler.get("pod/app-0/info")
        assert said in task["status"]["message"]
        assert said in scheduler.log
