"""What we compute from a real server equals what the simulator counted, slot by slot.

Here from a small herd whose month holds the end of daylight saving, with a fetch before and
after every pause and removal; `test_thousand.py` does it at full size from a cache, and
`benchmarks/history.py` at full size from a real server.
"""

from __future__ import annotations

import pytest

from duckherd.history.store import Store
from simulator.truth import FIGURES, judgement, wrong


@pytest.fixture(scope="module")
def judged(simulated):
    """The simulated herd, judged."""
    with Store(simulated.cache) as store:
        return judgement(simulated.world, store)


def test_the_simulation_holds_every_kind_of_fault(simulated):
    """Numbers that agree about nothing would prove nothing."""
    kinds = {"good", "late", "retried-then-good", "failed", "check-failed", "missing", "stale"}
    assert kinds | {"excluded"} == set(simulated.world.counts())
    assert len(simulated.world.truth) > 1000


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_are_those_of_the_simulator(judged, figure):
    """Every key and every value: no slot more and none less."""
    _, theirs = figure(judged)
    assert theirs
    assert wrong(figure, judged) == []
