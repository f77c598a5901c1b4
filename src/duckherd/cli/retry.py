"""`duckherd retry`."""

from __future__ import annotations

from duckherd.cli.herd import choose, read_herd, session
from duckherd.cli.output import Output, message
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.run import carry_out

_BAD = frozenset({"failed", "crashed"})


def retry(
    *select: str,
    exclude: Exclude = None,
    wait: bool = True,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> int:
    """Run again what failed last.

    Creates a new flow run of each selected table whose last run failed or crashed, with
    that run's backfill if it had one, and watches them as `duckherd run` does. Tables
    whose last run went well are not touched.

    Args:
        select: Among which tables; all of the project unless given. See docs/selection.md.
        wait: Watch the runs to their end.
    """
    with session("duckherd retry", file) as here:
        herd = read_herd(here.connection, here.project, last=True)
        among = choose(herd, select, exclude or ())
        chosen = [d for d in among if d.id in herd.last and herd.last[d.id].outcome in _BAD]
        if not chosen:
            message(f"Nothing to retry: none of {len(among):,} tables failed last.")
            return 0
        parameters = {
            each.id: {"backfill": dict(backfill)}
            for each in chosen
            if (backfill := herd.last[each.id].backfill)
        }
        return carry_out(
            here, chosen, parameters, wait=wait, output=output, command="duckherd retry"
        )
