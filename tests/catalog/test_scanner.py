"""Connections that wait for the next read, and how they go."""

from __future__ import annotations

import psycopg

from duckherd.catalog import mysql_connection, postgres_connection, scanner
from duckherd.catalog.source import Source
from servers import wait_until


def test_disconnect_from_postgres(postgres_url: str) -> None:
    """No idle connection stays; the next read gets a new one, and waits in the pool again."""
    source = Source.parse(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as db:

        def connections() -> int:
            row = db.execute(
                "select count(*) from pg_stat_activity"
                " where application_name like 'duckherd%' and datname = current_database()"
            ).fetchone()
            assert row is not None
            return int(row[0])

        def read() -> None:
            with postgres_connection.session(source) as cursor:
                answer = cursor.execute(f"from {postgres_connection.relation('select 1')}")
                assert answer.fetchall() == [(1,)]

        for _ in range(2):
            read()
            assert connections() == 1
            scanner.disconnect(postgres_connection.attachment(source))
            wait_until(lambda: connections() == 0, "no connection", 20)
        with postgres_connection.session(source) as cursor:
            scanner.disconnect(postgres_connection.attachment(source))
            answer = cursor.execute(f"from {postgres_connection.relation('select 1')}")
            assert answer.fetchall() == [(1,)]


def test_disconnect_from_mysql(mariadb_url: str) -> None:
    """The same with the other scanner, which closes its engine."""
    source, other = (Source.parse(f"{mariadb_url}?charset={name}") for name in ("utf8mb4", "x"))
    assert mysql_connection.attachment(source) == mysql_connection.attachment(other)
    what = mysql_connection.attachment(source)

    def read() -> None:
        with mysql_connection.session(source) as cursor:
            answer = cursor.execute(f"from {mysql_connection.relation('select 1')}")
            assert answer.fetchall() == [(1,)]

    watching = scanner.new_engine()
    watching.execute(f"LOAD '{scanner.extension_file('mysql')}'")
    for statement in what.statements:
        watching.execute(statement)

    def connections() -> int:
        query = "select count(*) from information_schema.processlist where db = database()"
        return int(watching.execute(f"from {mysql_connection.relation(query)}").fetchall()[0][0])

    alone = connections()
    for _ in range(2):
        read()
        assert connections() > alone
        scanner.disconnect(what)
        wait_until(lambda: connections() == alone, "no connection of the reads", 20)
    with mysql_connection.session(source) as cursor:
        scanner.disconnect(what)
        answer = cursor.execute(f"from {mysql_connection.relation('select 1')}")
        assert answer.fetchall() == [(1,)]
    watching.close()


def test_disconnect_where_nothing_was_connected() -> None:
    """A source this process never read."""
    source = Source.parse("postgresql://nobody@127.0.0.1:1/nothing")
    scanner.disconnect(postgres_connection.attachment(source))
