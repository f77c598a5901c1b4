"""Twenty checks of one table: ours against pointblank, pandera, Great Expectations and DuckDB.

    python benchmarks/checks.py --rows 10000000
    python benchmarks/checks.py --rows 50000000 --only duckherd

Each contender judges the same Parquet file in a process of its own, in three rounds; its
fastest run, least CPU time (all threads, with imports; it depends less on what else the
machine does) and greatest peak memory (VmHWM) are told. The
peers need packages that duckherd does not, so give them an environment of their own:

    python -m venv peers
    peers/bin/pip install pointblank "pandera[polars]" great_expectations polars pyarrow duckdb
    python benchmarks/checks.py --peers peers/bin/python

The data (26 MB a million rows) are written to `--data` and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOT_NULL = [
    "order_id", "customer_id", "status", "total", "quantity", "email", "created_at", "country",
    "paid", "discount",
]  # fmt: skip
STATUS = ["new", "paid", "shipped", "returned", "cancelled"]
COUNTRIES = ["PL", "DE", "FR", "US"]
RANGES = {
    "total": (0, 1000),
    "quantity": (1, 50),
    "discount": (0, 100),
    "customer_id": (0, 1_000_000),
}
MOMENTS = ("2024-01-01", "2025-01-01")
REGEX = r"^[a-z0-9]+@[a-z0-9]+\.com$"
LENGTH = (3, 100)
KEY = "order_id"


def generate(rows: int, file: Path) -> None:
    """Orders whose key is a permutation, so that no order of rows helps anybody."""
    import duckdb

    duckdb.execute(f"""copy (
        with r as (select i, hash(i) h, hash(i + 7) g from range({rows}) t(i))
        select (i * 2654435761) % {rows} as order_id, (h % 1000000)::bigint as customer_id,
            ['new','paid','shipped','returned','cancelled'][1 + (g % 5)::int] as status,
            ((h % 100000) / 100)::decimal(10, 2) as total, (g % 50 + 1)::integer as quantity,
            'user' || (h % 1000000) || '@example' || (g % 100) || '.com' as email,
            timestamp '2024-01-01' + interval (h % 31536000) second as created_at,
            ['PL','DE','FR','US'][1 + (h % 4)::int] as country,
            case when g % 100 <> 0 then 'note ' || (g % 1000) end as note,
            (g % 1000) / 10.0::double as discount, h % 2 = 0 as paid,
            md5(i::varchar) as reference
        from r) to '{file}' (format parquet, compression zstd)""")


def duckherd(file: Path, key: str = KEY) -> int:
    import duckdb

    from duckherd.checks import run_checks
    from duckherd.checks.model import Context
    from duckherd.checks.vocabulary import Check
    from duckherd.extract.model import SpoolColumn

    described = duckdb.execute(f"describe from '{file}'").fetchall()
    columns = [SpoolColumn(name, name, kind, kind) for name, kind, *_ in described]
    checks = [
        {"not_null": NOT_NULL},
        {"accepted_values": {"column": "status", "values": STATUS}},
        {"accepted_values": {"column": "country", "values": COUNTRIES}},
        *({"range": {"column": c, "min": a, "max": b}} for c, (a, b) in RANGES.items()),
        {"range": {"column": "created_at", "min": MOMENTS[0], "max": MOMENTS[1]}},
        {"matches": {"column": "email", "regex": REGEX}},
        {"length": {"column": "email", "min": LENGTH[0], "max": LENGTH[1]}},
        {"unique": key},
    ]
    context = Context("sales.orders", "2025-01-01T00:00:00+00:00")
    verdicts = run_checks([file], columns, [Check.model_validate(c) for c in checks], context)
    assert all(verdict.outcome == "pass" for verdict in verdicts), verdicts
    return len(verdicts)


def duckherd_text_key(file: Path) -> int:
    return duckherd(file, "reference")


def queries() -> list[str]:
    """As dbt compiles its tests: each selects its failures."""
    tests = [f"select count(*) from t where {c} is null" for c in NOT_NULL]
    listed = {"status": STATUS, "country": COUNTRIES}
    tests += [f"select count(*) from t where {c} not in {tuple(v)}" for c, v in listed.items()]
    ranges = {**RANGES, "created_at": tuple(f"'{moment}'" for moment in MOMENTS)}
    tests += [
        f"select count(*) from t where not ({c} >= {a} and {c} <= {b})"
        for c, (a, b) in ranges.items()
    ]
    tests.append(f"select count(*) from t where not regexp_matches(email, '{REGEX}')")
    tests.append(
        f"select count(*) from t where length(email) not between {LENGTH[0]} and {LENGTH[1]}"
    )
    tests.append(
        f"select count(*) from (select {KEY} from t where {KEY} is not null "
        f"group by {KEY} having count(*) > 1)"
    )
    return tests


def duckdb_one_query_a_test(file: Path) -> int:
    import duckdb

    db = duckdb.connect()
    db.execute(f"create view t as select * from '{file}'")
    tests = queries()
    assert all(db.execute(test).fetchone() == (0,) for test in tests)
    return len(tests)


def pointblank(file: Path) -> int:
    import datetime as dt

    import pointblank as pb
    import polars as pl

    validation = (
        pb.Validate(data=pl.read_parquet(file))
        .col_vals_not_null(columns=NOT_NULL)
        .col_vals_in_set(columns="status", set=STATUS)
        .col_vals_in_set(columns="country", set=COUNTRIES)
    )
    for column, (least, most) in RANGES.items():
        validation = validation.col_vals_between(columns=column, left=least, right=most)
    moments = [dt.datetime.fromisoformat(moment) for moment in MOMENTS]
    validation = (
        validation.col_vals_between(columns="created_at", left=moments[0], right=moments[1])
        .col_vals_regex(columns="email", pattern=REGEX)
        .col_vals_expr(expr=pl.col("email").str.len_chars().is_between(*LENGTH))
        .rows_distinct(columns_subset=KEY)
        .interrogate(collect_extracts=False)
    )
    assert validation.all_passed()
    return len(validation.n())


def pandera(file: Path) -> int:
    import datetime as dt

    import pandera.polars as pa
    import polars as pl

    moments = [dt.datetime.fromisoformat(moment) for moment in MOMENTS]
    checks = {name: [] for name in NOT_NULL}
    checks["status"].append(pa.Check.isin(STATUS))
    checks["country"].append(pa.Check.isin(COUNTRIES))
    for column, (least, most) in RANGES.items():
        checks[column].append(pa.Check.in_range(least, most))
    checks["created_at"].append(pa.Check.in_range(*moments))
    checks["email"] += [pa.Check.str_matches(REGEX), pa.Check.str_length(*LENGTH)]
    schema = pa.DataFrameSchema(
        {c: pa.Column(checks=found, nullable=False, unique=c == KEY) for c, found in checks.items()}
    )
    schema.validate(pl.read_parquet(file), lazy=True)
    return len(checks) + sum(map(len, checks.values())) + 1


def great_expectations(file: Path) -> int:
    import great_expectations as gx
    import pandas as pd

    expect = gx.expectations
    moments = [pd.Timestamp(moment) for moment in MOMENTS]
    suite = [expect.ExpectColumnValuesToNotBeNull(column=c) for c in NOT_NULL]
    suite += [
        expect.ExpectColumnValuesToBeInSet(column="status", value_set=STATUS),
        expect.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES),
        *(
            expect.ExpectColumnValuesToBeBetween(column=c, min_value=a, max_value=b)
            for c, (a, b) in RANGES.items()
        ),
        expect.ExpectColumnValuesToBeBetween(
            column="created_at", min_value=moments[0], max_value=moments[1]
        ),
        expect.ExpectColumnValuesToMatchRegex(column="email", regex=REGEX),
        expect.ExpectColumnValueLengthsToBeBetween(
            column="email", min_value=LENGTH[0], max_value=LENGTH[1]
        ),
        expect.ExpectColumnValuesToBeUnique(column=KEY),
    ]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("orders").add_dataframe_asset("orders")
    batch = asset.add_batch_definition_whole_dataframe("all")
    frame = pd.read_parquet(file, columns=NOT_NULL)
    frame["total"] = frame["total"].astype(float)
    result = batch.get_batch({"dataframe": frame}).validate(gx.ExpectationSuite("s", suite))
    assert result.success, result
    return len(suite)


OURS = {"duckherd": duckherd, "duckherd_text_key": duckherd_text_key}
PEERS = {
    "duckdb_one_query_a_test": duckdb_one_query_a_test,
    "pandera": pandera,
    "pointblank": pointblank,
    "great_expectations": great_expectations,
}


def judge(name: str, file: Path) -> None:
    """In its own process: print checks, seconds, CPU seconds and peak memory."""
    start = time.perf_counter()
    count = {**OURS, **PEERS}[name](file)
    seconds = time.perf_counter() - start
    # ru_maxrss of a child begins with its parent's memory; VmHWM is this process's own.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    cpu = time.process_time()
    told = {"checks": count, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak}
    print(json.dumps(told))


def measure(name: str, python: str, file: Path) -> tuple[float, dict[str, float]] | None:
    """Wall seconds of the whole process, and what it told of itself."""
    start = time.perf_counter()
    command = [python, __file__, "--judge", name, "--file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name:<26} {done.stderr.strip().splitlines()[-1][:120]}", flush=True)
        return None
    return time.perf_counter() - start, json.loads(done.stdout.strip().splitlines()[-1])


def compare(names: list[str], peers: str, file: Path, times: int) -> None:
    """Each contender in turn, `times` rounds, so that noise of the machine meets all alike."""
    runs: dict[str, list[tuple[float, dict[str, float]]]] = {name: [] for name in names}
    for _ in range(times):
        for name in names:
            run = measure(name, sys.executable if name in OURS else peers, file)
            runs[name] += [run] if run else []
    for name, found in runs.items():
        if not found:
            continue
        wall, best = min(found, key=lambda run: run[0])
        cpu = min(run["cpu_seconds"] for _, run in found)
        peak = max(run["peak_mb"] for _, run in found)
        print(
            f"{name:<26} {best['checks']:>3} checks  wall {wall:>6.2f} s  "
            f"judging {best['seconds']:>6.2f} s  CPU {cpu:>6.2f} s  peak {peak:>6,} MB",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--peers", default=sys.executable, help="Python that has the peers.")
    options.add_argument("--only", nargs="*", help="Names of contenders.")
    options.add_argument("--times", type=int, default=3)
    options.add_argument(
        "--data", type=Path, help="Folder for the data; a temporary one unless given."
    )
    options.add_argument("--judge", help=argparse.SUPPRESS)
    options.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.judge:
        judge(given.judge, given.file)
        return
    with tempfile.TemporaryDirectory(dir=given.data) as folder:
        file = Path(folder, "orders.parquet")
        generate(given.rows, file)
        print(f"{given.rows:,} rows, {file.stat().st_size >> 20:,} MB of Parquet", flush=True)
        compare(given.only or [*OURS, *PEERS], given.peers, file, given.times)


if __name__ == "__main__":
    main()
