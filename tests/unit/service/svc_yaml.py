"""A model written as svc.yml, the opposite of what the program does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from holdfast.service.disruption_model import DisruptionCheck
from holdfast.service.failure_model import ReplacementPolicy
from holdfast.service.model import (
    PhaseSpec,
    PlanSpec,
    PodSpec,
    PortSpec,
    ResourceSetSpec,
    SecretSpec,
    ServiceSpec,
    TaskSpec,
    VolumeSpec,
)

Yaml = dict[str, Any]


def to_yaml(spec: ServiceSpec) -> str:
    """The text of svc.yml that says `spec`."""
    pods = {pod.type: _pod(pod) for pod in spec.pods}
    # The policy of all pods is what those have that name none themselves.
    policy = next((pod.replacement for pod in spec.pods if pod.replacement), None)
    for pod in spec.pods:
        if pod.replacement == policy:
            del pods[pod.type]["replacement-failure-policy"]
    document = {
        "name": spec.name,
        "web-url": spec.web_url,
        "scheduler": {
            "principal": spec.principal,
            "user": spec.user,
            "zookeeper": spec.zookeeper,
        },
        "pods": pods,
        "plans": {plan.name: _plan(plan) for plan in (*spec.plans, spec.deploy)},
        "endpoints": {
            each.name: {
                "pod": each.pod,
                "count": each.count,
                "port": each.port,
                "template": each.template,
            }
            for each in spec.endpoints
        },
        "validation": [
            {
                "path": each.path,
                "message": each.message,
                "unchanged": each.unchanged,
                "only-grows": each.only_grows,
                "matches": each.matches,
                "one-of": list(each.one_of),
                "at-least": each.at_least,
                "at-most": each.at_most,
            }
            for each in spec.validation
        ],
        "replacement-failure-policy": _replacement(policy),
        "disaster": {
            "lost-pods-percent": spec.disaster.pods_percent,
            "lost-agents": spec.disaster.agents,
            "window-secs": spec.disaster.window,
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _pod(pod: PodSpec) -> Yaml:
    return {
        "count": pod.count,
        "placement": json.dumps([[c.field, c.operator, c.parameter] for c in pod.placement]),
        "max-unavailable": pod.max_unavailable,
        "allow-decommission": pod.allow_decommission,
        "uris": list(pod.uris),
        "rlimits": {r.name: {"soft": r.soft, "hard": r.hard} for r in pod.rlimits},
        "image": pod.image,
        "networks": {
            network.name: {
                "host-ports": list(network.host_ports),
                "container-ports": list(network.container_ports),
                "labels": _pairs(network.labels, ":", ","),
            }
            for network in pod.networks
        },
        "volumes": _volumes(pod.shared_volumes),
        "resource-sets": {each.id: _resources(each) for each in pod.resource_sets},
        "pre-reserved-role": pod.pre_reserved_role,
        "secrets": {secret.name: _secret(secret) for secret in pod.secrets},
        "host-volumes": {
            v.name: {
                "host-path": v.host_path,
                "container-path": v.container_path,
                "mode": str(v.mode),
            }
            for v in pod.host_volumes
        },
        "external-volumes": {
            v.name: {
                "type": "DOCKER",
                "driver-name": v.driver_name,
                "driver-options": _pairs(v.driver_options, "=", ";"),
                "volume-name": v.volume_name,
                "volume-mode": str(v.mode or ""),
                "container-path": v.container_path,
            }
            for v in pod.external_volumes
        },
        "share-pid-namespace": pod.share_pid_namespace,
        "seccomp-unconfined": pod.seccomp.unconfined,
        "seccomp-profile-name": pod.seccomp.profile,
        "ipc-mode": _name(pod.ipc_mode),
        "shm-size": pod.shm_size_mb,
        "hooks": {
            name: {"cmd": hook.cmd, "timeout": hook.timeout}
            for name, hook in (("create", pod.hooks.create), ("replace", pod.hooks.replace))
            if hook
        },
        "tasks": {task.name: _task(pod, task) for task in pod.tasks},
        "after-replace": [
            {"restart": each.restart, "index-below": each.index_below} for each in pod.after_replace
        ],
        "replacement-failure-policy": _replacement(pod.replacement) or "none",
        "disruption-check": _disruption_check(pod.disruption_check),
    }


def _disruption_check(check: DisruptionCheck | None) -> Yaml | None:
    if check is None:
        return None
    return {"command": check.command} if check.command else {"url": check.url}


def _replacement(policy: ReplacementPolicy | None) -> Yaml | None:
    if policy is None:
        return None
    return {
        "permanent-failure-timeout-secs": policy.timeout,
        "min-replace-delay-secs": policy.delay,
        "max-replacements-per-hour": policy.per_hour,
    }


def _task(pod: PodSpec, task: TaskSpec) -> Yaml:
    health, ready = task.health_check, task.readiness_check
    own = {"resource-set": task.resource_set} if task.resource_set else {}
    return {
        **(own or _resources(pod.resources(task))),
        "goal": str(task.goal),
        "cmd": task.cmd,
        "env": dict(task.env),
        "essential": task.essential,
        "labels": _pairs(task.labels, ":", ","),
        "configs": {c.name: {"template": c.template, "dest": c.dest} for c in task.configs},
        "health-check": health
        and {
            "cmd": health.cmd,
            "interval": health.interval,
            "grace-period": health.grace_period,
            "max-consecutive-failures": health.max_consecutive_failures,
            "delay": health.delay,
            "timeout": health.timeout,
        },
        "readiness-check": ready
        and {
            "cmd": ready.cmd,
            "interval": ready.interval,
            "delay": ready.delay,
            "timeout": ready.timeout,
        },
        "kill-grace-period": task.kill_grace_period,
        "discovery": task.discovery
        and {"prefix": task.discovery.prefix, "visibility": str(task.discovery.visibility)},
        "transport-encryption": [
            {"name": each.name, "type": str(each.type)} for each in task.transport_encryption
        ],
        "ipc-mode": _name(task.ipc_mode),
        "shm-size": task.shm_size_mb,
    }


def _resources(resources: ResourceSetSpec) -> Yaml:
    return {
        "cpus": resources.cpus or None,
        "gpus": resources.gpus,
        "memory": resources.memory_mb or None,
        "resource-limits": {
            "cpus": resources.limits.cpus,
            "memory": resources.limits.memory_mb,
        },
        "ports": {port.name: _port(port) for port in resources.ports},
        "volumes": _volumes(resources.volumes),
    }


def _port(port: PortSpec) -> Yaml:
    return {
        "port": port.port,
        "env-key": port.env_key,
        "advertise": port.advertise,
        "vip": port.vip and {"prefix": port.vip.prefix, "port": port.vip.port},
        "ranges": [{"begin": each.begin, "end": each.end} for each in port.ranges],
    }


def _volumes(volumes: Iterable[VolumeSpec]) -> Yaml:
    return {
        f"volume-{number}": {
            "path": volume.path,
            "type": str(volume.kind),
            "size": volume.size_mb,
            "profiles": list(volume.profiles),
        }
        for number, volume in enumerate(volumes)
    }


def _secret(secret: SecretSpec) -> Yaml:
    return {"secret": secret.secret, "env-key": secret.env_key, "file": secret.file}


def _plan(plan: PlanSpec) -> Yaml:
    return {
        "strategy": str(plan.strategy),
        "phases": {phase.name: _phase(phase) for phase in plan.phases},
    }


def _phase(phase: PhaseSpec) -> Yaml:
    return {
        "pod": phase.pod,
        "strategy": str(phase.strategy),
        "order": "reverse" if phase.reverse else "forward",
        "steps": [
            {("default" if each.instance is None else each.instance): [list(s) for s in each.steps]}
            for each in phase.steps
        ],
    }


def _pairs(pairs: Mapping[str, str], equals: str, separator: str) -> str:
    return separator.join(f"{key}{equals}{value}" for key, value in pairs.items())


def _name(value: object) -> str | None:
    return None if value is None else str(value)
