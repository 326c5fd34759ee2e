"""Every benchmark: `python -m benchmarks [--record]`."""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from benchmarks import cli_start, core, deploy, reads, recovery, restart, takeover, validate
from benchmarks.contestants import Load
from benchmarks.rig import Failed

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MARK = "<!-- below: written by `python -m benchmarks --record` -->"

BENCHMARKS: Mapping[str, tuple[str, Callable[[], tuple[str, bool]]]] = {
    "deploy": ("Deployment", lambda: deploy.report(Load(pods=100, agents=20), rounds=3)),
    "recovery": ("Recovery in place", recovery.report),
    "takeover": ("Takeover by a standby", lambda: takeover.report(takeover.PODS, rounds=5)),
    "restart": ("Restart with many records", lambda: restart.report(restart.PODS, rounds=3)),
    "reads": ("Answers during a deployment", reads.report),
    "core": ("The core in memory", core.report),
    "validate": ("Reading svc.yml", validate.report),
    "cli_start": ("Start of the command line", lambda: cli_start.report(rounds=40)),
}
"""By module the heading of its part of the page, and what measures it."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--record", is_flag=True, help="Write the results into docs/benchmarks.md.")
def main(names: tuple[str, ...], record: bool) -> None:
    """Run these benchmarks, or all. Ends with 1 when a limit is missed."""
    all_kept = True
    for name in names or BENCHMARKS:
        heading, measure = BENCHMARKS[name]
        try:
            text, kept = measure()
        except Failed as failure:
            raise Failed(f"{name}: {failure}") from failure
        all_kept = all_kept and kept
        click.echo(f"## {heading}\n\n{text}")
        if record:
            PAGE.write_text(recorded(PAGE.read_text(), heading, text))
    raise SystemExit(0 if all_kept else 1)


def recorded(page: str, heading: str, text: str) -> str:
    """The page with `text` under the heading, in place of what was there; in the usual order."""
    fixed, mark, measured = page.partition(MARK)
    if not mark:
        raise click.ClickException(f"{PAGE} lacks the line {MARK}; nothing was recorded")
    parts = {
        part.partition("\n")[0]: part.partition("\n")[2].strip()
        for part in measured.split("\n## ")[1:]
    }
    parts[heading] = text.strip()
    order = [heading for heading, _ in BENCHMARKS.values()]
    shown = "\n\n".join(f"## {name}\n\n{parts[name]}" for name in order if name in parts)
    return f"{fixed}{MARK}\n\n{shown}\n"


if __name__ == "__main__":
    main()
