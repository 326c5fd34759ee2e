"""One ZooKeeper server from the Debian packages, with a directory of its own."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from holdfast_playground.addresses import ZOOKEEPER_PORT

JARS: Final = Path("/usr/share/java")
# Debian's jars name no dependencies, and a class path of all of /usr/share/java starts slowly.
CLASS_PATH: Final = (
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "netty-buffer",
    "netty-codec",
    "netty-common",
    "netty-handler",
    "netty-resolver",
    "netty-transport",
    "metrics-core",
    "snappy-java",
    "commons-cli",
    "commons-io",
)
MAIN_CLASS: Final = "org.apache.zookeeper.server.ZooKeeperServerMain"


def answers(ip: str) -> bool:
    """Whether the server at that address serves (the four-letter word `ruok`)."""
    try:
        with socket.create_connection((ip, ZOOKEEPER_PORT), 1.0) as connection:
            connection.sendall(b"ruok")
            return connection.recv(4) == b"imok"
    except OSError:
        return False


def command(ip: str, directory: Path, settings: Mapping[str, str] | None = None) -> list[str]:
    """Write the server's configuration into `directory`; returns the command that runs it.

    `settings` are further lines of the configuration.
    """
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    configuration = directory / "zoo.cfg"
    configuration.write_text(
        "\n".join(
            (
                # Session time-outs are kept in ticks, and at least two of them.
                "tickTime=500",
                "minSessionTimeout=1000",
                "maxSessionTimeout=120000",
                f"dataDir={data}",
                f"clientPortAddress={ip}",
                f"clientPort={ZOOKEEPER_PORT}",
                "maxClientCnxns=0",
                "admin.enableServer=false",
                "4lw.commands.whitelist=ruok,srvr,mntr,cons,stat",
                *(f"{name}={value}" for name, value in (settings or {}).items()),
                "",
            )
        )
    )
    jars = ":".join(str(JARS / f"{name}.jar") for name in CLASS_PATH)
    return [
        "java",
        "-Xmx128m",
        # One small server on a shared machine: start quickly, few threads, no files in /tmp.
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        "-cp",
        jars,
        MAIN_CLASS,
        str(configuration),
    ]
