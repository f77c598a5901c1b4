"""What one flow run tells about itself: labels for machines, an artifact for people."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass, field

from duckherd.checks.model import Verdict
from duckherd.extract.model import Extract
from duckherd.lake.model import Published

Label = str | int | float | bool


@dataclass(slots=True)
class RunRecord:
    """Gathered while a run goes on; whatever is known when it ends is told.

    Attributes:
        seconds: step -> wall seconds, in the order the steps ran.
        step: the step under way, or the one that failed.
        error: class name of the error that ended the run, None while all is well.
        schema_change: lines on how the columns differ from the published ones.
    """

    table: str
    lake: str
    seconds: dict[str, float] = field(default_factory=dict)
    step: str | None = None
    extract: Extract | None = None
    verdicts: tuple[Verdict, ...] = ()
    published: Published | None = None
    schema_change: tuple[str, ...] = ()
    error: str | None = None


def labels(record: RunRecord) -> dict[str, Label]:
    """Flow-run labels, so that metrics of many runs come with one request for many runs."""
    told: dict[str, Label | None] = {
        "table": record.table,
        **{f"{step}_seconds": round(seconds, 4) for step, seconds in record.seconds.items()},
        **_extract_labels(record.extract),
        **_verdict_labels(record.verdicts),
        **_published_labels(record.published),
        "schema_change": "; ".join(record.schema_change) or None,
        "error": record.error,
        "step": record.step if record.error else None,
    }
    return {f"duckherd.{name}": value for name, value in told.items() if value is not None}


def _extract_labels(extract: Extract | None) -> dict[str, Label | None]:
    if extract is None:
        return {}
    return {
        "rows": extract.rows,
        "bytes": extract.bytes,
        "watermark": extract.watermark,
        "data_until": extract.read_at,
    }


def _verdict_labels(verdicts: tuple[Verdict, ...]) -> dict[str, Label | None]:
    failed = [verdict for verdict in verdicts if verdict.outcome in ("fail", "error")]
    blocking = [verdict.name for verdict in failed if verdict.blocks]
    return {
        "checks": len(verdicts),
        "checks_failed": len(blocking),
        "checks_warned": len(failed) - len(blocking),
        "failed_checks": "; ".join(verdict.name for verdict in failed) or None,
    }


def _published_labels(published: Published | None) -> dict[str, Label | None]:
    if published is None:
        return {}
    return {
        "version": published.state.version,
        "published_at": published.state.published_at,
        "object": published.objects[0].path if published.objects else None,
        "objects": len(published.objects),
    }


def artifact_key(table: str) -> str:
    """Artifact key of a table: lower-case letters, digits and dashes, as Prefect demands.

    A short hash follows where the slug alone could be another table's too.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", table.lower()).strip("-")
    if re.fullmatch(r"[a-z0-9]+\.[a-z0-9]+", table):
        return slug
    return f"{slug}-{hashlib.sha256(table.encode()).hexdigest()[:8]}".strip("-")


def summary_markdown(record: RunRecord) -> str:
    """The artifact's head: what was read, how long each step took, what was written."""
    rows = [
        ("result", _result(record)),
        *_extract_rows(record.extract),
        *((f"{step}", f"{seconds:.2f} s") for step, seconds in record.seconds.items()),
        *_published_rows(record),
        *(("schema change", line) for line in record.schema_change),
    ]
    table = "\n".join(f"| {name} | {_cell(value)} |" for name, value in rows)
    return f"## {_cell(record.table)}\n\n| | |\n|---|---|\n{table}\n"


def _result(record: RunRecord) -> str:
    if record.error:
        return f"failed in {record.step}: {record.error}; the lake keeps its last good version"
    if record.published is None:
        return "not published"
    again = (
        " (this run had published before; nothing was done)" if record.published.repeated else ""
    )
    return f"published version {record.published.state.version}{again}"


def _extract_rows(extract: Extract | None) -> list[tuple[str, str]]:
    if extract is None:
        return []
    rows = [
        ("rows", f"{extract.rows:,}"),
        ("bytes", f"{extract.bytes:,}"),
        ("data until", extract.read_at),
        ("consistency", extract.snapshot),
    ]
    if extract.watermark is not None:
        rows.append(("watermark", f"{extract.lower or 'the beginning'} to {extract.watermark}"))
    return rows


def _published_rows(record: RunRecord) -> list[tuple[str, str]]:
    if record.published is None:
        return []
    shown = [("object", f"{record.lake}/{item.path}") for item in record.published.objects[:5]]
    more = len(record.published.objects) - len(shown)
    return [*shown, ("objects", f"and {more} more")] if more > 0 else shown


def _cell(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    escaped = html.escape(text, quote=False).replace("\\", "\\\\")
    return re.sub(r"([|`*_\[\]])", r"\\\1", escaped).replace("\n", " ")
