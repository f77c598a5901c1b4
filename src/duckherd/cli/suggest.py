"""`duckherd suggest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duckherd.cli.ending import Exit
from duckherd.cli.output import message
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.units import plural
from duckherd.errors import LakeError

if TYPE_CHECKING:
    from duckherd.project import Entry

Item = dict[str, Any]


def suggest(
    *select: str,
    exclude: Exclude = None,
    write: bool = False,
    file: File = PROJECT_FILE,
) -> int:
    """Suggest checks from what published tables hold.

    Profiles the published version of each table in one scan and proposes checks as YAML,
    ready to be pasted into its parameters. Every proposal holds on the published data:
    it is tried before it is shown. Checks the table has already are not repeated. Exit code
    1 when a table cannot be read.

    Args:
        select: A selection; all tables unless given. See docs/selection.md.
        write: Add the proposals to the project file instead of printing them.
    """
    from duckherd.project import load
    from duckherd.project.checks import add_checks, item_line
    from duckherd.project.selection import select as choose

    project = load(file)
    failed = False
    for entry in choose(project.tables, select, exclude or ()):
        try:
            items = _suggested(entry)
        except LakeError as error:
            failed = True
            message(f"{entry.name}: {error.message}")
            continue
        if not items:
            message(f"{entry.name}: nothing to suggest.")
        elif write:
            add_checks(file, entry.name, items)
            message(f"{entry.name}: {plural(len(items), 'check')} added to {file}.")
        else:
            print(
                "\n".join([f"# {entry.name}", "checks:", *(f"  - {item_line(i)}" for i in items)])
            )
    return Exit.FAILED if failed else Exit.GOOD


def _suggested(entry: Entry) -> list[Item]:
    """Proposals for one table, each tried on the published data."""
    import datetime as dt

    from duckherd.catalog.model import TableName
    from duckherd.checks import run_checks
    from duckherd.checks.compile import probes_of
    from duckherd.checks.model import Context
    from duckherd.checks.profile import profile
    from duckherd.checks.suggest import proposals
    from duckherd.checks.vocabulary import Check
    from duckherd.lake import open_lake
    from duckherd.lake.read import open_published
    from duckherd.secrets import resolve_url

    parameters = entry.ingest()
    lake = open_lake(resolve_url(parameters.lake))
    present = [check.model_dump(mode="json", exclude_defaults=True) for check in parameters.checks]
    with open_published(lake, TableName.parse(parameters.table)) as snapshot:
        state = snapshot.state
        found = profile(snapshot.files, state.columns)
        whole = state.mode == "replace"
        items = proposals(found, parameters.key or (), whole=whole)
        context = Context(parameters.table, dt.datetime.now(dt.UTC).isoformat())
        checks = [Check.model_validate(item) for item in items]
        verdicts = run_checks(snapshot.files, state.columns, checks, context)
    judged = zip(probes_of(checks, state.columns), verdicts, strict=True)
    wrong = {probe.position for probe, verdict in judged if verdict.outcome == "fail"}
    return [item for at, item in enumerate(items) if at not in wrong and item not in present]
