"""The files a package refers to: scheduler, services and command line. The same bytes each time.

Programs are PEX files: Python and every library they need in one executable, without the
interpreter. Nothing is downloaded when they start.
"""

import ast
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast import __version__

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
"""The Python versions a program runs with; on Linux, x86-64, with glibc 2.17 or later."""

_WHEELS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
_CLI_REQUIRES = ("click", "pydantic", "PyYAML", "requests", "rich")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_PLUGIN = """\
schema_version = 1
name = "holdfast"

[[commands]]
name = "holdfast"
path = "bin/dcos-holdfast"
description = "Operate a stateful service run by Holdfast"
"""


class BuildError(Exception):
    """A program cannot be built; the text has what the failing tool said."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to be served, and its content's digest in hexadecimal."""

    path: Path
    sha256: str


def sha256(path: Path) -> str:
    """The digest of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def build(destination: Path) -> Mapping[str, Artifact]:
    """Write all artifacts into the folder; they are called scheduler, services and cli.

    Wheels of the versions in constraints.txt are downloaded, or taken from pip's cache. Raises
    BuildError.
    """
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="holdfast-package-") as scratch:
        folder = Path(scratch)
        requires = _scheduler_requires()
        wheels = _download(folder / "wheels", requires)
        scheduler = _program(
            folder / "scheduler.pex",
            packages=("holdfast@scheduler", "holdfast_executor@executor"),
            entry="holdfast.main:main",
            requires=requires,
            wheels=wheels,
        )
        command = _program(
            folder / "cli.pex",
            packages=("holdfast_cli@cli", "holdfast@scheduler", "holdfast_executor@executor"),
            entry="holdfast_cli.dcos:main",
            requires=_CLI_REQUIRES,
            wheels=wheels,
        )
        paths = {
            "scheduler": destination / f"holdfast-scheduler-{__version__}.pex",
            "services": destination / f"holdfast-services-{__version__}.tar.gz",
            "cli": destination / f"dcos-holdfast-{__version__}-linux.zip",
        }
        shutil.copy(scheduler, paths["scheduler"])
        _write_plugin(paths["cli"], command)
        _write_archive(paths["services"], ROOT / "services")
    return {kind: Artifact(path, sha256(path)) for kind, path in paths.items()}


def _scheduler_requires() -> Sequence[str]:
    """What setup.py says is installed with Holdfast."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            found: list[str] = ast.literal_eval(node.value)
            return found
    raise BuildError("setup.py names no install_requires")


def _download(wheels: Path, requires: Sequence[str]) -> Path:
    """Fill a folder with the wheels of requirements, for every Python."""
    for version in PYTHONS:
        _run(
            *("pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(wheels)),
            *("--implementation", "cp", "--python-version", version),
            *(f"--platform={platform}" for platform in _WHEELS),
            *("--constraint", "constraints.txt", *requires),
        )
    return wheels


def _program(
    path: Path, *, packages: Sequence[str], entry: str, requires: Sequence[str], wheels: Path
) -> Path:
    """One executable of packages of this checkout and the libraries they require."""
    _run(
        *("pex", *requires, "--pre-resolved-dists", str(wheels), "--entry-point", entry),
        *(f"--package={package}" for package in packages),
        *(f"--platform={_target(version)}" for version in PYTHONS),
        f"--interpreter-constraint=CPython>={PYTHONS[0]},<3.{int(PYTHONS[-1][2:]) + 1}",
        *("--python-shebang", "/usr/bin/env python3", "--no-compile"),
        *("--pex-root", str(wheels.with_name("pex-root")), "--output-file", str(path)),
    )
    return path


def _target(version: str) -> str:
    return f"{_WHEELS[0]}-cp-{version}-cp{version.replace('.', '')}"


def _run(module: str, *arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PEX_")}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise BuildError(f"{module} {arguments[0]} failed with code {done.returncode}:\n{said}")


def _write_plugin(path: Path, program: Path) -> None:
    """The plugin of the DC/OS command line; it takes file modes from the archive."""
    files = (
        ("bin/dcos-holdfast", program.read_bytes(), 0o755, zipfile.ZIP_STORED),
        ("plugin.toml", _PLUGIN.encode(), 0o644, zipfile.ZIP_DEFLATED),
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, mode, compression in files:
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.external_attr = (0o100000 | mode) << 16
            info.create_system = 3
            info.compress_type = compression
            archive.writestr(info, content)


def _write_archive(path: Path, folder: Path) -> None:
    """A folder as .tar.gz that has nothing of this machine in it: no times, no owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                info = tarfile.TarInfo(str(file.relative_to(folder.parent)))
                content = file.read_bytes()
                info.size, info.mode = len(content), 0o644
                archive.addfile(info, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
