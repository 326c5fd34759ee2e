"""What is mended in a container's launch information."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_playground import containerizer


def write_in_child(launch_info: dict[str, object]) -> None:
    program = (
        "import os, sys; from holdfast_playground import containerizer; "
        "containerizer.write_output_to_sandbox(sys.argv[1]); "
        "os.write(1, b'to stdout'); os.write(2, b'to stderr')"
    )
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(launch_info)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        timeout=30,
    )


@pytest.mark.parametrize("with_image", [False, True])
def test_output_goes_to_the_sandbox(tmp_path: Path, with_image: bool) -> None:
    mount = {"source": str(tmp_path), "target": "/provisioned/rootfs/mnt/mesos/sandbox"}
    write_in_child(
        {"mounts": [mount], "working_directory": "/mnt/mesos/sandbox"}
        if with_image
        else {"working_directory": str(tmp_path)}
    )
    assert (tmp_path / "stdout").read_text() == "to stdout"
    assert (tmp_path / "stderr").read_text() == "to stderr"


def test_output_is_appended_to_what_the_fetcher_wrote(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("fetched\n")
    write_in_child({"working_directory": str(tmp_path)})
    assert (tmp_path / "stderr").read_text() == "fetched\nto stderr"


def test_only_mounts_the_kernel_lacks_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    info = json.dumps({"mounts": [{"target": "/proc/sysrq-trigger"}, {"target": "/proc/sys"}]})
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    assert json.loads(containerizer.without_missing_mounts(info)) == {
        "mounts": [{"target": "/proc/sys"}]
    }
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    assert containerizer.without_missing_mounts(info) == info


def test_unknown_subcommands_are_refused() -> None:
    with pytest.raises(SystemExit, match="none of"):
        containerizer.main("/no/library.so", ["unknown"])
