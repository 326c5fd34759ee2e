"""What the outside may see of many services at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.hosted import Hosted
from holdfast.core.view import View
from holdfast.plans.plan import Plan
from holdfast.service.model import ServiceSpec


@dataclass(frozen=True, slots=True)
class MultiView:
    """All services at one moment, by name. `held` are those that wait for their turn to grow.

    `uninstall` is the plan by which the framework ends, if it is being uninstalled.
    """

    framework_id: str | None
    connected: bool
    services: Mapping[str, View]
    hosted: Mapping[str, Hosted]
    held: frozenset[str]
    uninstall: Plan | None = None

    @property
    def configs(self) -> Mapping[tuple[str, str], ServiceSpec]:
        """Every configuration in use, by service and id."""
        return {
            (name, id_): spec
            for name, view in self.services.items()
            for id_, spec in view.configs.items()
        }


def waits_for(view: View) -> str:
    """What a service that is being uninstalled waits for, the first of it."""
    steps = [step for plan in view.plans for phase in plan.phases for step in phase.steps]
    return next((step.message for step in steps if step.message), "it is being uninstalled")
