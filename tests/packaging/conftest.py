"""The package is built once; clusters are real."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast_package import artifacts, package, render, server
from holdfast_package.artifacts import Artifact
from holdfast_playground.fixtures import cluster, cluster_factory

__all__ = ["cluster", "cluster_factory"]

HERE = Path(__file__).parents[2] / "universe-package"


@dataclass(frozen=True)
class Served:
    """A built package, and where it is served."""

    folder: Path
    url: str
    files: Mapping[str, Artifact]
    repository: Path

    def app(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The Marathon app that installing with these options starts."""
        (definition,) = json.loads(self.repository.read_text())["packages"]
        return render.app(definition, options, source=f"{self.url}/{self.repository.name}")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Artifact]]:
    folder = tmp_path_factory.mktemp("package")
    return folder, artifacts.build(folder)


@pytest.fixture(scope="session")
def served(built: tuple[Path, Mapping[str, Artifact]]) -> Iterator[Served]:
    folder, files = built
    with server.serving(folder, "127.0.0.1", 0) as url:
        repository = package.write_repository(package.read(HERE), files, url, folder)
        yield Served(folder, url, files, repository)
