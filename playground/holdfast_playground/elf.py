"""Makes a 2020 shared library load beside OpenSSL 3 and libcurl 4.

The library names the sonames and symbol versions it was linked with. Both libraries kept every
function it calls without TLS, so renaming is enough. No byte moves: the names are edited in place,
in the string table, together with their hashes in `.gnu.version_r` (System V ABI, "Hash Table"; LSB
Core, "Symbol Versioning"). What TLS needs beside that is in openssl.py.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Final

SONAMES: Final[Mapping[bytes, bytes]] = {
    b"libssl.so.1.0.0": b"libssl.so.3",
    b"libcrypto.so.1.0.0": b"libcrypto.so.3",
}
VERSIONS: Final[Mapping[bytes, bytes]] = {
    b"OPENSSL_1.0.0": b"OPENSSL_3.0.0",
    b"OPENSSL_1.0.1": b"OPENSSL_3.0.0",
    b"OPENSSL_1.0.2": b"OPENSSL_3.0.0",
    b"CURL_OPENSSL_3": b"CURL_OPENSSL_4",
}

SECTION_HEADER: Final = struct.Struct("<IIQQQQIIQQ")
NEEDED_FILE: Final = struct.Struct("<HHIII")
NEEDED_VERSION: Final = struct.Struct("<IHHII")
RELOCATION: Final = struct.Struct("<QQq")
SYMBOL: Final = struct.Struct("<IBBHQQ")

Image = bytes | bytearray | mmap


class UnexpectedLibrary(Exception):
    """The file is not the 64-bit ELF library with versioned symbols that was expected."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One symbol version the library needs of one file, with where both are written."""

    file: bytes
    file_at: int
    version: bytes
    version_at: int
    hash_at: int


def elf_hash(name: bytes) -> int:
    """The System V ABI's hash of a symbol (version) name."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        if high:
            value ^= high >> 24
        value &= ~high & 0xFFFFFFFF
    return value


def sections(image: Image) -> dict[str, tuple[int, int]]:
    """File offset and size of every section, by name. Raises UnexpectedLibrary."""
    if image[:6] != b"\x7fELF\x02\x01":
        raise UnexpectedLibrary("not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", image, 40)
    size, count, names_index = struct.unpack_from("<HHH", image, 58)
    headers = [SECTION_HEADER.unpack_from(image, table + i * size) for i in range(count)]
    names = headers[names_index][4]
    return {text_at(image, names + header[0]).decode(): header[4:6] for header in headers}


def text_at(image: Image, offset: int) -> bytes:
    """The NUL-terminated text at a file offset."""
    return bytes(image[offset : image.find(b"\0", offset)])


def jump_slots(image: Image, functions: Collection[bytes]) -> dict[bytes, int]:
    """Where the addresses of those functions are kept once the library is loaded, from its start.

    Functions it does not call are left out. Raises UnexpectedLibrary.
    """
    found = sections(image)
    if not {".rela.plt", ".dynsym", ".dynstr"} <= found.keys():
        raise UnexpectedLibrary("a library without a jump table")
    (table, size), (symbols, _), (strings, _) = (
        found[name] for name in (".rela.plt", ".dynsym", ".dynstr")
    )
    slots = {}
    for place, info, _ in RELOCATION.iter_unpack(image[table : table + size]):
        name = SYMBOL.unpack_from(image, symbols + (info >> 32) * SYMBOL.size)[0]
        function = text_at(image, strings + name)
        if function in functions:
            slots[function] = place
    return slots


def requirements(image: bytes | bytearray) -> Iterator[Requirement]:
    """Every entry of `.gnu.version_r`. Raises UnexpectedLibrary where there is none."""
    found = sections(image)
    if ".dynstr" not in found or ".gnu.version_r" not in found:
        raise UnexpectedLibrary("a library without symbol versions")
    strings, entry = found[".dynstr"][0], found[".gnu.version_r"][0]
    while True:
        _, count, file, first, next_file = NEEDED_FILE.unpack_from(image, entry)
        version = entry + first
        for _ in range(count):
            _, _, _, name, next_version = NEEDED_VERSION.unpack_from(image, version)
            yield Requirement(
                file=text_at(image, strings + file),
                file_at=strings + file,
                version=text_at(image, strings + name),
                version_at=strings + name,
                hash_at=version,
            )
            version += next_version
        if not next_file:
            return
        entry += next_file


def renamed(image: bytes) -> bytes:
    """The same library, needing the current names. Raises UnexpectedLibrary when none was old."""
    result = bytearray(image)
    # Read everything before writing anything: entries share their texts.
    found = list(requirements(image))
    outdated = [r for r in found if r.file in SONAMES or r.version in VERSIONS]
    if not outdated:
        raise UnexpectedLibrary("it needs none of the outdated names")
    for requirement in outdated:
        soname = SONAMES.get(requirement.file)
        if soname:
            _put(result, requirement.file_at, soname, len(requirement.file))
        version = VERSIONS.get(requirement.version)
        if version:
            _put(result, requirement.version_at, version, len(requirement.version))
            struct.pack_into("<I", result, requirement.hash_at, elf_hash(version))
    return bytes(result)


def _put(image: bytearray, offset: int, text: bytes, room: int) -> None:
    if len(text) > room:
        raise UnexpectedLibrary(f"{text!r} does not fit in {room} bytes")
    image[offset : offset + room] = text.ljust(room, b"\0")
