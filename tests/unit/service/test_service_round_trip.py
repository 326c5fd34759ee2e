"""Nothing a definition says is lost: neither in reading it nor in its record."""

import inspect
import json

from hypothesis import HealthCheck, Phase, given, settings

from holdfast.service import vocabulary
from holdfast.service.encode import config_id, from_json, to_json
from holdfast.service.model import ServiceSpec
from holdfast.service.section import Keys
from tests.unit.service import svc_yaml
from tests.unit.service.definitions import model
from tests.unit.service.svc_yaml import to_yaml
from tests.unit.service.valid_services import services

# Services are too large to be shrunk in a sensible time.
SLOW = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_every_key_of_the_format_is_written() -> None:
    """So that a key added to the reader is added here; `volume` is `volumes` with one entry."""
    keys = {
        key for each in vars(vocabulary).values() if isinstance(each, Keys) for key in each.allowed
    }
    source = inspect.getsource(svc_yaml)
    assert {key for key in keys if f'"{key}"' not in source} == {"volume"}


@SLOW
@given(services())
def test_any_valid_service_is_read_as_written(spec: ServiceSpec) -> None:
    assert model(to_yaml(spec)) == spec


@SLOW
@given(services())
def test_the_record_has_it_all(spec: ServiceSpec) -> None:
    document = json.loads(json.dumps(to_json(spec), allow_nan=False))
    assert from_json(document) == spec
    assert to_json(from_json(document)) == document
    assert config_id(from_json(document)) == config_id(spec)
