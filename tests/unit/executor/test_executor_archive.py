"""The archive: reproducible bytes, old Pythons, cheap start. And the bootstrap program."""

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import holdfast_executor
from holdfast_executor import bootstrap
from holdfast_executor.archive import build, digest
from holdfast_executor.contract import EXECUTOR_COMMAND
from tests.unit.executor.fake_agent import FakeAgent, RunningExecutor

SOURCES = sorted(Path(holdfast_executor.__file__).parent.glob("*.py"))


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    digests = {digest(build(tmp_path / "here"))}
    program = (
        "import sys, pathlib, json, decimal, unittest.mock\n"
        "from holdfast_executor.archive import build, digest\n"
        "print(digest(build(pathlib.Path(sys.argv[1]))))\n"
    )
    for seed in ("1", "2", "3"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_it_holds_the_package_and_nothing_of_the_scheduler(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()
    assert names == sorted(names)
    assert "__main__.py" in names
    assert all(name.startswith("holdfast_executor/") for name in names if name != "__main__.py")
    assert "holdfast_executor/archive.py" not in names


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_sources_are_python_3_8_of_the_standard_library(source: Path) -> None:
    tree = ast.parse(source.read_text(), feature_version=(3, 8))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported <= set(sys.stdlib_module_names) | {"holdfast_executor"}
    assert "__future__" in imported or "->" not in source.read_text()


def working_pythons() -> list[str]:
    """Older interpreters on the path that really start."""
    found = []
    for minor in range(8, 14):
        path = shutil.which(f"python3.{minor}")
        if path and not subprocess.run([path, "-V"], capture_output=True, check=False).returncode:
            found.append(path)
    return found


@pytest.mark.parametrize("python", working_pythons(), ids=lambda path: Path(path).name)
def test_it_runs_a_task_on_other_pythons(
    agent: FakeAgent, start_executor: Callable[..., RunningExecutor], python: str
) -> None:
    executor = start_executor(python=python)
    executor.launch("./bootstrap -print-env=false && echo done")
    assert executor.wait() == 0
    assert agent.states() == ["TASK_RUNNING", "TASK_FINISHED"]
    assert executor.read("stdout") == "done\n"


def test_starting_imports_nothing_heavy(archive: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); import holdfast_executor.main,"
        "holdfast_executor.supervisor; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-SE", "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"ssl", "asyncio", "email", "http", "logging", "dataclasses", "inspect", "subprocess"}
    assert heavy & set(done.stdout.split()) == set()


def test_the_command_starts_the_archive(archive: Path, tmp_path: Path) -> None:
    shutil.copy(archive, tmp_path)
    done = subprocess.run(
        ["/bin/sh", "-c", EXECUTOR_COMMAND],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "MESOS_AGENT_ENDPOINT is not set" in done.stderr


# Bootstrap


def test_flags_in_the_syntax_of_go() -> None:
    options = bootstrap.parse(
        ["-resolve=false", "--template=F", "-verbose", "--resolve-hosts", "a, b", "-insecure=1"]
    )
    assert options.resolve_hosts == ("a", "b")
    assert options.resolve_timeout == 300.0
    assert options.template_max == 1024 * 1024
    on = [name for name, value in options.switches.items() if value]
    assert on == ["verbose", "print-env", "insecure", "self-resolve", "install-certs"]


def test_flags_end_at_the_first_other_word() -> None:
    assert not bootstrap.parse(["--", "-verbose"]).switches["verbose"]
    assert not bootstrap.parse(["word", "-verbose"]).switches["verbose"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-nonsense"], "flag '-nonsense' is not known"),
        (["-template=maybe"], "expected true or false, found 'maybe'"),
        (["-resolve-hosts"], "needs a value"),
        (["-resolve-timeout=x"], "'x' is no duration"),
        (["-template-max-bytes=x"], "template-max-bytes"),
    ],
)
def test_wrong_flags_are_refused(words: list[str], text: str) -> None:
    with pytest.raises(bootstrap.BootstrapError, match=text):
        bootstrap.parse(words)


def test_secrets_are_hidden_in_the_printed_environment() -> None:
    environment = {"DB_PASSWORD": "x", "A": "1", "MY_TOKEN": "y"}
    assert bootstrap.printable(environment, insecure=False) == [
        "A=1",
        "DB_PASSWORD=********",
        "MY_TOKEN=********",
    ]
    assert "DB_PASSWORD=x" in bootstrap.printable(environment, insecure=True)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_templates_named_by_the_environment_are_rendered(sandbox: Path) -> None:
    (sandbox / "raw").write_text("{{#ON}}on={{ON}}\n{{/ON}}{{^OFF}}off={{OFF}}{{/OFF}}")
    environment = {
        "MESOS_SANDBOX": str(sandbox),
        "CONFIG_TEMPLATE_A": "raw,etc/a.conf",
        "ON": "true",
        "OFF": "FALSE",
    }
    assert bootstrap.main(["-resolve-hosts=localhost"], environment) == 0
    assert (sandbox / "etc/a.conf").read_text() == "on=true\noff=false"


@pytest.mark.parametrize(
    ("value", "content", "text"),
    [
        ("raw", "x", "expected SOURCE,DESTINATION"),
        ("missing,a", "x", "No such file"),
        ("raw,a", "{{", "line 1"),
        ("raw,a", "x" * 100, "has 100 bytes, the limit is 10"),
    ],
)
def test_templates_that_cannot_be_rendered_fail(
    sandbox: Path, capsys: pytest.CaptureFixture[str], value: str, content: str, text: str
) -> None:
    (sandbox / "raw").write_text(content)
    environment = {"MESOS_SANDBOX": str(sandbox), "CONFIG_TEMPLATE_A": value}
    assert bootstrap.main(["-template-max-bytes=10"], environment) == 1
    assert text in capsys.readouterr().err


def test_a_host_that_does_not_resolve_fails_in_time(
    sandbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RESOLVE_RETRY", 0.01)
    flags = ["-resolve-hosts=no-such-host.invalid", "-resolve-timeout=50ms"]
    assert bootstrap.main(flags, {}) == 1
    assert "did not resolve within 0.05 s" in capsys.readouterr().err


def test_certificates_are_given_to_the_java_of_the_task(sandbox: Path) -> None:
    (sandbox / ".ssl").mkdir()
    (sandbox / ".ssl/ca.crt").write_text("certificate")
    keytool = sandbox / "java/bin/keytool"
    keytool.parent.mkdir(parents=True)
    keytool.write_text(f'#!/bin/sh\necho "$@" > {sandbox}/called\n')
    keytool.chmod(0o755)
    environment = {"MESOS_SANDBOX": str(sandbox), "JAVA_HOME": str(sandbox / "java")}
    assert bootstrap.main([], environment) == 0
    called = (sandbox / "called").read_text()
    assert f"-file {sandbox}/.ssl/ca.crt" in called
    assert "-importcert" in called
