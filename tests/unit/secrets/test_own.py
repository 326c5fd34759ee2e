"""The scheduler's own authority on its way to another: who trusts whom at each step."""

import datetime
import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification

from holdfast.core.confidential import Needs, Stage
from holdfast.secrets import forms
from holdfast.secrets.authority import AuthorityError
from holdfast.secrets.delivery import Delivery
from holdfast.secrets.own import OwnAuthority
from holdfast_executor.confidential import Certificate

NOW = datetime.datetime(2029, 6, 1, tzinfo=datetime.UTC)
KEY = "k" * 40
WANTED = Certificate("node", "TLS", "app-0", ("app-0.demo",), (NOW.timestamp() + 86400.0))


@pytest.fixture(scope="module")
def steps() -> list[OwnAuthority]:
    """Before the first step, and after each of the three."""
    first = OwnAuthority.created("demo", KEY, NOW)
    return list(itertools.accumulate(range(3), lambda own, _: own.advanced(NOW), initial=first))


def launched(own: OwnAuthority) -> dict[str, bytes]:
    """The files of a task that is launched at that step."""
    in_force = own.in_force
    issued = in_force.issue(WANTED, NOW)
    made = forms.files(WANTED, issued, in_force)
    return {each.file.partition(".")[2]: each.content or b"" for each in made}


def trusts(ours: Mapping[str, bytes], theirs: Mapping[str, bytes]) -> bool:
    store = verification.Store(x509.load_pem_x509_certificates(ours["ca"]))
    verifier = (
        verification.PolicyBuilder()
        .store(store)
        .time(NOW)
        .build_server_verifier(x509.DNSName("app-0.demo"))
    )
    (certificate, *chain) = x509.load_pem_x509_certificates(theirs["crt"])
    try:
        verifier.verify(certificate, chain)
    except verification.VerificationError:
        return False
    return True


def test_tasks_of_neighbouring_steps_trust_each_other(steps: list[OwnAuthority]) -> None:
    made = [launched(own) for own in steps]
    for one, other in itertools.pairwise(made):
        assert trusts(one, other)
        assert trusts(other, one)
    assert not trusts(made[0], made[2]), "which is why each step waits for all restarts"
    assert not trusts(made[3], made[0]), "the old authority is gone"


def test_each_step_is_another_signer(steps: list[OwnAuthority]) -> None:
    stages = [own.in_force.signer.stage for own in steps]
    assert stages == [Stage.ALONE, Stage.COMING, Stage.FORMER, Stage.ALONE]
    assert len({own.in_force.signer.id for own in steps}) == 4
    assert steps[1].signs == steps[0].signs
    assert steps[2].signs == steps[3].signs == steps[1].coming


def test_each_step_is_stored_whole_and_encrypted(steps: list[OwnAuthority]) -> None:
    for own in steps:
        record = own.to_record()
        assert "BEGIN PRIVATE" not in str(record)
        again, anew = OwnAuthority.from_record("demo", record, [KEY], NOW)
        assert not anew
        assert again.in_force.signer == own.in_force.signer
        assert again.stage == own.stage
        changed, anew = OwnAuthority.from_record("demo", record, ["n" * 40, KEY], NOW)
        assert anew
        again, _ = OwnAuthority.from_record("demo", changed.to_record(), ["n" * 40], NOW)
        assert again.in_force.signer == own.in_force.signer


def test_what_is_damaged_or_of_another_key_is_told(steps: list[OwnAuthority]) -> None:
    with pytest.raises(AuthorityError, match="cannot be decrypted"):
        OwnAuthority.from_record("demo", steps[1].to_record(), ["x" * 40], NOW)
    with pytest.raises(AuthorityError, match="damaged"):
        OwnAuthority.from_record("demo", {**steps[2].to_record(), "former": "no PEM"}, [KEY], NOW)


def test_it_is_stored_before_it_is_used_and_once_only(steps: list[OwnAuthority]) -> None:
    delivery = Delivery(None, steps[0], lambda: NOW)
    needs = Needs(frozenset(), True)
    first = delivery.shortage(needs).signer
    assert first is not None

    def fail(record: Mapping[str, Any]) -> None:
        raise OSError("no store")

    with pytest.raises(OSError, match="no store"):
        delivery.rotate(first.id, fail)
    assert delivery.shortage(needs).signer == first
    stored: list[Mapping[str, Any]] = []
    delivery.rotate(first.id, stored.append)
    delivery.rotate(first.id, stored.append)  # given twice, carried out once
    assert len(stored) == 1
    second = delivery.shortage(needs).signer
    assert second is not None
    assert second.stage is Stage.COMING
    again, _ = OwnAuthority.from_record("demo", stored[0], [KEY], NOW)
    assert again.in_force.signer == second
