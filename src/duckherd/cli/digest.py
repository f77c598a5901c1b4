"""`duckherd digest`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from duckherd.cli.past import Offline, Select, choose, past
from duckherd.cli.project import Exclude
from duckherd.duration import parse_duration
from duckherd.errors import UsageError

Format = Literal["text", "markdown", "html"]


def digest(
    *select: Select,
    since: Annotated[str, Parameter(help="How far to look back.")] = "24h",
    format: Annotated[  # noqa: A002  the option's name
        Format, Parameter(help="text, markdown or html.", show_choices=False)
    ] = "text",
    exclude: Exclude = None,
    offline: Offline = False,
) -> None:
    """Tell the night in one message.

    To have it sent every morning, deploy the flow `duckherd.report.send.send_digest` with
    the name of any Prefect notification block. See docs/report.md.
    """
    from duckherd.report.digest import FORMATS
    from duckherd.report.digest import digest as tell

    try:
        seconds = parse_duration(since)
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
    with past("duckherd digest", offline=offline) as opened:
        judged = choose(opened.judge(days=seconds / 86400), select, exclude)
        print(FORMATS[format](tell(opened.store, judged, seconds)), end="")
