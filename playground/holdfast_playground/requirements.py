"""What the machine must have: the Debian packages Mesos and ZooKeeper need."""

import ctypes
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from holdfast_playground.errors import PlaygroundError

# What libmesos needs to load (DT_NEEDED) or, for SASL, to use, and the package that has it.
SHARED_LIBRARIES: Final[Mapping[str, str]] = {
    "libsvn_delta-1.so.1": "libsvn1",
    "libsvn_subr-1.so.1": "libsvn1",
    "libapr-1.so.0": "libapr1",
    "libsasl2.so.2": "libsasl2-2",
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
}
SASL_PLUGIN_PACKAGE: Final = "libsasl2-modules"
SASL_PLUGIN_PATTERN: Final = "*/sasl2/libcrammd5.so*"
ZOOKEEPER_JAR: Final = Path("/usr/share/java/zookeeper.jar")


def is_loadable(name: str) -> bool:
    """Whether the dynamic linker finds the shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def has_sasl_plugin() -> bool:
    """Whether CRAM-MD5, which the agent and master set up even without authentication, is there."""
    return any(
        any(root.glob(SASL_PLUGIN_PATTERN)) or any(root.glob("sasl2/libcrammd5.so*"))
        for root in (Path("/usr/lib"), Path("/usr/lib64"))
    )


def missing_packages(
    loadable: Callable[[str], bool] = is_loadable,
    sasl_plugin: Callable[[], bool] = has_sasl_plugin,
    java: Callable[[], str | None] = lambda: shutil.which("java"),
    zookeeper_jar: Path = ZOOKEEPER_JAR,
) -> list[str]:
    """Names of the Debian packages that are missing, sorted, each once."""
    missing = {package for name, package in SHARED_LIBRARIES.items() if not loadable(name)}
    if not sasl_plugin():
        missing.add(SASL_PLUGIN_PACKAGE)
    if not zookeeper_jar.exists():
        missing.add("zookeeper")
    if java() is None:
        missing.add("default-jre-headless")
    return sorted(missing)


def explain(missing: Sequence[str]) -> str:
    """One line that names what is missing and the command that brings it."""
    names = " ".join(missing)
    return (
        f"The playground needs Debian packages that are not installed: {', '.join(missing)}. "
        f"Install them with: sudo apt-get install --yes --no-install-recommends {names}"
    )


def check() -> None:
    """Raise PlaygroundError unless a cluster can run here."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise PlaygroundError(
            f"The playground runs the official Mesos build for Linux on x86-64; this is "
            f"{platform.system()} on {platform.machine()}. Use such a machine."
        )
    missing = missing_packages()
    if missing:
        raise PlaygroundError(explain(missing))
