"""Verdicts as the Markdown of a Prefect artifact. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from duckherd.checks.model import Verdict

_SIGNS = {"pass": "✓ pass", "fail": "✗ fail", "error": "✗ error", "skipped": "– skipped"}
_ORDER = {"fail": 0, "error": 0, "skipped": 1, "pass": 2}


def verdicts_markdown(verdicts: Iterable[Verdict]) -> str:
    """A table of all verdicts, failures first, and the failing rows below it.

    Empty for no verdicts. Values come from data, so nothing in them acts as markup.
    """
    ordered = sorted(verdicts, key=lambda verdict: (_ORDER[verdict.outcome], not verdict.blocks))
    if not ordered:
        return ""
    parts = ["\n## Checks\n", _overview(ordered)]
    parts += [_details(verdict) for verdict in ordered if verdict.outcome in ("fail", "error")]
    return "\n".join(parts) + "\n"


def _overview(verdicts: Sequence[Verdict]) -> str:
    header = ("", "Check", "Observed", "Expected", "Failures", "Rows")
    return _table(header, [_row(verdict) for verdict in verdicts])


def _row(verdict: Verdict) -> tuple[str | None, ...]:
    warned = verdict.severity == "warn" and verdict.outcome in ("fail", "error")
    return (
        "⚠ warn" if warned else _SIGNS[verdict.outcome],
        verdict.name,
        verdict.observed,
        verdict.expected,
        f"{verdict.failures:,}" + (f" ({verdict.ratio:.2%})" if verdict.ratio else ""),
        f"{verdict.rows:,}",
    )


def _details(verdict: Verdict) -> str:
    parts = [f"\n### {escaped(verdict.name)}\n"]
    if verdict.description:
        parts.append(escaped(verdict.description) + "\n")
    if verdict.samples:
        header = tuple(dict.fromkeys(name for sample in verdict.samples for name in sample))
        rows = [tuple(sample.get(name) for name in header) for sample in verdict.samples]
        parts.append(_table(header, rows))
    if verdict.sql:
        # A fence longer than any in the query cannot be closed by it.
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", verdict.sql)), default=0))
        parts.append(f"\n{fence}sql\n{verdict.sql}\n{fence}")
    return "\n".join(parts)


def _table(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: str | None) -> str:
    if value is None:
        return "*null*"
    return value if value == "---" else escaped(value)


def escaped(text: str) -> str:
    """`text` as Markdown that shows exactly it, on one line."""
    flat = " ".join(text.split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~$!#:]|(?<=www)\.)", r"\\\1", flat)
