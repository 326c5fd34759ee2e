"""Pages mkdocs makes at build time, from what they would otherwise repeat."""

import json
from pathlib import Path
from typing import cast

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from holdfast.api.app import create_app
from holdfast.api.source import ServiceSource

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The changelog, and the OpenAPI document of the API as it is."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=changelog))
    files.append(File.generated(config, "openapi.json", content=openapi()))
    return files


def openapi() -> str:
    """What a scheduler answers at /openapi.json; making it asks no service anything."""
    app = create_app(cast(ServiceSource, None), {})
    return json.dumps(app.openapi(), indent=1)
