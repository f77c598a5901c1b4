"""The event Prefect's automations can act on when checks fail. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from duckherd.checks.model import Verdict

CHECK_FAILED = "duckherd.check.failed"


def check_failed_event(verdicts: Iterable[Verdict], table: str) -> dict[str, Any]:
    """Arguments of `prefect.events.emit_event` for a table whose checks did not all pass.

    One event a run, so that an automation sends one notification. Samples stay out of
    it: events travel further than artifacts.
    """
    failed = [verdict for verdict in verdicts if verdict.outcome in ("fail", "error")]
    return {
        "event": CHECK_FAILED,
        "resource": {
            "prefect.resource.id": f"duckherd.table.{table}",
            "prefect.resource.name": table,
            "duckherd.severity": "error" if any(v.blocks for v in failed) else "warn",
        },
        "payload": {
            "table": table,
            "blocking": sum(verdict.blocks for verdict in failed),
            "checks": [
                {
                    "name": verdict.name,
                    "check": verdict.check,
                    "columns": list(verdict.columns),
                    "severity": verdict.severity,
                    "outcome": verdict.outcome,
                    "rows": verdict.rows,
                    "failures": verdict.failures,
                    "observed": verdict.observed,
                    "expected": verdict.expected,
                }
                for verdict in failed
            ],
        },
    }
