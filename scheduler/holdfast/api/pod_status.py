"""The answer of `/v1/pod/status`, whose every asker shares the work of the one before."""

from dataclasses import dataclass

import orjson

from holdfast.api.answers import INDENTED
from holdfast.api.pods import explained, instance_body, instance_names, type_of
from holdfast.core.view import View
from holdfast.records import Pod
from holdfast.recovery.decide import Verdict
from holdfast.service.model import ServiceSpec

_DEPTH = 8
"""Spaces before an instance in the answer as a whole."""


@dataclass(frozen=True, slots=True)
class _Basis:
    """All that the part of one instance is made of."""

    pod: Pod | None
    reason: str | None
    verdict: Verdict | None

    def same_as(self, other: "_Basis") -> bool:
        return (
            self.pod is other.pod and self.reason == other.reason and self.verdict == other.verdict
        )


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
        self._instances, self._service = {}, view.service
        groups: dict[str, list[orjson.Fragment]] = {}
        for name in instance_names(view):
            basis = _Basis(view.pods.get(name), explained(view, name), view.verdicts.get(name))
            known = before.get(name)
            if known is None or not known[0].same_as(basis):
                known = basis, _fragment(view, name)
            self._instances[name] = known
            groups.setdefault(type_of(name), []).append(known[1])
        body = {
            "service": view.service.name,
            "pods": [{"name": type_, "instances": group} for type_, group in groups.items()],
        }
        return orjson.dumps(body, option=INDENTED)


def _fragment(view: View, name: str) -> orjson.Fragment:
    content = orjson.dumps(instance_body(view, name), option=orjson.OPT_INDENT_2)
    return orjson.Fragment(content.replace(b"\n", b"\n" + b" " * _DEPTH))
