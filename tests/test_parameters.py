"""A table's parameters are refused where they contradict themselves."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from duckherd.parameters import IngestParameters

GOOD: dict[str, Any] = {"table": "sales.orders", "source": "sqlite:///shop.db", "lake": "lake"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mode": "merge", "key": "id"}, "needs format: delta"),
        ({"mode": "merge", "format": "delta"}, "needs key"),
        ({"mode": "append"}, "needs cursor"),
        ({"cursor": "updated_at"}, "cursor needs mode append or merge"),
        ({"deletes": "compare_keys"}, "needs mode: merge"),
        ({"lookback": "1h"}, "lookback needs cursor"),
        ({"backfill": {"from": "1", "to": "2"}}, "backfill needs cursor"),
        ({"table": "orders"}, "schema.name"),
        ({"colums": {}}, "Extra inputs"),
        ({"columns": {"a": {"as": "number"}}}, "text"),
        ({"columns": {"a": {"exclude": True, "mask": "null"}}}, "no other rule"),
        ({"objective": {"deadline": "6:00"}}, "deadline"),
        ({"objective": {"deadline": "06:00", "within": "1h"}}, "not both"),
        ({"limits": {"slice_size": "1TB"}}, "slice_size"),
        ({"limits": {"lock_timeout": "soon"}}, "not a duration"),
    ],
)
def test_incoherent_parameters_are_refused(wrong: dict[str, Any], says: str) -> None:
    """Each contradiction or unknown value is named."""
    with pytest.raises(ValidationError, match=says):
        IngestParameters.model_validate(GOOD | wrong)


def test_short_forms_mean_what_they_say() -> None:
    """A single key, a word as column rule and a number as bound are accepted."""
    given = IngestParameters.model_validate(
        GOOD
        | {
            "mode": "append",
            "cursor": "id",
            "key": "id",
            "lookback": 1000,
            "columns": {"note": "exclude", "mail": {"mask": "sha256"}, "x": {"as": "text"}},
            "backfill": {"from": 1, "to": 9},
        }
    )
    assert given.key == ["id"]
    assert given.lookback == "1000"
    assert given.columns["note"].exclude
    assert given.columns["x"].as_ == "text"
    assert (given.backfill and given.backfill.from_) == "1"


def test_parameters_survive_json() -> None:
    """What is sent to Prefect comes back as the same parameters."""
    given = IngestParameters.model_validate(
        GOOD
        | {
            "columns": {"x": {"as": "text"}},
            "checks": [{"not_null": ["id"]}, {"row_count": {"min": 1}}],
            "objective": {"deadline": "06:00"},
        }
    )
    sent = given.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert IngestParameters.model_validate(sent) == given


@pytest.mark.parametrize(("text", "size"), [("1KB", 1024), ("256MB", 256 << 20), ("2GB", 2 << 30)])
def test_slice_size_is_read_in_binary_units(text: str, size: int) -> None:
    """A KB is 1024 bytes."""
    given = IngestParameters.model_validate(GOOD | {"limits": {"slice_size": text}})
    assert given.limits.slice_bytes == size
