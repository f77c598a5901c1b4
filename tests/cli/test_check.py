"""`duckherd check`, `contract` and `suggest` on a published table."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from check_tables import ORDERS, publish
from duckherd.cli import main

PROJECT = """\
definitions:
  erp: &erp {{source: "sqlite:////nowhere/erp.db", lake: "{lake}"}}
deployments:
  - name: erp.sales.orders
    entrypoint: duckherd.flow.ingest_table
    work_pool: {{name: herd}}
    tags: ["owner:sales-data"]
    parameters:
      <<: *erp
      table: sales.orders
      checks: {checks}
  - name: erp.sales.customers
    entrypoint: duckherd.flow.ingest_table
    work_pool: {{name: herd}}
    parameters: {{<<: *erp, table: sales.customers}}
"""
FAILING = (
    "[{not_null: [id, line]}, {unique: {columns: customer, severity: warn}}, "
    "{row_count: {min: 1, max_drop: 10%}}]"
)


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def duckherd(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run one command line."""

    def run(*arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return run


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with orders and customers."""
    folder = tmp_path_factory.mktemp("check-lake") / "lake"
    spool = folder.parent / "spool.parquet"
    publish(folder, "sales.orders", ORDERS, spool)
    customers = "select i as id, 'c' || i as name from range(100) t(i)"
    publish(folder, "sales.customers", customers, spool)
    return folder


@pytest.fixture
def project(lake: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Write a project whose orders have the given checks."""

    def write(checks: str) -> Path:
        file = tmp_path / "prefect.yaml"
        file.write_text(PROJECT.format(lake=lake, checks=checks))
        return file

    return write


def test_failing_check_is_exit_1(
    duckherd: Callable[..., Done], project: Callable[[str], Path]
) -> None:
    """Every verdict is a row; a blocking failure decides the exit code."""
    done = duckherd("check", "-f", project(FAILING))
    assert done.code == 1
    assert [line.split()[:3] for line in done.out.splitlines()] == [
        ["TABLE", "CHECK", "RESULT"],
        ["sales.orders", "not_null(id)", "fail"],
        ["sales.orders", "not_null(line)", "fail"],
        ["sales.orders", "unique(customer)", "warn"],
        ["sales.orders", "row_count", "pass"],
    ]
    assert done.err.splitlines() == [
        "1 table without checks.",
        "4 checks of 1 table: 1 passed, 2 failed, 1 warned.",
    ]


def test_warnings_are_exit_0(duckherd: Callable[..., Done], project: Callable[[str], Path]) -> None:
    """A failure of severity warn is told and does not fail the command."""
    checks = "[{unique: {columns: customer, severity: warn}}]"
    done = duckherd("check", "sales.orders", "-f", project(checks))
    assert done.code == 0
    assert "warn" in done.out


def test_unpublished_table_is_exit_1(
    duckherd: Callable[..., Done], project: Callable[[str], Path], tmp_path: Path
) -> None:
    """A table with checks that was never published is no pass."""
    file = project(FAILING)
    file.write_text(PROJECT.format(lake=tmp_path / "empty", checks=FAILING))
    done = duckherd("check", "-f", file)
    assert done.code == 1
    assert "sales.orders is not published" in done.out


def test_formats(duckherd: Callable[..., Done], project: Callable[[str], Path]) -> None:
    """The same verdicts as JSON, JSON lines, CSV and JUnit."""
    file = project(FAILING)
    document = json.loads(duckherd("check", "-f", file, "-o", "json").out)
    assert document["version"] == 1
    first = document["checks"][0]
    assert (first["table"], first["check"], first["columns"]) == (
        "sales.orders",
        "not_null",
        ["id"],
    )
    assert (first["failures"], first["rows"], first["ratio"]) == (2, 10, 0.2)
    assert first["samples"][0]["id"] is None
    assert first["sql"] == 'select * from this where ("id" is null)'
    lines = duckherd("check", "-f", file, "-o", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == document["checks"]
    rows = list(csv.DictReader(io.StringIO(duckherd("check", "-f", file, "-o", "csv").out)))
    assert [row["result"] for row in rows] == ["fail", "fail", "warn", "pass"]
    suites = ET.fromstring(duckherd("check", "-f", file, "-o", "junit").out)
    assert suites[0].attrib["failures"] == "2"


def test_check_needs_no_prefect(project: Callable[[str], Path]) -> None:
    """Neither the import of Prefect nor a server: only the project file and the lake."""
    code = (
        "import sys; from duckherd.cli import main; main(sys.argv[1:]); "
        "print('prefect' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "check", "-f", str(project(FAILING)), "-o", "csv"]
    environment = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:1/api"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "False"


def test_suggest(duckherd: Callable[..., Done], project: Callable[[str], Path]) -> None:
    """Proposals as YAML that hold on the published data."""
    file = project("[]")
    done = duckherd("suggest", "customers", "-f", file)
    assert done.code == 0
    assert done.out.startswith("# erp.sales.customers\nchecks:\n")
    assert yaml.safe_load(done.out)["checks"] == [
        {"row_count": {"min": 1, "max_drop": "20%"}},
        {"not_null": ["id", "name"]},
        {"unique": "id"},
        {"unique": "name"},
        {"range": {"column": "id", "min": 0}},
    ]


def test_suggest_writes_checks_that_pass(
    duckherd: Callable[..., Done], project: Callable[[str], Path]
) -> None:
    """`--write` adds them to the file once; what was written passes."""
    file = project("[]")
    assert duckherd("suggest", "--write", "-f", file).code == 0
    checked = duckherd("check", "-f", file, "-o", "json")
    assert checked.code == 0
    assert {check["table"] for check in json.loads(checked.out)["checks"]} == {
        "sales.orders",
        "sales.customers",
    }
    again = duckherd("suggest", "--write", "-f", file)
    assert again.err.count("nothing to suggest") == 2


def test_contract_export_test_and_import(
    duckherd: Callable[..., Done], project: Callable[[str], Path], tmp_path: Path
) -> None:
    """An exported contract gives the same verdicts and can be imported again."""
    file = project(FAILING)
    folder = tmp_path / "contracts"
    assert duckherd("contract", "export", "orders", "--to", folder, "-f", file).code == 0
    contract = folder / "sales.orders.odcs.yaml"
    assert yaml.safe_load(contract.read_text())["team"] == {"name": "sales-data"}
    printed = duckherd("contract", "export", "orders", "-f", file).out
    assert list(yaml.safe_load_all(printed)) == [yaml.safe_load(contract.read_text())]
    tested = duckherd("contract", "test", contract, "-f", file, "-o", "json")
    checked = duckherd("check", "-f", file, "-o", "json")
    assert tested.code == checked.code == 1
    by_name = [
        {check["name"]: check["outcome"] for check in json.loads(done.out)["checks"]}
        for done in (tested, checked)
    ]
    assert by_name[0] == by_name[1]
    known = duckherd("contract", "import", contract, "-f", project(FAILING))
    assert known.out == "# erp.sales.orders\nchecks: []\n"
    empty = project("[]")
    assert duckherd("contract", "import", contract, "--write", "-f", empty).code == 0
    written = yaml.safe_load(empty.read_text())["deployments"][0]["parameters"]["checks"]
    assert {"not_null": "id"} in written
    assert {"row_count": {"min": 1, "max_drop": "10%"}} in written


def test_contract_about_another_table(
    duckherd: Callable[..., Done], project: Callable[[str], Path], tmp_path: Path
) -> None:
    """A contract that no selected deployment is about is the user's mistake."""
    file = tmp_path / "c.yaml"
    file.write_text("models: [{name: other}]")
    done = duckherd("contract", "import", file, "-f", project("[]"))
    assert done.code == 2
    assert "is about other, which no selected deployment ingests" in done.err


def test_contract_without_a_file(
    duckherd: Callable[..., Done], project: Callable[[str], Path]
) -> None:
    """`test` and `import` need the contract."""
    done = duckherd("contract", "test", "-f", project("[]"))
    assert (done.code, "needs the contract's file" in done.err) == (2, True)
