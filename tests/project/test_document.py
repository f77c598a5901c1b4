"""YAML with positions, read as Prefect reads it."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from duckherd.errors import ProjectError
from duckherd.project.document import Document, Position

TEXT = """\
base: &base
  tags: [a, "ż"]
  n: {x: 1}
items:
  - <<: *base
    n: {y: 2}
  - name: plain
"""


def test_positions_are_those_of_the_file() -> None:
    """Every value knows its line and column, merged ones those of their anchor."""
    document = Document.parse(TEXT, "p.yaml")
    assert document.position(("items", 1, "name")) == Position(7, 11)
    assert document.position(("items", 0, "tags", 1)) == Position(2, 13)
    assert document.position(("items", 0, "n", "y")) == Position(6, 12)
    assert document.key_position(("items", 0, "n")) == Position(6, 5)


def test_a_missing_path_points_at_its_deepest_part() -> None:
    """What does not exist is shown where it would stand."""
    document = Document.parse(TEXT, "p.yaml")
    assert document.position(("items", 1, "nothing", "here")) == Position(7, 5)
    assert document.node(("items", 1, "nothing")) is None


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, 2, "malformed YAML"),
        ("a: 1\n\tb: 2\n", 2, 1, "malformed YAML"),
        ("a:\n  b: 1\n  b: 2\n", 3, 3, "key 'b' is given twice (first in line 2)"),
        ("a: *nowhere\n", 1, 4, "undefined alias"),
        ("a: &a [*a]\n", 1, 4, "contains itself"),
        ("a: 'never closed\n", 2, 1, "malformed YAML"),
        ("a: 1\n---\nb: 2\n", 2, 1, "malformed YAML"),
        ("a: !!python/object:os.system x\n", 1, 4, "malformed YAML"),
        ("a: {<<: 3}\n", 1, 9, "malformed YAML"),
    ],
)
def test_malformed_yaml_is_told_with_line_and_column(
    text: str, line: int, column: int, message: str
) -> None:
    """Whatever is wrong with the YAML, the message says where."""
    with pytest.raises(ProjectError, match=r"p\.yaml:\d+:\d+: ") as caught:
        Document.parse(text, "p.yaml")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert message in str(caught.value)


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_values_are_prefects(value: object) -> None:
    """Data is what `yaml.safe_load`, which Prefect uses, gives."""
    text = yaml.safe_dump(value, allow_unicode=True)
    assert Document.parse(text, "p.yaml").data == yaml.safe_load(text)


def test_an_empty_file_has_no_data() -> None:
    """A file of nothing but comments is no error here."""
    assert Document.parse("# nothing\n", "p.yaml").data is None
