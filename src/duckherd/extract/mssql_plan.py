"""What one read of a SQL Server table is made of: expressions, guards, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from duckherd.catalog.model import Table
from duckherd.catalog.mssql import quote, quote_table
from duckherd.catalog.mssql_connection import Server, rows
from duckherd.errors import SourceBusy, SourceError
from duckherd.extract.carried import value_not_carried
from duckherd.extract.model import Request
from duckherd.extract.mssql_types import (
    Lob,
    MssqlExpressions,
    fine_hint,
    lob_of,
    lost_moment,
    printed,
    width,
)
from duckherd.extract.projection import Projected, project, select_list
from duckherd.extract.rules import ColumnRule

_BATCH_BYTES = 8 * 1024 * 1024
_MOST_BATCH_ROWS = 65_536
# The driver binds every column for so many rows at once, at its declared width.
_DRIVER_ROWS = 64
_GUARD = "duckherd_guard"
_SINGLE = "duckherd_single"


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition that must hold for no row, checked by the source query itself.

    Attributes:
        index: of the column.
        condition: T-SQL.
        example: T-SQL, the offending value as text.
        grew: the value no longer fits the size that was measured, rather than the lake.
    """

    index: int
    condition: str
    example: str
    grew: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One read, fixed before the first row.

    Attributes:
        conditions: of every query: the user's and the window's.
        lob_bytes: the longest unbounded values of a row together.
    """

    request: Request
    server: Server
    table: Table
    columns: tuple[Projected, ...]
    guards: tuple[Guard, ...] = ()
    conditions: tuple[str, ...] = ()
    lob_bytes: int = 0

    @property
    def rules(self) -> Mapping[str, ColumnRule]:
        return self.request.columns

    @property
    def row_bytes(self) -> int:
        """Most bytes a row takes in a batch."""
        fixed = sum(width(c.column, self.rules.get(c.column.name)) for c in self.columns)
        return max(1, fixed + self.lob_bytes)

    def batch_rows(self, readers: int) -> int:
        """Rows of a batch, by bytes: what `readers` hold together stays in the memory limit."""
        share = min(_BATCH_BYTES, self.request.memory_limit // (8 * readers))
        return max(1, min(_MOST_BATCH_ROWS, share // self.row_bytes))

    def group_bytes(self, readers: int) -> int:
        """Bytes of a row group before compression."""
        return min(32 * 1024 * 1024, self.request.memory_limit // (4 * readers))

    def query(self, condition: str = "") -> str:
        """The SELECT of the rows that also meet `condition`."""
        guard = f", {_guard_case(self.guards)} AS {quote(_GUARD)}" if self.guards else ""
        # With an unbounded column the driver binds nothing and fetches row by row.
        bound = _DRIVER_ROWS * self.row_bytes <= self.request.memory_limit // 4
        single = "" if bound else f", CAST(NULL AS varbinary(max)) AS {quote(_SINGLE)}"
        return (
            f"SELECT {select_list(self.columns, quote)}{guard}{single} "
            f"FROM {quote_table(self.table.name)}{where(*self.conditions, condition)}"
        )

    def violated(self, text: str) -> SourceError:
        """The error of a guard's value, `<number> <example>`."""
        number, _, example = text.partition(" ")
        guard = self.guards[int(number)]
        column = self.columns[guard.index]
        if guard.grew:
            return SourceBusy(
                f"{self.table.name}: a value of column {column.column.name!r} grew while it was "
                "read; nothing was published",
                hint="try again, or allow snapshot isolation on the database",
            )
        return value_not_carried(self.table.name, column, example, hint=fine_hint(column.column))


def where(*conditions: str) -> str:
    """A WHERE clause; each condition on lines of its own, as it may end in a comment."""
    parts = [f"({condition}\n)" for condition in conditions if condition]
    return f" WHERE {' AND '.join(parts)}" if parts else ""


def _guard_case(guards: Sequence[Guard]) -> str:
    cases = " ".join(
        f"WHEN {guard.condition} THEN CONCAT('{number} ', {guard.example})"
        for number, guard in enumerate(guards)
    )
    return f"CAST(CASE {cases} END AS nvarchar(200))"


def plan_of(request: Request, server: Server, table: Table) -> Plan:
    """Columns and guards of a read; sizes and window come with `measured` and the window."""
    columns = project(
        table,
        request.columns,
        MssqlExpressions(server),
        only=request.key if request.keys_only else None,
    )
    moments = [
        Guard(index, lost, printed(column.column, quote(column.column.name)))
        for index, column in enumerate(columns)
        if (lost := lost_moment(column.column)) is not None
        and not _ruled(request.columns.get(column.column.name))
    ]
    return Plan(
        request=request,
        server=server,
        table=table,
        columns=columns,
        guards=tuple(moments),
        conditions=(request.where,) if request.where else (),
    )


def _ruled(rule: ColumnRule | None) -> bool:
    return rule is not None and (rule.mask is not None or rule.as_ is not None)


def measured(connection: Any, plan: Plan) -> Plan:
    """The plan with `(max)` columns cast to the size of their longest value.

    A `(max)` column makes the driver fetch a row at a time, so it pays to ask first; a
    guard sees values that outgrow what was measured.
    """
    lobs = {
        index: lob
        for index, column in enumerate(plan.columns)
        if (lob := lob_of(column.column, plan.rules.get(column.column.name))) is not None
    }
    if not lobs:
        return plan
    longest = ", ".join(f"MAX(DATALENGTH({plan.columns[index].source}))" for index in lobs)
    sql = f"SELECT {longest} FROM {quote_table(plan.table.name)}{where(*plan.conditions)}"
    sizes = dict(zip(lobs, (int(size or 0) for size in rows(connection, sql)[0]), strict=True))
    columns, guards = list(plan.columns), list(plan.guards)
    for index, lob in lobs.items():
        bound = _bound(lob, sizes[index], plan.server)
        if bound is not None:
            source = columns[index].source
            guards.append(Guard(index, f"DATALENGTH({source}) > {bound[1]}", "''", grew=True))
            columns[index] = replace(columns[index], source=f"CAST({source} AS {bound[0]})")
    # UTF-16 becomes UTF-8: at most three bytes for two.
    return replace(
        plan, columns=tuple(columns), guards=tuple(guards), lob_bytes=2 * sum(sizes.values())
    )


def _bound(lob: Lob, size: int, server: Server) -> tuple[str, int] | None:
    """A bounded type and the bytes it holds, for values of up to `size` bytes."""
    # Babelfish counts the bytes of UTF-8, SQL Server those of UTF-16.
    unit = 2 if lob == "nvarchar" and not server.babelfish else 1
    most = 4000 if lob == "nvarchar" else 8000
    length = 1 << max(0, -(-size // unit) - 1).bit_length()
    length = min(length, most)
    return (f"{lob}({length})", length * unit) if size <= length * unit else None
