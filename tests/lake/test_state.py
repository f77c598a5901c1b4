from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckherd.catalog.model import TableName
from duckherd.checks.model import Load
from duckherd.errors import LakeError
from duckherd.extract.model import SpoolColumn
from duckherd.lake.model import LakeObject, Pending, TableState
from duckherd.lake.state import FORMAT, decode_state, encode_state
from lake.harness import Setup, run, state_of

ORDERS = TableName("sales", "orders")
TEXT = st.text(max_size=20)
BOUND = st.none() | TEXT


@given(TEXT, BOUND, BOUND, st.floats(allow_nan=False), st.integers(0, 2**62))
def test_a_state_comes_back_as_it_was(
    text: str, lower: str | None, upper: str | None, metric: float, rows: int
) -> None:
    """Every field survives JSON, pending and all."""
    state = TableState(
        table="sales.orders",
        version=3,
        mode="append",
        watermark=upper,
        objects=(LakeObject(text, rows, rows, text, (lower, upper), "[)"),),
        columns=(SpoolColumn(text, text, "DECIMAL(38,10)", text, nullable=False, masked=True),),
        rows=rows,
        history=(Load("2026", rows, {text: metric}),),
        schema_changes=(text,),
        committed=("a", "b"),
        obsolete=("x/",),
    )
    pending = Pending("run", "2026", ("a",), (("a", None), ("b", text)), state)
    from dataclasses import replace

    whole = replace(state, pending=pending)
    assert decode_state(encode_state(whole), ORDERS, "lake") == whole


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "has no format_version"),
        (json.dumps({"format_version": FORMAT + 1}).encode(), "newer duckherd"),
        (json.dumps({"format_version": FORMAT, "table": 1}).encode(), "cannot be read"),
        (json.dumps({"format_version": FORMAT, "table": "sales.ORDERS"}).encode(), "upper case"),
    ],
)
def test_a_state_that_cannot_be_used_is_named(content: bytes, message: str) -> None:
    """The message names the file and what to do."""
    with pytest.raises(LakeError, match=message) as raised:
        decode_state(content, ORDERS, "s3://b")
    assert "s3://b/_duckherd/sales.orders.json" in str(raised.value)
    assert raised.value.hint


def test_a_run_stops_at_a_state_of_a_newer_version(folder_lake: str) -> None:
    """An older duckherd does not publish over what it cannot read."""
    setup = Setup(folder_lake)
    run(setup, [(1, 1, "a")], "one")
    path = Path(folder_lake, "_duckherd", "sales.orders.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": FORMAT + 1}))
    before = path.read_bytes()
    with pytest.raises(LakeError, match="newer duckherd"):
        run(setup, [], "two")
    assert path.read_bytes() == before


def test_unknown_fields_of_the_same_format_are_ignored(folder_lake: str) -> None:
    """A field added without a new format does not stop an older duckherd."""
    setup = Setup(folder_lake)
    run(setup, [(1, 1, "a")], "one")
    path = Path(folder_lake, "_duckherd", "sales.orders.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "fresh": 1}))
    assert state_of(setup).version == 1
