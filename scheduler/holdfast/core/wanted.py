"""What is to be started as soon as an offer fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.service.model import PodSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """Tasks of a pod instance to start: `spec` is it under the configuration `config_id`.

    `join` them to the executor that runs; otherwise the instance starts with a new one. `run` and
    `parameters` are those of a custom plan; what is recovered (`run` is None) stays of the run it
    was. `otherwise` is the instance as it was, to be started where it is if it cannot grow.
    """

    name: str
    spec: PodSpec
    index: int
    config_id: str
    tasks: tuple[str, ...]
    join: bool = False
    run: str | None = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    otherwise: "Wanted | None" = None
