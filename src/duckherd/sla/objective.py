"""What a table promises: `parameters.objective`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from duckherd.duration import Duration, parse_duration

__all__ = ["Duration", "Objective", "parse_duration"]


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
