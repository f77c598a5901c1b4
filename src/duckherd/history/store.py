"""The local cache of history: one DuckDB file for each Prefect API."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from duckherd.errors import UsageError
from duckherd.history.rows import DEPLOYMENT, RUN, VERSION, Row

if TYPE_CHECKING:
    import duckdb

Value = str | int | float | Sequence[str]
"""What a query may be asked with."""

FORMAT = 1
"""Grows when the tables change; a file of another format is made anew."""

_LOCK_SECONDS = 20.0


def _columns(table: Mapping[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in table.items())


_TABLES = f"""
create table if not exists meta (key varchar primary key, value varchar);
create table if not exists run ({_columns(RUN)});
create table if not exists deployment ({_columns(DEPLOYMENT)});
create table if not exists deployment_version ({_columns(VERSION)});
"""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where caches are kept: `DUCKHERD_CACHE`, else the platform's cache folder."""
    if chosen := environment.get("DUCKHERD_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path("~/Library/Caches/duckherd").expanduser()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA", "~"), "duckherd").expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache", "duckherd").expanduser()


def cache_path(api_url: str, folder: Path | None = None) -> Path:
    """The cache file of one API; two servers never share one."""
    digest = hashlib.sha256(api_url.encode()).hexdigest()[:16]
    return (folder or cache_folder()) / f"history-{digest}.duckdb"


class Store:
    """An open cache. Only one process may have it open: keep it open for moments.

    Raises:
        UsageError: another process keeps the file busy, or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.db = _connect(path)
        if self._format() not in {None, str(FORMAT)}:
            self.db.close()
            path.unlink()
            self.db = _connect(path)
        self.db.execute(_TABLES)
        self.set("format", str(FORMAT))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self.db.close()

    def _format(self) -> str | None:
        found = self.query("select 1 from duckdb_tables() where table_name = 'meta'")
        return self.get("format") if found else None

    def get(self, key: str) -> str | None:
        """A remembered value; None when there is none."""
        found = self.query("select value from meta where key = ?", key)
        return found[0][0] if found else None

    def set(self, key: str, value: str) -> None:
        """Remember a value."""
        self.query("insert or replace into meta values (?, ?)", key, value)

    def query(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        """All rows of a query; each `?` of it stands for a value."""
        parts = sql.split("?")
        literals = [*map(_literal, values), ""]
        whole = "".join(part + value for part, value in zip(parts, literals, strict=True))
        return self.db.execute(whole).fetchall()

    def upsert_runs(self, rows: Sequence[Row]) -> bool:
        """Put runs in, replacing those of the same id, in one transaction.

        Returns whether any is new or in another state than before.
        """
        if not rows:
            return False
        keys = [f"{row['id']} {row['state_name']} {row['attempts']}" for row in rows]
        (known,) = self.query(
            "select count(*) from run where id in (select unnest(?::uuid[])) "
            "and concat_ws(' ', id, state_name, attempts) in (select unnest(?))",
            [row["id"] for row in rows],
            keys,
        )[0]
        self.db.begin()
        self._replace("run", RUN, rows)
        self.db.commit()
        return bool(known != len(rows))

    def mark_gone(self, ids: Sequence[str]) -> None:
        """The server no longer has these runs."""
        self.db.execute(
            "update run set gone = true where id in (select unnest(?::uuid[]))", [list(ids)]
        )

    def put_deployments(self, rows: Sequence[Row], versions: Sequence[Row]) -> None:
        """Put deployments in, and the versions that are new, in one transaction."""
        self.db.begin()
        self._replace("deployment", DEPLOYMENT, rows)
        self._insert("deployment_version", VERSION, versions)
        self.db.commit()

    def _replace(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        ids = [row["id"] for row in rows]
        self.db.execute(f"delete from {table} where id in (select unnest(?::uuid[]))", [ids])
        self._insert(table, columns, rows)

    def _insert(self, table: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        # One JSON text for many rows: row-wise binding costs DuckDB a hundred times more.
        shape = json.dumps([dict(columns)])
        names = ", ".join(f'"{name}"' for name in columns)
        self.db.execute(
            f"insert into {table} ({names}) select {names} from "
            f"(select unnest(from_json_strict(?, '{shape}'), recursive := true))",
            [json.dumps(rows)],
        )


def _literal(value: Value) -> str:
    """The value in SQL. Binding it would make DuckDB import pandas where that is installed."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return f"{value!r}::double"
    if isinstance(value, int):
        return repr(value)
    return "[" + ", ".join(map(_literal, value)) + "]"


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return duckdb.connect(path)
        except duckdb.IOException as error:
            locked = "lock" in str(error).lower()
            if not locked or time.monotonic() > deadline:
                raise _unusable(path, error, locked=locked) from error
            time.sleep(0.1)


def _unusable(path: Path, error: Exception, *, locked: bool) -> UsageError:
    if locked:
        return UsageError(
            f"the history cache {path} is in use by another process",
            hint="wait for the other duckherd command, or set DUCKHERD_CACHE to another folder",
        )
    return UsageError(
        f"the history cache {path} cannot be used: {error}",
        hint=f"delete {path}: it is fetched again",
    )
