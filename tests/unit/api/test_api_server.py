"""The server on real sockets of this machine."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from holdfast.api.app import create_app
from holdfast.api.server import STOP_SECONDS, AddressError, ApiServer, PortTaken

from .pictures import Source


@pytest.fixture
def server() -> Iterator[ApiServer]:
    server = ApiServer(create_app(Source(), {}), "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


def url(server: ApiServer, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def test_it_answers_as_soon_as_it_started_on_the_port_it_took(server: ApiServer) -> None:
    assert server.port > 0
    assert requests.get(url(server, "/v1/plans"), timeout=10).json() == [
        "deploy",
        "recovery",
        "backup",
    ]


def test_many_ask_at_once(server: ApiServer) -> None:
    def ask(_: int) -> int:
        return requests.get(url(server, "/v1/pod/status"), timeout=30).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(100))) == {200}


def test_a_taken_port_is_named(server: ApiServer) -> None:
    second = ApiServer(create_app(Source(), {}), "127.0.0.1", server.port)
    with pytest.raises(PortTaken) as caught:
        second.start()
    assert f"port {server.port} on 127.0.0.1 is in use by another program" in str(caught.value)
    second.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    server = ApiServer(create_app(Source(), {}), host, 0)
    with pytest.raises(AddressError, match=f"{host} is not an address of this machine"):
        server.start()


def test_stopping_ends_the_thread_and_frees_the_port() -> None:
    before = set(threading.enumerate())
    server = ApiServer(create_app(Source(), {}), "127.0.0.1", 0)
    server.start()
    requests.get(url(server, "/v1/plans"), timeout=10)
    server.stop()
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        requests.get(url(server, "/v1/plans"), timeout=10)
    again = ApiServer(create_app(Source(), {}), "127.0.0.1", server.port)
    again.start()
    again.stop()


def test_stopping_does_not_wait_for_a_client_that_says_nothing() -> None:
    server = ApiServer(create_app(Source(), {}), "127.0.0.1", 0)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)):
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before < 4 * STOP_SECONDS


def test_it_serves_ipv6_too() -> None:
    server = ApiServer(create_app(Source(), {}), "::1", 0)
    try:
        server.start()
    except AddressError:
        pytest.skip("no IPv6 on this machine")
    try:
        answer = requests.get(f"http://[::1]:{server.port}/v1/plans", timeout=10)
        assert answer.status_code == 200
    finally:
        server.stop()
