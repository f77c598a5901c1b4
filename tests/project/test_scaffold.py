"""The project file that init writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.errors import UsageError
from duckherd.project import load
from duckherd.project.naming import anchor, deployment_name
from duckherd.project.scaffold import Scaffold, scaffold

OPTIONS = Scaffold(
    name="shop",
    source="postgresql://me:${env:DUCKHERD_SOURCE_PASSWORD}@db/shop",
    lake="s3://raw/shop?region=eu-central-1",
    schedule="0 2 * * *",
    timezone="Europe/Warsaw",
    tag_by_schema=True,
)


def table(schema: str, name: str, key: tuple[str, ...] = (), rows: int = 10) -> Table:
    """A table of the key's columns and `updated_at`."""
    columns = tuple(Column(each, "integer") for each in (*key, "updated_at"))
    keys = (Key("pk", key, primary=True),) if key else ()
    return Table(TableName(schema, name), "table", columns, keys, rows)


def test_one_deployment_for_each_table(write: Callable[[str], Path]) -> None:
    """The file loads, holds each table once and suggests checks of its key."""
    tables = [table("sales", "orders", ("id", "line")), table("hr", "people")]
    project = load(write(scaffold(tables, OPTIONS)))
    assert [entry.name for entry in project.tables] == ["shop.hr.people", "shop.sales.orders"]
    people, orders = project.tables
    assert people.ingest().checks == []
    assert [check.kind for check in orders.ingest().checks] == ["not_null", "unique"]
    assert orders.parameters["checks"] == [{"not_null": ["id", "line"]}, {"unique": ["id", "line"]}]
    assert orders.tags == ("shop", "sales")
    assert orders.config.schedules is not None
    assert orders.config.schedules[0].timezone == "Europe/Warsaw"


def test_definitions_are_used_whole_and_overridden(write: Callable[[str], Path]) -> None:
    """What is common stands once; a deployment says only its own."""
    text = scaffold([table("a", f"t{number}") for number in range(50)], OPTIONS)
    assert text.count("postgresql://") == 1
    assert text.count("<<: *shop\n") == 50
    assert text.count("<<: *shop_parameters, table:") == 50
    assert load(write(text)).actions == {"pull": []}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("1h", {"interval": 3600}), ("*/5 * * * *", {"cron": "*/5 * * * *", "timezone": "UTC"})],
)
def test_schedules_are_cron_or_duration(schedule: str, expected: dict[str, object]) -> None:
    """Both forms of --schedule become a schedule of Prefect's."""
    options = Scaffold("shop", "sqlite:////s.db", "/lake", schedule=schedule)
    data = yaml.safe_load(scaffold([table("a", "b")], options))
    assert data["deployments"][0]["schedules"] == [expected]


def test_without_a_schedule_there_is_none() -> None:
    """Nothing runs by itself unless asked for."""
    data = yaml.safe_load(scaffold([table("a", "b")], Scaffold("s", "sqlite:////s", "/lake")))
    assert data["deployments"][0]["schedules"] == []


def test_a_bad_schedule_is_told() -> None:
    """Neither cron nor duration: the message shows both forms."""
    with pytest.raises(UsageError, match='--schedule "0 2'):
        scaffold([table("a", "b")], Scaffold("s", "sqlite:////s", "/lake", schedule="daily"))


def test_views_and_big_tables_are_remarked() -> None:
    """A comment says what a reader should know before choosing a mode."""
    view = Table(TableName("a", "v"), "view", (Column("x", "text"),))
    text = scaffold([view, table("a", "big", ("id",), rows=2_000_000)], OPTIONS)
    assert "- <<: *shop  # a view\n" in text
    assert "# about 2,000,000 rows; mode: append or merge with cursor: updated_at" in text


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)


@given(st.lists(st.tuples(names, names, names), min_size=1, max_size=4, unique_by=lambda t: t[:2]))
def test_any_names_a_database_allows_survive(found: list[tuple[str, str, str]]) -> None:
    """Schemas, tables and columns of any characters come back as they are from the file."""
    tables = [table(schema, name, (key,)) for schema, name, key in found]
    data = yaml.safe_load(scaffold(tables, OPTIONS))
    read = {item["parameters"]["table"]: item for item in data["deployments"]}
    assert set(read) == {str(each.name) for each in tables}
    for each in tables:
        assert read[str(each.name)]["parameters"]["checks"][1] == {"unique": [each.columns[0].name]}
        assert read[str(each.name)]["name"] == deployment_name("shop", each.name)


@given(names, names)
def test_deployment_names_are_what_prefect_accepts(schema: str, name: str) -> None:
    """No character that Prefect refuses, nothing it would cut off or fill in."""
    made = deployment_name("shop", TableName(schema, name))
    assert not set(made) & set("/%&<>")
    assert not made.endswith(".py")
    assert "{{" not in made


def test_names_that_prefect_refuses_stay_apart() -> None:
    """Two tables whose names differ only in refused characters get different deployments."""
    one, two = (deployment_name("s", TableName("a", name)) for name in ("x/y", "x%y"))
    assert one != two


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", "shop"),
        ("My Shop-2", "my_shop_2"),
        ("2024", "source_2024"),
        ("hourly", "hourly_source"),
        ("żółw", "w"),
    ],
)
def test_anchors_are_plain(text: str, expected: str) -> None:
    """Whatever the source is called, its anchor is letters, digits and underscores."""
    assert anchor(text) == expected
