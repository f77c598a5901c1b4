"""`duckherd check`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from duckherd.cli.ending import Exit
from duckherd.cli.output import Field, Row, emit, message
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.units import plural

if TYPE_CHECKING:
    from duckherd.checks.model import Verdict
    from duckherd.checks.vocabulary import Check
    from duckherd.project import Entry

Output = Annotated[
    Literal["text", "json", "jsonl", "csv", "junit"],
    Parameter(name=["--output", "-o"], help="text, json, jsonl, csv or junit.", show_choices=False),
]

_STYLES = {"fail": "red", "error": "red", "warn": "yellow", "skipped": "dim", "pass": "green"}

FIELDS = (
    Field("table", "TABLE"),
    Field("name", "CHECK"),
    Field("result", "RESULT", style=lambda result: _STYLES.get(result, "")),
    Field("observed", "OBSERVED"),
    Field("expected", "EXPECTED"),
    Field("failures", "FAILURES", right=True, show=lambda value: f"{value:,}" if value else ""),
    Field("rows", "ROWS", right=True, show=lambda value: f"{value:,}"),
    Field("check"),
    Field("columns"),
    Field("severity"),
    Field("outcome"),
    Field("ratio"),
    Field("metric"),
    Field("description"),
    Field("samples"),
    Field("sql"),
)


def check(
    *select: str,
    exclude: Exclude = None,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> int:
    """Run the checks of published tables without loading.

    Reads the project file and the lake; neither the source nor a Prefect server is asked.
    Freshness is judged against this moment. Exit code 1 when a check of severity error
    fails, cannot be judged, or a table with checks is not published.

    Args:
        select: A selection; all tables with checks unless given. See docs/selection.md.
    """
    from duckherd.project import load
    from duckherd.project.selection import select as choose

    project = load(file)
    chosen = choose(project.tables, select, exclude or ())
    judged = {
        entry.name: judge(entry, checks) for entry in chosen if (checks := entry.ingest().checks)
    }
    without = len(chosen) - len(judged)
    if without:
        message(f"{plural(without, 'table')} without checks.")
    return report(judged, output)


def report(judged: Mapping[str, tuple[str, Sequence[Verdict]]], output: Output) -> int:
    """Print the verdicts, deployment -> (table, verdicts), and sum up; the exit code."""
    if output == "junit":
        from duckherd.checks.junit import junit_xml

        print(junit_xml({name: verdicts for name, (_, verdicts) in judged.items()}))
    else:
        rows = [_row(table, one) for table, verdicts in judged.values() for one in verdicts]
        emit(rows, FIELDS, output, name="checks")
    verdicts = [one for _, found in judged.values() for one in found]
    message(_summary(len(judged), verdicts))
    return Exit.FAILED if any(one.blocks for one in verdicts) else Exit.GOOD


def result_of(verdict: Verdict) -> str:
    """`warn` for a failure that does not block, otherwise the outcome."""
    failed = verdict.outcome in ("fail", "error")
    return "warn" if failed and not verdict.blocks else verdict.outcome


def judge(entry: Entry, checks: Sequence[Check]) -> tuple[str, tuple[Verdict, ...]]:
    """The table of a deployment, and the verdicts of `checks` on what is published of it."""
    import datetime as dt

    from duckherd.checks.published import check_published
    from duckherd.secrets import resolve_url

    parameters = entry.ingest()
    now = dt.datetime.now(dt.UTC).isoformat()
    lake, key = resolve_url(parameters.lake), parameters.key or ()
    return parameters.table, check_published(lake, parameters.table, checks, now, key)


def _row(table: str, verdict: Verdict) -> Row:
    fields: dict[str, Any] = {name: getattr(verdict, name) for name in verdict.__slots__}
    return {
        **fields,
        "table": table,
        "result": result_of(verdict),
        "columns": list(verdict.columns),
        "samples": [dict(sample) for sample in verdict.samples],
    }


def _summary(tables: int, verdicts: Iterable[Verdict]) -> str:
    results = [result_of(verdict) for verdict in verdicts]
    words = {"pass": "passed", "fail": "failed", "error": "not judged", "warn": "warned"}
    counts = [
        f"{results.count(result):,} {word}"
        for result, word in {**words, "skipped": "skipped"}.items()
        if result in results
    ]
    told = f": {', '.join(counts)}" if counts else ""
    return f"{plural(len(results), 'check')} of {plural(tables, 'table')}{told}."
