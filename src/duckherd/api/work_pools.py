"""Work pools: made, and asked whether anybody polls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from duckherd.api.client import Api
from duckherd.errors import ApiError

_CONFLICT = 409
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class WorkPool:
    """A work pool as the server knows it.

    Attributes:
        type: `warm`, `process`, `kubernetes` ...
        status: `READY` (a worker polls it), `NOT_READY` or `PAUSED`.
        concurrency_limit: most flow runs at a time over all its workers, None unlimited.
    """

    name: str
    type: str
    status: str
    concurrency_limit: int | None = None

    @property
    def needs_worker(self) -> bool:
        """Push and managed pools run flows without a worker."""
        return not self.type.endswith(":push") and not self.type.endswith(":managed")


def read_work_pool(api: Api, name: str) -> WorkPool | None:
    """The work pool of that name, None where there is none."""
    try:
        return _pool(api.get(f"work_pools/{quote(name, safe='')}"))
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return None
        raise


def ensure_work_pool(api: Api, name: str, kind: str) -> WorkPool:
    """The work pool of that name; made with type `kind` where there is none.

    Its job template stays empty: the first worker that polls it fills in its own.
    """
    try:
        return _pool(api.post("work_pools/", {"name": name, "type": kind}))
    except ApiError as error:
        found = read_work_pool(api, name) if error.status == _CONFLICT else None
        if found is None:
            raise
        return found


def online_workers(api: Api, name: str) -> tuple[str, ...]:
    """Names of the workers that polled this work pool lately."""
    body = {"workers": {"status": {"any_": ["ONLINE"]}}}
    found = api.post(f"work_pools/{quote(name, safe='')}/workers/filter", body)
    return tuple(worker["name"] for worker in found)


def _pool(answer: Any) -> WorkPool:
    return WorkPool(
        name=answer["name"],
        type=answer["type"],
        status=answer.get("status") or "NOT_READY",
        concurrency_limit=answer.get("concurrency_limit"),
    )
