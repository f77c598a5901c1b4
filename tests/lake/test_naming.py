from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from duckherd.catalog.model import TableName
from duckherd.lake.naming import decode, delta_path, encode, slice_path, state_path, table_path

NAMES = st.text(min_size=1, max_size=400)


@given(NAMES)
def test_every_name_comes_back(name: str) -> None:
    """Encoding loses nothing, whatever the name."""
    assert decode(encode(name)) == name


@given(NAMES)
def test_every_part_is_safe_on_every_store(name: str) -> None:
    """Parts are short, plain ASCII, and neither hidden nor a way out of the folder."""
    for part in encode(name).split("/"):
        assert set(part) <= set(string.ascii_letters + string.digits + "-_!")
        assert len(part) <= 201
    assert not encode(name).startswith("_")


@given(NAMES, NAMES, NAMES, NAMES)
def test_different_tables_have_different_paths(a: str, b: str, c: str, d: str) -> None:
    """No two tables share an object or a state, also where one name holds the separator."""
    one, two = TableName(a, b), TableName(c, d)
    if one != two:
        assert state_path(one) != state_path(two)
        assert table_path(one) != table_path(two)


def test_names_stay_readable() -> None:
    """What is plain stays as it is; the rest is hexadecimal."""
    odd = TableName("dbo", "we]ird \"na'me")
    assert table_path(TableName("sales", "orders_2")) == "sales/orders_2.parquet"
    assert table_path(odd) == "dbo/we!5dird!20!22na!27me.parquet"
    assert delta_path(TableName("a.b", "..")) == "a!2eb/!2e!2e.delta"
    assert slice_path(TableName("a", "b"), "start__to-5") == "a/b/start__to-5.parquet"
    assert state_path(TableName("_duckherd", "x")) == "_duckherd/!5fduckherd.x.json"
