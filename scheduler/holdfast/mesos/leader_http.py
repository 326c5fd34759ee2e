"""The leading master as any one master knows it."""

import time
from collections.abc import Callable
from threading import Event

import requests

from holdfast.mesos.access import Access
from holdfast.mesos.leader import MasterAddressError
from holdfast.mesos.messages import MasterInfo
from holdfast.mesos.service_account import LoginRefused
from holdfast.mesos.stream import connection_problem

_ASK_AGAIN_SECONDS = 1.0
_ANSWER_SECONDS = 5.0


class HttpDetector:
    """One master's address is known; whichever master it names may lead.

    The given address is returned once a master answers there: a master that does not lead
    redirects the subscription. There is no news of a change before the stream breaks.
    """

    def __init__(self, url: str, access: Access) -> None:
        self._url = url
        self._access = access
        self._closed = Event()

    def detect(self, previous: MasterInfo | None, timeout: float) -> MasterInfo | None:
        deadline = time.monotonic() + timeout
        if previous is not None:
            self._closed.wait(timeout)
        while not self._closed.is_set():
            problem = self._problem()
            if problem is None:
                return MasterInfo(id="", url=self._url)
            left = deadline - time.monotonic()
            if left <= 0:
                raise MasterAddressError(problem)
            self._closed.wait(min(left, _ASK_AGAIN_SECONDS))
        return None

    def watch(self, changed: Callable[[MasterInfo | None], None]) -> None:
        """Does nothing: a master sends no news of its successor."""

    def close(self) -> None:
        self._closed.set()

    def _problem(self) -> str | None:
        """None when a master that leads, or knows who does, answers; otherwise what is wrong.

        `/master/redirect` answers 307 on every master that knows a leader.
        """
        try:
            with self._access.session() as session:
                answer = session.get(
                    f"{self._url}/master/redirect", timeout=_ANSWER_SECONDS, allow_redirects=False
                )
        except LoginRefused:
            raise
        except requests.RequestException as error:
            return (
                f"No Mesos master at {self._url}: {connection_problem(error)}. Check the address "
                "(a master listens on port 5050 unless told otherwise) and that the master runs."
            )
        if answer.status_code == 307 and answer.headers.get("Location"):
            return None
        if answer.status_code == 503:
            return f"The Mesos master at {self._url} knows no leading master at the moment."
        if answer.status_code == 401:
            return f"The Mesos master at {self._url} wants credentials, or other ones than given."
        return (
            f"What answers at {self._url} is not a Mesos master: GET /master/redirect gave HTTP "
            f"{answer.status_code}, a master gives 307. Check the address (agents listen on 5051, "
            "masters on 5050 unless told otherwise)."
        )
