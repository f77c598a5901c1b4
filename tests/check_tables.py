"""Tables as Parquet files, their checks judged as a run would; imported by tests."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from duckherd.checks import Resources, run_checks
from duckherd.checks.model import Context, Verdict
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

ORDERS = """
    select * replace (score::double as score) from (values
        (1,    10,   1::bigint, 'new',     1.50,  'a@x.org', timestamp '2024-01-01', '1'),
        (2,    10,   1,         'paid',    2.50,  'b@x.org', timestamp '2024-01-02', '2'),
        (3,    20,   1,         'paid',   -3.00,  'nobody',  timestamp '2024-01-03', 'nan'),
        (4,    20,   2,         'lost',    4.00,  null,      null,                            null),
        (5,    30,   2,         null,      null,  'c@x.org', timestamp '2024-01-05', '5'),
        (6,    null, 3,         'Paid',    99.99, 'd@x',     timestamp '2024-01-06', '6'),
        (7,    null, 3,         'new',     7.00,  '',        timestamp '2024-01-07', '-7'),
        (null, 40,   null,      'new',     0.00,  'e@x.org', timestamp '2024-01-08', '8'),
        (null, 50,   null,      'shipped', 10.00, 'é@x.org', timestamp '2024-01-09', '9'),
        (10,   60,   4,         'new',     1.00,  'f@x.org', timestamp '2024-01-10', '0')
    ) t(id, customer, line, status, total, email, created_at, score)
"""
"""Ten rows with a NULL in every column, duplicates in some, a NaN and an empty text."""


@dataclass(frozen=True)
class Table:
    """A Parquet file and what is known of its columns."""

    file: Path
    columns: tuple[SpoolColumn, ...]

    def ask(self, query: str, before: str = "") -> Any:
        """The single value of a plain query in which the table is called `t`."""
        with duckdb.connect() as db:
            db.execute(before)
            db.execute(f"create view t as select * from '{self.file}'")
            row = db.execute(query).fetchone()
        return row[0] if row else None

    def judge(
        self, checks: str | list[Any], context: Context | None = None, **resources: Any
    ) -> tuple[Verdict, ...]:
        """The verdicts of checks written as in prefect.yaml."""
        context = context or Context("sales.orders", "2024-01-11T00:00:00+00:00")
        return run_checks([self.file], self.columns, parse(checks), context, Resources(**resources))

    def one(self, check: dict[str, Any], context: Context | None = None) -> Verdict:
        """The only verdict of one check."""
        (verdict,) = self.judge([check], context)
        return verdict


def parse(checks: str | list[Any]) -> list[Check]:
    """Checks written as in prefect.yaml."""
    items = yaml.safe_load(checks) if isinstance(checks, str) else checks
    return [Check.model_validate(item) for item in items]


def write(query: str, file: Path) -> Table:
    """The rows of a query as a Parquet file."""
    with duckdb.connect() as db:
        db.execute(f"copy ({query}) to '{file}' (format parquet)")
        described = db.execute(f"describe select * from '{file}'").fetchall()
    return Table(file, tuple(SpoolColumn(name, name, kind, kind) for name, kind, *_ in described))


def publish(lake: str | Path, name: str, query: str, spool: Path, **more: Any) -> None:
    """Publish the rows of a query as the flow would, from a file `spool`."""
    from duckherd.lake import open_lake
    from duckherd.lake import publish as publish_to
    from duckherd.lake.model import Publication

    published = write(query, spool)
    publish_to(
        open_lake(str(lake)),
        Publication(
            table=name,
            flow_run=str(uuid.uuid4()),
            files=(str(spool),),
            columns=published.columns,
            rows=published.ask("select count(*) from t"),
            read_at="2024-01-11T00:00:00+00:00",
            **{"mode": "replace", "format": "parquet", **more},
        ),
        lambda _flow_run: True,
    )
