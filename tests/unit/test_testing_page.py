"""The page on tests names only tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "testing.md").read_text().splitlines()
    if line.startswith("| `test_")
]


@pytest.mark.parametrize(("name", "alone", "real"), ROWS, ids=[row[0] for row in ROWS])
def test_there_are_tests_of_each_behaviour(name: str, alone: str, real: str) -> None:
    places = re.findall(r"`([^`]+)`", f"{alone} {real}")
    assert places
    for place in places:
        file, _, function = place.partition("::")
        found = re.findall(r"^def (test_\w+)\(", (ROOT / file).read_text(), re.MULTILINE)
        begin = name.strip("`")
        named = function in found if function else any(each.startswith(begin) for each in found)
        assert named, place
