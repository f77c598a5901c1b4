"""What is wrong with checks before data are read."""

from __future__ import annotations

from typing import Any

import pytest

from check_tables import Table, parse
from duckherd.checks.validate import validate_checks

WRONG = [
    ({"not_null": ["id", "ide"]}, "no column 'ide'; did you mean 'id'?"),
    ({"unique": ["id", "x"]}, "no column 'x'"),
    ({"matches": {"column": "status", "regex": "("}}, "missing )"),
    ({"matches": {"column": "status", "regex": "(?=a)"}}, "invalid perl operator"),
    ({"matches": {"column": "total", "regex": "a"}}, "regexp_matches(DECIMAL"),
    ({"length": {"column": "id", "min": 1}}, "length(INTEGER)"),
    ({"expression": "total >"}, "syntax error"),
    ({"expression": "nope > 1"}, 'Referenced column "nope" not found'),
    ({"not_null": {"columns": "id", "where": "total >"}}, "syntax error"),
    ({"not_null": {"columns": "id", "where": "nope = 1"}}, "nope"),
    ({"sql": "select * form this"}, "syntax error"),
    ({"sql": "select * from that"}, "that does not exist"),
    ({"sql": "select 1; select 2"}, "not one SELECT"),
    ({"sql": "drop table this"}, "not one SELECT"),
    ({"sum": {"column": "status", "min": 1}}, "sum(VARCHAR)"),
    ({"mean": {"column": "created_at", "min": 1}}, ""),
    ({"range": {"column": "total", "min": "low"}}, "Could not convert"),
    ({"range": {"column": "created_at", "min": "yesterday"}}, "yesterday"),
    ({"range": {"column": "status", "min": 1}}, "compares with text only"),
    ({"accepted_values": {"column": "id", "values": [1, "two"]}}, "Could not convert"),
    ({"freshness": {"column": "id", "max_age": "1d"}}, "needs a date or timestamp"),
    ({"schema": {"columns": {"id": "number"}}}, "number does not exist"),
    ({"row_count": {"min": 5, "max": 3}}, "min 5 is greater than max 3"),
    ({"row_count": {"source": True, "where": "id > 1"}}, "cannot be compared with where"),
]


@pytest.mark.parametrize(("check", "says"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_checks_are_known_at_plan(check: dict[str, Any], says: str, orders: Table) -> None:
    """Each mistake is one problem, with the place of its check."""
    (problem,) = validate_checks(parse([{"row_count": {"min": 1}}, check]), orders.columns)
    assert problem.position == 1
    assert says in str(problem)


def test_right_checks_have_no_problem(orders: Table) -> None:
    """Every kind, as it should be."""
    checks = """
    - not_null: [id, status]
    - unique: [id, line]
    - unique: status
    - accepted_values: {column: status, values: [new, 1, true]}
    - accepted_values: {column: id, values: [1, 2.5, 99999999999]}
    - rejected_values: {column: status, values: [""]}
    - range: {column: [total, score], min: 0, max: 1.5}
    - range: {column: created_at, min: "2024-01-01"}
    - length: {column: email, min: 1}
    - matches: {column: email, regex: "@"}
    - expression: total > 0 and status is not null -- why
    - sql: "with x as (select * from this) select * from x where total < 0;"
    - relationships: {column: id, to: sales.customers, field: whatever}
    - row_count: {min: 1, source: true, max_drop: 10%, anomaly: 3}
    - null_ratio: {column: id, max: 5%}
    - distinct_count: {column: id, min: 1, where: total > 0}
    - sum: {column: total, min: 0}
    - mean: {column: score, max: 5}
    - min: {column: created_at, min: "2020-01-01"}
    - max: {column: status, max: z}
    - freshness: {column: created_at, max_age: 1d}
    - schema: {columns: {id: int, missing: text}}
    """
    assert validate_checks(parse(checks), orders.columns) == ()


def test_without_columns_only_sql_and_regex_are_known() -> None:
    """Offline, a name may be right; a syntax error and a bad regex are wrong anyway."""
    checks = """
    - not_null: whatever
    - expression: whatever > 0
    - sql: select * from this
    - matches: {column: whatever, regex: "["}
    - expression: whatever >
    """
    assert [problem.position for problem in validate_checks(parse(checks))] == [3, 4]


def test_columns_known_by_name_only(orders: Table) -> None:
    """Without types the names are still compared."""
    from dataclasses import replace

    untyped = [replace(column, type="") for column in orders.columns]
    checks = parse([{"not_null": "id"}, {"not_null": "ix"}, {"mean": {"column": "id", "min": 1}}])
    assert [problem.position for problem in validate_checks(checks, untyped)] == [1]
