"""Checks out of a dbt `schema.yml`: models, sources and their tests. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from duckherd.contract.model import Imported, Item

_REFERENCE = re.compile(r"(?:ref|source)\(\s*(.+?)\s*\)")
_RENAMED = {
    "dbt_utils.unique_combination_of_columns": "unique",
    "dbt_utils.expression_is_true": "expression",
    "dbt_utils.accepted_range": "range",
    "dbt_utils.not_accepted_values": "rejected_values",
    "dbt_utils.not_null_proportion": "null_ratio",
    "dbt_expectations.expect_column_values_to_match_regex": "matches",
    "dbt_expectations.expect_column_values_to_be_between": "range",
    "dbt_expectations.expect_column_value_lengths_to_be_between": "length",
    "dbt_expectations.expect_table_row_count_to_be_between": "row_count",
}


def imported_tables(schema: Mapping[str, Any]) -> tuple[Imported, ...]:
    """The checks of each model, and of each table of each source."""
    found = [_imported(str(model["name"]), model) for model in schema.get("models") or []]
    for source in schema.get("sources") or []:
        prefix = source.get("schema") or source["name"]
        found += [
            _imported(f"{prefix}.{table.get('identifier') or table['name']}", table)
            for table in source.get("tables") or []
        ]
    return tuple(found)


def _imported(name: str, table: Mapping[str, Any]) -> Imported:
    found = [_check(test, None) for test in _tests(table)]
    for column in table.get("columns") or []:
        found += [_check(test, str(column["name"])) for test in _tests(column)]
    checks = tuple(item for item in found if isinstance(item, dict))
    return Imported(name, checks, tuple(item for item in found if isinstance(item, str)))


def _tests(item: Mapping[str, Any]) -> Iterator[Any]:
    yield from item.get("data_tests") or []
    yield from item.get("tests") or []


def _check(test: Any, column: str | None) -> Item | str:
    name, given = _named(test)
    options = {**given, **(given.get("arguments") or {})}
    config = {**options, **(given.get("config") or {})}
    kind = _RENAMED.get(name, name)
    made = _OPTIONS[kind](options, column) if kind in _OPTIONS else None
    if made is None:
        return f"{column + ': ' if column else ''}{name} has no counterpart"
    return {kind: {**made, **_common(config)}}


def _named(test: Any) -> tuple[str, dict[str, Any]]:
    """A test is its name, `{name: options}` or `{name: own, test_name: kind, ...}`."""
    if isinstance(test, str):
        return test, {}
    if "test_name" in test:
        rest = {key: value for key, value in test.items() if key != "test_name"}
        return str(test["test_name"]), rest
    name, options = next(iter(test.items()))
    return str(name), dict(options or {})


def _common(config: Mapping[str, Any]) -> dict[str, Any]:
    common: dict[str, Any] = {
        key: str(config[key]) for key in ("name", "description", "where") if config.get(key)
    }
    if str(config.get("severity", "error")).lower() == "warn":
        common["severity"] = "warn"
    # dbt fails on `!= 0` failures unless error_if says, for example, `>10`.
    threshold = re.fullmatch(r"\s*(>=?)\s*(\d+)\s*", str(config.get("error_if") or ""))
    if threshold:
        common["max_failures"] = int(threshold[2]) - (threshold[1] == ">=")
    return common


def _bounds(options: Mapping[str, Any], least: str, most: str) -> dict[str, Any]:
    given = {"min": options.get(least), "max": options.get(most)}
    return {key: value for key, value in given.items() if value is not None}


def _range(options: Mapping[str, Any], column: str | None) -> Item | None:
    bounds = _bounds(options, "min_value", "max_value")
    numbers = all(isinstance(bound, int | float) for bound in bounds.values())
    if not column or not bounds or not numbers:
        # dbt takes SQL expressions as bounds, which may name other columns.
        return None
    strict = options.get("inclusive") is False or options.get("strictly") is True
    return {"column": column, **bounds, **({"exclusive": True} if strict else {})}


def _values(options: Mapping[str, Any], column: str | None) -> Item | None:
    values = options.get("values") or options.get("value_set")
    if not column or not values:
        return None
    # Without quotes dbt compares with the value as it is, with them (the default) as text.
    return {"column": column, "values": values}


def _relationships(options: Mapping[str, Any], column: str | None) -> Item | None:
    reference = _REFERENCE.search(str(options.get("to", "")))
    if not column or not reference:
        return None
    parts = [part.strip(" '\"") for part in reference[1].split(",")]
    if len(parts) != 2:
        return None  # a ref() names no schema
    return {"column": column, "to": ".".join(parts), "field": options.get("field")}


def _expression(options: Mapping[str, Any], column: str | None) -> Item | None:
    expression = options.get("expression")
    if not expression:
        return None
    return {"expression": f'"{column}" {expression}' if column else str(expression)}


def _unique(options: Mapping[str, Any], column: str | None) -> Item | None:
    columns = options.get("combination_of_columns") or column
    return {"columns": columns} if columns else None


def _null_ratio(options: Mapping[str, Any], column: str | None) -> Item | None:
    if not column or options.get("at_least") is None:
        return None
    return {"column": column, "max": round(1 - float(options["at_least"]), 10)}


def _matches(options: Mapping[str, Any], column: str | None) -> Item | None:
    regex = options.get("regex")
    return {"column": column, "regex": regex} if column and regex else None


def _length(options: Mapping[str, Any], column: str | None) -> Item | None:
    bounds = _bounds(options, "min_value", "max_value")
    return {"column": column, **bounds} if column and bounds else None


_OPTIONS: Mapping[str, Callable[[Mapping[str, Any], str | None], Item | None]] = {
    "not_null": lambda _options, column: {"columns": column} if column else None,
    "unique": _unique,
    "accepted_values": _values,
    "rejected_values": _values,
    "relationships": _relationships,
    "expression": _expression,
    "range": _range,
    "length": _length,
    "matches": _matches,
    "null_ratio": _null_ratio,
    "row_count": lambda options, _column: _bounds(options, "min_value", "max_value") or None,
}
