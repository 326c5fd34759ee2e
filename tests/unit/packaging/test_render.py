"""The package's files and what the catalog makes of them; nothing is built here."""

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4

from holdfast import __version__
from holdfast_package import package, render
from holdfast_package.artifacts import Artifact
from holdfast_package.render import RenderError

HERE = Path(__file__).parents[3] / "universe-package"
URL = "http://10.0.0.9:8000"
DIGEST = "0" * 64
FILES = {
    kind: Artifact(Path(f"/out/{name}"), DIGEST)
    for kind, name in (
        ("scheduler", "scheduler.pex"),
        ("services", "services.tar.gz"),
        ("cli", "cli.zip"),
    )
}


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    return package.definition(package.read(HERE), FILES, URL)


def rendered(definition: dict[str, Any], options: dict[str, Any] | None = None) -> dict[str, Any]:
    return render.app(definition, options or {}, source=f"{URL}/repo.json")


def schemas(folder: str) -> Path:
    """The folder of published schemas; they are not ours to ship."""
    top = os.environ.get("HOLDFAST_SCHEMAS")
    if not top or not (Path(top) / folder).is_dir():
        pytest.skip(f"HOLDFAST_SCHEMAS names no folder that has {folder}")
    return Path(top) / folder


def validate(body: object, path: Path) -> None:
    """Against the schema in a file that may refer to its neighbours."""

    neighbours = [
        (file.name, DRAFT4.create_resource(json.loads(file.read_text())))
        for file in path.parent.glob("*.json")
    ]
    registry: Registry[Any] = Registry().with_resources(neighbours)
    schema = json.loads(path.read_text())
    jsonschema.Draft4Validator(schema, registry=registry).validate(body)


def test_the_files_hold_to_the_schemas_of_the_catalog(definition: dict[str, Any]) -> None:
    folder = schemas("universe-schema")
    json_of = {name: definition[name] for name in ("config", "resource")}
    validate(json_of["config"], folder / "config-schema.json")
    validate(json_of["resource"], folder / "v3-resource-schema.json")
    others = {"config", "resource", "marathon", "releaseVersion"}
    details = {key: value for key, value in definition.items() if key not in others}
    validate(details, folder / "package-schema.json")
    known = json.loads((folder / "vX-repo-definitions.json").read_text())
    jsonschema.Draft4Validator(
        {**known, "$ref": "#/v40Package"},
    ).validate(definition)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator({**known, "$ref": "#/v40Package"}).validate(
            {**definition, "command": {}}
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"service": {"name": "folder/db", "region": "eu", "definition": 'name: "{{X}}"\n'}},
        {"service": {"definition_uri": "http://files/svc.yml"}},
        {"security": {"secret_uri": "file:///etc/secret", "principal": "me"}},
        {"security": {"secret": "db/secret"}},
    ],
)
def test_the_app_is_what_marathon_takes(
    definition: dict[str, Any], options: dict[str, Any]
) -> None:
    schema = json.loads((schemas("marathon-schema") / "AppDefinition.json").read_text())
    # Marathon has had volumes of secrets since 1.5; its last JSON schema does not know them.
    volumes = schema["properties"]["container"]["properties"]["volumes"]
    secret = {"type": "object", "required": ["containerPath", "secret"]}
    volumes["items"] = {"anyOf": [volumes["items"], secret]}
    app = rendered(definition, options)
    jsonschema.Draft4Validator(schema).validate(app)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate({**app, "instances": "one"})


def test_every_option_is_described_and_has_a_default(definition: dict[str, Any]) -> None:
    for group, options in definition["config"]["properties"].items():
        assert options["additionalProperties"] is False, group
        for name, option in options["properties"].items():
            assert option["description"].endswith("."), name
            assert isinstance(option["default"], str | int | float), name
            assert option["type"] in ("string", "integer", "number"), name


def test_one_scheduler_at_a_time_that_marathon_never_kills(definition: dict[str, Any]) -> None:
    app = rendered(definition)
    assert app["instances"] == 1
    assert app["upgradeStrategy"] == {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
    (check,) = app["healthChecks"]
    assert check["maxConsecutiveFailures"] == 0  # /v1/health is 500 or 503 while tasks run on


def test_labels(definition: dict[str, Any]) -> None:
    labels = rendered(definition, {"service": {"name": "db"}})["labels"]
    assert labels["DCOS_SERVICE_NAME"] == labels["DCOS_PACKAGE_FRAMEWORK_NAME"] == "db"
    assert labels["DCOS_SERVICE_PORT_INDEX"] == "0"
    assert labels["DCOS_SERVICE_SCHEME"] == "http"
    assert labels["MARATHON_SINGLE_INSTANCE_APP"] == "true"
    assert labels["DCOS_COMMONS_UNINSTALL"] == "true"
    assert labels["DCOS_COMMONS_API_VERSION"] == "v1"
    assert labels["DCOS_PACKAGE_NAME"] == "holdfast"
    assert labels["DCOS_PACKAGE_VERSION"] == __version__
    assert labels["DCOS_PACKAGE_SOURCE"] == f"{URL}/repo.json"
    options = json.loads(base64.b64decode(labels["DCOS_PACKAGE_OPTIONS"]))
    assert options == {"service": {"name": "db"}}
    envelope = json.loads(base64.b64decode(labels["DCOS_PACKAGE_DEFINITION"]))
    assert json.loads(gzip.decompress(base64.b64decode(envelope["data"]))) == definition


def test_options_reach_the_service(definition: dict[str, Any]) -> None:
    options = {"nodes": {"count": 5, "cpus": 2.0, "placement": '[["hostname", "UNIQUE"]]'}}
    env = rendered(definition, options)["env"]
    assert (env["NODE_COUNT"], env["NODE_CPUS"], env["NODE_MEM"]) == ("5", "2", "512")
    assert env["PLACEMENT_CONSTRAINT"] == '[["hostname", "UNIQUE"]]'


def test_a_definition_of_ones_own_goes_through_unchanged(definition: dict[str, Any]) -> None:
    text = "name: '{{FRAMEWORK_NAME}}'\n# \"quoted\" \\ $HOME ü & <\n"
    env = rendered(definition, {"service": {"definition": text, "environment": "A=1\nB=2"}})["env"]
    assert env["HOLDFAST_DEFINITION"] == text
    assert env["HOLDFAST_ENVIRONMENT"] == "A=1\nB=2"


def test_artifacts_are_named_by_url_and_content(definition: dict[str, Any]) -> None:
    resource = definition["resource"]
    assert resource["assets"]["uris"]["scheduler"] == f"{URL}/scheduler.pex"
    binary = resource["cli"]["binaries"]["linux"]["x86-64"]
    assert binary["url"] == f"{URL}/cli.zip"
    assert binary["contentHash"] == [{"algo": "sha256", "value": DIGEST}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"nodes": {"cout": 5}},
            "nodes.cout is no option of this package; did you mean 'count'?",
        ),
        (
            {"etcd": {"count": 5}},
            "etcd is no option of this package; there are backoff, nodes, security, service",
        ),
        ({"nodes": {"count": "5"}}, "nodes.count: '5' is not of type 'integer'"),
        ({"nodes": {"count": 0}}, "nodes.count: 0 is less than the minimum of 1"),
        ({"service": {"name": "Big"}}, "service.name: 'Big' does not match"),
        ({"service": {"definition_uri": "http://a/b.yml"}}, "service.definition_uri: "),
        ({"service": []}, "service: [] is not of type 'object'"),
    ],
)
def test_wrong_options_are_named(
    definition: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RenderError) as error:
        rendered(definition, options)
    assert str(error.value).startswith(message)


def of(template: str, **properties: Any) -> dict[str, Any]:
    """A package of which only the template and the options matter."""
    encoded = base64.b64encode(template.encode()).decode()
    return {
        "name": "p",
        "version": "1",
        "config": {"type": "object", "properties": properties},
        "marathon": {"v2AppMustacheTemplate": encoded},
    }


def test_values_are_rendered_as_cosmos_does() -> None:
    template = (
        '{"a": "{{g.text}}", "b": {{g.whole}}, "c": {{g.flag}}, "d": {{g.half}}'
        '{{#g.zero}}, "e": {{g.zero}}{{/g.zero}}{{#g.flag}}, "f": 1{{/g.flag}}'
        '{{^g.empty}}, "h": 1{{/g.empty}}}'
    )
    group = {
        "properties": {
            "text": {"default": 'say "<&>"\n'},
            "whole": {"default": 1.0},
            "flag": {"default": False},
            "half": {"default": 0.5},
            "zero": {"default": 0},
            "empty": {"default": ""},
        }
    }
    app = render.app(of(template, g=group), {}, source="x")
    del app["labels"]
    assert app == {"a": 'say "<&>"\n', "b": 1, "c": False, "d": 0.5, "e": 0, "h": 1}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ('{"a": "{{nothing}}"}', "uses what nothing defines: nothing"),
        ("{", "does not make JSON"),
        ("{{#a}}", "does not make JSON"),
        ("[]", "does not make a JSON object"),
        ('{"labels": {"a": 1}}', "labels must be texts: a"),
        ("{{#asJson}}a{{/asJson}}", "asJson"),
    ],
)
def test_a_wrong_template_is_refused(template: str, message: str) -> None:
    with pytest.raises(RenderError, match=message):
        render.app(of(template), {}, source="x")


def test_a_package_is_refused_with_the_file_at_fault(tmp_path: Path) -> None:
    for name in package.FILES:
        (tmp_path / name).write_bytes((HERE / name).read_bytes())
    (tmp_path / "resource.json").write_text('{"a": "{{sha256:server}}"}')
    with pytest.raises(package.PackageError, match=r"resource\.json: no artifact is called"):
        package.definition(package.read(tmp_path), FILES, URL)
    (tmp_path / "resource.json").write_text("{")
    with pytest.raises(package.PackageError, match=r"resource\.json is not JSON"):
        package.definition(package.read(tmp_path), FILES, URL)
    (tmp_path / "config.json").write_bytes("ü".encode())
    with pytest.raises(package.PackageError, match=r"config\.json: the catalog takes ASCII only"):
        package.read(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(package.PackageError, match=r"config\.json cannot be read"):
        package.read(tmp_path)
