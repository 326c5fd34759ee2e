"""Templates: golden results of both dialects, errors with lines, text left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_executor.mustache import (
    CONFIG,
    DEFINITION,
    ONLY_FALSE,
    TemplateError,
    env_values,
    render,
    render_listing_missing,
)

ANY = "a&<>\"'=`b"


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("port: {{PORT}}", {"PORT": "80"}, "port: 80"),
        ("port: {{ PORT }}", {"PORT": 80}, "port: 80"),
        ("{{X}}", {}, ""),
        ("{{X}}", {"X": True}, "true"),
        ("{{X}}", {"X": False}, "false"),
        ("{{{X}}}|{{&X}}|{{& X }}", {"X": ANY}, f"{ANY}|{ANY}|{ANY}"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {"X": True}, "[yes]"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {"X": "text"}, "[yes]"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {"X": 0}, "[yes]"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {"X": False}, "[no]"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {"X": ""}, "[no]"),
        ("[{{#X}}yes{{/X}}{{^X}}no{{/X}}]", {}, "[no]"),
        ("{{#A}}{{#B}}{{C}}{{/B}}{{/A}}", {"A": "1", "B": "1", "C": "c"}, "c"),
        ("{{#A}}1{{#A}}2{{/A}}3{{/A}}", {"A": "1"}, "123"),
        ("a{{! a comment\nover lines }}b", {}, "ab"),
        ("{{=<% %>=}}<% X %>{{X}}<%={{ }}=%>{{X}}", {"X": "x"}, "x{{X}}x"),
        ("a: 1\n{{#X}}\nb: 2\n{{/X}}\nc: 3\n", {"X": True}, "a: 1\nb: 2\nc: 3\n"),
        ("a: 1\n{{#X}}\nb: 2\n{{/X}}\nc: 3\n", {}, "a: 1\nc: 3\n"),
        ("  {{#X}}  \r\n  b\r\n  {{/X}}\r\nc", {"X": "1"}, "  b\r\nc"),
        ("a\n  {{! alone }}\nb", {}, "a\nb"),
        ("a\n  {{! alone }}", {}, "a\n"),
        ("a\n{{=| |=}}\n|X|", {"X": "x"}, "a\nx"),
        ("  {{X}}\n", {"X": "x"}, "  x\n"),
        ("{{#X}}a{{/X}} \nb", {"X": "1"}, "a \nb"),
        ("{{#X}}{{/X}}\nb", {"X": "1"}, "\nb"),
        ("a}}b } {", {}, "a}}b } {"),
    ],
)
def test_rendering(template: str, values: dict[str, object], expected: str) -> None:
    assert render(template, values) == expected
    assert render(template, values, CONFIG) == expected


def test_definitions_are_escaped_as_by_mustache_java() -> None:
    assert render("{{X}}", {"X": ANY}) == "a&amp;&lt;&gt;&quot;&#39;&#61;&#96;b"
    assert render("{{X}}", {"X": "1\n\t2"}) == "1&#10;&#9;2"


def test_config_files_are_escaped_as_by_go() -> None:
    assert render("{{X}}", {"X": ANY + "\n"}, CONFIG) == "a&amp;&lt;&gt;&#34;&#39;=`b\n"


def test_blank_text_is_false_in_config_files_alone() -> None:
    template = "{{#X}}yes{{/X}}{{^X}}no{{/X}}"
    assert render(template, {"X": "  "}, DEFINITION) == "yes"
    assert render(template, {"X": "  "}, CONFIG) == "no"


def test_missing_values_are_listed_once_in_order_and_sections_are_not() -> None:
    text, missing = render_listing_missing(
        "{{B}}{{{A}}}{{B}}{{#C}}{{D}}{{/C}}{{^C}}{{E}}{{/C}}{{F}}", {"F": ""}
    )
    assert text == ""
    assert missing == ("B", "A", "E")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{X", "line 2: the tag {{ has no end"),
        ("a\n{{{X}}", "line 2: the tag {{ has no end"),
        ("{{#X}}\n\n", "line 1: 'X' is never closed"),
        ("\n{{/X}}", "line 2: {{/X}} closes nothing"),
        ("{{#X}}\n{{#Y}}\n{{/X}}{{/Y}}", "line 3: {{/X}} closes 'Y' of line 2"),
        ("{{! a\nb }}\n{{/X}}", "line 3: {{/X}} closes nothing"),
        ("\n\n{{>other}}", "line 3: partials ({{>other}}) are not supported"),
        ("{{}}", "line 1: a tag without a name"),
        ("{{# }}{{/ }}", "line 1: a tag without a name"),
        ("{{=x=}}", "line 1: expected two delimiters"),
    ],
)
def test_errors_name_the_line(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as refused:
        render(template, {})
    assert str(refused.value).startswith(message)


def test_words_that_become_booleans() -> None:
    environment = {"A": "TRUE", "B": "False", "C": "no", "D": "true"}
    assert env_values(environment) == {"A": True, "B": False, "C": "no", "D": True}
    assert env_values(environment, booleans=ONLY_FALSE) == {
        "A": "TRUE",
        "B": False,
        "C": "no",
        "D": "true",
    }


@given(st.text().filter(lambda text: "{{" not in text), st.dictionaries(st.text(), st.text()))
def test_text_without_tags_renders_to_itself(text: str, values: dict[str, object]) -> None:
    assert render_listing_missing(text, values) == (text, ())


@given(st.text(alphabet="{}#/^!=&> ab\n"))
def test_every_template_renders_or_is_refused_with_a_line(template: str) -> None:
    try:
        render(template, {"a": "1"})
    except TemplateError as refused:
        text = str(refused)
    else:
        return
    assert text.startswith("line ")


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"])))
def test_raw_values_come_out_unchanged(value: str) -> None:
    assert render("<{{{X}}}>", {"X": value}) == f"<{value}>"
