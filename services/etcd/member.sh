#!/bin/sh
# One etcd member, on the volume ./data. Usage: sh member.sh create|replace|run|alive|ready
#
#   create   hook of a first instance: etcd-0 starts the cluster, every other one joins its peers
#   replace  hook of an instance that takes over from a lost one: always joins, never starts a
#            cluster, so that an unreachable cluster is not mistaken for one that has no data
#   run      the member itself
#   alive    health check; ready: readiness check
#
# A new member joins as a learner and votes once it has caught up (etcd 3.4, "Learner"), so that
# adding one never costs the cluster its quorum, whatever becomes of the new member.
# Both hooks may be interrupted and run again at any line.

set -u
export ETCDCTL_API=3

NAME=${POD_INSTANCE:?}
IP=${MESOS_CONTAINER_IP:?}
PEER_URL=http://$IP:${PEER_PORT:?}
CLIENT_URL=http://$IP:${CLIENT_PORT:?}

STORE=data/etcd      # etcd's own files
JOIN=data/join       # how to start on an empty store: written by a hook, read by run
VOTED=data/voted     # this store belongs to a voting member
SERVED=served        # in the sandbox: etcd has answered since it was started
JOIN_WAIT_S=${JOIN_WAIT_S:-120}

say() { echo "member.sh: $NAME: $*" >&2; }
fail() { say "$*"; exit 1; }
ctl() {
    endpoint=$1
    shift
    etcdctl --command-timeout=5s --dial-timeout=3s --endpoints="$endpoint" "$@"
}

# The addresses of the other instances, one a line.
peer_hosts() { echo "${POD_PEERS:-}" | tr ',' '\n' | sed -n 's/^[^=]*=\(..*\)$/\1/p'; }

# The client URL of a member that reaches a quorum, of those in $*. A learner is never one.
with_quorum() {
    for url in "$@"; do
        if ctl "$url" endpoint health >/dev/null 2>&1; then
            echo "$url"
            return 0
        fi
    done
    return 1
}

peer_with_quorum() {
    # shellcheck disable=SC2046  # one word for each peer
    with_quorum $(peer_hosts | sed "s|.*|http://&:$CLIENT_PORT|")
}

# Ids of members to take out before this one joins: an earlier one of this name or address, whose
# store is lost since ours is empty, and learners that never started at the address of no instance.
stale_members() {
    awk -F', ' -v name="$NAME" -v url="$PEER_URL" -v hosts="$(peer_hosts | tr '\n' ' ')" '
        BEGIN { n = split(hosts, list, " "); for (i = 1; i <= n; i++) placed[list[i]] = 1 }
        {
            host = $4; sub(/^[a-z]+:\/\//, "", host); sub(/:[0-9]+$/, "", host)
            abandoned = $2 == "unstarted" && $6 == "true" && !(host in placed)
            if ($3 == name || $4 == url || abandoned) print $1
        }'
}

write_join() {
    printf '%s\n' "state=$1" "cluster=$2" >"$JOIN.new" && sync "$JOIN.new" && mv "$JOIN.new" "$JOIN"
}

try_join() {
    via=$(peer_with_quorum) || { say "no peer reaches a quorum (peers: $POD_PEERS)"; return 1; }
    members=$(ctl "$via" member list) || return 1
    for id in $(echo "$members" | stale_members); do
        say "taking out member $id, whose data is gone"
        ctl "$via" member remove "$id" || return 1
    done
    added=$(ctl "$via" member add "$NAME" --learner --peer-urls="$PEER_URL") || return 1
    cluster=$(echo "$added" | sed -n 's/^ETCD_INITIAL_CLUSTER="\(.*\)"$/\1/p')
    [ -n "$cluster" ] || { say "etcdctl member add said: $added"; return 1; }
    write_join existing "$cluster" || return 1
    say "joins through $via: $cluster"
}

join() {
    deadline=$(($(date +%s) + JOIN_WAIT_S))
    until try_join; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "could not join within $JOIN_WAIT_S s." \
            "Nothing was started and no data was touched. Bring members back until a majority" \
            "runs, then restart this pod."
        sleep 1
    done
}

create() {
    [ ! -d "$STORE/member" ] || { say "the volume already has a member's data"; return 0; }
    if [ -n "$(peer_hosts)" ]; then
        join
    elif [ "${POD_INSTANCE_INDEX:?}" = 0 ]; then
        write_join new "$NAME=$PEER_URL" || fail "cannot write to the volume"
        say "starts a new cluster"
    else
        fail "no peers are known, and only instance 0 starts a new cluster. Deploy instance 0 first."
    fi
}

replace() {
    [ ! -d "$STORE/member" ] || { say "the volume already has a member's data"; return 0; }
    [ -n "$(peer_hosts)" ] || fail "no peers are known to replace a member from. A new, empty" \
        "cluster is not started in place of one that had data: restore it from a snapshot."
    join
}

# Until this member is a voter at its present address. $1: process id of etcd.
settle() {
    while sleep 1 && kill -0 "$1" 2>/dev/null; do
        via=$(with_quorum "$CLIENT_URL") || via=$(peer_with_quorum) || continue
        members=$(ctl "$via" member list 2>/dev/null) || continue
        mine=$(echo "$members" |
            awk -F', ' -v name="$NAME" -v url="$PEER_URL" '$3 == name || ($3 == "" && $4 == url)')
        id=$(echo "$mine" | awk -F', ' '{ print $1 }')
        if [ -z "$id" ]; then
            say "the cluster of $via does not know this member: it was taken out." \
                "If its place is still wanted, replace the pod."
            return
        elif [ "$(echo "$mine" | awk -F', ' '{ print $4 }')" != "$PEER_URL" ]; then
            ctl "$via" member update "$id" --peer-urls="$PEER_URL"
        elif [ "$(echo "$mine" | awk -F', ' '{ print $6 }')" = true ]; then
            # Refused until the learner has caught up; that is no fault.
            ctl "$via" member promote "$id" 2>/dev/null && say "votes from now on"
        else
            : >"$VOTED"
            return
        fi
    done
}

run() {
    [ -f "$JOIN" ] || fail "the volume has no $JOIN: neither create nor replace finished here"
    # A voter that forgets its votes can lose committed data: better not to start it.
    [ ! -f "$VOTED" ] || [ -d "$STORE/member" ] ||
        fail "the data of this member is gone from the volume. Replace the pod."
    rm -f "$SERVED"
    (settle $$ &)
    exec etcd \
        --name "$NAME" \
        --data-dir "$STORE" \
        --listen-peer-urls "$PEER_URL" \
        --initial-advertise-peer-urls "$PEER_URL" \
        --listen-client-urls "$CLIENT_URL" \
        --advertise-client-urls "$CLIENT_URL" \
        --initial-cluster "$(sed -n 's/^cluster=//p' "$JOIN")" \
        --initial-cluster-state "$(sed -n 's/^state=//p' "$JOIN")" \
        --initial-cluster-token "${FRAMEWORK_NAME:?}" \
        --heartbeat-interval 250 \
        --election-timeout 2500 \
        --pre-vote=true \
        --auto-compaction-retention 1 \
        --quota-backend-bytes "$((${DISK_MB:?} * 1024 * 1024 / 2))" \
        --logger zap
}

# A read from the own store needs no quorum. etcd answers nobody before it has met one after a
# start, so until its first answer it counts as alive.
alive() {
    if ctl "$CLIENT_URL" get --consistency=s alive >/dev/null; then
        : >"$SERVED"
    elif [ -f "$SERVED" ]; then
        fail "etcd does not answer"
    fi
}

ready() { ctl "$CLIENT_URL" endpoint health; }

case "${1:-}" in
create | replace | run | alive | ready) "$1" ;;
*) fail "usage: sh member.sh create|replace|run|alive|ready" ;;
esac
