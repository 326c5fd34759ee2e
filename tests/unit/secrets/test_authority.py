"""Certificates as other software reads them: OpenSSL's rules, Java's key stores."""

import datetime
import ipaddress
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import verification

from holdfast.secrets import authority, forms
from holdfast.secrets.authority import Authority, AuthorityError
from holdfast_executor.confidential import Certificate

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
YEAR = datetime.timedelta(days=365)
WANTED = Certificate(
    "node", "TLS", "app-0-server.demo", ("a.b", "10.0.0.5"), (NOW + YEAR).timestamp()
)


@pytest.fixture(scope="module")
def own() -> Authority:
    return authority.create("/folder/demo", NOW)


def key_pem(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def intermediate(root: Authority, ca: bool = True) -> tuple[bytes, bytes]:
    """An elliptic curve authority signed by the root, then the root; and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "below")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.chain[0].subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(root.key, hashes.SHA256())
    )
    return authority.to_pem(certificate) + authority.to_pem(root.roots[0]), key_pem(key)


def test_who_signs_is_known_by_all_that_is_trusted() -> None:
    """Another root beside its own makes another of it, though the same key signs."""
    one, other = authority.create("demo", NOW), authority.create("demo", NOW)
    both = replace(one, roots=(*one.roots, *other.roots))
    swapped = replace(one, roots=(*other.roots, *one.roots))
    assert one.signer.ends == one.chain[0].not_valid_after_utc.timestamp()
    assert len({each.signer.id for each in (one, other, both)}) == 3
    assert both.signer == swapped.signer


def test_what_is_in_a_certificate(own: Authority) -> None:
    issued = own.issue(WANTED, NOW)
    found = issued.certificate
    assert found.subject.rfc4514_string() == "CN=app-0-server.demo"
    assert found.not_valid_after_utc == NOW + YEAR
    assert found.not_valid_before_utc <= NOW
    assert issued.key.key_size == 2048
    store = verification.Store(list(own.roots))
    verifier = verification.PolicyBuilder().store(store).time(NOW)
    for subject in (x509.DNSName("a.b"), x509.IPAddress(ipaddress.ip_address("10.0.0.5"))):
        verifier.build_server_verifier(subject).verify(found, [])
    verifier.build_client_verifier().verify(found, [])
    with pytest.raises(verification.VerificationError):
        verifier.build_server_verifier(x509.DNSName("c.b")).verify(found, [])
    again = own.issue(WANTED, NOW)
    assert again.certificate.serial_number != found.serial_number
    assert again.key.public_key() != issued.key.public_key()


def test_none_outlives_the_authority(own: Authority) -> None:
    pems = intermediate(own)
    below = authority.from_pem(*pems, "ca.pem", NOW)
    found = below.issue(WANTED, NOW).certificate
    assert found.not_valid_after_utc == below.chain[0].not_valid_after_utc < NOW + YEAR


def test_a_chain_is_shown_up_to_the_root(own: Authority) -> None:
    below = authority.from_pem(*intermediate(own), "ca.pem", NOW)
    issued = below.issue(WANTED, NOW)
    made = {s.file: s.content or b"" for s in forms.files(WANTED, issued, below)}
    assert set(made) == {"node.crt", "node.key", "node.ca"}
    shown = x509.load_pem_x509_certificates(made["node.crt"])
    assert shown == [issued.certificate, below.chain[0]]
    assert x509.load_pem_x509_certificates(made["node.ca"]) == list(own.roots)
    key = serialization.load_pem_private_key(made["node.key"], None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.public_key() == issued.certificate.public_key()


@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs Java")
def test_java_opens_the_key_stores(own: Authority, tmp_path: Path) -> None:
    below = authority.from_pem(*intermediate(own), "ca.pem", NOW)
    wanted = WANTED._replace(form="KEYSTORE")
    for secret in forms.files(wanted, below.issue(wanted, NOW), below):
        assert secret.content is not None
        (tmp_path / secret.file).write_bytes(secret.content)
        loaded = pkcs12.load_pkcs12(secret.content, forms.PASSWORD)
        assert (loaded.key is not None) == secret.file.endswith("keystore")
    listed = {
        name: subprocess.run(
            ["keytool", "-list", "-keystore", tmp_path / name, "-storepass", "notsecure"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in ("node.keystore", "node.truststore")
    }
    assert "\ndefault, " in listed["node.keystore"]
    assert "PrivateKeyEntry" in listed["node.keystore"]
    assert "\ndcos-root, " in listed["node.truststore"]
    assert "trustedCertEntry" in listed["node.truststore"]


def test_the_stored_key_is_encrypted(own: Authority) -> None:
    record = authority.to_record(own, "k" * 64)
    assert "BEGIN ENCRYPTED PRIVATE KEY" in record["encrypted_key"]
    opened, used = authority.from_record(record, ["x" * 64, "k" * 64], NOW)
    assert used == "k" * 64
    assert opened.chain == own.chain
    assert key_pem(opened.key) == key_pem(own.key)
    with pytest.raises(AuthorityError, match="cannot be decrypted with the state key given"):
        authority.from_record(record, ["x" * 64], NOW)
    with pytest.raises(AuthorityError, match="the record is damaged"):
        authority.from_record({}, ["x" * 64], NOW)


def test_keys_are_not_shown(own: Authority) -> None:
    for holder in (own, own.issue(WANTED, NOW)):
        assert "key" not in repr(holder)


def test_what_is_no_authority(own: Authority) -> None:
    chain, key = intermediate(own)
    only_below = authority.to_pem(x509.load_pem_x509_certificates(chain)[0])
    no_ca, its_key = intermediate(own, ca=False)
    other = key_pem(ed25519.Ed25519PrivateKey.generate())
    for certificates, private, when, message in (
        (b"", key, NOW, "expected certificates in PEM form"),
        (chain, b"", NOW, "its key is no private key in PEM form"),
        (chain, other, NOW, "expected an RSA or elliptic curve key"),
        (only_below, key, NOW, "has no root certificate"),
        (chain, its_key, NOW, "not that of the first certificate"),
        (no_ca, its_key, NOW, "is no authority's (CA:FALSE)"),
        (chain, key, NOW + YEAR, "ended on 2030-01-31"),
    ):
        with pytest.raises(AuthorityError) as caught:
            authority.from_pem(certificates, private, "ca.pem", when)
        assert str(caught.value).startswith("ca.pem: ")
        assert message in str(caught.value)
