"""`disruption-check` of a pod."""

import pytest

from holdfast.core.addresses import values
from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.disruption_section import _variables
from holdfast.service.task_env import USUAL_DOMAINS
from tests.unit.core.test_plan_engine import DATA, build, deployed, task
from tests.unit.service.definitions import definition, only, pod_of


def test_it_is_read() -> None:
    url = "https://${NODE_0_IP}:$NODE_0_PORT_HTTP/may-go?pod=$POD_INSTANCE&cost=5$$"
    text = definition(pod=f'disruption-check: {{url: "{url}"}}', task="ports: {http: {port: 0}}")
    assert pod_of(text).disruption_check == DisruptionCheck(url)
    assert pod_of(definition()).disruption_check is None


def test_a_command_is_the_shells_own_affair() -> None:
    command = 'test "$(nodes up)" -gt 2 && echo $HERE ${POD_INSTANCE%-*} $1 || exit $?'
    text = definition(pod=f"disruption-check: {{command: '{command}'}}")
    assert pod_of(text).disruption_check == DisruptionCheck(command=command)


@pytest.mark.parametrize(
    ("check", "path", "message"),
    [
        ("{}", "disruption-check", "expected either `url` or `command`, found neither"),
        ("{url: }", "disruption-check", "expected either `url` or `command`, found neither"),
        (
            "{url: 'http://a/', command: exit 0}",
            "disruption-check",
            "expected either `url` or `command`, found both",
        ),
        ("{command: ' '}", "disruption-check.command", "must not be blank"),
        ("{command: [exit, 0]}", "disruption-check.command", "expected a text, found a list"),
        ("http://a/", "disruption-check", "expected a mapping with url, command, found"),
        ("{url: ''}", "disruption-check.url", "must not be blank"),
        ("{url: coordinator/may-go}", "disruption-check.url", "expected http://host[:port]/..."),
        ("{url: 'ftp://a/'}", "disruption-check.url", "found 'ftp://a/'"),
        ("{url: 'http:///x'}", "disruption-check.url", "expected http://"),
        ("{url: 'http://a:port/'}", "disruption-check.url", "expected http://"),
        ("{url: 'http://me:secret@a/'}", "disruption-check.url", "must not have a user"),
        ("{url: 'http://a/$'}", "disruption-check.url", "a `$` stands for a variable"),
        (
            "{url: 'http://$NODE_9_IP/'}",
            "disruption-check.url",
            "there is no variable NODE_9_IP; there are those of endpoint templates, such as"
            " NODE_0_IP, and POD_INSTANCE",
        ),
        ("{url: 'http://a/', timeout: 5}", "disruption-check.timeout", "unknown key"),
    ],
)
def test_faults(check: str, path: str, message: str) -> None:
    where, said = only(definition(pod=f"disruption-check: {check}"))
    assert where == f"pods.node.{path}"
    assert message in said


def test_the_variables_that_are_accepted_are_those_there_are() -> None:
    spec = build(task("node", volumes=DATA), count=2)
    world = deployed(spec, agents=2)
    known = values(spec, world.core.ledger.pods, USUAL_DOMAINS)
    # The agents of this world have no zones.
    assert {n for n in _variables(spec.pods) if not n.endswith("_ZONE")} == {
        n for n in known if not n.endswith("_ZONE")
    }
