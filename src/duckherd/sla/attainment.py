"""How well objectives are kept: attainment, error budget, burn rate.

After Google's SRE Workbook, chapters 2 and 5: a service level indicator is the
proportion of good events; here an event is a slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from duckherd.sla.model import Slot
from duckherd.sla.objective import Objective, parse_duration
from duckherd.sla.schedule import Instant


@dataclass(frozen=True, slots=True)
class Attainment:
    """One table's objective over its window.

    Attributes:
        good, valid: slots; open and excluded ones are in neither.
        target: percent promised; None where the table promises nothing.
    """

    good: int
    valid: int
    target: float | None

    @property
    def bad(self) -> int:
        """Misses."""
        return self.valid - self.good

    @property
    def percent(self) -> float | None:
        """Percent of valid slots that are good; None where there is none."""
        return 100.0 * self.good / self.valid if self.valid else None

    @property
    def allowed(self) -> int:
        """Error budget: whole misses the target allows among the valid slots."""
        return floor(budget(self.target, self.valid))

    @property
    def left(self) -> int:
        """Misses left of the error budget; negative when overspent."""
        return self.allowed - self.bad

    @property
    def breached(self) -> bool:
        """Attainment is below the target."""
        return self.target is not None and self.bad > budget(self.target, self.valid)


def budget(target: float | None, valid: int) -> Fraction:
    """Misses that `target` percent allows among `valid` slots, exact."""
    # str() gives the decimal the user wrote; 99.9 as a float allows 0.9999 misses in 1000.
    return (100 - Fraction(str(target if target is not None else 0))) * valid / 100


def in_window(slots: Iterable[Slot], now: Instant, window: float) -> list[Slot]:
    """Slots scheduled in the `window` seconds before `now`."""
    return [slot for slot in slots if now - window <= slot.time <= now]


def attain(
    slots: Iterable[Slot], objective: Objective | None, now: Instant, window: float | None = None
) -> Attainment:
    """Attainment of one table; `window` in seconds overrides the objective's own."""
    span = window or parse_duration(objective.window if objective else "28d")
    valid = [slot for slot in in_window(slots, now, span) if slot.outcome.is_valid]
    good = sum(slot.outcome.is_good for slot in valid)
    return Attainment(good, len(valid), objective.target if objective else None)


@dataclass(frozen=True, slots=True)
class GroupBudget:
    """The error budget of a group of tables: each table's own budget, added up.

    Attributes:
        tables: tables with an objective; breached: of them, below their target.
        allowed: misses their targets allow together, a fraction on purpose.
        burn: lookback in seconds -> burn rate there: misses divided by allowed misses.
            1 spends the budget exactly by the end of the window; None without valid slots.
    """

    name: str
    tables: int
    breached: int
    good: int
    valid: int
    allowed: float
    burn: tuple[tuple[float, float | None], ...]

    @property
    def bad(self) -> int:
        """Misses."""
        return self.valid - self.good

    @property
    def percent(self) -> float | None:
        """Percent of valid slots that are good."""
        return 100.0 * self.good / self.valid if self.valid else None

    @property
    def spent(self) -> float | None:
        """Share of the budget spent, 1.0 is all of it; None where nothing is allowed."""
        return self.bad / self.allowed if self.allowed else None


Member = tuple[Sequence[Slot], Objective]
"""A table's slots with its objective."""


def group_budget(
    name: str,
    members: Sequence[Member],
    now: Instant,
    lookbacks: Sequence[float],
    window: float | None = None,
) -> GroupBudget:
    """Budget and burn rates of a group; `window` in seconds overrides each objective's own."""
    each = [attain(slots, objective, now, window) for slots, objective in members]
    return GroupBudget(
        name=name,
        tables=len(each),
        breached=sum(one.breached for one in each),
        good=sum(one.good for one in each),
        valid=sum(one.valid for one in each),
        allowed=_allowed(each),
        burn=tuple((span, _burn(members, now, span)) for span in lookbacks),
    )


def _allowed(each: Iterable[Attainment]) -> float:
    return float(sum(budget(one.target, one.valid) for one in each))


def _burn(members: Sequence[Member], now: Instant, lookback: float) -> float | None:
    each = [attain(slots, objective, now, lookback) for slots, objective in members]
    allowed = _allowed(each)
    return sum(one.bad for one in each) / allowed if allowed else None
