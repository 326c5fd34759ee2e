"""The OpenSSL 1.0 functions that libmesos calls and OpenSSL 3 lacks. Standard library only.

They are missed only where Mesos speaks TLS. Most have a successor of the same form under another
name; the others set up what OpenSSL now sets up by itself. Each is bound by writing an address
into the library's jump table, which the dynamic linker fills at the first call of a function
(System V ABI, "Procedure Linkage Table").
"""

import ctypes
import mmap
from collections.abc import Callable, Mapping
from typing import Final

from holdfast_playground.elf import SONAMES, UnexpectedLibrary, jump_slots

LIBSSL, LIBCRYPTO = (name.decode() for name in SONAMES.values())

SUCCESSORS: Final[Mapping[str, tuple[str, str]]] = {
    "SSL_get_peer_certificate": (LIBSSL, "SSL_get1_peer_certificate"),
    "SSLv23_method": (LIBSSL, "TLS_method"),
    "sk_new_null": (LIBCRYPTO, "OPENSSL_sk_new_null"),
    "sk_num": (LIBCRYPTO, "OPENSSL_sk_num"),
    "sk_pop_free": (LIBCRYPTO, "OPENSSL_sk_pop_free"),
    "sk_push": (LIBCRYPTO, "OPENSSL_sk_push"),
    "sk_value": (LIBCRYPTO, "OPENSSL_sk_value"),
}
CONSTANTS: Final[Mapping[str, int]] = {
    "CRYPTO_num_locks": 1,
    "CRYPTO_set_dynlock_create_callback": 0,
    "CRYPTO_set_dynlock_destroy_callback": 0,
    "CRYPTO_set_dynlock_lock_callback": 0,
    "CRYPTO_set_id_callback": 0,
    "CRYPTO_set_locking_callback": 0,
    "OPENSSL_add_all_algorithms_noconf": 0,
    "SSL_library_init": 1,
    "SSL_load_error_strings": 0,
}
"""Set-up that is no longer needed: what each answers."""

# What is bound must stay for as long as the process.
_kept: list[object] = []


def bind(library: str, base: int) -> None:
    """Bind what is missing in the library, which is loaded at the address `base`.

    Raises UnexpectedLibrary when it does not call one of them.
    """
    addresses = {
        name: _address(ctypes.CDLL(file)[successor])
        for name, (file, successor) in SUCCESSORS.items()
    }
    for name, value in CONSTANTS.items():
        addresses[name] = _function(lambda value=value: value)  # type: ignore[misc]
    with open(library, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        slots = jump_slots(image, {name.encode() for name in addresses})
    for name, address in addresses.items():
        if name.encode() not in slots:
            raise UnexpectedLibrary(f"it does not call {name}")
        ctypes.c_uint64.from_address(base + slots[name.encode()]).value = address


def _function(body: Callable[[], int]) -> int:
    function = ctypes.CFUNCTYPE(ctypes.c_int)(body)
    _kept.append(function)
    return _address(function)


def _address(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
