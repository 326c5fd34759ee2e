"""What definitions of dcos-commons have and is let pass, with a remark where it may surprise."""

import pytest

from holdfast.service.model import IpcMode
from holdfast.service.problems import Problem
from tests.unit.service.definitions import TASK, definition, model, only, read

TWO_TASKS = """\
name: data
pods:
  node:
    count: 1
    {pod}
    tasks:
      one: {{goal: RUNNING, cmd: run, cpus: 0.1, memory: 32, {one}}}
      two: {{goal: ONCE, cmd: run, cpus: 0.1, memory: 32, {two}}}
"""


def remarks(text: str) -> list[tuple[str, str]]:
    """The remarks on a definition that is accepted."""
    found: list[Problem] = []
    read(text, warnings=found)
    return [(problem.path, problem.message) for problem in found]


@pytest.mark.parametrize(
    ("pod", "key", "message"),
    [
        ("user: nobody", "user", "all pods run as `scheduler.user`"),
        ("container: {networks: {dcos: {}}}", "container", "are keys of the pod itself"),
        ("zzz: [1, 2]", "zzz", "unknown key, which is ignored"),
    ],
)
def test_a_pod_may_have_keys_of_others(pod: str, key: str, message: str) -> None:
    ((path, found),) = remarks(definition(pod=pod))
    assert path == f"pods.node.{key}"
    assert message in found
    assert model(definition(pod=pod)) == model(definition())


@pytest.mark.parametrize("dest", ["../beside/app.conf", "/etc/app.conf"])
def test_a_config_may_be_outside_of_the_sandbox(dest: str) -> None:
    text = definition(f"configs: {{c: {{template: app.conf, dest: {dest}}}}}")
    ((path, found),) = remarks(text)
    assert path == f"{TASK}.configs.c.dest"
    assert found == f"'{dest}' is outside of the sandbox, and stays when the task ends"
    with_image = text.replace("count: 2", "count: 2\n    image: ubuntu")
    path, found = only(with_image)
    assert path == f"{TASK}.configs.c.dest"
    assert f"expected a path inside the sandbox, found '{dest}'" in found


@pytest.mark.parametrize("dest", ["conf/app.conf", "./conf/../app.conf", "..app.conf"])
def test_a_config_in_the_sandbox_needs_no_remark(dest: str) -> None:
    assert remarks(definition(f"configs: {{c: {{template: app.conf, dest: {dest}}}}}")) == []


@pytest.mark.parametrize(
    ("pod", "one", "two", "ipc"),
    [
        ("", "ipc-mode: PRIVATE", "essential: true", (IpcMode.PRIVATE, None)),
        ("", "shm-size: 64", "shm-size: 32", (IpcMode.PRIVATE, 96)),
        ("shm-size: 128", "shm-size: 64", "ipc-mode: SHARE_PARENT", (IpcMode.PRIVATE, 192)),
        ("ipc-mode: PRIVATE", "shm-size: 64", "ipc-mode: PRIVATE", (IpcMode.PRIVATE, 64)),
    ],
)
def test_tasks_share_one_dev_shm_as_large_as_all_ask_for(
    pod: str, one: str, two: str, ipc: tuple[IpcMode, int | None]
) -> None:
    text = TWO_TASKS.format(pod=pod, one=one, two=two)
    assert model(text).pod("node").ipc == ipc
    assert all("share System V IPC and one /dev/shm" in message for _, message in remarks(text))
    assert remarks(text)[0][0].startswith("pods.node.tasks.one.")


def test_tasks_may_share_a_certificate() -> None:
    entry = "transport-encryption: [{name: node, type: KEYSTORE}]"
    text = TWO_TASKS.format(pod="", one=entry, two=entry)
    assert remarks(text) == []
    assert [task.transport_encryption for task in read(text).pods[0].tasks] == 2 * [
        model(text).pods[0].tasks[0].transport_encryption
    ]
