"""Pod instances and their tasks."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from holdfast.api.shapes import (
    ExplanationBody,
    ExplanationsBody,
    FailuresBody,
    InstanceBody,
    TaskBody,
    TaskInfoBody,
    VerdictBody,
)
from holdfast.core.confidential import certificate_expiry
from holdfast.core.pause import shown
from holdfast.core.view import View
from holdfast.mesos.messages import TaskState
from holdfast.records import Pod, Task
from holdfast.recovery.decide import Verdict
from holdfast.service.instance_names import type_of
from holdfast.service.model import PodSpec


class PodState(StrEnum):
    """A pod instance in one word."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPING = "stopping"
    UNREACHABLE = "unreachable"
    DOWN = "down"
    UNPLACED = "unplaced"


def pod_state(pod: Pod | None) -> PodState:
    """`down` is placed but without tasks that run; a finished task is well."""
    if pod is None or pod.reservation is None:
        return PodState.UNPLACED
    if any(task.uncertain for task in pod.tasks):
        return PodState.UNREACHABLE
    if pod.stopping:
        return PodState.STOPPING
    going = [task for task in pod.tasks if task.state is not TaskState.FINISHED]
    if not going and pod.tasks and pod.deployed is not None:
        return PodState.RUNNING
    if not any(task.live for task in going):
        return PodState.DOWN
    well = all(task.state is TaskState.RUNNING and task.ready for task in going)
    return PodState.RUNNING if well else PodState.STARTING


def instance_names(view: View) -> list[str]:
    """Every pod instance: those wanted, in the order of svc.yml, then those left over."""
    wanted = [f"{spec.type}-{index}" for spec, index in view.service.instances()]
    return wanted + sorted(set(view.pods) - set(wanted))


def task_names(view: View, name: str) -> list[str]:
    """The launched tasks of a pod instance, by the names Mesos knows them by."""
    pod = view.pods.get(name)
    return [f"{name}-{task.name}" for task in pod.tasks] if pod else []


def asked_task_names(view: View, name: str) -> list[str]:
    """All tasks of a pod instance, launched or not, by the names Mesos knows them by."""
    return [body["name"] for body in _tasks(view, name, view.pods.get(name))]


def instance_body(view: View, name: str) -> InstanceBody:
    pod = view.pods.get(name)
    held = pod.reservation if pod else None
    body: InstanceBody = {
        "name": name,
        "tasks": list(_tasks(view, name, pod)),
        "state": pod_state(pod).value,
        "agent": held.hostname if held else None,
        "zone": held.zone if held else None,
        "reason": explained(view, name),
        "volumes": [
            {"id": volume.id, "path": volume.path, "size": volume.size_mb}
            for volume in (held.volumes if held else ())
        ],
    }
    if name in view.verdicts:
        body["decision"] = verdict_body(view.verdicts[name])
    return body


def verdict_body(verdict: Verdict) -> VerdictBody:
    body: VerdictBody = {
        "pod": verdict.pod,
        "choice": verdict.choice.value,
        "reason": verdict.reason,
        "since": verdict.since,
    }
    if verdict.deadline is not None:
        body["deadline"] = verdict.deadline
    return body


def failures_body(view: View) -> FailuresBody:
    body: FailuresBody = {
        "service": view.service.name,
        "failures": [verdict_body(each) for each in view.verdicts.values()],
    }
    if view.disaster is not None:
        body["disaster"] = view.disaster
    return body


def explained(view: View, name: str) -> str | None:
    """Why the instance does not run as it should."""
    explanation = view.explanations.get(name)
    return explanation.reason if explanation else None


def _tasks(view: View, name: str, pod: Pod | None) -> Iterator[TaskBody]:
    spec = _spec(view, name)
    launched = {task.name: task for task in pod.tasks} if pod else {}
    pod_type = type_of(name)
    asked = [task.name for task in spec.tasks] if spec else []
    for short in [*asked, *(other for other in launched if other not in asked)]:
        body: TaskBody = {"name": f"{name}-{short}", "id": ""}
        if short in launched:
            task = launched[short]
            body["id"] = task.id
            body["status"] = task.state.removeprefix("TASK_")
            body["ready"] = task.ready
            body["message"] = task.message
            expires = certificate_expiry(view.configs, pod_type, task)
            if expires is not None and task.live:
                body["certificate_expires"] = expires
            held = short in view.paused.get(name, ())
            body["status"] = shown(task, held) or body["status"]
        yield body


def info_body(view: View, name: str) -> list[TaskInfoBody]:
    pod = view.pods.get(name)
    return [_info(view, pod, task) for task in pod.tasks] if pod else []


def _info(view: View, pod: Pod, task: Task) -> TaskInfoBody:
    held = pod.reservation
    labels = {
        "target_configuration": task.config_id,
        "task_type": pod.type,
        "index": str(pod.index),
        "offer_hostname": held.hostname if held else None,
        "offer_region": held.region if held else None,
        "offer_zone": held.zone if held else None,
    }
    agent = {"slaveId": {"value": held.agent_id}} if held else {}
    ports = held.task_ports(task.name) if held else {}
    info: dict[str, Any] = {
        "name": f"{pod.name}-{task.name}",
        "taskId": {"value": task.id},
        **agent,
        "executor": {
            "executorId": {"value": pod.executor_id},
            "name": pod.name,
            "source": view.service.name,
        },
        "labels": {
            "labels": [{"key": key, "value": value} for key, value in labels.items() if value]
        },
        "discovery": {
            "name": f"{pod.name}-{task.name}",
            "ports": {
                "ports": [{"name": port, "number": number} for port, number in ports.items()]
            },
        },
    }
    status: dict[str, Any] = {
        "taskId": {"value": task.id},
        "state": task.state.value,
        "message": task.message,
        "timestamp": task.since,
        **agent,
    }
    return {"info": info, "status": status}


def explanation_body(view: View, name: str) -> ExplanationBody:
    explanation = view.explanations.get(name)
    return {
        "name": name,
        "reason": explanation.reason if explanation else None,
        "agents": dict(explanation.agents) if explanation else {},
    }


def explanations_body(view: View) -> ExplanationsBody:
    return {
        "service": view.service.name,
        "pods": [
            explanation_body(view, name)
            for name in instance_names(view)
            if name in view.explanations
        ],
    }


def _spec(view: View, name: str) -> PodSpec | None:
    type_ = type_of(name)
    return next((spec for spec in view.service.pods if spec.type == type_), None)
