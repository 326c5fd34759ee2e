"""A framework of many services at one moment, and a source that shows it and takes commands."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from holdfast.core import events as ev
from holdfast.core.events import Verb
from holdfast.core.hosted import Hosted
from holdfast.core.multi_view import MultiView
from holdfast.engine import Answer
from holdfast.eventlog import EventLog
from holdfast.framework import Framework

from .pictures import SERVICE, Reply, Source, answered, well

FRAMEWORK = Framework("many", "root", "ours", "zk:2181")
PATH = "/v1/service/team__etcd.prod"
YAML = "name: web\npods: {node: {count: 1, tasks: {server: {goal: RUNNING, cmd: run, cpus: 1}}}}"


class ManySource:
    """Shows one service, `well()`, or `view`, and records what it was given to do."""

    def __init__(self, reply: Reply | None = None, view: MultiView | None = None) -> None:
        self._one = Source(reply=reply or answered(200))
        self.commands = self._one.commands
        self.view = view or MultiView(
            "framework-1",
            True,
            {SERVICE.name: well()},
            {SERVICE.name: Hosted(SERVICE.name, YAML, {"DB_PASSWORD": "x"}, {"main.tmpl": "y"})},
            frozenset(),
        )
        self.events = self._one.events
        self.offers_timer = self._one.offers_timer
        self.given: list[ev.Command | ev.HostService] = []

    def events_of(self, service: str) -> EventLog:
        assert service == SERVICE.name
        return self.events

    def command(
        self,
        verb: Verb,
        target: str,
        phase: str | None = None,
        step: str | None = None,
        parameters: Mapping[str, str] | None = None,
        by: str = "",
        service: str = "",
    ) -> "Future[Answer]":
        assert service == SERVICE.name
        return self._one.command(verb, target, phase, step, parameters, by)

    def order(self, make: Callable[[str], ev.Command | ev.HostService]) -> "Future[Answer]":
        self.given.append(make("id"))
        future: Future[Answer] = Future()
        future.set_result(Answer(200, {"message": "added"}))
        return future
