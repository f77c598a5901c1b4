"""Fetching by difference, against a real server."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from duckherd.errors import ApiUnreachable
from duckherd.history.fetch import fetch
from duckherd.history.store import Store
from simulator import database
from simulator.world import SimRun, SimTable, World


@pytest.fixture
def herd(simulated):
    """A table of its own on the simulated server, with three finished runs and one going on."""
    start = datetime(2024, 3, 1, 2, tzinfo=UTC)
    table = SimTable(
        name=f"own.a.{uuid.uuid4().hex[:8]}", id=uuid.uuid4(), owner="me", tags=["own", "owner:me"],
        cron="0 2 * * *", hours=(2,), deadline="06:00", freshness=None, target=99.0,
        created=start.date(), removed=None, paused=None, rows=10, seconds=5.0,
    )  # fmt: skip
    runs = [_run(table, start + timedelta(days=day)) for day in range(3)]
    runs.append(_run(table, start + timedelta(days=3), state="RUNNING"))
    world = World(start.date(), start + timedelta(days=4), [table], runs)
    database.write(world, simulated.database)
    yield world
    database.remove(simulated.database, table.id)
    with _engine(simulated).begin() as db:
        for statement in (
            "delete from flow_run where deployment_id = :id",
            "delete from deployment_schedule where deployment_id = :id",
        ):
            db.execute(sa.text(statement), {"id": str(table.id)})


def _run(table: SimTable, due: datetime, state: str = "COMPLETED") -> SimRun:
    end = None if state == "RUNNING" else due + timedelta(minutes=5)
    labels = {} if end is None else {"duckherd.rows": 7, "duckherd.published_at": end.isoformat()}
    return SimRun(
        uuid.uuid4(), table.id, due, True, state, state.title(), None, 1, due, end, labels
    )


def _engine(simulated):
    return sa.create_engine(f"sqlite:///{simulated.database}", connect_args={"timeout": 60})


def _states(store: Store, world: World) -> Counter[str]:
    ids = [str(run.id) for run in world.runs]
    rows = store.query("select state, gone from run where id in (select unnest(?::uuid[]))", ids)
    return Counter("gone" if gone else state for state, gone in rows)


def _change(simulated, run: SimRun, **values) -> None:
    from prefect.server.database import orm_models

    table = orm_models.FlowRun.__table__
    with _engine(simulated).begin() as db:
        db.execute(sa.update(table).where(table.c.id == run.id).values(**values))


def test_a_running_run_is_seen_to_finish(simulated, herd, tmp_path):
    """What was active when last seen is read again, with the labels it has by then."""
    with simulated.api() as api, Store(tmp_path / "cache") as store:
        fetch(api, store, herd.now)
        assert _states(store, herd) == {"COMPLETED": 3, "RUNNING": 1}
        end = herd.now + timedelta(minutes=1)
        _change(
            simulated, herd.runs[3], state_type="COMPLETED", state_name="Completed", end_time=end,
            labels={"duckherd.rows": 99},
        )  # fmt: skip
        fetch(api, store, herd.now + timedelta(minutes=2))
        assert _states(store, herd) == {"COMPLETED": 4}
        assert store.query("select rows from run where id = ?", str(herd.runs[3].id)) == [(99,)]


def test_a_finished_run_that_is_retried_is_seen_again(simulated, herd, tmp_path):
    """A state forced back to running unsets its end; it is found among the active ones."""
    with simulated.api() as api, Store(tmp_path / "cache") as store:
        fetch(api, store, herd.now)
        _change(
            simulated, herd.runs[0], state_type="RUNNING", state_name="Retrying", end_time=None,
            run_count=2,
        )  # fmt: skip
        fetch(api, store, herd.now + timedelta(minutes=2))
        assert _states(store, herd) == {"COMPLETED": 2, "RUNNING": 2}


def test_runs_the_server_deletes_stay_and_are_marked(simulated, herd, tmp_path):
    """The server's retention does not take history away."""
    with simulated.api() as api, Store(tmp_path / "cache") as store:
        fetch(api, store, herd.now)
        api.delete(f"/flow_runs/{herd.runs[0].id}")
        api.delete(f"/flow_runs/{herd.runs[3].id}")
        # The one that was active is missed at once, the old one at the next whole count.
        assert fetch(api, store, herd.now + timedelta(minutes=1)).gone >= 1
        fetch(api, store, herd.now + timedelta(hours=7))
        assert _states(store, herd) == {"COMPLETED": 2, "gone": 2}


def test_an_interrupted_first_fetch_goes_on(simulated, herd, tmp_path):
    """Days that are complete are not read again; nothing is lost or doubled."""

    class Cut(Exception):
        pass

    def cut(stored: int) -> None:
        if stored >= 600:
            raise Cut

    path = tmp_path / "cache"
    with simulated.api() as api:
        with Store(path) as store, pytest.raises(Cut):
            fetch(api, store, simulated.world.now, cut)
        with Store(path) as store:
            (before,) = store.query("select count(*) from run")[0]
            assert before >= 600
            rest = fetch(api, store, simulated.world.now)
            (runs, ids) = store.query("select count(*), count(distinct id) from run")[0]
    assert rest.runs < runs
    assert runs == ids == len(simulated.world.runs) + len(herd.runs)


def test_a_second_fetch_asks_for_little(simulated, herd, tmp_path):
    """No call per table or per run: a few requests when nothing happened."""
    with simulated.api() as api, Store(tmp_path / "cache") as store:
        fetch(api, store, simulated.world.now)
        calls = []
        request = api.request
        api.request = lambda *a, **k: calls.append(a[1]) or request(*a, **k)
        fetch(api, store, simulated.world.now + timedelta(seconds=40))
    assert len(calls) <= 8


def test_a_schedule_changed_behind_its_deployment_is_noticed(simulated, herd, tmp_path):
    """Prefect does not touch the deployment then; a run where none was due gives it away."""
    table, first = herd.tables[0], herd.runs[0].expected
    with simulated.api() as api, Store(tmp_path / "cache") as store:
        fetch(api, store, herd.now)
        changed = herd.now + timedelta(hours=1)
        with _engine(simulated).begin() as db:
            db.execute(
                sa.text(
                    "update deployment_schedule set updated = :at, "
                    "schedule = replace(schedule, '0 2 *', '0 5 *') where deployment_id = :id"
                ),
                {"at": changed.strftime("%Y-%m-%d %H:%M:%S.%f"), "id": str(table.id)},
            )
            database.insert_runs(
                db, [_run(table, first + timedelta(days=4, hours=3))], _flow_id(db)
            )
        fetch(api, store, herd.now + timedelta(hours=12))
        versions = store.query(
            "select since, content ->> '$.schedules[0].cron' from deployment_version "
            "where deployment_id = ? order by since",
            str(table.id),
        )
    assert [cron for _, cron in versions] == ["0 2 * * *", "0 5 * * *"]
    assert versions[1][0].replace(tzinfo=UTC) == changed


def _flow_id(db):
    return uuid.UUID(
        str(db.execute(sa.text("select id from flow where name='ingest-table'")).scalar())
    )


def test_secrets_of_a_url_never_reach_the_cache(simulated, tmp_path):
    """Even a password written in clear into a deployment's source stays out of the file."""
    table = replace(
        simulated.world.tables[0], name=f"leak.a.{uuid.uuid4().hex[:8]}", id=uuid.uuid4()
    )
    world = World(simulated.world.start, simulated.world.now, [table], [])
    database.write(
        world, simulated.database, source="postgresql://u:hunter2secret@db/erp?x=hunter2secret"
    )
    path = tmp_path / "cache"
    try:
        with simulated.api() as api, Store(path) as store:
            fetch(api, store, simulated.world.now)
            (content,) = store.query(
                "select content from deployment_version where content like '%leak.a%'"
            )[0]
    finally:
        database.remove(simulated.database, table.id)
    assert "postgresql://db/erp" in content
    assert b"hunter2secret" not in path.read_bytes()


def test_a_server_that_does_not_answer_leaves_the_cache_as_it_was(simulated, tmp_path):
    """The error is ours and tells what to do; what was fetched stays."""
    from duckherd.api.client import Api
    from duckherd.api.settings import ApiSettings

    with Store(tmp_path / "cache") as store:
        with simulated.api() as api:
            fetch(api, store, simulated.world.now)
        before = store.query("select count(*) from run")
        with Api(ApiSettings("http://127.0.0.1:9/api")) as nobody, pytest.raises(ApiUnreachable):
            fetch(nobody, store, simulated.world.now + timedelta(days=1))
        assert store.query("select count(*) from run") == before
