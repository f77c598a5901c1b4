"""Texts of PostgreSQL and MySQL -> our errors, by the codes they stand for."""

from __future__ import annotations

import pytest

from duckherd.catalog import mysql_connection as my
from duckherd.catalog import postgres_connection as pg
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TableNotFound,
)

POSTGRES = Source.parse("postgresql://u:s3cret@h/db")
MYSQL = Source.parse("mysql://u:s3cret@h/db")
TABLE = TableName("sales", "orders")


@pytest.mark.parametrize(
    ("text", "kind", "again"),
    [
        ('FATAL:  password authentication failed for user "u"', SourceDenied, False),
        ('FATAL:  database "db" does not exist', SourceError, False),
        ("ERROR:  permission denied for table orders", SourceDenied, False),
        ('ERROR:  relation "sales.orders" does not exist', TableNotFound, False),
        ("ERROR:  deadlock detected", SourceBusy, True),
        ("ERROR:  canceling statement due to conflict with recovery", SourceBusy, True),
        ("ERROR:  canceling statement due to lock timeout", SourceBusy, False),
        ("ERROR:  canceling statement due to statement timeout", SourceBusy, False),
        ("FATAL:  sorry, too many clients already", SourceBusy, True),
        ("FATAL:  the database system is starting up", SourceUnreachable, True),
        ("FATAL:  terminating connection due to administrator command", SourceUnreachable, True),
        ("server closed the connection unexpectedly", SourceUnreachable, True),
        ("Connection refused\n\tIs the server running", SourceUnreachable, True),
        ("ERROR:  division by zero", SourceError, False),
    ],
)
def test_a_postgres_text_is_told_by_its_sqlstate(
    text: str, kind: type[SourceError], again: bool
) -> None:
    """Only SQLSTATEs that pass by themselves are tried again."""
    whole = f'IO Error: Unable to connect to Postgres at "host=h password=s3cret": {text}'
    for told in (whole, f"Binder Error: Failed to prepare query \"SELECT 's3cret'\": {text}"):
        error = pg.translate(told, POSTGRES, TABLE)
        if kind is not SourceError or "Unable" not in told:
            assert type(error) is kind
            assert pg.is_transient(error) == again
        assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("text", "kind", "again"),
    [
        ("Access denied for user 'u'@'h' (using password: YES)", SourceDenied, False),
        ("SELECT command denied to user 'u'@'h' for table `db`.`t`", SourceDenied, False),
        ("Unknown database 'db'", SourceError, False),
        ("Table 'db.t' doesn't exist", TableNotFound, False),
        ("Lock wait timeout exceeded; try restarting transaction", SourceBusy, True),
        ("Deadlock found when trying to get lock", SourceBusy, True),
        ("Too many connections", SourceBusy, True),
        ("Server has gone away", SourceUnreachable, True),
        ("Lost connection to server during query", SourceUnreachable, True),
        ("Can't connect to server on 'h' (115)", SourceUnreachable, True),
        ("You have an error in your SQL syntax", SourceError, False),
    ],
)
def test_a_mysql_text_is_told_by_its_number(
    text: str, kind: type[SourceError], again: bool
) -> None:
    """Only numbers that pass by themselves are tried again."""
    error = my.translate(f'IO Error: Failed to run query "SELECT 1": {text}', MYSQL, TABLE)
    assert type(error) is kind
    assert my.is_transient(error) == again
    connecting = (
        f'IO Error: Failed to connect to MySQL database with parameters "password=s3cret": {text}'
    )
    assert "s3cret" not in str(my.translate(connecting, MYSQL, None))
