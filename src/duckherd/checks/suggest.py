"""Checks worth having, from what a table holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from duckherd.checks import sql
from duckherd.checks.profile import ColumnProfile, Profile

Item = dict[str, Any]

_WORDS = 20
"""A set of words needs as many rows for each word, or it may be a sample of more."""
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_ALMOST_UNIQUE = 0.9
"""Of the rows: the estimate of distinct values may be some percent off."""


def proposals(profile: Profile, key: Sequence[str] = (), *, whole: bool = True) -> list[Item]:
    """Checks that the profiled table should pass, as in `parameters.checks`.

    `key` are columns known to identify a row; `whole` says that a load is the whole
    table and not a slice, which may be empty. Uniqueness is a guess to be verified.
    """
    if not profile.rows:
        return []
    return [
        *([{"row_count": {"min": 1, "max_drop": "20%"}}] if whole else []),
        *_not_null(profile),
        *_unique(profile, key),
        *(item for column in profile.columns for item in _of_column(profile, column)),
    ]


def _not_null(profile: Profile) -> Iterator[Item]:
    names = [one.column.name for one in profile.columns if not one.nulls]
    if names:
        yield {"not_null": names if len(names) > 1 else names[0]}


def _unique(profile: Profile, key: Sequence[str]) -> Iterator[Item]:
    if key:
        yield {"unique": list(key) if len(key) > 1 else key[0]}
    enough = profile.rows * _ALMOST_UNIQUE
    for one in profile.columns:
        type_ = one.column.type
        # A measurement that never repeated is no key.
        keylike = sql.is_integer(type_) or type_ in {"VARCHAR", "UUID"}
        if (
            keylike
            and not one.nulls
            and one.distinct >= enough
            and (one.column.name,) != tuple(key)
        ):
            yield {"unique": one.column.name}


def _of_column(profile: Profile, one: ColumnProfile) -> Iterator[Item]:
    name, known = one.column.name, profile.rows - one.nulls
    if not known:
        return
    if one.values and known >= _WORDS * len(one.values):
        yield {"accepted_values": {"column": name, "values": list(one.values)}}
    if one.negative is False:
        yield {"range": {"column": name, "min": 0}}
    ratio = one.nulls / profile.rows
    limit = next((step for step in _STEPS if ratio * 1.5 <= step), None)
    if one.nulls and limit:
        yield {"null_ratio": {"column": name, "max": f"{limit:.0%}", "severity": "warn"}}
