"""What commands print: rows on stdout in four formats, messages on stderr.

On a terminal rows are a table as wide as the terminal: columns that can be spared are
left out where it is narrow, then long cells folded. Piped, text
has no colour and every cell is whole, whatever its width.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

JSON_VERSION = 1
"""Grows when a field of any command's JSON changes its meaning or goes away."""

Format = Literal["text", "json", "jsonl", "csv"]

Output = Annotated[
    Format,
    Parameter(name=["--output", "-o"], help="text, json, jsonl or csv.", show_choices=False),
]
"""The option every command with rows takes: `output: Output = "text"`."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a command's rows.

    Attributes:
        name: key in JSON, heading in CSV.
        title: heading in text; None keeps the field out of text.
        show: value -> text, for people only; JSON and CSV carry the value itself.
        right: aligned right, as numbers are.
        style: value -> rich style of its cell on a terminal.
        spare: a narrow terminal goes without it, the largest number first; 0 never.
    """

    name: str
    title: str | None = None
    show: Callable[[Any], str] | None = None
    right: bool = False
    style: Callable[[Any], str] | None = None
    spare: int = 0

    def text(self, row: Row) -> str:
        """The cell for people; empty where the row has no value."""
        value = row.get(self.name)
        if value is None:
            return ""
        return self.show(value) if self.show else plain(value)


def emit(
    rows: Iterable[Row],
    fields: Sequence[Field],
    output: Format = "text",
    *,
    name: str,
    extra: Row | None = None,
) -> None:
    """Print rows on stdout, of each row its `fields`, in the format `output`.

    `name` is the key of the list of rows in JSON, a plural such as `tables`; `extra`
    are further top-level keys of the JSON object (`-o json` only).
    """
    rows = list(rows)
    if output == "json":
        document = {
            "version": JSON_VERSION,
            **(extra or {}),
            name: [_picked(r, fields) for r in rows],
        }
        print(json.dumps(document, indent=2, default=plain, ensure_ascii=False))
    elif output == "jsonl":
        for row in rows:
            print(json.dumps(_picked(row, fields), default=plain, ensure_ascii=False))
    elif output == "csv":
        _write_csv(rows, fields, sys.stdout)
    elif rows:
        _write_text(rows, [field for field in fields if field.title is not None])


def emit_object(document: Row, output: Format) -> None:
    """Print one JSON object (`json` indented, `jsonl` on one line) with its version."""
    indent = 2 if output == "json" else None
    whole = {"version": JSON_VERSION, **document}
    print(json.dumps(whole, indent=indent, default=plain, ensure_ascii=False))


def message(text: str = "") -> None:
    """Tell people something, on stderr, whole and without markup."""
    print(text, file=sys.stderr, flush=True)


def messages() -> Console:
    """A rich console on stderr, for live displays and coloured messages."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def plain(value: object) -> str:
    """Text of a value that JSON has no type for; times in ISO 8601."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(plain(item) for item in value)
    return str(value)


def _picked(row: Row, fields: Sequence[Field]) -> dict[str, Any]:
    return {field.name: row.get(field.name) for field in fields}


def _write_csv(rows: Sequence[Row], fields: Sequence[Field], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([field.name for field in fields])
    for row in rows:
        values = (row.get(field.name) for field in fields)
        writer.writerow(["" if value is None else plain(value) for value in values])


def _write_text(rows: Sequence[Row], fields: Sequence[Field]) -> None:
    # A column empty in every row tells nothing and takes room.
    fields = [field for field in fields if any(field.text(row) for row in rows)]
    if sys.stdout.isatty():
        _write_table(rows, fields)
    else:
        _write_columns(rows, fields)


def _write_columns(rows: Sequence[Row], fields: Sequence[Field]) -> None:
    lines = [[field.title or "" for field in fields]]
    lines += [[" ".join(field.text(row).split()) for field in fields] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            cell.rjust(width) if field.right else cell.ljust(width)
            for cell, width, field in zip(line, widths, fields, strict=True)
        )
        print("  ".join(cells).rstrip())


_GAP = 2


def _fitting(rows: Sequence[Row], fields: Sequence[Field], width: int) -> list[Field]:
    """The fields with as few spare ones left out as lets the rest stand unfolded."""
    needed = {
        field.name: _GAP + max(len(field.title or ""), *(len(field.text(row)) for row in rows))
        for field in fields
    }
    kept = list(fields)
    for field in sorted(fields, key=lambda field: -field.spare):
        if not field.spare or sum(needed[each.name] for each in kept) - _GAP <= width:
            break
        kept.remove(field)
    return kept


def _write_table(rows: Sequence[Row], fields: Sequence[Field]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    shown = _fitting(rows, fields, console.width)
    left_out = [str(field.title) for field in fields if field not in shown]
    fields = shown
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for field in fields:
        table.add_column(
            field.title or "",
            justify="right" if field.right else "left",
            overflow="fold",
            no_wrap=field.right,
        )
    for row in rows:
        table.add_row(
            *(
                Text(field.text(row), field.style(row.get(field.name)) if field.style else "")
                for field in fields
            )
        )
    console.print(table)
    if left_out:
        message(f"too narrow for {', '.join(left_out)}: -o csv tells all")
