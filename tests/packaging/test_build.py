"""What `./package build` writes: the same each time, complete in itself, served as is right."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests

from holdfast import __version__
from holdfast_package import artifacts
from holdfast_package.artifacts import Artifact
from tests.packaging.conftest import HERE, Served

Built = tuple[Path, Mapping[str, Artifact]]
SERVICES = HERE.parent / "services"


def python(version: str) -> str | None:
    """An interpreter of this version that really runs, if this machine has one."""
    found = shutil.which(f"python{version}")
    if found is None and version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    for candidate in (
        found,
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ):
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def run(
    command: list[str], folder: Path, path: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A program with nothing of this checkout in reach, and no network but this machine's."""
    environment = {
        "PATH": path or os.environ["PATH"],
        "HOME": str(folder),
        "PEX_ROOT": str(folder / "pex"),
        "HTTPS_PROXY": "http://127.0.0.1:1",
        **variables,
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_same_bytes_twice(built: Built, tmp_path: Path) -> None:
    again = artifacts.build(tmp_path)
    assert {kind: one.sha256 for kind, one in again.items()} == {
        kind: one.sha256 for kind, one in built[1].items()
    }


def test_nothing_of_this_machine_is_inside(built: Built) -> None:
    with zipfile.ZipFile(built[1]["scheduler"].path) as program:
        info = program.read("PEX-INFO").decode()
        assert str(HERE.parent) not in info
        assert str(Path.home()) not in info.replace("~", "")
    with tarfile.open(built[1]["services"].path) as services:
        owners = {(member.uid, member.gid, member.mtime) for member in services}
    assert owners == {(0, 0, 0)}


@pytest.mark.parametrize("version", artifacts.PYTHONS)
def test_the_scheduler_starts_with_each_python(built: Built, tmp_path: Path, version: str) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on this machine")
    program = str(built[1]["scheduler"].path)
    done = run([interpreter, "-I", program, "--help"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SVC_YML" in done.stdout
    # It reads a definition, which takes every library but those of the wire.
    (tmp_path / "svc.yml").write_text("name: x\npods: {}\n")
    done = run([interpreter, "-I", program, "svc.yml"], tmp_path)
    assert done.returncode == 1
    assert "svc.yml" in done.stderr


def test_another_python_is_refused_by_name(built: Built, tmp_path: Path) -> None:
    old = python("3.9") or python("3.8")
    if old is None:
        pytest.skip("no Python 3.8 or 3.9 on this machine")
    program = str(built[1]["scheduler"].path)
    done = run([old, program, "--help"], tmp_path, path=str(tmp_path))
    assert done.returncode != 0
    assert "CPython" in done.stderr


def test_the_services_are_whole(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built[1]["services"].path) as archive:
        archive.extractall(tmp_path)  # Debian 12 has a Python whose tarfile knows no filters
    for file in SERVICES.rglob("*"):
        if file.is_file():
            copy = tmp_path / "services" / file.relative_to(SERVICES)
            assert copy.read_bytes() == file.read_bytes()


def test_the_plugin_is_what_the_dcos_command_line_unpacks(built: Built, tmp_path: Path) -> None:
    path = built[1]["cli"].path
    assert path.read_bytes()[:4] == b"PK\x03\x04"  # this is how it knows a ZIP
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            archive.extract(info, tmp_path)
            (tmp_path / info.filename).chmod(info.external_attr >> 16 & 0o777)
        assert 'path = "bin/dcos-holdfast"' in archive.read("plugin.toml").decode()
    plugin = str(tmp_path / "bin" / "dcos-holdfast")
    done = run([plugin, "holdfast", "--info"], tmp_path)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    definition = str(SERVICES / "etcd" / "svc.yml")
    done = run([plugin, "holdfast", "validate", definition], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    url = {"DCOS_URL": "http://127.0.0.1:1"}
    for command in (["plan", "preview", definition], ["plan", "list"], ["health"]):
        done = run([plugin, "holdfast", *command], tmp_path, **url)
        assert done.returncode == 3, done.stderr  # complete but for a scheduler
        assert done.stderr.startswith("Error: No scheduler answers")


def test_the_repository_is_served_as_cosmos_wants_it(served: Served) -> None:
    answer = requests.get(f"{served.url}/{served.repository.name}", timeout=10)
    kind, *parameters = answer.headers["Content-Type"].split(";")
    assert kind == "application/vnd.dcos.universe.repo+json"
    assert set(parameters) == {"charset=utf-8", "version=v4"}
    (definition,) = answer.json()["packages"]
    assert (definition["name"], definition["version"]) == ("holdfast", __version__)
    binary = definition["resource"]["cli"]["binaries"]["linux"]["x86-64"]
    assert binary["contentHash"] == [{"algo": "sha256", "value": served.files["cli"].sha256}]
    for url in (*definition["resource"]["assets"]["uris"].values(), binary["url"]):
        head = requests.head(url, timeout=10)
        assert head.status_code == 200, url
        assert int(head.headers["Content-Length"]) > 0
        assert "Transfer-Encoding" not in head.headers


def test_the_commands(served: Served, tmp_path: Path) -> None:
    """`render` with good and bad options, and `serve`, as processes."""
    module = [sys.executable, "-m", "holdfast_package"]
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    render = [*module, "render", str(served.repository)]
    (tmp_path / "good.json").write_text('{"service": {"name": "db"}}')
    done = run([*render, "--options", "good.json", "--app-id", "/db"], tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "/db"
    (tmp_path / "bad.json").write_text('{"service": {"nam": "db"}}')
    done = run([*render, "--options", "bad.json"], tmp_path, PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stderr == "Error: service.nam is no option of this package; did you mean 'name'?\n"
    serve = subprocess.Popen(
        [*module, "serve", str(served.folder), "--host", "127.0.0.1", "--port", "0"],
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serve.stdout is not None
        line = serve.stdout.readline().split()
        assert line[:6] == ["dcos", "package", "repo", "add", "--index=0", "holdfast-local"]
        assert requests.get(line[6], timeout=10).status_code == 200
    finally:
        serve.terminate()
        assert serve.wait(timeout=10) == 0
