"""Rows in four formats."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime

from duckherd.cli.output import Field, emit
from duckherd.cli.units import ago, count, duration, plural, size

LONG = "x" * 300
ROWS = [
    {"table": "sales.orders", "rows": 1234567, "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)},
    {"table": "sales.käse", "rows": None, "at": None, "why": LONG},
]
FIELDS = [
    Field("table", "TABLE"),
    Field("rows", "ROWS", show=count, right=True),
    Field("at"),
    Field("why", "WHY"),
    Field("never", "NEVER"),
]


def test_json_carries_version_and_all_fields(capsys):
    """JSON is one object with a version and every field of every row, null where unknown."""
    emit(ROWS, FIELDS, "json", name="tables", extra={"server": "here"})
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert document["server"] == "here"
    assert document["tables"][0]["at"] == "2026-01-02T03:04:00+00:00"
    assert document["tables"][1] == {
        "table": "sales.käse", "rows": None, "at": None, "why": LONG, "never": None,
    }  # fmt: skip


def test_jsonl_is_one_row_a_line(capsys):
    """JSON Lines has one object a row and nothing else."""
    emit(ROWS, FIELDS, "jsonl", name="tables")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["table"] for line in lines] == ["sales.orders", "sales.käse"]


def test_csv_has_headings_and_empty_cells(capsys):
    """CSV has the field names as heading and nothing where a value is unknown."""
    emit(ROWS, FIELDS, "csv", name="tables")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0]["rows"] == "1234567"
    assert rows[1]["rows"] == ""


def test_piped_text_is_whole_and_plain(capsys):
    """Piped text is never cut and holds no colour codes; columns nobody fills are left out."""
    emit(ROWS, FIELDS, "text", name="tables")
    out = capsys.readouterr().out
    assert LONG in out
    assert "\x1b" not in out
    assert "NEVER" not in out
    assert "1,234,567" in out


def test_nothing_is_printed_for_no_rows(capsys):
    """Text of no rows is empty: a heading alone would look like data to a script."""
    emit([], FIELDS, "text", name="tables")
    assert capsys.readouterr().out == ""


def on_a_terminal(script: str, columns: int) -> tuple[str, str]:
    """What a script prints on a terminal that wide, without colours, and its messages."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", f"from duckherd.cli.output import Field, emit;{script}"],
        stdout=child, stderr=subprocess.PIPE, text=True, env=environment, check=True,
    )  # fmt: skip
    os.close(child)
    text = re.sub(r"\x1b\[[0-9;]*m", "", os.read(parent, 65536).decode())
    os.close(parent)
    return text, done.stderr


def test_terminal_of_eighty_columns_is_not_exceeded():
    """On a terminal rows fold into its width."""
    text, _ = on_a_terminal(
        "emit([{'a': 'n' * 50, 'b': 'word ' * 40}], [Field('a', 'A'), Field('b', 'B')], name='x')",
        columns=80,
    )
    assert text.count("word") == 40
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_narrow_terminal_goes_without_what_can_be_spared():
    """The most dispensable first, as few as needed, and it says which; a name stays whole."""
    script = (
        "emit([{'a': 'n' * 20, 'b': 'b' * 8, 'c': 'c' * 8}], "
        "[Field('a', 'A'), Field('b', 'B', spare=2), Field('c', 'C', spare=1)], name='x')"
    )
    wide, nothing = on_a_terminal(script, columns=40)
    assert wide.split() == ["A", "B", "C", "n" * 20, "b" * 8, "c" * 8]
    assert nothing == ""
    narrow, said = on_a_terminal(script, columns=39)
    assert narrow.split() == ["A", "C", "n" * 20, "c" * 8]
    assert said == "too narrow for B: -o csv tells all\n"


def test_units():
    """Numbers are told as people read them."""
    assert (size(999), size(1234567), size(5e12)) == ("999 B", "1.2 MB", "5.0 TB")
    assert [duration(s) for s in (0.034, 3.21, 59.96, 75, 7380, 200000)] == [
        "34 ms", "3.2 s", "1m 00s", "1m 15s", "2h 03m", "2d 7h",
    ]  # fmt: skip
    assert (plural(1, "table"), plural(1234, "table")) == ("1 table", "1,234 tables")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert ago(moment, datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)) == "5.0 s ago"
    assert ago(datetime(2026, 1, 1, 1, tzinfo=UTC), moment) == "in 1h 00m"
