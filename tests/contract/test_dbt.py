"""Checks out of dbt's schema files."""

from __future__ import annotations

from pathlib import Path

from duckherd.contract import read_contract
from duckherd.contract.reading import pick

SCHEMA = """
version: 2
models:
  - name: orders
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          combination_of_columns: [id, line]
      - dbt_utils.expression_is_true:
          arguments: {expression: "total >= 0"}
          config: {where: "status = 'paid'"}
      - dbt_expectations.expect_table_row_count_to_be_between: {min_value: 1}
      - own_test
    columns:
      - name: id
        data_tests:
          - unique
          - not_null: {config: {severity: warn}}
      - name: status
        tests:
          - accepted_values: {values: [new, paid], name: words}
          - dbt_utils.not_accepted_values: {arguments: {values: [lost]}}
          - not_null: {config: {error_if: ">10"}}
          - not_null: {config: {error_if: ">=10"}}
          - {name: own name, test_name: unique, config: {severity: WARN}}
      - name: total
        data_tests:
          - dbt_utils.accepted_range: {min_value: 0, inclusive: false}
          - dbt_utils.accepted_range: {max_value: "other_column"}
          - dbt_utils.expression_is_true: {expression: "> 0"}
          - dbt_utils.not_null_proportion: {at_least: 0.95}
      - name: customer
        data_tests:
          - relationships: {to: ref('customers'), field: id}
          - relationships: {to: "source('sales', 'customers')", field: id}
      - name: email
        data_tests:
          - dbt_expectations.expect_column_values_to_match_regex: {regex: "@"}
          - dbt_expectations.expect_column_value_lengths_to_be_between: {max_value: 99}
sources:
  - name: erp
    schema: sales
    tables:
      - name: Orders
        identifier: orders
        columns: [{name: id, tests: [not_null]}]
"""


def test_import(tmp_path: Path) -> None:
    """Dbt's own tests and the common packages' become checks; the rest is named."""
    file = tmp_path / "schema.yml"
    file.write_text(SCHEMA)
    model, source = read_contract(file)
    assert list(model.checks) == [
        {"unique": ["id", "line"]},
        {"expression": {"expression": "total >= 0", "where": "status = 'paid'"}},
        {"row_count": {"min": 1}},
        {"unique": "id"},
        {"not_null": {"columns": "id", "severity": "warn"}},
        {"accepted_values": {"column": "status", "values": ["new", "paid"], "name": "words"}},
        {"rejected_values": {"column": "status", "values": ["lost"]}},
        {"not_null": {"columns": "status", "max_failures": 10}},
        {"not_null": {"columns": "status", "max_failures": 9}},
        {"unique": {"columns": "status", "name": "own name", "severity": "warn"}},
        {"range": {"column": "total", "min": 0, "exclusive": True}},
        {"expression": '"total" > 0'},
        {"null_ratio": {"column": "total", "max": 0.05}},
        {"relationships": {"column": "customer", "to": "sales.customers", "field": "id"}},
        {"matches": {"column": "email", "regex": "@"}},
        {"length": {"column": "email", "max": 99}},
    ]
    assert model.left_out == (
        "own_test has no counterpart",
        "total: dbt_utils.accepted_range has no counterpart",
        "customer: relationships has no counterpart",
    )
    assert (source.source, source.checks) == ("sales.orders", ({"not_null": "id"},))


def test_the_full_name_is_looked_for_first(tmp_path: Path) -> None:
    """A source's schema.table beats a model of the bare name."""
    file = tmp_path / "schema.yml"
    file.write_text(SCHEMA)
    found = read_contract(file)
    assert pick(found, "sales.orders") is found[1]
    assert pick(found, "other.orders") is found[0]
    assert pick(found, "other.lines") is None
