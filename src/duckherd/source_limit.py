"""The Prefect global concurrency limit that bounds the connections to one source.

Every run of every table of a source occupies as many slots as it opens connections,
on whatever worker or host it runs: `max_connections` holds across the whole herd.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from duckherd.catalog.source import Source

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LEASE_SECONDS = 300.0
"""Slots of a process that died are free again after this long."""
RENEWAL_SECONDS = 100.0
"""A lease is renewed so often: two renewals may fail before it ends."""
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


@contextlib.contextmanager
def occupied(name: str, slots: int, flow_run: UUID) -> Iterator[None]:
    """Hold slots of a limit while the block runs; wait until they are free.

    Two requests over the run's own client. Prefect's `concurrency()` does the same with a
    client, a thread, a renewal and two events for each use, which for a small table is more
    than the read.
    """
    import httpx
    from prefect import get_client

    with get_client(sync_client=True) as client:
        lease = _leased(client, name, slots, flow_run)
        try:
            with _renewed(client, lease):
                yield
        finally:
            # The read is over whatever becomes of the slots: an unreleased lease ends by itself.
            with contextlib.suppress(httpx.HTTPError):
                client.release_concurrency_slots_with_lease(lease)


def _leased(client: SyncPrefectClient, name: str, slots: int, flow_run: UUID) -> UUID:
    import httpx
    from prefect.client.schemas.objects import ConcurrencyLeaseHolder

    holder = ConcurrencyLeaseHolder(type="flow_run", id=flow_run)
    while True:
        try:
            answer = client.increment_concurrency_slots_with_lease(
                [name], slots, "concurrency", LEASE_SECONDS, holder
            )
            return UUID(answer.json()["lease_id"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.LOCKED:
                raise
            time.sleep(min(float(error.response.headers["Retry-After"]), _LONGEST_WAIT))


@contextlib.contextmanager
def _renewed(client: SyncPrefectClient, lease: UUID) -> Iterator[None]:
    """Keep a lease while the block runs; what the server cannot be told is tried again."""
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(RENEWAL_SECONDS):
            with contextlib.suppress(Exception):
                client.renew_concurrency_lease(lease, LEASE_SECONDS)

    thread = threading.Thread(target=renew, daemon=True, name="source-slots")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=2)
