"""Charts as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from duckherd.report import svg
from duckherd.report.svg import Cell, Column
from duckherd.sla.model import Outcome

EVIL = "<script>alert(1)</script>\"'&"
GOOD = Cell(Outcome.GOOD)


def test_every_outcome_has_a_symbol_of_its_own_shape():
    """Colour alone never tells outcomes apart."""
    shapes = [svg._SHAPES[svg.CODES[outcome]] for outcome in Outcome]
    assert len(set(shapes)) == len(Outcome)
    without_classes = {"".join(part for part in shape.split('"')[2:]) for shape in shapes}
    assert len(without_classes) == len(Outcome)


def test_ninety_good_days_are_one_rectangle():
    """That keeps a thousand tables small."""
    drawn = svg.bar([GOOD] * 90, "90 good", "b")
    assert drawn.count("<rect") == 1
    assert len(drawn) < 120


def test_days_with_links_are_a_group_and_others_an_image():
    """A screen reader reads nothing inside an image, so links must not be in one."""
    linked = ET.fromstring(svg.bar([GOOD, Cell(Outcome.FAILED, "Mon: failed", "#t1-5")], "x", "b"))
    assert (linked.get("role"), linked.get("aria-label")) == ("group", "x")
    assert ET.fromstring(svg.bar([GOOD], "x", "b")).get("role") == "img"


def test_a_bad_day_is_a_link_with_a_title_at_its_place():
    """The fourth day is 24 units from the left."""
    drawn = svg.bar([GOOD] * 3 + [Cell(Outcome.FAILED, "Mon: failed", "#t1-5")], "x", "b")
    link = ET.fromstring(drawn).find("g/a")
    assert link.get("href") == "#t1-5"
    assert link.find("title").text == "Mon: failed"
    assert link.find("use").attrib == {"href": "#f", "x": "24"}


def test_a_calendar_has_a_column_a_week_with_monday_on_top():
    """Starting on a Wednesday, the sixth day is the first Monday of the second column."""
    cells = [GOOD] * 5 + [Cell(Outcome.LATE, "late", "#x")]
    drawn = ET.fromstring(svg.calendar(cells, 2))
    assert drawn.findall("use")[-1].attrib == {"href": "#l", "x": "8", "y": "0"}
    assert drawn.find("rect").attrib == {"y": "32", "width": "7", "height": "80"}


@pytest.mark.parametrize(("weekday", "days"), [(0, 90), (2, 90), (6, 1), (3, 4), (0, 7), (5, 16)])
def test_the_blocks_of_a_calendar_cover_each_day_once(weekday, days):
    """Whole weeks are one block; what begins and ends them are columns of their own."""
    covered = [
        7 * (column + c) + row + r
        for column, row, columns, rows in svg._blocks(weekday, days)
        for c in range(columns)
        for r in range(rows)
    ]
    assert sorted(covered) == list(range(weekday, weekday + days))


@pytest.mark.parametrize(
    "drawn",
    [
        svg.bar([Cell(Outcome.FAILED, EVIL, f"#{EVIL}")], EVIL, EVIL),
        svg.calendar([Cell(Outcome.FAILED, EVIL, f"#{EVIL}")], 0),
        svg.axis(3, [(0, EVIL)]),
        svg.columns([Column(1, None, EVIL, EVIL)], EVIL, scale=EVIL),
        svg.meter(1.7),
        svg.sparkline([1, 2, 3]),
    ],
)
def test_drawings_are_well_formed_and_escape_what_is_not_ours(drawn):
    """A table may be called anything."""
    ET.fromstring(drawn)
    assert "<script" not in drawn


def test_a_meter_beyond_its_budget_marks_where_it_ended():
    """Half of a bar that is twice full is over the budget."""
    parts = {e.get("class"): e for e in ET.fromstring(svg.meter(2.0))}
    assert float(parts["fill"].get("width")) == float(parts["over"].get("width")) == 80.0


def test_columns_keep_their_proportions():
    """Twice the value is twice as tall; nothing is drawn for nothing."""
    bars = [Column(2, 1, "a", "a"), Column(4, None, "b", "b"), Column(0, None, "c", "c")]
    groups = ET.fromstring(svg.columns(bars, "x", marker=1)).findall("g")
    tall = [float(rect.get("height")) for group in groups for rect in group.findall("rect")]
    assert tall[0] == pytest.approx(2 * tall[1], abs=0.2)
    assert tall[2] == pytest.approx(2 * tall[0], abs=0.2)
    assert len(tall) == 3


def test_a_charts_name_holds_what_it_shows():
    """Whoever cannot see the columns hears them; what is told above one is drawn."""
    bars = [Column(2, None, "1h", "2 slots early", told="2"), Column(0, None, "2h", "none")]
    drawn = ET.fromstring(svg.columns(bars, "Slots"))
    assert drawn.get("aria-label") == "Slots. 2 slots early"
    assert drawn.find("g/text").text == "2"


def test_too_few_values_make_no_line():
    """One point is no trend."""
    assert svg.sparkline([1.0]) == ""
