"""The subscription and the calls over TLS, with a certificate authority of the operator's."""

import shutil
import ssl
import subprocess
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
    with pytest.raises(MasterAddressError, match="No TLS connection to a Mesos master"):
        detector.detect(None, 0.0)


def test_masters_found_in_zookeeper_are_spoken_to_by_tls() -> None:
    """When there is an authority for them; their entries in ZooKeeper tell no scheme."""
    detectors = [
        detector_for("zk://127.0.0.1:1/mesos", Access(verify="ca.pem", tls=True)),
        detector_for("zk://127.0.0.1:1/mesos", Access()),
    ]
    assert [d._scheme for d in detectors if isinstance(d, ZooKeeperDetector)] == ["https", "http"]
