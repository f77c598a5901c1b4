"""Column rules and source types -> the select list of one read.

Pure. Each column becomes two expressions: one in the source's own dialect, which
masks and casts before anything leaves the database, and one in DuckDB's, which
turns what arrived into the spool's type. Where an expression meets a value it
cannot carry it raises an error with a marker that tells column and value; see
`duckherd.extract.carried`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from duckherd.catalog.model import Column, Table
from duckherd.errors import ParameterError, SourceError
from duckherd.extract.rules import ColumnRule

EVERY = "*"
REDACTED = "***"


@dataclass(frozen=True, slots=True)
class Carry:
    """How one column travels.

    Attributes:
        source: an expression in the source's dialect.
        spool: an expression in DuckDB's over `{c}`, the value that arrived.
    """

    source: str
    spool: str = "{c}"


@dataclass(frozen=True, slots=True)
class Projected:
    """One column of the select list.

    Attributes:
        column: as the catalog describes it.
        name: in the lake, unique without regard to case.
        alias: of the source expression, `c0`, `c1`, ... in order.
        source: expression in the source's dialect.
        spool: expression in DuckDB's, over the alias.
    """

    column: Column
    name: str
    alias: str
    source: str
    spool: str
    masked: bool = False


class Expressions(Protocol):
    """What a dialect says of its columns."""

    def quote(self, identifier: str) -> str:
        """The identifier quoted for the dialect."""
        ...

    def carry(self, column: Column, marker: str) -> Carry:
        """How a column without rules travels, exact; `marker` starts the text of an error."""
        ...

    def text(self, column: Column) -> str:
        """The value as the text the database prints, NULL staying NULL."""
        ...

    def sha256(self, text: str) -> str:
        """Lower-case hexadecimal SHA-256 of the UTF-8 bytes of a text expression."""
        ...

    def last4(self, text: str) -> str:
        """`****` and the last four characters; only `****` where there are no more than four."""
        ...


@runtime_checkable
class FineTimes(Protocol):
    """Expressions of a database with times finer than a microsecond."""

    def microseconds(self, column: Column) -> str | None:
        """The value cut to microseconds; None where the type has nothing to cut."""
        ...


def marker(index: int) -> str:
    """What the text of an error starts with when column `index` holds a value not carried."""
    return f"duckherd:{index}:"


def project(
    table: Table,
    rules: Mapping[str, ColumnRule],
    expressions: Expressions,
    *,
    only: Sequence[str] | None = None,
) -> tuple[Projected, ...]:
    """The select list of a read; with `only` just these columns of the source (`keys_only`).

    Raises ParameterError where a rule or `only` names a column the table does not have or
    two columns would get the same name, SourceError where no column is left to read.
    """
    _check_names(table, [*(name for name in rules if name != EVERY), *(only or ())])
    kept = [column for column in table.columns if chosen(column, rules, only)]
    if not kept:
        raise SourceError(
            f"{table.name} has no column to read",
            hint="a Parquet file needs at least one column; leave this table out of prefect.yaml",
        )
    names = lake_names(table, [(column.name, rules.get(column.name)) for column in kept])
    return tuple(
        _projected(index, column, name, rules.get(column.name), expressions)
        for index, (column, name) in enumerate(zip(kept, names, strict=True))
    )


def chosen(
    column: Column, rules: Mapping[str, ColumnRule], only: Sequence[str] | None = None
) -> bool:
    """Whether a column is read; with `only` just those columns are."""
    rule = rules.get(column.name)
    if only is not None:
        return column.name in only
    if rule is not None:
        return not rule.exclude and (not _named_only(rules) or rule != ColumnRule())
    return not column.hidden and not _named_only(rules)


def _named_only(rules: Mapping[str, ColumnRule]) -> bool:
    every = rules.get(EVERY)
    return (every is not None and every.exclude) or any(
        rule.include for name, rule in rules.items() if name != EVERY
    )


def _check_names(table: Table, names: Sequence[str]) -> None:
    known = [column.name for column in table.columns]
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:5]
            raise ParameterError(
                f"{table.name} has no column {name!r}",
                hint=f"nearest: {', '.join(nearest)}" if nearest else None,
            )


def lake_names(table: Table, columns: Sequence[tuple[str, ColumnRule | None]]) -> tuple[str, ...]:
    """Names in the lake, distinct without regard to case as its readers need them.

    A name the user gave stays; of two source columns that differ only in case the
    later one gets the suffix `_2`. Raises ParameterError where two renames collide.
    """
    renamed = [rule.rename for _, rule in columns if rule is not None and rule.rename]
    taken: dict[str, str] = {}
    for name in renamed:
        if name.casefold() in taken:
            raise ParameterError(
                f"{table.name}: two columns are renamed to {name!r} (letter case does not count)"
            )
        taken[name.casefold()] = name
    result = []
    for source, rule in columns:
        if rule is not None and rule.rename:
            result.append(rule.rename)
            continue
        name, number = source, 1
        while name.casefold() in taken:
            number += 1
            name = f"{source}_{number}"
        taken[name.casefold()] = name
        result.append(name)
    return tuple(result)


def _projected(
    index: int, column: Column, name: str, rule: ColumnRule | None, expressions: Expressions
) -> Projected:
    alias = f"c{index}"
    if rule is not None and rule.mask is not None:
        source = _MASKS[rule.mask](expressions, column)
        return Projected(column, name, alias, source, alias, masked=True)
    if rule is not None and rule.as_ == "text":
        return Projected(column, name, alias, expressions.text(column), alias)
    if rule is not None and rule.as_ == "microseconds":
        return Projected(column, name, alias, _cut(column, expressions), alias)
    carry = expressions.carry(column, marker(index))
    return Projected(column, name, alias, carry.source, carry.spool.replace("{c}", alias))


def _cut(column: Column, expressions: Expressions) -> str:
    cut = expressions.microseconds(column) if isinstance(expressions, FineTimes) else None
    if cut is None:
        raise ParameterError(
            f"column {column.name!r} ({column.type}) has no digits below a microsecond to cut off",
            hint="take its `as: microseconds` away: it is carried as it is",
        )
    return cut


_MASKS: Mapping[str, Callable[[Expressions, Column], str]] = {
    "sha256": lambda expressions, column: expressions.sha256(expressions.text(column)),
    "last4": lambda expressions, column: expressions.last4(expressions.text(column)),
    "redact": lambda expressions, column: (
        f"CASE WHEN {expressions.quote(column.name)} IS NOT NULL THEN '{REDACTED}' END"
    ),
    "null": lambda _expressions, _column: f"CASE WHEN 1 = 0 THEN '{REDACTED}' END",
}


def select_list(columns: Sequence[Projected], quote: Callable[[str], str]) -> str:
    """The source's select list: `expression AS c0, ...`."""
    return ", ".join(f"{column.source} AS {quote(column.alias)}" for column in columns)


def spool_list(columns: Sequence[Projected]) -> str:
    """DuckDB's select list over the aliases: `c0 AS "Name", ...`."""
    return ", ".join(f"{column.spool} AS {quoted(column.name)}" for column in columns)


def quoted(identifier: str) -> str:
    """An identifier quoted for DuckDB."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal of standard SQL, as DuckDB and SQLite read it."""
    return "'" + text.replace("'", "''") + "'"
