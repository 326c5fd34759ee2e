"""A package's four files, with what the build knows filled in, as a repository of one package.

The format is that of mesosphere/universe, packagingVersion 4.0 and v4 repositories.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast import __version__
from holdfast_package.artifacts import Artifact

FILES = ("package.json", "config.json", "resource.json", "marathon.json.mustache")
RELEASE = 0
_OURS = re.compile(r"\{\{(package-name|package-version|artifacts-url|(?:file|sha256):[a-z-]*)\}\}")
_VERSION = re.compile(r"[-a-zA-Z0-9.]+\Z")


class PackageError(Exception):
    """The package cannot be built; the text names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Source:
    """The texts of a package's files by file name, as written."""

    folder: Path
    texts: Mapping[str, str]

    @property
    def name(self) -> str:
        name: str = _json(self.folder / "package.json", self.texts["package.json"])["name"]
        return name


def read(folder: Path) -> Source:
    """The package in a folder. Raises PackageError when a file is missing or not ASCII."""
    texts = {}
    for name in FILES:
        try:
            texts[name] = (folder / name).read_text("ascii")
        except OSError as error:
            raise PackageError(f"{folder / name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise PackageError(f"{folder / name}: the catalog takes ASCII only ({error})") from None
    return Source(folder, texts)


def definition(source: Source, files: Mapping[str, Artifact], url: str) -> dict[str, Any]:
    """The package as a v4 repository holds it; its artifacts are at `url`."""
    if not _VERSION.match(__version__):
        raise PackageError(
            f"the catalog cannot hold the version {__version__!r}:"
            " expected letters, digits, dots and dashes"
        )
    known = {
        "package-name": source.name,
        "package-version": __version__,
        "artifacts-url": url.rstrip("/"),
        **{f"file:{kind}": artifact.path.name for kind, artifact in files.items()},
        **{f"sha256:{kind}": artifact.sha256 for kind, artifact in files.items()},
    }
    filled = {name: _fill(source.folder / name, source.texts[name], known) for name in FILES}
    json_of = {
        name: _json(source.folder / name, filled[name]) for name in FILES if name.endswith(".json")
    }
    template = base64.b64encode(filled["marathon.json.mustache"].encode()).decode()
    return {
        **json_of["package.json"],
        "releaseVersion": RELEASE,
        "config": json_of["config.json"],
        "resource": json_of["resource.json"],
        "marathon": {"v2AppMustacheTemplate": template},
    }


def write_repository(
    source: Source, files: Mapping[str, Artifact], url: str, destination: Path
) -> Path:
    """Write the repository of this one package; returns its path."""
    path = destination / f"stub-universe-{source.name}.json"
    body = {"packages": [definition(source, files, url)]}
    path.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", "ascii")
    return path


def _fill(path: Path, text: str, known: Mapping[str, str]) -> str:
    """`text` with the build's own tags replaced; all others are left to the catalog."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in known:
            kinds = ", ".join(key for key in known if key.startswith(name.partition(":")[0]))
            raise PackageError(f"{path}: no artifact is called {match.group()}; there are {kinds}")
        return known[name]

    return _OURS.sub(value, text)


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise PackageError(f"{path} is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise PackageError(f"{path}: expected a JSON object")
    return body
