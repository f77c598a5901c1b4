"""Plan and apply against a real Prefect server, and beside `prefect deploy`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from duckherd.api import Api
from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.errors import ApiError, ProjectError
from duckherd.project import Project, load
from duckherd.project.apply import Outcome, apply, create_pools
from duckherd.project.plan import Plan
from duckherd.project.planning import plan_for
from duckherd.project.scaffold import Scaffold, scaffold

HEAD = """
pull: []
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
"""
CUSTOMERS = """
  - <<: *base
    name: erp.sales.customers
    parameters: {{<<: *parameters, table: sales.customers}}
"""
ORDERS = """
  - <<: *base
    name: erp.sales.orders
    work_pool: {{name: {pool}, work_queue_name: big, job_variables: {{env: {{A: "1"}}}}}}
    schedules:
      - {{interval: 3600, active: false, slug: hourly}}
      - {{rrule: "FREQ=WEEKLY;BYDAY=MO", slug: weekly, parameters: {{mode: replace}}}}
      - {{interval: PT30M, anchor_date: "2026-01-01T00:00:00+02:00", slug: anchored}}
      - {{cron: "0 3 1 * MON", day_or: false, slug: odd}}
    concurrency_limit: 2
    enforce_parameter_schema: false
    paused: true
    description: Orders
    version: v7
    parameters:
      <<: *parameters
      table: sales.orders
      mode: merge
      format: delta
      key: id
      cursor: updated_at
      lookback: 1h
      columns: {{email: {{mask: sha256}}, junk: exclude}}
      limits: {{max_connections: 4}}
      on_schema_change: fail
      checks: [{{not_null: [id]}}, {{unique: id}}, {{row_count: {{min: 1, max_drop: 20%}}}}]
"""
FILE = HEAD + CUSTOMERS + ORDERS


def _actions(plan: Plan) -> dict[str, str]:
    return {step.deployment.name: step.action for step in plan.steps}


def _changed(plan: Plan, name: str) -> dict[str, tuple[Any, Any]]:
    step = next(step for step in plan.steps if step.deployment.name == name)
    return {
        change.field: (change.before, change.after)
        for change in step.changes
        if change.field != "version"
    }


def _applied(outcomes: tuple[Outcome, ...]) -> set[tuple[str, str]]:
    assert [outcome.error for outcome in outcomes if outcome.error] == []
    return {(outcome.action, outcome.name) for outcome in outcomes}


def _on_server(api: Api) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in api.pages("deployments/filter")}


def _deploy_with_prefect(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=folder, check=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def test_a_second_plan_after_apply_is_empty(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """All that the server adds or reorders is no difference to the file."""
    file = project(FILE.format(pool=pool))
    first = plan_for(file, api)
    assert _actions(first) == {"erp.sales.customers": "create", "erp.sales.orders": "create"}
    assert _applied(apply(first, api)) == {
        ("create", "erp.sales.customers"),
        ("create", "erp.sales.orders"),
    }
    second = plan_for(file, api)
    assert [step.changes for step in second.steps] == [(), ()]
    assert second.empty


def test_only_what_changed_is_sent(api: Api, pool: str, project: Callable[[str], Project]) -> None:
    """An unchanged deployment is not touched: an update would delete its scheduled runs."""
    apply(plan_for(project(FILE.format(pool=pool)), api), api)
    before = _on_server(api)
    changed = FILE.format(pool=pool).replace("min: 1, max_drop", "min: 2, max_drop")
    plan = plan_for(project(changed), api)
    assert _actions(plan) == {"erp.sales.customers": "unchanged", "erp.sales.orders": "update"}
    ((field, (old, new)),) = _changed(plan, "erp.sales.orders").items()
    assert field == "parameters.checks"
    assert (old[2], new[2]) == (
        {"row_count": {"min": 1, "max_drop": "20%"}},
        {"row_count": {"min": 2, "max_drop": "20%"}},
    )
    assert _applied(apply(plan, api)) == {("update", "erp.sales.orders")}
    after = _on_server(api)
    assert after["erp.sales.customers"] == before["erp.sales.customers"]
    assert after["erp.sales.orders"]["id"] == before["erp.sales.orders"]["id"]


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ('"0 2 * * *"', '"0 4 * * *"', "schedules",
         (["0 2 * * * Europe/Warsaw"], ["0 4 * * * Europe/Warsaw"])),
        ('schedules: [{{cron: "0 2 * * *", timezone: Europe/Warsaw}}]', "schedules: []",
         "schedules", (["0 2 * * * Europe/Warsaw"], [])),
        ('tags: [erp, "owner:sales", erp]', "tags: [erp]", "tags",
         (["erp", "owner:sales"], ["erp"])),
        ("{{limit: 1, collision_strategy: CANCEL_NEW}}",
         "{{limit: 3, collision_strategy: ENQUEUE}}", "concurrency_limit", (1, 3)),
        ("concurrency_limit: {{limit: 1, collision_strategy: CANCEL_NEW}}", "description: Mine",
         "concurrency_limit", (1, None)),
        ('objective: {{deadline: "06:00", target: 99.0}}', "where: a > 1",
         "parameters.objective", ({"deadline": "06:00", "target": 99.0}, None)),
    ],
)  # fmt: skip
def test_each_field_follows_the_file(
    old: str, new: str, field: str, expected: tuple[Any, Any],
    api: Api, pool: str, project: Callable[[str], Project],
) -> None:  # fmt: skip
    """A changed or removed value is shown before and after, and is so on the server after apply."""
    text = HEAD + CUSTOMERS
    assert old in text
    apply(plan_for(project(text.format(pool=pool)), api), api)
    changed = project(text.replace(old, new).format(pool=pool))
    plan = plan_for(changed, api)
    assert _changed(plan, "erp.sales.customers")[field] == expected
    _applied(apply(plan, api))
    assert plan_for(changed, api).empty


def test_switches_belong_to_people(api: Api, pool: str, project: Callable[[str], Project]) -> None:
    """`paused` and a schedule's `active`, toggled in the UI, survive other changes."""
    text = (HEAD + CUSTOMERS).format(pool=pool)
    apply(plan_for(project(text), api), api)
    (deployment,) = _on_server(api).values()
    schedule = deployment["schedules"][0]["id"]
    api.patch(f"deployments/{deployment['id']}/schedules/{schedule}", {"active": False})
    api.post(f"deployments/{deployment['id']}/pause_deployment")
    assert plan_for(project(text), api).empty
    changed = project(text.replace('"0 2 * * *"', '"0 4 * * *"'))
    _applied(apply(plan_for(changed, api), api))
    (after,) = _on_server(api).values()
    assert after["paused"] is True
    assert [each["active"] for each in after["schedules"]] == [False]
    said = project(text.replace("timezone: Europe/Warsaw", "timezone: Europe/Warsaw, active: true"))
    assert "schedules" in _changed(plan_for(said, api), "erp.sales.customers")
    _applied(apply(plan_for(said, api), api))
    (after,) = _on_server(api).values()
    assert [each["active"] for each in after["schedules"]] == [True]


def test_orphaned_deployments_are_listed_and_pruned(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """What left the file is orphaned; another project's deployments are not."""
    other = (HEAD + CUSTOMERS).replace("name: erp.", "name: crm.").replace("s3://raw/erp", "s3://x")
    apply(plan_for(project(FILE.format(pool=pool)), api), api)
    (outcome,) = apply(plan_for(project(other.format(pool=pool)), api), api)
    assert outcome.error is None
    plan = plan_for(project((HEAD + CUSTOMERS).format(pool=pool)), api)
    assert [each.deployment.name for each in plan.orphaned] == ["erp.sales.orders"]
    assert _applied(apply(plan, api)) == set()
    assert _applied(apply(plan, api, prune=True)) == {("delete", "erp.sales.orders")}
    assert set(_on_server(api)) == {"erp.sales.customers", "crm.sales.customers"}


def test_nothing_is_sent_without_its_work_pool(api: Api, project: Callable[[str], Project]) -> None:
    """A missing work pool stops everything before the first request, with the command to run."""
    plan = plan_for(project((HEAD + CUSTOMERS).format(pool="nowhere")), api)
    assert plan.missing_pools == ("nowhere",)
    with pytest.raises(ProjectError, match="--create-work-pool"):
        apply(plan, api)
    assert _on_server(api) == {}
    made = create_pools(plan, api, "process")
    try:
        assert _applied(apply(made, api)) == {("create", "erp.sales.customers")}
    finally:
        api.delete("work_pools/nowhere")


def test_one_refused_deployment_does_not_stop_the_others(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """What the server refuses is told by name, the rest is there."""
    api.patch(
        f"work_pools/{pool}",
        {
            "base_job_template": {
                "job_configuration": {"env": "{{ env }}"},
                "variables": {"type": "object", "properties": {"env": {"type": "string"}}},
            }
        },
    )
    outcomes = apply(plan_for(project(FILE.format(pool=pool)), api), api)
    errors = {outcome.name: outcome.error for outcome in outcomes}
    assert errors["erp.sales.customers"] is None
    assert "Validation failed for field 'env'" in str(errors["erp.sales.orders"])
    assert set(_on_server(api)) == {"erp.sales.customers"}


def test_other_flows_are_deployed_or_left(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """A module path is applied like ours; what Prefect must build, pull or trigger is left."""
    plan = plan_for(
        project(
            f"""
deployments:
  - {{name: module, entrypoint: duckherd.flow.ingest_table.fn, work_pool: {{name: {pool}}},
     build: [{{a.b: {{}}}}]}}
  - {{name: file, entrypoint: "flow.py:f", work_pool: {{name: {pool}}}}}
  - {{name: triggered, entrypoint: a.b, work_pool: {{name: {pool}}}, triggers: [{{enabled: true}}]}}
  - {{name: block, entrypoint: a.b, description: "{{{{ prefect.blocks.secret.x }}}}"}}
"""
        ),
        api,
    )
    reasons = {left.name: left.reason for left in plan.left}
    assert set(reasons) == {"module", "file", "triggered", "block"}
    assert "build steps" in reasons["module"]
    assert "is a file" in reasons["file"]
    assert "triggers" in reasons["triggered"]
    assert "{{ prefect.blocks.secret.x }}" in reasons["block"]


def test_prefect_variables_are_filled_in(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """`{{ prefect.variables.x }}` is the server's value; one that is not there is an error."""
    text = (HEAD + CUSTOMERS).replace("description", "x").format(pool=pool)
    text = text.replace(
        "    name: erp.", '    description: "in {{ prefect.variables.dh_where }}"\n    name: erp.'
    )
    with pytest.raises(ProjectError, match="no Prefect variable 'dh_where'"):
        plan_for(project(text), api)
    variable = api.post("variables/", {"name": "dh_where", "value": "Warsaw"})
    try:
        (step,) = plan_for(project(text), api).steps
        assert step.deployment.description == "in Warsaw"
    finally:
        api.delete(f"variables/{variable['id']}")


def test_short_forms_pass_the_servers_own_validation(
    api: Api, pool: str, project: Callable[[str], Project]
) -> None:
    """What the file may abbreviate, the schema on the server allows: a run can be made."""
    text = FILE.replace("enforce_parameter_schema: false", "enforce_parameter_schema: true")
    _applied(apply(plan_for(project(text.format(pool=pool)), api), api))
    for deployment in _on_server(api).values():
        run = api.post(f"deployments/{deployment['id']}/create_flow_run", {})
        assert run["parameters"] == deployment["parameters"]
        wrong = {"parameters": {"mode": "sideways"}}
        with pytest.raises(ApiError, match="Validation failed"):
            api.post(f"deployments/{deployment['id']}/create_flow_run", wrong)


def _comparable(deployment: dict[str, Any]) -> dict[str, Any]:
    """A deployment without ids and times, which differ each time it is made."""
    ours = {"id", "created", "updated", "created_by", "updated_by", "version", "labels", "status"}
    limit = deployment["global_concurrency_limit"]
    return {
        **{key: value for key, value in deployment.items() if key not in ours},
        "tags": sorted(set(deployment["tags"])),
        "global_concurrency_limit": limit and {"limit": limit["limit"]},
        "schedules": [
            {
                key: value
                for key, value in each.items()
                if key not in {"id", "created", "updated", "deployment_id"}
            }
            for each in deployment["schedules"]
        ],
    }


def _without_moments(deployment: dict[str, Any]) -> dict[str, Any]:
    """The same without anchors nobody gave: Prefect's client sets the moment of the deploy."""
    for each in deployment["schedules"]:
        anchor = each["schedule"].pop("anchor_date", None)
        if each["slug"] == "anchored":
            each["anchor"] = datetime.fromisoformat(anchor).timestamp()
    return deployment


def test_apply_makes_what_prefect_deploy_makes(
    api: Api, pool: str, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Field by field, `duckherd apply` and `prefect deploy --all` leave the same deployments."""
    monkeypatch.setenv("DH_WHERE", "Warsaw")
    text = FILE.replace("description: Orders", 'description: "{{{{ $DH_WHERE }}}}"')
    path = write(text.format(pool=pool))
    _deploy_with_prefect(path.parent)
    theirs = {name: _comparable(each) for name, each in _on_server(api).items()}
    for each in _on_server(api).values():
        api.delete(f"deployments/{each['id']}")
    _applied(apply(plan_for(load(path), api), api))
    ours = {name: _comparable(each) for name, each in _on_server(api).items()}
    assert set(ours) == set(theirs) == {"erp.sales.customers", "erp.sales.orders"}
    for name, their in theirs.items():
        assert _without_moments(ours[name]) == _without_moments(their)


def test_after_prefect_deploy_only_the_version_differs(
    api: Api, pool: str, write: Callable[[str], Path]
) -> None:
    """A scaffolded file deployed by Prefect agrees with our plan but for the version."""
    tables = [
        Table(
            TableName("sales", name), "table", (Column("id", "int"),),
            (Key("pk", ("id",), primary=True),),
        )
        for name in ("orders", "we]ird \"na'me", "a/b")
    ]  # fmt: skip
    options = Scaffold(
        "erp", "sqlite:////data/erp.db", "/data/lake", schedule="1h", tag_by_schema=True,
        work_pool=pool,
    )  # fmt: skip
    path = write(scaffold(tables, options))
    _deploy_with_prefect(path.parent)
    plan = plan_for(load(path), api)
    assert set(_actions(plan).values()) == {"update"}
    assert {change.field for step in plan.steps for change in step.changes} == {"version"}
    assert _applied(apply(plan, api)) == {("update", step.deployment.name) for step in plan.steps}
    assert plan_for(load(path), api).empty
