"""Names of objects: reversible, and safe on every store and file system.

ASCII letters, digits, `-` and `_` stay; every other byte of the UTF-8 text becomes
`!` and two hex digits, and so does a leading `_` (Spark and Hive hide such files).
A text longer than a file name may be is cut into folders, each but the last ending in
a bare `!`. So `we]ird "na'me` is `we!5dird!20!22na!27me`, `..` is `!2e!2e`.

    <schema>/<table>.parquet                     replace
    <schema>/<table>/<lower>__<upper>.parquet    append, one object a slice
    <schema>/<table>.delta                       a Delta table
    _duckherd/<schema>.<table>.json              the table's state
"""

from __future__ import annotations

import re
import string

from duckherd.catalog.model import TableName

STATE_FOLDER = "_duckherd"
_PLAIN = frozenset((string.ascii_letters + string.digits + "-_").encode())
_LONGEST = 200
"""Characters of one part: 255 bytes less room for suffixes, also those of temporary files."""


def encode(text: str) -> str:
    """One name as a path of ASCII parts, each at most 200 characters."""
    raw = text.encode("utf-8", "surrogatepass")
    units = [chr(byte) if byte in _PLAIN else f"!{byte:02x}" for byte in raw]
    if units and units[0] == "_":
        units[0] = "!5f"
    return _folded(units)


def _folded(units: list[str]) -> str:
    parts, part = [], ""
    for unit in units:
        if len(part) + len(unit) > _LONGEST:
            parts.append(part + "!")
            part = ""
        part += unit
    return "/".join([*parts, part])


def decode(path: str) -> str:
    """The name that `encode` was given."""
    raw = path.replace("!/", "").encode("ascii")
    return re.sub(rb"!([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), raw).decode(
        "utf-8", "surrogatepass"
    )


def state_path(table: TableName) -> str:
    """Where the table's state is kept."""
    return f"{STATE_FOLDER}/{encode(table.schema)}.{encode(table.name)}.json"


def table_path(table: TableName) -> str:
    """The one object of a table in mode `replace`."""
    return f"{_stem(table)}.parquet"


def slice_path(table: TableName, name: str) -> str:
    """The object of one slice in mode `append`; `name` is made of the slice's bounds."""
    return f"{_stem(table)}/{name}.parquet"


def delta_path(table: TableName) -> str:
    """The folder of a Delta table."""
    return f"{_stem(table)}.delta"


def _stem(table: TableName) -> str:
    return f"{encode(table.schema)}/{encode(table.name)}"
