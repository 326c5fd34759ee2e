"""The keys of svc.yml.

The format is that of dcos-commons (its `Raw*Spec` classes), with `endpoints`, `validation`,
`hooks`, `after-replace`, `max-unavailable`, `disruption-check`, `replacement-failure-policy`,
`disaster`, the `order` of phases and volumes of type PATH added beside it. Keys read here that the
rest of the program cannot carry out yet are refused by `holdfast.service.support`, after reading.
"""

from holdfast.service.section import Keys

SERVICE = Keys(
    (
        *("name", "web-url", "scheduler", "pods", "plans", "endpoints", "validation"),
        *("replacement-failure-policy", "disaster"),
    )
)
SCHEDULER = Keys(("principal", "user", "zookeeper"))
ENDPOINT = Keys(("pod", "count", "port", "template"))
RULE_KINDS = ("unchanged", "only-grows", "matches", "one-of", "at-least", "at-most")
RULE = Keys(("path", "message", *RULE_KINDS))

# dcos-commons ignores unknown keys directly in a pod (and nowhere else), and definitions rely on
# it. Those that look like a known one are refused: a misspelt `placement` that is ignored puts all
# copies of the data on one agent.
POD = Keys(
    (
        *("count", "placement", "max-unavailable", "allow-decommission", "uris", "rlimits"),
        *("image", "networks", "volume", "volumes", "host-volumes", "external-volumes"),
        *("secrets", "resource-sets", "pre-reserved-role", "share-pid-namespace"),
        *("seccomp-unconfined", "seccomp-profile-name", "ipc-mode", "shm-size"),
        *("tasks", "hooks", "after-replace", "replacement-failure-policy", "disruption-check"),
    ),
    ignored={
        "user": "is ignored: all pods run as `scheduler.user`; set that, and remove the key",
        "container": "is ignored: `image`, `networks` and `rlimits` are keys of the pod itself; "
        "put there what is meant to hold",
    },
)
REPLACEMENT = Keys(
    ("permanent-failure-timeout-secs", "min-replace-delay-secs", "max-replacements-per-hour")
)
DISASTER = Keys(("lost-pods-percent", "lost-agents", "window-secs"))
DISRUPTION_CHECK = Keys(("url", "command"))
HOOKS = Keys(("create", "replace"))
HOOK = Keys(("cmd", "timeout"))
AFTER_REPLACE = Keys(("restart", "index-below"))
RLIMIT = Keys(("soft", "hard"))
NETWORK = Keys(("host-ports", "container-ports", "labels"))
SECRET = Keys(("secret", "env-key", "file"))
HOST_VOLUME = Keys(("host-path", "container-path", "mode"))
EXTERNAL_VOLUME = Keys(
    (
        *("type", "volume-name", "volume-mode", "driver-name", "driver-options"),
        "container-path",
    )
)

_RESOURCES = ("cpus", "gpus", "memory", "resource-limits", "ports", "volume", "volumes")
RESOURCE_SET = Keys(_RESOURCES)
TASK = Keys(
    (
        *("goal", "cmd", "env", "essential", "resource-set", *_RESOURCES),
        *("configs", "health-check", "readiness-check", "kill-grace-period", "labels"),
        *("discovery", "transport-encryption", "ipc-mode", "shm-size"),
    )
)
PORT = Keys(("port", "env-key", "advertise", "vip", "ranges"))
VIP = Keys(("port", "prefix"))
RANGE = Keys(("begin", "end"))
VOLUME = Keys(("path", "type", "size", "profiles"))
LIMITS = Keys(("cpus", "memory"))
CONFIG = Keys(("template", "dest"))
HEALTH_CHECK = Keys(
    ("cmd", "interval", "grace-period", "max-consecutive-failures", "delay", "timeout")
)
READINESS_CHECK = Keys(("cmd", "interval", "delay", "timeout"))
DISCOVERY = Keys(("prefix", "visibility"))
TRANSPORT_ENCRYPTION = Keys(("name", "type"))

PLAN = Keys(("strategy", "phases"))
PHASE = Keys(("strategy", "pod", "steps", "order"))
PLAN_STRATEGIES = ("serial", "parallel")
ORDERS = ("forward", "reverse")
PHASE_STRATEGIES = ("serial", "parallel", "serial-canary", "canary", "parallel-canary")

# mesos.proto, RLimitInfo.RLimit.Type, with RLMT_ spelt RLIMIT_.
_RLIMIT_TYPES = (
    *("AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE"),
    *("NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"),
)
RLIMITS = tuple(f"RLIMIT_{name}" for name in _RLIMIT_TYPES)
