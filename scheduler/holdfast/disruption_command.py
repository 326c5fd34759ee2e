"""Runs the commands of disruption checks, on the machine of the scheduler."""

import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping

from holdfast.core.effects import AskDisruption
from holdfast.core.events import DisruptionAnswered

ANSWER_SECONDS = 8.0
"""How long a command may take. Who ordered something is answered within 10 s."""

KILLED_SECONDS = 2.0
"""How long a command that was killed may take to be gone."""

SHELL = "/bin/sh"
INHERITED = ("HOME", "LANG", "PATH")
"""All that a command has of the scheduler's environment: in the rest there may be secrets."""

MOST_BYTES = 65_536
"""So much of the end of what a command says is kept."""

MOST_OF_A_REASON = 200
POLL_SECONDS = 0.05


def said_by_command(
    question: AskDisruption, stopped: threading.Event, seconds: float = ANSWER_SECONDS
) -> DisruptionAnswered:
    """Yes if the command ends with exit code 0 within so many seconds, and before `stopped` is set;
    anything else is a no. Nothing of its process group is left then. Never raises for what the
    command or the system does."""
    try:
        with tempfile.TemporaryFile() as told:
            told.write(json.dumps(question.question).encode())
            told.seek(0)
            # A session is a process group too, and has no terminal. Nothing else is open in it.
            process = subprocess.Popen(
                [SHELL, "-c", question.check.command],
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=environment(question.variables),
                start_new_session=True,
            )
        killed, output = _until_it_ends(process, stopped, seconds)
    except subprocess.TimeoutExpired:
        return _no(question, "its command was killed and is not gone")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return _no(question, f"its command cannot be run: {error}")
    if killed is None and process.returncode == 0:
        return DisruptionAnswered(question.id, question.service, True)
    lines = output.decode(errors="replace").split("\n")
    line = next((text.strip() for text in reversed(lines) if text.strip()), "")
    if killed is not None:
        how = f"its command was killed: {killed}"
    elif process.returncode < 0:
        how = f"its command was ended by {_signal(-process.returncode)}"
    elif line:
        return _no(question, line)
    else:
        how = f"its command ended with exit code {process.returncode} and said nothing"
    return _no(question, f"{how}; the last it said: {line}" if line else how)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """That of a command: what it is asked, and the little it has of the scheduler's own."""
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {"PATH": os.defpath, **variables, **own}


def _until_it_ends(
    process: "subprocess.Popen[bytes]", stopped: threading.Event, seconds: float
) -> tuple[str | None, bytes]:
    """Why it was killed, None if it ended by itself, and the end of what it said.

    Raises TimeoutExpired if it cannot be killed.
    """
    assert process.stdout is not None
    with process.stdout as pipe:
        output = b""
        killed = None
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        deadline = time.monotonic() + seconds
        try:
            while not _has_ended(process):
                if stopped.is_set():
                    killed = "the scheduler stops"
                    break
                if time.monotonic() >= deadline:
                    killed = f"it took more than {seconds:g} s"
                    break
                if poll.poll(POLL_SECONDS * 1000):
                    piece = os.read(pipe.fileno(), MOST_BYTES)
                    output = (output + piece)[-MOST_BYTES:]
                    if not piece:
                        poll.unregister(pipe)  # it has closed its output, and may go on
        finally:
            # Its id is its own until it was waited for, and so is that of its process group.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(KILLED_SECONDS)
        os.set_blocking(pipe.fileno(), False)
        output += pipe.read(MOST_BYTES) or b""
    return killed, output[-MOST_BYTES:]


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Without waiting for it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time one


def _no(question: AskDisruption, reason: str) -> DisruptionAnswered:
    return DisruptionAnswered(question.id, question.service, False, reason[:MOST_OF_A_REASON])
