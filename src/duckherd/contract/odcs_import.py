"""Checks out of an Open Data Contract Standard contract (3.x). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from duckherd.contract.model import Imported, Item
from duckherd.contract.odcs_export import ENGINE

_OPERATORS = {
    "mustBe": "{value} = {0}",
    "mustNotBe": "{value} <> {0}",
    "mustBeGreaterThan": "{value} > {0}",
    "mustBeGreaterOrEqualTo": "{value} >= {0}",
    "mustBeLessThan": "{value} < {0}",
    "mustBeLessOrEqualTo": "{value} <= {0}",
    "mustBeBetween": "{value} between {0} and {1}",
    "mustNotBeBetween": "{value} not between {0} and {1}",
}
_WARNINGS = {"info", "warning", "warn", "low", "minor", "trivial"}


def imported_tables(contract: Mapping[str, Any]) -> tuple[Imported, ...]:
    """The checks of each table of the contract."""
    names = {
        item.get("property"): item.get("value") for item in contract.get("customProperties") or []
    }
    schemas = contract.get("schema") or []
    return tuple(
        _imported(schema, names.get("duckherdTable") if len(schemas) == 1 else None)
        for schema in schemas
    )


def _imported(schema: Mapping[str, Any], table: str | None) -> Imported:
    checks: list[Item] = []
    left_out: list[str] = []
    for found in _found(schema):
        if isinstance(found, str):
            left_out.append(found)
        elif found not in checks:
            checks.append(found)
    source = table or str(schema.get("physicalName") or schema.get("name"))
    return Imported(source, tuple(checks), tuple(left_out))


def _found(schema: Mapping[str, Any]) -> Iterator[Item | str]:
    """Checks, and texts on what has no counterpart."""
    properties = schema.get("properties") or []
    key = sorted(
        (item for item in properties if item.get("primaryKey")),
        key=lambda item: item.get("primaryKeyPosition") or 0,
    )
    own = any(_own(rule) for item in (schema, *properties) for rule in item.get("quality") or [])
    if key and not own:
        names = [_name(item) for item in key]
        yield {"not_null": names}
        yield {"unique": names}
    for item in properties:
        yield from _of_property(item, alone=len(key) == 1)
    for rule in schema.get("quality") or []:
        yield _check(rule, None)


def _of_property(item: Mapping[str, Any], *, alone: bool) -> Iterator[Item | str]:
    name = _name(item)
    keyed = bool(item.get("primaryKey"))
    if item.get("required") and not keyed:
        yield {"not_null": name}
    if item.get("unique") and not (keyed and alone):
        yield {"unique": name}
    yield from _of_type(name, item.get("logicalTypeOptions") or {})
    for rule in item.get("quality") or []:
        yield _check(rule, name)


def _of_type(name: str, options: Mapping[str, Any]) -> Iterator[Item]:
    length = _bounds(options.get("minLength"), options.get("maxLength"))
    if length:
        yield {"length": {"column": name, **length}}
    if options.get("pattern"):
        yield {"matches": {"column": name, "regex": options["pattern"]}}
    inclusive = _bounds(options.get("minimum"), options.get("maximum"))
    if inclusive:
        yield {"range": {"column": name, **inclusive}}
    exclusive = _bounds(options.get("exclusiveMinimum"), options.get("exclusiveMaximum"))
    if exclusive:
        yield {"range": {"column": name, **exclusive, "exclusive": True}}


def _bounds(least: Any, most: Any) -> dict[str, Any]:
    return {key: value for key, value in (("min", least), ("max", most)) if value is not None}


def _check(rule: Mapping[str, Any], column: str | None) -> Item | str:
    own = _own(rule)
    if own:
        return own
    made = _sql(rule, column) if rule.get("query") else _library(rule, column)
    if isinstance(made, str):
        about = f"{column}: " if column else ""
        return f"{about}{rule.get('name') or rule.get('description') or 'quality rule'}: {made}"
    ((kind, options),) = made.items()
    return {kind: {**options, **_common(rule)}}


def _own(rule: Mapping[str, Any]) -> Item | None:
    """Our own wording of the check, where the contract carries it."""
    for item in rule.get("customProperties") or []:
        if item.get("property") == ENGINE and isinstance(item.get("value"), dict):
            return dict(item["value"])
    return None


def _common(rule: Mapping[str, Any]) -> dict[str, Any]:
    common = {key: str(rule[key]) for key in ("name", "description") if rule.get(key)}
    warns = str(rule.get("severity", "")).lower() in _WARNINGS
    return {**common, "severity": "warn"} if warns else common


def _library(rule: Mapping[str, Any], column: str | None) -> Item | str:
    metric = rule.get("metric") or rule.get("rule")
    arguments = rule.get("arguments") or {}
    if metric == "rowCount":
        limits = _count_bounds(rule)
        return {"row_count": limits} if limits else "its operator has no counterpart"
    allowed = _max_failures(rule)
    if allowed is None:
        return f"{metric} with this operator has no counterpart"
    columns = column or arguments.get("properties")
    if metric == "duplicateValues" and columns:
        return {"unique": {"columns": columns, **allowed}}
    if metric == "invalidValues" and column:
        return _invalid(column, arguments, allowed)
    if metric in {"nullValues", "missingValues"} and column:
        return _missing(column, arguments, allowed)
    return f"{metric or rule.get('type') or 'its metric'} has no counterpart"


def _invalid(column: str, arguments: Mapping[str, Any], allowed: Item) -> Item | str:
    if arguments.get("validValues"):
        values = arguments["validValues"]
        return {"accepted_values": {"column": column, "values": values, **allowed}}
    if arguments.get("pattern"):
        return {"matches": {"column": column, "regex": arguments["pattern"], **allowed}}
    return "invalidValues without validValues or pattern"


def _missing(column: str, arguments: Mapping[str, Any], allowed: Item) -> Item:
    """Missing are NULL and the values listed."""
    listed = [value for value in arguments.get("missingValues") or [] if value is not None]
    if not listed:
        return {"not_null": {"columns": column, **allowed}}
    quoted = '"' + column.replace('"', '""') + '"'
    values = ", ".join(_literal(value) for value in listed)
    condition = f"{quoted} is not null and {quoted}::varchar not in ({values})"
    return {"expression": {"expression": condition, **allowed}}


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _max_failures(rule: Mapping[str, Any]) -> Item | None:
    percent = str(rule.get("unit", "")).lower() in {"percent", "percentage", "%"}
    limit = rule.get("mustBe", rule.get("mustBeLessOrEqualTo"))
    if limit is None and isinstance(rule.get("mustBeLessThan"), int) and not percent:
        limit = rule["mustBeLessThan"] - 1
    if not isinstance(limit, int | float) or ("mustBe" in rule and limit != 0):
        return None
    if limit == 0:
        return {}
    return {"max_failures": f"{limit:g}%" if percent else int(limit)}


def _count_bounds(rule: Mapping[str, Any]) -> dict[str, int]:
    if "mustBe" in rule:
        return {"min": int(rule["mustBe"]), "max": int(rule["mustBe"])}
    if "mustBeBetween" in rule:
        least, most = rule["mustBeBetween"]
        return {"min": int(least), "max": int(most)}
    limits = {
        "mustBeGreaterThan": ("min", 1),
        "mustBeGreaterOrEqualTo": ("min", 0),
        "mustBeLessThan": ("max", -1),
        "mustBeLessOrEqualTo": ("max", 0),
    }
    return {side: int(rule[key]) + by for key, (side, by) in limits.items() if key in rule}


def _sql(rule: Mapping[str, Any], column: str | None) -> Item | str:
    """A query that gives one value, as ours: the value comes back where it is not as it must be."""
    operator = next((key for key in _OPERATORS if key in rule), None)
    if operator is None:
        return "the query says nothing of what its value must be"
    bounds = rule[operator] if isinstance(rule[operator], list) else [rule[operator]]
    shown = [_literal(bound) if isinstance(bound, str) else str(bound) for bound in bounds]
    must = _OPERATORS[operator].format(*shown, value="value")
    query = str(rule["query"]).strip().rstrip(";")
    for word in ("table", "object", "model"):
        query = query.replace(f"${{{word}}}", "this").replace(f"{{{word}}}", "this")
    if column:
        quoted = '"' + column.replace('"', '""') + '"'
        for word in ("column", "property", "field"):
            query = query.replace(f"${{{word}}}", quoted).replace(f"{{{word}}}", quoted)
    return {"sql": {"query": f"select value from ({query}\n) as t(value) where not ({must})"}}


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("physicalName") or item["name"])
