"""One of the services that share a framework: its core, and how it is opened from the records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.core.conduct import Conduct
from holdfast.core.core import Core
from holdfast.core.hosted import (
    HOSTED,
    Hosted,
    hosted_from_json,
    record_path,
    service_key,
    split_path,
)
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.startup import (
    BadRecord,
    Record,
    Stored,
    is_being_uninstalled,
    open_ledger,
    open_uninstall,
)
from holdfast.core.uninstall_record import Uninstalling
from holdfast.core.view import View
from holdfast.state.store import LAST_RECORD

RECORD_FOLDERS = (
    *("configs", "files", "intents", "journal", "paused", "plans", "pods", "retired", "uninstall"),
)
"""Where a service may have had records; they stay, empty, in a store that has folders."""


@dataclass(slots=True)
class Part:
    """One service: its core, its records as they are stored, when it was last stepped."""

    hosted: Hosted
    core: Core
    records: dict[str, Record]
    stepped: float = 0.0
    view: View | None = None

    @property
    def ledger(self) -> Ledger:
        return self.core.ledger

    @property
    def grows(self) -> bool:
        """Whether it is deployed for the first time."""
        return self.ledger.deployed is None and self.ledger.uninstalling is None


@dataclass(frozen=True, slots=True)
class Maker:
    """What all parts are made with."""

    settings: LaunchSettings
    new_id: Callable[[], str]
    core_type: type[Core]
    conduct: Conduct

    def __call__(
        self,
        hosted: Hosted,
        ledger: Ledger,
        errors: Sequence[str],
        records: Mapping[str, Record],
        framework_id: str | None,
    ) -> Part:
        if ledger.framework_id is None and framework_id is not None:
            ledger.set_framework_id(framework_id)
        core = self.core_type(
            ledger, self.settings, self.new_id, errors, shared=True, conduct=self.conduct
        )
        return Part(hosted, core, dict(records))


def open_parts(
    stored: Stored,
    make: Maker,
    framework_id: str | None,
    principal: str,
    region: str | None,
    ending: bool,
    now: float,
) -> tuple[dict[str, Part], dict[str, dict[str, Record]]]:
    """Every service of the records by name, and the last records of services that have gone.

    `ending` when all of them are to be uninstalled. Raises BadRecord, and ServiceError when a
    svc.yml that was taken cannot be read any more.
    """
    records: dict[str, dict[str, Record]] = {}
    for path, data in stored.items():
        key, rest = split_path(path)
        if key:
            records.setdefault(key, {})[rest] = data
    parts = {}
    for path, data in stored.items():
        if not path.startswith(HOSTED):
            continue
        try:
            hosted = hosted_from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            raise BadRecord(path, error) from error
        of_it = records.pop(service_key(hosted.name), {})
        spec = hosted.spec(principal, region=region)
        errors: Sequence[str] = ()
        try:
            if is_being_uninstalled(of_it):
                ledger = open_uninstall(of_it, spec, now)
            else:
                ledger, errors = open_ledger(of_it, spec)
                if ending:
                    ledger.put_uninstalling(Uninstalling(now))
        except BadRecord as error:
            raise BadRecord(record_path(hosted.name, error.path), error.error) from error
        parts[hosted.name] = make(hosted, ledger, errors, of_it, framework_id)
    for key, of_it in records.items():
        if not is_being_uninstalled(of_it):
            raise BadRecord(f"{HOSTED}{key}", KeyError("the service has other records"))
    return parts, records  # a crash kept the last of these


def deletions(key: str, records: Mapping[str, Record]) -> dict[str, Record | None]:
    """What deletes the records, then their folders; at the very last what says that they go."""
    folders = {*RECORD_FOLDERS, *(p.partition("/")[0] for p in records if "/" in p)}
    order = (*sorted(records.keys() - {LAST_RECORD}), *sorted(folders), LAST_RECORD)
    return {f"{key}:{path}": None for path in order}
