"""Holding a project against its source."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from duckherd.project import Project
from duckherd.project.source_check import check_sources

FILE = """
deployments:
  - name: shop.main.orders
    entrypoint: duckherd.flow.ingest_table
    parameters:
      source: sqlite:///{path}
      lake: /lake
      table: main.orders
      {more}
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one table."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("create table orders (id integer primary key, total real, Note text)")
    db.close()
    return path


@pytest.mark.parametrize(
    ("more", "messages"),
    [
        ("where: total > 0", []),
        ("checks: [{not_null: [id, total]}, {unique: id}]", []),
        ("columns: {total: {rename: amount}}\n      checks: [{not_null: amount}]", []),
        ("key: [ident]", ["key: main.orders has no column 'ident'"]),
        ("mode: append\n      cursor: totel", ["cursor: main.orders has no column 'totel'"]),
        ("columns: {note: exclude}", ["columns: main.orders has no column 'note'"]),
        ("columns: {total: exclude}\n      checks: [{not_null: total}]", ["no column 'total'"]),
        ("columns: {total: {rename: amount}}\n      checks: [{unique: total}]", ["'total'"]),
        ("columns: {id: {rename: x}, total: {rename: X}}", ["two columns are renamed"]),
        ("checks: [{not_null: idd}, {unique: id}]", ["did you mean 'id'?"]),
    ],
)
def test_columns_that_do_not_exist_are_found(
    more: str, messages: list[str], database: Path, project: Callable[[str], Project]
) -> None:
    """Keys, cursors, column rules and checks are held against the table of today."""
    file = project(FILE.format(path=database, more=more))
    report = check_sources(file, file.entries)
    assert report.unreached == ()
    assert len(report.problems) == len(messages)
    for problem, message in zip(report.problems, messages, strict=True):
        assert message in str(problem)
        assert problem.position.line > 8


def test_a_missing_table_is_told_with_the_nearest(
    database: Path, project: Callable[[str], Project]
) -> None:
    """The position is the table's name in the file."""
    file = project(FILE.format(path=database, more="where: x").replace(": main.o", ": main.O"))
    (problem,) = check_sources(file, file.entries).problems
    assert (problem.position.line, problem.hint) == (8, "did you mean 'main.orders'?")


def test_an_unreachable_source_is_no_problem_of_the_file(
    project: Callable[[str], Project], tmp_path: Path
) -> None:
    """What cannot be asked from here is told apart; wrong SQL is found all the same."""
    more = "checks: [{matches: {column: id, regex: '['}}]"
    text = FILE.format(path=tmp_path / "none.db", more=more)
    file = project(text.replace("sqlite://", "postgresql://me:${env:DH_NOT_SET}@db"))
    report = check_sources(file, file.entries)
    assert len(report.unreached) == 1
    assert "environment variable 'DH_NOT_SET'" in report.unreached[0]
    assert "missing ]" in str(report.problems)
