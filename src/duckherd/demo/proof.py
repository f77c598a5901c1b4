"""What the demo asserts about its own summary, each claim with its evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from duckherd.api.client import Api
from duckherd.demo.fingerprint import of_parquet, of_sqlite, tables_of
from duckherd.demo.shop import BROKEN
from duckherd.runs.model import Run, TableDeployment

_SCHEMA = "main"

Stamp = tuple[int, int, int]
"""What tells whether a file was touched: inode, size, time of change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One assertion.

    Attributes:
        text: what is claimed, as a sentence.
        wrong: what contradicts it; empty where it is true.
    """

    text: str
    wrong: tuple[str, ...] = ()

    @property
    def true(self) -> bool:
        """Whether nothing contradicts it."""
        return not self.wrong


def others_alike(database: Path, lake: Path) -> Claim:
    """Each table but the broken one equals its file: rows, and a hash over all columns."""
    names = [name for name in tables_of(database) if name != BROKEN]
    wrong = [line for name in names for line in _difference(database, lake, name)]
    wrong += [f"{name}.parquet is of no table" for name in sorted(files_of(lake).keys() - {*names})]
    text = f"the {len(names)} published Parquet files equal their tables: row count and hash"
    return Claim(text, tuple(wrong))


def repaired_alike(database: Path, lake: Path, before: Mapping[str, Stamp]) -> Iterator[Claim]:
    """After the retry the broken table equals its file too, and no other file was touched."""
    wrong = tuple(_difference(database, lake, BROKEN))
    yield Claim(f"after the retry {BROKEN} equals its file too", wrong)
    after = files_of(lake)
    touched = sorted(name for name in before if after.get(name) != before[name])
    text = f"the retry touched none of the other {len(before)} files"
    yield Claim(text, tuple(f"{name}.parquet changed" for name in touched))


def files_of(lake: Path) -> dict[str, Stamp]:
    """Published files by table: inode, size and time of change in nanoseconds."""
    found = {path.stem: path.stat() for path in (lake / _SCHEMA).glob("*.parquet")}
    return {name: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def runs_as_told(
    api: Api, deployments: Sequence[TableDeployment], database: Path, since: datetime
) -> Iterator[Claim]:
    """What Prefect's API tells of the runs since `since`, compared with the tables."""
    runs = _runs(api, deployments, since)
    names = {f"{_SCHEMA}.{name}" for name in tables_of(database)}
    yield Claim(
        f"Prefect's API has flow runs of exactly the {len(names)} tables",
        tuple(f"{name} is in only one of the two" for name in sorted(names ^ runs.keys())),
    )
    first = [name for name, each in sorted(runs.items()) if each[0].outcome != "ok"]
    broken = f"{_SCHEMA}.{BROKEN}"
    yield Claim(
        f"in the first run exactly {broken} failed",
        () if first == [broken] else (f"failed: {', '.join(first) or 'none'}",),
    )
    again = {name: [run.outcome for run in each[1:]] for name, each in runs.items() if each[1:]}
    yield Claim(
        f"the retry ran exactly {broken}, and it succeeded",
        () if again == {broken: ["ok"]} else (f"ran again: {again}",),
    )


def _difference(database: Path, lake: Path, name: str) -> Iterator[str]:
    path = lake / _SCHEMA / f"{name}.parquet"
    if not path.exists():
        yield f"{path} does not exist"
        return
    published, types = of_parquet(path)
    source = of_sqlite(database, name, types)
    if published.rows != source.rows:
        yield f"{name} has {source.rows} rows, {path.name} has {published.rows}"
    elif published.sha256 != source.sha256:
        yield f"{name} and {path.name} differ: {source.sha256[:12]} and {published.sha256[:12]}"


def _runs(
    api: Api, deployments: Sequence[TableDeployment], since: datetime
) -> Mapping[str, list[Run]]:
    """Table -> its flow runs, the first one first."""
    tables = {each.id: each.table or each.name for each in deployments}
    body = {
        "flow_runs": {
            "deployment_id": {"any_": sorted(tables)},
            "expected_start_time": {"after_": since.isoformat()},
        },
        "sort": "EXPECTED_START_TIME_ASC",
    }
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in map(Run.from_api, api.pages("flow_runs/filter", body)):
        runs[tables[str(run.deployment_id)]].append(run)
    return runs
