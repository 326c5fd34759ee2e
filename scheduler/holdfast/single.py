"""The start of a scheduler of one service: from its svc.yml, and its records if there are any."""

import time
from collections.abc import Callable, Mapping

import structlog

from holdfast.api.codahale import of_service
from holdfast.core.conduct import Conduct
from holdfast.core.core import Core
from holdfast.core.launch import LaunchSettings
from holdfast.core.ledger import Ledger
from holdfast.core.roles import subscribed_roles
from holdfast.core.startup import open_ledger, open_uninstall
from holdfast.leading import CannotStart, Leading
from holdfast.multi import is_multi
from holdfast.placement.owner import uses_gpus
from holdfast.service.model import ServiceSpec
from holdfast.state.store import Record

log = structlog.get_logger("holdfast")


def lead_one(
    service: ServiceSpec,
    stored: Mapping[str, Record],
    settings: LaunchSettings,
    new_id: Callable[[], str],
    conduct: Conduct,
    uninstall: bool,
) -> Leading:
    """Go on with the one service, or begin with it. Raises CannotStart, BadRecord."""
    if is_multi(stored):
        raise CannotStart(
            f"The records of {service.name} are those of a framework of many services. Nothing was"
            f" changed. Start it with --multi {service.name}; or give the service another name."
        )
    ledger, errors = _open(service, stored, uninstall)
    for refused in errors:
        log.error("the changed svc.yml is refused; the former one stays in force", why=refused)
    core = Core(ledger, settings, new_id, errors, conduct=conduct)
    return Leading(
        core=core,
        framework_id=ledger.framework_id,
        roles=lambda: subscribed_roles(ledger),
        suppressed_roles=lambda: subscribed_roles(ledger) if core.suppressed else (),
        gpus=lambda: uses_gpus(ledger.service),
        metrics=lambda engine, now: [("", of_service(engine.view, engine.offers_timer, now))],
        configs=ledger.configs if ledger.uninstalling is None else None,
        deregisters=lambda: core.deregisters,
        ended=ledger.uninstalling is not None and ledger.framework_id is None,
    )


def _open(
    service: ServiceSpec, stored: Mapping[str, Record], uninstall: bool
) -> tuple[Ledger, tuple[str, ...]]:
    """The records to go on from, and why a changed svc.yml cannot be the target, if it cannot."""
    if uninstall:
        return open_uninstall(stored, service, time.time()), ()
    return open_ledger(stored, service)
