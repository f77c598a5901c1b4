"""A live SQL Server, or anything that speaks TDS: what its tests share."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import mssql_python
import pytest

from duckherd.catalog.model import Table, TableName
from duckherd.catalog.mssql import quote, read_catalog
from duckherd.catalog.mssql_connection import Server, connection_string, server
from duckherd.catalog.source import Source
from duckherd.extract.model import Extract, Request
from duckherd.extract.mssql import DIALECT
from duckherd.extract.projection import quoted

_numbers = itertools.count()


@dataclass
class Live:
    """A connection of the test's own and a schema that goes when the test ends."""

    source: Source
    connection: Any
    schema: str
    made: list[str] = field(default_factory=list)

    def run(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, *parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def supports(self, *statements: str) -> str | None:
        """None where the server takes the statements, else what it says; changes are undone."""
        try:
            self.run("BEGIN TRANSACTION")
            for statement in statements:
                self.run(statement)
        except mssql_python.Error as error:
            return str(error).rpartition("]")[2]
        finally:
            self.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")
        return None

    def needs(self, *statements: str) -> None:
        """Skip the test where the server does not take the statements, and say so."""
        refusal = self.supports(*statements)
        if refusal is not None:
            pytest.skip(f"{self.server.description} does not take {statements[-1]!r}: {refusal}")

    def needs_hundred_nanoseconds(self) -> None:
        """Skip the test on servers whose times end with the microsecond."""
        fine = "CAST('2024-01-02 03:04:05.1234567' AS datetime2(7))"
        if self.run(f"SELECT DATEPART(nanosecond, {fine}) % 1000") != [(700,)]:
            pytest.skip(f"{self.server.description} keeps microseconds in datetime2(7)")

    def described(self, name: str) -> Table:
        """The table as the catalog has it."""
        return read_catalog(self.connection, self.server, [TableName(self.schema, name)])[0]

    @property
    def server(self) -> Server:
        return server(self.connection)

    def table(self, name: str, columns: str) -> str:
        """Create a table and return its full name, quoted."""
        full = f"{quote(self.schema)}.{quote(name)}"
        self.run(f"CREATE TABLE {full} ({columns})")
        self.made.append(full)
        return full

    def read(self, name: str, spool: Path, **request: Any) -> tuple[Extract, list[Any]]:
        """Extract a table; its account and the rows of the spool in their order."""
        folder = spool / f"spool-{next(_numbers)}"
        folder.mkdir()
        found = DIALECT.extract(
            Request(source=self.source, table=TableName(self.schema, name), spool=folder, **request)
        )
        return found, rows_of(found.files)


def rows_of(files: Sequence[Path]) -> list[Any]:
    """All rows of Parquet files, times with zone in UTC, nanoseconds as text.

    Python's own datetime would cut them to microseconds.
    """
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        found = engine.read_parquet([str(file) for file in files])
        shown = (
            f"CAST({quoted(name)} AS VARCHAR)" if kind == "TIMESTAMP_NS" else quoted(name)
            for name, kind in zip(found.columns, map(str, found.types), strict=True)
        )
        return found.project(", ".join(shown)).fetchall()


@contextmanager
def live(url: str) -> Iterator[Live]:
    """A connection and an empty schema on the server at `url`."""
    source = Source.parse(url)
    connection = mssql_python.connect(connection_string(source), autocommit=True)
    schema = f"duckherd_{os.getpid()}_{next(_numbers)}"
    database = Live(source, connection, schema)
    database.run(f"CREATE SCHEMA {schema}")
    try:
        yield database
    finally:
        for table in reversed(database.made):
            database.run(f"DROP TABLE IF EXISTS {table}")
        database.run(f"DROP SCHEMA {schema}")
        connection.close()
