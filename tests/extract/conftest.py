"""Reading one table into a private spool, and looking at what arrived."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duckherd.catalog.dialect import dialect_for
from duckherd.catalog.model import TableName
from duckherd.catalog.source import Source
from duckherd.extract.model import Extract, Request
from duckherd.extract.rules import ColumnRule

Reading = Callable[..., Extract]


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Extract `table` of a source URL; keyword arguments go to the request."""
    numbers = itertools.count()

    def reading(url: str, table: str | TableName, **wanted: Any) -> Extract:
        spool = tmp_path / f"spool-{next(numbers)}"
        spool.mkdir()
        source = Source.parse(url)
        name = TableName.parse(table) if isinstance(table, str) else table
        if "columns" in wanted:
            rules = wanted["columns"].items()
            wanted["columns"] = {key: ColumnRule.model_validate(rule) for key, rule in rules}
        return dialect_for(source).extract(Request(source, name, spool, **wanted))

    return reading
