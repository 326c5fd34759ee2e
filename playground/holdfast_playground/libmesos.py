"""The C++ entry points of libmesos 1.11.0, called through ctypes. Standard library only.

libmesos has no C interface, so this module speaks the Itanium C++ ABI of its 2020 build: mangled
names, `std::string` and `Option<T>` laid out by hand. Every layout used here was read from the
Mesos 1.11.0 headers; none of it can change, because the library is one pinned file.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

STRING: Final = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
FLAGS_LOAD: Final = f"_ZN5flags9FlagsBase4loadERK6OptionI{STRING}EiPKPKcbb"

# Bigger than any object placed in it: the largest, local::Flags, has about 3 KB.
ROOM: Final = 64 * 1024
OPTION_SOME: Final = 0
OPTION_NONE: Final = 1
PAGE: Final = 4096
READ_EXECUTE: Final = 5
READ_WRITE_EXECUTE: Final = 7

Pointer = ctypes.c_void_p


class LibMesos:
    """The loaded library; `path` is the patched file. OSError when it cannot be loaded."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL | os.RTLD_LAZY)
        if os.environ.get("LIBPROCESS_SSL_ENABLED", "").lower() in ("1", "true"):
            from holdfast_playground import openssl

            openssl.bind(path, self._base(path))
        self._libc = ctypes.CDLL(None, use_errno=True)
        # C++ keeps the addresses it is given; nothing handed over may be collected.
        self._kept: list[object] = []

    @staticmethod
    def _base(path: str) -> int:
        """The address the library was loaded at (proc(5), /proc/PID/maps)."""
        with open("/proc/self/maps") as maps:
            return next(
                int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(path)
            )

    def call(self, symbol: str, *arguments: Any, returns: Any = None) -> Any:
        """Call the function of that mangled name, without the interpreter lock."""
        function = self._library[symbol]
        function.restype = returns
        return function(*arguments)

    def address(self, symbol: str) -> int:
        """Where the function or table of that mangled name lies in this process."""
        return ctypes.addressof(ctypes.c_char.in_dll(self._library, symbol))

    def room(self, size: int = ROOM) -> int:
        """The address of `size` zeroed bytes that live as long as the process."""
        block = ctypes.create_string_buffer(size)
        self._kept.append(block)
        return ctypes.addressof(block)

    def write_string(self, address: int, text: str) -> None:
        """Build a libstdc++ `std::string` (data, size, capacity) at `address`."""
        data = text.encode()
        characters = self.room(len(data) + 1)
        ctypes.memmove(characters, data, len(data))
        # A capacity of at least 15 keeps C++ from mistaking the data for the inline buffer's.
        ctypes.memmove(address, struct.pack("<QQQ", characters, len(data), max(len(data), 15)), 24)

    def string(self, text: str) -> int:
        """The address of a new `std::string`."""
        address = self.room(32)
        self.write_string(address, text)
        return address

    def some_string(self, text: str) -> int:
        """The address of a new `Option<std::string>` that holds `text`."""
        address = self.room(64)
        ctypes.memmove(address, struct.pack("<Q", OPTION_SOME), 8)
        self.write_string(address + 8, text)
        return address

    def none(self) -> int:
        """The address of a new `Option<T>` that holds nothing, for any T of at most 8 KB."""
        address = self.room(8192)
        ctypes.memmove(address, struct.pack("<Q", OPTION_NONE), 8)
        return address

    def duration(self, seconds: float) -> int:
        """The address of a new stout `Duration` (nanoseconds in 64 bits)."""
        address = self.room(8)
        ctypes.memmove(address, struct.pack("<q", int(seconds * 1_000_000_000)), 8)
        return address

    def virtual_base_offset(self, address: int, slot: int) -> int:
        """The offset stored `slot` words from the address point of the object's virtual table."""
        table = self.word(address)
        return self.word(table + 8 * slot)

    def word(self, address: int) -> int:
        """The signed 64-bit value at `address`."""
        return ctypes.c_int64.from_address(address).value

    def load_flags(self, base: int, prefix: str, arguments: Sequence[str] = ()) -> None:
        """`FlagsBase::load` from environment variables of that prefix and from `arguments`."""
        argv = (ctypes.c_char_p * (len(arguments) + 2))(
            b"mesos", *[argument.encode() for argument in arguments], None
        )
        self._kept.append(argv)
        self.call(
            FLAGS_LOAD,
            Pointer(self.room()),
            Pointer(base),
            Pointer(self.some_string(prefix)),
            len(arguments) + 1,
            argv,
            ctypes.c_bool(True),
            ctypes.c_bool(False),
        )

    def replace(self, symbol: str, function: Callable[[int, int], None]) -> None:
        """Make the C++ function run `function(this, first_argument)` instead, in any thread."""
        hook = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(function)
        self._kept.append(hook)
        target = ctypes.cast(hook, ctypes.c_void_p).value or 0
        # movabs rax, target; jmp rax
        self._overwrite(symbol, b"\x48\xb8" + struct.pack("<Q", target) + b"\xff\xe0")

    def disable(self, symbol: str) -> None:
        """Make the C++ function, one without a result, return at once."""
        self._overwrite(symbol, b"\xc3")

    def patch(self, symbol: str, offset: int, before: bytes, after: bytes) -> None:
        """Change instructions within a function. ValueError when `before` is not what is there."""
        found = ctypes.string_at(self.address(symbol) + offset, len(before))
        if found != before or len(after) != len(before):
            raise ValueError(f"{symbol}+{offset:#x}: found {found.hex()}, expected {before.hex()}")
        self._overwrite(symbol, after, offset)

    def _overwrite(self, symbol: str, code: bytes, offset: int = 0) -> None:
        start = self.address(symbol) + offset
        page = start & ~(PAGE - 1)
        length = start + len(code) - page
        self._protect(page, length, READ_WRITE_EXECUTE)
        ctypes.memmove(start, code, len(code))
        self._protect(page, length, READ_EXECUTE)

    def _protect(self, page: int, length: int, protection: int) -> None:
        if self._libc.mprotect(Pointer(page), ctypes.c_size_t(length), protection) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mprotect: {os.strerror(number)}")
