"""Values that cannot be carried: from a marked error to ValueNotCarried.

A guard is an expression that raises for a value without an exact counterpart. Its
error text holds `duckherd:<column index>:<value>`, whatever the language and the
wording of the engine around it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from duckherd.catalog.model import TableName
from duckherd.errors import ValueNotCarried
from duckherd.extract.projection import Projected

_MARKED = re.compile(r"duckherd:(\d+):(.*)", re.DOTALL)
_EXAMPLE_LENGTH = 100


def guard(condition: str, value: str, text: str, marker: str) -> str:
    """A DuckDB expression: `value` where `condition` holds, NULL stays, else a marked error."""
    return (
        f"CASE WHEN {text} IS NULL THEN NULL WHEN {condition} THEN {value} "
        f"ELSE error('{marker}' || {text}) END"
    )


def not_carried(
    error: str, table: TableName, columns: Sequence[Projected], engine_tail: str = '"'
) -> ValueNotCarried | None:
    """The error of a marked text, None where `error` has no mark.

    `engine_tail` is what the engine closes its quotation of the value with; the example
    ends at its last occurrence on the value's line.
    """
    match = _MARKED.search(error)
    column = marked_column(error, columns)
    if match is None or column is None:
        return None
    example = match[2].partition("\n")[0]
    if engine_tail in example:
        example = example[: example.rindex(engine_tail)]
    return value_not_carried(table, column, example)


def marked_column(error: str, columns: Sequence[Projected]) -> Projected | None:
    """The column a marked text tells of, None where `error` has no mark."""
    match = _MARKED.search(error)
    if match is None or int(match[1]) >= len(columns):
        return None
    return columns[int(match[1])]


def value_not_carried(
    table: TableName, column: Projected, example: str, *, hint: str | None = None
) -> ValueNotCarried:
    """A value of a column without an exact counterpart in the lake."""
    if len(example) > _EXAMPLE_LENGTH:
        example = example[:_EXAMPLE_LENGTH] + "…"
    name = column.column.name
    shown = "a masked value" if column.masked else f"the value {example!r}"
    return ValueNotCarried(
        f"{table}: column {name!r} ({column.column.type or 'no type'}) holds {shown}, "
        "which has no exact counterpart in the lake; nothing was published",
        hint=hint or f"carry it as text: columns: {{{name}: {{as: text}}}}",
    )
