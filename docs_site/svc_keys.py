"""docs/svc-yml-keys.md: every key of svc.yml, as the reader of the file takes it.

The keys are those of `holdfast.service.vocabulary`. What a key takes, and whether it is required,
is what the reader says when the key has a value it cannot take, or is missing: nothing of it is
written here. `python -m docs_site.svc_keys` writes the page.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from holdfast.service import vocabulary as words
from holdfast.service.load import read_definition
from holdfast.service.problems import Problem, ServiceError
from holdfast.service.section import Keys

PAGE = Path(__file__).parent.parent / "docs" / "svc-yml-keys.md"

Steps = tuple[str | int, ...]
POD: Steps = ("pods", "node")
TASK: Steps = (*POD, "tasks", "server")

EXAMPLE: Mapping[str, Any] = yaml.safe_load("""
name: queue
scheduler: {user: root}
replacement-failure-policy: {min-replace-delay-secs: 1}
disaster: {lost-agents: 3}
endpoints: {seeds: {pod: node}}
validation: [{path: pods.node.count, at-least: 1}]
pods:
  node:
    count: 1
    replacement-failure-policy: {min-replace-delay-secs: 1}
    hooks: {create: {cmd: run}, replace: {cmd: run}}
    after-replace: [{restart: node}]
    disruption-check: {url: "http://a/"}
    rlimits: {RLIMIT_NOFILE: {soft: 1, hard: 2}}
    networks: {inner: {labels: "a:b"}}
    secrets: {password: {secret: a/b}}
    host-volumes: {etc: {host-path: /etc, container-path: etc}}
    external-volumes: {shared: {type: DOCKER, driver-name: d, container-path: shared}}
    resource-sets: {small: {cpus: 1, memory: 32}}
    tasks:
      server:
        goal: RUNNING
        cmd: run
        cpus: 1
        memory: 32
        volume: {path: data, type: ROOT, size: 1}
        resource-limits: {cpus: 2}
        ports: {web: {port: 0, vip: {port: 80}, ranges: [{begin: 1, end: 2}]}}
        configs: {app: {template: app.conf, dest: app.conf}}
        health-check:
          {cmd: a, interval: 1, grace-period: 1, max-consecutive-failures: 1, delay: 0, timeout: 1}
        readiness-check: {cmd: run, interval: 1, timeout: 1}
        discovery: {prefix: server}
        transport-encryption: [{name: node, type: TLS}]
plans:
  deploy: {phases: {nodes: {pod: node, steps: [default: [[server]]]}}}
""")

MAPPINGS: Sequence[tuple[str, str, Keys, Steps]] = (
    ("The service", "svc-yml.md#the-service", words.SERVICE, ()),
    ("scheduler", "svc-yml.md#the-service", words.SCHEDULER, ("scheduler",)),
    (
        "replacement-failure-policy",
        "svc-yml.md#replacement",
        words.REPLACEMENT,
        ("replacement-failure-policy",),
    ),
    ("disaster", "svc-yml.md#replacement", words.DISASTER, ("disaster",)),
    ("endpoints.*", "svc-yml.md#endpoints", words.ENDPOINT, ("endpoints", "seeds")),
    ("validation[]", "svc-yml.md#validation", words.RULE, ("validation", 0)),
    ("pods.*", "svc-yml.md#pods", words.POD, POD),
    ("pods.*.hooks", "svc-yml.md#hooks", words.HOOKS, (*POD, "hooks")),
    ("pods.*.hooks.*", "svc-yml.md#hooks", words.HOOK, (*POD, "hooks", "create")),
    (
        "pods.*.after-replace[]",
        "svc-yml.md#after-a-replacement",
        words.AFTER_REPLACE,
        (*POD, "after-replace", 0),
    ),
    (
        "pods.*.disruption-check",
        "svc-yml.md#disruption-checks",
        words.DISRUPTION_CHECK,
        (*POD, "disruption-check"),
    ),
    ("pods.*.rlimits.*", "svc-yml.md#pods", words.RLIMIT, (*POD, "rlimits", "RLIMIT_NOFILE")),
    ("pods.*.networks.*", "svc-yml.md#networks", words.NETWORK, (*POD, "networks", "inner")),
    ("pods.*.secrets.*", "svc-yml.md#secrets", words.SECRET, (*POD, "secrets", "password")),
    ("pods.*.host-volumes.*", "svc-yml.md#pods", words.HOST_VOLUME, (*POD, "host-volumes", "etc")),
    (
        "pods.*.external-volumes.*",
        "svc-yml.md#external-volumes",
        words.EXTERNAL_VOLUME,
        (*POD, "external-volumes", "shared"),
    ),
    (
        "pods.*.resource-sets.*",
        "svc-yml.md#resources",
        words.RESOURCE_SET,
        (*POD, "resource-sets", "small"),
    ),
    ("pods.*.tasks.*", "svc-yml.md#tasks", words.TASK, TASK),
    ("volume, volumes.*", "svc-yml.md#resources", words.VOLUME, (*TASK, "volume")),
    ("resource-limits", "svc-yml.md#resources", words.LIMITS, (*TASK, "resource-limits")),
    ("ports.*", "svc-yml.md#resources", words.PORT, (*TASK, "ports", "web")),
    ("ports.*.vip", "svc-yml.md#resources", words.VIP, (*TASK, "ports", "web", "vip")),
    ("ports.*.ranges[]", "svc-yml.md#resources", words.RANGE, (*TASK, "ports", "web", "ranges", 0)),
    ("configs.*", "svc-yml.md#tasks", words.CONFIG, (*TASK, "configs", "app")),
    ("health-check", "svc-yml.md#tasks", words.HEALTH_CHECK, (*TASK, "health-check")),
    ("readiness-check", "svc-yml.md#tasks", words.READINESS_CHECK, (*TASK, "readiness-check")),
    ("discovery", "svc-yml.md#tasks", words.DISCOVERY, (*TASK, "discovery")),
    (
        "transport-encryption[]",
        "svc-yml.md#transport-encryption",
        words.TRANSPORT_ENCRYPTION,
        (*TASK, "transport-encryption", 0),
    ),
    ("plans.*", "svc-yml.md#plans", words.PLAN, ("plans", "deploy")),
    ("plans.*.phases.*", "svc-yml.md#plans", words.PHASE, ("plans", "deploy", "phases", "nodes")),
)

NAMES = {"node": "the type of a pod", "small": "the name of a resource set of the pod"}
"""What is said of names that are the example's own."""

HEAD = """# All keys of svc.yml

Made by `python -m docs_site.svc_keys` from what the reader of the file accepts: what a key takes
is what it says itself. `*` stands for a name, `[]` for an item of a list. What the keys mean,
their defaults and examples are in [svc.yml](svc-yml.md).
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_table(*mapping) for mapping in MAPPINGS)


def _table(title: str, more: str, keys: Keys, at: Steps) -> str:
    shown = title if title == "The service" else f"`{title}`"
    rows = [f"\n## {shown}\n\n[More]({more})\n\n| key | takes | |\n| --- | --- | --- |\n"]
    for key in keys.allowed:
        required = any(
            re.match(r"is required|has no value", problem.message)
            for problem in _blamed(at, key, _without(at, key))
        )
        rows.append(f"| `{key}` | {_takes(at, key)} | {'required' if required else ''} |\n")
    return "".join(rows)


def _takes(at: Steps, key: str) -> str:
    # First what only free text may be, for the most that is said; then what no key may be.
    for wrong in ("wrong value!", [["wrong"]]):
        for problem in _blamed(at, key, _with(at, key, wrong)):
            found = re.search(r"expected (.+?)(?:[,;] found |$)", problem.message, re.DOTALL)
            if found:
                shown = re.sub(r"^a mapping with .*", "a mapping", found[1])
                return NAMES.get(shown, shown).replace("|", "\\|")
    raise AssertionError(f"the reader takes anything for {key!r} at {at}: give it an example")


def _blamed(at: Steps, key: str, document: Mapping[str, Any]) -> list[Problem]:
    """What is said of `key` itself when `document` is read."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*at, key))[1:]
    try:
        read_definition(
            yaml.safe_dump(document),
            source="svc.yml",
            read_template=lambda name: "text",
            environment={},
        )
    except ServiceError as error:
        return [
            problem
            for problem in error.errors
            if re.match(re.escape(path) + r"(\W|$)", problem.path)
        ]
    return []


def _with(at: Steps, key: str, value: object) -> Mapping[str, Any]:
    document = copy.deepcopy(EXAMPLE)
    _inner(document, at)[key] = value
    return document


def _without(at: Steps, key: str) -> Mapping[str, Any]:
    document = copy.deepcopy(EXAMPLE)
    _inner(document, at).pop(key, None)
    return document


def _inner(document: Any, at: Steps) -> dict[str, Any]:
    for step in at:
        document = document[step]
    inner: dict[str, Any] = document
    return inner


if __name__ == "__main__":
    PAGE.write_text(page())
