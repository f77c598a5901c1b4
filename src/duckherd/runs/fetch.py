"""Reading flow runs in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from duckherd.api.client import PAGE, Api
from duckherd.runs.model import Run


def read_last_runs(
    api: Api, deployment_ids: Collection[str], *, now: datetime | None = None
) -> dict[str, Run]:
    """The last flow run of each deployment that has one: deployment id -> run.

    Runs that are only scheduled for later do not count. The server has no question for
    "the last of each", so pages of the newest runs are read, each without the deployments
    that are already known: a deployment that runs every minute costs one page, not all.
    """
    before = (now or datetime.now(UTC)).isoformat()
    missing, found = set(deployment_ids), dict[str, Run]()
    while missing:
        page = api.post("flow_runs/filter", _newest(missing, before))
        for run in map(Run.from_api, page):
            if run.deployment_id is not None:
                found.setdefault(run.deployment_id, run)
        missing -= found.keys()
        if len(page) < PAGE:
            break
    return found


def read_runs(api: Api, ids: Collection[str]) -> Iterator[Run]:
    """These flow runs, in no order; ids the server does not know are left out."""
    return map(Run.from_api, api.pages("flow_runs/filter", {"flow_runs": {"id": {"any_": [*ids]}}}))


def _newest(deployment_ids: Collection[str], before: str) -> dict[str, Any]:
    return {
        "flow_runs": {
            "deployment_id": {"any_": sorted(deployment_ids)},
            "expected_start_time": {"before_": before},
        },
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": PAGE,
    }
