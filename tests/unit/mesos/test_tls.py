"""The subscription and the calls over TLS, with a certificate authority of the operator's."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.mesos import calls
from holdfast.mesos.access import Access
from holdfast.mesos.channel import Outcome
from holdfast.mesos.connection import SchedulerConnection
from holdfast.mesos.detector import detector_for
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.leader_zookeeper import ZooKeeperDetector
from tests.unit.mesos.fake_master import FakeMaster
from tests.unit.mesos.recorder import Recorder, until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", "key.pem"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", "cert.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def master(certificate: Path) -> Iterator[FakeMaster]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    fake = FakeMaster(context)
    yield fake
    fake.close()


def test_subscription_calls_and_stop(master: FakeMaster, certificate: Path) -> None:
    access = Access("db", "secret", verify=str(certificate))
    heard = Recorder()
    info = calls.framework_info("db", roles=["db"], user="root")
    connection = SchedulerConnection(
        lambda: info, detector_for(master.url, access), heard, access=access
    )
    connection.start()
    try:
        until(lambda: heard.of("subscribed"))
        assert connection.call(calls.revive()).outcome is Outcome.SENT
    finally:
        connection.stop()
    assert not connection.connected
    assert [what for what, _ in heard.told] == ["subscribed"]


def test_an_unknown_authority_is_refused(master: FakeMaster) -> None:
    detector = detector_for(master.url)
    with pytest.raises(MasterAddressError, match=r"certificate is not accepted: .*--master-ca"):
        detector.detect(None, 0.0)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://{}", "closes the connection .*--master-ca"),
        ("https://{}", "does it speak TLS at all"),
    ],
)
def test_a_master_spoken_to_in_the_wrong_way_is_told(url: str, hint: str) -> None:
    """One that speaks TLS alone closes plain connections; one without answers TLS by text."""
    answer = b"" if url.startswith("http:") else b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connected, _ = server.accept()
            with connected:
                connected.recv(65536)
                connected.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        detector = detector_for(url.format(f"127.0.0.1:{server.getsockname()[1]}"))
        with pytest.raises(MasterAddressError, match=hint):
            detector.detect(None, 0.0)


def test_masters_found_in_zookeeper_are_spoken_to_by_tls() -> None:
    """When there is an authority for them; their entries in ZooKeeper tell no scheme."""
    detectors = [
        detector_for("zk://127.0.0.1:1/mesos", Access(verify="ca.pem", tls=True)),
        detector_for("zk://127.0.0.1:1/mesos", Access()),
    ]
    assert [d._scheme for d in detectors if isinstance(d, ZooKeeperDetector)] == ["https", "http"]
