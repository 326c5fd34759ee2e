"""What a process is to the master and to the store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framework:
    """What the master and the store are told of it. `web_url` None is the API itself; `region` is
    where pods of its services go that name none."""

    name: str
    user: str
    principal: str
    zookeeper: str
    web_url: str | None = None
    region: str | None = None
