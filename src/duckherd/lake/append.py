"""Mode `append` in plain Parquet: one object for each slice of the cursor.

Slices never overlap. A new slice replaces what it covers; of one it only partly
overlaps, the rest is written anew as a slice of its own. Rows without a cursor value
belong to the slice without a beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.assembly import Assembly
from duckherd.lake.model import LakeObject, Publication, TableState
from duckherd.lake.naming import slice_path
from duckherd.lake.plan import Plan, Write, others
from duckherd.lake.slices import Interval, interval_of, sorted_apart
from duckherd.lake.spooled import assembled, bounded_duckdb, rows_of
from duckherd.lake.store import Store


def plan_append(store: Store, state: TableState, publication: Publication, work: Path) -> Plan:
    """Plan a slice. Raises LakeError where it has no place among the published ones."""
    new = _interval(state, publication)
    goes_on = state.continues(publication.mode, publication.format)
    carried = state.objects if goes_on else ()
    if carried and _tells_nothing(new, publication):
        return Plan((), carried, others(state, {item.path for item in carried}))
    kept, hit = sorted_apart(carried, new)
    writes = [
        write
        for number, item in enumerate(hit)
        for write in _remains(store, item, new, publication, work / str(number))
    ]
    if publication.rows or not (kept or writes):
        writes.append(_write(publication, new, assembled(publication, work)))
    paths = {item.path for item in kept} | {write.path for write in writes}
    return Plan(tuple(writes), kept, others(state, paths))


def _interval(state: TableState, publication: Publication) -> Interval:
    if publication.slice is None:
        raise LakeError(
            f"{publication.table}: mode append publishes slices of a cursor and none was read",
            hint="set cursor: to a column that grows with every new row",
        )
    new = Interval(*publication.slice, publication.bounds)
    goes_on = state.continues(publication.mode, publication.format)
    if state.version and not goes_on and new.lower is not None:
        raise LakeError(
            f"{publication.table} is published as mode {state.mode}, format {state.format}: "
            f"a slice from {new.lower} on would lose the rows before it",
            hint="run it once without backfill: the first append reads from the beginning",
        )
    return new


def _tells_nothing(new: Interval, publication: Publication) -> bool:
    """Whether no row was read and no range is known to be without rows."""
    return publication.rows == 0 and (new.upper is None or new.is_empty)


def _write(publication: Publication, interval: Interval, assembly: Assembly) -> Write:
    path = slice_path(TableName.parse(publication.table), interval.name)
    return Write(path, assembly, (interval.lower, interval.upper), interval.bounds)


def _remains(
    store: Store, item: LakeObject, new: Interval, publication: Publication, work: Path
) -> Iterator[Write]:
    """What is left of a stored slice outside the new one."""
    parts = interval_of(item).without(new) if item.rows else ()
    if not parts:
        return
    work.mkdir(parents=True)
    file = store.local(item.path) or work / "whole.parquet"
    if store.local(item.path) is None and not store.download(item.path, file):
        raise _cannot_cut(item, publication, "its object is missing")
    for number, part in enumerate(parts):
        target = work / f"part-{number}.parquet"
        if _cut(file, target, item, part, publication):
            yield _write(publication, part, assembled(publication, work, (target,)))


def _cut(
    file: Path, target: Path, item: LakeObject, part: Interval, publication: Publication
) -> int:
    """Write the rows of `part`; gives how many."""
    if publication.cursor is None:
        raise _cannot_cut(item, publication, "the cursor is not among the lake's columns")
    with bounded_duckdb(target.parent) as db:
        rows = rows_of(db, [file])
        types = dict(zip(rows.columns, rows.types, strict=True))
        if publication.cursor not in types:
            raise _cannot_cut(item, publication, f"it has no column {publication.cursor}")
        kind = str(types[publication.cursor])
        whole = _condition(publication.cursor, kind, interval_of(item))
        try:
            outside = rows.filter(f"({whole}) is not true").aggregate("count(*)").fetchall()[0][0]
            if outside:
                # The source orders the cursor differently or tells it finer than the lake does.
                raise _cannot_cut(item, publication, f"{outside} rows look outside its bounds")
            cut = rows.filter(_condition(publication.cursor, kind, part))
            cut.write_parquet(str(target), compression="zstd")
            return int(db.from_parquet(str(target)).aggregate("count(*)").fetchall()[0][0])
        except db_errors() as error:
            raise _cannot_cut(item, publication, str(error)) from error


def db_errors() -> type[Exception]:
    """DuckDB's base error, imported late."""
    import duckdb

    return duckdb.Error


def _condition(column: str, kind: str, interval: Interval) -> str:
    name = '"' + column.replace('"', '""') + '"'
    tests = []
    if interval.lower is not None:
        above = ">=" if interval.bounds[0] == "[" else ">"
        tests.append(f"{name} {above} {_literal(interval.lower, kind)}")
    if interval.upper is not None:
        below = "<=" if interval.bounds[1] == "]" else "<"
        tests.append(f"{name} {below} {_literal(interval.upper, kind)}")
    inside = " and ".join(tests) or "true"
    return inside if interval.lower is not None else f"({inside}) or {name} is null"


def _literal(bound: str, kind: str) -> str:
    if kind == "BLOB" and bound[:2].lower() == "0x":
        return f"unhex('{int(bound, 16):0{len(bound) - 2}x}')"
    quoted = bound.replace("'", "''")
    return f"cast('{quoted}' as {kind})"


def _cannot_cut(item: LakeObject, publication: Publication, why: str) -> LakeError:
    return LakeError(
        f"{publication.table}: the new slice covers a part of {item.path}, which cannot be cut: "
        f"{why}",
        hint="read the whole slice again: duckherd run "
        f"{publication.table} --from {(item.slice or ('',))[0] or '...'} --to "
        f"{(item.slice or ('', ''))[1] or '...'}",
    )
