"""SQL Server all the way: extracted, checked and published by the flow, again and again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from duckherd.catalog.model import TableName
from duckherd.catalog.mssql import quote
from duckherd.errors import ValueNotCarried
from duckherd.flow import ingest_table
from duckherd.lake import open_lake
from duckherd.lake.read import open_published
from mssql_live import Live, live

if not os.environ.get("DUCKHERD_TEST_MSSQL_URL"):  # one line instead of one a test
    pytest.skip("set DUCKHERD_TEST_MSSQL_URL to run SQL Server's tests", allow_module_level=True)


@pytest.fixture(autouse=True)
def engine(mssql_url: str, prefect_api: str, tmp_path: Path, monkeypatch: Any) -> Iterator[None]:
    """Prefect's engine in this process; the password is a secret of the environment."""
    monkeypatch.setenv("DUCKHERD_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("MSSQL_PASSWORD", unquote(urlsplit(mssql_url).password or ""))
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        yield


@pytest.fixture
def database(mssql_url: str) -> Iterator[Live]:
    """A schema of the test's own."""
    with live(mssql_url) as found:
        yield found


class Herd:
    """Runs of one table into one lake."""

    def __init__(
        self, url: str, database: Live, folder: Path, table: str, **parameters: Any
    ) -> None:
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        login = f"{user.partition(':')[0]}:${{env:MSSQL_PASSWORD}}"
        self.lake, self.table = folder / "lake", TableName(database.schema, table)
        self.parameters = {
            "source": parts._replace(netloc=f"{login}@{host}").geturl(),
            "lake": str(self.lake),
            "table": str(self.table),
            **parameters,
        }

    def run(self, **more: Any) -> None:
        ingest_table(**self.parameters, **more)

    def published(self, columns: str) -> list[Any]:
        """The published rows as texts, in their order by the first column."""
        with open_published(open_lake(str(self.lake)), self.table) as found, duckdb.connect() as db:
            return db.execute(f"SELECT {columns} FROM {found.scan} ORDER BY 1").fetchall()


def test_an_odd_table_is_published_and_an_empty_one_too(
    database: Live, mssql_url: str, tmp_path: Path
):
    """Names of any characters reach the lake; a table without rows has its schema there."""
    odd = 'we]ird "name'
    full = database.table(odd, f"{quote('id]')} int PRIMARY KEY, name nvarchar(20)")
    herd = Herd(mssql_url, database, tmp_path, odd, checks=[{"not_null": ["id]"]}])
    herd.run()
    assert herd.published('"id]", name') == []
    database.run(f"INSERT INTO {full} VALUES (1, N'zażółć'), (2, NULL)")
    herd.run()
    assert herd.published('"id]", name') == [(1, "zażółć"), (2, None)]


def test_appending_by_the_default_datetime2_loses_no_row(
    database: Live, mssql_url: str, tmp_path: Path
):
    """Rows a step of the type apart are told apart by the watermark, the lake and a check."""
    full = database.table("events", "moment datetime2 NOT NULL, id int")
    herd = Herd(
        mssql_url,
        database,
        tmp_path,
        "events",
        mode="append",
        cursor="moment",
        checks=[{"unique": ["moment"]}, {"not_null": ["moment"]}],
    )
    step = 100 if database.run(
        "SELECT DATEPART(nanosecond, CAST('2024-01-01 00:00:00.1234567' AS datetime2)) % 1000"
    ) == [(700,)] else 1000  # fmt: skip
    moment = f"DATEADD(nanosecond, {{}} * {step}, CAST('2024-01-01 10:00:00.123456' AS datetime2))"
    database.run(f"INSERT INTO {full} VALUES ({moment.format(1)}, 1)")
    herd.run()
    database.run(f"INSERT INTO {full} VALUES ({moment.format(2)}, 2), ({moment.format(3)}, 3)")
    herd.run()
    herd.run()
    found = herd.published("id, epoch_ns(moment) % 1000000")
    assert found == [(n, 456_000 + n * step) for n in (1, 2, 3)]
    database.run(f"UPDATE {full} SET id = 20 WHERE id = 2")
    at = database.run(f"SELECT CONVERT(varchar(27), moment, 121) FROM {full} WHERE id = 20")[0][0]
    herd.run(backfill={"from": at, "to": at})
    assert herd.published("id") == [(1,), (3,), (20,)]


def test_a_rowversion_carries_changes_into_a_delta_table(
    database: Live, mssql_url: str, tmp_path: Path
):
    """Each run brings what was inserted or updated since the last one, and nothing else."""
    database.needs(f"CREATE TABLE {quote(database.schema)}.[orders] (v rowversion)")
    full = database.table("orders", "id int PRIMARY KEY, note nvarchar(max), v rowversion")
    herd = Herd(mssql_url, database, tmp_path, "orders", mode="merge", format="delta",
                key=["id"], cursor="v")  # fmt: skip
    database.run(f"INSERT INTO {full} (id, note) VALUES (1, N'a'), (2, N'b')")
    herd.run()
    database.run(f"UPDATE {full} SET note = N'changed' WHERE id = 1")
    database.run(f"INSERT INTO {full} (id, note) VALUES (3, N'c')")
    herd.run()
    assert herd.published("id, note") == [(1, "changed"), (2, "b"), (3, "c")]


def test_a_delta_table_takes_moments_cut_to_microseconds(
    database: Live, mssql_url: str, tmp_path: Path
):
    """A seventh digit is refused by name; `as: microseconds` is the way out."""
    database.needs_hundred_nanoseconds()
    full = database.table("fine", "id int PRIMARY KEY, at datetime2")
    herd = Herd(mssql_url, database, tmp_path, "fine", format="delta")
    database.run(f"INSERT INTO {full} VALUES (1, '2024-01-02 03:04:05.1234569')")
    with pytest.raises(ValueNotCarried, match="has nanoseconds"):
        herd.run()
    herd.run(columns={"at": {"as": "microseconds"}})
    assert herd.published("id, CAST(at AS VARCHAR)") == [(1, "2024-01-02 03:04:05.123456")]
