"""Real masters and agents that ask who comes, and know what each may do."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from holdfast_playground.cluster import Cluster, ClusterSpec
from holdfast_playground.fixtures import ClusterFactory
from tests.cluster.running_service import Scheduler

PRINCIPAL = "demo-principal"
SECRET = "correct horse"

SVC_YML = """
name: demo
scheduler:
  principal: {principal}
  zookeeper: '{{{{{{FRAMEWORK_ZOOKEEPER}}}}}}'
pods:
  app:
    count: 1
    volume: {{path: data, type: ROOT, size: 10}}
    tasks:
      server:
        goal: RUNNING
        cmd: exec sleep 100000
        cpus: 0.1
        memory: 32
        resource-limits: {{memory: 64}}
"""


def asking_cluster(
    start: ClusterFactory, folder: Path, acls: dict[str, Any] | None = None
) -> Cluster:
    """One agent and a master; both want the principal's secret."""
    (folder / "credentials.json").write_text(
        json.dumps({"credentials": [{"principal": PRINCIPAL, "secret": SECRET}]})
    )
    credentials = str(folder / "credentials.json")
    return start(
        ClusterSpec(
            agents=1,
            master_settings={
                "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS": "true",
                "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS": "basic",
                "MESOS_CREDENTIALS": credentials,
                **({"MESOS_ACLS": json.dumps(acls)} if acls else {}),
            },
            agent_settings=(
                {
                    "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
                    "MESOS_HTTP_CREDENTIALS": credentials,
                    "MESOS_CREDENTIALS": credentials,  # of the idle master beside the agent
                },
            ),
        )
    )


def scheduler(
    cluster: Cluster,
    folder: Path,
    *options: str,
    secret: str | None = None,
    principal: str = PRINCIPAL,
    **more: Any,
) -> Scheduler:
    svc_yml = folder / "svc.yml"
    svc_yml.write_text(SVC_YML.format(principal=principal))
    if secret is not None:
        (folder / "secret").write_text(f"{secret}\n")
        options += ("--principal-secret-file", str(folder / "secret"))
    return Scheduler(cluster, svc_yml, folder, options=options, **more).start()


def only(*values: str) -> dict[str, Any]:
    return {"values": list(values)}


ANYBODY = {"type": "ANY"}
ENOUGH = {
    "permissive": False,
    "register_frameworks": [{"principals": only(PRINCIPAL), "roles": only("demo-role")}],
    "run_tasks": [{"principals": only(PRINCIPAL), "users": ANYBODY}],
    "reserve_resources": [{"principals": only(PRINCIPAL), "roles": only("demo-role")}],
    "create_volumes": [{"principals": only(PRINCIPAL), "roles": only("demo-role")}],
    "register_agents": [{"principals": ANYBODY, "agents": ANYBODY}],
    "get_endpoints": [{"principals": ANYBODY, "paths": ANYBODY}],
    "view_frameworks": [{"principals": ANYBODY, "users": ANYBODY}],
}


def test_authenticated_and_allowed_what_it_needs(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    """Deployed on a volume, on an agent whose API asks for the same secret."""
    cluster = asking_cluster(cluster_factory, tmp_path, ENOUGH)
    (agent,) = cluster.agents
    call = {"type": "GET_FLAGS"}
    url = f"http://{agent.ip}:{agent.port}/api/v1"
    assert requests.post(url, json=call, timeout=10).status_code == 401
    with scheduler(cluster, tmp_path, secret=SECRET) as running:
        running.wait_well()
        assert SECRET not in running.log


@pytest.mark.parametrize("secret", ["wrong horse", None])
def test_a_wrong_secret_ends_the_scheduler(
    cluster_factory: ClusterFactory, tmp_path: Path, secret: str | None
) -> None:
    cluster = asking_cluster(cluster_factory, tmp_path)
    with scheduler(cluster, tmp_path, secret=secret) as running:
        assert running.exit_code() == 6
    (line,) = [line for line in running.log.splitlines() if line.startswith("Error:")]
    assert "does not accept our credentials" in line
    assert "horse" not in running.log


def test_another_principal_than_authenticated(
    cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    """The master names both, once a second principal may authenticate."""
    cluster = asking_cluster(cluster_factory, tmp_path)
    with scheduler(cluster, tmp_path, secret=SECRET, principal="other-principal") as running:
        assert running.exit_code() == 6
    assert "does not accept our credentials" in running.log


def test_a_role_that_is_not_allowed(cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    acls = {
        **ENOUGH,
        "register_frameworks": [{"principals": only(PRINCIPAL), "roles": only("other-role")}],
    }
    cluster = asking_cluster(cluster_factory, tmp_path, acls)
    with scheduler(cluster, tmp_path, secret=SECRET) as running:
        assert running.exit_code() == 6
    (line,) = [line for line in running.log.splitlines() if line.startswith("Error:")]
    assert "authorized" in line
    assert "demo-role" in line
