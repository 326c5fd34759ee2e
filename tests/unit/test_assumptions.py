"""What the simulation takes for granted is checked by tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "tests" / "simulation" / "README.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| the simulation assumes", "| ---"))
]


@pytest.mark.parametrize(("assumption", "seen"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_each_assumption_is_checked_by_a_test_or_read_in_the_sources(
    assumption: str, seen: str
) -> None:
    if seen.startswith("read in "):
        assert re.fullmatch(r"read in `src/[\w./]+`, .+", seen)
        return
    places = re.findall(r"`([^`]+)`", seen)
    assert places
    for place in places:
        file, _, function = place.partition("::")
        text = (ROOT / file).read_text()
        assert re.search(rf"^ *def {function}\(", text, re.MULTILINE), place


def test_every_pinning_test_is_about_an_assumption() -> None:
    page = (ROOT / "tests" / "simulation" / "README.md").read_text()
    for file in sorted((ROOT / "tests" / "cluster").glob("test_pinned_*.py")):
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE):
            assert f"{file.name}::{name}`" in page, name
