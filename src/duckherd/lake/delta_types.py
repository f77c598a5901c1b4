"""How each of the spool's types is carried in a Delta table.

Delta knows no unsigned integers, times of day, intervals, bit strings or nanoseconds.
What fits exactly elsewhere goes there (docs/lake.md has the table); a timestamp with
nanoseconds that are not zero, and any type unknown here, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duckherd.errors import LakeError, ValueNotCarried

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_SAME = frozenset(
    ("boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "varchar", "blob",
     "date", "timestamp", "timestamp with time zone", "decimal")
)  # fmt: skip
_INSTEAD = {
    "utinyint": "SMALLINT",
    "usmallint": "INTEGER",
    "uinteger": "BIGINT",
    "ubigint": "DECIMAL(20,0)",
    "hugeint": "DECIMAL(38,0)",
    "uhugeint": "DECIMAL(38,0)",
    "time": "VARCHAR",
    "time_ns": "VARCHAR",
    "time with time zone": "VARCHAR",
    "interval": "VARCHAR",
    "uuid": "VARCHAR",
    "enum": "VARCHAR",
    "bit": "VARCHAR",
    "timestamp_s": "TIMESTAMP",
    "timestamp_ms": "TIMESTAMP",
    "timestamp_ns": "TIMESTAMP",
}
_WIDER: dict[str, tuple[str, ...]] = {
    "TINYINT": ("SMALLINT", "INTEGER", "BIGINT"),
    "SMALLINT": ("INTEGER", "BIGINT"),
    "INTEGER": ("BIGINT",),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP",),
}
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}


def quoted(name: str) -> str:
    """A column's name in SQL, for DuckDB and for DataFusion alike."""
    return '"' + name.replace('"', '""') + '"'


def carried_type(kind: Any, column: str) -> str:
    """The DuckDB type a column of DuckDB type `kind` is cast to. Raises LakeError if unknown."""
    name = str(kind.id)
    if name in ("list", "array"):
        return f"{carried_type(kind.children[0][1], column)}[]"
    if name == "struct":
        fields = (f"{quoted(part)} {carried_type(child, column)}" for part, child in kind.children)
        return f"STRUCT({', '.join(fields)})"
    if name == "map":
        key, value = (carried_type(child, column) for _, child in kind.children)
        return f"MAP({key}, {value})"
    if name in _SAME:
        return str(kind) if str(kind) != "JSON" else "VARCHAR"
    if name not in _INSTEAD:
        raise LakeError(
            f"column {column}: a Delta table cannot carry {kind}",
            hint=f"columns: {{{column}: {{as: text}}}}",
        )
    return _INSTEAD[name]


def carried(rows: DuckDBPyRelation, published: dict[str, str] | None = None) -> DuckDBPyRelation:
    """The rows with every column in a type that Delta has.

    Args:
        rows: of the spool.
        published: DuckDB types of the table's columns, where the rows join what is there.

    Raises ValueNotCarried or LakeError naming the column.
    """
    parts = []
    for name, kind in zip(rows.columns, rows.types, strict=True):
        target = carried_type(kind, name)
        if "TIMESTAMP_NS" in str(kind):
            _no_nanoseconds(rows, name, str(kind))
        if published and name in published:
            target = _fitting(name, target, published[name])
        parts.append(f"cast({quoted(name)} as {target}) as {quoted(name)}")
    return rows.project(", ".join(parts))


def _no_nanoseconds(rows: DuckDBPyRelation, name: str, kind: str) -> None:
    column = quoted(name)
    if kind != "TIMESTAMP_NS":
        raise LakeError(
            f"column {name}: a Delta table cannot carry {kind}",
            hint=f"columns: {{{name}: {{as: text}}}}",
        )
    bad = rows.filter(f"epoch_ns({column}) % 1000 <> 0").project(f"cast({column} as varchar)")
    example = bad.limit(1).fetchone()
    if example is not None:
        raise ValueNotCarried(
            f"column {name}: {example[0]} has nanoseconds, a Delta table has microseconds; "
            "nothing was published",
            hint=f"columns: {{{name}: {{as: text}}}}, or {{as: microseconds}} if the source is "
            "SQL Server, or format: parquet",
        )


def _fitting(name: str, ours: str, theirs: str) -> str:
    """The published type, where every value of ours is one of its values."""
    if ours == theirs or theirs in _WIDER.get(ours, ()) or _decimal_fits(ours, theirs):
        return theirs
    raise LakeError(
        f"column {name} is {theirs} in the published Delta table and {ours} now; "
        "nothing was published",
        hint="publish the table once with mode: replace, which takes the new types over",
    )


def _decimal_fits(ours: str, theirs: str) -> bool:
    precision, scale = _decimal(theirs)
    if precision == 0:
        return False
    own_precision, own_scale = _decimal(ours)
    digits = own_precision - own_scale if own_precision else _DIGITS.get(ours, 99)
    return own_scale <= scale and digits <= precision - scale


def _decimal(kind: str) -> tuple[int, int]:
    if not kind.startswith("DECIMAL("):
        return 0, 0
    precision, _, scale = kind[len("DECIMAL(") : -1].partition(",")
    return int(precision), int(scale)
