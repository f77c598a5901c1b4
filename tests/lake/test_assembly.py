from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duckherd.errors import LakeError
from duckherd.lake.assembly import FLOW_RUN, SchemasDiffer, assemble, metadata_of


def written(folder: Path, files: list[Path], name: str = "whole.parquet") -> Path:
    """Assemble the files into one, as a store would write it."""
    assembly = assemble(files, {FLOW_RUN: "run"})
    target = folder / name
    target.write_bytes(b"".join(assembly.chunks(1000)))
    assert target.stat().st_size == assembly.size
    return target


def duckdb_file(path: Path, query: str, options: str = "compression zstd") -> Path:
    """A Parquet file of DuckDB's writer."""
    with duckdb.connect() as db:
        db.execute(f"copy ({query}) to '{path}' ({options})")
    return path


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=4),
    st.sampled_from(["zstd", "snappy", "none"]),
    st.sampled_from([100, 2048, 100_000]),
    st.booleans(),
)
def test_files_behind_each_other_hold_all_their_rows(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    compression: str,
    group: int,
    index: bool,
) -> None:
    """Two readers find each row of each file, in order, with statistics and page indexes."""
    folder = tmp_path_factory.mktemp("files")
    tables = []
    files = []
    for number, size in enumerate(sizes):
        ids = range(number * 10_000, number * 10_000 + size)
        texts = [None if i % 7 == 0 else f"text {i % 50}" for i in ids]
        table = pa.table({"id": pa.array(ids, pa.int64()), "text": pa.array(texts, pa.string())})
        path = folder / f"{number}.parquet"
        pq.write_table(
            table, path, compression=compression, row_group_size=group, write_page_index=index
        )
        tables.append(table)
        files.append(path)
    whole = written(folder, files)
    expected = pa.concat_tables(tables)
    assert pq.read_table(whole).equals(expected)
    with duckdb.connect() as db:
        rows = db.execute(f"select * from '{whole}'").fetchall()
        assert rows == list(zip(*expected.to_pydict().values(), strict=True))
        last = max((i for n, s in enumerate(sizes) for i in [n * 10_000 + s - 1] if s), default=0)
        found = db.execute(f"select count(*) from '{whole}' where id = {last}").fetchall()
        assert found == [(1 if sum(sizes) else 0,)]


def test_types_and_bloom_filters_of_duckdb_survive(tmp_path: Path) -> None:
    """Files of DuckDB's writer, dictionaries and bloom filters included, are put together."""
    query = (
        "select i::utinyint a, i::decimal(38,10) b, uuid() c, [i, null] d, {{'x': i}} e, "
        "'t' || (i % 10) f, timestamp_ns '2020-01-01' g from range({}) r(i)"
    )
    files = [
        duckdb_file(
            tmp_path / f"{n}.parquet", query.format(n), "compression zstd, row_group_size 2048"
        )
        for n in (200, 0, 17)
    ]
    whole = written(tmp_path, files)
    with duckdb.connect() as db:
        same = "select * from read_parquet([{}])".format(", ".join(f"'{f}'" for f in files))
        assert db.execute(f"select * from '{whole}'").fetchall() == db.execute(same).fetchall()
        assert db.execute(f"select count(*) from '{whole}' where f = 't3'").fetchall() == [(22,)]
        assert db.execute(f"select count(*) from '{whole}' where f = 'none'").fetchall() == [(0,)]


def test_the_writers_own_metadata_is_kept_and_ours_added(tmp_path: Path) -> None:
    """Arrow's schema stays in the footer; an older flow run is replaced."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": pa.array([1], pa.int8())}), path)
    twice = written(tmp_path, [written(tmp_path, [path], "once.parquet")], "twice.parquet")
    found = metadata_of(twice.read_bytes())
    assert isinstance(found, dict)
    assert found[FLOW_RUN] == "run"
    assert "ARROW:schema" in found
    assert pq.read_schema(twice).field("a").type == pa.int8()


def test_a_short_end_of_an_object_says_how_much_is_needed(tmp_path: Path) -> None:
    """Reading the metadata of an object needs its end only."""
    whole = written(tmp_path, [duckdb_file(tmp_path / "a.parquet", "select 1 a")])
    data = whole.read_bytes()
    needed = metadata_of(data[-8:])
    assert isinstance(needed, int)
    assert metadata_of(data[-needed:]) == {FLOW_RUN: "run"}
    assert metadata_of(b"no parquet at all") == {}


def test_files_of_other_columns_are_not_put_together(tmp_path: Path) -> None:
    """Different schemas need decoding: that is said, not guessed."""
    files = [
        duckdb_file(tmp_path / "a.parquet", "select 1 a"),
        duckdb_file(tmp_path / "b.parquet", "select 'x' a"),
    ]
    with pytest.raises(SchemasDiffer):
        assemble(files, {})


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"x" * 100, b"PAR1" + b"\xff" * 90 + b"PAR1"],
    ids=["empty", "magic", "noise", "long footer"],
)
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    """A cut or foreign file is an error that names it."""
    path = tmp_path / "broken.parquet"
    path.write_bytes(content)
    with pytest.raises(LakeError, match=r"broken\.parquet"):
        assemble([path], {})


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    """Bytes that vanish between planning and writing are not published as less."""
    path = duckdb_file(tmp_path / "a.parquet", "select i from range(10000) r(i)")
    assembly = assemble([path], {})
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LakeError, match="shorter"):
        list(assembly.chunks(1000))
