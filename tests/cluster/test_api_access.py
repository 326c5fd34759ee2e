"""A scheduler whose API asks for credentials over TLS, with agents that fetch from it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from holdfast.api.credentials import digest_of
from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler, wait_until

SVC_YML = """
name: closed
scheduler:
  zookeeper: {{{FRAMEWORK_ZOOKEEPER}}}
pods:
  node:
    count: 2
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 100000
        cpus: 0.1
        memory: 32
        volume: {path: data, type: ROOT, size: 16}
"""
OPERATOR, READER = "token-of-ann", "token-of-prometheus"
CREDENTIALS = {
    "tokens": {
        "ann": {"sha256": digest_of(OPERATOR), "role": "operator"},
        "prometheus": {"sha256": digest_of(READER), "role": "read-only"},
    }
}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """Where the PEM file of the authority will be that agents and operators trust."""
    return tmp_path / "authority.pem"


@pytest.fixture
def cluster(cluster_factory: ClusterFactory, authority: Path) -> Cluster:
    """Agents whose fetcher trusts that authority, as if it were installed on the machine."""
    trusting = {"SSL_CERT_FILE": str(authority)}
    return cluster_factory(ClusterSpec(agents=2, agent_settings=(trusting,)))


def certify(host: str, authority: Path, folder: Path) -> tuple[Path, Path]:
    """A certificate for an address by a new authority: its file, and that of its key."""
    now = datetime.now(UTC)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])

    def begun(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    of_root = begun(issuer, root.public_key()).add_extension(x509.BasicConstraints(True, 0), True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    own = begun(name, key.public_key()).add_extension(names, False)
    pem = serialization.Encoding.PEM
    authority.write_bytes(of_root.sign(root, hashes.SHA256()).public_bytes(pem))
    files = folder / "api.pem", folder / "api-key.pem"
    files[0].write_bytes(own.sign(root, hashes.SHA256()).public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture
def service(cluster: Cluster, authority: Path, tmp_path: Path) -> Iterator[Scheduler]:
    (tmp_path / "svc.yml").write_text(SVC_YML)
    (tmp_path / "credentials.yml").write_text(yaml.safe_dump(CREDENTIALS))
    host = cluster.zookeeper_address.split(":")[0]
    certificate, key = certify(host, authority, tmp_path)
    options = ["--api-credentials", str(tmp_path / "credentials.yml")]
    options += ["--api-tls-cert", str(certificate), "--api-tls-key", str(key)]
    scheduler = Scheduler(cluster, tmp_path / "svc.yml", tmp_path, options=options, scheme="https")
    scheduler.session.trust_env = False  # else REQUESTS_CA_BUNDLE would come before `verify`
    scheduler.session.verify = str(authority)
    scheduler.session.headers["Authorization"] = f"Bearer {READER}"
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.close()


def holdfast(
    service: Scheduler, authority: Path, *words: str, token: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line as an operator runs it, with the token in the environment."""
    known = {"HOLDFAST_URL": service.url, "HOLDFAST_CA": str(authority)}
    given = {"HOLDFAST_TOKEN": token} if token else {}
    return subprocess.run(
        [sys.executable, "-m", "holdfast_cli.main", *words],
        env={**os.environ, **known, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_closed_api_deploys_and_answers_those_it_knows(
    service: Scheduler, authority: Path
) -> None:
    service.wait_well()  # so the agents fetched the executor over HTTPS, without credentials
    for agent in service.cluster.agents:
        for log in agent.work_dir.glob("slaves/*/frameworks/*/executors/*/runs/*/stderr"):
            if not log.parent.is_symlink():
                assert f"Fetched '{service.url}/v1/artifacts/" in log.read_text()

    # As Marathon checks it: no credentials, and no look at the certificate.
    check = f"curl -k --silent --fail {service.url}/v1/health"
    assert subprocess.run(check.split(), capture_output=True, check=False).returncode == 0

    known = holdfast(service, authority, "pod", "list", token=READER)
    assert (known.returncode, known.stdout.split()) == (0, ["node-0", "node-1"])

    before = service.task_ids()
    unknown = holdfast(service, authority, "pod", "restart", "node-0")
    assert unknown.returncode == 7
    assert unknown.stderr.startswith("Error: Credentials are missing")
    assert unknown.stderr.count("\n") == 1
    reader = holdfast(service, authority, "pod", "restart", "node-0", token=READER)
    assert reader.returncode == 8
    assert reader.stderr == (
        "Error: prometheus has the role read-only; POST needs operator. Nothing was changed.\n"
    )
    events = service.get("events?kind=refused")["events"]
    assert [(e["by"].split(" at ")[0], e["what"], e["status"]) for e in events] == [
        ("prometheus", "POST /v1/pod/node-0/restart", 403),
        ("anonymous", "POST /v1/pod/node-0/restart", 401),
    ]
    assert service.task_ids() == before

    given = holdfast(service, authority, "pod", "restart", "node-0", token=OPERATOR)
    assert (given.returncode, given.stderr) == (0, "")
    changed = {"node-0-server": before["node-0-server"]}
    wait_until(
        "node-0 is a new task",
        lambda: not changed.items() & service.task_ids().items() and service.is_well(),
    )
    (order,) = service.get("events?kind=command")["events"]
    assert (order["by"], order["what"], order["status"]) == ("ann", "pod restart node-0", 200)
    assert OPERATOR not in service.log
    assert READER not in service.log


def test_who_does_not_trust_the_authority_sends_nothing(
    service: Scheduler, authority: Path, tmp_path: Path
) -> None:
    wait_until("it answers", service.answers)
    other = tmp_path / "other.pem"
    certify(service.host, other, tmp_path)
    refused = holdfast(service, other, "pod", "list", token=READER)
    assert refused.returncode == 3
    assert "is not trusted" in refused.stderr
    assert "--ca" in refused.stderr
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{service.host}:{service.port}/v1/health", timeout=10)
