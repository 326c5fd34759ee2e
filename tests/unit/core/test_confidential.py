"""Secrets by name: what waits for them, what is not stopped for them, and what Mesos is told."""

from dataclasses import replace
from typing import Any

from holdfast.core import events as ev
from holdfast.core.confidential import (
    Shortage,
    certificates,
    has_references,
    secrets,
    with_references,
)
from holdfast.plans.plan import Status
from holdfast.records import Reservation
from holdfast.service.changes import executor_changed
from holdfast.service.model import (
    DiscoverySpec,
    EncryptionType,
    PodSpec,
    PortSpec,
    SecretSpec,
    TransportEncryptionSpec,
    VipSpec,
)
from holdfast_executor.contract import TaskLaunch

from .offers import service
from .test_plan_engine import build, deployed, task, with_pod
from .world import World

SECRETS = (SecretSpec("s", "db/password", "PASSWORD", "etc/password"),)
MISSING = ev.ShortageChanged(Shortage({"db/password": "it is nowhere"}))
FOUND = ev.ShortageChanged(Shortage())
TLS = (TransportEncryptionSpec("n", EncryptionType.TLS),)


def reason(world: World) -> str:
    return world.core.view(world.now).explanations["db-0"].reason


def test_a_launch_waits_for_its_secret() -> None:
    world = World(build(task("a"), secrets=SECRETS), 1)
    world.step(MISSING)
    world.settle()
    assert world.names_launched() == []
    assert reason(world) == "it waits for secret db/password: it is nowhere"
    world.step(FOUND)
    world.settle()
    assert world.names_launched() == ["db-0-a"]
    assert world.status() is Status.COMPLETE


def test_what_runs_is_not_stopped_for_a_missing_secret() -> None:
    spec = build(task("a"))
    world = deployed(spec)
    world.start(with_pod(spec, secrets=SECRETS), MISSING)
    world.settle()
    assert world.killed == []
    assert reason(world) == "it waits for secret db/password: it is nowhere"
    world.step(FOUND)
    world.settle()
    assert world.names_launched() == ["db-0-a"]
    world.step(MISSING)
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 409
    assert world.answer == (
        "db-0 would not start again and was left alone: it waits for secret db/password: it is "
        "nowhere"
    )
    world.step(FOUND)
    assert world.order(ev.Verb.POD_RESTART, "db-0") == 200


def test_only_tasks_with_certificates_wait_for_an_authority() -> None:
    spec = PodSpec("db", 1, (task("a", transport_encryption=TLS), task("b")))
    short = Shortage({}, "there is none")
    assert short.of(spec, ["a", "b"]) == "it waits for a certificate: there is none"
    assert short.of(spec, ["b"]) is None
    assert Shortage().of(replace(spec, secrets=SECRETS), ["a"]) is None


def test_other_secrets_need_another_executor() -> None:
    pod = PodSpec("db", 1, (task("a"),))
    assert executor_changed(pod, replace(pod, secrets=SECRETS))


def test_references() -> None:
    spec = PodSpec("db", 1, (task("a"),), secrets=SECRETS)
    executor: dict[str, Any] = {"command": {"value": "run"}, "container": {"hostname": "h"}}
    found = with_references(executor, spec, "/folder/demo")
    reference = {"type": "REFERENCE", "reference": {"name": "db/password"}}
    assert found == {
        "command": {
            "value": "run",
            "environment": {
                "variables": [
                    {"name": "PASSWORD", "type": "SECRET", "secret": reference},
                    {
                        "name": "HOLDFAST_SECRET_VARIABLES",
                        "type": "VALUE",
                        "value": "PASSWORD",
                    },
                    {"name": "HOLDFAST_SECRET_FILES", "type": "VALUE", "value": "etc/password"},
                ]
            },
        },
        "container": {
            "type": "MESOS",
            "hostname": "h",
            "volumes": [
                {
                    "mode": "RO",
                    "container_path": "etc/password",
                    "source": {"type": "SECRET", "secret": reference},
                }
            ],
        },
        "labels": {"labels": [{"key": "DCOS_SPACE", "value": "/folder/demo"}]},
    }
    assert executor == {"command": {"value": "run"}, "container": {"hostname": "h"}}
    assert has_references(found)
    assert secrets(spec, found) == ()
    (handed,) = secrets(spec, executor)
    assert (handed.path, handed.variable, handed.file) == (
        "db/password",
        "PASSWORD",
        "etc/password",
    )
    assert with_references(executor, replace(spec, secrets=()), "/") == executor


def test_a_launch_has_names_and_no_values() -> None:
    world = World(build(task("a", transport_encryption=TLS), secrets=SECRETS), 1)
    world.settle()
    (agent,) = world.agents.values()
    (running,) = agent.tasks.values()
    launch = TaskLaunch.decode(running.info["data"])
    assert [(s.path, s.content) for s in launch.secrets] == [("db/password", None)]
    assert [c.name for c in launch.certificates] == ["n"]
    assert launch.certificates[0].expires == world.task("db-0", "a").launched + 365 * 86400


HELD = Reservation("r", "agent", "host.example", "10.0.0.5", None, None, {}, 1.0, 32, (), ())


def test_the_names_in_a_certificate() -> None:
    spec = task(
        "node",
        transport_encryption=TLS,
        ports=(PortSpec("web", 0, vip=VipSpec("front", 80)), PortSpec("other", 0)),
    )
    owner = replace(service(), name="/data/my.db")
    pod = PodSpec("db", 1, (spec,))
    (found,) = certificates(owner, pod, 2, spec, HELD, 0.0)
    assert found.common_name == "db-2-node.datamy-db"
    assert found.names == (
        "db-2-node.datamy-db.autoip.dcos.thisdcos.directory",
        "front.datamy.db.l4lb.thisdcos.directory",
        "host.example",
        "10.0.0.5",
    )
    other = replace(spec, discovery=DiscoverySpec("lookup"))
    (found,) = certificates(owner, replace(pod, tasks=(other,)), 2, other, HELD, 0.0)
    assert found.names[0] == "lookup-2.datamy-db.autoip.dcos.thisdcos.directory"
    long = replace(owner, name="x" * 70)
    (found,) = certificates(long, pod, 2, spec, replace(HELD, hostname=HELD.ip), 0.0)
    assert found.common_name == "x" * 64
    assert found.names[-1] == "10.0.0.5"
    assert len(found.names) == 3


def test_tasks_with_the_same_entry_share_a_certificate_good_for_each() -> None:
    server = task(
        "server", transport_encryption=TLS, ports=(PortSpec("a", 0, vip=VipSpec("front", 80)),)
    )
    sidecar = task("sidecar", transport_encryption=TLS)
    apart = task("apart", transport_encryption=(replace(TLS[0], name="other"),))
    pod = PodSpec("db", 1, (server, sidecar, apart))
    (of_server,) = certificates(service(), pod, 0, server, HELD, 0.0)
    (of_sidecar,) = certificates(service(), pod, 0, sidecar, HELD, 0.0)
    (of_other,) = certificates(service(), pod, 0, apart, HELD, 0.0)
    assert sorted(of_server.names) == sorted(of_sidecar.names)
    assert of_server.names[0].startswith("db-0-server.")
    assert of_server.names[1].startswith("front.")
    assert of_sidecar.names[0].startswith("db-0-sidecar.")
    assert of_sidecar.common_name.startswith("db-0-sidecar.")
    assert not {name for name in of_server.names if "db-0" in name} & set(of_other.names)
