"""What the report says agrees with what the simulator did."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from duckherd.report.render import report_html

EVIL = "erp.sales.<script>alert(1)</script>"
MISSES = {"late", "stale", "failed", "check-failed", "missing"}


@pytest.fixture(scope="module")
def text(gathered):
    """The document."""
    return report_html(gathered)


class Page(HTMLParser):
    """Collects tags, ids and links."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})
    OPTIONAL = frozenset({"tr", "td", "th", "li", "p", "option"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        while self.open[-1] != tag:
            assert self.open.pop() in self.OPTIONAL
        self.open.pop()


@pytest.fixture(scope="module")
def page(text):
    """The document, parsed."""
    parser = Page()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def test_it_needs_nothing_but_itself(page, text):
    """No address is loaded: no src, no stylesheet, no import, no url() but its own patterns."""
    loads = [a for a in page.attributes if a[1] in {"src", "srcset", "poster", "data", "action"}]
    assert loads == []
    assert page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#gs"}
    assert "@import" not in text
    assert page.tags["script"] == 1


def test_names_are_escaped(page, text):
    """A table named like a script is text, here and in its page's heading."""
    assert EVIL not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


def test_every_link_leads_somewhere_and_every_id_is_one(page):
    """Cells, names and sections open what they promise; others go to Prefect."""
    assert [one for one, n in Counter(page.ids).items() if n > 1] == []
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    outside = {link for link in page.links if not link.startswith("#")}
    assert all(link.startswith("http://prefect.example/runs/flow-run/") for link in outside)


def test_the_sections_come_in_the_order_of_the_questions(page):
    """Verdict, grid, budgets, failures, deadlines, steps, queue, checks, schema, tables, notes."""
    order = [
        "verdict", "tables", "budgets", "failures", "deadlines", "steps", "queue", "checks",
        "schema", "notes",
    ]  # fmt: skip
    assert [one for one in page.ids if one in order] == order


def test_the_grid_shows_every_table_with_every_miss(simulated, gathered):
    """Each miss of the simulator is a linked mark on its day."""
    world = simulated.world
    days = Counter()
    for (name, due), outcome in world.truth.items():
        if outcome in MISSES | {"retried-then-good"} and due >= world.now - timedelta(days=29):
            days[name, due.astimezone().date()] = 1
    shown = Counter()
    for row in gathered.rows:
        shown[row.table.name] = sum(cell.href is not None for cell in row.cells)
    assert len(gathered.rows) == len(world.tables)
    assert sum(shown.values()) == pytest.approx(len(days), abs=2)


def test_the_worst_tables_come_first(gathered):
    """Scores never rise down the grid, and a breach outweighs everything."""
    scores = [row.score for row in gathered.rows]
    assert scores == sorted(scores, reverse=True)
    states = [row.state == "breached" for row in gathered.rows]
    assert states == sorted(states, reverse=True)


def test_failures_are_those_of_the_simulator(simulated, gathered):
    """By cause and by table, run by run."""
    start = simulated.world.now - timedelta(days=30)
    failed = [r for r in simulated.world.runs if r.state == "FAILED" and r.expected >= start]
    causes = Counter(str(run.labels["duckherd.error"]) for run in failed)
    ours = Counter()
    for cause in gathered.causes:
        ours[cause.name] += cause.runs
    assert ours == causes
    tables = Counter(run.deployment for run in failed)
    most = max(tables.values())
    assert gathered.failing_tables[0].runs == most


def test_checks_and_schema_changes_are_those_of_the_simulator(simulated, gathered):
    """Counted from the labels."""
    start = simulated.world.now - timedelta(days=30)
    runs = [run for run in simulated.world.runs if run.expected >= start]
    checks = Counter(run.labels.get("duckherd.failed_checks") for run in runs)
    del checks[None]
    assert {one.check: one.failures for one in gathered.checks} == dict(checks)
    changed = [run for run in runs if "duckherd.schema_change" in run.labels]
    assert len(gathered.changes) == min(len(changed), 24)


def test_lineage_goes_from_source_to_object_without_secrets(text):
    """The source's host and database, the lake's object; no option of either URL."""
    assert "postgresql://erp-db:5432/erp" in text
    assert "s3://acme-raw/erp/hr.table_0001.parquet" in text
    assert "region=eu-central-1" not in text


def test_neighbouring_slots_without_any_run_are_told_together(gathered):
    """Each line is one outcome; where something ran, it is that one slot. None is left out."""
    for row in gathered.rows:
        told = gathered.pages[row.table.name].events
        assert all(len({slot.outcome for slot in event.slots}) == 1 for event, _ in told)
        assert all(len(event.slots) == 1 or event.newest.run is None for event, _ in told)
        times = [slot.time for event, _ in told for slot in event.slots]
        assert times == sorted(times, reverse=True)


def test_an_empty_herd_is_a_report_too(gathered, simulated, tmp_path):
    """Before the first run nothing is due, and the report says so."""
    from duckherd.history.store import Store
    from duckherd.history.tables import read_herd
    from duckherd.report.judged import judge
    from duckherd.report.report import gather

    with Store(tmp_path / "cache") as store:
        empty = report_html(gather(store, judge(read_herd(store, 0.0), 0.0), 30, None))
    assert "Nothing was due" in empty
    assert "No table has been seen" in empty
