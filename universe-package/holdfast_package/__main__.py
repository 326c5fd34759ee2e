"""`python -m holdfast_package`: build, serve and render the package for the DC/OS catalog."""

import json
import sys
from pathlib import Path

import click

from holdfast_package import artifacts, package, render, server

HERE = Path(__file__).parents[1]

package_option = click.option(
    "--package",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=HERE,
    help="The folder of package.json and its neighbours; default: that of Holdfast itself.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The package for the catalog of DC/OS."""


@main.command()
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--url",
    required=True,
    help="Where the files in DESTINATION will be served: reached from masters and agents.",
)
@package_option
def build(destination: Path, url: str, folder: Path) -> None:
    """Write the scheduler, the services, the command line and the repository to DESTINATION."""
    try:
        files = artifacts.build(destination)
        source = package.read(folder)
        package.write_repository(source, files, url, destination)
    except (artifacts.BuildError, package.PackageError) as error:
        raise click.ClickException(str(error)) from None
    for path in sorted(destination.iterdir()):
        click.echo(f"{artifacts.sha256(path)}  {path.name}  {path.stat().st_size} bytes")


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(folder: Path, host: str, port: int) -> None:
    """Serve what `build` wrote to FOLDER, until interrupted."""
    with server.serving(folder, host, port) as base:
        for repository in sorted(folder.glob("stub-universe-*.json")):
            name = repository.stem.removeprefix("stub-universe-")
            click.echo(f"dcos package repo add --index=0 {name}-local {base}/{repository.name}")
        server.wait()


@main.command("render")
@click.argument("repository", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--options",
    "options_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The user's options, as for `dcos package install --options`.",
)
@click.option("--app-id", help="The id of the app, instead of the one in the template.")
def render_command(repository: Path, options_file: Path | None, app_id: str | None) -> None:
    """Print the Marathon app that installing from REPOSITORY would start."""
    try:
        options = render.read_options(options_file) if options_file else {}
        (definition,) = json.loads(repository.read_text())["packages"]
        app = render.app(definition, options, source=repository.as_uri(), app_id=app_id)
    except render.RenderError as error:
        raise click.ClickException(str(error)) from None
    json.dump(app, sys.stdout, indent=2)
    click.echo()


if __name__ == "__main__":
    main(prog_name="holdfast_package")
