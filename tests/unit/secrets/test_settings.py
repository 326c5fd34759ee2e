"""Settings that do not do, and the authority that is kept between starts."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from holdfast.core.confidential import AUTHORITY_PATH
from holdfast.secrets.settings import SecretSettings, SettingsError
from holdfast.service.model import EncryptionType, Goal, PodSpec, TaskSpec, TransportEncryptionSpec
from holdfast.state.memory import MemoryStore
from tests.unit.core.offers import service

ENCRYPTED = service(
    pods=(
        PodSpec(
            "db",
            1,
            (
                TaskSpec(
                    *("node", Goal.RUNNING, "run", 0.1, 32),
                    transport_encryption=(TransportEncryptionSpec("n", EncryptionType.TLS),),
                ),
            ),
        ),
    )
)
PLAIN = service()
KEY, OTHER = "a" * 64, "b" * 64


def settings(**given: Any) -> SecretSettings:
    names = SecretSettings.__dataclass_fields__
    return SecretSettings(**{**dict.fromkeys(names), "secret_references": False, **given})


def refused(found: SecretSettings, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        found.check(ENCRYPTED, environment or {})
    return str(caught.value)


def test_without_an_authority_the_command_is_told() -> None:
    assert refused(settings()) == (
        "pods.db.tasks.node.transport-encryption: certificates need an authority, and the "
        "scheduler was given none. Nothing was changed. Either let it make one of its own: make a "
        "key that protects it, `(umask 077 && openssl rand -hex 32 > state.key)`, keep a copy, and "
        "start the scheduler with `--state-key-file state.key`; or give it yours with "
        "--tls-ca-certificate and --tls-ca-key"
    )
    settings().check(PLAIN, {})
    settings().check(ENCRYPTED, {"HOLDFAST_STATE_KEY": KEY})


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    both = settings(secrets_dir=tmp_path, secret_references=True)
    assert refused(both) == "give either --secrets-dir or --secret-references, not both"
    half = settings(tls_ca_key=tmp_path)
    assert refused(half) == "--tls-ca-certificate and --tls-ca-key are given together"


def test_keys_too_short_to_be_any(tmp_path: Path) -> None:
    file = tmp_path / "state.key"
    file.write_text("\n")
    assert "is empty; make a key with" in refused(settings(state_key_file=file))
    file.write_text("hidden\n")
    message = refused(settings(state_key_file=file))
    assert f"{file}: expected keys of 32 characters or more, one a line" in message
    assert "hidden" not in message
    assert refused(settings(), {"HOLDFAST_STATE_KEY": "x"}).startswith("HOLDFAST_STATE_KEY: ")


def test_the_authority_is_made_once_and_its_key_can_be_replaced() -> None:
    store = MemoryStore()

    def opened(keys: str) -> Any:
        found = settings().delivery(
            {"id": ENCRYPTED}, "demo", store.load(), store, {"HOLDFAST_STATE_KEY": keys}
        )
        return found._authority

    first = opened(KEY)
    record = store.load()[AUTHORITY_PATH]
    assert opened(KEY).chain == first.chain
    assert store.load()[AUTHORITY_PATH] == record, "written once"
    assert opened(f"{OTHER}\n{KEY}").chain == first.chain
    assert store.load()[AUTHORITY_PATH] != record
    assert opened(OTHER).chain == first.chain
    with pytest.raises(SettingsError, match=r"cannot be decrypted.*Tasks run on"):
        opened(KEY)
    nothing = MemoryStore()
    settings().delivery({"id": PLAIN}, "demo", {}, nothing, {"HOLDFAST_STATE_KEY": KEY})
    assert nothing.load() == {}, "a service without certificates has no authority"


def test_options() -> None:
    seen: list[SecretSettings] = []

    @click.command()
    @SecretSettings.options
    def command(**given: Any) -> None:
        seen.append(SecretSettings.taken_from(given))
        assert not given

    runner = CliRunner()
    result = runner.invoke(command, [], env={"HOLDFAST_SECRET_REFERENCES": "1"})
    assert result.exit_code == 0, result.output
    assert seen == [settings(secret_references=True)]
