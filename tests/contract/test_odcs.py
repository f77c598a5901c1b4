"""Contracts of the Open Data Contract Standard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from check_tables import ORDERS, Table, parse, publish, write
from duckherd.catalog.model import TableName
from duckherd.checks.model import Verdict
from duckherd.checks.published import check_published
from duckherd.contract import Published, contract_of, read_contract
from duckherd.contract.server import server_entry
from duckherd.errors import UsageError
from duckherd.lake import open_lake

SCHEMA = json.loads(Path(__file__).with_name("odcs-json-schema-v3.1.0.json").read_text())

PASSING = """
- not_null: line
- not_null: {columns: total, max_failures: 20%}
- unique: [id, line]
- unique: {columns: customer, max_failures: 2}
- accepted_values: {column: status, values: [new, paid, shipped, lost, Paid]}
- rejected_values: {column: status, values: [gone]}
- range: {column: total, min: -3, max: 99.99}
- range: {column: created_at, max: "2025-01-01"}
- length: {column: email, max: 7, where: "status = 'new'"}
- matches: {column: email, regex: "^[^@]{0,6}(@[a-z.]+)?$"}
- row_count: {min: 1, max: 10}
- row_count: {min: 3, max: 3, where: id < 4}
- sum: {column: total, min: 0, max: 1000}
- max: {column: created_at, max: "2024-01-10"}
- mean: {column: line, min: 1}
- freshness: {column: created_at, max_age: 36500d}
- null_ratio: {column: id, max: 20%}
- distinct_count: {column: status, min: 5, max: 5}
- expression: total > -10 -- a comment
- sql: {query: "with n as (select * from this where total < -3) select * from n;", name: low}
"""
FAILING = """
- not_null: [id, customer]
- not_null: {columns: total, max_failures: 9%}
- unique: [line, status]
- unique: {columns: customer, max_failures: 1}
- accepted_values: {column: status, values: [new, paid, shipped]}
- accepted_values: {column: status, values: [new, paid], max_failures: 2}
- rejected_values: {column: status, values: [lost]}
- range: {column: total, min: 0}
- range: {column: total, max: 50, max_failures: 9%}
- range: {column: created_at, max: "2024-01-05"}
- length: {column: email, min: 1}
- matches: {column: email, regex: "@x.org$"}
- row_count: {min: 11}
- row_count: {max: 2, where: id < 4}
- sum: {column: total, max: 100}
- min: {column: created_at, min: "2024-01-02"}
- freshness: {column: created_at, max_age: 1d}
- null_ratio: {column: id, max: 0.1}
- distinct_count: {column: status, min: 6}
- expression: {expression: total > 0, severity: warn}
- sql: {query: select * from this where total < 0, name: negative}
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with ten orders."""
    folder = tmp_path_factory.mktemp("contract-lake") / "lake"
    good = ORDERS.replace("(null, 40,   null,", "(8,    40,   5,").replace(
        "(null, 50,   null,", "(9,    50,   5,"
    )
    publish(folder, "sales.orders", ORDERS, folder.parent / "a.parquet")
    publish(folder, "sales.good", good, folder.parent / "b.parquet")
    return str(folder)


def _contract(lake_url: str, table: str, checks: str, **more: Any) -> dict[str, Any]:
    lake = open_lake(lake_url)
    state, _token = lake.read_state(TableName.parse(table))
    paths = tuple(item.path for item in state.objects)
    server = server_entry(lake.url, paths, state.format)
    published = Published(table, state.version, state.columns, server, **more)
    return contract_of(published, parse(checks))


@pytest.mark.parametrize("checks", [PASSING, FAILING, "[]"])
def test_contract_fulfils_the_standards_json_schema(checks: str, lake: str) -> None:
    """Every kind of rule we write is valid ODCS 3.1."""
    contract = _contract(lake, "sales.orders", checks, key=("id", "line"), owner="sales-data")
    validator = jsonschema.Draft201909Validator(SCHEMA)
    assert [error.message for error in validator.iter_errors(contract)] == []


@pytest.mark.parametrize("checks", [PASSING, FAILING])
def test_import_gives_the_exported_checks(checks: str, lake: str, tmp_path: Path) -> None:
    """A contract of ours comes back as the checks it was made from, one column each."""
    more = "- {relationships: {column: id, to: a.b, field: c}}\n- row_count: {anomaly: 3.0}\n"
    contract = _contract(lake, "sales.orders", checks + more)
    file = tmp_path / "orders.odcs.yaml"
    file.write_text(yaml.safe_dump(contract))
    (imported,) = read_contract(file)
    assert imported.source == "sales.orders"
    assert imported.left_out == ()
    written = yaml.safe_load(checks + more)
    if {"not_null": ["id", "customer"]} in written:
        written.remove({"not_null": ["id", "customer"]})
        written += [{"not_null": "id"}, {"not_null": "customer"}]
    by_text = {json.dumps(item, sort_keys=True) for item in written}
    assert {json.dumps(item, sort_keys=True) for item in imported.checks} == by_text


def _results(
    contract: dict[str, Any], datacontract: Callable[..., Any], tmp_path: Path
) -> tuple[int, dict[str, str]]:
    """Exit code, and rule -> what datacontract-cli says of it."""
    file, output = tmp_path / "contract.yaml", tmp_path / "results.json"
    for properties in contract["schema"]:
        for rules in (properties, *properties["properties"]):
            for rule in rules.get("quality", []):
                rule["id"] = rule["name"].encode().hex()
    file.write_text(yaml.safe_dump(contract, sort_keys=False))
    told = datacontract("test", file, "--output", output, "--output-format", "json", cwd=tmp_path)
    assert output.exists(), told.stdout + told.stderr
    checks = json.loads(output.read_text())["checks"]
    assert {c["result"] for c in checks if c["category"] == "schema"} == {"passed", "warning"}
    return told.returncode, {
        bytes.fromhex(check["qualityId"]).decode(): check["result"]
        for check in checks
        if check["category"] == "quality"
    }


def _same(verdict: Verdict) -> str:
    if verdict.outcome == "pass":
        return "passed"
    return "failed" if verdict.blocks else "warning"


@pytest.mark.slow
@pytest.mark.parametrize(("table", "checks"), [("sales.good", PASSING), ("sales.orders", FAILING)])
def test_datacontract_agrees(
    table: str, checks: str, lake: str, datacontract: Callable[..., Any], tmp_path: Path
) -> None:
    """datacontract-cli, reading the published file, judges every rule and the whole as we do."""
    now = "2026-01-01T00:00:00+00:00"
    verdicts = check_published(lake, table, parse(checks), now)
    ours = {verdict.name: _same(verdict) for verdict in verdicts}
    assert set(ours.values()) == ({"passed"} if checks is PASSING else {"failed", "warning"})
    code, theirs = _results(_contract(lake, table, checks), datacontract, tmp_path)
    assert theirs == ours
    assert code == any(verdict.blocks for verdict in verdicts)


FOREIGN = """
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, primaryKey: true, required: true, unique: true}
      - {name: mail, physicalName: email, required: true, logicalType: string,
         logicalTypeOptions: {minLength: 3, maxLength: 9, pattern: "@"}}
      - name: total
        logicalType: number
        logicalTypeOptions: {minimum: 0, exclusiveMaximum: 100}
        quality:
          - {metric: nullValues, mustBeLessThan: 5}
          - {metric: nullValues, unit: percent, mustBeLessOrEqualTo: 1.5, severity: warning}
          - {metric: missingValues, arguments: {missingValues: [null, "", N/A]}, mustBe: 0}
          - {metric: nullValues, mustBe: 7}
          - {type: sql, query: "SELECT max(${column}) FROM ${table}", mustBeBetween: [0, 50]}
          - {type: text, description: must look right}
      - name: status
        unique: true
        quality:
          - {metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0, name: words}
          - {metric: invalidValues, arguments: {pattern: "^[a-z]+$"}, mustBe: 0}
    quality:
      - {metric: rowCount, mustBeGreaterThan: 10}
      - {metric: rowCount, mustBeBetween: [5, 50]}
      - {metric: duplicateValues, arguments: {properties: [id, total]}, mustBe: 0}
      - {type: custom, engine: soda, implementation: x}
"""


def test_import_of_somebody_elses_contract(tmp_path: Path) -> None:
    """Constraints, library metrics and SQL rules become checks; the rest is named."""
    file = tmp_path / "c.yaml"
    file.write_text(FOREIGN)
    (imported,) = read_contract(file)
    assert imported.source == "orders"
    missing = "\"total\" is not null and \"total\"::varchar not in ('', 'N/A')"
    query = 'SELECT max("total") FROM this'
    assert list(imported.checks) == [
        {"not_null": ["id"]},
        {"unique": ["id"]},
        {"not_null": "email"},
        {"length": {"column": "email", "min": 3, "max": 9}},
        {"matches": {"column": "email", "regex": "@"}},
        {"range": {"column": "total", "min": 0}},
        {"range": {"column": "total", "max": 100, "exclusive": True}},
        {"not_null": {"columns": "total", "max_failures": 4}},
        {"not_null": {"columns": "total", "max_failures": "1.5%", "severity": "warn"}},
        {"expression": missing},
        {"sql": f"select value from ({query}\n) as t(value) where not (value between 0 and 50)"},
        {"unique": "status"},
        {"accepted_values": {"column": "status", "values": ["a", "b"], "name": "words"}},
        {"matches": {"column": "status", "regex": "^[a-z]+$"}},
        {"row_count": {"min": 11}},
        {"row_count": {"min": 5, "max": 50}},
        {"unique": ["id", "total"]},
    ]
    assert [line.partition(":")[0] for line in imported.left_out] == [
        "total",
        "total",
        "quality rule",
    ]


def test_imported_sql_rule_judges(tmp_path: Path) -> None:
    """A rule on one value fails when the value is not as it must be."""
    table = write(ORDERS, tmp_path / "part-0.parquet")
    assert isinstance(table, Table)
    query = 'SELECT max("total") FROM this'
    rule = f"select value from ({query}\n) as t(value) where not (value between {{}})"
    assert table.one({"sql": rule.format("0 and 100")}).outcome == "pass"
    assert table.one({"sql": rule.format("0 and 50")}).failures == 1


@pytest.mark.parametrize("text", ["a: 1", "[1]", "a: [", "kind: DataContract"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    """A file that is no contract is named, not guessed at."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"x\.yaml"):
        read_contract(file)


@pytest.mark.parametrize(
    ("url", "paths", "format_", "expected"),
    [
        ("/data/lake", ("s/o.parquet",), "parquet", ("local", "/data/lake/s/o.parquet")),
        (
            "s3://b/p",
            ("s/o/1.parquet", "s/o/2.parquet"),
            "parquet",
            ("s3", "s3://b/p/s/o/*.parquet"),
        ),
        ("az://c", ("s/o",), "delta", ("azure", "az://c/s/o")),
        ("gs://b", ("s/o.parquet",), "parquet", ("custom", None)),
    ],
)
def test_server(url: str, paths: Any, format_: Any, expected: Any) -> None:
    """Where the data are, in the standard's words."""
    entry = server_entry(url, paths, format_, "http://localhost:1")
    place = entry.get("path") or entry.get("location")
    assert (entry["type"], place) == expected
