"""Prefect's templates, filled in as Prefect does."""

from __future__ import annotations

from typing import Any

import pytest

from duckherd.project.templates import fill, from_environment, templates, variable_name

VALUES = {"a": 1, "b-c": "x", "prefect.variables.n": {"deep": [1]}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ a }}", 1),
        ("{{a}} and {{ b-c }}", "1 and x"),
        (["{{ a }}", {"k": "{{ prefect.variables.n }}"}], [1, {"k": {"deep": [1]}}]),
        ("{{ ctx.flow_run.id }}", "{{ ctx.flow_run.id }}"),
        ("{{ unknown }}", "{{ unknown }}"),
        ("{ a } ${env:A} $${A}", "{ a } ${env:A} $${A}"),
        (3, 3),
    ],
)
def test_templates_are_filled(value: Any, expected: Any) -> None:
    """A whole text takes the value with its type; a part takes its text; the rest stays."""
    assert fill(value, VALUES.get) == expected


@pytest.mark.parametrize("value", ["{{ $DH_A }}", "x {{ $DH_A }} {{ $DH_A }}", ["{{ $DH_A }}"]])
def test_the_environment_is_filled_in_as_prefect_does(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours and Prefect's own function agree."""
    from prefect.utilities.templating import apply_values

    monkeypatch.setenv("DH_A", "7")
    assert fill(value, from_environment) == apply_values(value, {}, remove_notset=False)


def test_templates_are_found_anywhere() -> None:
    """Names of all templates, however deep, but not the run's own."""
    value = {"a": ["{{ $X }}", {"b": "{{ prefect.variables.y }}{{ ctx.z }}"}]}
    assert list(templates(value)) == ["$X", "prefect.variables.y"]
    assert [variable_name(each) for each in templates(value)] == [None, "y"]
