"""The dashboard in a real browser, on a real Prefect server."""

from __future__ import annotations

import shutil
import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from dashboard.conftest import served
from duckherd.dashboard.actions import cancel
from duckherd.dashboard.snapshot import Live
from duckherd.sla.model import Run
from simulator import database
from simulator.world import SimRun

EVIL = "erp.sales.<script>alert(1)</script>"


@pytest.fixture(scope="module")
def clock(simulated):
    """The present of the simulation; tests move it on."""
    return {"now": simulated.world.now}


@pytest.fixture(scope="module")
def live(simulated, clock, tmp_path_factory):
    """The simulated herd, refreshed four times a second."""
    cache = tmp_path_factory.mktemp("dashboard") / "cache.duckdb"
    shutil.copy(simulated.cache, cache)
    with simulated.api() as api:
        made = Live(api, cache, 30, 0.25, lambda judged: judged, lambda: clock["now"])
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def address(live):
    """A read-only dashboard."""
    with served(live) as url:
        yield url


def names(page) -> list[str]:
    """Tables shown in the grid, from top to bottom."""
    return page.locator("#rows tr:visible th a").all_inner_texts()


def test_every_filter_and_sort_of_the_grid(simulated, address, open_page):
    """Search, owner, tag, objective and sort each show exactly the tables they should."""
    page = open_page(address)
    tables = simulated.world.tables
    assert len(names(page)) == 25
    page.click("#all")
    assert set(names(page)) == {t.name for t in tables}
    page.fill("#q", "HR.table_00")
    assert set(names(page)) == {t.name for t in tables if "hr.table_00" in t.name}
    page.fill("#q", "")
    page.select_option("#owner", "ledger")
    assert set(names(page)) == {t.name for t in tables if t.owner == "ledger"}
    page.select_option("#tag", "web")
    both = {t.name for t in tables if t.owner == "ledger" and "web" in t.tags}
    assert set(names(page)) == both
    assert page.inner_text("#found") == f"{len(both)} of {len(tables)} tables"
    page.select_option("#owner", "")
    page.select_option("#tag", "")
    page.select_option("#state", "breached")
    assert 0 < len(names(page)) < len(tables)
    page.select_option("#state", "")
    page.select_option("#sort", "name")
    assert names(page) == sorted(t.name for t in tables)


def test_a_tables_page_opens_tells_and_closes(live, address, open_page):
    """By its name or by a day's mark; Escape closes it and the focus returns."""
    page = open_page(address)
    row = next(row for row in live.snapshot.report.rows if any(c.href for c in row.cells))
    link = page.locator(f"#rows a[href='#{row.id}']")
    link.click()
    opened = page.locator(f"#{row.id}")
    opened.get_by_role("heading", name=row.table.name).wait_for()
    assert "Last runs" in opened.inner_text()
    assert "s3://acme-raw/erp" in opened.inner_text()
    assert "Actions" not in opened.inner_text()
    page.keyboard.press("Escape")
    opened.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"#{row.id}"
    day = next(cell.href for cell in row.cells if cell.href)
    page.evaluate("href => location.hash = href", day)
    page.locator(f"[id='{day[1:]}']").wait_for()


def test_arrows_move_among_tables_and_their_days(live, address, open_page):
    """Tab stops once a table, not at each of its marks; arrows reach them, Enter opens one."""
    page = open_page(address)
    first, second = live.snapshot.report.rows[:2]
    focused = "document.activeElement.getAttribute('href')"
    page.locator(f"#rows a[href='#{first.id}']").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == f"#{second.id}"
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == f"#{first.id}"
    page.keyboard.press("ArrowRight")
    mark = next(cell.href for cell in first.cells if cell.href)
    assert page.evaluate(focused) == mark
    page.keyboard.press("Enter")
    page.locator(f"[id='{mark[1:]}']").wait_for(state="attached")
    assert page.locator(f"#{first.id}").is_visible()


def test_what_lies_behind_an_open_page_is_out_of_reach(live, address, open_page):
    """It is a dialog: nothing behind it takes the focus, and a click beside it closes it."""
    page = open_page(address)
    row = live.snapshot.report.rows[0]
    page.locator(f"#rows a[href='#{row.id}']").click()
    page.get_by_role("dialog").get_by_role("heading", name=row.table.name).wait_for()
    behind = "[...document.querySelectorAll('header, footer, #tables, #sections')]"
    assert page.evaluate(f"{behind}.every(part => part.inert)")
    page.mouse.click(5, 300)
    page.locator(f"#{row.id}").wait_for(state="hidden")
    assert not page.evaluate("document.querySelector('#tables').inert")


def test_the_address_of_a_tables_page_opens_it(live, address, open_page):
    """A link to it can be sent to somebody."""
    row = live.snapshot.report.rows[0]
    page = open_page(f"{address}/#{row.id}")
    page.get_by_role("heading", name=row.table.name).wait_for()
    assert "Lineage" in page.locator(f"#{row.id}").inner_text()


def test_a_table_named_like_a_script_is_text(address, open_page):
    """It can be found and opened, and nothing of it runs."""
    page = open_page(address)
    page.fill("#q", "<script>")
    assert names(page) == [EVIL]
    page.locator("#rows tr:visible th a").click()
    page.get_by_role("heading", name=EVIL).wait_for()
    assert page.evaluate("document.scripts.length") == 2


def test_it_updates_itself_when_a_run_fails(simulated, live, clock, address, open_page):
    """A run fails on the server; the open page says so without being touched."""
    page = open_page(address)
    page.click("#all")
    before = page.inner_text("#failures")
    table = next(t for t in simulated.world.tables if not t.removed and not t.paused)
    moment = simulated.world.now + timedelta(minutes=3)
    reason = f"disk {uuid.uuid4().hex[:6]} is on fire"
    run = SimRun(
        uuid.uuid4(), table.id, moment, False, "FAILED", "Failed", reason, 1, moment,
        moment + timedelta(minutes=1), {"duckherd.error": "DiskOnFire", "duckherd.step": "extract"},
    )  # fmt: skip
    assert "DiskOnFire" not in before
    engine = sa.create_engine(f"sqlite:///{simulated.database}", connect_args={"timeout": 60})
    with engine.begin() as db:
        flow = db.execute(sa.text("select id from flow where name = 'ingest-table'")).scalar()
        database.insert_runs(db, [run], uuid.UUID(str(flow)))
    clock["now"] = moment + timedelta(minutes=2)
    page.get_by_text(reason).wait_for()
    assert "DiskOnFire" in page.inner_text("#failures")
    assert len(names(page)) == len(live.snapshot.report.rows)
    with engine.begin() as db:
        db.execute(sa.text("delete from flow_run where id = :id"), {"id": str(run.id)})


def test_it_is_read_only_unless_told_otherwise(simulated, address):
    """Without --allow-actions every change is refused."""
    import httpx

    answer = httpx.post(f"{address}/actions/run", params={"name": EVIL})
    assert answer.status_code == 403
    assert "read-only" in answer.text


def test_actions_need_the_token_of_the_page(live, simulated, open_page):
    """A forged request is refused; the page's own button pauses and resumes the table."""
    import httpx

    table = next(t for t in simulated.world.tables if not t.removed and not t.paused)
    with served(live, actions=True) as url:
        forged = httpx.post(f"{url}/actions/pause", params={"name": table.name})
        assert forged.status_code == 403
        page = open_page(url)
        page.fill("#q", table.name)
        page.locator("#rows tr:visible th a").first.click()
        page.get_by_role("button", name="Pause").click()
        page.get_by_text("Paused. Its slots are excluded").wait_for()
        with simulated.api() as api:
            assert api.get(f"/deployments/{table.id}")["paused"]
            # The open page follows the herd: its button turns by itself.
            page.get_by_role("button", name="Resume").click()
            page.get_by_text("Resumed.", exact=True).wait_for()
            assert not api.get(f"/deployments/{table.id}")["paused"]


def test_a_run_can_be_created(live, simulated, clock, open_page):
    """Through Prefect's API, with its own states."""
    table = next(t for t in simulated.world.tables if not t.removed and not t.paused)
    with served(live, actions=True) as url, simulated.api() as api:
        page = open_page(url)
        page.fill("#q", table.name)
        page.locator("#rows tr:visible th a").first.click()
        page.get_by_role("button", name="Run").click()
        page.get_by_text("Created flow run").wait_for()
        name = page.get_by_text("Created flow run").inner_text().split()[-1].rstrip(".")
        (run,) = api.post("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
        assert (run["state_type"], run["deployment_id"]) == ("SCHEDULED", str(table.id))
        api.delete(f"/flow_runs/{run['id']}")


def test_cancelling_asks_what_runs_and_ends_what_waits(simulated):
    """A run under way becomes Cancelling, one that never started Cancelled, an ended one stays."""
    table = next(t for t in simulated.world.tables if not t.removed and not t.paused)
    with simulated.api() as api:
        made = {}
        for state in ("SCHEDULED", "RUNNING", "COMPLETED"):
            body = {"state": {"type": "SCHEDULED"}}
            made[state] = api.post(f"/deployments/{table.id}/create_flow_run", body)["id"]
            if state != "SCHEDULED":
                change = {"state": {"type": state}, "force": True}
                api.post(f"/flow_runs/{made[state]}/set_state", change)
        runs = [Run(id_, state, attempts=state != "SCHEDULED") for state, id_ in made.items()]
        assert cancel(api, None, runs) == "Cancelled 2 flow runs."
        after = {state: api.get(f"/flow_runs/{id_}")["state_type"] for state, id_ in made.items()}
        for id_ in made.values():
            api.delete(f"/flow_runs/{id_}")
    assert after == {"SCHEDULED": "CANCELLED", "RUNNING": "CANCELLING", "COMPLETED": "COMPLETED"}


def test_it_asks_for_the_prefect_apis_password(live):
    """Where the API has one, the dashboard has the same."""
    import httpx

    with served(live, auth="admin:secret") as url:
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, auth=("admin", "wrong")).status_code == 401
        assert httpx.get(url, auth=("admin", "secret")).status_code == 200


def test_a_name_that_is_not_ours_is_refused(address):
    """A page of another site that resolves to this machine reads nothing (DNS rebinding)."""
    import httpx

    assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 421


def test_an_unknown_table_is_a_clear_answer(address):
    """Not a traceback, and escaped."""
    import httpx

    answer = httpx.get(f"{address}/table", params={"name": "<b>no</b>"})
    assert answer.status_code == 404
    assert "&lt;b&gt;no&lt;/b&gt;" in answer.text


@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_nothing_is_wider_than_the_screen(address, open_page, width):
    """A phone scrolls in one direction only, and names have room at every width."""
    page = open_page(address, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#rows tr:visible th").first.bounding_box()["width"] > 120


def test_on_paper_all_columns_stand_in_black_on_white(address, open_page):
    """A table cannot be scrolled on paper, and nobody prints a dark page."""
    page = open_page(address, viewport={"width": 720, "height": 900}, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    ends = "[...document.querySelectorAll('td:last-child')].map(e => e.getBoundingClientRect())"
    assert page.evaluate(f"Math.max(...{ends}.map(box => box.right))") <= 720
