"""Redis as a store of the checker. Every write counts, so that a lost one is a count gone back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from holdfast_playground.checker.store import Found, Moment, Unanswered

PORT: Final = 6379
TIMEOUT_SECONDS: Final = 1.0
COUNT: Final = "writes"
BATCH: Final = 1000


class RedisStore:
    """Asks the address that answered last first; after a failure the next call asks another."""

    def __init__(self, ips: Sequence[str]) -> None:
        self._ips = list(ips)
        self._client: Redis | None = None

    def write(self, key: str, value: str) -> Moment:
        """See Store."""
        _, count = self._together(lambda pipe: pipe.set(key, value).incr(COUNT))
        return Moment(int(count))

    def read(self, key: str) -> Found:
        """See Store."""
        value, count = self._together(lambda pipe: pipe.get(key).get(COUNT))
        return Found(value, Moment(int(count or 0)))

    def read_all(self, prefix: str) -> Mapping[str, str]:
        """See Store."""
        try:
            client = self._connected()
            keys = list(client.scan_iter(match=f"{prefix}*", count=BATCH))
            found: dict[str, str] = {}
            for start in range(0, len(keys), BATCH):
                batch = keys[start : start + BATCH]
                found.update(zip(batch, map(str, client.mget(batch)), strict=True))
            return found
        except (RedisError, OSError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """See Store."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _together(self, commands: Any) -> list[Any]:
        try:
            with self._connected().pipeline(transaction=True) as pipe:
                commands(pipe)
                return list(pipe.execute())
        except (RedisError, OSError) as error:
            raise self._failed(error) from error

    def _connected(self) -> Redis:
        if self._client is None:
            self._client = Redis(
                self._ips[0],
                PORT,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                decode_responses=True,
                # What is sent again would be counted twice.
                retry=Retry(NoBackoff(), 0),
            )
        return self._client

    def _failed(self, error: Exception) -> Unanswered:
        self.close()
        ip = self._ips.pop(0)
        self._ips.append(ip)
        return Unanswered(f"Redis at {ip}: {error!r}")
