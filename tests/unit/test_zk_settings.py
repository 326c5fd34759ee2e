"""Who the scheduler is in ZooKeeper, from files; and addresses whose passwords are never shown."""

from pathlib import Path

import pytest

from holdfast.zk_client import ZkAddressError, new_client, parse_zk_address
from holdfast.zk_settings import ZkSettings, ZkSettingsError


def settings(
    auth: Path | None = None,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
) -> ZkSettings:
    return ZkSettings(auth, ca, certificate, key)


def test_nothing_given() -> None:
    assert settings().auth() is None
    assert settings().tls() is None


def test_user_and_password(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_text("db:se:cret\n")
    assert settings(file).auth() == "db:se:cret"


@pytest.mark.parametrize("text", ["", "hunter2", ":hunter2", "db:", "db:hunter2\nmore"])
def test_files_without_user_or_password(tmp_path: Path, text: str) -> None:
    file = tmp_path / "auth"
    file.write_text(text)
    with pytest.raises(ZkSettingsError, match="expected one line, user:password") as refused:
        settings(file).auth()
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ZkSettingsError, match="cannot be read as text"):
        settings(file).auth()


def test_tls_settings_that_lack_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pytest.raises(ZkSettingsError, match="given together"):
        settings(ca=file, key=file).tls()
    with pytest.raises(ZkSettingsError, match="needs --zookeeper-ca"):
        settings(certificate=file, key=file).tls()


def test_tls_files_that_are_not_pem(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not PEM")
    with pytest.raises(ZkSettingsError, match=r"ca.pem: cannot be used for TLS, expected PEM"):
        settings(ca=file).tls()


@pytest.mark.parametrize(
    "text",
    [
        "zk://db:hunter2@zk1:x/mesos",
        "zk://hunter2@zk1/mesos",
        "db:hunter2@zk1/a//b",
        "http://db:hunter2@zk1",
    ],
)
def test_addresses_are_told_without_their_passwords(text: str) -> None:
    with pytest.raises(ZkAddressError) as refused:
        parse_zk_address(text)
    assert "hunter2" not in str(refused.value)
    assert "zk1" in str(refused.value)


def test_a_password_may_have_slashes_and_colons() -> None:
    address = parse_zk_address("zk://db:a/b:c@zk1,zk2:2182/mesos")
    assert (address.auth, address.hosts, address.path) == (
        "db:a/b:c",
        "zk1:2181,zk2:2182",
        "/mesos",
    )


def test_what_a_user_creates_is_its_own() -> None:
    (acl,) = new_client("127.0.0.1:1", auth="db:se:cret").default_acl
    assert acl.acl_list == ["ALL"]
    assert acl.id.scheme == "digest"
    assert acl.id.id.startswith("db:")
    assert new_client("127.0.0.1:1").default_acl is None
