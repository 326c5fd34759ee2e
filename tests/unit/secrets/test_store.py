"""Where secrets are found, and what is said when they are not."""

import os
from pathlib import Path

import pytest

from holdfast.secrets.store import MOST_BYTES, SecretStore, Unavailable


def problem(store: SecretStore, path: str) -> str:
    with pytest.raises(Unavailable) as caught:
        store.read(path)
    return str(caught.value)


def test_a_file_counts_before_a_variable(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    store = SecretStore(tmp_path, {"HOLDFAST_SECRET_DB_PASS_WORD": "variable"})
    assert store.read("/db/pass-word") == b"variable"
    (tmp_path / "db" / "pass-word").write_bytes(b"file\n")
    assert store.read("db/pass-word") == b"file\n"
    (tmp_path / "db" / "pass-word").write_bytes(b"changed")
    assert store.read("db/pass-word") == b"changed"


def test_what_is_missing(tmp_path: Path) -> None:
    assert problem(SecretStore(tmp_path, {}), "a/b") == (
        f"there is neither a file {tmp_path}/a/b nor a scheduler's variable HOLDFAST_SECRET_A_B"
    )
    assert problem(SecretStore(None, {}), "a/b") == (
        "the scheduler has no variable HOLDFAST_SECRET_A_B, and was not given --secrets-dir"
    )


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/", ".", "a\0b"])
def test_nothing_outside_of_the_directory(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "a").write_text("x")
    assert "cannot be a file below" in problem(SecretStore(folder, {}), path)


def test_too_much(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    assert problem(SecretStore(tmp_path, {}), "a").endswith(f"has more than {MOST_BYTES} bytes")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0o000)
    assert "may not read it" in problem(SecretStore(tmp_path, {}), "a")
