"""DuckDB's SQL as text: identifiers, literals, the condition under which a row fails."""

from __future__ import annotations

from collections.abc import Iterable

from duckherd.checks.kinds import (
    AcceptedValues,
    Expression,
    Length,
    Matches,
    NotNull,
    Range,
    RejectedValues,
)
from duckherd.checks.options import CheckOptions

Literal = bool | int | float | str


def identifier(name: str) -> str:
    """`name` in double quotes, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Iterable[str]) -> str:
    """Several identifiers, separated by commas."""
    return ", ".join(identifier(name) for name in names)


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"


def literal(value: Literal, type_: str = "") -> str:
    """`value` as a literal to compare with a column of DuckDB type `type_`.

    A text column gets text, so that `values: [1, 2]` compares with '1' and not by
    casting every value of the column to a number. Floats are written as Python prints
    them, which DuckDB reads as an exact decimal where it can.
    """
    if isinstance(value, str):
        return text(value)
    plain = str(value).lower() if isinstance(value, bool) else repr(value)
    return text(plain) if is_text(type_) else plain


def literals(values: Iterable[Literal], type_: str = "") -> str:
    """Several literals, separated by commas."""
    return ", ".join(literal(value, type_) for value in values)


def both(*conditions: str | None) -> str:
    """The conditions joined by AND, each in parentheses; `true` for none."""
    present = [condition for condition in conditions if condition]
    return " and ".join(f"({closed(condition)})" for condition in present) or "true"


def closed(code: str) -> str:
    """SQL that may be put in parentheses: a comment at its end must not swallow the last one."""
    return f"{code}\n" if "--" in code else code


def filtered(aggregate: str, *conditions: str | None) -> str:
    """`aggregate` over the rows that fulfil all conditions."""
    if not any(conditions):
        return aggregate
    return f"{aggregate} filter (where {both(*conditions)})"


def fails_when(  # noqa: PLR0911  one line a kind
    options: CheckOptions, column: str, type_: str = ""
) -> str | None:
    """The condition that is true for a failing row; None for kinds not judged by row.

    As in dbt, a row fails when the condition is true: a comparison with NULL is
    neither true nor false, so NULL passes all but `not_null`.
    """
    quoted = identifier(column) if column else ""
    match options:
        case NotNull():
            return is_null(column)
        case AcceptedValues():
            return f"{quoted} not in ({literals(options.values, type_)})"
        case RejectedValues():
            return f"{quoted} in ({literals(options.values, type_)})"
        case Range():
            return outside(quoted, options, type_)
        case Length():
            return outside(_length(quoted, type_), options, "")
        case Matches():
            return f"not regexp_matches({quoted}, {text(options.regex)})"
        case Expression():
            return f"not ({closed(options.expression)})"
    return None


def counts_when(options: CheckOptions, column: str, type_: str) -> str | None:
    """As `fails_when`, in a form that is counted faster.

    DuckDB runs a function once for each word of a Parquet dictionary, an operator such
    as IN for each row.
    """
    if type_ == "VARCHAR" and isinstance(options, AcceptedValues | RejectedValues):
        listed = f"list_contains([{literals(options.values, type_)}], {identifier(column)})"
        return f"not {listed}" if isinstance(options, AcceptedValues) else listed
    return fails_when(options, column, type_)


def is_null(column: str) -> str:
    """The condition that a column is NULL."""
    return f"{identifier(column)} is null"


def is_text(type_: str) -> bool:
    """Whether a DuckDB type holds text."""
    return type_.upper().startswith(("VARCHAR", "ENUM", "UUID"))


def is_moment(type_: str) -> bool:
    """Whether a DuckDB type is a date or a timestamp."""
    return type_.upper().startswith(("DATE", "TIMESTAMP"))


def is_integer(type_: str) -> bool:
    """Whether a DuckDB type is an integer of at most 64 bits."""
    return type_.upper().removeprefix("U") in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}


def outside(value: str, options: Range | Length, type_: str) -> str:
    """The condition that `value` lies beyond a bound."""
    below, above = ("<=", ">=") if getattr(options, "exclusive", False) else ("<", ">")
    sides = []
    if options.min is not None:
        sides.append(f"{value} {below} {literal(options.min, type_)}")
    if options.max is not None:
        sides.append(f"{value} {above} {literal(options.max, type_)}")
    return " or ".join(sides)


def _length(quoted: str, type_: str) -> str:
    return f"octet_length({quoted})" if type_.upper() == "BLOB" else f"length({quoted})"
