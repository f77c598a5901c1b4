from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from duckherd.errors import LakeError, PublishConflict
from duckherd.lake import open_lake, publish
from duckherd.lake.model import TableState
from lake.harness import Row, Setup, expected, lake_of, publication, published, run, state_of

ROWS: list[Row] = [(i, i, f"text {i}") for i in range(100)]
MORE: list[Row] = [(i, i, f"other {i}") for i in range(150)]


class Stopped(Exception):
    """The run ends here."""


def stop_at(name: str):
    """A step hook that ends the run at a step."""

    def on_step(step: str) -> None:
        if step.startswith(name):
            raise Stopped

    return on_step


def test_a_published_table_equals_what_was_read(lake_url: str) -> None:
    """The object holds exactly the rows of the spool, and the state tells its figures."""
    setup = Setup(lake_url)
    done = run(setup, ROWS, "one")
    assert published(setup) == expected(ROWS)
    state = state_of(setup)
    assert (state.version, state.flow_run, state.rows) == (1, "one", 100)
    assert [item.path for item in state.objects] == ["sales/orders.parquet"]
    assert done.rows == 100
    assert done.bytes == state.objects[0].bytes
    assert state.pending is None
    assert state.history[0].rows == 100


def test_an_empty_table_publishes_its_columns(lake_url: str) -> None:
    """No rows is a version like any other: an object with the schema and no row."""
    setup = Setup(lake_url)
    run(setup, [], "one")
    assert published(setup) == []
    assert state_of(setup).objects[0].rows == 0


def test_a_publish_repeated_by_its_own_run_does_nothing(lake_url: str) -> None:
    """The second publish of a flow run leaves version, object and state as they are."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    before = lake_of(setup).store.read("_duckherd/sales.orders.json")
    again = run(setup, MORE, "one")
    assert again.repeated
    assert lake_of(setup).store.read("_duckherd/sales.orders.json") == before
    assert published(setup) == expected(ROWS)


def test_a_run_knows_its_commit_after_others_committed(lake_url: str) -> None:
    """A repeated publish is a no-op also when it is no longer the newest."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    run(setup, MORE, "two")
    assert run(setup, ROWS, "one").repeated
    assert published(setup) == expected(MORE)


def test_a_run_overtaken_by_another_is_refused(lake_url: str, tmp_path: Path) -> None:
    """What was read before another run's publish does not replace it."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    late = publication(tmp_path, ROWS, "late", setup, base_version=1)
    run(setup, MORE, "two")
    with pytest.raises(PublishConflict, match="two published version 2"):
        publish(lake_of(setup), late, lambda _: True)
    assert published(setup) == expected(MORE)


@pytest.mark.parametrize("step", ["intent", "object", "data"])
def test_a_run_is_refused_while_another_publishes(lake_url: str, step: str) -> None:
    """Whoever meets the intent of a living run stops, having touched nothing."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    with pytest.raises(Stopped):
        run(setup, MORE, "two", on_step=stop_at(step))
    seen = published(setup)
    with pytest.raises(PublishConflict, match="two has been publishing"):
        run(setup, [], "three", is_over=lambda _: False)
    assert published(setup) == seen


@pytest.mark.parametrize(("step", "version"), [("intent", 1), ("object", 2), ("data", 2)])
def test_an_unfinished_publish_is_settled_by_the_next_run(
    lake_url: str, step: str, version: int
) -> None:
    """Forward where the object carries the dead run's id, back where it does not."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    with pytest.raises(Stopped):
        run(setup, MORE, "two", on_step=stop_at(step))
    run(setup, ROWS, "three")
    state = state_of(setup)
    assert state.version == version + 1
    assert ("two" in state.committed) == (version == 2)
    assert published(setup) == expected(ROWS)


@pytest.mark.parametrize("step", ["stage", "intent", "object", "data", "commit", "cleanup"])
def test_a_run_finishes_its_own_unfinished_publish(lake_url: str, step: str) -> None:
    """Tried again after any step, a run ends with exactly one version of its own."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    with pytest.raises(Stopped):
        run(setup, MORE, "two", on_step=stop_at(step))
    run(setup, MORE, "two", is_over=lambda _: False)
    state = state_of(setup)
    assert (state.version, state.flow_run, state.pending) == (2, "two", None)
    assert published(setup) == expected(MORE)


def test_nothing_is_written_before_the_intent(lake_url: str) -> None:
    """Until the intent is told, the lake is byte for byte as it was."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    store = lake_of(setup).store
    paths = ("_duckherd/sales.orders.json", "sales/orders.parquet")
    before = [store.tail(path, 1 << 30) for path in paths]
    with pytest.raises(Stopped):
        run(setup, MORE, "two", on_step=stop_at("stage"))
    assert [store.tail(path, 1 << 30) for path in paths] == before


def test_a_commit_lost_meanwhile_is_a_conflict(lake_url: str, tmp_path: Path) -> None:
    """A run that slept until another was put in its place does not commit."""
    setup = Setup(lake_url)

    def overtaken(step: str) -> None:
        if step == "data":
            store = lake_of(setup).store
            found = store.read("_duckherd/sales.orders.json")
            assert found is not None
            store.swap("_duckherd/sales.orders.json", found.data + b" ", found.version)

    with pytest.raises(PublishConflict):
        run(setup, ROWS, "one", on_step=overtaken)


def test_an_object_changed_by_hand_is_published_over(lake_url: str, tmp_path: Path) -> None:
    """A file copied over the object does not stop the next publish."""
    setup = Setup(lake_url)
    run(setup, ROWS, "one")
    lake = lake_of(setup)
    lake.store.swap("sales/orders.parquet", b"by hand", _version(lake))
    run(setup, MORE, "two")
    assert published(setup) == expected(MORE)


def _version(lake) -> str:
    found = lake.store.read("sales/orders.parquet")
    assert found is not None
    return found.version


def test_objects_tell_who_wrote_them(folder_lake: str) -> None:
    """The flow run is in the Parquet metadata, where any reader finds it."""
    setup = Setup(folder_lake)
    run(setup, ROWS, "run-id")
    metadata = pq.read_metadata(Path(folder_lake) / "sales" / "orders.parquet").metadata
    assert metadata[b"duckherd.flow_run"] == b"run-id"
    assert metadata[b"duckherd.table"] == b"sales.orders"


def test_objects_in_a_bucket_carry_the_flow_run_as_metadata(s3_lake: str) -> None:
    """The bucket's own metadata names the flow run too."""
    import obstore

    setup = Setup(s3_lake)
    run(setup, ROWS, "run-id")
    head = obstore.get(lake_of(setup).store._client, "sales/orders.parquet", options={"head": True})
    assert head.attributes["duckherdflowrun"] == "run-id"


def test_a_spool_with_other_rows_than_were_read_is_refused(
    folder_lake: str, tmp_path: Path
) -> None:
    """A half-written spool never becomes a version."""
    setup = Setup(folder_lake)
    bad = replace(publication(tmp_path, ROWS, "one", setup), rows=99)
    with pytest.raises(LakeError, match="holds 100 rows where 99 were read"):
        publish(lake_of(setup), bad, lambda _: True)
    assert state_of(setup) == TableState(table="sales.orders")


def test_a_spool_that_is_gone_is_an_error_of_the_lake(folder_lake: str, tmp_path: Path) -> None:
    """A spool file that was deleted is named."""
    setup = Setup(folder_lake)
    found = publication(tmp_path, ROWS, "one", setup)
    Path(found.files[1]).unlink()
    with pytest.raises(LakeError, match=r"part-1\.parquet"):
        publish(lake_of(setup), found, lambda _: True)


def test_merge_into_plain_parquet_is_refused_with_the_reason(folder_lake: str) -> None:
    """Plain Parquet cannot be changed in place."""
    with pytest.raises(LakeError, match="cannot change plain Parquet in place"):
        run(Setup(folder_lake, mode="merge"), ROWS, "one")


@pytest.mark.parametrize(
    "table",
    [
        "dbo.we]ird \"na'me",
        "a/b.c/../d",
        '"my.schema".my.table',
        "dbo...",
        "żółć.łąka 🦆",
        "x." + "n" * 300,
    ],
)
def test_any_name_can_be_published_and_read_back(lake_url: str, table: str) -> None:
    """Names with quotes, slashes, dots, unicode or 300 characters work on every store."""
    setup = Setup(lake_url, table=table)
    run(setup, ROWS, "one")
    assert published(setup) == expected(ROWS)
    assert run(setup, ROWS, "two").state.version == 2


def test_tables_do_not_touch_each_other(lake_url: str) -> None:
    """Publishing one table leaves another's object and state as they are."""
    one, two = Setup(lake_url), Setup(lake_url, table="sales.Orders")
    run(one, ROWS, "one")
    run(two, MORE, "two")
    assert published(one) == expected(ROWS)
    assert published(two) == expected(MORE)


def test_two_stores_of_one_folder_are_one_lake(folder_lake: str) -> None:
    """A lake opened twice, also as a URL, is the same lake."""
    run(Setup(folder_lake), ROWS, "one")
    assert published(Setup(f"file://{folder_lake}")) == expected(ROWS)
    assert str(open_lake(f"file://{folder_lake}")) == folder_lake
