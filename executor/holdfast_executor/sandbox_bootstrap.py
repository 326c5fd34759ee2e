"""The `bootstrap` in the sandbox, which commands of existing services call.

Beside the executor it runs `holdfast_executor.bootstrap`. In the container of a task with an image
there need be no Python: there it does itself what a POSIX shell can. Config templates are rendered
by then, as the executor renders them before it starts a task.
"""

from __future__ import annotations

import os
import shlex
import sys

from holdfast_executor.contract import BOOTSTRAP_NAME

SCRIPT = r"""#!/bin/sh
python=@PYTHON@
program=@PROGRAM@
if [ -x "$python" ] && [ -f "$program" ]; then
    exec "$python" "$program" bootstrap "$@"
fi

# In a container with an image of its own.
say() { echo "bootstrap: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
switch() {
    case $2 in
    1 | t | T | TRUE | true | True) eval "$1=true" ;;
    0 | f | F | FALSE | false | False) eval "$1=false" ;;
    *) fail "flag -$3: expected true or false, found '$2'" ;;
    esac
}
# Go's durations in whole seconds, rounded up: 90, 1.5s, 5m, 1h30m
seconds() {
    rest=$1 total=0
    case $rest in
    0) echo 0; return ;;
    '') return 1 ;;
    esac
    while [ -n "$rest" ]; do
        number=${rest%%[!0-9.]*}
        rest=${rest#"$number"}
        unit=${rest%%[0-9.]*}
        rest=${rest#"$unit"}
        whole=${number%%.*}
        case $unit in
        h) each=3600 ;;
        m) each=60 ;;
        s) each=1 ;;
        ms) each=1 whole=$(((${whole:-0} + 999) / 1000)) ;;
        us | ns) each=1 whole=1 ;;
        *) return 1 ;;
        esac
        case $number in
        '' | .) return 1 ;;
        *.*) whole=$((${whole:-0} + 1)) ;;
        esac
        total=$((total + whole * each))
    done
    echo "$total"
}

verbose=false print_env=true insecure=false resolve=true template=true install_certs=true
get_task_ip=false self_resolve=true hosts= timeout=5m max_bytes=1048576
while [ $# -gt 0 ]; do
    case $1 in
    -- | -) break ;;
    -*) ;;
    *) break ;;
    esac
    word=$1
    shift
    name=${word#-}
    name=${name#-}
    given=false value=true
    case $name in
    *=*) given=true value=${name#*=} name=${name%%=*} ;;
    esac
    case $name in
    verbose | insecure | resolve | template) switch "$name" "$value" "$name" ;;
    print-env) switch print_env "$value" "$name" ;;
    self-resolve) switch self_resolve "$value" "$name" ;;
    install-certs) switch install_certs "$value" "$name" ;;
    get-task-ip) switch get_task_ip "$value" "$name" ;;
    resolve-hosts | resolve-timeout | template-max-bytes)
        if [ "$given" = false ]; then
            [ $# -gt 0 ] || fail "flag -$name needs a value"
            value=$1
            shift
        fi
        case $name in
        resolve-hosts) hosts=$value ;;
        resolve-timeout) timeout=$value ;;
        *) max_bytes=$value ;;
        esac
        ;;
    *) fail "flag '$word' is not known; known are -verbose, -print-env, -insecure, -resolve," \
        "-self-resolve, -template, -install-certs, -get-task-ip, -resolve-hosts," \
        "-resolve-timeout, -template-max-bytes" ;;
    esac
done
limit=$(seconds "$timeout") || fail "-resolve-timeout: not a duration: '$timeout'"

if [ "$get_task_ip" = true ]; then
    [ -n "${MESOS_CONTAINER_IP-}" ] ||
        fail "MESOS_CONTAINER_IP is not set: the task's address is unknown"
    printf %s "$MESOS_CONTAINER_IP"
    exit 0
fi
if [ "$print_env" = true ]; then
    say "environment:"
    # Values may have lines of their own, so only names are taken from what env prints.
    env | while IFS= read -r line; do
        name=${line%%=*}
        case $name in
        '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
        esac
        eval "known=\${$name+yes} value=\${$name-}"
        case $name in
        *[Cc][Rr][Ee][Dd][Ee][Nn][Tt][Ii][Aa][Ll]* | *[Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd]* | \
            *[Ss][Ee][Cc][Rr][Ee][Tt]* | *[Tt][Oo][Kk][Ee][Nn]*)
            [ "$insecure" = true ] || [ "$name" = HOLDFAST_SECRET_VARIABLES ] || value='********'
            ;;
        esac
        case ,${HOLDFAST_SECRET_VARIABLES-}, in
        *",$name,"*) value='********' ;;
        esac
        [ -z "$known" ] || printf '%s\n' "$name=$value" >&2
    done
fi
if [ "$resolve" = true ] && [ -n "$hosts" ]; then
    if command -v getent >/dev/null 2>&1; then
        lookup() { getent hosts "$1" >/dev/null 2>&1; }
    elif command -v nslookup >/dev/null 2>&1; then
        lookup() { grep -qw -- "$1" /etc/hosts 2>/dev/null || nslookup "$1" >/dev/null 2>&1; }
    elif command -v ping >/dev/null 2>&1; then
        # What does not resolve fails at once with another exit code than what does not answer.
        lookup() { ping -c 1 "$1" >/dev/null 2>&1 || [ $? -eq 1 ]; }
    else
        fail "-resolve-hosts: the image has neither getent nor nslookup nor ping, so hosts" \
            "cannot be waited for; add one of them, or use -resolve=false"
    fi
    started=$(date +%s)
    old_ifs=$IFS
    IFS=,
    for host in $hosts; do
        IFS=$old_ifs
        host=$(echo $host)
        [ -n "$host" ] || continue
        until lookup "$host"; do
            [ "$verbose" = false ] || say "host $host does not resolve yet"
            if [ "$limit" -gt 0 ] && [ $(($(date +%s) - started)) -ge "$limit" ]; then
                fail "host $host did not resolve within $limit s"
            fi
            sleep 1
        done
        say "host $host resolves"
    done
    IFS=$old_ifs
fi
if [ "$template" = true ]; then
    env | while IFS= read -r line; do
        case $line in
        CONFIG_TEMPLATE_*=*,*)
            source=${line#*=}
            say "${source#*,} was written from ${source%%,*} before the start;" \
                "variables that the command sets itself are not in it"
            ;;
        esac
    done
fi
if [ "$install_certs" = true ] && [ -n "${JAVA_HOME-}" ]; then
    for file in "${MESOS_SANDBOX-}/.ssl/ca-bundle.crt" "${MESOS_SANDBOX-}/.ssl/ca.crt"; do
        [ -f "$file" ] || continue
        if told=$("$JAVA_HOME/bin/keytool" -importcert -noprompt -alias dcoscert -file "$file" \
            -storepass changeit -keystore "$JAVA_HOME/lib/security/cacerts" 2>&1); then
            say "certificate $file given to Java"
        else
            say "certificate $file not given to Java: $told"
        fi
        break
    done
fi
say "done"
"""


def write(sandbox: str) -> None:
    """Put it into the sandbox. One that was fetched by the service itself stays."""
    path = os.path.join(sandbox, BOOTSTRAP_NAME)
    if os.path.lexists(path):
        return
    program = os.path.abspath(sys.argv[0])
    text = script(sys.executable, program)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, 0o755)


def script(python: str, program: str) -> str:
    """The text of the program; `python` and `program` are the executor's own, on the agent."""
    found = SCRIPT.replace("@PYTHON@", shlex.quote(python))
    return found.replace("@PROGRAM@", shlex.quote(program))
