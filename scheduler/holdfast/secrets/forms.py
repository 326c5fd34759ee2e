"""A task's key and certificate as files: PEM for most programs, key stores for Java.

File names, aliases and the password are those of dcos-commons.
"""

from collections.abc import Iterator

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from holdfast.secrets.authority import Authority, Issued, to_pem
from holdfast_executor.confidential import Certificate, Secret

PASSWORD = b"notsecure"
"""No secret: Java wants some password. What protects the files is who may read them."""
KEY_ALIAS = b"default"
ROOT_ALIAS = "dcos-root"

KEYSTORE = "KEYSTORE"


def files(wanted: Certificate, issued: Issued, authority: Authority) -> Iterator[Secret]:
    """The files of a certificate in the form the task wants it in."""
    made = _key_stores(issued, authority) if wanted.form == KEYSTORE else _pem(issued, authority)
    for ending, content in made:
        yield Secret(f"certificate {wanted.name}", file=f"{wanted.name}.{ending}", content=content)


def _pem(issued: Issued, authority: Authority) -> Iterator[tuple[str, bytes]]:
    yield "crt", b"".join(map(to_pem, (issued.certificate, *authority.intermediates)))
    yield (
        "key",
        issued.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    yield "ca", b"".join(map(to_pem, authority.roots))


def _key_stores(issued: Issued, authority: Authority) -> Iterator[tuple[str, bytes]]:
    """PKCS #12, which is what Java has by default since version 9 and reads since 8u301."""
    encryption = serialization.BestAvailableEncryption(PASSWORD)
    yield (
        "keystore",
        pkcs12.serialize_key_and_certificates(
            KEY_ALIAS,
            issued.key,
            issued.certificate,
            [*authority.intermediates, *authority.roots],
            encryption,
        ),
    )
    trusted = [
        pkcs12.PKCS12Certificate(root, f"{ROOT_ALIAS}-{number}".removesuffix("-0").encode())
        for number, root in enumerate(authority.roots)
    ]
    yield "truststore", pkcs12.serialize_java_truststore(trusted, encryption)
