"""How well objectives are kept: attainment, error budget, burn rate.

After Google's SRE Workbook, chapters 2 and 5: a service level indicator is the
proportion of good events; here an event is a slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
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


@lru_cache(maxsize=4096)
def budget(target: float | None, valid: int) -> Fraction:
    """Misses that `target` percent allows among `valid` slots, exact."""
    # str() gives the decimal the user wrote; 99.9 as a float allows 0.9999 misses in 1000.
    return (100 - Fraction(str(target if target is not None else 0))) * valid / 100


def attain(
    slots: Iterable[Slot], objective: Objective | None, now: Instant, window: float | None = None
) -> Attainment:
    """Attainment of one table; `window` in seconds overrides the objective's own."""
    span = window or parse_duration(objective.window if objective else "28d")
    outcomes = [slot.outcome for slot in slots if now - span <= slot.time <= now]
    valid = sum(outcome.is_valid for outcome in outcomes)
    good = sum(outcome.is_good for outcome in outcomes)
    return Attainment(good, valid, objective.target if objective else None)


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


def group_budget(
    name: str,
    each: Sequence[Attainment],
    lately: Sequence[tuple[float, Sequence[Attainment]]],
) -> GroupBudget:
    """Budget and burn rates of a group.

    Args:
        name: of the group.
        each: the attainment of each table with an objective, over its window.
        lately: for each lookback in seconds, the attainment of each table over it.
    """
    return GroupBudget(
        name=name,
        tables=len(each),
        breached=sum(one.breached for one in each),
        good=sum(one.good for one in each),
        valid=sum(one.valid for one in each),
        allowed=_allowed(each),
        burn=tuple((span, _burn(found)) for span, found in lately),
    )


def _allowed(each: Iterable[Attainment]) -> float:
    return float(sum(budget(one.target, one.valid) for one in each))


def _burn(each: Sequence[Attainment]) -> float | None:
    allowed = _allowed(each)
    return sum(one.bad for one in each) / allowed if allowed else None
