"""Builds the executor as one file that any Python from 3.8 on runs.

Holds the sources and, beside them, what the building Python compiled: an agent with the same
minor version starts without compiling, any other ignores the compiled files and uses the sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import zipfile
from pathlib import Path

from holdfast_executor.contract import ARCHIVE_NAME

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_NOT_SHIPPED = ("archive.py",)
_MAIN = "import sys\nfrom holdfast_executor.main import main\nsys.exit(main())\n"


def build(destination: Path) -> Path:
    """Write the archive into the folder `destination` and return its path.

    The same sources and the same Python give the same bytes; an existing file is replaced whole.
    """
    package = Path(__file__).parent
    entries: dict[str, bytes] = {"__main__.py": _MAIN.encode()}
    for source in sorted(package.glob("*.py")):
        if source.name not in _NOT_SHIPPED:
            name = f"{package.name}/{source.name}"
            entries[name] = source.read_bytes()
            entries[f"{name}c"] = _compiled(name, entries[name])
    destination.mkdir(parents=True, exist_ok=True)
    path = destination / ARCHIVE_NAME
    partial = destination / f".{ARCHIVE_NAME}.{os.getpid()}"
    with open(partial, "wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w") as archive:
            for name in sorted(entries):
                info = zipfile.ZipInfo(name, _TIMESTAMP)
                info.external_attr = 0o644 << 16
                info.create_system = 3
                archive.writestr(info, entries[name])
    partial.chmod(0o755)
    partial.replace(path)
    return path


def digest(path: Path) -> str:
    """The sha256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _compiled(name: str, source: bytes) -> bytes:
    """Byte code in the unchecked hash-based format of PEP 552, which carries no time.

    Version 2 of marshal writes no references, whose number depends on what else the building
    process holds.
    """
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    flags = (1).to_bytes(4, "little")
    return (
        importlib.util.MAGIC_NUMBER
        + flags
        + importlib.util.source_hash(source)
        + marshal.dumps(code, 2)
    )
