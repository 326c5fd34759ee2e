"""What an operator reads when svc.yml is broken, whole.

golden/NAME.yml is a broken definition, golden/NAME.txt the message. After a change of messages,
write the files anew with HOLDFAST_REWRITE_GOLDEN=1 and read the difference before committing it.
"""

import os
from pathlib import Path

import pytest

from holdfast.service.load import read_definition
from holdfast.service.problems import ServiceError

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENT = {"COUNT": "three", "PLACEMENT": '[["hostname", "UNIQE"]]', "SECURE": "true"}


def no_templates(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yml")), ids=lambda path: path.stem)
def test_message(path: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        read_definition(
            path.read_text(),
            source=path.name,
            read_template=no_templates,
            environment=ENVIRONMENT,
        )
    golden = path.with_suffix(".txt")
    message = f"{caught.value}\n"
    if os.environ.get("HOLDFAST_REWRITE_GOLDEN"):
        golden.write_text(message)
    assert message == golden.read_text()


def test_every_message_has_its_definition() -> None:
    stems = [{path.stem for path in GOLDEN.glob(f"*.{suffix}")} for suffix in ("yml", "txt")]
    assert stems[0] == stems[1] != set()
