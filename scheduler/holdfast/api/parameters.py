"""What stands for a name in the paths of the API, told of in the OpenAPI document."""

from typing import Annotated

from fastapi import Path


def _names(description: str, example: str) -> object:
    return Path(description=description, examples=[example])


PlanName = Annotated[str, _names("A plan, as `/v1/plans` lists it.", "deploy")]
PodName = Annotated[str, _names("A pod instance.", "hello-0")]
HostName = Annotated[str, _names("A host, named as `agent` of pods.", "10.0.0.7")]
VolumeId = Annotated[str, _names("A volume, as `/v1/volumes` lists it.", "e19fd42d8f5b49b0")]
RetiredName = Annotated[
    str,
    _names("A reservation, a volume on it, or the pod instance that left it.", "7d1b4c6f3f0c5a0e"),
]
EndpointName = Annotated[str, _names("An endpoint, as `/v1/endpoints` lists it.", "client")]
OwnEndpointName = Annotated[str, _names("An endpoint the service defines itself.", "seeds")]
PropertyName = Annotated[str, _names("A property.", "suppressed")]
FileName = Annotated[str, _names("A stored file.", "VERSION")]
TaskName = Annotated[str, _names("A task, with its pod instance.", "hello-0-server")]
PodType = Annotated[str, _names("A type of pods.", "hello")]
Address = Annotated[str, _names("The IP address of its agent.", "10.0.0.7")]
ConfigurationId = Annotated[
    str, _names("A configuration, as `/v1/configurations` lists it.", "0b1f7bb5")
]
SpecTaskName = Annotated[str, _names("A task, as its pod in `svc.yml` names it.", "server")]
TemplateName = Annotated[str, _names("A configuration file of the task.", "server.conf")]
ArtifactName = Annotated[str, _names("A file for agents.", "executor.pyz")]
ServiceName = Annotated[
    str, _names("A service; `__` or dots stand for slashes of its name.", "team__web")
]
