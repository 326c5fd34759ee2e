"""`holdfast certificates`: what it prints, and the order it gives."""

from holdfast.core.events import Verb

from ..api.pictures import Given, Source, with_certificates
from .conftest import Run


def test_certificates_are_shown_with_their_end_and_authority(run: Run, source: Source) -> None:
    assert run("certificates", "show").stdout == "No task has a certificate.\n"
    source.view = with_certificates()
    first, _, *rows = run("certificates", "show").stdout.splitlines()
    assert first == "Authority new until 2023-11-14: the former one is trusted still."
    assert [row.split() for row in rows] == [
        ["etcd-0", "member", "2023-11-14", "this", "one"],
        ["etcd-1", "member", "2023-11-14", "another:", "restart", "it"],
    ]


def test_the_authority_is_rotated_a_step(run: Run, source: Source) -> None:
    assert run("certificates", "rotate").exit_code == 0
    assert run("certificates", "rotate", "--force").exit_code == 0
    assert source.commands == [
        Given(Verb.AUTHORITY_ROTATE, "own", parameters={}),
        Given(Verb.AUTHORITY_ROTATE, "own", parameters={"force": "true"}),
    ]
