"""Checks of a project file that are wrong whatever the data."""

from __future__ import annotations

from pathlib import Path

from duckherd.project import load
from duckherd.project.check_sql import wrong_checks

FILE = """\
deployments:
  - name: erp.sales.orders
    entrypoint: duckherd.flow.ingest_table
    work_pool: {name: herd}
    parameters:
      source: "sqlite:////nowhere/erp.db"
      lake: /nowhere/lake
      table: sales.orders
      checks:
        - not_null: id
        - matches: {column: email, regex: "["}
        - row_count: {min: 5, max: 3}
        - expression: total >
"""


def test_wrong_checks_are_told_with_their_lines(tmp_path: Path) -> None:
    """A bad regular expression, an impossible bound and a syntax error, each at its line."""
    file = tmp_path / "prefect.yaml"
    file.write_text(FILE)
    project = load(file)
    found = list(wrong_checks(project, project.entries))
    assert [problem.position.line for problem in found] == [11, 12, 13]
    assert "missing ]" in found[0].message
    assert "min 5 is greater than max 3" in found[1].message
    assert "syntax error" in found[2].message
    assert {problem.subject for problem in found} == {"deployment 'erp.sales.orders'"}
