"""A report of the simulated herd."""

from __future__ import annotations

import pytest

from duckherd.history.store import Store
from duckherd.history.tables import read_herd
from duckherd.report.judged import Judged, judge
from duckherd.report.report import Report, gather
from duckherd.sla.schedule import DAY


@pytest.fixture(scope="session")
def judged(simulated) -> Judged:
    """The simulated herd over thirty days."""
    with Store(simulated.cache) as store:
        start = simulated.world.now.timestamp() - 30 * DAY
        return judge(read_herd(store, start), start)


@pytest.fixture(scope="session")
def gathered(simulated, judged) -> Report:
    """All the report tells of it."""
    with Store(simulated.cache) as store:
        return gather(store, judged, 30, "http://prefect.example")
