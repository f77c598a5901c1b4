"""Peak memory of a read does not grow with its rows or their width."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

LIMIT_MB = 400

PROGRAM = """
import sys
from pathlib import Path
from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.extract.model import Request

source = Source.parse(sys.stdin.read())
extract = dialect_for(source).extract(
    Request(source, TableName.parse(sys.argv[1]), Path(sys.argv[2]))
)
# Not ru_maxrss, which a child inherits from the process that started it.
[peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(extract.rows, int(peak.split()[1]) // 1024)
"""


def peak(url: str, table: str, spool: Path) -> tuple[int, int]:
    """Rows read and peak MB, in a process of its own."""
    spool.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, table, str(spool)],
        input=url, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, megabytes = done.stdout.split()
    return int(rows), int(megabytes)


def test_wide_rows_are_read_in_bounded_memory(postgres_url: str, tmp_path: Path) -> None:
    """700 MB of text, which takes 10 MB compressed in the database, in less than LIMIT_MB."""
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(
            "create table t as select i as id, repeat(md5(i::text), "
            "case when i %% 3 = 0 then 16000 else 20 end) as body from generate_series(1, %s) i",
            [4200],
        )
    rows, megabytes = peak(postgres_url, "public.t", tmp_path / "spool")
    assert rows == 4200
    assert megabytes < LIMIT_MB


def test_wide_rows_of_mysql_are_read_in_bounded_memory(mariadb_url: str, tmp_path: Path) -> None:
    """800 rows of a megabyte each, which the scanner alone would hold all at once."""
    parts = urlsplit(mariadb_url)
    name = parts.path[1:]
    with pymysql.connect(
        host=parts.hostname, port=parts.port, user=parts.username,
        password=unquote(parts.password or ""), database=name, autocommit=True,
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        cursor.execute("create table t (id int primary key, body longtext)")
        cursor.execute("insert into t select seq, repeat(md5(seq), 32768) from seq_1_to_800")
        cursor.execute("analyze table t")
    rows, megabytes = peak(mariadb_url, f"{name}.t", tmp_path / "spool")
    assert rows == 800
    assert megabytes < LIMIT_MB


def test_many_rows_need_no_more_memory_than_few(postgres_url: str, tmp_path: Path) -> None:
    """Six times the rows, at most a third more memory."""
    found: dict[str, Any] = {}
    with psycopg.connect(postgres_url, autocommit=True) as db:
        for name, count in (("few", 200_000), ("many", 1_200_000)):
            db.execute(
                f"create table {name} as select i as id, md5(i::text) as a, "
                f"'2024-01-01'::timestamp + i * interval '1 s' as at from generate_series(1, {count}) i".encode()  # noqa: E501
            )
            rows, found[name] = peak(postgres_url, f"public.{name}", tmp_path / name)
            assert rows == count
    assert found["many"] < LIMIT_MB
    assert found["many"] < found["few"] * 1.34
