"""Addresses of ZooKeeper as operators write them."""

import pytest

from holdfast.zk_client import ZkAddress, ZkAddressError, connect_problem, parse_zk_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zk://a:2181,b:2182/mesos", ZkAddress("a:2181,b:2182", "/mesos")),
        ("zk://a/mesos/dev/", ZkAddress("a:2181", "/mesos/dev")),
        ("a,b:3", ZkAddress("a:2181,b:3", "/")),
        ("zk://me:p@ss@a:1/m", ZkAddress("a:1", "/m", "me:p@ss")),
        ("zk://[::1]:2181/m", ZkAddress("[::1]:2181", "/m")),
        ("zk://master.mesos:2181/", ZkAddress("master.mesos:2181", "/")),
    ],
)
def test_addresses(text: str, expected: ZkAddress) -> None:
    assert parse_zk_address(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "zk://", "zk:///mesos", "http://a:1/m", "zk://a:x/m", "zk://a:99999/m", "zk://a,/m",
     "zk://a/m//n", "zk://a?x=1/m"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ZkAddressError) as failure:
        parse_zk_address(text)
    assert repr(text) in str(failure.value)


def test_every_host_gets_its_reason() -> None:
    problem = connect_problem("127.0.0.1:1,nowhere.invalid:2181")
    assert "127.0.0.1:1: connection refused" in problem
    assert "the name nowhere.invalid does not resolve" in problem
