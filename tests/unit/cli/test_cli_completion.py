"""Completion: scripts for the shells, and the names a scheduler knows."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from holdfast.api.app import create_app
from holdfast.api.credentials import CredentialsFile, digest_of
from tests.unit.api.pictures import Source
from tests.unit.api.serving import serving

Run = Callable[..., Result]


def completed(url: str, *words: str, **variables: str) -> list[str]:
    """What fish would offer for the last of the words."""
    done = subprocess.run(
        [sys.executable, "-c", "from holdfast_cli.main import main; main(prog_name='holdfast')"],
        env={
            **os.environ,
            "HOLDFAST_URL": url,
            "_HOLDFAST_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["holdfast", *words]),
            "COMP_CWORD": str(len(words)),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pl",), ["plan", "playground"]),
        (("plan", "show", "de"), ["deploy"]),
        (("plan", "show", "x"), []),
        (("plan", "pause", "deploy", "e"), ["etcd"]),
        (("plan", "force", "deploy", "etcd", "etcd-1"), ["etcd-1:[member]"]),
        (("update", "force-complete", "e"), ["etcd"]),
        (("pod", "restart", "etcd-"), ["etcd-0", "etcd-1", "etcd-2"]),
        (("volumes", "destroy", "volume-o"), ["volume-old"]),
        (("endpoints", "c"), ["client"]),
        (("debug", "config", "show", "c"), ["config-1"]),
        (("debug", "state", "property", "s"), ["suppressed"]),
    ],
)
def test_names_are_offered(
    url: str, source: Source, words: tuple[str, ...], offered: list[str]
) -> None:
    assert completed(url, *words) == offered


def test_names_are_asked_for_with_the_credentials(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    tokens = {"ann": {"sha256": digest_of("token-of-ann"), "role": "read-only"}}
    file.write_text(json.dumps({"tokens": tokens}))
    app = create_app(Source(), {}, credentials=CredentialsFile(file))
    with serving(app) as url:
        words = ("pod", "restart", "etcd-")
        assert completed(url, *words) == []
        assert len(completed(url, *words, HOLDFAST_TOKEN="token-of-ann")) == 3
        assert len(completed(url, "--token", "token-of-ann", *words)) == 3


def test_without_a_scheduler_there_are_no_names_and_no_messages() -> None:
    assert completed("http://127.0.0.1:1", "pod", "restart", "e") == []
    assert completed("no url", "pod", "restart", "e") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_the_shell_reads(run: Run, shell: str) -> None:
    result = run("completion", shell, at="http://127.0.0.1:1")
    assert result.exit_code == 0
    assert "_HOLDFAST_COMPLETE" in result.stdout
    assert "holdfast" in result.stdout
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=result.stdout, text=True, check=False)
        assert done.returncode == 0


def test_other_shells_are_refused_with_those_that_are_known(run: Run) -> None:
    result = run("completion", "tcsh")
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr
