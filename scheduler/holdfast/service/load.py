"""svc.yml into the model: Mustache, then YAML, then every rule of the format, all faults at once.

The format is that of dcos-commons. What it asks for and this version cannot do yet is refused
last: `read_definition` reads without, `load` and `loads` with that check.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.service import vocabulary
from holdfast.service.document import Node, Null, parse
from holdfast.service.model import ServiceSpec
from holdfast.service.places import Locate, places_in
from holdfast.service.problems import Problem, Report, ServiceError
from holdfast.service.rules import broken_rules
from holdfast.service.section import Entry, open_section
from holdfast.service.service_section import read_service
from holdfast.service.support import unsupported
from holdfast.service.template_lines import render
from holdfast_executor import mustache

__all__ = ["Definition", "Problem", "ServiceError", "load", "loads", "read_definition"]

Warn = Callable[[Problem], None]
ReadTemplate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Definition:
    """A service, the remarks on its file, and where in the file each part of it is."""

    spec: ServiceSpec
    warnings: tuple[Problem, ...]
    locate: Locate


def load(path: Path, environment: Mapping[str, str], *, warn: Warn | None = None) -> ServiceSpec:
    """The service in the file `path`, rendered with `environment`.

    Config templates are read relative to the file's folder. Remarks that do not make the file
    unusable go to `warn`. Raises ServiceError with everything that is wrong.
    """
    text, read_template = open_file(path)
    return loads(
        text, source=str(path), read_template=read_template, environment=environment, warn=warn
    )


def loads(
    text: str,
    *,
    source: str,
    read_template: ReadTemplate,
    environment: Mapping[str, str],
    warn: Warn | None = None,
) -> ServiceSpec:
    """The service in `text`; `source` is its name in messages. Otherwise like `load`.

    `read_template` gives the text of a config template, or raises OSError.
    """
    definition = _read(text, source, read_template, environment, check_support=True)
    for problem in definition.warnings if warn else ():
        assert warn
        warn(problem)
    return definition.spec


def read_definition(
    text: str, *, source: str, read_template: ReadTemplate, environment: Mapping[str, str]
) -> Definition:
    """What `text` says, whether this version can do it or not. Raises ServiceError."""
    return _read(text, source, read_template, environment, check_support=False)


def open_file(path: Path) -> tuple[str, ReadTemplate]:
    """The text of svc.yml, and a reader of the templates beside it. Raises ServiceError."""
    source = str(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ServiceError(source, [Problem(0, "", reason, source)]) from None
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text: {error.reason} at byte {error.start}"
        raise ServiceError(source, [Problem(0, "", reason, source)]) from None
    return text, lambda name: (path.parent / name).read_text("utf-8")


def _read(
    text: str,
    source: str,
    read_template: ReadTemplate,
    environment: Mapping[str, str],
    *,
    check_support: bool,
) -> Definition:
    report = Report(source)
    root = _document(text, report, environment)
    spec: ServiceSpec | None = None
    locate = places_in(root or Null(0))
    if root is not None:
        section = open_section(Entry("", root, root.line, ""), vocabulary.SERVICE, report)
        spec = read_service(section, read_template, environment) if section else None
    for problem in broken_rules(spec, locate) if spec is not None and not report.errors else ():
        report.error(problem.line, problem.path, problem.message)
    if spec is not None and check_support:
        # Also beside other faults, so that the operator sees all there is to change at once.
        for problem in unsupported(spec, locate):
            report.error(problem.line, problem.path, problem.message)
    report.warnings.sort(key=lambda problem: problem.line)
    if spec is None or report.errors:
        raise ServiceError(source, sorted(report.errors, key=lambda p: p.line), report.warnings)
    return Definition(spec, tuple(report.warnings), locate)


def _document(text: str, report: Report, environment: Mapping[str, str]) -> Node | None:
    try:
        rendered = render(text, mustache.env_values(environment))
    except mustache.TemplateError as error:
        report.error(0, "", f"not a Mustache template: {error}")
        return None
    if rendered.missing:
        names = ", ".join(sorted(set(rendered.missing)))
        report.warn(0, "", f"not set in the environment, so left empty: {names}")
    root = parse(rendered.text, rendered.lines, report)
    if isinstance(root, Null):
        report.error(root.line, "", "is empty")
        return None
    return root
