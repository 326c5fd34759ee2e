"""The status page at `/`: the service at a glance, for a person with a browser."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from holdfast import __version__
from holdfast.api.health import health
from holdfast.api.pods import PodState, instance_names, pod_state
from holdfast.core.hosted import service_key
from holdfast.core.view import View

SHOWN = 100
"""Pod instances that do not run are listed up to this many."""

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " frame-ancestors 'self'",
    "cache-control": "no-store",
}
_LINKS = ("plans", "pod/status", "explain", "volumes", "endpoints", "health", "configurations")
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "table{border-collapse:collapse;margin-bottom:1.5rem}"
    "td,th{text-align:left;padding:.2rem 1.5rem .2rem 0;border-bottom:1px solid #8886}"
    "td{vertical-align:top}h1,td:last-child{overflow-wrap:anywhere}"
)


def status_page(view: View) -> str:
    """HTML without scripts, and without anything from elsewhere. Links are relative."""
    _, body = health(view)
    states = {name: pod_state(view.pods.get(name)) for name in instance_names(view)}
    counts = Counter(states.values())
    waiting = [
        (name, state, view.explanations[name].reason if name in view.explanations else "")
        for name, state in states.items()
        if state is not PodState.RUNNING
    ]
    links = " · ".join(f'<a href="v1/{path}">{path}</a>' for path in _LINKS)
    parts = [
        f"<h1>{escape(view.service.name)}</h1>",
        f"<p><b>{escape(body['status'])}</b>: {escape(body['message'])}</p>",
        _table(("plan", "status"), body["plans"].items()),
        _table(("pod instances", "number"), ((state, counts[state]) for state in counts)),
    ]
    if waiting:
        parts.append(_table(("pod instance", "state", "why"), waiting[:SHOWN]))
    if len(waiting) > SHOWN:
        parts.append(f"<p>and {len(waiting) - SHOWN} more</p>")
    parts.append(f'<p>{links} · <a href="openapi.json">openapi.json</a></p>')
    parts.append(f"<p>Holdfast {__version__}</p>")
    return _document(view.service.name, "".join(parts))


def services_page(framework: str, services: Mapping[str, View]) -> str:
    """The services of a framework, each with a link to its own page."""
    rows = []
    for name, view in services.items():
        _, body = health(view)
        link = f'<a href="v1/service/{escape(service_key(name))}/">{escape(name)}</a>'
        rows.append(
            f"<tr><td>{link}</td><td>{escape(body['status'])}</td>"
            f"<td>{escape(body['message'])}</td></tr>"
        )
    head = "<tr><th>service</th><th>state</th><th></th></tr>"
    body_ = f"<h1>{escape(framework)}</h1><table>{head}{''.join(rows)}</table>"
    return _document(framework, f"{body_}<p>Holdfast {__version__}</p>")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    lines = (
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
