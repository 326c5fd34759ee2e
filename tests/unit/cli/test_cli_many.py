"""`holdfast service` against the API of a framework of many services, with its real core."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fastapi.testclient import TestClient

from holdfast.api.credentials import CredentialsFile, digest_of
from holdfast.api.multi import create_multi_app
from holdfast.core import effects as ef
from holdfast.core import events as ev
from holdfast.core.launch import LaunchSettings
from holdfast.core.multi import Composite
from holdfast.core.multi_view import MultiView
from holdfast.engine import Engine
from holdfast.eventlog import Kind
from holdfast.framework import Framework
from holdfast.mesos.channel import SENT, CallResult
from holdfast.state.memory import MemoryStore
from holdfast_cli.main import main
from tests.unit.api.serving import serving

SVC_YML = """
name: /team/web
scheduler: {principal: another}
pods:
  node:
    count: 1
    tasks:
      server:
        {goal: RUNNING, cmd: "run {{MORE}}", cpus: 0.1, memory: 32,
         configs: {main: {template: main.tmpl, dest: main.conf}}}
"""
Run = Callable[..., Result]


class Link:
    """A master that takes everything."""

    def call(self, message: object) -> CallResult:
        return SENT

    def teardown(self) -> CallResult:
        raise AssertionError("nothing is torn down here")

    def update_framework(self) -> CallResult:
        return SENT


@pytest.fixture
def engine() -> Iterator["Engine[MultiView]"]:
    import threading

    ids = (f"id{n}" for n in itertools.count())
    settings = LaunchSettings("http://s/e.pyz", "s", 8080)
    core = Composite({}, settings, lambda: next(ids), "ours", 0, 0.0)

    def ask(question: ef.Question) -> None:
        raise AssertionError("there are neither agents nor checks")

    engine = Engine(core, MemoryStore(), Link(), lambda: next(ids), ask)
    thread = threading.Thread(target=engine.run)
    thread.start()
    yield engine
    engine.stop()
    thread.join()


@pytest.fixture
def url(engine: "Engine[MultiView]") -> Iterator[str]:
    app = create_multi_app(engine, {"e.pyz": b"x"}, Framework("many", "root", "ours", "zk:2181"))
    with serving(app) as at:
        yield at


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("svc.yml").write_text(SVC_YML)
    Path("main.tmpl").write_text("port=1")
    Path("svc.env").write_text("MORE=slowly\nDB_PASSWORD=x\n")

    def run(*arguments: str, typed: str = "", below: str = "") -> Result:
        runner = CliRunner(env={"HOLDFAST_URL": f"{url}{below}"})
        return runner.invoke(main, arguments, typed)

    return run


def test_who_gave_an_order_is_known_of_each_service(
    run: Run, engine: "Engine[MultiView]", tmp_path: Path
) -> None:
    assert run("service", "add", "svc.yml", "--env-file", "svc.env").exit_code == 0
    tokens = {"ann": {"sha256": digest_of("token-of-ann"), "role": "operator"}}
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"tokens": tokens}))
    app = create_multi_app(
        engine, {}, Framework("many", "root", "ours", "zk:2181"), credentials=CredentialsFile(file)
    )
    with TestClient(app) as client:
        path = "/v1/service/team.web/plans/deploy/interrupt"
        assert client.post(path).status_code == 401
        ann = {"Authorization": "Bearer token-of-ann"}
        assert client.post(path, headers=ann).status_code == 200
    given = engine.events_of("/team/web").after(0, (Kind.COMMAND,))[-1]
    assert (given.what, given.by) == ("plan interrupt deploy", "ann")


def test_add_list_update_remove(run: Run, engine: "Engine[MultiView]") -> None:
    assert "no service yet" in run("service", "list").output
    added = run("service", "add", "svc.yml", "--env-file", "svc.env")
    assert added.exit_code == 0, added.output
    assert "/team/web is added" in added.output
    assert "/team/web" in run("service", "list").output
    spec = engine.view.services["/team/web"].service
    assert spec.pods[0].tasks[0].cmd == "run slowly"
    assert spec.pods[0].tasks[0].configs[0].content == "port=1"
    assert spec.principal == "ours"
    assert run("service", "add", "svc.yml").exit_code == 5
    Path("svc.env").write_text("MORE=faster\n")
    assert run("service", "update", "svc.yml", "--env-file", "svc.env").exit_code == 0
    spec = engine.view.services["/team/web"].service
    assert spec.pods[0].tasks[0].cmd == "run faster"
    assert run("service", "remove", "/team/web", typed="web\n").exit_code == 1
    assert engine.view.services["/team/web"].uninstalling is None
    removed = run("service", "remove", "/team/web", typed="/team/web\n")
    assert removed.exit_code == 0, removed.output
    assert "are not touched" in removed.output


def test_orders_for_one_service_go_to_its_path(run: Run) -> None:
    assert run("service", "add", "svc.yml").exit_code == 0
    shown = run("plan", "show", "deploy", below="/v1/service/team__web")
    assert shown.exit_code == 0, shown.output
    assert "node-0" in shown.output
    nobody = run("plan", "show", "deploy", below="/v1/service/team.wob")
    assert nobody.exit_code == 4
    assert "There is no service 'team.wob'. Did you mean '/team/web'?" in nobody.stderr
    listed = run("events", "--json", below="/v1/service/team.web")
    assert "service add" in listed.output


@pytest.mark.parametrize(
    "command",
    ["pod status", "explain", "volumes list", "recover", "plan list", "plan show deploy"],
)
def test_what_a_service_has_is_not_looked_for_at_the_framework(run: Run, command: str) -> None:
    none = run(*command.split())
    assert none.exit_code == 4
    assert "a framework of many services" in none.stderr
    assert "there is none yet" in none.stderr
    assert run("service", "add", "svc.yml").exit_code == 0
    one = run(*command.split())
    assert one.exit_code == 4
    assert "HOLDFAST_URL" in one.stderr
    assert "/v1/service/NAME; there are: team__web." in one.stderr
    below = run(*command.split(), below="/v1/service/team__web")
    assert below.exit_code == 0, below.output


@pytest.mark.parametrize("verb", ["update", "remove"])
def test_an_unknown_service_is_answered_with_the_nearest(run: Run, verb: str) -> None:
    assert run("service", "add", "svc.yml").exit_code == 0
    Path("svc.yml").write_text(SVC_YML.replace("/team/web", "/team/wob"))
    wrong = run("service", verb, "svc.yml" if verb == "update" else "team/wob")
    assert wrong.exit_code == 4
    assert "Did you mean '/team/web'?" in wrong.stderr


def test_all_that_can_be_seen_of_a_single_service_is_below_its_path(run: Run, url: str) -> None:
    """Failures, explanations, maintenance, orphans, volumes and the rest."""
    import requests

    assert run("service", "add", "svc.yml").exit_code == 0
    base = f"{url}/v1/service/team__web"
    document = requests.get(f"{base}/openapi.json", timeout=5).json()
    paths = [
        path
        for path, operations in document["paths"].items()
        if "get" in operations and "{" not in path and not path.endswith("/stream")
    ]
    assert len(paths) > 20
    for path in paths:
        answer = requests.get(f"{base}{path}", params={"hosts": "h"}, timeout=5)
        # Without a master there is no framework id, and nobody knows of orphans.
        allowed = {
            "/v1/health": 503,
            "/v1/orphans": 503,
            "/v1/plan": 202,
            "/v1/state/frameworkId": 404,
        }
        assert answer.status_code == allowed.get(path, 200), (path, answer.text)


def test_what_is_wrong_is_told(run: Run, engine: "Engine[MultiView]") -> None:
    assert run("service", "update", "svc.yml").exit_code == 4
    Path("svc.yml").write_text("name: web\npods: {}\n")
    assert run("service", "add", "svc.yml").exit_code == 9
    assert run("service", "remove", "web", "--yes-uninstall", "web").exit_code == 4
    assert engine.view.services == {}


def test_passwords_are_not_shown(run: Run, url: str, engine: "Engine[MultiView]") -> None:
    import requests

    assert run("service", "add", "svc.yml", "--env-file", "svc.env").exit_code == 0
    shown = requests.get(f"{url}/v1/multi/team__web", timeout=5).json()
    assert shown["environment"]["DB_PASSWORD"] == "(not shown)"
    assert shown["environment"]["MORE"] == "slowly"
    assert shown["files"] == ["main.tmpl"]
    assert requests.get(f"{url}/v1/health", timeout=5).status_code == 503
    assert requests.get(f"{url}/", timeout=5).text.count("/team/web") == 1
    assert "node" in requests.get(f"{url}/v1/service/team__web/", timeout=5).text
    assert requests.get(f"{url}/v1/artifacts/e.pyz", timeout=5).content == b"x"
    page = requests.get(f"{url}/v1/service/team__web/v1/plans", timeout=5)
    assert page.json() == requests.get(f"{url}/v1/service/team__web/plans", timeout=5).json()
    engine.post(ev.Tick())
