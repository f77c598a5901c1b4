"""How columns changed."""

from __future__ import annotations

import pytest

from duckherd.checks.drift import compare
from duckherd.extract.model import SpoolColumn


def columns(**types: str) -> tuple[SpoolColumn, ...]:
    """Nullable columns by name and DuckDB type; a `!` at the end forbids NULL."""
    return tuple(
        SpoolColumn(name, name, kind.removesuffix("!"), kind, nullable=not kind.endswith("!"))
        for name, kind in types.items()
    )


def lines(before: tuple[SpoolColumn, ...], after: tuple[SpoolColumn, ...]) -> list[str]:
    """The differences, as people read them."""
    return [str(change) for change in compare(before, after)]


def test_same_columns_do_not_differ() -> None:
    """Nothing changed, nothing said; order is no difference."""
    assert compare(columns(a="INTEGER", b="DATE"), columns(b="DATE", a="INTEGER")) == ()


def test_first_load_has_no_difference() -> None:
    """Where nothing was published before, nothing was added."""
    assert compare((), columns(a="INTEGER")) == ()


def test_added_and_dropped() -> None:
    """Columns of different types are no rename."""
    found = lines(columns(a="INTEGER", b="DATE"), columns(a="INTEGER", c="VARCHAR"))
    assert found == ["dropped b DATE", "added c VARCHAR"]


def test_renamed_is_drop_and_add_and_said_so() -> None:
    """A column of the same type in the same place may have been renamed."""
    before = columns(a="INTEGER", b="DATE", c="DATE")
    assert lines(before, columns(a="INTEGER", x="DATE", c="DATE")) == [
        "dropped b DATE, perhaps renamed to x",
        "added x DATE, perhaps renamed from b",
    ]
    assert lines(before, columns(a="INTEGER", c="DATE", x="DATE")) == [
        "dropped b DATE",
        "added x DATE",
    ]


def test_two_renames_keep_their_places() -> None:
    """Neighbours of one type are told apart by their order."""
    found = lines(columns(a="DATE", b="DATE"), columns(x="DATE", y="DATE"))
    assert found == [
        "dropped a DATE, perhaps renamed to x",
        "dropped b DATE, perhaps renamed to y",
        "added x DATE, perhaps renamed from a",
        "added y DATE, perhaps renamed from b",
    ]


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("TINYINT", "SMALLINT"),
        ("INTEGER", "BIGINT"),
        ("BIGINT", "HUGEINT"),
        ("UTINYINT", "SMALLINT"),
        ("UINTEGER", "UBIGINT"),
        ("UBIGINT", "HUGEINT"),
        ("FLOAT", "DOUBLE"),
        ("INTEGER", "DOUBLE"),
        ("UINTEGER", "DOUBLE"),
        ("INTEGER", "DECIMAL(10,0)"),
        ("BIGINT", "DECIMAL(20,1)"),
        ("DECIMAL(10,2)", "DECIMAL(12,2)"),
        ("DECIMAL(10,2)", "DECIMAL(12,4)"),
        ("DATE", "TIMESTAMP"),
        ("TIMESTAMP_S", "TIMESTAMP"),
    ],
)
def test_widened_and_narrowed(narrow: str, wide: str) -> None:
    """One direction holds every old value exactly, the other does not."""
    assert lines(columns(a=narrow), columns(a=wide)) == [f"widened a from {narrow} to {wide}"]
    assert lines(columns(a=wide), columns(a=narrow)) == [f"narrowed a from {wide} to {narrow}"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("BIGINT", "DOUBLE"),
        ("INTEGER", "UINTEGER"),
        ("TINYINT", "UTINYINT"),
        ("INTEGER", "VARCHAR"),
        ("INTEGER", "DECIMAL(9,0)"),
        ("DECIMAL(10,2)", "DECIMAL(10,4)"),
        ("DECIMAL(18,2)", "DOUBLE"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_types_of_which_neither_holds_the_other(before: str, after: str) -> None:
    """Anything that is neither wider nor narrower is a change."""
    assert lines(columns(a=before), columns(a=after)) == [f"changed a from {before} to {after}"]


def test_nullability() -> None:
    """Allowing NULL and forbidding it are differences of their own."""
    assert lines(columns(a="DATE!"), columns(a="DATE")) == ["a allows NULL now"]
    assert lines(columns(a="INTEGER"), columns(a="BIGINT!")) == [
        "widened a from INTEGER to BIGINT",
        "a no longer allows NULL",
    ]
