"""Incremental parsers for what an agent sends: HTTP/1.1 responses and RecordIO. No I/O.

The standard library's HTTP client takes 30 ms and 5 MB to import, on every task launch; an
executor needs only POST, status codes, Content-Length and chunks (RFC 9112).
"""

from __future__ import annotations

MAX_HEAD = 64 * 1024
MAX_RECORD = 64 * 1024 * 1024


class StreamError(ValueError):
    """Bytes that are no HTTP response or no RecordIO."""


class ResponseParser:
    """One HTTP response fed piece by piece.

    `status` is None until the head is complete; `ended` says the body is complete. A body without
    length or chunks lasts until the connection closes.
    """

    __slots__ = ("_buffer", "_chunked", "_remaining", "_trailers", "ended", "headers", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.ended = False
        self._buffer = bytearray()
        self._chunked = False
        self._trailers = False
        self._remaining: int | None = None

    def feed(self, data: bytes) -> bytes:
        """The body bytes that `data` completes. Raises StreamError."""
        self._buffer += data
        if self.status is None and not self._read_head():
            return b""
        body = bytearray()
        if self._chunked:
            while not self.ended and self._read_chunk(body):
                pass
        elif self._remaining is None:
            body += self._buffer
            self._buffer.clear()
        else:
            part = self._buffer[: self._remaining]
            del self._buffer[: self._remaining]
            self._remaining -= len(part)
            self.ended = self._remaining == 0
            body += part
        return bytes(body)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise StreamError(f"no end of the response head within {MAX_HEAD} bytes")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = lines[0].partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not code.isdigit():
            raise StreamError(f"not an HTTP response: {lines[0][:80]!r}")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(code)
        self._chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = self.headers.get("content-length")
        if not self._chunked and length is not None:
            if not length.isdigit():
                raise StreamError(f"Content-Length is {length!r}")
            self._remaining = int(length)
            self.ended = self._remaining == 0
        return True

    def _read_chunk(self, body: bytearray) -> bool:
        if self._remaining:
            part = self._buffer[: self._remaining]
            del self._buffer[: self._remaining]
            self._remaining -= len(part)
            body += part
            return bool(part)
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._trailers:
            self.ended = not line
        elif self._remaining == 0:
            self._remaining = None
        else:
            try:
                self._remaining = int(line.partition(b";")[0], 16)
            except ValueError:
                raise StreamError(f"not the size of a chunk: {line[:40]!r}") from None
            if self._remaining == 0:
                self._trailers = True
        return True


class RecordParser:
    """RecordIO: each record is its length in decimal, a newline and that many bytes."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The records that `data` completes. Raises StreamError."""
        self._buffer += data
        records: list[bytes] = []
        while True:
            end = self._buffer.find(b"\n", 0, 20)
            if end < 0:
                if len(self._buffer) >= 20:
                    raise StreamError(f"no record length in {bytes(self._buffer[:20])!r}")
                return records
            digits = bytes(self._buffer[:end])
            if not digits.isdigit() or int(digits) > MAX_RECORD:
                raise StreamError(f"not the length of a record: {digits!r}")
            length = int(digits)
            if len(self._buffer) < end + 1 + length:
                return records
            records.append(bytes(self._buffer[end + 1 : end + 1 + length]))
            del self._buffer[: end + 1 + length]
