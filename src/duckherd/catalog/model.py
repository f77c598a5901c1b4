"""What is in a database: frozen records, the same for every dialect."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from duckherd.errors import ParameterError


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's or view's name, written `schema.name`.

    The text is split at its first dot that is outside double quotes; a part that
    itself holds a dot is written in double quotes, as in SQL: `"my.schema".orders`.
    """

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.name`. Raises ParameterError where a part is missing."""
        match = re.match(r'("(?:[^"]|"")*"|[^.]*)\.(.+)$', text, re.DOTALL)
        if match is None or not match[1]:
            raise ParameterError(
                f"{text!r} is not a table name",
                hint='write it as schema.name, for example "sales.orders" or "main.orders"',
            )
        return cls(_unquote(match[1]), _unquote(match[2]))

    def __str__(self) -> str:
        schema = (
            f'"{self.schema.replace(chr(34), chr(34) * 2)}"' if _odd(self.schema) else self.schema
        )
        quoted = self.name.startswith('"') and self.name.endswith('"') and len(self.name) > 1
        name = f'"{self.name.replace(chr(34), chr(34) * 2)}"' if quoted else self.name
        return f"{schema}.{name}"


def _odd(part: str) -> bool:
    return "." in part or part.startswith('"')


def _unquote(part: str) -> str:
    if len(part) > 1 and part[0] == part[-1] == '"':
        return part[1:-1].replace('""', '"')
    return part


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the database declares it.

    Attributes:
        name: as stored, unquoted.
        type: the database's own full type text, e.g. `numeric(38,10)`, `varchar(20)`.
        nullable: whether NULL is allowed (True where the database cannot say).
        generated: computed by the database from other columns.
        hidden: not part of `select *`.
        length: declared maximum in characters or bytes; None unbounded or not applicable.
        precision, scale: declared decimal digits; None where not declared.
        comment: the database's own description of the column, None where it has none.
    """

    name: str
    type: str
    nullable: bool = True
    generated: bool = False
    hidden: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or unique constraint; `columns` in key order."""

    name: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table or view.

    Attributes:
        columns: in the order of the database.
        keys: primary key first, then unique constraints; empty for views.
        rows: the database's own estimate, None where it keeps none.
        bytes: size on disk as the database estimates it, None where it keeps none.
        clustered: columns of the physical order, where the database has one.
    """

    name: TableName
    kind: Literal["table", "view"]
    columns: tuple[Column, ...]
    keys: tuple[Key, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    clustered: tuple[str, ...] = ()
    comment: str | None = field(default=None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key, empty where there is none."""
        return next((key.columns for key in self.keys if key.primary), ())

    def column(self, name: str) -> Column | None:
        """The column of that exact name, None where there is none."""
        return next((column for column in self.columns if column.name == name), None)
