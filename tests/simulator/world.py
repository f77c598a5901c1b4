"""A seeded herd with known faults: what it promises, what happened, what is true of each slot.

Nothing here uses duckherd: the truth is written down while the faults are made, with its
own few lines of calendar, so that equal numbers mean something.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WARSAW = ZoneInfo("Europe/Warsaw")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FAULTS = (
    ("good", 0.920),
    ("retried-then-good", 0.012),
    ("repaired", 0.006),  # failed, run again by hand in time
    ("late", 0.014),
    ("repaired-late", 0.005),
    ("failed", 0.012),
    ("check-failed", 0.010),
    ("missing", 0.005),
    ("stuck", 0.003),  # scheduled, never started
    ("stale", 0.013),
)
TRUTH = {"repaired": "retried-then-good", "repaired-late": "late", "stuck": "missing"}
SCHEMAS = ("sales", "hr", "finance", "stock", "web", "crm")
OWNERS = ("sales-data", "people", "ledger", "logistics", "growth")
ERRORS = (
    ("SourceUnreachable", "extract", "erp-db:5432 does not answer: connection refused"),
    ("SourceBusy", "extract", "lock timeout after 30 s on {table}"),
    ("ValueNotCarried", "extract", "{table}.created_at: 0001-01-01 BC is outside the range"),
    ("LakeUnreachable", "publish", "s3://acme-raw does not answer within 60 s"),
    ("PublishConflict", "publish", "{table} was published by another run meanwhile"),
)
CHECKS = ("not_null(id)", "unique(id)", "row_count min 1", "accepted_values(status)")


@dataclass
class SimTable:
    """One table: nightly at 02:00 or 03:00 in Warsaw, or every six hours; due by `deadline`."""

    name: str
    id: uuid.UUID
    owner: str
    tags: list[str]
    cron: str
    hours: tuple[int, ...]
    deadline: str | None
    freshness: str | None
    target: float
    created: date
    removed: datetime | None
    paused: tuple[datetime, datetime] | None
    rows: int
    seconds: float

    @property
    def table(self) -> str:
        """schema.name."""
        return self.name.partition(".")[2]


@dataclass
class SimRun:
    """One flow run, with the labels the flow would have set."""

    id: uuid.UUID
    deployment: uuid.UUID
    expected: datetime
    scheduled: bool
    state: str
    state_name: str
    message: str | None
    attempts: int
    start: datetime | None
    end: datetime | None
    labels: dict[str, object]
    backfill: bool = False


@dataclass
class World:
    """Everything of one simulation. `truth`: (table, slot) -> outcome."""

    start: date
    now: datetime
    tables: list[SimTable] = field(default_factory=list)
    runs: list[SimRun] = field(default_factory=list)
    truth: dict[tuple[str, datetime], str] = field(default_factory=dict)
    published: dict[tuple[str, datetime], datetime] = field(default_factory=dict)
    deadlines: dict[tuple[str, datetime], datetime] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """How many slots of each outcome."""
        return Counter(self.truth.values())


def simulate(
    tables: int, days: int, now: datetime, seed: int = 7, *, uneven: bool = False
) -> World:
    """A world of that many tables and days, whose present is `now`.

    `uneven`: most tables are well and a few are ill, as in life; else all fail alike.
    """
    random_ = random.Random(seed)  # one seed, one world
    world = World(now.date() - timedelta(days=days), now)
    for number in range(tables):
        table = _table(number, world, random_)
        world.tables.append(table)
        illness = random_.choices((0.02, 0.3, 3.0), (82, 15, 3))[0] if uneven else 1.0
        _live(table, world, random_, illness)
    return world


def _table(number: int, world: World, random_: random.Random) -> SimTable:
    schema = SCHEMAS[number % len(SCHEMAS)]
    kind = random_.random()
    frequent = number % 40 == 3
    days = (world.now.date() - world.start).days
    created = world.start + timedelta(days=days // 3 if number % 23 == 5 else 0)
    removed = paused = None
    if number % 29 == 11:
        removed = _noon(world, days // 4)
    if number % 19 == 7:
        begin = _noon(world, days // 2)
        paused = (begin, begin + timedelta(days=min(4, days // 4)))
    hours = (0, 6, 12, 18) if frequent else ((2,), (3,))[number % 2]
    return SimTable(
        name=f"erp.{schema}.table_{number:04}" if number else "erp.sales.<script>alert(1)</script>",
        id=_uuid(random_),
        owner=OWNERS[number % len(OWNERS)],
        tags=["erp", schema, f"owner:{OWNERS[number % len(OWNERS)]}"],
        cron=f"0 {','.join(map(str, hours))} * * *",
        hours=hours,
        deadline=None if frequent or number % 31 == 9 else "06:00",
        freshness="26h" if number % 10 == 4 and not frequent else None,
        target=random_.choice((95.0, 99.0, 99.5)),
        created=created,
        removed=removed,
        paused=paused,
        rows=int(10 ** (2 + 5 * kind)),
        seconds=5 + 900 * kind**3,
    )


def _noon(world: World, days_ago: int) -> datetime:
    day = world.now - timedelta(days=days_ago)
    return day.replace(hour=12, minute=0, second=0, microsecond=0)


def _live(table: SimTable, world: World, random_: random.Random, illness: float) -> None:
    slots = list(_slots(table, world))
    for index, due in enumerate(slots):
        following = slots[index + 1] if index + 1 < len(slots) else _after(table, due)
        deadline = _deadline(table, due, following)
        if deadline > world.now:
            break
        key = (table.name, due)
        world.deadlines[key] = deadline
        if table.paused and table.paused[0] <= due < table.paused[1]:
            world.truth[key] = "excluded"
            continue
        if table.removed and deadline > table.removed:
            # Its last night may have been good; otherwise it was removed before it was due.
            fault = "good"
        else:
            fault = _draw(table, random_, illness)
        world.truth[key] = TRUTH.get(fault, fault)
        for run in _runs(table, due, deadline, following, fault, random_):
            world.runs.append(run)
            stamp = run.labels.get("duckherd.published_at")
            if stamp and not run.backfill and run.scheduled | fault.startswith("repaired"):
                world.published[key] = datetime.fromisoformat(str(stamp))
        if fault == "good" and table.deadline and random_.random() < 0.01:
            world.runs.append(_noise(table, deadline, random_))


def _draw(table: SimTable, random_: random.Random, illness: float) -> str:
    names, weights = zip(*FAULTS, strict=True)
    fault = random_.choices(names, [weights[0], *(illness * each for each in weights[1:])])[0]
    if fault == "stale" and not table.freshness:
        return "good"
    if fault == "late" and table.freshness and table.deadline is None:
        # It would publish over the newer data of the next run, which the lake refuses.
        return "failed"
    if fault == "repaired-late" and table.deadline is None:
        # Due when the next slot is: what is repaired after that serves the next slot.
        return "failed"
    return str(fault)


def _slots(table: SimTable, world: World) -> Iterator[datetime]:
    """Scheduled times in UTC, by the wall clock of Warsaw, from creation to removal."""
    day = table.created
    while day <= world.now.date():
        for hour in table.hours:
            wall = datetime(day.year, day.month, day.day, hour, tzinfo=WARSAW)
            due = wall.astimezone(UTC)
            if due.astimezone(WARSAW).hour != hour:  # skipped by daylight saving
                due = datetime(day.year, day.month, day.day, hour + 1, tzinfo=WARSAW).astimezone(
                    UTC
                )
            created = datetime(
                table.created.year, table.created.month, table.created.day, tzinfo=UTC
            )
            if created <= due < (table.removed or world.now):
                yield due
        day += timedelta(days=1)


def _after(table: SimTable, due: datetime) -> datetime:
    wall = due.astimezone(WARSAW)
    for step in range(1, 49):
        later = (due + step * HOUR).astimezone(WARSAW)
        if later.hour in table.hours and later.minute == 0:
            return later.astimezone(UTC)
    raise AssertionError(wall)


def _deadline(table: SimTable, due: datetime, following: datetime) -> datetime:
    if table.deadline is None:
        return following
    wall = due.astimezone(WARSAW)
    return wall.replace(hour=int(table.deadline[:2]), minute=0).astimezone(UTC)


def _runs(
    table: SimTable,
    due: datetime,
    deadline: datetime,
    following: datetime,
    fault: str,
    random_: random.Random,
) -> Iterator[SimRun]:
    slow = table.seconds * random_.uniform(0.8, 1.25)
    start = due + timedelta(seconds=random_.uniform(1, 240))
    end = start + timedelta(seconds=slow)
    room = following - deadline
    late = deadline + (room if room > MINUTE else 2 * HOUR) * random_.uniform(0.05, 0.6)
    match fault:
        case "good":
            yield _done(table, due, start, end, random_)
        case "stale":
            yield _done(table, due, start, end, random_, age=timedelta(hours=40))
        case "retried-then-good":
            yield _done(table, due, start, end + 2 * MINUTE, random_, attempts=2)
        case "late":
            yield _done(table, due, start, late, random_)
        case "failed" | "check-failed":
            yield _failed(table, due, start, end, random_, checks=fault == "check-failed")
        case "repaired" | "repaired-late":
            yield _failed(table, due, start, end, random_, checks=random_.random() < 0.3)
            begin = end + 10 * MINUTE if fault == "repaired" else late - 5 * MINUTE
            finish = begin + 4 * MINUTE if fault == "repaired" else late
            yield _done(table, begin, begin, finish, random_, scheduled=False)
        case "stuck":
            yield SimRun(
                _uuid(random_), table.id, due, True, "SCHEDULED", "Late", None, 0, None, None, {}
            )
        case _:
            assert fault == "missing"


def _done(
    table: SimTable,
    expected: datetime,
    start: datetime,
    end: datetime,
    random_: random.Random,
    *,
    scheduled: bool = True,
    attempts: int = 1,
    age: timedelta = timedelta(0),
) -> SimRun:
    seconds = (end - start).total_seconds()
    growth = 1 + (start.timestamp() / 86400 % 365) / 2000
    rows = int(table.rows * growth * random_.uniform(0.97, 1.03))
    version = int(start.timestamp() // 3600)
    labels: dict[str, object] = {
        "table": table.table,
        "rows": rows,
        "bytes": rows * 61,
        "extract_seconds": round(seconds * 0.7, 2),
        "check_seconds": round(seconds * 0.1, 2),
        "publish_seconds": round(seconds * 0.2, 2),
        "checks": 4,
        "checks_failed": 0,
        "checks_warned": int(random_.random() < 0.02),
        "version": version,
        "watermark": start.isoformat(),
        "data_until": (start - age).isoformat(),
        "published_at": end.isoformat(),
        "object": f"{table.table}.parquet",
        "objects": 1,
    }
    if labels["checks_warned"]:
        labels["failed_checks"] = random_.choice(CHECKS)
    if random_.random() < 0.003:
        labels["schema_change"] = f"added column note_{version % 97} (text)"
    return SimRun(
        _uuid(random_), table.id, expected, scheduled, "COMPLETED", "Completed", None,
        attempts, start, end + timedelta(seconds=1), _prefixed(labels),
    )  # fmt: skip


def _failed(
    table: SimTable,
    expected: datetime,
    start: datetime,
    end: datetime,
    random_: random.Random,
    *,
    checks: bool,
) -> SimRun:
    if checks:
        name = random_.choice(CHECKS)
        labels: dict[str, object] = {
            "step": "check", "error": "ChecksFailed", "checks": 4, "checks_failed": 1,
            "failed_checks": name, "rows": table.rows, "extract_seconds": 3.0,
        }  # fmt: skip
        state, message = "ChecksFailed", f"1 of 4 checks failed: {name}: 17 rows"
    else:
        error, step, text = random_.choice(ERRORS)
        labels = {"step": step, "error": error}
        state, message = "Failed", text.format(table=table.table)
    labels["table"] = table.table
    return SimRun(
        _uuid(random_), table.id, expected, True, "FAILED", state, message, 1, start, end,
        _prefixed(labels),
    )  # fmt: skip


def _noise(table: SimTable, deadline: datetime, random_: random.Random) -> SimRun:
    """A backfill, or a manual run after a good night: neither makes nor changes a slot."""
    begin = deadline + HOUR
    run = _done(table, begin, begin, begin + 5 * MINUTE, random_, scheduled=False)
    run.backfill = random_.random() < 0.5
    return run


def _prefixed(labels: dict[str, object]) -> dict[str, object]:
    return {f"duckherd.{name}": value for name, value in labels.items()}


def _uuid(random_: random.Random) -> uuid.UUID:
    return uuid.UUID(int=random_.getrandbits(128), version=4)
