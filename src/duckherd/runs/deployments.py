"""The herd's deployments, remembered between commands.

A Prefect server takes some 25 ms for each deployment it returns (it lists the time zone
files anew for each schedule), so a thousand cost half a minute. What is remembered is
brought up to date by asking for those updated since, and by the number of all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from duckherd.api.client import PAGE, Api
from duckherd.history.herd import FLOWS
from duckherd.runs.model import TableDeployment

_OURS = {"flows": FLOWS}
_FORMAT = 1
_FEW = 10


def read_deployments(api: Api, home: Path | None = None) -> tuple[TableDeployment, ...]:
    """All deployments of `ingest-table`, by name.

    Args:
        api: the server.
        home: Prefect home, below which they are remembered; None to ask for all of them.
    """
    memory = None if home is None else _memory_of(home, api.url)
    known = _recall(memory)
    found = _refreshed(api, known) if known else _read_all(api)
    if memory is not None and found != known:
        _remember(memory, found)
    return tuple(sorted(found.values(), key=lambda each: each.name))


def _refreshed(api: Api, known: dict[str, TableDeployment]) -> dict[str, TableDeployment]:
    newest = max(_moment(each) for each in known.values())
    found, recognised = dict(known), False
    for each in _newest_first(api):
        # The server the memory is of tells the newest one known; any other does not.
        recognised = recognised or known.get(each.id) == each
        if _moment(each) < newest:
            break
        found[each.id] = each
    count = api.post("deployments/count", _OURS)
    return found if recognised and count == len(found) else _read_all(api)


def _moment(deployment: TableDeployment) -> datetime:
    return datetime.fromisoformat(deployment.updated)


def _newest_first(api: Api) -> Iterator[TableDeployment]:
    offset, limit = 0, _FEW
    while True:
        body = {**_OURS, "sort": "UPDATED_DESC", "limit": limit, "offset": offset}
        page = api.post("deployments/filter", body)
        yield from map(TableDeployment.from_api, page)
        if len(page) < limit:
            return
        offset, limit = offset + limit, PAGE


def _read_all(api: Api) -> dict[str, TableDeployment]:
    found = map(TableDeployment.from_api, api.pages("deployments/filter", _OURS))
    return {each.id: each for each in found}


def _memory_of(home: Path, url: str) -> Path:
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return home / "duckherd" / f"deployments-{name}.json"


def _recall(memory: Path | None) -> dict[str, TableDeployment]:
    if memory is None:
        return {}
    try:
        document = json.loads(memory.read_text())
        if document["format"] != _FORMAT:
            return {}
        return {each["id"]: _from_memory(each) for each in document["deployments"]}
    except (OSError, ValueError, KeyError, TypeError):
        # Absent or from another release: it is only a memory.
        return {}


def _from_memory(record: dict[str, Any]) -> TableDeployment:
    return TableDeployment(**{**record, "tags": tuple(record["tags"])})


def _remember(memory: Path, found: dict[str, TableDeployment]) -> None:
    document = {"format": _FORMAT, "deployments": [asdict(each) for each in found.values()]}
    part = memory.with_suffix(".part")
    # A home that cannot be written costs time only.
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(document))
        part.replace(memory)
