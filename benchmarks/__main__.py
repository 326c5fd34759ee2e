"""Every benchmark: `python -m benchmarks [--record]`."""

from pathlib import Path

import click

from benchmarks import cli_start, core, deploy, reads
from benchmarks.contestants import Failed, Load

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MARK = "<!-- below: written by `python -m benchmarks --record` -->"


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--record", is_flag=True, help="Write the results into docs/benchmarks.md.")
def main(rounds: int, record: bool) -> None:
    """Run all benchmarks. Ends with 1 when a limit is missed."""
    started, quick = cli_start.report(rounds=20)
    in_memory, flat = core.report()
    answers, soon = reads.report()
    try:
        deployed, kept = deploy.report(Load(pods=100, agents=20), rounds)
    except Failed as failure:
        raise click.ClickException(str(failure)) from failure
    text = (
        f"## Deployment\n\n{deployed}\n## The core in memory\n\n{in_memory}"
        f"\n## Answers during a deployment\n\n{answers}"
        f"\n## Start of the command line\n\n{started}"
    )
    click.echo(text)
    if record:
        fixed, mark, _ = PAGE.read_text().partition(MARK)
        if not mark:
            raise click.ClickException(f"{PAGE} lacks the line {MARK}; nothing was recorded")
        PAGE.write_text(f"{fixed}{MARK}\n\n{text}")
    raise SystemExit(0 if all((kept, flat, soon, quick)) else 1)


if __name__ == "__main__":
    main()
