"""Pages mkdocs makes at build time, from what they would otherwise repeat."""

import json
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs_site.api_routes import document

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The changelog, and the OpenAPI document of the API as it is."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changelog.md", content=changelog))
    files.append(File.generated(config, "openapi.json", content=json.dumps(document(), indent=1)))
    return files
