"""The configurations of the service: what it is asked to be, by id."""

from collections.abc import Mapping

from holdfast.core.view import View
from holdfast.service.model import ServiceSpec


def configurations(view: View) -> Mapping[str, ServiceSpec]:
    """Every configuration that is known in full."""
    return {**view.configs, view.target_id: view.service}
