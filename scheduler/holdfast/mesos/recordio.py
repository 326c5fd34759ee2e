"""RecordIO, the framing of Mesos' event streams: a decimal length, a newline, that many bytes.

https://mesos.apache.org/documentation/latest/recordio/
"""

MAX_RECORD_BYTES = 1 << 30
_LONGEST_LENGTH_LINE = 20


class RecordIOError(ValueError):
    """The stream is not RecordIO; it cannot be resynchronised and must be closed."""


class RecordDecoder:
    """Turns arbitrarily cut pieces of a RecordIO stream into whole records.

    The work is linear in the length of the stream, however large a record and small the pieces.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._missing: int | None = None
        self._record = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next piece of the stream and return the records it completes.

        Raises RecordIOError when a length is not a decimal number of at most MAX_RECORD_BYTES.
        """
        records: list[bytes] = []
        view = memoryview(data)
        position = 0
        while position < len(data):
            if self._missing is None:
                position = self._read_length(data, position)
                if self._missing == 0:
                    self._missing = None
                    records.append(b"")
                continue
            taken = view[position : position + self._missing]
            position += len(taken)
            self._missing -= len(taken)
            if self._missing:
                self._record += taken
                continue
            self._missing = None
            if self._record:
                self._record += taken
                records.append(bytes(self._record))
                self._record = bytearray()
            else:
                records.append(bytes(taken))
        return records

    @property
    def between_records(self) -> bool:
        """False when the stream, should it end now, would cut a record in two."""
        return self._missing is None and not self._line

    def _read_length(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position, position + _LONGEST_LENGTH_LINE + 1)
        if end < 0:
            self._line += data[position : position + _LONGEST_LENGTH_LINE + 1]
            if len(self._line) > _LONGEST_LENGTH_LINE:
                raise RecordIOError(_not_a_length(self._line))
            return len(data)
        self._line += data[position:end]
        line = bytes(self._line)
        if not line.isdigit() or len(line) > _LONGEST_LENGTH_LINE or int(line) > MAX_RECORD_BYTES:
            raise RecordIOError(_not_a_length(line))
        self._line.clear()
        self._missing = int(line)
        return end + 1


def _not_a_length(line: bytes | bytearray) -> str:
    return (
        f"expected the length of a RecordIO record (a decimal number up to {MAX_RECORD_BYTES} "
        f"and a newline), found {bytes(line[:_LONGEST_LENGTH_LINE])!r}"
    )
