"""A scheduler process under test: started, killed and asked as an operator would."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import requests

from holdfast_playground.cluster import Cluster
from holdfast_playground.network import client_name
from tests.cluster import invariants

DEADLINE_SECONDS = 60.0
EXIT_LEADERSHIP_LOST = 8
SESSION_SECONDS = 4.0
T = TypeVar("T")


def wait_until(
    what: str, true: Callable[[], Any], seconds: float = DEADLINE_SECONDS, every: float = 0.1
) -> Any:
    """The first truthy result of `true`; fails with `what` when it stays falsy."""
    deadline = time.monotonic() + seconds
    while True:
        result = true()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


class Told(dict[str, T]):
    """A part of an answer by name; asked for what is missing, it fails with all of the answer."""

    def __init__(self, part: Mapping[str, T], of: str) -> None:
        super().__init__(part)
        self._of = of

    def __missing__(self, name: str) -> T:
        raise AssertionError(f"there is no {name!r} in {self._of}")


class Scheduler:
    """One `holdfast-scheduler` on a cluster. Its log is in `folder`."""

    def __init__(
        self,
        cluster: Cluster,
        svc_yml: Path | None,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        port: int = 8080,
        master: str | None = None,
        zookeeper: str | None = None,
        options: Sequence[str] = (),
        scheme: str = "http",
        multi: str | None = None,
        program: Sequence[str] = ("holdfast.main",),
        client: int | None = None,
    ) -> None:
        """Of the service in `svc_yml`, or, without one, of the framework `multi`.

        `options` are more of the command line's; `session` sends what the API asks for then.
        `program` is the module that runs, with arguments before those of the scheduler. With
        `client` it runs in that namespace of the cluster's own network.
        """
        self.cluster = cluster
        self.session = requests.Session()
        self.host = cluster.zookeeper_address.split(":")[0]
        self.program = tuple(program)
        self._client = client
        if client is not None:
            self.host = cluster.network.block.client(client)
        self.port = port
        self.log_file = folder / f"scheduler-{port}.log"
        self._what = ["--multi", multi] if multi else [str(svc_yml)]
        self._environment = {
            **os.environ,
            "FRAMEWORK_ZOOKEEPER": cluster.zookeeper_address,
            **(environment or {}),
        }
        self.url = f"{scheme}://{self.host}:{port}"
        self._options = [*options, *(["--master", master] if master else [])]
        self._options += ["--zookeeper", zookeeper] if zookeeper else []
        self._process: subprocess.Popen[bytes] | None = None
        self.volumes = invariants.Volumes(cluster)

    def set_environment(self, **variables: str | None) -> None:
        """Change what the next start gets; None takes a variable away."""
        for name, value in variables.items():
            self._environment.pop(name, None)
            if value is not None:
                self._environment[name] = value

    def start(self) -> "Scheduler":
        """Another process, once the one before has ended: two would have one address."""
        assert self._process is None or self.has_ended, f"process {self._process.pid} runs"
        command = [
            *(sys.executable, "-m", *self.program, *self._what),
            *("--host", self.host, "--port", str(self.port)),
            *("--session-timeout", str(SESSION_SECONDS), *self._options),
        ]
        if self._client is not None:
            command = self.cluster.network.within(client_name(self._client), command)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def send(self, number: int) -> None:
        """Send the signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> int:
        """Send the signal and return the exit code."""
        assert self._process is not None
        self.send(number)
        return self._process.wait(timeout=30)

    def ended_with(self) -> int | None:
        """Its exit code, None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """End it, if it runs, whatever state things are in."""
        if self._process is not None and self._process.poll() is None:
            self.end()

    def exit_code(self, seconds: float = DEADLINE_SECONDS) -> int:
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    @property
    def has_ended(self) -> bool:
        """Whether the process is over, however it ended."""
        return self._process is not None and self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, if it runs; before that check the invariants, unless a test is failing anyhow."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            if sys.exc_info()[0] is None:
                invariants.check(self, self.volumes)
        finally:
            self.kill()

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def get(self, path: str) -> Any:
        """The JSON at `path` under /v1, whatever the status."""
        return self.session.get(f"{self.url}/v1/{path}", timeout=10).json()

    def post(self, path: str) -> Any:
        answer = self.session.post(f"{self.url}/v1/{path}", timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def answers(self) -> bool:
        try:
            return bool(self.get("state/frameworkId"))
        except (requests.ConnectionError, requests.Timeout):
            return False

    def told(self, path: str) -> Told[Any]:
        """The JSON object at `path` under /v1, whatever the status."""
        body = self.get(path)
        of = self._described(path, body)
        assert isinstance(body, dict), f"there is no object in {of}"
        return Told(body, of)

    def instances(self) -> Told[dict[str, Any]]:
        """The pod instances by name, as /v1/pod/status tells them."""
        body = self.told("pod/status")
        named = {one["name"]: one for pod in body["pods"] for one in pod["instances"]}
        return Told(named, self._described("pod/status", body))

    def task_ids(self) -> Told[str]:
        """The id of each task by its name, as /v1/pod/status tells them."""
        body = self.told("pod/status")
        instances = (one for pod in body["pods"] for one in pod["instances"])
        ids = {task["name"]: task["id"] for one in instances for task in one["tasks"]}
        return Told(ids, self._described("pod/status", body))

    def _described(self, path: str, body: Any) -> str:
        """An answer and who should have given it: another scheduler may have its address."""
        process = self._process
        ran = "none was started" if process is None else f"process {process.pid}"
        if process is not None and process.poll() is not None:
            ran += f" ended with {process.returncode}"
        return f"what {self.url}/v1/{path} answered ({ran}; log {self.log_file}): {body}"

    def is_well(self) -> bool:
        """Deployed, and nothing left to recover; fails when the process has ended."""
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"the scheduler ended with exit code {code}\n{self.log[-6000:]}"
        if not self.answers():
            return False
        plans = {name: self.told(f"plans/{name}")["status"] for name in ("deploy", "recovery")}
        return set(plans.values()) == {"COMPLETE"}

    def wait_well(self, seconds: float = DEADLINE_SECONDS) -> None:
        try:
            wait_until("the service is deployed and well", self.is_well, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-6000:]}") from None
        self.volumes.look(self)
