"""Where a published table's files are, in a contract's words. Pure; holds no secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duckherd.lake.model import Format


def server_entry(
    lake_url: str, paths: Sequence[str], format_: Format, endpoint: str | None = None
) -> dict[str, Any]:
    """The `servers` entry of one table.

    `lake_url` comes without options, `paths` are the table's objects below it (for Delta
    the table's folder); several of them are told as the pattern of their folder.
    """
    path = paths[0] if len(paths) == 1 else f"{paths[0].rpartition('/')[0]}/*.parquet"
    place = f"{lake_url.rstrip('/')}/{path}"
    scheme = lake_url.partition("://")[0] if "://" in lake_url else "file"
    entry: dict[str, Any] = {"server": "lake", "environment": "prod"}
    if scheme == "file":
        return {**entry, "type": "local", "path": place.removeprefix("file://"), "format": format_}
    if scheme == "s3":
        where = {"endpointUrl": endpoint} if endpoint else {}
        return {**entry, "type": "s3", "location": place, **where, "format": format_}
    if scheme in {"az", "abfss"}:
        return {**entry, "type": "azure", "location": place, "format": format_}
    # The standard has no word for Google Cloud Storage.
    named = [{"property": "location", "value": place}, {"property": "format", "value": format_}]
    return {**entry, "type": "custom", "customProperties": named}
