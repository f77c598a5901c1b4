"""Plans as values."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.errors import SelectionError
from duckherd.project.deployment import Deployment, Schedule
from duckherd.project.narrow import narrow
from duckherd.project.plan import Plan, make_plan
from duckherd.project.server import Existing, ServerState

ORDERS = Deployment(
    name="erp.sales.orders",
    flow_name="ingest-table",
    entrypoint="duckherd.flow.ingest_table",
    work_pool="herd",
    parameters={"table": "sales.orders", "source": "s", "lake": "l"},
    tags=("erp", "sales"),
    schedules=(Schedule(cron="0 2 * * *"),),
).with_version()
POOLS = {"herd": {}}

schedules = st.builds(
    Schedule,
    cron=st.sampled_from(["0 2 * * *", "0 3 * * *"]),
    timezone=st.sampled_from([None, "UTC", "Europe/Warsaw"]),
    active=st.sampled_from([None, True, False]),
) | st.builds(
    Schedule,
    interval=st.sampled_from([60.0, 3600.0]),
    anchor=st.sampled_from([None, "2026-01-01T00:00:00+00:00"]),
    active=st.sampled_from([None, True, False]),
)


def _server(*deployments: Deployment) -> ServerState:
    found = tuple(Existing(f"id-{each.name}", each) for each in deployments)
    return ServerState(found, pools=POOLS)


def _stored(schedule: Schedule) -> Schedule:
    """The schedule as a server holds it, nothing left open."""
    return replace(
        schedule,
        active=schedule.active is not False,
        anchor=schedule.anchor or ("2026-05-05T05:05:05+00:00" if schedule.interval else None),
        timezone=schedule.timezone or "UTC",
    )


@given(st.lists(schedules, max_size=4), st.randoms())
def test_schedules_in_any_order_are_the_same(wanted: list[Schedule], random: Random) -> None:
    """What the server made of the file's schedules is no change, whatever its order."""
    stored = [_stored(each) for each in wanted]
    random.shuffle(stored)
    deployment = replace(ORDERS, schedules=tuple(wanted))
    plan = make_plan([deployment], _server(replace(deployment, schedules=tuple(stored))))
    assert plan.of("unchanged") == plan.steps


@given(st.lists(schedules, max_size=3), st.lists(schedules, max_size=3))
def test_after_an_update_nothing_is_left_to_do(
    before: list[Schedule], after: list[Schedule]
) -> None:
    """From any schedules to any others: what is sent, once stored, is what was wanted."""
    there = replace(ORDERS, schedules=tuple(map(_stored, before)))
    wanted = replace(ORDERS, schedules=tuple(after))
    (step,) = make_plan([wanted], _server(there)).steps
    stored = replace(step.deployment, schedules=tuple(map(_stored, step.deployment.schedules)))
    assert make_plan([wanted], _server(stored)).empty


def test_the_version_tells_the_content() -> None:
    """The same content has the same version; any other content another one."""
    again = replace(ORDERS, version=None).with_version()
    assert again.version == ORDERS.version
    assert str(ORDERS.version).startswith("sha-")
    for other in (
        replace(ORDERS, version=None, tags=("erp",)),
        replace(ORDERS, version=None, parameters={**ORDERS.parameters, "where": "a"}),
        replace(ORDERS, version=None, schedules=()),
    ):
        assert other.with_version().version != ORDERS.version
    assert replace(ORDERS, version="v7").with_version().version == "v7"
    schema = replace(ORDERS, version=None, parameter_schema={"x": 1})
    assert schema.with_version().version == ORDERS.version


@pytest.mark.parametrize(
    ("there", "orphaned"),
    [
        (replace(ORDERS, name="erp.sales.old"), True),
        (replace(ORDERS, name="nightly", parameters=ORDERS.parameters), True),
        (replace(ORDERS, name="crm.x", parameters={"source": "s", "lake": "other"}), False),
        (replace(ORDERS, name="erp.sales.old", flow_name="another"), False),
        (replace(ORDERS, name="erpx.sales.old", parameters={}), False),
    ],
)
def test_what_is_orphaned(there: Deployment, orphaned: bool) -> None:
    """Ours by its name's beginning, or by source and lake; others' deployments never."""
    plan = make_plan([ORDERS], _server(ORDERS, there))
    assert [each.deployment.name for each in plan.orphaned] == [there.name] * orphaned


def test_a_plan_can_be_narrowed() -> None:
    """A selection keeps the steps and orphans it means; states come from the plan."""
    new = replace(ORDERS, name="erp.sales.new", parameters={"table": "sales.new"})
    changed = replace(ORDERS, description="x")
    old = replace(ORDERS, name="erp.sales.old", parameters={"table": "sales.old"})
    plan = make_plan([new, changed], _server(ORDERS, old))

    def names(plan: Plan) -> list[str]:
        return [step.deployment.name for step in plan.steps] + [
            each.deployment.name for each in plan.orphaned
        ]

    assert names(narrow(plan, ["state:new"], [])) == ["erp.sales.new"]
    assert names(narrow(plan, ["state:modified"], [])) == ["erp.sales.orders"]
    assert names(narrow(plan, ["state:orphaned"], [])) == ["erp.sales.old"]
    assert names(narrow(plan, ["sales.*"], ["orders"])) == ["erp.sales.new", "erp.sales.old"]
    with pytest.raises(SelectionError, match=r"nearest are sales\.new"):
        narrow(plan, ["sales.nwe"], [])
