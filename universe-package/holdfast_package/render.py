"""From package and options to the Marathon app, as Cosmos, the package manager of DC/OS, does it.

Cosmos 0.6.3, PackageDefinitionRenderer.scala and JsonSchema.scala. Lists and `asJson` are used by
no template of ours and are not rendered here: RenderError.
"""

import base64
import copy
import difflib
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

from holdfast_executor import mustache

COSMOS = mustache.Dialect(escapes={}, blank_is_false=False)
_PACKAGE_TYPE = "application/vnd.dcos.universe.package+json;charset=utf-8;version=v4"


class RenderError(Exception):
    """The options or the package are wrong; the text says where."""


def read_options(path: Path) -> dict[str, Any]:
    """A file of options. Raises RenderError when it is no JSON object."""
    try:
        options = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RenderError(f"{path} cannot be read: {error}") from None
    if not isinstance(options, dict):
        raise RenderError(f"{path}: expected a JSON object of option groups")
    return options


def app(
    package: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    source: str,
    app_id: str | None = None,
) -> dict[str, Any]:
    """The Marathon app of a package from the repository `source`. Raises RenderError."""
    values = merged(default_options(package["config"]), options)
    check(package["config"], values)
    values = merged(values, {"resource": package.get("resource", {})})
    template = base64.b64decode(package["marathon"]["v2AppMustacheTemplate"]).decode()
    if "{{#asJson}}" in template:
        raise RenderError("the app's template uses asJson, which is not rendered here")
    try:
        text, missing = mustache.render_listing_missing(template, dict(_flat(values)), COSMOS)
        found = json.loads(text)
    except ValueError as error:  # TemplateError is one
        raise RenderError(f"the app's template does not make JSON: {error}") from None
    if missing:
        raise RenderError(f"the app's template uses what nothing defines: {', '.join(missing)}")
    if not isinstance(found, dict):
        raise RenderError("the app's template does not make a JSON object")
    labels = {**found.get("labels", {}), **_labels(package, options, source)}
    wrong = [name for name, value in labels.items() if not isinstance(value, str)]
    if wrong:
        raise RenderError(f"labels must be texts: {', '.join(wrong)}")
    return {**found, **({"id": app_id} if app_id else {}), "labels": labels}


def default_options(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults in a config.json: those of properties, and of properties of objects."""
    found = {}
    for name, inner in schema.get("properties", {}).items():
        if "default" in inner:
            found[name] = inner["default"]
        elif "properties" in inner:
            found[name] = default_options(inner)
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects merge, whatever else is in `above` replaces."""
    result = copy.deepcopy(dict(below))
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


def check(schema: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raises RenderError with every option that config.json does not allow."""
    errors = sorted(jsonschema.Draft4Validator(schema).iter_errors(options), key=str)
    if errors:
        raise RenderError("\n".join(line for error in errors for line in _explained(error)))


def _explained(error: jsonschema.ValidationError) -> Iterator[str]:
    path = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known)):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            yield f"{f'{path}.' if path else ''}{name} is no option of this package; {hint}"
    else:
        yield f"{path or 'the options'}: {error.message}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Values by dotted name, as text in JSON without the quotes around it."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, str):
            yield name, json.dumps(value, ensure_ascii=False)[1:-1]
        elif isinstance(value, float) and value.is_integer():
            yield name, int(value)
        elif not isinstance(value, list):
            yield name, value
        elif not name.startswith("resource."):
            raise RenderError(f"{name}: lists are not rendered here")


def _labels(package: Mapping[str, Any], options: Mapping[str, Any], source: str) -> dict[str, str]:
    """What Cosmos adds to every app, to find out later what was installed, and how."""
    envelope = {"metadata": {"Content-Type": _PACKAGE_TYPE, "Content-Encoding": "gzip"}}
    data = base64.b64encode(gzip.compress(json.dumps(package).encode(), mtime=0)).decode()
    return {
        "DCOS_PACKAGE_NAME": package["name"],
        "DCOS_PACKAGE_VERSION": package["version"],
        "DCOS_PACKAGE_SOURCE": source,
        "DCOS_PACKAGE_OPTIONS": base64.b64encode(json.dumps(options).encode()).decode(),
        "DCOS_PACKAGE_DEFINITION": base64.b64encode(
            json.dumps({**envelope, "data": data}).encode()
        ).decode(),
    }
