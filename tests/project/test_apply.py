"""Plan and apply against a real Prefect server."""

from __future__ import annotations

from collections.abc import Callable

from duckherd.api import Api
from duckherd.project import Project
from duckherd.project.apply import apply
from duckherd.project.planning import plan_for

FILE = """
definitions:
  base: &base
    entrypoint: duckherd.flow.ingest_table
    work_pool: {{name: {pool}}}
    schedules: [{{cron: "0 2 * * *", timezone: Europe/Warsaw}}]
    concurrency_limit: {{limit: 1, collision_strategy: CANCEL_NEW}}
    tags: [erp, "owner:sales", erp]
  parameters: &parameters
    source: postgresql://me:${{env:PW}}@db/shop
    lake: s3://raw/erp
    objective: {{deadline: "06:00", target: 99.0}}
deployments:
  - <<: *base
    name: erp.sales.customers
    parameters: {{<<: *parameters, table: sales.customers}}
  - <<: *base
    name: erp.sales.orders
    schedules: [{{interval: 3600}}, {{rrule: "FREQ=WEEKLY;BYDAY=MO"}}]
    concurrency_limit: 2
    paused: true
    description: Orders
    version: v7
    parameters:
      <<: *parameters
      table: sales.orders
      checks: [{{not_null: [id]}}, {{unique: id}}]
"""


def test_a_second_plan_after_apply_is_empty(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """All that the server adds or reorders is no difference to the file."""
    file = project(FILE.format(pool=pool))
    first = plan_for(file, api)
    assert [step.action for step in first.steps] == ["create", "create"]
    assert {outcome.error for outcome in apply(first, api)} == {None}
    second = plan_for(file, api)
    assert [step.changes for step in second.steps] == [(), ()]
    assert second.empty
