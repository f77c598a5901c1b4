"""One limit for one source, whoever reads it and however its secrets are written."""

from __future__ import annotations

import contextvars
import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.context import SyncClientContext
from prefect.settings import PREFECT_API_URL, temporary_settings

from duckherd import process_life, source_limit
from duckherd.catalog.source import Source
from duckherd.source_limit import limit_name
from servers import wait_until

SOURCE = Source.parse("postgresql://u@host/db")


def test_reference_and_resolved_url_share_a_limit() -> None:
    """The name does not depend on credentials or options, resolved or not."""
    written = limit_name("postgresql://u:${env:PW}@db.acme:5432/erp?sslmode=require")
    resolved = limit_name("postgresql://other:p%40ss@db.acme:5432/erp")
    assert written == resolved


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://db.acme:5433/erp",
        "postgresql://db.acme:5432/crm",
        "mysql://db.acme:5432/erp",
        "postgresql://db-acme:5432/erp",
    ],
)
def test_other_sources_have_other_limits(other: str) -> None:
    """Host, port, database and dialect each make another source."""
    assert limit_name(other) != limit_name("postgresql://db.acme:5432/erp")


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "duckdb:///x.duckdb"])
def test_files_have_no_limit(url: str) -> None:
    """A file database has no server to spare."""
    assert limit_name(url) is None


def test_name_is_accepted_by_prefect() -> None:
    """Prefect refuses names with / % & < >; ours have letters, digits and dashes."""
    name = limit_name("mssql://u:p@sql%2Fhost:1433/a%20b&c")
    assert name is not None
    assert re.fullmatch(r"[a-z0-9-]+", name)


@pytest.fixture
def limit(prefect_api: str) -> Iterator[str]:
    """A limit of two slots on a real server."""
    name = f"duckherd-test-{uuid.uuid4()}"
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        with get_client(sync_client=True) as client:
            source_limit.ensure_limit(client, name, 2)
        yield name


def test_runs_that_begin_together_find_the_limit_made(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first runs of a herd make its limit at one moment, and none of them fails by it."""
    monkeypatch.setattr(source_limit, "_limits_known", {})
    name, runs = f"duckherd-test-{uuid.uuid4()}", 8
    together = threading.Barrier(runs)

    def begin() -> None:
        settings = temporary_settings({PREFECT_API_URL: prefect_api})
        with settings, get_client(sync_client=True) as client:
            together.wait()
            source_limit.ensure_limit(client, name, 3)

    with ThreadPoolExecutor(runs) as pool:
        for run in [pool.submit(begin) for _ in range(runs)]:
            run.result()


def nothing() -> None:
    """Of the tests that open no connection."""


def _active(name: str) -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(name).active_slots


def test_a_read_waits_for_its_slots(limit: str) -> None:
    """Nobody gets slots beyond the limit; who waits goes on when they are given back."""
    entered = threading.Event()

    def second() -> None:
        with source_limit.occupied(limit, 2, uuid.uuid4(), SOURCE, nothing):
            entered.set()

    with source_limit.occupied(limit, 1, uuid.uuid4(), SOURCE, nothing):
        assert _active(limit) == 1
        thread = threading.Thread(target=contextvars.copy_context().run, args=(second,))
        thread.start()
        assert not entered.wait(1)
    assert entered.wait(60)
    thread.join()
    assert _active(limit) == 0


def test_slots_are_given_back_after_a_failure(limit: str) -> None:
    """A read that fails holds nothing."""
    with pytest.raises(LookupError), source_limit.occupied(limit, 2, uuid.uuid4(), SOURCE, nothing):
        raise LookupError
    assert _active(limit) == 0


def test_a_long_read_keeps_its_slots(
    limit: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lease is renewed until the read is over; one that fails is told and not the last."""
    monkeypatch.setattr("prefect.get_run_logger", lambda: logging.getLogger("a run's"))
    renewed: list[float] = []
    real = SyncPrefectClient.renew_concurrency_lease

    def counted(self: SyncPrefectClient, lease_id: uuid.UUID, lease_duration: float) -> object:
        renewed.append(lease_duration)
        if len(renewed) == 1:
            raise ConnectionError
        return real(self, lease_id, lease_duration)

    monkeypatch.setattr(SyncPrefectClient, "renew_concurrency_lease", counted)
    monkeypatch.setattr(source_limit, "RENEWAL_SECONDS", 1.0)
    with source_limit.occupied(limit, 1, uuid.uuid4(), SOURCE, nothing):
        until = time.monotonic() + 60
        while len(renewed) < 3 and time.monotonic() < until:
            time.sleep(0.1)
        assert _active(limit) == 1
    assert len(renewed) >= 3
    assert _active(limit) == 0
    assert f"the slots of {limit} could not be renewed" in caplog.text


@pytest.fixture
def warm(limit: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warm]:
    """A process of many runs, on the limit of two slots."""
    warm = Warm(limit)
    real = SyncPrefectClient.increment_concurrency_slots_with_lease

    def counted(self: SyncPrefectClient, *args: Any, **kwargs: Any) -> object:
        warm.requests += 1
        return real(self, *args, **kwargs)

    monkeypatch.setattr(SyncPrefectClient, "increment_concurrency_slots_with_lease", counted)
    monkeypatch.setattr(source_limit, "_waited_at", {})
    with SyncClientContext(), process_life.many_runs():
        yield warm
    assert _active(limit) == 0


@dataclass
class Warm:
    """What its runs ask for, and how often they disconnect."""

    limit: str
    requests: int = 0
    disconnected: int = 0

    def run(self, slots: int = 1, source: Source = SOURCE) -> None:
        with source_limit.occupied(self.limit, slots, uuid.uuid4(), source, self._disconnect):
            assert _active(self.limit) >= slots

    def _disconnect(self) -> None:
        # The connections go first: other runs may have the slots the moment they are free.
        assert _active(self.limit) > 0
        self.disconnected += 1


def test_the_next_run_finds_the_slots_taken(warm: Warm) -> None:
    """With its connections; a run that needs more slots gives these back and takes its own."""
    for _ in range(3):
        warm.run()
        assert _active(warm.limit) == 1
    assert (warm.requests, warm.disconnected) == (1, 0)
    warm.run(slots=2)
    assert (warm.requests, warm.disconnected) == (2, 1)
    assert _active(warm.limit) == 2


def test_another_user_of_the_source_finds_nothing_kept(warm: Warm) -> None:
    """It cannot use these connections: they go before it opens its own."""
    warm.run()
    warm.run(source=replace(SOURCE, user="other"))
    assert (_active(warm.limit), warm.requests, warm.disconnected) == (1, 2, 1)


def test_of_two_runs_side_by_side_one_keeps(warm: Warm) -> None:
    """Threads of one process: what both leave is what one of them needs."""
    with source_limit.occupied(warm.limit, 1, uuid.uuid4(), SOURCE, warm._disconnect):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(warm.run,))
        thread.start()
        thread.join()
    assert (_active(warm.limit), warm.disconnected) == (1, 1)


def test_a_process_of_one_run_keeps_nothing(limit: str) -> None:
    """Its connections are closed with the read, long before its checks are done."""
    warm = Warm(limit)
    warm.run()
    assert (_active(limit), warm.disconnected) == (0, 1)


def test_a_failed_read_keeps_nothing(warm: Warm) -> None:
    """Its connections may be broken."""
    with (
        pytest.raises(LookupError),
        source_limit.occupied(warm.limit, 1, uuid.uuid4(), SOURCE, warm._disconnect),
    ):
        raise LookupError
    assert (_active(warm.limit), warm.disconnected) == (0, 1)


def test_slots_nobody_comes_for_are_given_back(warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the idle time, without another run."""
    monkeypatch.setattr(source_limit, "IDLE_SECONDS", 0.1)
    warm.run()
    wait_until(lambda: _active(warm.limit) == 0, "free slots", 60)
    assert (_active(warm.limit), warm.disconnected) == (0, 1)


def test_slots_are_not_held_for_ever(warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy process gives them back now and then: others may wait for them."""
    monkeypatch.setattr(source_limit, "HOLD_SECONDS", 0.0)
    warm.run()
    assert (_active(warm.limit), warm.disconnected) == (0, 1)


def test_whoever_had_to_wait_keeps_nothing(warm: Warm) -> None:
    """Slots are scarce: others wait as well."""
    with source_limit.occupied(warm.limit, 2, uuid.uuid4(), SOURCE, nothing):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(warm.run,))
        thread.start()
        wait_until(lambda: warm.limit in source_limit._waited_at, "the second to ask", 60)
        # These slots are given back as well: this very process has seen them wanted.
    thread.join()
    assert (_active(warm.limit), warm.disconnected) == (0, 1)


def test_a_process_ends_without_its_server(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer keeps no process from ending; connections are closed."""
    release = threading.Event()
    monkeypatch.setattr(
        SyncPrefectClient, "release_concurrency_slots_with_lease", lambda *_: release.wait(60)
    )
    monkeypatch.setattr(source_limit, "END_SECONDS", 0.2)
    disconnected = threading.Event()
    with SyncClientContext(), process_life.many_runs():
        with source_limit.occupied(limit, 1, uuid.uuid4(), SOURCE, disconnected.set):
            pass
        began = time.monotonic()
    assert time.monotonic() - began < 30
    assert disconnected.wait(60)
    release.set()
