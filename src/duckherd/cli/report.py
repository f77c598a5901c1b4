"""`duckherd report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from duckherd.cli.output import message
from duckherd.cli.past import Offline, Select, Window, choose, past
from duckherd.cli.project import Exclude
from duckherd.errors import UsageError
from duckherd.units import plural, size

_LONGEST = 400


def report(
    *select: Select,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The file to write.")] = Path(
        "report.html"
    ),
    days: Annotated[int, Parameter(help="Days of history to show.")] = 90,
    window: Window = None,
    exclude: Exclude = None,
    offline: Offline = False,
) -> None:
    """Write one self-contained HTML report.

    It opens anywhere, needs no network and no server, and prints. See docs/report.md.
    """
    from duckherd.report.render import report_html
    from duckherd.report.report import gather

    if not 1 <= days <= _LONGEST:
        raise UsageError(f"--days {days} is not between 1 and {_LONGEST}")
    with past("duckherd report", offline=offline) as opened:
        judged = choose(opened.judge(window, days=days), select, exclude)
        text = report_html(gather(opened.store, judged, days, opened.ui_url))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error}") from error
    message(f"{output}: {plural(len(judged.tables), 'table')}, {size(len(text.encode()))}")
