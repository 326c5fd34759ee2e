"""What an operator orders of the stored state: small files, and whether it is still ours."""

from collections.abc import Mapping

from holdfast.core.commands import Refused
from holdfast.core.ledger import Ledger

FILE_BYTES = 1024
"""The most a file may have (dcos-commons, StateQueries): this is for marks, not for data."""

FILES = 100
"""How many there may be, so that they cannot fill ZooKeeper."""


def store_file(ledger: Ledger, name: str, parameters: Mapping[str, str]) -> str:
    """Keep a file of the service, in place of the one of that name. Raises Refused."""
    content = parameters["content"]
    size = len(content.encode())
    if size > FILE_BYTES:
        raise Refused(400, f"{name} has {size} bytes; a file may have {FILE_BYTES}")
    if name not in ledger.files and len(ledger.files) >= FILES:
        raise Refused(409, f"there are {FILES} files already; {name} was not stored")
    ledger.put_file(name, content)
    return f"{name} is stored, {size} bytes"


def confirm_records(ledger: Ledger) -> str:
    """Write a record anew, which succeeds only while this scheduler is the one that may write.

    There is nothing else to refresh: what is in memory is what was stored.
    """
    ledger.touch()
    return "Received cmd: refresh. This scheduler alone writes the records, and has them all"
