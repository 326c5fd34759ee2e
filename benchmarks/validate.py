"""What reading a long svc.yml costs: rendering, YAML, every rule, the model.

python -m benchmarks.validate
"""

import time
from collections.abc import Callable

import click

from benchmarks.report import HEADINGS, Row, machine, table
from holdfast.service.advice import advice
from holdfast.service.encode import config_id
from holdfast.service.load import Definition, read_definition
from holdfast.service.support import unsupported

LINES = 600
LIMIT_MS = 150.0
TRIES = 5

_POD = """\
  pod-{n}:
    count: {{{{COUNT}}}}
    placement: '{{{{{{PLACEMENT}}}}}}'
    allow-decommission: true
    uris:
      - http://files.example/a.tgz
    rlimits:
      RLIMIT_NOFILE: {{soft: 10000, hard: 20000}}
    resource-sets:
      server-resources:
        cpus: 1
        memory: 2048
        ports:
          client-{n}: {{port: 0, env-key: PORT_CLIENT, advertise: true}}
          peer-{n}: {{port: 0, env-key: PORT_PEER}}
        volume:
          path: data
          type: ROOT
          size: 10240
    tasks:
      server:
        goal: RUNNING
        cmd: ./bootstrap && exec ./server --data data
        resource-set: server-resources
        env:
          LEVEL: info
          CACHE_MB: "512"
        {{{{#CHECKED}}}}
        readiness-check:
          cmd: curl --silent --fail "http://$MESOS_CONTAINER_IP:$PORT_CLIENT/health"
          interval: 5
          delay: 0
          timeout: 10
        {{{{/CHECKED}}}}
        kill-grace-period: 30
      repair:
        goal: ONCE
        cmd: ./repair
        cpus: 0.5
        memory: 256
"""
_PHASE = """\
      pod-{n}:
        pod: pod-{n}
        strategy: serial
        steps:
          - default: [[server]]
"""


def definition(lines: int) -> str:
    """A service of at least so many lines, with as many pods as that takes."""
    pods = 0
    text = ""
    while text.count("\n") < lines:
        pods += 1
        text = "name: data\npods:\n" + "".join(_POD.format(n=n) for n in range(pods))
        text += "plans:\n  deploy:\n    phases:\n"
        text += "".join(_PHASE.format(n=n) for n in range(pods))
    return text


def read(text: str) -> Definition:
    """The definition in `text`, with settings."""
    settings = {"COUNT": "3", "PLACEMENT": '[["hostname", "UNIQUE"]]', "CHECKED": "true"}
    return read_definition(
        text, source="svc.yml", read_template=lambda name: name, environment=settings
    )


def milliseconds(run: Callable[[], object]) -> float:
    """The best of some tries, after one that warms up."""
    run()
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def report() -> tuple[str, bool]:
    """The table, and whether the limit was kept."""
    text = definition(LINES)
    found = read(text)
    rows = [
        Row(
            f"reading {text.count(chr(10))} lines, {len(found.spec.pods)} pods",
            milliseconds(lambda: read(text)),
            "ms",
            LIMIT_MS,
        ),
        Row("checking support", milliseconds(lambda: unsupported(found.spec, found.locate)), "ms"),
        Row("advice", milliseconds(lambda: advice(found.spec, found.locate)), "ms"),
        Row("identity", milliseconds(lambda: config_id(found.spec)), "ms"),
    ]
    told = table(HEADINGS, [row.cells() for row in rows])
    return f"{machine()}\n\n{told}\n", not any(row.missed for row in rows)


@click.command()
def main() -> None:
    """Measure reading a long svc.yml. Ends with 1 when it takes too long."""
    text, kept = report()
    click.echo(text)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
