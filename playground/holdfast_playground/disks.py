"""A file system of an agent's own, in an image: it can be full without filling the machine's."""

import subprocess
from pathlib import Path
from typing import Final

from holdfast_playground.errors import PlaygroundError

SECONDS: Final = 30.0


def mount(image: Path, megabytes: int, folder: Path) -> None:
    """Mount the image at `folder`, made first where there is none. Raises PlaygroundError."""
    if not image.exists():
        image.parent.mkdir(exist_ok=True)
        with image.open("xb") as file:
            file.truncate(megabytes << 20)
        # No blocks only root may fill: agents and their tasks are root's here.
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except FileNotFoundError as error:
        raise PlaygroundError(f"the command {command[0]} is missing") from error
    if done.returncode != 0:
        raise PlaygroundError(
            f"An agent cannot have a disk of its own here, {' '.join(command)} says: "
            f"{done.stderr.strip()}. It needs root and loop devices; leave agent_disk_mb out."
        )
