"""The Prefect global concurrency limit that bounds the connections to one source.

Every run of every table of a source occupies as many slots as it opens connections,
on whatever worker or host it runs: `max_connections` holds across the whole herd. Slots
and connections go together: a warm process that keeps its connections for the next run
keeps their slots, and gives both back when no run comes or others wait.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from duckherd import process_life
from duckherd.catalog.source import Source

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LEASE_SECONDS = 300.0
"""Slots of a process that died are free again after this long."""
RENEWAL_SECONDS = 100.0
"""A lease is renewed so often: two renewals may fail before it ends."""
IDLE_SECONDS = 5.0
"""Slots kept for the next run are given back when none has come for so long."""
HOLD_SECONDS = 10.0
"""Slots kept from run to run are given back after so long: others may wait for them."""
SCARCE_SECONDS = 60.0
"""Whoever had to wait for slots keeps none for so long."""
END_SECONDS = 2.0
"""A process that ends waits no longer for its slots to be given back."""
_LONGEST_WAIT = 5.0
"""Seconds between two questions for slots, whatever longer time the server proposes."""
_FILES = frozenset({"sqlite", "duckdb"})
"""Dialects without a server: nothing to spare."""


def limit_name(source_url: str) -> str | None:
    """Name of the limit of a source, the same for its reference and its resolved form.

    Credentials and options take no part, so that the name tells nothing and two
    users of one database share its limit. None for file databases.
    """
    bare = re.sub(r"://.*@", "://", source_url.partition("?")[0], count=1)
    bare = re.sub(r"\$\{[^}]*\}", "-", bare)
    source = Source.parse(bare)
    if source.dialect in _FILES:
        return None
    place = f"{source.dialect}-{source.host}-{source.port or 'default'}-{source.database}"
    slug = re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")
    digest = hashlib.sha256(place.encode()).hexdigest()[:6]
    return f"duckherd-{slug[:60]}-{digest}"


_limits_known: dict[str, int] = {}


def ensure_limit(client: SyncPrefectClient, name: str, slots: int) -> None:
    """Make the limit what a table's parameters say; the server is asked once a process and value.

    Where tables of one source disagree, the one that runs last decides.
    """
    from prefect.exceptions import ObjectAlreadyExists

    if _limits_known.get(name) == slots:
        return
    try:
        client.upsert_global_concurrency_limit_by_name(name, slots)
    except ObjectAlreadyExists:  # another run of the herd made it between question and answer
        client.upsert_global_concurrency_limit_by_name(name, slots)
    _limits_known[name] = slots


@dataclass(frozen=True, slots=True)
class _Lease:
    """Slots of one limit, and how to close the connections they stand for."""

    id: UUID
    name: str
    slots: int
    source: Source
    disconnect: Callable[[], None]
    taken_at: float


_kept: dict[str, tuple[_Lease, threading.Timer]] = {}
_waited_at: dict[str, float] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def occupied(
    name: str, slots: int, flow_run: UUID, source: Source, disconnect: Callable[[], None]
) -> Iterator[None]:
    """Hold slots of a limit while the block runs; wait until they are free.

    `disconnect` closes the connections to the source that the block leaves open; it is
    called before their slots are given back.

    Two requests over the run's own client, none where the run before left its slots.
    Prefect's `concurrency()` does the same with a client, a thread, a renewal and two
    events for each use, which for a small table is more than the read.
    """
    from prefect import get_client

    with get_client(sync_client=True) as client:
        lease = _take_kept(client, name, slots, source)
        if lease is None:
            lease_id = _leased(client, name, slots, flow_run)
            lease = _Lease(lease_id, name, slots, source, disconnect, time.monotonic())
        keep = False
        try:
            with _renewed(client, lease):
                yield
            keep = _may_keep(lease)
        finally:
            if keep:
                _keep(client, lease)
            else:
                _give_back(client, lease)


def _take_kept(client: SyncPrefectClient, name: str, slots: int, source: Source) -> _Lease | None:
    with _lock:
        lease, timer = _kept.pop(name, (None, None))
    if timer is not None:
        timer.cancel()
    # Another user of the same database shares the limit, not the connections.
    if lease is not None and (lease.slots < slots or lease.source != source):
        _give_back(client, lease)
        return None
    return lease


def _may_keep(lease: _Lease) -> bool:
    if not process_life.many():
        return False
    now = time.monotonic()
    scarce = now - _waited_at.get(lease.name, -SCARCE_SECONDS) < SCARCE_SECONDS
    return not scarce and now - lease.taken_at < HOLD_SECONDS


def _keep(client: SyncPrefectClient, lease: _Lease) -> None:
    def nobody_came() -> None:
        with _lock:
            if _kept.get(lease.name, (None,))[0] is not lease:
                return
            del _kept[lease.name]
        _give_back(client, lease)

    timer = threading.Timer(IDLE_SECONDS, contextvars.copy_context().run, [nobody_came])
    timer.daemon = True
    with _lock:
        others = _kept.setdefault(lease.name, (lease, timer))[0] is not lease
    if others:  # of a run beside this one
        _give_back(client, lease)
        return
    timer.start()
    process_life.at_end(f"slots of {lease.name}", lambda: _give_back_kept(client, lease.name))


def _give_back_kept(client: SyncPrefectClient, name: str) -> None:
    with _lock:
        lease, timer = _kept.pop(name, (None, None))
    if lease is not None and timer is not None:
        timer.cancel()
        # The client tries for a minute to reach a server that is gone; no process waits for that.
        context = contextvars.copy_context()
        giving = threading.Thread(target=context.run, args=(_give_back, client, lease), daemon=True)
        giving.start()
        giving.join(END_SECONDS)


def _give_back(client: SyncPrefectClient, lease: _Lease) -> None:
    import httpx

    try:
        lease.disconnect()
    finally:
        # The read is over whatever becomes of the slots: an unreleased lease ends by itself.
        with contextlib.suppress(httpx.HTTPError):
            client.release_concurrency_slots_with_lease(lease.id)


def _leased(client: SyncPrefectClient, name: str, slots: int, flow_run: UUID) -> UUID:
    import httpx
    from prefect.client.schemas.objects import ConcurrencyLeaseHolder

    holder = ConcurrencyLeaseHolder(type="flow_run", id=flow_run)
    while True:
        try:
            answer = client.increment_concurrency_slots_with_lease(
                [name], slots, "concurrency", LEASE_SECONDS, holder
            )
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.LOCKED:
                raise
            _waited_at[name] = time.monotonic()
            time.sleep(min(float(error.response.headers["Retry-After"]), _LONGEST_WAIT))
        else:
            return UUID(answer.json()["lease_id"])


@contextlib.contextmanager
def _renewed(client: SyncPrefectClient, lease: _Lease) -> Iterator[None]:
    """Keep a lease while the block runs; what the server cannot be told is tried again."""
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(RENEWAL_SECONDS):
            try:
                client.renew_concurrency_lease(lease.id, LEASE_SECONDS)
            except Exception as error:  # noqa: BLE001  # the read goes on; the next attempt may do
                _log_unrenewed(lease, error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(renew,), daemon=True, name="source-slots")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2)


def _log_unrenewed(lease: _Lease, error: Exception) -> None:
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    with contextlib.suppress(MissingContextError):
        get_run_logger().warning(
            "the slots of %s could not be renewed: %s; without them, other runs may open more "
            "than max_connections until this read ends",
            lease.name,
            error,
        )
