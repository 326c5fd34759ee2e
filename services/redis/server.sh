#!/bin/sh
# One Redis on the volume ./data. Usage: sh server.sh run|alive|ready
#
#   run      the server itself
#   alive    health check; ready: readiness check

set -u

FILES=data/appendonlydir   # Redis' own
SERVED=data/served         # this volume has served clients

fail() { echo "server.sh: ${POD_INSTANCE:?}: $*" >&2; exit 1; }
ctl() { redis-cli -h "${MESOS_CONTAINER_IP:?}" -p "${REDIS_PORT:?}" --no-auth-warning "$@"; }

run() {
    # Redis would start empty, and what clients were promised would be gone without a word.
    [ ! -f "$SERVED" ] || [ -d "$FILES" ] || fail "the append-only files of Redis are gone from" \
        "the volume. Nothing was started. Restore data/appendonlydir from a backup, or replace" \
        "the pod to begin empty."
    # Half for the data; a rewrite of the append-only file may need as much again for a while.
    exec redis-server ./redis.conf --maxmemory "$((${MEMORY_MB:?} / 2))mb"
}

alive() { [ -n "$(ctl ping)" ]; }

ready() {
    [ "$(ctl ping)" = PONG ] || exit 1
    [ -f "$SERVED" ] || : >"$SERVED"
}

case "${1:-}" in
run | alive | ready) "$1" ;;
*) fail "usage: sh server.sh run|alive|ready" ;;
esac
