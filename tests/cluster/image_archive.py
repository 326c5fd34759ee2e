"""A Docker image without a registry: BusyBox in an archive as `docker save` writes them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BUSYBOX = Path("/bin/busybox")
"""Of Debian's busybox-static: needs no library."""
FOLDERS = ("bin", "dev", "etc", "proc", "root", "sys", "tmp")
PROGRAMS = ("cat", "date", "env", "grep", "id", "ls", "mkdir", "nslookup", "sh", "sleep", "touch")


def write_image(
    archive: Path,
    files: Mapping[str, bytes] | None = None,
    config: Mapping[str, Any] | None = None,
    programs: Iterable[str] = PROGRAMS,
) -> None:
    """Write the image, one layer, called as the archive is: `busybox.tar` is busybox:latest."""
    layer = _layer(files or {}, programs)
    name, identity = archive.stem, hashlib.sha256(layer).hexdigest()
    settings = {"Env": ["PATH=/bin", "FROM_IMAGE=yes"], **(config or {})}
    of_layer = {"id": identity, "config": settings, "architecture": "amd64", "os": "linux"}
    of_image = {**of_layer, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{identity}"]}}
    manifest = [
        {
            "Config": "config.json",
            "RepoTags": [f"{name}:latest"],
            "Layers": [f"{identity}/layer.tar"],
        }
    ]
    with tarfile.open(archive, "w") as image:
        _add(image, f"{identity}/VERSION", b"1.0")
        _add(image, f"{identity}/json", json.dumps(of_layer).encode())
        _add(image, f"{identity}/layer.tar", layer)
        _add(image, "config.json", json.dumps(of_image).encode())
        _add(image, "manifest.json", json.dumps(manifest).encode())
        _add(image, "repositories", json.dumps({name: {"latest": identity}}).encode())


def _layer(files: Mapping[str, bytes], programs: Iterable[str]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        for folder in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(entry)
        _add(layer, "bin/busybox", BUSYBOX.read_bytes())
        for program in programs:
            entry = tarfile.TarInfo(f"bin/{program}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            layer.addfile(entry)
        for path, data in files.items():
            _add(layer, path, data)
    return content.getvalue()


def _add(archive: tarfile.TarFile, path: str, data: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(data), 0o755
    archive.addfile(entry, io.BytesIO(data))
