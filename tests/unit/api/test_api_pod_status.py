"""The answer of `/v1/pod/status`: what is kept of it from one picture to the next."""

import json
from dataclasses import replace
from typing import Any

import pytest

from holdfast.api import pod_status, shapes
from holdfast.api.answers import as_json
from holdfast.api.pod_status import PodStatus
from holdfast.api.pods import instance_body
from holdfast.core.view import Explanation, View
from holdfast.mesos.messages import TaskState

from .pictures import pod, task, well
from .test_api_routes import checked


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The instances that were put into words."""
    names: list[str] = []

    def noted(view: View, name: str) -> Any:
        names.append(name)
        return instance_body(view, name)

    monkeypatch.setattr(pod_status, "instance_body", noted)
    return names


def test_it_is_written_as_all_answers_are() -> None:
    view = replace(well(), pods={**well().pods, "old-7": replace(pod(0), type="old", index=7)})
    content = PodStatus().content(view)
    body = checked(shapes.PodsBody, json.loads(content))
    assert as_json(body).body == content
    assert body == {
        "service": view.service.name,
        "pods": [
            {"name": "etcd", "instances": [instance_body(view, f"etcd-{n}") for n in range(3)]},
            {"name": "old", "instances": [instance_body(view, "old-7")]},
        ],
    }


def test_a_text_with_lines_and_quotes_stays_what_it_is() -> None:
    text = 'a "line"\nand another\\n'
    view = replace(well(), pods={"etcd-0": pod(0, task(message=text))})
    first = json.loads(PodStatus().content(view))["pods"][0]["instances"][0]
    assert first["tasks"][0]["message"] == text


def test_one_picture_is_looked_at_once(looked_at: list[str]) -> None:
    status, view = PodStatus(), well()
    assert status.content(view) is status.content(view)
    assert looked_at == ["etcd-0", "etcd-1", "etcd-2"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"pods": {**well().pods, "etcd-1": pod(1, task(TaskState.LOST))}}, ["etcd-1"]),
        ({"paused": {"etcd-1": frozenset({"node"})}}, ["etcd-1"]),
        ({"explanations": {"etcd-2": Explanation("other", {})}}, ["etcd-2"]),
        ({"explanations": {}}, ["etcd-2"]),
        ({"service": replace(well().service, name="other")}, ["etcd-0", "etcd-1", "etcd-2"]),
    ],
)
def test_of_the_next_picture_only_what_changed_is(
    looked_at: list[str], changes: dict[str, Any], names: list[str]
) -> None:
    status, view = PodStatus(), well()
    status.content(view)
    looked_at.clear()
    following = replace(view, **changes)
    assert status.content(following) == PodStatus().content(following)
    kept = len(looked_at) - 3  # the other of the two looked at all
    assert looked_at[:kept] == names


def test_what_is_gone_is_forgotten(looked_at: list[str]) -> None:
    status, view = PodStatus(), well()
    status.content(view)
    assert b"volume-1" not in status.content(replace(view, pods={"etcd-0": view.pods["etcd-0"]}))
