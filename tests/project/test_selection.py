"""The selection language."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.errors import SelectionError
from duckherd.project.selection import parse, quote, select


@dataclass(frozen=True)
class Record:
    name: str
    table: str | None
    tags: tuple[str, ...] = ()


RECORDS = [
    Record("erp.sales.orders", "sales.orders", ("erp", "sales", "owner:sales-data")),
    Record("erp.sales.order_lines", "sales.order_lines", ("erp", "sales")),
    Record("erp.hr.people", "hr.people", ("erp", "hr", "owner:hr")),
    Record('erp.odd.a, "b" [c]', 'odd.a, "b" [c]', ("erp",)),
    Record("digest", None, ("ops",)),
]


def _names(*include: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [record.name.removeprefix("erp.") for record in select(RECORDS, include, exclude)]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ([], ["sales.orders", "sales.order_lines", "hr.people", 'odd.a, "b" [c]', "digest"]),
        (["erp.sales.orders"], ["sales.orders"]),
        (["sales.orders"], ["sales.orders"]),
        (["orders"], ["sales.orders"]),
        (["sales.*"], ["sales.orders", "sales.order_lines"]),
        (["*.order?"], ["sales.orders"]),
        (["tag:hr"], ["hr.people"]),
        (["tag:owner:*"], ["sales.orders", "hr.people"]),
        (["owner:sales-*"], ["sales.orders"]),
        (["tag:sales,orders"], ["sales.orders"]),
        (["tag:hr", "digest"], ["hr.people", "digest"]),
        (["tag:hr digest"], ["hr.people", "digest"]),
        (["tag:sales,owner:* tag:ops"], ["sales.orders", "digest"]),
        (['"odd.a, ""b"" [c]"'], ['odd.a, "b" [c]']),
        (['"odd.a, "*'], ['odd.a, "b" [c]']),
        (["*[c]"], ['odd.a, "b" [c]']),
    ],
)
def test_what_a_selection_means(include: list[str], expected: list[str]) -> None:
    """Names with globs, tags and owners; a space is a union, a comma an intersection."""
    assert _names(*include) == expected


def test_exclude_takes_away() -> None:
    """`--exclude` is a selection too."""
    assert _names("tag:erp", exclude=("tag:sales,orders", "odd.*")) == [
        "sales.order_lines",
        "hr.people",
    ]


def test_attributes_are_looked_up_only_where_used() -> None:
    """`result:` and the like come from lookups the command gives."""
    asked: list[str] = []

    def result(record: Record) -> list[str]:
        asked.append(record.name)
        return ["failed"] if "hr" in record.name else ["ok"]

    chosen = select(RECORDS, ["result:failed"], (), {"result": result})
    assert [record.name for record in chosen] == ["erp.hr.people"]
    assert len(asked) == len(RECORDS)
    assert parse(["result:ok,tag:x", "state:new"]).attributes == {"result", "state"}


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (["sales.ordrs"], "nearest are sales.orders"),
        (["Orders"], "nearest are orders"),
        (["tag:sale"], "nearest are tag:sales"),
        (["zzzzzz"], "duckherd ls lists them all"),
        (["owners:x"], "did you mean owner?"),
        (["colour:x"], "a name with a colon goes in double quotes"),
        (["result:fail"], "did you mean failed?"),
        (["result:failed"], "this command cannot select by result:"),
        (["a,,b"], "a comma with nothing beside it"),
        ([",a"], "a comma with nothing beside it"),
        (['"a'], "not closed"),
    ],
)
def test_what_selects_nothing_is_an_error(include: list[str], message: str) -> None:
    """Selecting nothing is an error that tells the nearest names."""
    with pytest.raises(SelectionError) as caught:
        _names(*include)
    assert message in str(caught.value)


@given(st.text(min_size=1))
def test_a_quoted_name_means_exactly_that_name(name: str) -> None:
    """Whatever a table is called, `quote` gives a selection of it alone."""
    other = Record(name + "x", None)
    assert select([other, Record(name, None)], [quote(name)]) == (Record(name, None),)
