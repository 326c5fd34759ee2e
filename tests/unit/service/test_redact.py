"""What of a configuration is shown."""

import pytest

from holdfast.service.redact import NOT_SHOWN, looks_secret, redacted


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "passwd", "TLS_PASSPHRASE", "CLIENT_SECRET", "AUTH_TOKEN", "AWS_ACCESS_KEY",
     "apiKey", "private-credential"],
)  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["PORT", "KEYSPACE", "PATH", "MONKEY", "NODE_COUNT"])
def test_other_variables_are_shown(name: str) -> None:
    assert not looks_secret(name)


def test_only_values_are_left_out_and_the_rest_stays() -> None:
    document = {"pods": [{"tasks": [{"env": {"PASSWORD": "x", "A": "1"}, "secret": "path"}]}]}
    assert redacted(document) == {
        "pods": [{"tasks": [{"env": {"PASSWORD": NOT_SHOWN, "A": "1"}, "secret": "path"}]}]
    }
    assert document["pods"][0]["tasks"][0]["env"] == {"PASSWORD": "x", "A": "1"}
