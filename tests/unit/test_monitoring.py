"""The alerts and the dashboard in `deploy`: they say what they mean, of metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from holdfast.api.metrics import Metrics
from holdfast.core.confidential import Signer
from holdfast.core.tally import tally
from holdfast.mesos.messages import TaskState
from holdfast.plans.derive import BUILT_IN
from holdfast.recovery.decide import Choice
from holdfast.service.model import EncryptionType, TransportEncryptionSpec
from holdfast.vitals import Vitals
from tests.unit.api.pictures import MEMBER, SERVICE, well

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
OURS = re.compile(r"\b(?:holdfast|process)_[a-z_]+")

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")


def told() -> set[str]:
    """The names of all samples of a service that has everything there is."""
    certified = replace(
        MEMBER, transport_encryption=(TransportEncryptionSpec("tls", EncryptionType.TLS),)
    )
    service = replace(SERVICE, pods=(replace(SERVICE.pods[0], tasks=(certified,)),))
    counted = ["offers.received", "operation.launch", "declines.short", "declines.long"]
    counted += [f"task_status.{state.lower()}" for state in TaskState]
    view = replace(
        well(),
        configs={"config-1": service},
        counters=dict.fromkeys(counted, 1),
        signer=Signer("id", 1.0),
    )
    metrics = Metrics(lambda: [view], lambda: Vitals(True, 1.0))
    families = text_string_to_metric_families(metrics.text().decode())
    return {sample.name for family in families for sample in family.samples}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def shown() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield board["templating"]["list"][1]["definition"]


def test_every_metric_they_use_exists() -> None:
    expressions = [*shown(), *(rule["expr"] for rule in alerts())]
    used = {name for expression in expressions for name in OURS.findall(expression)}
    assert len(used) > 15
    assert used - told() == set()


def test_counters_of_the_dashboard_are_counted_under_these_names() -> None:
    from holdfast.core.effects import Accept, Decline

    names = dict(tally([Accept((), ({"type": "LAUNCH"},), 0.0), Decline(("a",), 3600.0)]))
    assert names.keys() == {"operation.launch", "declines.long"}


def test_states_and_plans_they_name_exist() -> None:
    text = ALERTS.read_text() + DASHBOARD.read_text()
    named = set(re.findall(r'state=\\?"([^"\\]+)', text))
    assert named == {Choice.ASK.value}
    (plans,) = re.findall(r'plan=~"([^"]+)"', text)
    assert set(plans.split("|")) >= set(BUILT_IN)


def test_every_alert_says_what_it_means() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description"}, rule["alert"]


def test_every_alert_has_a_test() -> None:
    tests = (DEPLOY / "prometheus" / "alerts.test.yml").read_text()
    for rule in alerts():
        assert re.search(rf"\b{rule['alert']}\b|{rule['alert'][:10]}\.\*", tests), rule["alert"]


@promtool
@pytest.mark.parametrize("command", ["check rules alerts.yml", "test rules alerts.test.yml"])
def test_prometheus_takes_them_and_they_fire_when_they_should(command: str) -> None:
    done = subprocess.run(
        ["promtool", *command.split()], cwd=ALERTS.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$service", ".*")}
        for number, expression in enumerate(shown())
        if not expression.startswith("label_values")
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
