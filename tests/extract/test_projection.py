"""Rules -> select list: which columns, under which names."""

from __future__ import annotations

import pytest

from duckherd.catalog.model import Column, Table, TableName
from duckherd.errors import ParameterError, SourceError
from duckherd.extract.carried import not_carried
from duckherd.extract.projection import project, select_list, spool_list
from duckherd.extract.rules import ColumnRule
from duckherd.extract.sqlite_types import DATE, TEXT, SqliteExpressions, quote

TABLE = Table(
    TableName("main", "t"),
    "table",
    (
        Column("a", "TEXT"),
        Column("A", "TEXT"),
        Column("d", "DATE"),
        Column("h", "TEXT", hidden=True),
    ),
)
EXPRESSIONS = SqliteExpressions({"a": TEXT, "A": TEXT, "d": DATE, "h": TEXT})


def names(**rules: object) -> list[tuple[str, str]]:
    """Source and lake names under rules; `every` stands for `*`."""
    given = {
        "*" if name == "every" else name: ColumnRule.model_validate(rule)
        for name, rule in rules.items()
    }
    return [(p.column.name, p.name) for p in project(TABLE, given, EXPRESSIONS)]


def test_rules_choose_and_name_columns() -> None:
    """Hidden columns only by name; `include` and `*: exclude` leave the unnamed out."""
    assert names() == [("a", "a"), ("A", "A_2"), ("d", "d")]
    assert names(h={"as": "text"}) == [("a", "a"), ("A", "A_2"), ("d", "d"), ("h", "h")]
    assert names(A={"rename": "upper"}) == [("a", "a"), ("A", "upper"), ("d", "d")]
    assert names(d="exclude") == [("a", "a"), ("A", "A_2")]
    assert names(d="include") == [("d", "d")]
    assert names(every="exclude", a={"mask": "redact"}) == [("a", "a")]
    with pytest.raises(ParameterError, match="no column 'b'"):
        names(b="exclude")
    with pytest.raises(ParameterError, match="two columns are renamed"):
        names(a={"rename": "x"}, A={"rename": "X"})
    with pytest.raises(SourceError, match="no column to read"):
        names(every="exclude")


def test_a_rename_is_not_pushed_aside_by_a_name() -> None:
    """What the user wrote stays; the column that had the name gives way."""
    assert names(d={"rename": "a"}) == [("a", "a_2"), ("A", "A_3"), ("d", "a")]


def test_expressions_are_split_between_source_and_spool() -> None:
    """The source's list uses aliases, the spool's the names of the lake."""
    columns = project(TABLE, {"d": ColumnRule(include=True)}, EXPRESSIONS)
    assert select_list(columns, quote) == '"d" AS "c0"'
    assert spool_list(columns).endswith(' AS "d"')
    assert "error('duckherd:0:' || c0)" in spool_list(columns)


def test_a_marked_error_names_column_value_and_way_out() -> None:
    """Whatever the engine says around the mark; other errors have none."""
    columns = project(TABLE, {}, EXPRESSIONS)
    found = not_carried('blah: "duckherd:2:20"24"\nLINE 1: ...', TABLE.name, columns)
    assert found is not None
    assert "column 'd' (DATE) holds the value '20\"24'" in found.message
    assert not_carried("something else", TABLE.name, columns) is None
    assert not_carried("duckherd:77:x", TABLE.name, columns) is None
