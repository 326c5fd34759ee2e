"""What is mended in a container's launch information."""

import json
import os

import pytest

from holdfast_playground import containerizer


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
