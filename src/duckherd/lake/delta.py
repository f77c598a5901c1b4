"""Tables in Delta Lake: one commit of Delta's log for each publish.

The commit carries the flow run's id, so that a publish that died after it is known to
be done. It is made on the log's version seen at the start and never tried again on a
newer one: a run that lost its place meanwhile cannot write over its successor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from duckherd.errors import LakeError, ParameterError
from duckherd.lake.assembly import FLOW_RUN
from duckherd.lake.delta_log import folder_of, log_of, uri_of, with_log, writing
from duckherd.lake.delta_types import carried, carried_type, quoted
from duckherd.lake.location import Lake
from duckherd.lake.model import LakeObject, Publication, TableState
from duckherd.lake.plan import others, outcome
from duckherd.lake.slices import Interval
from duckherd.lake.spooled import bounded_duckdb, rows_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_GONE = "__duckherd_gone"
_BATCH_BYTES = 4 * 1024 * 1024
_GROUP_BYTES = 32 * 1024 * 1024
"""A row group is in memory until it is written."""

_STREAMED_ABOVE = 200_000
"""Rows of a merge's source above which it is streamed; below, its bounds prune the target."""

_SPILL_ABOVE = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DeltaPublish:
    """A publish of a Delta table, planned.

    Attributes:
        table: deltalake's handle at the version the publish builds on; None to create it.
        outcome: the state afterwards; its object gets rows, bytes and version when written.
    """

    lake: Lake
    publication: Publication
    state: TableState
    work: Path
    table: Any
    outcome: TableState

    @property
    def paths(self) -> tuple[str, ...]:
        """The table's folder, unless the state alone changes."""
        return () if self._nothing_new else (folder_of(self.publication.table),)

    @property
    def previous(self) -> tuple[tuple[str, str | None], ...]:
        """The log's version before."""
        version = None if self.table is None else str(self.table.version())
        return tuple((path, version) for path in self.paths)

    def stage(self) -> None:
        """Look for what would make the commit fail."""
        with self._source() as (_, rows):
            if self.publication.mode == "merge":
                _refuse_bad_keys(rows, self.publication)

    def write(self, fence: Callable[[], None], on_step: Callable[[str], None]) -> TableState:
        """Commit to Delta's log; gives the outcome with what the log tells."""
        fence()
        with self._source() as (db, rows), writing(self.lake, self.publication.table):
            self._commit(db, rows)
        on_step(f"object {folder_of(self.publication.table)}")
        return with_log(self.outcome, log_of(self.lake, self.publication.table))

    @property
    def _goes_on(self) -> bool:
        return self.table is not None and self.state.continues(
            self.publication.mode, self.publication.format
        )

    @property
    def _interval(self) -> Interval:
        lower, upper = self.publication.slice or (None, None)
        return Interval(lower, upper, self.publication.bounds)

    @property
    def _nothing_new(self) -> bool:
        if not self._goes_on or self.publication.rows or self.publication.keys:
            return False
        interval = self._interval
        return self.publication.mode == "merge" or interval.upper is None or interval.is_empty

    @contextmanager
    def _source(self) -> Iterator[tuple[DuckDBPyConnection, DuckDBPyRelation]]:
        """The spool, in types that Delta has."""
        with bounded_duckdb(self.work) as db:
            spool = rows_of(db, self.publication.files)
            published = _published_types(db, self.table) if self._goes_on else None
            yield db, carried(spool, published)

    def _commit(self, db: DuckDBPyConnection, rows: DuckDBPyRelation) -> None:
        if not self._goes_on:
            self._write(rows, mode="overwrite", schema_mode="overwrite")
        elif self.publication.mode == "merge":
            self._merge(db, rows)
        elif self._is_new():
            self._write(rows, mode="append", schema_mode="merge")
        elif self.publication.rows:
            condition = self._condition(db, rows)
            self._write(rows, mode="overwrite", schema_mode="merge", predicate=condition)
        else:
            self.table.delete(self._condition(db, rows), commit_properties=self._properties())

    def _is_new(self) -> bool:
        """Whether the slice lies wholly behind what is published."""
        seen = self.state.watermark
        return seen is not None and not self._interval.overlaps(Interval(None, seen))

    def _write(self, rows: DuckDBPyRelation, **how: Any) -> None:
        from deltalake import write_deltalake

        target = {"table_or_uri": self.table}
        if self.table is None:
            target = {
                "table_or_uri": uri_of(self.lake, self.publication.table),
                "storage_options": self.lake.delta_options,
            }
        write_deltalake(
            **target,
            data=_reader(rows, self.publication),
            writer_properties=_writer(self.publication),
            commit_properties=self._properties(),
            **how,
        )

    def _merge(self, db: DuckDBPyConnection, rows: DuckDBPyRelation) -> None:
        source = rows.project(f"*, false as {_GONE}")
        if self.publication.keys:
            gone = self._gone(db, rows)
            source = source.union(gone)
        same = " and ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in self.publication.key)
        here = f"not s.{_GONE}"
        merger = self.table.merge(
            _reader(source, self.publication),
            predicate=same,
            source_alias="s",
            target_alias="t",
            merge_schema=True,
            streamed_exec=self.publication.rows > _STREAMED_ABOVE,
            max_spill_size=_SPILL_ABOVE,
            writer_properties=_writer(self.publication),
            commit_properties=self._properties(),
        )
        (
            merger.when_matched_delete(f"s.{_GONE}")
            .when_matched_update_all(here, except_cols=[_GONE])
            .when_not_matched_insert_all(here, except_cols=[_GONE])
            .execute()
        )

    def _gone(self, db: DuckDBPyConnection, rows: DuckDBPyRelation) -> DuckDBPyRelation:
        """Keys that are published and no longer in the source, in the shape of the source rows."""
        names = [quoted(key) for key in self.publication.key]
        db.register("published", self.table.to_pyarrow_dataset())
        keys = rows_of(db, self.publication.keys).project(", ".join(names))
        types = {name: str(kind) for name, kind in zip(rows.columns, rows.types, strict=True)}
        carried(keys, types).create_view("living")
        using = ", ".join(names)
        columns = ", ".join(
            f"{name if name in names else 'null'}::{kind} as {name}"
            for name, kind in ((quoted(column), kind) for column, kind in types.items())
        )
        return db.sql(
            f"select {columns}, true as {_GONE} from published anti join living using ({using})"
        )

    def _properties(self) -> Any:
        from deltalake import CommitProperties

        metadata = {FLOW_RUN: self.publication.flow_run, "duckherd.table": self.publication.table}
        return CommitProperties(custom_metadata=metadata, max_commit_retries=0)

    def _condition(self, db: DuckDBPyConnection, rows: DuckDBPyRelation) -> str:
        """The slice as a condition of DataFusion, its bounds in the column's own type."""
        cursor = self.publication.cursor
        types = dict(zip(rows.columns, rows.types, strict=True))
        if cursor is None or cursor not in types:
            raise LakeError(
                f"{self.publication.table}: the slice replaces published rows, and the cursor "
                "that tells which is not among the lake's columns",
                hint="include the cursor in columns:, without a mask",
            )
        interval, name, kind = self._interval, quoted(cursor), str(types[cursor])
        tests = []
        if interval.lower is not None:
            above = ">=" if interval.bounds[0] == "[" else ">"
            tests.append(f"{name} {above} {_literal(db, interval.lower, kind)}")
        if interval.upper is not None:
            below = "<=" if interval.bounds[1] == "]" else "<"
            tests.append(f"{name} {below} {_literal(db, interval.upper, kind)}")
        inside = " and ".join(tests) or "true"
        return inside if interval.lower is not None else f"({inside}) or {name} is null"


def prepare(lake: Lake, state: TableState, publication: Publication, work: Path) -> DeltaPublish:
    """Plan a publish. Nothing is written."""
    table = log_of(lake, publication.table)
    goes_on = state.continues(publication.mode, publication.format)
    if goes_on and table is None:
        raise LakeError(
            f"the Delta table of {publication.table} is gone from {lake}, its state is not",
            hint="restore it, or publish once with mode: replace",
        )
    lower = (publication.slice or (None, None))[0]
    if state.version and not goes_on and publication.mode != "replace" and lower is not None:
        raise LakeError(
            f"{publication.table} is published as mode {state.mode}, format {state.format}: "
            f"a slice from {lower} on would lose the rows before it",
            hint="run it once without backfill: the first load reads from the beginning",
        )
    folder = folder_of(publication.table)
    kept = state.objects if goes_on else (LakeObject(folder, publication.rows, 0),)
    after = outcome(state, publication, kept, others(state, {folder}))
    if goes_on:
        after = replace(after, delta_version=state.delta_version)
    return DeltaPublish(lake, publication, state, work, table, after)


def _published_types(db: DuckDBPyConnection, table: Any) -> dict[str, str]:
    import pyarrow as pa

    empty = db.from_arrow(pa.schema(table.schema().to_arrow()).empty_table())
    return {
        name: carried_type(kind, name)
        for name, kind in zip(empty.columns, empty.types, strict=True)
    }


def _reader(rows: DuckDBPyRelation, publication: Publication) -> Any:
    """The rows as a stream of batches of bounded bytes."""
    return rows.to_arrow_reader(_rows_in(_BATCH_BYTES, publication))


def _writer(publication: Publication) -> Any:
    from deltalake import WriterProperties

    return WriterProperties(
        compression="ZSTD", max_row_group_size=_rows_in(_GROUP_BYTES, publication)
    )


def _rows_in(size: int, publication: Publication) -> int:
    """How many rows of the spool take that many bytes, at most 122,880."""
    import pyarrow.parquet as pq

    footers = [pq.read_metadata(file) for file in publication.files]
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    width: int = sum(group.total_byte_size for group in groups) // max(1, publication.rows)
    return max(1, min(122_880, size // max(1, width)))


def _refuse_bad_keys(rows: DuckDBPyRelation, publication: Publication) -> None:
    """A key must tell every row from every other, or a merge would double or lose rows."""
    missing = [key for key in publication.key if key not in rows.columns]
    if missing or not publication.key:
        raise ParameterError(
            f"{publication.table}: the key column {', '.join(missing) or '(none given)'} is not "
            f"among the lake's columns: {', '.join(rows.columns)}"
        )
    names = ", ".join(quoted(key) for key in publication.key)
    null = rows.filter(" or ".join(f"{quoted(key)} is null" for key in publication.key))
    if null.limit(1).fetchone() is not None:
        raise ParameterError(
            f"{publication.table}: a row has NULL in its key ({names}); nothing was published",
            hint="choose a key without NULL, or filter such rows with where:",
        )
    twice = rows.aggregate(f"{names}, count(*) as n", names).filter("n > 1").limit(1).fetchone()
    if twice is not None:
        raise ParameterError(
            f"{publication.table}: {twice[-1]} rows have the key {twice[:-1]} ({names}); "
            "nothing was published",
            hint="choose a key that is unique: the table's primary key",
        )


def _literal(db: DuckDBPyConnection, bound: str, kind: str) -> str:
    if kind == "BLOB" and bound[:2].lower() == "0x":
        return f"X'{int(bound, 16):0{len(bound) - 2}x}'"
    text = db.execute(f"select cast(cast(? as {kind}) as varchar)", [bound]).fetchall()[0][0]
    if kind.endswith("INT") or kind == "INTEGER" or kind.startswith("DECIMAL"):
        return str(text)
    escaped = str(text).replace("'", "''")
    return f"'{escaped}'"
