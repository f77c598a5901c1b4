from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from duckherd.errors import LakeError, ParameterError, PublishConflict, ValueNotCarried
from duckherd.lake import open_lake, publish
from duckherd.lake.delta_log import log_of
from duckherd.lake.model import Publication
from lake.harness import (
    Row,
    Setup,
    Slice,
    expected,
    lake_of,
    publication,
    published,
    run,
    state_of,
)

ROWS: list[Row] = [(i, i, "first") for i in range(1, 21)]


class Stopped(Exception):
    """The run ends here."""


def stop_at(name: str):
    """A step hook that ends the run at a step."""

    def on_step(step: str) -> None:
        if step.startswith(name):
            raise Stopped

    return on_step


def rows_by_delta(setup: Setup) -> list[Row]:
    """What a reader of Delta sees that knows nothing of us."""
    table = log_of(lake_of(setup), setup.table).to_pyarrow_table()
    return expected(tuple(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
def test_every_mode_is_open_to_delta(lake_url: str, mode: str) -> None:
    """After loads, a load of nothing new and a backfill the table equals the source."""
    setup = Setup(lake_url, mode=mode, format="delta")
    run(setup, ROWS[:10], "one")
    assert published(setup) == rows_by_delta(setup) == expected(ROWS[:10])
    run(setup, ROWS, "two")
    run(setup, ROWS, "three")
    changed = [(i, c, "changed" if 5 <= c <= 15 else t) for i, c, t in ROWS]
    run(setup, changed, "four", again=Slice(5, 15))
    assert published(setup) == rows_by_delta(setup) == expected(changed)
    state = state_of(setup)
    assert (state.version, state.rows) == (4, 20)
    assert state.delta_version == log_of(lake_of(setup), setup.table).version()


def test_merge_updates_inserts_and_deletes_in_one_commit(lake_url: str) -> None:
    """Changed, new and vanished rows become visible together."""
    setup = Setup(lake_url, mode="merge", format="delta", deletes=True)
    run(setup, ROWS, "one")
    changed: list[Row] = [(i, 21 if i == 3 else c, "changed" if i == 3 else t) for i, c, t in ROWS]
    changed = [row for row in changed if row[0] not in (7, 8)] + [(50, 22, "new")]
    before = log_of(lake_of(setup), setup.table).version()
    run(setup, changed, "two")
    assert rows_by_delta(setup) == expected(changed)
    assert log_of(lake_of(setup), setup.table).version() == before + 1


def test_late_rows_are_merged_by_a_lookback(folder_lake: str) -> None:
    """A row that came late below the watermark is found and doubles nothing."""
    setup = Setup(folder_lake, mode="merge", format="delta", lookback=5)
    run(setup, ROWS, "one")
    late: list[Row] = [*ROWS, (99, 18, "late")]
    run(setup, late, "two")
    assert rows_by_delta(setup) == expected(late)


def test_an_append_with_lookback_replaces_the_range_it_read(folder_lake: str) -> None:
    """Append has no key: the range is replaced, also where it became empty."""
    setup = Setup(folder_lake, mode="append", format="delta", lookback=5)
    run(setup, ROWS, "one")
    moved: list[Row] = [row for row in ROWS if row[1] != 18] + [(99, 17, "late"), (100, 25, "new")]
    run(setup, moved, "two")
    assert rows_by_delta(setup) == expected(moved)
    gone = [row for row in moved if not 3 <= row[1] <= 5]
    run(setup, gone, "three", again=Slice(3, 5))
    assert rows_by_delta(setup) == expected(gone)


@pytest.mark.parametrize("mode", ["replace", "append", "merge"])
@pytest.mark.parametrize("step", ["stage", "intent", "object", "data", "commit"])
def test_a_publish_repeated_after_a_stop_is_one_version(
    folder_lake: str, mode: str, step: str
) -> None:
    """The log's own entry tells a run that its commit was made."""
    setup = Setup(folder_lake, mode=mode, format="delta")
    run(setup, ROWS[:10], "one")
    with pytest.raises(Stopped):
        run(setup, ROWS, "two", on_step=stop_at(step))
    run(setup, ROWS, "two", is_over=lambda _: False)
    assert rows_by_delta(setup) == expected(ROWS)
    state = state_of(setup)
    assert (state.version, state.flow_run, state.rows) == (2, "two", 20)
    history = [
        entry.get("duckherd.flow_run") for entry in log_of(lake_of(setup), setup.table).history()
    ]
    assert history == ["two", "one"]


def test_a_run_that_lost_its_place_cannot_commit(folder_lake: str) -> None:
    """Delta's log moved since the run began: nothing of it becomes visible."""
    setup = Setup(folder_lake, mode="append", format="delta")
    run(setup, ROWS[:10], "one")

    def meanwhile(step: str) -> None:
        if step == "intent":
            log_of(lake_of(setup), setup.table).delete("id = 1")

    with pytest.raises(PublishConflict, match="changed its Delta table meanwhile"):
        run(setup, ROWS, "two", on_step=meanwhile)
    assert rows_by_delta(setup) == expected(ROWS[1:10])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, 1, "a"), (1, 2, "b")], r"2 rows have the key \(1,\)"),
        ([(None, 1, "a")], "NULL in its key"),
    ],
)
def test_a_key_that_is_no_key_is_refused(folder_lake: str, rows: list[Row], message: str) -> None:
    """Keys that are NULL or not unique would double or lose rows."""
    setup = Setup(folder_lake, mode="merge", format="delta")
    with pytest.raises(ParameterError, match=message):
        run(setup, rows, "one")
    assert state_of(setup).version == 0


def test_switching_formats_removes_the_old_objects(lake_url: str) -> None:
    """Nobody keeps reading what is no longer written."""
    run(Setup(lake_url), ROWS, "one")
    delta = Setup(lake_url, mode="merge", format="delta")
    run(delta, ROWS[:5], "two")
    lake = lake_of(delta)
    assert published(delta) == expected(ROWS[:5])
    assert lake.store.tail("sales/orders.parquet", 1) is None
    run(Setup(lake_url), ROWS, "three")
    assert published(delta) == expected(ROWS)
    assert log_of(lake, delta.table) is None


def custom(folder: Path, select: str, flow_run: str, setup: Setup, **more: object) -> Publication:
    """A publication of what a query gives."""
    path = folder / f"{flow_run}.parquet"
    with duckdb.connect() as db:
        db.execute("set TimeZone = 'Asia/Tokyo'")
        db.execute(f"copy ({select}) to '{path}'")
        rows = db.execute(f"select count(*) from '{path}'").fetchall()[0][0]
    found = publication(folder, [], flow_run, setup)
    return replace(found, files=(str(path),), rows=rows, **more)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("255::utinyint", pa.int16(), "255"),
        ("65535::usmallint", pa.int32(), "65535"),
        ("4294967295::uinteger", pa.int64(), "4294967295"),
        ("18446744073709551615::ubigint", pa.decimal128(20, 0), "18446744073709551615"),
        ("12345678901234567890123456789.0123456789::decimal(38,9)", pa.decimal128(38, 9), None),
        ("time '23:59:59.123456'", pa.string(), "23:59:59.123456"),
        ("interval '1 month 2 days'", pa.string(), "1 month 2 days"),
        ("'0F0e0d0c-0b0a-0908-0706-050403020100'::uuid", pa.string(), "0f0e0d0c-0b0a-0908-0706-050403020100"),  # noqa: E501  # a table reads better in one line
        ("bit '101'", pa.string(), "101"),
        ("timestamp_ns '2026-01-01 10:00:00.123456'", pa.timestamp("us"), "2026-01-01 10:00:00.123456"),  # noqa: E501  # a table reads better in one line
        ("timestamptz '2026-01-01 10:00:00+02'", pa.timestamp("us", "UTC"), "2026-01-01 08:00:00+00:00"),  # noqa: E501  # a table reads better in one line
        ("timestamp '0001-01-01 00:00:00'", pa.timestamp("us"), "0001-01-01 00:00:00"),
        ("[200::utinyint, null]", None, "[200, None]"),
        ("{'t': time '10:00:00', 'n n': 1}", None, "{'t': '10:00:00', 'n n': 1}"),
        ("'a\\x00b'::blob", pa.binary(), None),
        ("'zażółć 🦆'", pa.string(), "zażółć 🦆"),
    ],
)  # fmt: skip
def test_every_type_of_the_spool_is_carried_exactly(
    folder_lake: str, tmp_path: Path, value: str, kind: pa.DataType | None, text: str | None
) -> None:
    """What Delta has no type for goes where its value fits."""
    setup = Setup(folder_lake, format="delta")
    found = custom(tmp_path, f"select {value} as x", "one", setup)
    publish(open_lake(folder_lake), found, lambda _: True)
    column = log_of(lake_of(setup), setup.table).to_pyarrow_table()["x"]
    if kind is not None:
        assert column.type == kind
    if text is not None:
        assert str(column.to_pylist()[0]) == text


@pytest.mark.parametrize(
    ("select", "error", "message"),
    [
        ("select timestamp_ns '2026-01-01 00:00:00.123456789' x", ValueNotCarried, "has nanoseconds"),  # noqa: E501  # a table reads better in one line
        ('select 1 a, 2 as "A_", 3 as "B", 4 as b_', None, ""),
        ("select [timestamp_ns '2026-01-01 00:00:00.1'] x", LakeError, "cannot carry"),
    ],
)  # fmt: skip
def test_what_delta_cannot_carry_is_refused_by_name(
    folder_lake: str, tmp_path: Path, select: str, error: type[Exception] | None, message: str
) -> None:
    """Nothing is cut off in silence: column, value and way out are named."""
    setup = Setup(folder_lake, format="delta")
    found = custom(tmp_path, select, "one", setup)
    if error is None:
        publish(open_lake(folder_lake), found, lambda _: True)
        return
    with pytest.raises(error, match=message):
        publish(open_lake(folder_lake), found, lambda _: True)
    assert state_of(setup).version == 0


def test_columns_that_differ_only_in_case_are_refused(folder_lake: str, tmp_path: Path) -> None:
    """Delta's readers do not tell them apart."""
    table = pa.table({"a": [1], "A": [2]})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    setup = Setup(folder_lake, format="delta")
    found = replace(publication(tmp_path, [], "one", setup), files=(str(path),), rows=1)
    with pytest.raises(LakeError, match="differ only in case"):
        publish(open_lake(folder_lake), found, lambda _: True)


def test_merge_takes_new_columns_and_wider_types(folder_lake: str, tmp_path: Path) -> None:
    """A new column is empty in old rows; a narrower type fits into the published one."""
    setup = Setup(folder_lake, mode="merge", format="delta")
    lake = open_lake(folder_lake)
    odd = '"we]ird ""na\'me"'
    for run_id, select in (
        ("one", f"select 1::bigint id, 1.5::decimal(10,2) price, 'a' as {odd}"),
        ("two", f"select 2::integer id, 2.5::decimal(8,2) price, 'b' as {odd}, true as fresh"),
        ("three", "select 1::bigint id, 9.5::decimal(10,2) price"),
    ):
        publish(lake, custom(tmp_path, select, run_id, setup), lambda _: True)
    rows = log_of(lake, setup.table).to_pyarrow_table().sort_by("id").to_pylist()
    assert [(str(row["price"]), row["we]ird \"na'me"], row["fresh"]) for row in rows] == [
        ("9.50", "a", None),
        ("2.50", "b", True),
    ]


def test_a_type_that_does_not_fit_is_refused_by_name(folder_lake: str, tmp_path: Path) -> None:
    """Rounding into the published type would change values in silence."""
    setup = Setup(folder_lake, mode="merge", format="delta")
    lake = open_lake(folder_lake)
    publish(
        lake, custom(tmp_path, "select 1 id, 1.5::decimal(10,1) p", "one", setup), lambda _: True
    )
    wider = custom(tmp_path, "select 1 id, 1.55::decimal(10,2) p", "two", setup)
    with pytest.raises(LakeError, match=r"column p is DECIMAL\(10,1\).*DECIMAL\(10,2\) now"):
        publish(lake, wider, lambda _: True)


@pytest.mark.parametrize(
    ("kind", "values", "bounds"),
    [
        ("timestamptz", ("2026-01-01 10:00:00+00", "2026-01-01 12:00:00+00"), ("2026-01-01 12:00:00+01", "2026-01-01 13:00:00+01")),  # noqa: E501  # a table reads better in one line
        ("timestamp", ("2026-01-01 10:00:00", "2026-01-01 12:00:00.5"), ("2026-01-01 11:00:00", "2026-01-01 12:00:00.5")),  # noqa: E501  # a table reads better in one line
        ("date", ("2026-01-01", "2026-01-03"), ("2026-01-02", "2026-01-03")),
        ("decimal(20,2)", ("1.25", "2.50"), ("2", "2.50")),
    ],
)  # fmt: skip
def test_a_range_is_replaced_in_the_order_of_its_own_type(
    folder_lake: str,
    tmp_path: Path,
    kind: str,
    values: tuple[str, str],
    bounds: tuple[str, str],
) -> None:
    """Bounds given as text select rows of every cursor type."""
    setup = Setup(folder_lake, mode="append", format="delta")
    lake = open_lake(folder_lake)
    select = "select {} id, '{}'::" + kind + ' as "cursor"'
    both = " union all ".join(select.format(n, value) for n, value in enumerate(values))
    first = custom(tmp_path, both, "one", setup, slice=(None, values[1]), watermark=values[1])
    publish(lake, first, lambda _: True)
    again = custom(
        tmp_path, select.format(9, values[1]), "two", setup,
        slice=bounds, bounds="[]", backfill=True,
    )  # fmt: skip
    publish(lake, again, lambda _: True)
    rows = log_of(lake, setup.table).to_pyarrow_table()
    assert sorted(rows["id"].to_pylist()) == [0, 9]
