"""Adding checks to prefect.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from duckherd.errors import ProjectError
from duckherd.project.checks import add_checks, item_line, with_checks

FILE = """\
definitions:
  shared: &shared {source: x, lake: y, checks: [{not_null: a}]}
deployments:
  - name: folded   # one
    parameters: {<<: *shared, table: a.folded}  # two
  - name: listed
    parameters:
      <<: *shared
      table: a.listed
      checks:
        - not_null: [a]   # three
        # four

  - name: flow
    parameters:
      table: a.flow
      checks: [{unique: a}]
    tags: [x]
  - name: empty
    parameters:
      table: a.empty
      checks: []
  - name: block
    parameters:
      table: a.block
      where: |
        a > 1
      # five
  - name: shared
    parameters: &all
      table: a.shared
  - name: shares
    parameters: *all
"""
NEW = [
    {"unique": "id"},
    {"accepted_values": {"column": "s", "values": ["a", "b, c: {", 'x"', "1", "ą"]}},
    {"expression": "a > 0 # b"},
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("index", range(5))
def test_checks_are_appended_and_nothing_else_changes(index: int, newline: str) -> None:
    """However the parameters are written, the checks follow those that were there."""
    text = FILE.replace("\n", newline)
    before, after = yaml.safe_load(FILE), yaml.safe_load(with_checks(text, "f", index, NEW))
    present = before["deployments"][index]["parameters"].get("checks", [])
    for at, (old, new) in enumerate(zip(before["deployments"], after["deployments"], strict=True)):
        if at == index:
            assert new["parameters"].pop("checks") == present + NEW
            old["parameters"] = {k: v for k, v in old["parameters"].items() if k != "checks"}
        assert new == old


@pytest.mark.parametrize("index", range(5))
def test_other_lines_and_comments_stay(index: int) -> None:
    """Only the entry's own lines differ; every comment is still there."""
    changed = with_checks(FILE, "f", index, NEW)
    for word in ("one", "two", "three", "four", "five"):
        assert f"# {word}" in changed
    kept = set(FILE.splitlines()) - set(changed.splitlines())
    assert len(kept) <= 1


@pytest.mark.parametrize("name", ["shared", "shares"])
def test_shared_parameters_are_refused(name: str, tmp_path: Path) -> None:
    """Checks of one deployment never become another's: the file is left as it is."""
    file = tmp_path / "prefect.yaml"
    file.write_text(FILE)
    with pytest.raises(ProjectError, match="checks cannot be added"):
        add_checks(file, name, NEW)
    assert file.read_text() == FILE


def test_file_is_written(tmp_path: Path) -> None:
    """The deployment is found by its name."""
    file = tmp_path / "prefect.yaml"
    file.write_text(FILE)
    add_checks(file, "flow", NEW[:1])
    assert "checks: [{unique: a}, {unique: id}]" in file.read_text()


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ({"unique": "id"}, "unique: id"),
        ({"not_null": ["a", "b"]}, "not_null: [a, b]"),
        ({"row_count": {"min": 1, "max_drop": "20%"}}, "row_count: {min: 1, max_drop: 20%}"),
        ({"expression": "a: b # c"}, "expression: 'a: b # c'"),
    ],
)
def test_check_on_one_line(item: dict[str, object], line: str) -> None:
    """Short, and the same when read again."""
    assert item_line(item) == line
    assert yaml.safe_load(item_line(item)) == item
