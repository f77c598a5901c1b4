"""A thousand tables in the browser; no server is needed to draw them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dashboard.conftest import served
from duckherd.dashboard.snapshot import Snapshot
from duckherd.history.store import Store
from duckherd.history.tables import Herd, Table
from duckherd.report.judged import judge
from duckherd.report.report import gather, pages
from duckherd.sla.model import Run, Timeline, Version
from duckherd.sla.objective import Objective
from duckherd.sla.schedule import DAY, Schedule

NOW = 20_000 * DAY
NIGHTLY = Schedule(cron="0 2 * * *")


def _table(number: int) -> Table:
    name = f"erp.s{number % 7}.table_{number:04}"
    version = Version(0.0, (NIGHTLY,), objective=Objective(deadline="06:00"))
    return Table(
        name=name, id=str(number), table=name[4:], tags=(f"s{number % 7}",), owner=f"o{number % 9}",
        source="postgresql://db/erp", lake="s3://lake", mode="replace", created=0.0,
        timeline=Timeline(name, (version,)),
    )  # fmt: skip


def _runs(number: int) -> list[Run]:
    times = [NOW - day * DAY + 7200 for day in range(1, 91)]
    return [
        Run(str(i), "COMPLETED", scheduled=t, attempts=1, start=t, end=t + 60, published=t + 60)
        for i, t in enumerate(times)
        if (i * 7 + number) % 101
    ]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """A dashboard of 1,000 tables by 90 days."""
    tables = tuple(_table(number) for number in range(1000))
    runs = {table.name: _runs(number) for number, table in enumerate(tables)}
    judged = judge(Herd(NOW, NOW - 90 * DAY, tables, runs), NOW - 90 * DAY)
    with Store(tmp_path_factory.mktemp("thousand") / "cache") as store:
        report = gather(store, judged, 90, None)
    with served(SimpleNamespace(snapshot=Snapshot(1, report, judged))) as url:
        yield url


def test_a_thousand_tables_can_be_searched_filtered_and_sorted(thousand, open_page):
    """All of them are there; typing narrows them down."""
    page = open_page(thousand)
    shown = "document.querySelectorAll('#rows tr').length"
    assert page.evaluate(shown) == 1000
    visible = page.locator("#rows tr:visible")
    assert visible.count() == 25
    page.fill("#q", "table_099")
    assert visible.count() == 10
    page.select_option("#tag", "s3")
    assert page.inner_text("#found").endswith("of 1000 tables")
    page.fill("#q", "")
    page.select_option("#sort", "name")
    assert visible.first.locator("th").inner_text() == "erp.s3.table_0003"
    assert visible.count() == 143


def test_an_open_page_follows_the_herd(tmp_path, open_page):
    """A new state renews the grid, keeps its filter, and the table's page that is open."""
    first = tuple(_table(number) for number in range(30))
    paused = replace(first[3].timeline.versions[0], since=NOW - 5, paused=True)
    timeline = replace(first[3].timeline, versions=(*first[3].timeline.versions, paused))
    second = (*first[:3], replace(first[3], timeline=timeline), *first[4:], _table(30))
    live = SimpleNamespace(snapshot=_snapshot(1, first, tmp_path))
    live.page = lambda name: _page(live.snapshot, name, tmp_path)
    with served(live, actions=True) as url:
        page = open_page(url)
        page.fill("#q", "table_00")
        page.select_option("#tag", "s3")
        before = page.locator("#rows tr:visible").count()
        page.locator("#rows").get_by_role("link", name="erp.s3.table_0003").click()
        page.get_by_role("button", name="Pause").wait_for()
        live.snapshot = _snapshot(2, second, tmp_path)
        page.get_by_role("button", name="Resume").wait_for()
        assert page.evaluate("document.querySelectorAll('#rows tr').length") == 31
        assert page.locator("#rows tr:visible").count() == before


def _snapshot(number, tables, folder) -> Snapshot:
    runs = {table.name: _runs(index) for index, table in enumerate(tables)}
    judged = judge(Herd(NOW, NOW - 90 * DAY, tables, runs), NOW - 90 * DAY)
    with Store(folder / "cache") as store:
        return Snapshot(number, gather(store, judged, 90, None), judged)


def _page(snapshot, name, folder):
    rows = [row for row in snapshot.report.rows if row.table.name == name]
    with Store(folder / "cache") as store:
        return pages(store, snapshot.judged, rows, snapshot.judged.start)[name]
