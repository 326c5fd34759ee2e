"""The answer of `/v1/pod/status`, whose every asker shares the work of the one before."""

from itertools import groupby

import orjson

from holdfast.api.answers import INDENTED
from holdfast.api.pods import instance_body, instance_names
from holdfast.core.view import View
from holdfast.records import Pod
from holdfast.recovery.decide import Verdict
from holdfast.service.instance_names import type_of
from holdfast.service.model import ServiceSpec

_DEPTH = 8
"""Spaces before an instance in the answer as a whole."""

_Basis = tuple[Pod | None, str | None, Verdict | None, frozenset[str] | None]
"""All that the part of one instance is made of: its record, why it waits, what becomes of it, and
its paused tasks."""


class PodStatus:
    """Puts the answer together once for each picture, and anew only the instances that changed.

    To be asked by one thread. Records are immutable: what is the same object says the same.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._content = b""
        self._service: ServiceSpec | None = None
        self._instances: dict[str, tuple[_Basis, orjson.Fragment]] = {}

    def content(self, view: View) -> bytes:
        """The JSON of a PodsBody, written as all answers are."""
        if view is not self._view:
            self._content = self._assembled(view)
            self._view = view
        return self._content

    def _assembled(self, view: View) -> bytes:
        before = self._instances if view.service is self._service else {}
        pods, verdicts, paused = view.pods, view.verdicts, view.paused
        reasons = {name: known.reason for name, known in view.explanations.items()}
        instances: dict[str, tuple[_Basis, orjson.Fragment]] = {}
        for name in instance_names(view):
            basis = pods.get(name), reasons.get(name), verdicts.get(name), paused.get(name)
            known = before.get(name)
            # Of what is the same object, as most are, no values are compared.
            if known is None or known[0] != basis:
                known = basis, _fragment(view, name)
            instances[name] = known
        self._instances, self._service = instances, view.service
        groups: dict[str, list[orjson.Fragment]] = {}
        for type_, names in groupby(instances, type_of):
            groups.setdefault(type_, []).extend(instances[name][1] for name in names)
        body = {
            "service": view.service.name,
            **({"disaster": view.disaster} if view.disaster is not None else {}),
            "pods": [{"name": type_, "instances": group} for type_, group in groups.items()],
        }
        return orjson.dumps(body, option=INDENTED)


def _fragment(view: View, name: str) -> orjson.Fragment:
    content = orjson.dumps(instance_body(view, name), option=orjson.OPT_INDENT_2)
    return orjson.Fragment(content.replace(b"\n", b"\n" + b" " * _DEPTH))
