"""The API of a scheduler that stands by, made before there is an engine."""

import pytest
import requests

from holdfast.framework import Framework
from holdfast.mesos.access import Access
from holdfast.standby import Prepared
from holdfast.vitals import Vitals

from .pictures import Source
from .serving import serving

FRAMEWORK = Framework("hello", "root", "hello-principal", "zk:2181")


class Master:
    """Nobody knows where it is."""

    master_url: str | None = None


def test_it_answers_from_the_engine_that_came_later() -> None:
    prepared = Prepared(FRAMEWORK, False, Access(), None, Vitals)
    with pytest.raises(AttributeError):
        prepared.awaited.view  # noqa: B018 - nothing is made up before
    prepared.awaited.came(Source(), Master())
    with serving(prepared.app) as url:
        assert requests.get(f"{url}/v1/pod", timeout=10).json() == ["etcd-0", "etcd-1", "etcd-2"]
        archive = requests.get(f"{url}/v1/artifacts/{prepared.executor}", timeout=10)
        assert archive.status_code == 200
        assert archive.content.startswith(b"#!") or archive.content.startswith(b"PK")


def test_the_master_that_it_asks_is_the_one_of_the_engine() -> None:
    prepared = Prepared(FRAMEWORK, False, Access(), None, Vitals)
    assert prepared.awaited.master_url is None
    master = Master()
    prepared.awaited.came(Source(), master)
    master.master_url = "http://master:5050"
    assert prepared.awaited.master_url == "http://master:5050"


def test_that_of_many_services_is_made_before_there_are_any() -> None:
    assert Prepared(FRAMEWORK, True, Access(), None, Vitals).executor.endswith(".pyz")
