"""etcd as a store of the checker: its JSON gateway, at whichever member answers.

A revision is etcd's own order of writes (etcd 3.4, "KV API guarantees"); a cluster id is that of
the data. Reads are linearizable, as is etcd's default.
"""

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdfast_playground.checker.store import Found, Moment, Unanswered

CLIENT_PORT: Final = 2379
TIMEOUT_SECONDS: Final = 1.0
ALL_SECONDS: Final = 30.0


class EtcdStore:
    """Asks the member that answered last first; after a failure the next call asks another."""

    def __init__(self, ips: Sequence[str]) -> None:
        self._ips = list(ips)
        self._connection: http.client.HTTPConnection | None = None

    def write(self, key: str, value: str) -> Moment:
        """See Store."""
        answer = self._call("/v3/kv/put", {"key": _encoded(key), "value": _encoded(value)})
        return _moment(answer)

    def read(self, key: str) -> Found:
        """See Store."""
        answer = self._call("/v3/kv/range", {"key": _encoded(key)})
        pairs = answer.get("kvs", [])
        if not pairs:
            return Found(None, _moment(answer))
        return Found(_decoded(pairs[0]["value"]), _moment(answer), int(pairs[0]["mod_revision"]))

    def read_all(self, prefix: str) -> Mapping[str, str]:
        """See Store."""
        # The end of a range of a prefix is the prefix with its last byte raised.
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        self.close()
        body = {"key": _encoded(prefix), "range_end": _encoded(end)}
        answer = self._call("/v3/kv/range", body, ALL_SECONDS)
        self.close()
        return {_decoded(pair["key"]): _decoded(pair["value"]) for pair in answer.get("kvs", [])}

    def close(self) -> None:
        """See Store."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call(
        self, path: str, body: Mapping[str, str], seconds: float = TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._ips[0], CLIENT_PORT, timeout=seconds
            )
        try:
            self._connection.request("POST", path, json.dumps(body))
            response = self._connection.getresponse()
            content = response.read()
            if response.status == http.HTTPStatus.OK:
                answer: dict[str, Any] = json.loads(content)
                return answer
            reason = f"{response.status} {content[:200]!r}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = repr(error)
        self.close()
        ip = self._ips.pop(0)
        self._ips.append(ip)
        raise Unanswered(f"etcd at {ip}: {reason}")


def _moment(answer: Mapping[str, Any]) -> Moment:
    header = answer["header"]
    return Moment(int(header["revision"]), header["cluster_id"])


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
