"""How a table's columns changed, and whether they are the ones agreed on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from duckherd.checks.kinds import Schema
from duckherd.extract.model import SpoolColumn

Kind = Literal["added", "dropped", "widened", "narrowed", "changed", "nullable", "required"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions of a table's columns.

    Attributes:
        kind: `widened` holds every old value exactly, `narrowed` the reverse, `changed`
            neither; `nullable` allows NULL now, `required` no longer does.
        before, after: DuckDB types; None where the column was or is not there.
        renamed: the column this one may have been renamed to (dropped) or from (added):
            of the same type and at the same place. Only a guess, as databases do not tell.
    """

    kind: Kind
    column: str
    before: str | None = None
    after: str | None = None
    renamed: str | None = None

    def __str__(self) -> str:
        match self.kind:
            case "added":
                guess = f", perhaps renamed from {self.renamed}" if self.renamed else ""
                return f"added {self.column} {self.after}{guess}"
            case "dropped":
                guess = f", perhaps renamed to {self.renamed}" if self.renamed else ""
                return f"dropped {self.column} {self.before}{guess}"
            case "nullable":
                return f"{self.column} allows NULL now"
            case "required":
                return f"{self.column} no longer allows NULL"
        return f"{self.kind} {self.column} from {self.before} to {self.after}"


def compare(before: Sequence[SpoolColumn], after: Sequence[SpoolColumn]) -> tuple[Change, ...]:
    """What changed from `before` to `after`; empty where there was nothing before."""
    if not before:
        return ()
    old = {column.name: column for column in before}
    new = {column.name: column for column in after}
    renames = _renames(before, after)
    origins = {to: origin for origin, to in renames.items()}
    changes = [
        Change("dropped", column.name, before=column.type, renamed=renames.get(column.name))
        for column in before
        if column.name not in new
    ]
    for column in after:
        if column.name in old:
            changes += _changes(old[column.name], column)
        else:
            guess = origins.get(column.name)
            changes.append(Change("added", column.name, after=column.type, renamed=guess))
    return tuple(changes)


def schema_differences(
    agreed: Schema, columns: Sequence[SpoolColumn], types: Mapping[str, str]
) -> tuple[str, ...]:
    """How `columns` differ from the agreed ones, a line each.

    `types` gives for each type as agreed the way DuckDB writes it.
    """
    present = {column.name: column.type for column in columns}
    differences = [f"{name} is missing" for name in agreed.columns if name not in present]
    differences += [
        f"{name} is {present[name]}, not {types.get(type_, type_)}"
        for name, type_ in agreed.columns.items()
        if type_ and name in present and present[name] != types.get(type_, type_)
    ]
    if not agreed.extra:
        differences += [
            f"{name} is not agreed on" for name in present if name not in agreed.columns
        ]
    if agreed.ordered and not differences:
        in_order = [name for name in present if name in agreed.columns]
        if in_order != list(agreed.columns):
            differences.append(f"the order is {', '.join(in_order)}")
    return tuple(differences)


def _renames(before: Sequence[SpoolColumn], after: Sequence[SpoolColumn]) -> dict[str, str]:
    """Dropped column -> added column of the same type in the same place."""
    old, new = {column.name for column in before}, {column.name for column in after}
    dropped = [column for column in before if column.name not in new]
    added = [column for column in after if column.name not in old]
    place = {column.name: _place(before, column, new) for column in dropped}
    return {
        gone.name: come.name
        for gone in dropped
        for come in added
        if gone.type == come.type and place[gone.name] == _place(after, come, old)
    }


def _place(columns: Sequence[SpoolColumn], column: SpoolColumn, kept: Iterable[str]) -> object:
    """The kept column right before, and how many others come between."""
    kept = set(kept)
    between = 0
    for other in reversed(columns[: columns.index(column)]):
        if other.name in kept:
            return other.name, between
        between += 1
    return None, between


def _changes(before: SpoolColumn, after: SpoolColumn) -> list[Change]:
    changes = []
    if before.type != after.type:
        kind = _direction(before.type, after.type)
        changes.append(Change(kind, after.name, before.type, after.type))
    if before.nullable != after.nullable:
        kind = "nullable" if after.nullable else "required"
        changes.append(Change(kind, after.name, before.type, after.type))
    return changes


def _direction(before: str, after: str) -> Kind:
    if _holds(after, before):
        return "widened"
    return "narrowed" if _holds(before, after) else "changed"


_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_FLOATS = {"FLOAT": 24, "DOUBLE": 53}
_MOMENTS = ("DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP")


def _holds(wide: str, narrow: str) -> bool:
    """Whether every value of one type is exactly a value of the other."""
    if wide in _MOMENTS and narrow in _MOMENTS:
        return _MOMENTS.index(wide) > _MOMENTS.index(narrow)
    if wide in _FLOATS:
        bits = _FLOATS.get(narrow) or _integer_bits(narrow)
        return bits is not None and bits <= _FLOATS[wide]
    wide_digits, narrow_digits = _decimal_digits(wide), _decimal_digits(narrow)
    if wide_digits is None:
        return _integer_holds(wide, narrow)
    if narrow_digits is None:
        bits = _integer_bits(narrow)
        return bits is not None and 10 ** wide_digits[0] >= 2**bits
    return wide_digits[0] >= narrow_digits[0] and wide_digits[1] >= narrow_digits[1]


def _integer_bits(type_: str) -> int | None:
    """Bits of the magnitude of an integer type."""
    if type_ in _BITS:
        return _BITS[type_] - 1
    return _BITS.get(type_.removeprefix("U"))


def _integer_holds(wide: str, narrow: str) -> bool:
    most, needed = _integer_bits(wide), _integer_bits(narrow)
    if most is None or needed is None:
        return False
    return most >= needed and (wide in _BITS or narrow not in _BITS)


def _decimal_digits(type_: str) -> tuple[int, int] | None:
    """Digits before and after the point."""
    match = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type_)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None
