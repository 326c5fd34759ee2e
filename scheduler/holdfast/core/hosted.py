"""A service that shares a framework with others, as it was given: enough to read it again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from holdfast.service.load import Warn, loads
from holdfast.service.model import ServiceSpec
from holdfast.service.problems import Problem, ServiceError

HOSTED = "services/"


@dataclass(frozen=True, slots=True)
class Hosted:
    """The text of a svc.yml, the variables it is rendered with, and its templates by name."""

    name: str
    yaml: str
    environment: Mapping[str, str]
    files: Mapping[str, str]

    def spec(
        self, principal: str, warn: Warn | None = None, region: str | None = None
    ) -> ServiceSpec:
        """What it says, under the principal of the framework; pods that name no region go to that
        one. Raises ServiceError."""
        read = loads(
            self.yaml,
            source=f"the svc.yml of {self.name}",
            read_template=self._template,
            environment=self.environment,
            warn=warn,
        )
        commands = [
            Problem(
                0,
                f"pods.{pod.type}.disruption-check.command",
                "would be run by the scheduler, which is not for those who add services to it to"
                " say; give a `url`",
            )
            for pod in read.pods
            if pod.disruption_check is not None and pod.disruption_check.command
        ]
        if commands:
            raise ServiceError(f"the svc.yml of {self.name}", commands)
        return replace(read, principal=principal, region=region)

    def _template(self, name: str) -> str:
        text = self.files.get(name)
        if text is None:
            raise OSError("it was not given along with svc.yml")
        return text


def service_key(name: str) -> str:
    """What stands for the service in paths: slashes become `__`, which no name contains."""
    return name.strip("/").replace("/", "__")


def hosted_path(name: str) -> str:
    return f"{HOSTED}{service_key(name)}"


def record_path(name: str, path: str) -> str:
    """Where a record of the service is in the store that all of them share."""
    return f"{service_key(name)}:{path}"


def split_path(path: str) -> tuple[str, str]:
    """The key of the service, and what `record_path` was given; ("", path) of other records."""
    key, colon, rest = path.partition(":")
    return (key, rest) if colon and "/" not in key else ("", path)


def hosted_to_json(hosted: Hosted) -> dict[str, Any]:
    """The record as JSON; `hosted_from_json` is its inverse."""
    return {
        "name": hosted.name,
        "yaml": hosted.yaml,
        "environment": dict(hosted.environment),
        "files": dict(hosted.files),
    }


def hosted_from_json(data: Mapping[str, Any]) -> Hosted:
    """Raises KeyError or TypeError when `data` is not such a record."""
    return Hosted(data["name"], data["yaml"], dict(data["environment"]), dict(data["files"]))
