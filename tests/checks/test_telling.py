"""How verdicts are told: Markdown, events, JUnit."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from duckherd.checks.events import check_failed_event
from duckherd.checks.junit import junit_xml
from duckherd.checks.markdown import escaped, verdicts_markdown
from duckherd.checks.model import Verdict

FAILED = Verdict(
    "not_null",
    "not_null(a|b)",
    "error",
    "fail",
    columns=("a|b",),
    rows=2000,
    failures=20,
    ratio=0.01,
    observed="20 nulls",
    expected="no nulls",
    samples=({"id": "1", "a|b": None}, {"id": "<b>2</b>", "a|b": None}),
    sql="select '```' from this",
    description="Needed by *billing*.",
)
WARNED = Verdict("range", "range(x)", "warn", "fail", rows=5, failures=1, ratio=0.2)
ERROR = Verdict("sql", "sql", "error", "error", observed="Parser Error")
SKIPPED = Verdict("row_count", "row_count", "error", "skipped", observed="no previous load")
PASSED = Verdict("unique", "unique(id)", "error", "pass", rows=2000)
ALL = (PASSED, SKIPPED, WARNED, ERROR, FAILED)


def test_markdown_tells_failures_first() -> None:
    """Blocking failures, then warnings, then what was skipped, then what passed."""
    lines = verdicts_markdown(ALL).splitlines()
    table = [line for line in lines if line.startswith("| ")][2:7]
    assert [line.split(" | ")[0] for line in table] == [
        "| ✗ error",
        "| ✗ fail",
        "| ⚠ warn",
        "| – skipped",
        "| ✓ pass",
    ]
    assert r"| ✗ fail | not\_null(a\|b) | 20 nulls | no nulls | 20 (1.00%) | 2,000 |" in table


def test_markdown_shows_failing_rows_and_their_query() -> None:
    """Samples as a table with NULL apart from text; the query in a fence it cannot close."""
    text = verdicts_markdown([FAILED])
    assert (
        "| id | a\\|b |\n| --- | --- |\n| 1 | *null* |\n| &lt;b&gt;2&lt;/b&gt; | *null* |" in text
    )
    assert "````sql\nselect '```' from this\n````" in text
    assert r"Needed by \*billing\*." in text


def test_markdown_of_no_checks_is_empty() -> None:
    """Nothing checked, nothing told."""
    assert verdicts_markdown([]) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a|b", r"a\|b"),
        ("two\nlines", "two lines"),
        ("[x](http://evil)", r"\[x\](http\://evil)"),
        ("<script>", "&lt;script&gt;"),
        ("![i](j)", r"\!\[i\](j)"),
        ("`code`", r"\`code\`"),
    ],
)
def test_values_never_act_as_markup(value: str, shown: str) -> None:
    """What comes from data is shown, not rendered."""
    assert escaped(value) == shown


def test_event_names_what_failed_and_shows_no_data() -> None:
    """One event a table, with every check that did not pass and no sample."""
    event = check_failed_event(ALL, "sales.orders")
    assert event["event"] == "duckherd.check.failed"
    assert event["resource"] == {
        "prefect.resource.id": "duckherd.table.sales.orders",
        "prefect.resource.name": "sales.orders",
        "duckherd.severity": "error",
    }
    assert [check["name"] for check in event["payload"]["checks"]] == [
        "range(x)",
        "sql",
        "not_null(a|b)",
    ]
    assert event["payload"]["blocking"] == 2
    assert "<b>" not in str(event)
    assert check_failed_event([WARNED], "a.b")["resource"]["duckherd.severity"] == "warn"


def test_event_is_one_prefect_can_emit() -> None:
    """The arguments make a valid Prefect event."""
    from prefect.events import Event

    event = Event(**check_failed_event(ALL, "sales.orders"))
    assert event.payload["table"] == "sales.orders"


def test_junit() -> None:
    """One suite a table; what only warns passes."""
    suites = ET.fromstring(junit_xml({"erp.sales.orders": ALL, "bad\x00name": [PASSED]}))
    first, second = suites
    assert first.attrib == {
        "name": "erp.sales.orders",
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    told = {case.get("name"): [child.tag for child in case] for case in first}
    assert told == {
        "unique(id)": [],
        "row_count": ["skipped"],
        "range(x)": ["system-out"],
        "sql": ["error"],
        "not_null(a|b)": ["failure"],
    }
    assert second.get("name") == "bad\ufffdname"
