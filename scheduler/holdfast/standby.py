"""What a scheduler has ready before it leads, so that little is left to do once it does.

Most of the time of a start goes into things that depend on no record: the API's routes and the
executor's archive. A standby has made them long before the leader dies.
"""

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from starlette.types import ASGIApp

from holdfast.api.app import create_app
from holdfast.api.credentials import CredentialsFile
from holdfast.api.multi import create_multi_app
from holdfast.framework import Framework
from holdfast.mesos.access import Access
from holdfast.mesos.inventory import Inventory, ask_master
from holdfast.vitals import Vitals
from holdfast_executor import archive


class _Master(Protocol):
    """Who knows where the master is that knows us."""

    @property
    def master_url(self) -> str | None: ...


class Awaited:
    """The engine, for an API that is made before it; that is served only once there is one."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._link: _Master | None = None

    def came(self, engine: Any, link: _Master) -> None:
        """From now on everything asked of this is asked of `engine`."""
        self._engine, self._link = engine, link

    @property
    def master_url(self) -> str | None:
        return self._link.master_url if self._link else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class Prepared:
    """The executor's archive by its name, and the API over an engine that comes later."""

    def __init__(
        self,
        framework: Framework,
        many: bool,
        access: Access,
        credentials: CredentialsFile | None,
        vitals: Callable[[], Vitals],
    ) -> None:
        """`many` is whether the framework has many services; the others are of `create_app`."""
        self.executor, content = _executor()
        self.awaited = Awaited()
        source: Any = self.awaited
        artifacts = {self.executor: content}

        def ask(roles: Collection[str]) -> Inventory:
            return ask_master(access, self.awaited.master_url, roles)

        self.app: ASGIApp
        if many:
            self.app = create_multi_app(
                source,
                artifacts,
                framework,
                credentials=credentials,
                ask_master=ask,
                vitals=vitals,
            )
        else:
            self.app = create_app(
                source, artifacts, credentials=credentials, ask_master=ask, vitals=vitals
            )


def _executor() -> tuple[str, bytes]:
    """The executor's archive, under a name that tells its content: agents cache it by name."""
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        path = archive.build(Path(folder) / "executor.pyz")
        return f"holdfast-executor-{archive.digest(path)[:16]}.pyz", path.read_bytes()
