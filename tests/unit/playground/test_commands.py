"""The command line where no cluster runs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from holdfast_playground.cluster import Cluster
from holdfast_playground.commands import playground


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["agent", "kill", "1"],
        ["agent", "start", "1"],
        ["agent", "cut", "1"],
        ["master", "kill"],
        ["master", "start"],
        ["zookeeper", "pause"],
    ],
)
def test_without_a_cluster_it_says_how_to_start_one(tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(playground, ["--directory", str(tmp_path), *arguments])
    assert result.exit_code == 1
    assert f"No playground was started in {tmp_path}" in result.output
    assert "holdfast playground up" in result.output


def test_down_may_be_repeated(tmp_path: Path) -> None:
    result = CliRunner().invoke(playground, ["--directory", str(tmp_path / "x"), "down"])
    assert (result.exit_code, result.output) == (0, "Nothing of the playground is left.\n")


def test_impossible_settings_are_refused_before_anything_starts(tmp_path: Path) -> None:
    arguments = ["--directory", str(tmp_path), "up", "--zones", "a,,b"]
    result = CliRunner().invoke(playground, arguments)
    assert result.exit_code == 1
    assert "zones" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    mine = [tmp_path / "images", tmp_path / "logs" / "app.log"]
    for path in mine:
        path.write_text("mine")
    cli = CliRunner()

    down = cli.invoke(playground, ["--directory", str(tmp_path), "down"])
    up = cli.invoke(playground, ["--directory", str(tmp_path), "up"])

    assert (down.exit_code, up.exit_code) == (0, 1)
    assert "Name an empty or a new directory" in up.output
    assert all(path.read_text() == "mine" for path in mine)
    assert not Cluster.create(tmp_path).layout.state_file.exists()
