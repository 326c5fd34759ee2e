"""Config templates of a task: written into its sandbox raw, and rendered with its environment."""

from __future__ import annotations

import os
from typing import Iterable, Mapping

from holdfast_executor import mustache
from holdfast_executor.contract import (
    CONFIG_TEMPLATE_FOLDER,
    ENV_SECRET_VARIABLES,
    ConfigTemplate,
)


class ConfigError(ValueError):
    """A config template that cannot be written; the text names the template."""


def write(
    sandbox: str, templates: Iterable[ConfigTemplate], environment: Mapping[str, str]
) -> list[tuple[str, tuple[str, ...]]]:
    """Write each template to `config-templates/<name>` and rendered to its destination.

    Destinations are relative to the sandbox, and may lead out of it as the task's command may.
    Returns the names of templates with the variables they lack. Raises ConfigError. What was
    rendered with secrets may be read by the task's user alone.
    """
    lacking = []
    for template in templates:
        raw = os.path.join(sandbox, CONFIG_TEMPLATE_FOLDER, template.name)
        target = os.path.normpath(os.path.join(sandbox, template.destination))
        text, missing = rendered(template.name, template.content, environment)
        for path, content in ((raw, template.content), (target, text)):
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8", newline="") as stream:
                    make_private(stream.fileno(), environment)
                    stream.write(content)
            except OSError as error:
                raise ConfigError(f"config {template.name}: cannot write {path}: {error}") from None
        if missing:
            lacking.append((template.name, missing))
    return lacking


def make_private(descriptor: int, environment: Mapping[str, str]) -> None:
    """Keep a file that is about to be written with secrets of the environment to its owner."""
    if environment.get(ENV_SECRET_VARIABLES):
        os.fchmod(descriptor, 0o600)


def rendered(
    name: str, content: str, environment: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """The template rendered for a task, and the variables it lacks. Raises ConfigError."""
    values = mustache.env_values(environment, booleans=mustache.ONLY_FALSE)
    try:
        return mustache.render_listing_missing(content, values, mustache.CONFIG)
    except mustache.TemplateError as error:
        raise ConfigError(f"config {name}: {error}") from None


def inside(sandbox: str, destination: str, what: str) -> str:
    """The absolute path of a destination in the sandbox. Raises ConfigError if it leads out.

    Links are followed: volumes may appear in the sandbox as links.
    """
    path = os.path.normpath(os.path.join(sandbox, destination))
    root = os.path.normpath(sandbox)
    if path == root or not path.startswith(root + os.sep):
        raise ConfigError(f"{what}: destination {destination!r} is not a file inside the sandbox")
    return path
