"""Prefect's JSON -> rows of the cache. Pure; a row is a dict with the keys of its table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

Row = dict[str, Any]

LABEL = "duckherd."
"""Prefix of the flow-run labels in which the flow reports what it did."""

METRICS: Mapping[str, str] = {
    "rows": "BIGINT",
    "bytes": "BIGINT",
    "extract_seconds": "DOUBLE",
    "check_seconds": "DOUBLE",
    "publish_seconds": "DOUBLE",
    "checks": "INTEGER",
    "checks_failed": "INTEGER",
    "checks_warned": "INTEGER",
    "failed_checks": "VARCHAR",
    "version": "BIGINT",
    "watermark": "VARCHAR",
    "data_until": "TIMESTAMP",
    "published_at": "TIMESTAMP",
    "object": "VARCHAR",
    "objects": "INTEGER",
    "schema_change": "VARCHAR",
    "step": "VARCHAR",
    "error": "VARCHAR",
}
"""Label (without prefix) -> its type in the cache."""

RUN: Mapping[str, str] = {
    "id": "UUID",
    "deployment_id": "UUID",
    "name": "VARCHAR",
    "expected": "TIMESTAMP",
    "scheduled": "BOOLEAN",
    "state": "VARCHAR",
    "state_name": "VARCHAR",
    "message": "VARCHAR",
    "attempts": "INTEGER",
    "start": "TIMESTAMP",
    "end": "TIMESTAMP",
    "backfill": "BOOLEAN",
    "gone": "BOOLEAN",
    **METRICS,
}
"""Columns of the table `run`. `gone`: the server no longer has it."""

DEPLOYMENT: Mapping[str, str] = {
    "id": "UUID",
    "name": "VARCHAR",
    "created": "TIMESTAMP",
    "updated": "TIMESTAMP",
    "scheduled_since": "TIMESTAMP",
    "read_at": "TIMESTAMP",
    "deleted": "TIMESTAMP",
}
"""Columns of the table `deployment`. `scheduled_since`: its schedules are what they are since."""

VERSION: Mapping[str, str] = {
    "deployment_id": "UUID",
    "since": "TIMESTAMP",
    "content": "VARCHAR",
}
"""Columns of the table `deployment_version`. `content`: JSON, see `deployment_content`."""

_MESSAGE = 2000


def run_row(run: Mapping[str, Any]) -> Row:
    """A flow run as `POST /flow_runs/filter` gives it."""
    state = run.get("state") or {}
    labels = run.get("labels") or {}
    attempts = run.get("run_count") or 0
    row: Row = {
        "id": run["id"],
        "deployment_id": run.get("deployment_id"),
        "name": run.get("name"),
        "expected": run.get("expected_start_time"),
        "scheduled": bool(run.get("auto_scheduled")),
        "state": run.get("state_type"),
        "state_name": run.get("state_name"),
        "message": (state.get("message") or "")[:_MESSAGE] or None,
        "attempts": attempts,
        # A run that ends without having run is given its end as its start by Prefect.
        "start": run.get("start_time") if attempts else None,
        "end": run.get("end_time"),
        "backfill": bool((run.get("parameters") or {}).get("backfill")),
        "gone": False,
    }
    row.update({name: labels.get(LABEL + name) for name in METRICS})
    return row


def deployment_content(deployment: Mapping[str, Any]) -> str:
    """What a deployment says that history needs, as canonical JSON: equal texts, equal versions."""
    parameters = deployment.get("parameters") or {}
    schedules = [
        spec["schedule"] for spec in deployment.get("schedules") or () if spec.get("active", True)
    ]
    content = {
        "name": deployment["name"],
        "paused": bool(deployment.get("paused")),
        "schedules": sorted(schedules, key=lambda spec: json.dumps(spec, sort_keys=True)),
        "tags": sorted(deployment.get("tags") or ()),
        "table": parameters.get("table") or deployment["name"],
        "objective": parameters.get("objective"),
        "mode": parameters.get("mode") or "replace",
        "source": without_secrets(parameters.get("source") or ""),
        "lake": without_secrets(parameters.get("lake") or ""),
        "pool": deployment.get("work_pool_name"),
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def without_secrets(url: str) -> str:
    """The URL without user, password, query and fragment: what may be kept and shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
