"""A Prefect flow that sends the digest, for a deployment of its own.

entrypoint: duckherd.report.send.send_digest
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from prefect import flow
from prefect.blocks.core import Block

from duckherd.api.client import Api
from duckherd.duration import parse_duration
from duckherd.history.fetch import fetch
from duckherd.history.store import Store, cache_path
from duckherd.history.tables import read_herd
from duckherd.project.selection import select as pick
from duckherd.report.digest import FORMATS, digest
from duckherd.report.judged import judge, lookups
from duckherd.sla.schedule import DAY


@flow(name="duckherd-digest", log_prints=False)
def send_digest(
    block: str,
    select: str = "",
    since: str = "24h",
    format: Literal["text", "markdown", "html"] = "text",  # noqa: A002  the parameter's name
) -> str:
    """Send the digest through a notification block; returns its subject.

    Args:
        block: `<block type>/<name>` of any Prefect notification block, e.g. `slack-webhook/data`.
        select: tables to tell of, all unless given; see docs/selection.md.
        since: how far to look back.
        format: what the block's receiver shows best.
    """
    with Api.from_environment() as api, Store(cache_path(api.url)) as store:
        now = datetime.now(UTC)
        fetch(api, store, now)
        start = now.timestamp() - 28 * DAY
        judged = judge(read_herd(store, start), start)
        if select:
            judged = judged.only(pick(judged.tables, [select], (), lookups(judged)))  # type: ignore[arg-type]
        told = digest(store, judged, parse_duration(since))
    Block.load(block).notify(FORMATS[format](told), subject=told.subject)  # type: ignore[union-attr]
    return told.subject
