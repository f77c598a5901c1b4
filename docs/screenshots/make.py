"""Make the screenshots of report and dashboard: `python docs/screenshots/make.py`.

Simulates a herd on a real Prefect server (see tests/simulator), writes its report, serves
its dashboard, and photographs both at 1440 and 390 pixels, light and dark, in Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from playwright.sync_api import Browser, sync_playwright

import servers
from dashboard.conftest import served
from duckherd.dashboard.snapshot import Live
from duckherd.report.render import report_html
from simulator import database
from simulator.fixtures import QUIET, Simulated, live_through
from simulator.world import simulate

FOLDER = Path(__file__).parent
SIZES = {1440: 1800, 390: 1500}
SCHEMES = ("light", "dark")


def main() -> None:
    """Make them all."""
    folder = Path(tempfile.mkdtemp(prefix="duckherd-screenshots-"))
    world = simulate(240, 90, datetime.now(UTC), uneven=True)
    with servers.prefect_server(folder, QUIET) as url:
        it = Simulated(url, folder / "prefect.db", world, folder / "cache.duckdb")
        database.write(world, it.database)
        live_through(it)
        with it.api() as api:
            live = Live(api, it.cache, 90, 3600.0, lambda judged: judged, lambda: world.now)
            report = folder / "report.html"
            report.write_text(report_html(live.snapshot.report), encoding="utf-8")
            with served(live, actions=True) as address, sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                ill = live.snapshot.report.rows[0].id
                for name, start in (("report", report.as_uri()), ("dashboard", f"{address}/")):
                    photograph(browser, name, start, f"#{ill}")
                browser.close()
    shutil.rmtree(folder)


def photograph(browser: Browser, name: str, address: str, table: str) -> None:
    """One address in every size and scheme, and the page of one table."""
    for width, height in SIZES.items():
        for scheme in SCHEMES:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(address)
            page.screenshot(path=FOLDER / f"{name}-{width}-{scheme}.png")
            if scheme == "light" and width == 1440:
                page.evaluate("hash => location.hash = hash", table)
                page.get_by_role("heading", name="Lineage").locator("visible=true").wait_for()
                page.screenshot(path=FOLDER / f"{name}-table-{width}-{scheme}.png")
            page.close()


if __name__ == "__main__":
    main()
