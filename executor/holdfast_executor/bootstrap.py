"""`./bootstrap`: prepares a task's sandbox, called from the commands of service definitions.

Takes the flags of the DC/OS SDK's program of that name, in Go's syntax. One difference: the task's
own host name is not waited for (`-resolve` without `-resolve-hosts`, and `-self-resolve`), since
outside DC/OS nothing need serve that name; hosts named by `-resolve-hosts` are waited for.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import Mapping, NamedTuple, Sequence

from holdfast_executor import duration, templates
from holdfast_executor.contract import (
    CONFIG_TEMPLATE_PREFIX,
    ENV_CONTAINER_IP,
    ENV_SANDBOX,
    ENV_SECRET_VARIABLES,
)

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_SENSITIVE = ("credential", "password", "secret", "token")
_SWITCHES = {
    "verbose": False,
    "print-env": True,
    "insecure": False,
    "resolve": True,
    "self-resolve": True,
    "template": True,
    "install-certs": True,
    "get-task-ip": False,
}
_VALUES = {"resolve-hosts": "", "resolve-timeout": "5m", "template-max-bytes": "1048576"}
RESOLVE_RETRY = 1.0


class BootstrapError(Exception):
    """Why the task cannot be prepared."""


class Options(NamedTuple):
    """Switches by flag name; `resolve_timeout` in seconds, `template_max` in bytes, 0 for none."""

    switches: dict[str, bool]
    resolve_hosts: tuple[str, ...]
    resolve_timeout: float
    template_max: int


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run with the task's environment; 0, or 1 with the reason on stderr."""
    try:
        options = parse(arguments)
        _run(options, environment)
    except (BootstrapError, templates.ConfigError) as error:
        _say(str(error))
        return 1
    return 0


def parse(arguments: Sequence[str]) -> Options:
    """Flags as Go's flag package reads them: one or two dashes, `-switch=false`, `-name value`.

    Parsing ends at `--` or the first word that is no flag. Raises BootstrapError.
    """
    switches, values = dict(_SWITCHES), dict(_VALUES)
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        name, given, value = word[2 if word.startswith("--") else 1 :].partition("=")
        if name in switches:
            if given and value not in _TRUE + _FALSE:
                raise BootstrapError(f"flag -{name}: expected true or false, found {value!r}")
            switches[name] = value in _TRUE if given else True
        elif name in values:
            if not given and not rest:
                raise BootstrapError(f"flag -{name} needs a value")
            values[name] = value if given else rest.pop(0)
        else:
            known = ", ".join("-" + flag for flag in (*switches, *values))
            raise BootstrapError(f"flag {word!r} is not known; known are {known}")
    try:
        timeout = duration.parse_go(values["resolve-timeout"])
        limit = int(values["template-max-bytes"])
    except ValueError as error:
        raise BootstrapError(f"-resolve-timeout or -template-max-bytes: {error}") from None
    hosts = tuple(host.strip() for host in values["resolve-hosts"].split(",") if host.strip())
    return Options(switches, hosts, timeout, limit)


def _run(options: Options, environment: Mapping[str, str]) -> None:
    switches = options.switches
    address = environment.get(ENV_CONTAINER_IP)
    if switches["get-task-ip"]:
        if not address:
            raise BootstrapError(f"{ENV_CONTAINER_IP} is not set: the task's address is unknown")
        sys.stdout.write(address)
        return
    if switches["print-env"]:
        _say("environment:\n" + "\n".join(printable(environment, switches["insecure"])))
    if switches["resolve"]:
        for host in options.resolve_hosts:
            _wait_for_host(host, options.resolve_timeout, switches["verbose"])
    if switches["template"]:
        _render_templates(options.template_max, environment)
    if switches["install-certs"]:
        _install_certificates(environment)
    _say("done")


def printable(environment: Mapping[str, str], insecure: bool) -> list[str]:
    """`NAME=value` lines, sorted; values of variables that are secret are hidden.

    With `insecure` only those of the service's own secrets are, not of what looks like one.
    """
    secret = environment.get(ENV_SECRET_VARIABLES, "").split(",")
    lines = []
    for name, value in sorted(environment.items()):
        looks_so = any(word in name.lower() for word in _SENSITIVE)
        hidden = name in secret or (looks_so and not insecure and name != ENV_SECRET_VARIABLES)
        lines.append(f"{name}={'********' if hidden else value}")
    return lines


def _wait_for_host(host: str, timeout: float, verbose: bool) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            addresses = sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None)})
        except OSError as error:
            if verbose:
                _say(f"host {host} does not resolve yet: {error}")
        else:
            _say(f"host {host} resolves to {', '.join(addresses)}")
            return
        if timeout and time.monotonic() >= deadline:
            raise BootstrapError(f"host {host} did not resolve within {timeout:g} s")
        time.sleep(RESOLVE_RETRY)


def _render_templates(limit: int, environment: Mapping[str, str]) -> None:
    for variable, value in sorted(environment.items()):
        if not variable.startswith(CONFIG_TEMPLATE_PREFIX):
            continue
        source, separator, destination = value.partition(",")
        if not separator:
            raise BootstrapError(f"{variable}: expected SOURCE,DESTINATION, found {value!r}")
        path = os.path.join(environment.get(ENV_SANDBOX, ""), source)
        try:
            size = os.stat(path).st_size
            if limit and size > limit:
                raise BootstrapError(f"{variable}: {path} has {size} bytes, the limit is {limit}")
            with open(path, encoding="utf-8", newline="") as stream:
                text, missing = templates.rendered(source, stream.read(), environment)
            os.makedirs(os.path.dirname(os.path.abspath(destination)), exist_ok=True)
            with open(destination, "w", encoding="utf-8", newline="") as stream:
                templates.make_private(stream.fileno(), environment)
                stream.write(text)
        except (OSError, UnicodeDecodeError) as error:
            raise BootstrapError(f"{variable}: {error}") from None
        _say(f"wrote {destination} from {source} ({len(text)} characters)")
        if missing:
            _say(f"config {source}: no value for {', '.join(missing)}")


def _install_certificates(environment: Mapping[str, str]) -> None:
    """Give the cluster's certificate authority, if there is one, to the Java of the task."""
    java = environment.get("JAVA_HOME")
    folder = os.path.join(environment.get(ENV_SANDBOX, ""), ".ssl")
    present = [
        path
        for path in (os.path.join(folder, name) for name in ("ca-bundle.crt", "ca.crt"))
        if os.path.isfile(path)
    ]
    if not java or not present:
        return
    import subprocess

    command = [os.path.join(java, "bin", "keytool"), "-importcert", "-noprompt"]
    command += ["-alias", "dcoscert", "-file", present[0], "-storepass", "changeit"]
    command += ["-keystore", os.path.join(java, "lib", "security", "cacerts")]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
    except OSError as error:
        _say(f"certificate {present[0]} not given to Java: {error}")
        return
    if done.returncode == 0:
        _say(f"certificate {present[0]} given to Java")
    else:
        reason = done.stdout.decode("utf-8", "replace").strip()
        _say(f"certificate {present[0]} not given to Java: {reason}")


def _say(text: str) -> None:
    sys.stderr.write(f"bootstrap: {text}\n")
