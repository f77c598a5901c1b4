"""Bringing tables into an existing file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from duckherd.catalog.model import Column, Key, Table, TableName
from duckherd.errors import ProjectError
from duckherd.project import load
from duckherd.project.scaffold import Scaffold, scaffold
from duckherd.project.sync import Synced, synced

SOURCE = "postgresql://db/shop"
FILE = """\
# My own words, żółw.
definitions:
  p: &p {source: 'postgresql://db/shop', lake: s3://raw}   # odd   spacing
  base: &base
    entrypoint: duckherd.flow.ingest_table
    work_pool: {name: herd}

deployments:
    # sales -------------
    -   <<: *base
        name: "shop.sales.customers"      # quoted
        tags: [shop, sales, "owner:crm"]
        parameters: {<<: *p, table: sales.customers}

    -   <<: *base      # ours
        name: shop.sales.orders
        description: |
          Two lines
          of text

        parameters:
            <<: *p
            table: sales.orders
            checks:
            - not_null: [id]
            - unique: id        # the key
            - row_count: {min: 1}
    # hr ----------------
    -   <<: *base
        name: shop.hr.people
        parameters: {<<: *p, table: hr.people}
    # the end

pull: []
"""


def table(name: str, key: tuple[str, ...] = ()) -> Table:
    """A table with one column and that primary key."""
    keys = (Key("pk", key, primary=True),) if key else ()
    return Table(TableName.parse(name), "table", (Column("id", "integer"),), keys)


ALL = [table("sales.customers"), table("sales.orders", ("id",)), table("hr.people")]


def sync(path: Path, tables: list[Table], **options: object) -> Synced:
    """The file brought up to these tables."""
    text = path.read_bytes().decode()
    return synced(load(path), text, {SOURCE: tables}, **options)  # type: ignore[arg-type]


def changed_lines(before: str, after: str) -> list[str]:
    """The lines that differ, as `+ ` and `- `."""
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def test_nothing_new_changes_nothing(write: Callable[[str], Path]) -> None:
    """A file that agrees with the source stays byte for byte."""
    assert sync(write(FILE), ALL).text == FILE


def test_a_new_table_is_written_like_its_neighbour(write: Callable[[str], Path]) -> None:
    """Only lines are added, with the neighbour's anchors, columns and tags."""
    done = sync(write(FILE), [*ALL, table("sales.invoices", ("number",))])
    assert done.added == ("shop.sales.invoices",)
    assert changed_lines(FILE, done.text) == [
        "+     -   <<: *base\n",
        "+         name: shop.sales.invoices\n",
        "+         tags: [shop, sales]\n",
        "+         parameters:\n",
        "+           <<: *p\n",
        "+           table: sales.invoices\n",
        "+           checks:\n",
        "+             - not_null: [number]\n",
        "+             - unique: [number]\n",
    ]
    names = [item["name"] for item in yaml.safe_load(done.text)["deployments"]]
    assert names.index("shop.sales.invoices") == names.index("shop.sales.customers") + 1


def test_a_dropped_table_leaves_with_its_lines_only(write: Callable[[str], Path]) -> None:
    """The entry goes, block text and all; comments around it stay."""
    done = sync(write(FILE), [ALL[0], ALL[2]])
    assert done.dropped == ("shop.sales.orders",)
    removed = changed_lines(FILE, done.text)
    assert all(line.startswith("- ") for line in removed)
    assert len(removed) == 13
    assert "# hr ---" in done.text
    assert "# the end" in done.text


def test_dropped_tables_can_be_kept(write: Callable[[str], Path]) -> None:
    """`--keep-dropped` only tells."""
    done = sync(write(FILE), ALL[:1], keep_dropped=True)
    assert done.text == FILE
    assert done.dropped == ("shop.sales.orders", "shop.hr.people")


def test_the_checks_of_a_key_follow_the_key(write: Callable[[str], Path]) -> None:
    """The two checks that init writes change in place; comments beside them stay."""
    done = sync(write(FILE), [ALL[0], table("sales.orders", ("id", "line")), ALL[2]])
    assert done.changed == ("shop.sales.orders",)
    assert changed_lines(FILE, done.text) == [
        "-             - not_null: [id]\n",
        "+             - not_null: [id, line]\n",
        "-             - unique: id        # the key\n",
        "+             - unique: [id, line]        # the key\n",
    ]


def test_checks_of_people_do_not_follow(write: Callable[[str], Path]) -> None:
    """A check that is not the pair init writes is somebody's decision."""
    text = FILE.replace("- not_null: [id]", "- not_null: [id, name]")
    assert sync(write(text), [ALL[0], table("sales.orders", ("x",)), ALL[2]]).text == text


def test_new_schemas_are_told_and_not_taken(write: Callable[[str], Path]) -> None:
    """A schema nobody asked for stays out until it is selected."""
    tables = [*ALL, table("audit.log")]
    done = sync(write(FILE), tables)
    assert (done.text, done.schemas) == (FILE, ("audit",))
    asked = sync(write(FILE), tables, wanted=frozenset({"audit.log"}))
    assert asked.added == ("shop.audit.log",)


def test_line_ends_are_kept(write: Callable[[str], Path], tmp_path: Path) -> None:
    """A file with CRLF gets CRLF in its new lines, and no other change."""
    path = tmp_path / "prefect.yaml"
    path.write_bytes(FILE.replace("\n", "\r\n").encode())
    done = sync(path, [*ALL, table("hr.wages")])
    assert "\n" not in done.text.replace("\r\n", "")
    assert done.text.replace("\r\n", "\n").replace(done.text.replace("\r\n", "\n"), FILE) == FILE


def test_a_file_without_a_last_line_end(write: Callable[[str], Path]) -> None:
    """The last entry may end the file without a line break."""
    text = FILE[: FILE.index("    # the end")].rstrip("\n")
    done = sync(write(text), [*ALL, table("hr.wages")])
    assert yaml.safe_load(done.text)["deployments"][-1]["name"] == "shop.hr.wages"
    assert done.text.startswith(text + "\n")


def test_an_entry_without_anchors_is_written_out(write: Callable[[str], Path]) -> None:
    """Where the neighbour merges nothing, the new entry says all by itself."""
    plain = """\
deployments:
- name: shop.a.b
  entrypoint: duckherd.flow.ingest_table
  work_pool:
    name: herd
  schedules: [{cron: "0 2 * * *"}]
  parameters: {table: a.b, source: 'postgresql://db/shop', lake: s3://raw, mode: replace}
"""
    done = sync(write(plain), [table("a.b"), table("a.c")])
    new = yaml.safe_load(done.text)["deployments"][1]
    assert new == {
        "entrypoint": "duckherd.flow.ingest_table",
        "work_pool": {"name": "herd"},
        "schedules": [{"cron": "0 2 * * *"}],
        "name": "shop.a.c",
        "parameters": {"source": SOURCE, "lake": "s3://raw", "table": "a.c"},
    }


@pytest.mark.parametrize(
    "text",
    [
        """\
deployments: [{name: shop.a.b, entrypoint: duckherd.flow.ingest_table, parameters: {
  table: a.b, source: 'postgresql://db/shop', lake: s3://raw}}]
""",
        """\
deployments:
- name: shop.a.b
  entrypoint: &e duckherd.flow.ingest_table
  parameters: &p {table: a.b, source: 'postgresql://db/shop', lake: s3://raw}
- name: shop.a.c
  entrypoint: *e
  parameters: {<<: *p, table: a.c}
""",
    ],
)
def test_what_cannot_be_edited_in_place_is_refused(text: str, write: Callable[[str], Path]) -> None:
    """A list in brackets, or an anchor inside the entry that goes: nothing is written."""
    with pytest.raises(ProjectError):
        sync(write(text), [table("a.c"), table("a.d")])


names = st.text("abcXY z'\"]é#:&*-", min_size=1, max_size=8)


@given(st.sets(names, min_size=1, max_size=6), st.sets(names, min_size=1, max_size=6))
def test_a_synced_file_is_the_source(
    tmp_path_factory: pytest.TempPathFactory, before: set[str], after: set[str]
) -> None:
    """From any tables to any others, the file then holds exactly the source's tables."""
    kept = before | {"kept"}
    options = Scaffold("shop", SOURCE, "s3://raw")
    path = tmp_path_factory.mktemp("sync") / "prefect.yaml"
    path.write_text(scaffold([_any(name) for name in kept], options), encoding="utf-8")
    now = [_any(name) for name in after | {"kept"}]
    path.write_text(sync(path, now).text, encoding="utf-8")
    read = {entry.ingest().table_name for entry in load(path).tables}
    assert read == {each.name for each in now}
    assert sync(path, now).text == path.read_text(encoding="utf-8")


def _any(name: str) -> Table:
    return Table(TableName("s", name), "table", (Column("id", "int"),))
