"""Runs, connections and servers that are killed at random moments; then the table is run again.

A failure prints its seed; run it again with DUCKHERD_TEST_SEED set to it.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

import servers
from duckherd.catalog.model import TableName
from duckherd.lake import open_lake
from duckherd.lake.read import open_published
from killed_runs import STAGES, run

ROWS = 6_000
LOOKBACK = 200
MODES: dict[str, dict[str, Any]] = {
    "replace": {},
    "append": {"cursor": "seq", "lookback": str(LOOKBACK)},
    "merge": {
        "format": "delta", "key": ["id"], "cursor": "seq", "lookback": str(LOOKBACK),
        "deletes": "compare_keys",
    },
}  # fmt: skip
CHECKS: list[dict[str, Any]] = [
    {"not_null": ["id", "seq"]},
    {"unique": "id"},
    # Takes its time, so that a kill can land in it.
    {"sql": {"name": "slow", "query": "select id from this, range(1000) r(n) where id * n < 0"}},
]
COLUMNS = "id, seq, amount, note, changed::timestamp"


class Server:
    """A PostgreSQL that may be killed as a power failure would, and comes back."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._server = servers.make_postgres(folder)
        self._stack = stack
        self._process: Any = None
        self.url = self._server.url
        self.start()

    def start(self) -> None:
        """Start it unless it runs."""
        if self._process is None:
            self._process = self._stack.enter_context(self._server.running())

    def kill(self) -> None:
        parent = self._process.pid
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in (parent, *map(int, found)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, whose end disturbs no other test."""
    with ExitStack() as stack:
        yield Server(tmp_path_factory.mktemp("postgres"), stack)


@dataclass
class Herd:
    """One table that is changed, run, killed and compared."""

    mode: str
    server: Server
    children: BaseContext
    folder: Path
    dice: random.Random
    seconds: dict[str, float] = field(default_factory=dict)
    hit: list[str] = field(default_factory=list)
    newest: int = 0

    @property
    def lake(self) -> str:
        return str(self.folder / "lake")

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as db:
            for statement in statements:
                db.execute(statement.encode())

    def create(self) -> None:
        self.sql(
            "drop table if exists t",
            "create table t (id int primary key, seq bigint, amount numeric(12,2), note text, "
            "changed timestamptz)",
        )
        self.insert(ROWS)

    def insert(self, count: int) -> None:
        """New rows above everything seen, in pairs of one cursor."""
        first, self.newest = self.newest + 1, self.newest + count
        self.sql(
            "insert into t select i, i - i % 2, i / 7.0, case when i % 3 > 0 then "
            f"repeat(md5(i::text), 3) end, now() from generate_series({first}, {self.newest}) i"
        )

    def change(self) -> None:
        """What the mode sees: new rows always, late, changed and deleted ones where it does."""
        newest, seed = self.newest, self.dice.randrange(1 << 30)
        self.insert(self.dice.randrange(300, 1000))
        some = f"hashint8(id # {seed}) % 20"
        if self.mode == "append":
            late = f"select {seed} + i, {newest - LOOKBACK // 2} + i, 1.5, 'late', now()"
            self.sql(f"insert into t {late} from generate_series(1, 9) i on conflict do nothing")
            return
        seq = f"{self.newest} + 1" if self.mode == "merge" else "seq"
        self.sql(
            f"update t set note = 'changed', amount = -amount, seq = {seq} where {some} = 1",
            f"delete from t where {some} = 2",
        )
        self.newest += 2

    def start(self, run_id: str) -> tuple[Any, Connection]:
        here, there = self.children.Pipe()
        parameters = {
            "table": "public.t", "source": self.server.url, "lake": self.lake, "mode": self.mode,
            "checks": CHECKS, "limits": {"slice_size": "64KB"}, **MODES[self.mode],
        }  # fmt: skip
        arguments = (parameters, run_id, self.folder / "spool", there)
        process = self.children.Process(target=run, args=arguments)
        process.start()
        there.close()
        return process, here

    def run_whole(self, run_id: str) -> None:
        process, child = self.start(run_id)
        told = followed(child)
        process.join()
        assert isinstance(told[-1], dict), told
        self.seconds |= told[-1]

    def run_killed(self, run_id: str, stage: str, kill: Kill, *, at_once: bool) -> bool:
        """Kill a run in a step, before it begins or at any moment; True where it did its work."""
        process, child = self.start(run_id)
        while child.recv() != stage:
            child.send("go on")
        if not at_once:
            child.send("go on")
            # From its very first moment to a bit after its last.
            time.sleep(self.dice.uniform(0, 1.1 * self.seconds[stage]))
        kill(self, process, child)
        told = [stage, *followed(child, begin=at_once)]
        process.join()
        self.server.start()
        whole = isinstance(told[-1], dict)
        if not whole:
            self.hit.append([step for step in told if step in STAGES][-1])
        return whole

    def source(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url) as db:
            db.execute("set timezone = 'UTC'")
            return db.execute(f"select {COLUMNS} from t order by id").fetchall()

    def published(self) -> list[tuple[Any, ...]]:
        with (
            open_published(open_lake(self.lake), TableName.parse("public.t")) as snapshot,
            duckdb.connect() as db,
        ):
            db.execute("set timezone = 'UTC'")
            return db.execute(f"select {COLUMNS} from {snapshot.scan} order by id").fetchall()


Kill = Callable[[Herd, Any, Connection], None]
"""Kills something of a run, given its process and what it tells."""


def followed(child: Connection, *, begin: bool = False) -> list[Any]:
    """Everything a run tells until it ends, with leave to begin each step."""
    told = []
    try:
        if begin:
            child.send("go on")
        while True:
            told.append(child.recv())
            if told[-1] in STAGES:
                child.send("go on")
    except (EOFError, OSError):
        return told


def the_run(_herd: Herd, process: Any, _child: Connection) -> None:
    """SIGKILL of the process, as by an out-of-memory killer."""
    process.kill()
    process.join()


def its_connections(herd: Herd, _process: Any, child: Connection) -> None:
    """pg_terminate_backend once, or whenever it connects anew: the run survives, or fails clean."""
    insist = herd.dice.random() < 0.5
    with psycopg.connect(herd.server.url, autocommit=True) as db:
        while True:
            db.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name like 'duckherd%'"
            )
            if not insist or child.poll(0.002):
                return


def the_server(herd: Herd, _process: Any, _child: Connection) -> None:
    """SIGKILL of every process of the server; it comes back at once, or when the run gave up."""
    herd.server.kill()
    if herd.dice.random() < 0.5:
        herd.server.start()


# What to kill; then steps to kill in before they begin, and steps to kill in at any moment.
KILLS: list[tuple[Kill, tuple[str, ...], tuple[str, ...]]] = [
    (the_run, STAGES, ("extract", "publish")),
    # Nothing else speaks to the source.
    (its_connections, (), ("extract",) * 3),
    (the_server, ("extract",), ("extract", "publish")),
]


@pytest.mark.parametrize(
    ("kill", "before_steps", "within_steps"), KILLS, ids=[kill.__name__ for kill, *_ in KILLS]
)
@pytest.mark.parametrize("mode", MODES)
def test_after_any_kill_the_next_run_makes_the_lake_equal_the_source(
    mode: str,
    kill: Kill,
    before_steps: tuple[str, ...],
    within_steps: tuple[str, ...],
    server: Server,
    children: BaseContext,
    tmp_path: Path,
) -> None:
    """No row twice, none missing; in between readers see a whole version, the old or the new."""
    seed = int(os.environ.get("DUCKHERD_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"DUCKHERD_TEST_SEED={seed}")
    herd = Herd(mode, server, children, tmp_path, random.Random(seed))
    herd.create()
    herd.run_whole("first")
    old = herd.source()
    assert herd.published() == old
    rounds = [*((step, True) for step in before_steps), *((step, False) for step in within_steps)]
    herd.dice.shuffle(rounds)
    for number, (step, at_once) in enumerate(rounds):
        herd.change()
        new = herd.source()
        whole = herd.run_killed(f"killed {number}", step, kill, at_once=at_once)
        assert herd.published() in ([new] if whole else [old, new]), (step, herd.hit)
        again = f"killed {number}"
        if herd.dice.random() < 0.5:
            # Another run, of a source that went on.
            herd.change()
            again = f"after {number}"
        herd.run_whole(again)
        old = herd.source()
        assert herd.published() == old, (step, herd.hit)
    print("ended without success in", herd.hit)
    if kill is the_run:  # a server that comes back at once may not even be missed
        assert set(herd.hit) >= set(before_steps)
