"""What can be seen of the scheduler's process itself, beside its services."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vitals:
    """`store_connected` is whether ZooKeeper answers.

    `api_certificate_ends` is when the certificate of the API does, in seconds since the epoch; None
    without one.
    """

    store_connected: bool = True
    api_certificate_ends: float | None = None
