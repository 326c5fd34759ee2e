"""The keys of svc.yml: which are read, and which are known but refused by this version.

The format is that of dcos-commons (its `Raw*Spec` classes), with `hooks` added beside it. A key
that is refused says what to do instead; one with a value that asks for nothing is let pass,
because existing definitions are full of empty `secrets:` and `networks:`.
"""

from holdfast.service.section import Keys, Unsupported

_HOST = "pods run in the agent's own namespaces; remove the key"

SERVICE = Keys(("name", "web-url", "scheduler", "pods", "plans"), {})
SCHEDULER = Keys(("principal", "user", "zookeeper"), {})

# dcos-commons ignores unknown keys directly in a pod (and nowhere else). They are refused here: a
# misspelt `placement` or `count` that is ignored puts all copies of the data on one agent.
POD = Keys(
    ("count", "placement", "uris", "rlimits", "tasks", "hooks"),
    {
        "allow-decommission": Unsupported(
            "instances cannot be taken away yet; remove the key", ("false", "0")
        ),
        "image": Unsupported(
            "tasks use the agent's file system; install the software on the agents or fetch it "
            "with `uris`"
        ),
        "networks": Unsupported("pods use the agent's network; remove the key"),
        "secrets": Unsupported("bring secrets to the agents as files, outside of this definition"),
        "resource-sets": Unsupported("give each task its own cpus, memory, ports and volumes"),
        "pre-reserved-role": Unsupported(
            "resources are reserved as they are offered; remove the key", ("*",)
        ),
        "share-pid-namespace": Unsupported(_HOST, ("false", "0")),
        "host-volumes": Unsupported("use a volume of type ROOT in a task"),
        "external-volumes": Unsupported("use a volume of type ROOT in a task"),
        "seccomp-unconfined": Unsupported(_HOST, ("false", "0")),
        "seccomp-profile-name": Unsupported(_HOST),
        "ipc-mode": Unsupported(_HOST),
        "shm-size": Unsupported(_HOST),
        "user": Unsupported("all pods run as `scheduler.user`; set that and remove the key"),
        "volume": Unsupported("move the volume into the task that uses it"),
        "volumes": Unsupported("move the volumes into the tasks that use them"),
    },
)

HOOKS = Keys(("create", "replace"), {})
HOOK = Keys(("cmd", "timeout"), {})
RLIMIT = Keys(("soft", "hard"), {})

TASK = Keys(
    (
        "goal",
        "cmd",
        "env",
        "cpus",
        "memory",
        "ports",
        "volume",
        "volumes",
        "configs",
        "health-check",
        "readiness-check",
        "kill-grace-period",
    ),
    {
        "essential": Unsupported(
            "the failure of any task of a pod restarts the pod; remove the key", ("true", "1")
        ),
        "gpus": Unsupported("remove the key", ("0", "0.0")),
        "labels": Unsupported("remove the key", ("",)),
        "resource-limits": Unsupported("tasks get what `cpus` and `memory` say; remove the key"),
        "resource-set": Unsupported("put cpus, memory, ports and volumes into the task", ("",)),
        "discovery": Unsupported("endpoints are named by their ports; remove the key"),
        "transport-encryption": Unsupported("bring keys and certificates to the agents as files"),
        "ipc-mode": Unsupported(_HOST),
        "shm-size": Unsupported(_HOST),
    },
)

PORT = Keys(
    ("port", "env-key", "advertise"),
    {
        "vip": Unsupported("clients use the advertised endpoints; remove the key"),
        "ranges": Unsupported("give one port, or 0 for any free one"),
    },
)
VOLUME = Keys(
    ("path", "type", "size"), {"profiles": Unsupported("profiles are of MOUNT disks; remove it")}
)
CONFIG = Keys(("template", "dest"), {})
HEALTH_CHECK = Keys(
    ("cmd", "interval", "grace-period", "max-consecutive-failures", "delay", "timeout"), {}
)
READINESS_CHECK = Keys(("cmd", "interval", "delay", "timeout"), {})

PLAN = Keys(("strategy", "phases"), {})
PHASE = Keys(
    ("strategy", "pod"),
    {"steps": Unsupported("each pod instance is one step with all its tasks; remove the key")},
)

STRATEGIES = ("serial", "parallel")
CANARY_STRATEGIES = ("canary", "serial-canary", "parallel-canary")

# mesos.proto, RLimitInfo.RLimit.Type, with RLMT_ spelt RLIMIT_.
_RLIMIT_TYPES = (
    *("AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE"),
    *("NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"),
)
RLIMITS = tuple(f"RLIMIT_{name}" for name in _RLIMIT_TYPES)
