"""The commands about the past, as people call them, on the simulated server's cache."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest

from duckherd.cli import main
from duckherd.history.store import cache_path

EVIL = "erp.sales.<script>alert(1)</script>"


@pytest.fixture
def duckherd(simulated, tmp_path, monkeypatch, capsys):
    """Run a command offline; gives exit code, stdout and stderr."""
    monkeypatch.setenv("PREFECT_API_URL", simulated.url)
    monkeypatch.setenv("DUCKHERD_CACHE", str(tmp_path))
    shutil.copy(simulated.cache, cache_path(simulated.url, tmp_path))

    def run(*arguments: str):
        code = main([*arguments, "--offline"])
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_sla_tells_every_table_the_breached_first(duckherd, simulated):
    """Exit code 1, since some are breached; numbers add up."""
    code, out, err = duckherd("sla", "-o", "json")
    tables = json.loads(out)["tables"]
    assert code == 1
    assert len(tables) == len(simulated.world.tables)
    states = [table["state"] == "breached" for table in tables]
    assert states == sorted(states, reverse=True)
    assert f"{sum(states)} of {len(tables)} objectives breached" in err
    assert all(table["valid"] - table["good"] == table["missed"] for table in tables)


def test_sla_of_a_selection_and_a_window(duckherd):
    """One table over a week has seven slots; a kept objective exits 0."""
    _, out, _ = duckherd("sla", "-o", "json", "objective:breached")
    breached = {table["deployment"] for table in json.loads(out)["tables"]}
    code, out, _ = duckherd("sla", "--window", "7d", "-o", "csv", "hr.table_0001")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["deployment"] == "erp.hr.table_0001"
    assert row["valid"] == "7"
    assert code == (row["state"] == "breached")
    code, out, _ = duckherd("sla", "-o", "json", "--exclude", "objective:breached")
    assert code == 0
    assert breached.isdisjoint(table["deployment"] for table in json.loads(out)["tables"])


def test_sla_next_starts_with_what_breaks_next(duckherd):
    """Nothing broken is listed, and budgets with nothing left come first."""
    _, out, _ = duckherd("sla", "--next", "-o", "json")
    tables = json.loads(out)["tables"]
    assert all(table["state"] != "breached" for table in tables)
    left = [table["left"] for table in tables]
    assert left == sorted(left)


def test_sla_by_owner_adds_up(duckherd, simulated):
    """Every table is in exactly one owner's group."""
    _, out, _ = duckherd("sla", "--by", "owner", "-o", "json")
    groups = json.loads(out)["groups"]
    assert sum(group["tables"] for group in groups) == len(simulated.world.tables)
    assert {group["group"] for group in groups} == {t.owner for t in simulated.world.tables}


@pytest.mark.parametrize("window", ["soon", "0s"])
def test_a_window_that_is_none_is_refused(duckherd, window):
    """Exit 2 and how to write it."""
    code, _, err = duckherd("sla", "--window", window)
    assert code == 2
    assert "--window" in err


def test_nothing_selected_is_an_error_with_the_nearest_names(duckherd):
    """As for every selection."""
    code, _, err = duckherd("sla", "hr.tabel_0001")
    assert code == 2
    assert "hr.table_0001" in err


def test_that_nothing_is_late_is_an_answer(simulated, tmp_path, monkeypatch, capsys):
    """Status of a result no run has is good news, exit 0; a name no table has stays an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", simulated.url)
    monkeypatch.setenv("DUCKHERD_CACHE", str(tmp_path))
    assert main(["status", "result:crashed", "hr.*,result:crashed"]) == 0
    assert "tables match result:crashed hr.*,result:crashed" in capsys.readouterr().err
    assert main(["status", "hrr.*,result:crashed"]) == 2
    assert main(["status", "hrr.*"]) == 2


def test_sla_of_what_is_late_names_the_slots_that_were_not_served(duckherd, simulated):
    """Tables whose newest slot is late or missing; none of them is an answer too, exit 0."""
    newest = {}
    for (name, _), outcome in sorted(simulated.world.truth.items(), key=lambda each: each[0][1]):
        if outcome != "excluded":
            newest[name] = outcome
    _, out, _ = duckherd("sla", "result:late", "result:missing", "-o", "json")
    tables = json.loads(out)["tables"]
    assert {table["deployment"] for table in tables} == {
        name for name, outcome in newest.items() if outcome in {"late", "stale", "missing"}
    }
    assert {table["result"] for table in tables} <= {"late", "missing"}
    good = next(name for name in sorted(newest) if newest[name] == "good")
    code, out, err = duckherd("sla", f"{good},result:late")
    assert (code, out) == (0, "")
    assert f"match {good},result:late" in err


def test_report_writes_one_file(duckherd, tmp_path):
    """And says how large it is."""
    path = tmp_path / "report.html"
    code, _, err = duckherd("report", "-o", str(path), "--days", "30")
    assert code == 0
    assert path.read_text().startswith("<!doctype html>")
    assert "40 tables" in err


def test_steps_names_each_tables_slowest_step(duckherd, simulated):
    """In the simulation extracting takes seven tenths of every run."""
    _, out, err = duckherd("steps", "-o", "json")
    steps = json.loads(out)["steps"]
    assert {step["step"] for step in steps} == {"extract"}
    assert [s["recent"] for s in steps] == sorted((s["recent"] for s in steps), reverse=True)
    assert "extract: p50" in err
    _, out, _ = duckherd("steps", "--regressions", "-o", "json")
    assert all(s["recent"] >= 1.2 * s["before"] for s in json.loads(out)["steps"])


def test_changes_lists_what_the_runs_found(duckherd, simulated):
    """Run by run, the newest first."""
    _, out, _ = duckherd("changes", "--window", "90d", "-o", "json")
    changes = json.loads(out)["changes"]
    theirs = {str(r.id) for r in simulated.world.runs if "duckherd.schema_change" in r.labels}
    assert {change["run_id"] for change in changes} == theirs
    times = [change["when"] for change in changes]
    assert times == sorted(times, reverse=True)


def test_show_tells_what_a_run_read_and_wrote(duckherd, simulated):
    """By the beginning of its id."""
    run = next(run for run in simulated.world.runs if "duckherd.published_at" in run.labels)
    table = next(table for table in simulated.world.tables if table.id == run.deployment)
    code, out, _ = duckherd("show", str(run.id)[:13], "-o", "json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["rows"], facts["bytes"]) == (
        run.labels["duckherd.rows"],
        run.labels["duckherd.bytes"],
    )
    assert facts["object"] == f"s3://acme-raw/erp/{table.table}.parquet"
    assert (facts["deployment"], facts["owner"]) == (table.name, table.owner)
    code, out, _ = duckherd("show", table.name)
    assert code == 0
    assert table.owner in out


def test_show_refuses_what_means_several(duckherd):
    """It names some of them."""
    code, _, err = duckherd("show", "hr.*")
    assert code == 2
    assert "means" in err


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_the_digest_tells_the_month_and_what_to_rerun(duckherd, simulated, form):
    """Every cause of failure is named, and a strange name does no harm."""
    code, out, _ = duckherd("digest", "--since", "30d", "--format", form)
    errors = {
        run.labels["duckherd.error"]
        for run in simulated.world.runs
        if "duckherd.error" in run.labels
    }
    assert code == 0
    assert all(str(error) in out for error in errors)
    assert "Breached objectives" in out
    if form != "text":
        assert "<script" not in out.replace("```", "")


def test_offline_without_a_server_configured_is_refused(duckherd, monkeypatch):
    """Each API has its own cache."""
    monkeypatch.delenv("PREFECT_API_URL")
    code, _, err = duckherd("sla")
    assert code == 2
    assert "--offline" in err


def test_days_out_of_range_are_refused(duckherd):
    """Exit 2, with the range."""
    code, _, err = duckherd("report", "--days", "0")
    assert code == 2
    assert "between 1 and 400" in err
