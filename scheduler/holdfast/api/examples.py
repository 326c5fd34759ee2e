"""An example of each shape, shown in the OpenAPI document.

None holds a null: FastAPI leaves those out.
"""

from typing import Any, get_args, get_origin

from holdfast.api import shapes

_STEP = {
    "id": "0b1f7bb5-6a0f-5f0e-9d0c-0a4f6a1c2f11",
    "status": "COMPLETE",
    "name": "hello-0:[server]",
    "message": "",
}
_PHASE = {
    "id": "b1a5f0f3-6a9b-5a1d-8a54-1f4a0c7f9d02",
    "name": "hello",
    "steps": [_STEP],
    "strategy": "serial",
    "status": "COMPLETE",
    "interrupted": False,
}
_PLAN = {
    "phases": [_PHASE],
    "errors": [],
    "strategy": "serial",
    "status": "COMPLETE",
    "interrupted": False,
}
_TASK = {
    "name": "hello-0-server",
    "id": "hello-world__hello-0-server__8e3d",
    "status": "RUNNING",
    "ready": False,
    "message": "",
}
_INSTANCE = {
    "name": "hello-0",
    "tasks": [_TASK],
    "state": "starting",
    "agent": "10.0.0.7",
    "zone": "us-west-2a",
    "reason": "it waits until its readiness check succeeds",
    "volumes": [{"id": "e19fd42d8f5b49b0", "path": "data", "size": 512.0}],
}
_VERDICT = {
    "pod": "hello-1",
    "choice": "replace",
    "reason": "agent 10.0.0.8 cannot be reached; it has been down for 1200 s by then",
    "since": 1700000000.0,
    "deadline": 1700001200.0,
}
_EXPLANATION = {
    "name": "hello-2",
    "reason": "it waits until an offer fits",
    "agents": {"10.0.0.7": "hostname: UNIQUE, taken by hello-0", "10.0.0.9": "cpus: needs 0.5"},
}
_DEBUG_PHASE = {
    "name": "hello",
    "status": "COMPLETE",
    "strategy": "serial",
    "steps": [{"name": "hello-0:[server]", "status": "COMPLETE", "errors": []}],
}

_HEALTH = {
    "service": "hello-world",
    "status": "running",
    "message": "nothing is left to do",
    "connected": True,
    "plans": {"deploy": "COMPLETE", "recovery": "COMPLETE"},
}
_HOSTED = {
    "service": "/team/web",
    "uninstall": False,
    "state": "running",
    "message": "nothing is left to do",
    "held": False,
    "path": "/v1/service/team__web/",
}

_EXAMPLES: dict[Any, Any] = {
    shapes.MessageBody: {"message": "deploy goes on"},
    shapes.PlanBody: _PLAN,
    shapes.InstanceBody: _INSTANCE,
    shapes.PodsBody: {
        "service": "hello-world",
        "pods": [{"name": "hello", "instances": [_INSTANCE]}],
    },
    shapes.TaskInfoBody: {
        "info": {"name": "hello-0-server", "taskId": {"value": _TASK["id"]}},
        "status": {"taskId": {"value": _TASK["id"]}, "state": "TASK_RUNNING", "message": ""},
    },
    shapes.CommandBody: {
        "pod": "hello-0",
        "tasks": ["hello-0-server"],
        "message": "hello-0 is being restarted on agent 10.0.0.7, on its own volumes",
    },
    shapes.EndpointBody: {
        "address": ["10.0.0.7:2379"],
        "dns": ["hello-0-server.hello-world.autoip.dcos.thisdcos.directory:2379"],
        "vip": "client.hello-world.l4lb.thisdcos.directory:2379",
    },
    shapes.RecoverBody: {
        "service": "hello-world",
        "failures": [_VERDICT],
        "actions": [{"action": "pod replace hello-1", "why": _VERDICT["reason"]}],
        "dangers": [],
        "waiting": [
            {
                "kind": "plan",
                "name": "deploy",
                "state": "WAITING",
                "reason": "by an operator",
            }
        ],
        "status": "waiting",
        "message": "waits for an operator to continue deploy",
        "retired_volumes": 1,
        "quarantined": 0,
    },
    shapes.FailuresBody: {"service": "hello-world", "failures": [_VERDICT]},
    shapes.ExplanationBody: _EXPLANATION,
    shapes.ExplanationsBody: {"service": "hello-world", "pods": [_EXPLANATION]},
    shapes.VolumeBody: {
        "id": "e19fd42d8f5b49b0",
        "state": "retired",
        "pod": "hello-0",
        "agent": "10.0.0.7",
        "path": "data",
        "size": 512.0,
        "reason": "replaced by the operator",
        "since": 1700000000.0,
        "age": 3600.0,
    },
    shapes.QuarantinedBody: {
        "id": "c0a1/cpus@5d8b-S3",
        "kind": "cpus",
        "size": 0.5,
        "agent": "10.0.0.9",
        "labels": {},
        "since": 1700000000.0,
        "age": 60.0,
    },
    shapes.OrphansBody: {
        "items": [
            {
                "name": "c0a1/cpus@5d8b-S3",
                "kind": "reservation",
                "resource": "cpus",
                "class": "forgotten",
                "agent": "10.0.0.9",
                "agent_id": "5d8b-S3",
                "size": 0.5,
                "age": 60.0,
                "labels": {"pod": "hello-0"},
                "pod": "hello-0",
                "applicable": True,
                "hint": "`holdfast orphans --apply` with its name",
            }
        ],
        "silent": ["10.0.0.12"],
    },
    shapes.CertificatesBody: {
        "authority": {"id": "5f0e9d0c0a4f6a1c", "expires": 2000000000.0, "stage": "alone"},
        "certificates": [
            {
                "pod": "hello-0",
                "task": "server",
                "expires": 1800000000.0,
                "authority": "5f0e9d0c0a4f6a1c",
                "current": True,
            }
        ],
    },
    shapes.RetiredBody: {
        "reservation": "3f0c5a0e7d1b4c6f",
        "pod": "hello-1",
        "agent": "10.0.0.9",
        "volumes": ["7d1b4c6f3f0c5a0e"],
        "reason": "replaced by the operator",
        "since": 1700000000.0,
    },
    shapes.UninstallBody: {
        "service": "hello-world",
        "state": "under-way",
        "since": 1700000000.0,
        "forgotten": [
            {
                "pod": "hello-1",
                "agent": "10.0.0.9",
                "volumes": ["7d1b4c6f3f0c5a0e"],
                "at": 1700000600.0,
            }
        ],
        "left": [{"id": "c0a1/cpus@5d8b-S3", "kind": "cpus", "size": 0.5, "agent": "10.0.0.9"}],
    },
    shapes.MaintenanceBody: {
        "hosts": [{"host": "10.0.0.7", "since": 1700000000.0, "pods": ["hello-0"], "running": []}],
        "windows": [
            {
                "host": "10.0.0.9",
                "agent": "5d8b-S3",
                "start": 1700003600.0,
                "end": 1700007200.0,
                "accepted": True,
                "reason": "",
            }
        ],
        "drained": [{"host": "10.0.0.8", "pods": ["hello-1"]}],
    },
    shapes.MaintenanceCheckBody: {
        "hosts": ["10.0.0.9"],
        "safe": False,
        "pods": ["hello-1"],
        "down": ["hello-0"],
        "problems": [
            "at most 1 of hello may be down at a time (max-unavailable);"
            " hello-0 is down or about to be, and hello-1 would go down"
        ],
        "unknown": [],
        "unasked": [],
    },
    shapes.MaintenancePlanBody: {
        "batches": [
            {"hosts": ["10.0.0.7"], "pods": ["hello-0"]},
            {"hosts": ["10.0.0.9"], "pods": ["hello-1"]},
        ],
        "waits_for": [],
        "never": {},
    },
    shapes.HealthBody: _HEALTH,
    shapes.HostedBody: _HOSTED,
    shapes.HostedInFullBody: {
        **_HOSTED,
        "yaml": "name: /team/web\npods: ...",
        "environment": {"NODE_COUNT": "3"},
        "files": ["web.conf.mustache"],
    },
    shapes.FrameworkHealthBody: {"connected": True, "services": [_HEALTH]},
    shapes.DebugPlansBody | shapes.InvalidInputBody: {
        "schedulerState": "DEPLOYED",
        "activePlans": [],
        "plans": [
            {
                "name": "deploy",
                "status": "COMPLETE",
                "strategy": "serial",
                "phases": [_DEBUG_PHASE],
                "totalSteps": 1,
                "completedSteps": 1,
            }
        ],
        "serviceTopology": [
            {
                "name": "deploy",
                "type": "plan",
                "children": [
                    {
                        "name": "hello",
                        "type": "phase",
                        "children": [{"name": "hello-0:[server]", "type": "step", "children": []}],
                    }
                ],
            }
        ],
    },
    shapes.DebugStatusPlanBody: {
        "name": "deploy",
        "phases": [
            {
                "name": "hello",
                "steps": [
                    {
                        "name": "hello-0:[server]",
                        "taskStatus": [
                            {
                                "name": "hello-0-server",
                                "taskStatus": "TASK_RUNNING",
                                "taskId": _TASK["id"],
                            }
                        ],
                    }
                ],
            }
        ],
    },
    shapes.DebugOffersBody: {
        "acceptedCount": 3,
        "rejectedCount": 12,
        "failureReasons": {"hostname": 1},
        "rejectedAgents": {"10.0.0.7": 1},
        "offers": [
            {
                "timestamp": 1700000000000,
                "pod-instance-name": "hello-2",
                "outcome": "fail",
                "explanation": ["hostname: UNIQUE, taken by hello-0"],
                "offer": "10.0.0.7",
            }
        ],
    },
    shapes.EventsBody: {
        "events": [
            {
                "id": 1700000000000,
                "at": 1700000000.0,
                "time": "2023-11-14T22:13:20.000+00:00",
                "kind": "command",
                "text": "hello-0 is being restarted on agent 10.0.0.7, on its own volumes",
                "by": "ann",
                "what": "pod restart hello-0",
                "status": 200,
            }
        ],
        "next": 1700000000000,
    },
    shapes.DecisionBody: {"at": 1700000000.0, "text": "operator: pod restart hello-0"},
    shapes.MetricsBody: {
        "version": "4.0.0",
        "gauges": {"is_suppressed": {"value": False}, "plan_status.deploy": {"value": 0}},
        "counters": {"offers.received": {"count": 7}},
        "histograms": {},
        "meters": {},
        "timers": {"offers.process": {"count": 7, "mean": 0.004, "duration_units": "seconds"}},
    },
}


def of(shape: Any) -> Any:
    """The example of a shape, or of a list of it. KeyError when there is none."""
    if get_origin(shape) is list:
        return [of(*get_args(shape))]
    return _EXAMPLES[shape]
