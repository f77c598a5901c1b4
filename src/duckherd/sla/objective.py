"""What a table promises: `parameters.objective`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> float:
    """Seconds of `90s`, `15m`, `1h30m`, `2d`. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not text.strip():
        raise ValueError(f"{text!r} is not a duration; write it as 90s, 15m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds)


def _duration(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]


class Objective(BaseModel):
    """Published on time, often enough.

    A slot (one scheduled time of the table) is good when its data was published,
    blocking checks passed, before its deadline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline: str | None = Field(
        default=None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="HH:MM in the schedule's time zone: the first one after the scheduled time.",
    )
    within: Duration | None = Field(
        default=None, description="Time from the scheduled time to the publish, e.g. 45m."
    )
    freshness: Duration | None = Field(
        default=None, description="Greatest age of the published data, e.g. 26h."
    )
    target: float = Field(default=99.0, gt=0, le=100, description="Percent of slots that are good.")
    window: Duration = Field(
        default="28d", description="Rolling window the target is counted over."
    )

    @model_validator(mode="after")
    def _one_deadline(self) -> Objective:
        if self.deadline and self.within:
            raise ValueError(
                "give either deadline (a time of day) or within (a duration), not both"
            )
        return self
