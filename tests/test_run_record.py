"""A run tells all it knows, in words that no table name can break."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from duckherd.checks.model import Verdict
from duckherd.extract.model import Extract
from duckherd.lake.model import LakeObject, Published, TableState
from duckherd.run_record import RunRecord, artifact_key, labels, summary_markdown


def _record() -> RunRecord:
    return RunRecord(
        table="sales.orders",
        lake="s3://acme/erp",
        seconds={"extract": 1.0, "check": 0.25, "publish": 0.5},
        step="publish",
        extract=Extract((), 10, 2048, (), "2026-01-01T00:00:00Z", watermark="7"),
        verdicts=(
            Verdict("not_null", "not_null id", "error", "pass"),
            Verdict("unique", "unique id", "warn", "fail"),
        ),
        published=Published(
            TableState("sales.orders", version=3, published_at="2026-01-01T00:00:05Z"),
            (LakeObject("sales/orders.parquet", 10, 2048),),
            2048,
            10,
        ),
    )


def test_labels_tell_figures_of_each_step() -> None:
    """Rows, bytes, seconds, checks, version and object are labels of the flow run."""
    assert labels(_record()) == {
        "duckherd.table": "sales.orders",
        "duckherd.rows": 10,
        "duckherd.bytes": 2048,
        "duckherd.watermark": "7",
        "duckherd.data_until": "2026-01-01T00:00:00Z",
        "duckherd.extract_seconds": 1.0,
        "duckherd.check_seconds": 0.25,
        "duckherd.publish_seconds": 0.5,
        "duckherd.checks": 2,
        "duckherd.checks_failed": 0,
        "duckherd.checks_warned": 1,
        "duckherd.failed_checks": "unique id",
        "duckherd.version": 3,
        "duckherd.published_at": "2026-01-01T00:00:05Z",
        "duckherd.object": "sales/orders.parquet",
        "duckherd.objects": 1,
    }


def test_labels_of_a_failure_name_step_and_error() -> None:
    """A failed run says in which step and by what class of error."""
    record = RunRecord("a.b", "lake", {"extract": 0.1}, step="extract", error="SourceDenied")
    told = labels(record)
    assert told["duckherd.step"] == "extract"
    assert told["duckherd.error"] == "SourceDenied"
    assert "failed in extract: SourceDenied" in summary_markdown(record)


def test_markdown_survives_hostile_names() -> None:
    """A table name cannot break out of its cell or inject markup."""
    record = _record()
    record.table = 'we]ird | "na\'me" <script>alert(1)</script>\n# x'
    text = summary_markdown(record)
    assert "<script>" not in text
    assert text.splitlines()[0].endswith("# x")
    assert all(line.count("|") - line.count("\\|") == 3 for line in text.splitlines()[2:] if line)


@given(st.text(min_size=1).map(lambda name: f"s.{name}"))
def test_artifact_key_is_accepted_by_prefect(table: str) -> None:
    """Keys hold lower-case letters, digits and dashes, whatever the table is called."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", artifact_key(table))


def test_similar_tables_have_different_artifact_keys() -> None:
    """`a-b.c`, `a.b-c` and `A.b.c` do not share an artifact."""
    tables = ["a.b-c", "a-b.c", "a.b.c", "A.b-c", "a.b_c"]
    assert len({artifact_key(table) for table in tables}) == len(tables)
