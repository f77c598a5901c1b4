from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duckherd.errors import LakeError
from duckherd.lake import open_lake, publish
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

FIRST: list[Row] = [(i, i, "first") for i in range(1, 11)]
SECOND: list[Row] = [(i, i, "second") for i in range(11, 21)]


def paths(setup: Setup) -> list[str]:
    """File names of the published objects."""
    return [item.path.rpartition("/")[2] for item in state_of(setup).objects]


def test_each_run_adds_one_object(lake_url: str) -> None:
    """New rows come as a slice of their own; the watermark moves with them."""
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST, "one")
    run(setup, FIRST + SECOND, "two")
    assert published(setup) == expected(FIRST + SECOND)
    assert paths(setup) == ["start__to-10.parquet", "after-10__to-20.parquet"]
    assert state_of(setup).watermark == "20"
    assert state_of(setup).rows == 20


def test_a_run_without_new_rows_writes_no_object(lake_url: str) -> None:
    """Only the state moves: the table was looked at."""
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST, "one")
    done = run(setup, FIRST, "two")
    assert (done.state.version, done.objects, done.rows) == (2, (), 0)
    assert paths(setup) == ["start__to-10.parquet"]
    assert done.state.watermark == "10"


def test_an_empty_table_is_published_and_grows_later(lake_url: str) -> None:
    """The first load of an empty table has columns; its object gives way to the first rows."""
    setup = Setup(lake_url, mode="append")
    run(setup, [], "one")
    assert published(setup) == []
    run(setup, FIRST, "two")
    assert published(setup) == expected(FIRST)
    assert paths(setup) == ["start__to-10.parquet"]


def test_a_lookback_reads_late_rows_and_doubles_none(lake_url: str) -> None:
    """Rows that came late below the watermark are found; the slice they fall in is cut."""
    setup = Setup(lake_url, mode="append", lookback=3)
    run(setup, FIRST, "one")
    late = [*FIRST, (99, 8, "late")]
    run(setup, late + SECOND, "two")
    assert published(setup) == expected(late + SECOND)
    assert paths(setup) == ["start__to-7.parquet", "after-7__to-20.parquet"]
    assert lake_of(setup).store.tail("sales/orders/start__to-10.parquet", 1) is None


def test_a_backfill_replaces_what_it_covers(lake_url: str) -> None:
    """A range read again takes the place of the published rows, in the middle of slices too."""
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST, "one")
    run(setup, FIRST + SECOND, "two")
    changed = [(i, i, "changed" if 8 <= i <= 13 else text) for i, _, text in FIRST + SECOND]
    run(setup, changed, "three", again=Slice(8, 13))
    assert published(setup) == expected(changed)
    assert paths(setup) == [
        "start__before-8.parquet", "after-13__to-20.parquet", "from-8__to-13.parquet",
    ]  # fmt: skip
    assert state_of(setup).watermark == "20"


def test_a_backfill_of_rows_that_are_gone_removes_them(lake_url: str) -> None:
    """A range that is empty in the source is empty in the lake afterwards."""
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST, "one")
    left = [row for row in FIRST if not 3 <= row[1] <= 5]
    run(setup, left, "two", again=Slice(3, 5))
    assert published(setup) == expected(left)


def test_a_slice_published_again_overwrites_its_own_object(lake_url: str, tmp_path: Path) -> None:
    """The same interval is the same object."""
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST, "one")
    more = [*FIRST, (99, 5, "late")]
    found = publication(tmp_path, more, "two", setup, slice=(None, "10"), watermark="10")
    publish(open_lake(lake_url), found, lambda _: True)
    assert published(setup) == expected(more)
    assert paths(setup) == ["start__to-10.parquet"]


def test_switching_from_replace_begins_anew(lake_url: str) -> None:
    """The first append holds the whole table; the old object goes."""
    run(Setup(lake_url), FIRST, "one")
    setup = Setup(lake_url, mode="append")
    run(setup, FIRST + SECOND, "two")
    assert published(setup) == expected(FIRST + SECOND)
    assert lake_of(setup).store.tail("sales/orders.parquet", 1) is None
    run(Setup(lake_url), FIRST, "three")
    assert published(setup) == expected(FIRST)
    assert lake_of(setup).store.tail("sales/orders/start__to-20.parquet", 1) is None


def test_a_bounded_slice_does_not_replace_a_whole_table(folder_lake: str, tmp_path: Path) -> None:
    """Switching modes with a backfill would lose the rows outside it: refused."""
    run(Setup(folder_lake), FIRST, "one")
    setup = Setup(folder_lake, mode="append")
    with pytest.raises(LakeError, match="would lose the rows before it"):
        run(setup, FIRST, "two", again=Slice(5, 6))
    assert published(setup) == expected(FIRST)


def test_columns_may_come_and_go_between_slices(folder_lake: str, tmp_path: Path) -> None:
    """A version of slices with different columns has the columns of all."""
    setup = Setup(folder_lake, mode="append")
    run(setup, FIRST, "one")
    with duckdb.connect() as db:
        row = 'select 11::bigint as id, 11::bigint as "cursor", 1.5 as price'
        db.execute(f"copy ({row}) to '{tmp_path}/new.parquet'")
    found = publication(tmp_path, SECOND[:1], "two", setup, slice=("10", "11"), watermark="11")
    found = replace(found, files=(f"{tmp_path}/new.parquet",), base_version=1)
    publish(open_lake(folder_lake), found, lambda _: True)
    assert len(published(setup)) == 11


def timed(folder: Path, kind: str, values: list[str], flow_run: str, bounds: tuple) -> Publication:
    """A publication whose cursor is of another type."""
    path = folder / f"{flow_run}.parquet"
    rows = ", ".join(f"({n}, {value})" for n, value in enumerate([*values, "null"]))
    with duckdb.connect() as db:
        db.execute("set TimeZone = 'America/New_York'")
        query = f'select n as id, v::{kind} as "cursor" from (values {rows}) r(n, v) where v is not null'  # noqa: E501  # a table reads better in one line
        db.execute(f"copy ({query}) to '{path}'")
    setup = Setup("x", mode="append")
    found = publication(folder, [], flow_run, setup, slice=bounds, watermark=bounds[1])
    return replace(found, files=(str(path),), rows=len(values))


@pytest.mark.parametrize(
    ("kind", "values", "cut"),
    [
        ("timestamp", ["'2026-01-01 10:00:00'", "'2026-01-01 10:00:00.000001'"], "2026-01-01 10:00:00"),  # noqa: E501  # a table reads better in one line
        ("timestamptz", ["'2026-01-01 10:00:00+00'", "'2026-01-01 10:00:01+00'"], "2026-01-01 12:00:00+02"),  # noqa: E501  # a table reads better in one line
        ("date", ["'2026-01-01'", "'2026-01-02'"], "2026-01-01"),
        ("decimal(38,10)", ["9", "10.5"], "9.5"),
        ("blob", ["'\\x00\\x07'::blob", "'\\x01\\x01'::blob"], "0x0007"),
        ("varchar", ["'a'", "'b''c'"], "a"),
        ("timestamp_ns", ["'2026-01-01 10:00:00.0000001'", "'2026-01-01 10:00:00.0000002'"], "2026-01-01 10:00:00.0000001"),  # noqa: E501  # a table reads better in one line
    ],
)  # fmt: skip
def test_a_slice_is_cut_in_the_order_of_its_own_type(
    folder_lake: str, tmp_path: Path, kind: str, values: list[str], cut: str
) -> None:
    """Bounds given as text cut columns of every cursor type."""
    lake = open_lake(folder_lake)
    publish(lake, timed(tmp_path, kind, values, "one", (None, None)), lambda _: True)
    end = {"d": "99", "b": "0xFFFF", "v": "z"}.get(kind[0] if kind != "date" else "", "2027-01-01")
    publish(lake, timed(tmp_path, kind, [], "two", (cut, end)), lambda _: True)
    setup = Setup(folder_lake, mode="append")
    assert [item.rows for item in state_of(setup).objects][:1] == [1]


def test_a_cursor_the_lake_tells_less_finely_is_not_cut(folder_lake: str, tmp_path: Path) -> None:
    """Where rows would fall on the wrong side of a cut, the publish stops and says so."""
    lake = open_lake(folder_lake)
    bounds = ("2026-01-01 10:00:00.0000009", "2026-01-01 10:00:00.0000019")
    stored = ["'2026-01-01 10:00:00.000000'"]
    publish(lake, timed(tmp_path, "timestamp", stored, "one", bounds), lambda _: True)
    bounds = ("2026-01-01 10:00:00.0000015", "2026-01-01 10:00:00.0000025")
    with pytest.raises(LakeError, match="cannot be cut"):
        publish(lake, timed(tmp_path, "timestamp", [], "two", bounds), lambda _: True)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 15), max_size=6),
            st.none() | st.tuples(st.none() | st.integers(0, 15), st.integers(0, 15)),
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 4),
)
def test_any_order_of_loads_and_backfills_equals_the_source(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[list[int], tuple[int | None, int] | None]],
    lookback: int,
) -> None:
    """After a last backfill of everything, and at each step within what was read: no row twice."""
    setup = Setup(str(tmp_path_factory.mktemp("lake")), mode="append", lookback=lookback)
    source: list[Row] = []
    for number, (cursors, backfill) in enumerate(steps):
        source += [(len(source) + n, cursor, "row") for n, cursor in enumerate(cursors)]
        if backfill is None or (backfill[0] or 0) > backfill[1]:
            run(setup, source, f"run {number}")
        else:
            run(setup, source, f"run {number}", again=Slice(*backfill))
        seen = published(setup)
        assert len(seen) == len(set(seen))
        assert set(seen) <= set(source)
    run(setup, source, "last", again=Slice(None, 20))
    assert published(setup) == expected(source)
