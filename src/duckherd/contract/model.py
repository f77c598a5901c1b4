"""What crosses the boundary of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from duckherd.extract.model import SpoolColumn

Item = dict[str, Any]
"""A check as in `parameters.checks`: `{kind: options}`."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published table, as a contract describes it.

    Attributes:
        table: `schema.name`.
        version: of the published data, counted from 1.
        columns: as published.
        key: columns that identify a row.
        server: the contract's `servers` entry: where the data are. Holds no secret.
        owner: a name, None where nobody is named.
    """

    table: str
    version: int
    columns: tuple[SpoolColumn, ...]
    server: Mapping[str, Any]
    key: tuple[str, ...] = ()
    owner: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """Checks found in a contract.

    Attributes:
        source: the table's name there.
        checks: as in `parameters.checks`, in the order found.
        left_out: what has no counterpart among our checks, a line each.
    """

    source: str
    checks: tuple[Item, ...]
    left_out: tuple[str, ...] = field(default=())
