"""Checks proposed from what a table holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from check_tables import Table
from duckherd.checks.profile import profile
from duckherd.checks.suggest import proposals

QUERY = """
    select i as id, 'ref-' || i as reference, ['new', 'paid', 'gone'][1 + (i % 3)::int] as status,
        (i % 100)::decimal(10, 2) as total, (i % 7 - 3)::int as change,
        case when i % 50 <> 0 then i % 10 end as rating, i * 0.5::double as measure,
        null::varchar as nothing, i % 700 as repeated
    from range(1000) t(i)
"""


def _proposed(table: Table, *key: str, whole: bool = True) -> list[dict[str, Any]]:
    return proposals(profile([table.file], table.columns), key, whole=whole)


def test_proposals(table: Callable[[str], Table]) -> None:
    """NULL-free columns, keys, sets of words, non-negative numbers and rare NULLs."""
    assert _proposed(table(QUERY)) == [
        {"row_count": {"min": 1, "max_drop": "20%"}},
        {
            "not_null": [
                "id",
                "reference",
                "status",
                "total",
                "change",
                "measure",
                "repeated",
            ]
        },
        {"unique": "id"},
        {"unique": "reference"},
        {"range": {"column": "id", "min": 0}},
        {"accepted_values": {"column": "status", "values": ["gone", "new", "paid"]}},
        {"range": {"column": "total", "min": 0}},
        {"range": {"column": "rating", "min": 0}},
        {"null_ratio": {"column": "rating", "max": "5%", "severity": "warn"}},
        {"range": {"column": "measure", "min": 0}},
        {"range": {"column": "repeated", "min": 0}},
    ]


def test_known_key_and_slices(table: Callable[[str], Table]) -> None:
    """A known key is proposed as it is; a slice may be empty, so its rows are not bounded."""
    found = _proposed(table(QUERY), "id", "status", whole=False)
    assert {"unique": ["id", "status"]} in found
    assert not any("row_count" in item for item in found)


def test_empty_table_proposes_nothing(table: Callable[[str], Table]) -> None:
    """Of no rows nothing is known."""
    assert _proposed(table(f"select * from ({QUERY}) where false")) == []


def test_many_words_are_no_set(table: Callable[[str], Table]) -> None:
    """More than a dozen different texts, or too few rows for each, are no set of values."""
    many = table("select 'w' || (i % 13) as word from range(10000) t(i)")
    assert not any("accepted_values" in item for item in _proposed(many))
    few = table("select 'w' || (i % 3) as word from range(30) t(i)")
    assert not any("accepted_values" in item for item in _proposed(few))
