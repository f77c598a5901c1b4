"""One limit for one source, whoever reads it and however its secrets are written."""

from __future__ import annotations

import re

import pytest

from duckherd.source_limit import limit_name


def test_reference_and_resolved_url_share_a_limit() -> None:
    """The name does not depend on credentials or options, resolved or not."""
    written = limit_name("postgresql://u:${env:PW}@db.acme:5432/erp?sslmode=require")
    resolved = limit_name("postgresql://other:p%40ss@db.acme:5432/erp")
    assert written == resolved


@pytest.mark.parametrize(
    "other",
    [
        "postgresql://db.acme:5433/erp",
        "postgresql://db.acme:5432/crm",
        "mysql://db.acme:5432/erp",
        "postgresql://db-acme:5432/erp",
    ],
)
def test_other_sources_have_other_limits(other: str) -> None:
    """Host, port, database and dialect each make another source."""
    assert limit_name(other) != limit_name("postgresql://db.acme:5432/erp")


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "duckdb:///x.duckdb"])
def test_files_have_no_limit(url: str) -> None:
    """A file database has no server to spare."""
    assert limit_name(url) is None


def test_name_is_accepted_by_prefect() -> None:
    """Prefect refuses names with / % & < >; ours have letters, digits and dashes."""
    name = limit_name("mssql://u:p@sql%2Fhost:1433/a%20b&c")
    assert name is not None
    assert re.fullmatch(r"[a-z0-9-]+", name)
