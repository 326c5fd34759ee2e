"""docs/svc-yml-keys.md is what the reader of svc.yml accepts, and has every key of it."""

from docs_site import svc_keys
from holdfast.service import vocabulary
from holdfast.service.section import Keys

MADE = svc_keys.page()


def test_the_page_is_as_it_is_made() -> None:
    assert svc_keys.PAGE.read_text() == MADE, "run python -m docs_site.svc_keys"


def test_every_mapping_of_the_format_is_on_it() -> None:
    known = {name for name, keys in vars(vocabulary).items() if isinstance(keys, Keys)}
    shown = [keys for _, _, keys, _ in svc_keys.MAPPINGS]
    assert {name for name in known if getattr(vocabulary, name) not in shown} == set()


def test_it_tells_what_is_required_and_what_may_stand_there() -> None:
    assert "| `goal` | RUNNING, FINISH or ONCE | required |" in MADE
    assert "| `max-unavailable` | a whole number of at least 1 |  |" in MADE
