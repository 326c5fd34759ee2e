"""Missing packages are named with the command that brings them."""

from pathlib import Path

import pytest

from holdfast_playground import launchers, requirements
from holdfast_playground.errors import PlaygroundError


def missing(
    tmp_path: Path, absent: frozenset[str] = frozenset(), java: str | None = "/usr/bin/java"
) -> list[str]:
    jar = tmp_path / "zookeeper.jar"
    jar.touch()
    return requirements.missing_packages(
        loadable=lambda name: name not in absent,
        sasl_plugin=lambda: True,
        java=lambda: java,
        zookeeper_jar=jar,
    )


def test_nothing_missing(tmp_path: Path) -> None:
    assert missing(tmp_path) == []


def test_each_package_is_named_once(tmp_path: Path) -> None:
    absent = frozenset({"libsvn_delta-1.so.1", "libsvn_subr-1.so.1", "libcurl.so.4"})
    assert missing(tmp_path, absent) == ["libcurl4", "libsvn1"]


def test_everything_missing(tmp_path: Path) -> None:
    names = requirements.missing_packages(
        loadable=lambda _: False,
        sasl_plugin=lambda: False,
        java=lambda: None,
        zookeeper_jar=tmp_path / "no.jar",
    )
    line = requirements.explain(names)
    assert "\n" not in line
    assert line.endswith(
        "sudo apt-get install --yes --no-install-recommends default-jre-headless libapr1 "
        "libcurl4 libsasl2-2 libsasl2-modules libssl3 libsvn1 zookeeper"
    )


def test_the_linker_is_asked() -> None:
    assert requirements.is_loadable("libc.so.6")
    assert not requirements.is_loadable("libno-such-library.so.9")


def test_linux_launcher_needs_cgroup_v1(tmp_path: Path) -> None:
    assert launchers.choose("posix", tmp_path) == "posix"
    assert launchers.choose("auto", tmp_path) == "posix"
    with pytest.raises(PlaygroundError, match="Use --launcher posix"):
        launchers.choose("linux", tmp_path)
