"""What may be written in `parameters.checks`, and what is said of anything else."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from duckherd.checks.kinds import KINDS
from duckherd.checks.vocabulary import Check

CHECKS = TypeAdapter(list[Check])

WRITTEN: list[dict[str, Any]] = yaml.safe_load(
    """
    - not_null: [order_id, customer_id]
    - not_null: order_id
    - not_null: {columns: order_id, where: status <> 'new', max_failures: "0.1%"}
    - unique: order_id
    - unique: [order_id, line]
    - unique: {columns: [order_id, line], severity: warn}
    - accepted_values: {column: status, values: [new, paid, 1, 2.5, true]}
    - rejected_values: {column: [status, kind], values: [""]}
    - range: {column: total, min: 0, exclusive: true}
    - range: {column: created_at, max: "2030-01-01"}
    - length: {column: code, min: 2, max: 2, max_failures: 10}
    - matches: {column: email, regex: "@"}
    - expression: total >= 0
    - sql: {name: no negatives, query: select * from this where total < 0, severity: warn}
    - sql: select 1 where false
    - relationships: {column: customer_id, to: sales.customers, field: id}
    - row_count: {min: 1}
    - row_count: {source: true, max_drop: 10%, max_growth: 50%}
    - row_count: {anomaly: 3.0, source: "0.1%"}
    - null_ratio: {column: email, max: 5%}
    - null_ratio: {column: email, max: 0.05}
    - distinct_count: {column: status, min: 3, max: 9}
    - sum: {column: total, min: 0}
    - mean: {column: total, anomaly: {deviations: 3.0, method: zscore, min_history: 10}}
    - min: {column: total, min: 0, description: never negative}
    - max: {column: created_at, max: "2030-01-01"}
    - freshness: {column: created_at, max_age: 26h}
    - schema: {columns: {id: bigint, name: null}, ordered: true}
    """
)


def test_every_kind_is_written_here() -> None:
    """The examples of this file cover the vocabulary."""
    assert {kind for item in WRITTEN for kind in item} == set(KINDS)


def test_round_trip() -> None:
    """What is written comes back as it was written, short forms too."""
    checks = CHECKS.validate_python(WRITTEN)
    dumped = CHECKS.dump_python(checks, mode="json", by_alias=True, exclude_defaults=True)
    assert dumped == WRITTEN


def test_dates_become_text() -> None:
    """YAML's own dates travel as ISO 8601 text."""
    (check,) = CHECKS.validate_python(
        yaml.safe_load("- range: {column: day, min: 2024-01-31, max: 2024-02-01 10:00:00}")
    )
    assert check.model_dump(mode="json", exclude_defaults=True) == {
        "range": {"column": "day", "min": "2024-01-31", "max": "2024-02-01T10:00:00"}
    }


def test_prefects_server_accepts_what_the_models_accept() -> None:
    """Raw parameters, short forms too, fulfil the JSON schema a deployment carries."""
    schema = CHECKS.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for item in WRITTEN:
        assert not list(validator.iter_errors([item])), item


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"not_nul": "a"}, "no check 'not_nul'; did you mean 'not_null'?"),
        ({"unique": {"column": "a"}}, "unique has no option 'column'; did you mean 'columns'?"),
        ({"range": {"column": "a", "min": 1, "mx": 2}}, "did you mean 'max'?"),
        ({"range": {"column": "a"}}, "range needs min, max or both"),
        ({"length": {"column": "a"}}, "length needs min, max or both"),
        ({"row_count": {}}, "row_count expects nothing"),
        ({"row_count": {"source": False}}, "row_count expects nothing"),
        ({"sum": {"column": "a"}}, "sum expects nothing"),
        ({"row_count": 5}, "row_count takes options"),
        ({"a": 1, "b": 2}, "a check is a map of one kind"),
        ("not_null", "a check is a map of one kind"),
        ({"not_null": []}, "at least 1 item"),
        ({"not_null": {"columns": "a", "max_failures": "x%"}}, "pattern"),
        ({"not_null": {"columns": "a", "max_failures": -1}}, "greater than or equal to 0"),
        ({"not_null": {"columns": "a", "severity": "fatal"}}, "'error' or 'warn'"),
        ({"range": {"column": "a", "min": float("nan")}}, "not a finite number"),
        ({"null_ratio": {"column": "a", "max": 5}}, "less than or equal to 1"),
        ({"freshness": {"column": "a", "max_age": "soon"}}, "is not a duration"),
        ({"relationships": {"column": "a", "to": "customers", "field": "id"}}, "pattern"),
        ({"row_count": {"anomaly": 0}}, "greater than 0"),
        ({"row_count": {"anomaly": {"deviations": 3, "methods": "mad"}}}, "did you mean 'method'?"),
    ],
)
def test_mistakes_are_refused(written: object, says: str) -> None:
    """A mistake is named, with the nearest valid word."""
    with pytest.raises(ValidationError) as caught:
        CHECKS.validate_python([written])
    assert says in str(caught.value)


def test_zero_is_a_bound() -> None:
    """`min: 0` expects something, though 0 is falsy."""
    CHECKS.validate_python([{"sum": {"column": "a", "min": 0}}, {"row_count": {"max": 0}}])


def test_parameters_need_no_engine() -> None:
    """Validating parameters imports neither DuckDB nor Prefect."""
    code = "import duckherd.parameters, sys; print({'duckdb', 'prefect'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
