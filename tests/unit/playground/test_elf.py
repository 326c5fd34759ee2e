"""Renaming what a library needs, on a small library built here byte by byte."""

import ctypes
import ctypes.util
import struct
from pathlib import Path

import pytest

from holdfast_playground import elf


def small_library(needed: dict[bytes, list[bytes]]) -> bytes:
    """An ELF file with only a string table and the `.gnu.version_r` entries of `needed`."""
    strings = bytearray(b"\0")

    def string(text: bytes) -> int:
        strings.extend(text + b"\0")
        return len(strings) - len(text) - 1

    entries = b""
    for number, (file, versions) in enumerate(needed.items()):
        auxiliary = b"".join(
            struct.pack(
                "<IHHII",
                elf.elf_hash(version),
                0,
                2,
                string(version),
                16 if i + 1 < len(versions) else 0,
            )
            for i, version in enumerate(versions)
        )
        last = number + 1 == len(needed)
        entries += struct.pack(
            "<HHIII", 1, len(versions), string(file), 16, 0 if last else 16 + len(auxiliary)
        )
        entries += auxiliary

    names = b"\0.dynstr\0.gnu.version_r\0.shstrtab\0"
    strings_at = 64
    entries_at = strings_at + len(strings)
    names_at = entries_at + len(entries)
    table_at = names_at + len(names)

    def header(name: bytes, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", names.index(name), 3, 0, 0, offset, size, 0, 0, 1, 0)

    table = (
        bytes(64)
        + header(b".dynstr\0", strings_at, len(strings))
        + header(b".gnu.version_r\0", entries_at, len(entries))
        + header(b".shstrtab\0", names_at, len(names))
    )
    start = bytearray(64)
    start[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", start, 40, table_at)
    struct.pack_into("<HHH", start, 58, 64, 4, 3)
    return bytes(start) + bytes(strings) + entries + names + table


OLD = small_library(
    {
        b"libssl.so.1.0.0": [b"OPENSSL_1.0.0", b"OPENSSL_1.0.1"],
        b"libcurl.so.4": [b"CURL_OPENSSL_3"],
        b"libc.so.6": [b"GLIBC_2.2.5"],
    }
)


@pytest.mark.parametrize(
    ("name", "expected"),
    # Well-known values: of the gABI's own example, and of every library linked with glibc.
    [(b"printf", 0x077905A6), (b"exit", 0x0006CF04), (b"GLIBC_2.2.5", 0x09691A75)],
)
def test_hash_is_the_one_of_the_abi(name: bytes, expected: int) -> None:
    assert elf.elf_hash(name) == expected


def test_outdated_names_are_replaced_with_their_hashes_and_nothing_moves() -> None:
    new = elf.renamed(OLD)

    assert len(new) == len(OLD)
    found = [(r.file, r.version) for r in elf.requirements(new)]
    assert found == [
        (b"libssl.so.3", b"OPENSSL_3.0.0"),
        (b"libssl.so.3", b"OPENSSL_3.0.0"),
        (b"libcurl.so.4", b"CURL_OPENSSL_4"),
        (b"libc.so.6", b"GLIBC_2.2.5"),
    ]
    for requirement in elf.requirements(new):
        (noted,) = struct.unpack_from("<I", new, requirement.hash_at)
        assert noted == elf.elf_hash(requirement.version)


def test_a_library_that_needs_nothing_outdated_is_refused() -> None:
    with pytest.raises(elf.UnexpectedLibrary, match="none of the outdated"):
        elf.renamed(elf.renamed(OLD))


def test_jump_slots_are_found_by_the_names_of_functions() -> None:
    """In the C library of this Python's own process, whose addresses can be compared."""
    path = ctypes.util.find_library("ssl")
    assert path
    library = ctypes.CDLL(path)
    with open("/proc/self/maps") as maps:
        line = next(line for line in maps if path in line)
    file, base = line.split()[-1], int(line.split("-")[0], 16)
    functions = {b"BIO_free_all", b"EVP_PKEY_free"}
    slots = elf.jump_slots(Path(file).read_bytes(), {*functions, b"not_there"})
    assert slots.keys() == functions
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    assert library
    for name in functions:
        bound = ctypes.c_uint64.from_address(base + slots[name]).value
        assert bound == ctypes.cast(crypto[name.decode()], ctypes.c_void_p).value


def test_a_library_without_a_jump_table_is_refused() -> None:
    with pytest.raises(elf.UnexpectedLibrary, match="jump table"):
        elf.jump_slots(OLD, {b"printf"})


@pytest.mark.parametrize("image", [b"", b"MZ\x90\x00", b"\x7fELF\x01\x01" + bytes(80)])
def test_other_files_are_refused(image: bytes) -> None:
    with pytest.raises(elf.UnexpectedLibrary, match="ELF"):
        elf.renamed(image)
