"""The start of a framework of many services: from its records alone, they know its services."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from holdfast.api.codahale import of_service
from holdfast.core.conduct import Conduct
from holdfast.core.launch import LaunchSettings
from holdfast.core.multi import MULTI_PATH, Composite
from holdfast.core.multi_uninstall import uninstalls_many
from holdfast.framework import Framework
from holdfast.leading import CannotStart, Leading
from holdfast.service.problems import ServiceError
from holdfast.service.service_section import DEFAULT_USER
from holdfast.state.store import Record

F = TypeVar("F", bound=Callable[..., Any])


def multi_options(command: F) -> F:
    """The command with the options of a framework of many services."""
    for decorate in (
        click.option(
            "--reserve-discipline",
            type=click.IntRange(0),
            envvar="RESERVE_DISCIPLINE",
            default=0,
            help="How many services may be deployed for the first time at once; 0: all.",
        ),
        click.option(
            "--principal", envvar="FRAMEWORK_PRINCIPAL", help="Of --multi: NAME-principal."
        ),
        click.option("--user", envvar="FRAMEWORK_USER", default=DEFAULT_USER, help="Of --multi."),
        click.option("--multi", metavar="NAME", help="The framework that many services share."),
    ):
        command = decorate(command)
    return command


def is_multi(stored: Mapping[str, Record]) -> bool:
    """Whether the records are those of a framework of many services."""
    return MULTI_PATH in stored or uninstalls_many(stored)


def lead_many(
    framework: Framework,
    stored: Mapping[str, Record],
    settings: LaunchSettings,
    new_id: Callable[[], str],
    limit: int,
    conduct: Conduct,
    removal_timeout: float | None,
    uninstall: bool,
) -> Leading:
    """Go on with the services in the records, or bring them all to their end.

    The others are those of `Composite`. Raises CannotStart, BadRecord.
    """
    if stored and not is_multi(stored):
        raise CannotStart(
            f"The records of {framework.name} are those of a single service. Nothing was changed,"
            " and its tasks run on. Start its scheduler with its svc.yml, or choose another name"
            " for the framework of many services."
        )
    try:
        core = Composite(
            stored,
            settings,
            new_id,
            framework.principal,
            limit,
            time.time(),
            region=framework.region,
            conduct=conduct,
            removal_timeout=removal_timeout,
            uninstall=uninstall,
        )
    except ServiceError as error:
        raise CannotStart(str(error)) from error
    return Leading(
        core=core,
        framework_id=core.framework_id,
        roles=lambda: core.roles,
        suppressed_roles=lambda: core.suppressed_roles,
        gpus=lambda: core.gpus,
        metrics=lambda engine, now: (
            (name, of_service(view, engine.offers_timer, now))
            for name, view in engine.view.services.items()
        ),
        configs={
            f"{name}:{id_}": spec for (name, id_), spec in core.view(time.time()).configs.items()
        }
        if not uninstall
        else None,
        deregisters=lambda: core.deregisters,
        ended=uninstall and core.framework_id is None,
    )
