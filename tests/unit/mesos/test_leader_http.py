"""A master found by its address, and what is said when the address is wrong."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from holdfast.mesos.detector import detector_for
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.leader_http import HttpDetector
from holdfast.mesos.leader_zookeeper import ZooKeeperDetector
from holdfast.mesos.messages import MasterInfo
from tests.unit.mesos.fake_master import FakeMaster


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    fake = FakeMaster()
    yield fake
    fake.close()


def complaint(address: str) -> str:
    detector = detector_for(address)
    try:
        with pytest.raises(MasterAddressError) as failure:
            detector.detect(None, 0.0)
    finally:
        detector.close()
    return str(failure.value)


def test_a_master_answers(master: FakeMaster) -> None:
    expected = MasterInfo(id="", url=master.url)
    assert detector_for(master.address).detect(None, 0.0) == expected
    assert detector_for(master.url + "/").detect(None, 0.0) == expected


def test_the_same_master_only_after_the_wait(master: FakeMaster) -> None:
    detector = detector_for(master.address)
    known = detector.detect(None, 0.0)
    began = time.monotonic()
    assert detector.detect(known, 0.2) == known
    assert time.monotonic() - began >= 0.2


def test_close_ends_a_wait(master: FakeMaster) -> None:
    detector = detector_for(master.address)
    known = detector.detect(None, 0.0)
    threading.Timer(0.1, detector.close).start()
    began = time.monotonic()
    assert detector.detect(known, 30.0) is None
    assert time.monotonic() - began < 5.0


def test_a_master_that_comes_later(master: FakeMaster) -> None:
    answers = iter([503, 503])
    lead = master.redirect

    def redirect(exchange: object) -> None:
        status = next(answers, None)
        master.requests[-1].answer(status) if status else lead(master.requests[-1])

    master.redirect = redirect
    assert detector_for(master.address).detect(None, 10.0) == MasterInfo("", master.url)


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    text = complaint(f"127.0.0.1:{port}")
    assert f"No Mesos master at http://127.0.0.1:{port}: nothing listens there" in text
    assert "port 5050" in text


def test_a_name_that_does_not_resolve() -> None:
    assert "the host name does not resolve" in complaint("master.invalid:5050")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_something_else_answers(master: FakeMaster, status: int) -> None:
    master.redirect = lambda exchange: exchange.answer(status)
    text = complaint(master.address)
    assert f"What answers at {master.url} is not a Mesos master" in text
    assert f"HTTP {status}" in text


def test_no_leader(master: FakeMaster) -> None:
    master.redirect = lambda exchange: exchange.answer(503)
    assert "knows no leading master" in complaint(master.address)


def test_credentials_wanted(master: FakeMaster) -> None:
    master.redirect = lambda exchange: exchange.answer(401)
    assert "wants credentials" in complaint(master.address)


@pytest.mark.parametrize(
    "address", ["", "http://", "ftp://a:1", "a:b", "http://a:99999", "a:1?x", "zk:/a/mesos"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(MasterAddressError, match=r"expected zk://"):
        detector_for(address)


def test_a_bad_zookeeper_address() -> None:
    with pytest.raises(MasterAddressError, match="The address of the Mesos master is wrong"):
        detector_for("zk://a:port/mesos")


def test_which_detector() -> None:
    assert isinstance(detector_for("zk://a:1,b:2/mesos"), ZooKeeperDetector)
    assert isinstance(detector_for("https://a"), HttpDetector)


def test_zookeeper_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    text = complaint(f"zk://127.0.0.1:{port}/mesos")
    assert f"zk://127.0.0.1:{port}/mesos: 127.0.0.1:{port}: connection refused" in text
