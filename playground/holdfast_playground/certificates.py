"""Certificates for a cluster that speaks TLS: an authority, and a pair for each address."""

import datetime
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME: Final = datetime.timedelta(days=365)
SKEW: Final = datetime.timedelta(hours=1)


def make(folder: Path, addresses: Iterable[str]) -> None:
    """Make the folder, an authority, whose key is not kept, and the pair of each IP address."""
    folder.mkdir(mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    signed = x509.BasicConstraints(ca=True, path_length=0)
    ours = _builder(AUTHORITY, key).add_extension(signed, critical=True)
    _write(authority(folder), ours.sign(key, hashes.SHA256()))
    for address in addresses:
        its_key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        its = _builder(_name(address), its_key).add_extension(names, critical=False)
        file, key_file = pair(folder, address)
        _write(file, its.sign(key, hashes.SHA256()))
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            its_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )


def authority(folder: Path) -> Path:
    """Where the certificate is that clients trust."""
    return folder / "ca.crt"


def pair(folder: Path, address: str) -> tuple[Path, Path]:
    """Where the certificate of an address is, and its key, both in PEM."""
    return folder / f"{address}.crt", folder / f"{address}.key"


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(AUTHORITY)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


AUTHORITY: Final = _name("playground")


def _write(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
