"""`duckherd contract`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from duckherd.cli.check import Output, judge, report
from duckherd.cli.ending import Exit
from duckherd.cli.output import message
from duckherd.cli.project import PROJECT_FILE, Exclude, File
from duckherd.cli.units import plural
from duckherd.errors import LakeError, UsageError

if TYPE_CHECKING:
    from duckherd.contract import Imported
    from duckherd.project import Entry

Action = Literal["export", "test", "import"]
To = Annotated[
    Path | None, Parameter(help="Folder to export to, a file SCHEMA.TABLE.odcs.yaml each.")
]


def contract(
    action: Action,
    /,
    *arguments: str,
    exclude: Exclude = None,
    to: To = None,
    write: bool = False,
    file: File = PROJECT_FILE,
    output: Output = "text",
) -> int:
    """Exchange checks with data contracts.

    `contract export [SELECT]` prints published tables and their checks as contracts of the
    Open Data Contract Standard 3.1; datacontract-cli can test the published data with them.

    `contract test FILE [SELECT]` judges published tables by the checks of a contract, as
    `duckherd check` judges them by their own; exit code 1 when one fails.

    `contract import FILE [SELECT]` prints the checks of a contract, or of a dbt schema.yml,
    for the tables it is about. What has no counterpart is named on stderr.

    Args:
        action: export, test or import.
        arguments: The contract's file (test, import), then a selection. See docs/contracts.md.
        write: Add imported checks to the project file instead of printing them.
    """
    if action == "export":
        return _export(_chosen(arguments, exclude, file), to)
    if not arguments:
        raise UsageError(
            f"contract {action} needs the contract's file",
            hint=f"duckherd contract {action} orders.odcs.yaml",
        )
    path, *select = arguments
    pairs = _matched(Path(path), _chosen(tuple(select), exclude, file))
    if action == "test":
        return _test(pairs, output)
    return _import(pairs, file if write else None)


def _chosen(select: tuple[str, ...], exclude: Exclude, file: Path) -> tuple[Entry, ...]:
    from duckherd.project import load
    from duckherd.project.selection import select as choose

    return tuple(choose(load(file).tables, select, exclude or ()))


def _matched(path: Path, entries: tuple[Entry, ...]) -> list[tuple[Entry, Imported]]:
    """The selected deployments the contract is about. Raises UsageError for none."""
    from duckherd.contract import read_contract
    from duckherd.contract.reading import pick

    found = read_contract(path)
    pairs = [(entry, part) for entry in entries if (part := pick(found, entry.table or ""))]
    if not pairs:
        named = ", ".join(imported.source for imported in found) or "no table"
        raise UsageError(
            f"{path} is about {named}, which no selected deployment ingests", hint="duckherd ls"
        )
    for entry, part in pairs:
        for line in part.left_out:
            message(f"{entry.name}: left out: {line}")
    return pairs


def _export(entries: tuple[Entry, ...], to: Path | None) -> int:
    import yaml

    failed = False
    for entry in entries:
        try:
            text = yaml.safe_dump(
                _contract(entry), sort_keys=False, allow_unicode=True, width=10**6
            )
        except LakeError as error:
            failed = True
            message(f"{entry.name}: {error.message}")
            continue
        if to is None:
            print(f"---\n{text}", end="")
        else:
            to.mkdir(parents=True, exist_ok=True)
            target = to / f"{entry.table}.odcs.yaml"
            target.write_text(text, "utf-8")
            message(f"{entry.name}: {target}")
    return Exit.FAILED if failed else Exit.GOOD


def _contract(entry: Entry) -> dict[str, Any]:
    from duckherd.contract import Published, contract_of
    from duckherd.contract.server import server_entry
    from duckherd.lake import open_lake
    from duckherd.project.selection import owner_of
    from duckherd.secrets import resolve_url

    parameters = entry.ingest()
    lake = open_lake(resolve_url(parameters.lake))
    state, _token = lake.read_state(parameters.table_name)
    if not state.version:
        raise LakeError(f"{parameters.table} is not published in {lake}")
    paths = tuple(item.path for item in state.objects)
    place = server_entry(lake.url, paths, state.format, lake.location.option("endpoint"))
    published = Published(
        table=parameters.table,
        version=state.version,
        columns=state.columns,
        server=place,
        key=tuple(parameters.key or ()),
        owner=owner_of(entry),
        description=entry.config.description,
    )
    return contract_of(published, parameters.checks)


def _test(pairs: list[tuple[Entry, Imported]], output: Output) -> int:
    from duckherd.checks.vocabulary import Check

    judged = {
        entry.name: judge(entry, [Check.model_validate(item) for item in part.checks])
        for entry, part in pairs
    }
    return report(judged, output)


def _import(pairs: list[tuple[Entry, Imported]], file: Path | None) -> int:
    from duckherd.project.checks import add_checks

    for entry, part in pairs:
        present = list(_one_column_each(entry.parameters.get("checks") or []))
        items = [item for item in part.checks if item not in present]
        if file is None:
            print("\n".join(_lines(entry.name, items)))
        elif items:
            add_checks(file, entry.name, items)
        message(f"{entry.name}: {plural(len(items), 'check')}{' added' if file else ''}.")
    return Exit.GOOD


def _one_column_each(items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The checks, and for one of several columns also those of each, as contracts have them."""
    for item in items:
        yield item
        columns = item.get("not_null")
        if isinstance(columns, list):
            yield from ({"not_null": column} for column in columns)


def _lines(name: str, items: list[dict[str, Any]]) -> Iterator[str]:
    from duckherd.project.checks import item_line

    yield f"# {name}"
    yield "checks:" if items else "checks: []"
    yield from (f"  - {item_line(item)}" for item in items)
