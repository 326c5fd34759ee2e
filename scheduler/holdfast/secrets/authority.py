"""A certificate authority: made by the scheduler or given by the operator; it signs for tasks."""

import datetime
import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.core.confidential import Signer, Stage
from holdfast_executor.confidential import Certificate

AuthorityKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

LIFETIME = datetime.timedelta(days=3650)
SKEW = datetime.timedelta(hours=1)
"""Certificates are valid from before they were made: agents' clocks differ."""
AUTHORITY_KEY_BITS = 3072
TASK_KEY_BITS = 2048
"""As dcos-commons has it."""


class AuthorityError(Exception):
    """A certificate authority that cannot be used; the text never has a key in it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A task's key and certificate."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs (`chain[0]`) with what leads from it to the `roots` that tasks trust.

    `chain` is empty of roots unless one of them signs itself; `stage` is that of the scheduler's
    own.
    """

    chain: tuple[x509.Certificate, ...]
    roots: tuple[x509.Certificate, ...]
    key: AuthorityKey = field(repr=False)
    stage: Stage | None = None

    @property
    def signer(self) -> Signer:
        """What is known elsewhere of who signs, and of what is trusted."""
        known = hashlib.sha256(self.chain[0].fingerprint(hashes.SHA256()))
        for print_ in sorted(root.fingerprint(hashes.SHA256()) for root in self.roots):
            known.update(print_)
        ends = self.chain[0].not_valid_after_utc.timestamp()
        return Signer(known.hexdigest()[:16], ends, self.stage)

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """What a task shows beside its own certificate."""
        return tuple(certificate for certificate in self.chain if not is_root(certificate))

    def issue(self, wanted: Certificate, now: datetime.datetime) -> Issued:
        """A new key, and a certificate for it that ends no later than the authority's own."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=TASK_KEY_BITS)
        signer = self.chain[0]
        ends = datetime.datetime.fromtimestamp(wanted.expires, datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(wanted.common_name))
            .issuer_name(signer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - SKEW, signer.not_valid_before_utc))
            .not_valid_after(min(ends, signer.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True, enciphers=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([_alternative(name) for name in wanted.names]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )
        return Issued(builder.sign(self.key, hashes.SHA256()), key)


def create(service: str, now: datetime.datetime) -> Authority:
    """A new authority of a service's own, for ten years."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=AUTHORITY_KEY_BITS)
    name = _name(f"{service.strip('/')} certificate authority"[-64:])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certifies=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    return Authority((certificate,), (certificate,), key)


def from_pem(
    certificates: bytes, key: bytes, where: str, now: datetime.datetime, password: str | None = None
) -> Authority:
    """The authority of PEM texts: the first certificate signs, those that sign themselves are
    trusted. `where` names their place in messages. Raises AuthorityError."""
    try:
        found = tuple(x509.load_pem_x509_certificates(certificates))
    except ValueError as error:
        raise AuthorityError(f"{where}: expected certificates in PEM form: {error}") from error
    try:
        loaded = serialization.load_pem_private_key(
            key, password.encode() if password is not None else None
        )
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        # What OpenSSL says of the text is not repeated: it may have parts of the key.
        raise AuthorityError(
            f"{where}: its key is no private key in PEM form, or has a password "
            "that is not the one given"
        ) from error
    if not isinstance(loaded, AuthorityKey):
        raise AuthorityError(f"{where}: expected an RSA or elliptic curve key")
    roots = tuple(certificate for certificate in found if is_root(certificate))
    _check(found, roots, loaded, where, now)
    return Authority(found, roots, loaded)


def _check(
    found: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    key: AuthorityKey,
    where: str,
    now: datetime.datetime,
) -> None:
    if not roots:
        raise AuthorityError(f"{where}: has no root certificate, one that signs itself; add it")
    signer = found[0]
    if signer.public_key() != key.public_key():
        raise AuthorityError(f"{where}: the key is not that of the first certificate")
    try:
        constraints = signer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise AuthorityError(f"{where}: the first certificate is no authority's") from None
    if not constraints.ca:
        raise AuthorityError(f"{where}: the first certificate is no authority's (CA:FALSE)")
    if signer.not_valid_after_utc <= now:
        raise AuthorityError(f"{where}: ended on {signer.not_valid_after_utc:%Y-%m-%d}")


def to_record(authority: Authority, password: str) -> dict[str, Any]:
    """What is stored of an authority: its key only encrypted, as PKCS #8."""
    key = authority.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    return {
        "certificates": b"".join(map(to_pem, authority.chain)).decode("ascii"),
        "encrypted_key": key.decode("ascii"),
    }


def from_record(
    record: Mapping[str, Any], passwords: Sequence[str], now: datetime.datetime
) -> tuple[Authority, str]:
    """The stored authority, and which of the passwords opened it. Raises AuthorityError."""
    where = "the certificate authority in ZooKeeper"
    try:
        certificates = record["certificates"].encode()
        key = record["encrypted_key"].encode()
    except (KeyError, AttributeError) as error:
        raise AuthorityError(f"{where}: the record is damaged ({error})") from error
    for password in passwords:
        try:
            serialization.load_pem_private_key(key, password.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        return from_pem(certificates, key, where, now, password), password
    raise AuthorityError(f"{where} cannot be decrypted with the state key given")


def to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it signs itself."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(
    *, signs: bool = False, enciphers: bool = False, certifies: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )
