"""The Mesos library in the user's cache: found, checked, or downloaded and made loadable."""

import fcntl
import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast_playground import elf
from holdfast_playground.errors import PlaygroundError

CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Distribution:
    """One file of a package index, and the file inside it that is wanted."""

    project: str
    filename: str
    sha256: str
    member_ending: str


# The Apache Mesos project's own binary release for Python: it contains all of libmesos.
MESOS: Final = Distribution(
    project="mesos.scheduler",
    filename="mesos.scheduler-1.11.0.linux-x86_64.tar.gz",
    sha256="1d376f20bca6d05ee8b90c1c123a452b28753497ccc2f1c80ea3ac94c12e8f6e",
    member_ending="/_scheduler.so",
)
LIBRARY_NAME: Final = "libmesos-1.11.0.so"

Download = Callable[[Distribution, Path], None]


def cache_directory() -> Path:
    """Where downloads are kept (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "holdfast" / "playground"


def download_from_index(distribution: Distribution, target: Path) -> None:
    """Fetch the distribution's file by its name. Raises PlaygroundError."""
    import requests

    try:
        from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple, UnsupportedContentTypeError
    except ImportError as error:
        raise PlaygroundError(
            f"Downloading Mesos needs the package pypi-simple ({error}). "
            "Install it with: pip install 'holdfast[playground]'"
        ) from error

    try:
        with PyPISimple(os.environ.get("PIP_INDEX_URL") or PYPI_SIMPLE_ENDPOINT) as index:
            packages = index.get_project_page(distribution.project).packages
            package = next((p for p in packages if p.filename == distribution.filename), None)
            if package is None:
                raise PlaygroundError(
                    f"The package index has no {distribution.filename}. "
                    "Point PIP_INDEX_URL at an index that mirrors PyPI completely."
                )
            # The digest is compared with ours below, also when the index tells none.
            index.download_package(package, target, verify=False)
    except (requests.RequestException, UnsupportedContentTypeError, OSError) as error:
        raise PlaygroundError(
            f"Could not download {distribution.filename} (27 MB, once): {error}. "
            "Check the connection, or PIP_INDEX_URL if you use a mirror, and try again."
        ) from error


def library(
    directory: Path | None = None,
    distribution: Distribution = MESOS,
    download: Download = download_from_index,
) -> Path:
    """The loadable library's path; downloads it when the cache has none or a damaged one.

    Safe to call from several processes at once. Raises PlaygroundError.
    """
    directory = directory or cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / LIBRARY_NAME
    with _locked(directory / "lock"):
        if not is_intact(target):
            _install(target, distribution, download)
    return target


def is_intact(target: Path) -> bool:
    """Whether the cached file still is, byte for byte, what was recorded when it was written."""
    record = _record_of(target)
    try:
        noted = json.loads(record.read_text())
        # The size first: reading 120 MB to learn that half of them are missing is a waste.
        return bool(target.stat().st_size == noted["size"] and _sha256(target) == noted["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _install(target: Path, distribution: Distribution, download: Download) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as scratch:
        archive = Path(scratch) / distribution.filename
        download(distribution, archive)
        found = _sha256(archive)
        if found != distribution.sha256:
            raise PlaygroundError(
                f"{distribution.filename} arrived damaged or is not the released file: "
                f"sha256 {found}, expected {distribution.sha256}. Nothing was kept; try again."
            )
        patched = elf.renamed(_member(archive, distribution.member_ending))
        fresh = Path(scratch) / target.name
        fresh.write_bytes(patched)
        fresh.chmod(0o644)
        record = Path(scratch) / "record"
        record.write_text(
            json.dumps({"size": len(patched), "sha256": hashlib.sha256(patched).hexdigest()})
        )
        # The record last: a crash in between leaves a mismatch, which the next call repairs.
        fresh.replace(target)
        record.replace(_record_of(target))


def _member(archive: Path, ending: str) -> bytes:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(ending):
                content = tar.extractfile(member)
                if content is not None:
                    return content.read()
    raise PlaygroundError(f"{archive.name} holds no file that ends in {ending}.")


def _record_of(target: Path) -> Path:
    return target.with_suffix(".json")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
