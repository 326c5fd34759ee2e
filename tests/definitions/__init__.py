"""Services as operators of Cassandra and HDFS would define them, and one for each thing that the
format can do. No software is needed: they
are read, and run in the simulation."""

from pathlib import Path

from holdfast.service.load import load
from holdfast.service.model import ServiceSpec

HERE = Path(__file__).parent

OF_ALL = {
    "FRAMEWORK_PRINCIPAL": "sim-principal",
    "FRAMEWORK_USER": "nobody",
    "DEPLOY_STRATEGY": "serial",
}
CASSANDRA = OF_ALL | {
    "FRAMEWORK_NAME": "cassandra",
    "NODES": "4",
    "SEEDS": "2",
    "RACKS": "3",
    "CASSANDRA_CPUS": "0.5",
    "CASSANDRA_MEMORY_MB": "256",
    "CASSANDRA_HEAP_MB": "128",
    "CASSANDRA_DISK_TYPE": "ROOT",
    "CASSANDRA_DISK_MB": "100",
    "CASSANDRA_NATIVE_TRANSPORT_PORT": "1002",
    "CASSANDRA_STORAGE_PORT": "1003",
    "CASSANDRA_VERSION": "4.1",
    "SIDECAR_MEMORY_MB": "64",
    "BACKUP_ENABLED": "true",
}
HDFS = OF_ALL | {
    "FRAMEWORK_NAME": "hdfs",
    "JOURNAL_COUNT": "3",
    "JOURNAL_PLACEMENT": '[["hostname", "UNIQUE"]]',
    "JOURNAL_CPUS": "0.3",
    "JOURNAL_MEMORY_MB": "128",
    "JOURNAL_DISK_MB": "50",
    "JOURNAL_RPC_PORT": "1004",
    "NAME_PLACEMENT": '[["hostname", "UNIQUE"]]',
    "NAME_CPUS": "0.5",
    "NAME_MEMORY_MB": "256",
    "NAME_DISK_MB": "100",
    "NAME_RPC_PORT": "1005",
    "ZKFC_CPUS": "0.2",
    "ZKFC_MEMORY_MB": "64",
    "DATA_COUNT": "3",
    "DATA_PLACEMENT": '[["hostname", "UNIQUE"]]',
    "DATA_CPUS": "0.3",
    "DATA_MEMORY_MB": "128",
    "DATA_DISK_TYPE": "ROOT",
    "DATA_DISK_MB": "200",
    "HADOOP_HEAPSIZE_MB": "64",
}


def definition(name: str, **environment: str) -> ServiceSpec:
    """`cassandra` or `hdfs`, with some of its variables changed. Raises ServiceError."""
    defaults = {"cassandra": CASSANDRA, "hdfs": HDFS}[name]
    return load(HERE / name / "svc.yml", defaults | environment)


HELLO = OF_ALL | {
    "FRAMEWORK_NAME": "hello-world",
    "HELLO_COUNT": "2",
    "HELLO_CPUS": "0.3",
    "HELLO_MEM": "128",
    "HELLO_DISK": "50",
    "HELLO_LABELS": "owner:me,tier:front",
    "HELLO_PLACEMENT": "",
    "HELLO_KILL_GRACE_PERIOD": "5",
    "WORLD_COUNT": "2",
    "WORLD_CPUS": "0.3",
    "WORLD_MEM": "128",
    "WORLD_DISK": "25",
    "WORLD_PLACEMENT": "",
    "SLEEP_DURATION": "1000",
    "STATIC_PORT": "1010",
    "FIRST_BEGIN": "1001",
    "FIRST_END": "1003",
    "SECOND_BEGIN": "1004",
    "DEPLOY_STEPS": "[[first, second], [third]]",
    "SECOND_ENABLED": "true",
    "REPLACE_AFTER": "",
    "DRIVER": "pxd",
    "DRIVER_OPTIONS": "size=10;repl=2",
    "VOLUME_PROFILE": "fast",
    "SECCOMP_PROFILE": "",
    "HELLO_SECRET": "hello-world/one",
    "WORLD_SECRET": "hello-world/two",
    "DISCOVERY_PREFIX": "front",
    "BOOTSTRAP_URI": "https://files.example/bootstrap.zip",
}
HELLO_WORLD = HERE / "helloworld"
"""One definition for each thing that the format can do."""


def hello_world(name: str, **environment: str) -> ServiceSpec:
    """One of the small definitions, with some of its variables changed. Raises ServiceError."""
    return load(HELLO_WORLD / f"{name}.yml", HELLO | environment)
