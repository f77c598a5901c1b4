"""Views -> HTML, by Jinja2 templates that escape everything not made by `report.svg`."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from duckherd.report import svg
from duckherd.report.report import Report
from duckherd.sla.model import Outcome
from duckherd.sla.schedule import Instant, utc
from duckherd.units import count, duration, plural, size


@cache
def environment() -> Environment:
    """The templates, with the filters they use."""
    made = Environment(
        loader=PackageLoader("duckherd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count,
        "duration": duration,
        "size": size,
        "percent": _percent,
        "time": _time,
        "day": _day,
        "address": lambda text: quote(text, safe=""),
    }
    made.globals |= {
        "plural": plural,
        "Outcome": Outcome,
        "symbols": lambda: Markup(svg.symbols()),  # noqa: S704  our own SVG, texts escaped there
        "symbol": _drawn(svg.symbol),
        "bar": _drawn(svg.bar),
        "again": _drawn(svg.again),
        "calendar": _drawn(svg.calendar),
        "axis": _drawn(svg.axis),
        "axis_again": _drawn(svg.axis_again),
        "sparkline": _drawn(svg.sparkline),
        "meter": _drawn(svg.meter),
        "columns": _drawn(svg.columns),
    }
    return made


def _drawn(draw: object) -> object:
    def drawn(*values: object, **named: object) -> Markup:
        return Markup(draw(*values, **named))  # type: ignore[operator]  # noqa: S704  see above

    return drawn


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f} %"


def _local(moment: Instant | datetime) -> datetime:
    return (moment if isinstance(moment, datetime) else utc(moment)).astimezone()


def _time(moment: Instant | datetime | None) -> str:
    return "–" if moment is None else f"{_local(moment):%a %d %b %H:%M}"


def _day(moment: Instant | datetime) -> str:
    return f"{_local(moment):%d %b %Y}"


def report_html(report: Report) -> str:
    """The whole report as one document that needs nothing else."""
    return environment().get_template("report.html").render(report=report)
