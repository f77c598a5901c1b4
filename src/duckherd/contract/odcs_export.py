"""A published table and its checks as an Open Data Contract Standard 3.1 contract. Pure.

Library metrics are used where their meaning is exactly ours; every other check that
SQL can tell is a `type: sql` rule, which says the same to every engine that runs
DuckDB's SQL. Each rule also carries our own wording of the check, so that importing the
contract gives the checks it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from duckherd.catalog.model import TableName
from duckherd.checks import sql
from duckherd.checks.compile import Probe, probes_of
from duckherd.checks.kinds import (
    AcceptedValues,
    BoundedMetric,
    DistinctCount,
    Freshness,
    NotNull,
    NullRatio,
    Relationships,
    RowCount,
    Schema,
)
from duckherd.checks.options import CheckOptions, MetricOptions, RowOptions, ScanOptions, fraction
from duckherd.checks.vocabulary import Check
from duckherd.contract.model import Item, Published
from duckherd.duration import parse_duration

ENGINE = "duckherd"
"""Names our own wording of a check inside a contract."""

_DIMENSIONS = {
    "not_null": "completeness",
    "null_ratio": "completeness",
    "row_count": "completeness",
    "unique": "uniqueness",
    "distinct_count": "uniqueness",
    "freshness": "timeliness",
    "relationships": "consistency",
    "schema": "conformity",
    "matches": "conformity",
    "length": "conformity",
    "accepted_values": "conformity",
    "rejected_values": "conformity",
}


def contract_of(published: Published, checks: Sequence[Check]) -> dict[str, Any]:
    """The contract, ready to be written as YAML."""
    name = TableName.parse(published.table)
    rules: dict[str | None, list[dict[str, Any]]] = {}
    for probe in probes_of(checks, published.columns):
        column = probe.columns[0] if len(probe.columns) == 1 else None
        beside = rules.setdefault(column, [])
        beside.append(_rule(probe, {rule["metric"] for rule in beside if "metric" in rule}))
    schema: dict[str, Any] = {
        "name": name.name,
        "physicalType": "table",
        "logicalType": "object",
        "description": published.description,
        "properties": [
            _property(column.name, column.type, published, rules.pop(column.name, []))
            for column in published.columns
        ],
        # What is about a column that is not published is told by its own failure.
        "quality": [rule for left in rules.values() for rule in left],
    }
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": re.sub(r"[^A-Za-z0-9_-]", "-", published.table),
        "name": published.table,
        "version": f"{published.version}.0.0",
        "status": "active",
        **({"team": {"name": published.owner}} if published.owner else {}),
        "servers": [dict(published.server)],
        "schema": [{key: value for key, value in schema.items() if value}],
        "customProperties": [{"property": "duckherdTable", "value": published.table}],
    }


def worded(probe: Probe) -> Item:
    """The check of one probe alone, as in `parameters.checks`."""
    check = Check.model_validate({probe.options.kind: probe.options})
    item: Item = check.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    options = item[check.kind]
    field = "columns" if check.kind == "not_null" else "column"
    several = isinstance(getattr(probe.options, field, None), list)
    if not several:
        return item
    (column,) = probe.columns
    if not isinstance(options, dict):
        return {check.kind: column}
    return {check.kind: {**options, field: column}}


def _property(
    name: str, type_: str, published: Published, rules: list[dict[str, Any]]
) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "physicalType": type_}
    logical = _logical_type(type_)
    if logical:
        described["logicalType"] = logical
    if name in published.key:
        described["primaryKey"] = True
        described["primaryKeyPosition"] = published.key.index(name) + 1
    if rules:
        described["quality"] = rules
    return described


def _logical_type(type_: str) -> str | None:
    """One of the standard's types; None for those it has no word for."""
    if sql.is_integer(type_):
        return "integer"
    if type_.startswith("DECIMAL") or type_ in {"FLOAT", "DOUBLE"}:
        return "number"
    words = {"VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date", "TIME": "time"}
    return "timestamp" if type_.startswith("TIMESTAMP") else words.get(type_)


def _rule(probe: Probe, taken: set[str]) -> dict[str, Any]:
    """One quality rule; `taken` are library metrics of the same column.

    datacontract-cli cannot tell two rules of one metric on one column apart.
    """
    options = probe.options
    own = worded(probe)
    rule: dict[str, Any] = {"name": probe.name}
    rule["description"] = options.description or probe.name
    rule["dimension"] = _DIMENSIONS.get(options.kind, "accuracy")
    rule["severity"] = "error" if options.severity == "error" else "warning"
    library = _library(options)
    if library is None or library["metric"] in taken:
        library = _measured(probe)
    rule |= library or {"type": "custom", "engine": ENGINE, "implementation": own}
    rule["customProperties"] = [{"property": ENGINE, "value": own}]
    return rule


def _measured(probe: Probe) -> dict[str, Any] | None:
    """How the rule is measured and what it must be; None where SQL cannot tell."""
    options = probe.options
    if isinstance(options, Schema | Relationships):
        return None
    if isinstance(options, RowOptions):
        return _counted(probe, options)
    if isinstance(options, Freshness):
        age = f"coalesce(epoch(now()) - {probe.measures[1]}, 'infinity'::double)"
        limit = parse_duration(options.max_age)
        return _query(f"select {age} from this") | {"mustBeLessOrEqualTo": limit}
    if isinstance(options, MetricOptions):
        return _figure(probe, options)
    return None


def _library(options: CheckOptions) -> dict[str, Any] | None:
    """The standard's own metric, where it counts what we count."""
    match options:
        case ScanOptions(where=str()):
            return None
        case NotNull():
            return {"metric": "nullValues", **_allowed(options)}
        case AcceptedValues():
            valid = {"arguments": {"validValues": options.values}}
            return {"metric": "invalidValues", **valid, **_allowed(options)}
        case RowCount() if (options.min, options.max) != (None, None):
            return {"metric": "rowCount", **_between(options.min, options.max)}
    return None


def _allowed(options: RowOptions) -> dict[str, Any]:
    if isinstance(options.max_failures, str):
        percent = round(fraction(options.max_failures) * 100, 10)
        return {"unit": "percent", "mustBeLessOrEqualTo": percent}
    operator = "mustBeLessOrEqualTo" if options.max_failures else "mustBe"
    return {operator: options.max_failures}


def _counted(probe: Probe, options: RowOptions) -> dict[str, Any]:
    failures = probe.count or f"select count(*) from ({probe.failing}\n)"
    allowed = _allowed(options)
    if allowed.pop("unit", None):
        # A sql rule has no rows to take a percentage of.
        share = f"100.0 * ({failures}) / nullif((select {probe.measures[0]} from this), 0)"
        return _query(f"select coalesce({share}, 0)") | allowed
    return _query(failures) | allowed


def _figure(probe: Probe, options: MetricOptions) -> dict[str, Any] | None:
    least, most = getattr(options, "min", None), getattr(options, "max", None)
    if least is None and most is None:
        return None
    if isinstance(options, BoundedMetric):
        below, above = probe.measures[2:4]
        # Compared in SQL, as bounds may be dates.
        return _query(f"select coalesce(({below}) or ({above}), false)::int from this") | {
            "mustBe": 0
        }
    bounds = _between(_number(least), _number(most))
    if isinstance(options, NullRatio):
        nulls, rows = probe.measures[1], probe.measures[0]
        share = f"coalesce({nulls} / nullif({rows}, 0), 0)"
        return _query(f"select {share} from this") | bounds
    measure = probe.measures[1] if isinstance(options, DistinctCount) else probe.measures[0]
    return _query(f"select {measure} from this") | bounds


def _number(bound: float | str | None) -> float | None:
    return fraction(bound) if isinstance(bound, str) else bound


def _between(least: float | None, most: float | None) -> dict[str, Any]:
    if least is None:
        return {"mustBeLessOrEqualTo": most}
    if most is None:
        return {"mustBeGreaterOrEqualTo": least}
    return {"mustBe": least} if least == most else {"mustBeBetween": [least, most]}


def _query(query: str) -> dict[str, Any]:
    """A sql rule; other engines know the table as `${table}`, our queries as `this`."""
    return {"type": "sql", "query": f"with this as (select * from ${{table}}) {query}"}
