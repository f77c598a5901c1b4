"""Write the table of checks into docs/checks.md: `python docs/generate_checks.py [--check]`.

Only the block between the two markers is replaced; `--check` writes nothing and exits 1
when it is not up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from duckherd.checks.compile import Probe, probes_of
from duckherd.checks.kinds import KINDS
from duckherd.checks.options import CheckOptions, MetricOptions, RowOptions, ScanOptions
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

PAGE = Path(__file__).with_name("checks.md")
BEGIN = "<!-- kinds: written by docs/generate_checks.py -->"
END = "<!-- /kinds -->"

EXAMPLES: list[dict[str, Any]] = yaml.safe_load("""
- not_null: [order_id, customer_id]
- unique: [order_id, line]
- accepted_values: {column: status, values: [new, paid, shipped]}
- rejected_values: {column: status, values: ["", "n/a"]}
- range: {column: total, min: 0, max: 100000}
- length: {column: country, min: 2, max: 2}
- matches: {column: email, regex: "^[^@]+@[^@]+$"}
- expression: shipped_at >= created_at
- sql: {name: no negatives, query: select * from this where total < 0}
- relationships: {column: customer_id, to: sales.customers, field: customer_id}
- row_count: {min: 1, max_drop: 20%, source: true}
- null_ratio: {column: email, max: 5%}
- distinct_count: {column: country, min: 20}
- sum: {column: total, anomaly: 3}
- mean: {column: total, min: 10, max: 500}
- min: {column: total, min: 0}
- max: {column: created_at, max: "2100-01-01"}
- freshness: {column: created_at, max_age: 26h}
- schema: {columns: {order_id: bigint, status: text}, extra: true}
""")

TYPES = {
    "order_id": "BIGINT",
    "line": "INTEGER",
    "customer_id": "BIGINT",
    "status": "VARCHAR",
    "total": "DECIMAL(18,2)",
    "country": "VARCHAR",
    "email": "VARCHAR",
    "created_at": "TIMESTAMP",
}
COLUMNS = [SpoolColumn(name, name, kind, kind) for name, kind in TYPES.items()]


def block() -> str:
    """The section of every kind, in the order of the vocabulary."""
    checks = {kind: item for item in EXAMPLES for kind in item}
    return "\n".join(_section(kind, KINDS[kind], checks[kind]) for kind in KINDS)


def page(before: str) -> str:
    """The page with its block brought up to date."""
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    written = f"{BEGIN}\n{block()}\n{END}"
    return re.sub(pattern, lambda _: written, before, count=1, flags=re.DOTALL)


def _section(kind: str, model: type[CheckOptions], item: dict[str, Any]) -> str:
    probe = probes_of([Check.model_validate(item)], COLUMNS)[0]
    flow = yaml.safe_dump([item], default_flow_style=None, width=200, sort_keys=False)
    text = " ".join((model.__doc__ or "").split())
    return "\n".join(
        [
            f"### {kind}",
            "",
            text,
            "",
            "```yaml",
            flow.strip(),
            "```",
            "",
            f"Options: {_options(model)}",
            "",
            *_sql(probe),
        ]
    )


def _options(model: type[CheckOptions]) -> str:
    family = next(
        base
        for base in (RowOptions, MetricOptions, ScanOptions, CheckOptions)
        if issubclass(model, base)
    )
    common = set(ScanOptions.model_fields) if family is MetricOptions else set(family.model_fields)
    own = [
        f"`{name}`{' (required)' if field.is_required() else ''}"
        for name, field in model.model_fields.items()
        if name not in common
    ]
    if not issubclass(model, ScanOptions):
        return ", ".join(own) + "; of the common ones `severity`, `name`, `description`."
    rest = (
        "all common ones" if issubclass(model, RowOptions) else "the common ones but `max_failures`"
    )
    return f"{', '.join(own)}; {rest}."


def _sql(probe: Probe) -> list[str]:
    if probe.failing:
        return ["Failing rows:", "", "```sql", probe.failing, "```", ""]
    figures = probe.measures[1:2] or probe.measures
    return ["Figure:", "", "```sql", *figures, "```", ""] if figures else []


def main() -> int:
    """Write the page, or say that it is out of date."""
    before = PAGE.read_text("utf-8")
    after = page(before)
    if "--check" in sys.argv[1:]:
        if after != before:
            print("docs/checks.md is out of date: python docs/generate_checks.py")
        return int(after != before)
    PAGE.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
