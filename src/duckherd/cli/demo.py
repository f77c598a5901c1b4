"""`duckherd demo`."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from duckherd.api.settings import prefect_home
from duckherd.cli.connection import Connection, private, will_be_private
from duckherd.cli.ending import Exit
from duckherd.cli.herd import choose, read_herd, session_on
from duckherd.cli.units import count, duration, plural, size
from duckherd.cli.watching import Batch, Result, report, run_and_watch
from duckherd.demo.proof import Claim, files_of, others_alike, repaired_alike, runs_as_told
from duckherd.demo.shop import BROKEN, ITEMS, REPAIR
from duckherd.errors import UsageError

_POOL = "duckherd-demo"
_DATABASE, _LAKE, _PROJECT = Path("shop.db"), Path("lake"), Path("prefect.yaml")
_OURS = {"shop.db", "lake", "prefect.yaml", ".prefect"}


def demo(folder: Path = Path("duckherd-demo"), *, scale: float = 1.0) -> int:
    """Show all of it on a sample shop database.

    Makes a folder with a SQLite database of 33 tables and two views, runs `init`, `apply`
    and `run` on it, shows the one table that fails its check without touching the others,
    repairs its data, runs `retry`, and proves what it says: each published file is compared
    with its table, the flow runs are counted through Prefect's API. Exit code 1 if anything
    it claims is false. It uses a private Prefect server, never one that is configured.

    Args:
        folder: Folder to make; the folder of an earlier demo is made anew.
        scale: Share of the sample's rows to make, from 0.01 for a quick look to 1.
    """
    if not 0.01 <= scale <= 1:
        raise UsageError(f"--scale {scale:g} is not between 0.01 and 1")
    began = time.monotonic()
    home, environment = _home(folder.absolute())
    _prepare(folder)
    with _inside(folder):
        _generate(scale)
        _command("init", "--source sqlite:///shop.db --lake lake --work-pool", _POOL)
        _init()
        with private(home, "duckherd demo") as connection:
            claims = _show(connection)
    return _end(folder, claims, environment, time.monotonic() - began)


def _show(connection: Connection) -> list[Claim]:
    """Apply, run, repair, retry; what is claimed of it."""
    since = datetime.now(UTC)
    _command("apply")
    with session_on(connection, _PROJECT) as here:
        herd = read_herd(connection, here.project, last=False)
        _say(f"{plural(len(herd.deployments), 'deployment')} created, one for each table")
        _command("run")
        first = run_and_watch(Batch(connection.api, herd.deployments, alive=here.alive))
        report(first, "text", "duckherd retry")
        claims, before = [others_alike(_DATABASE, _LAKE)], files_of(_LAKE)
        _repair(first)
        _command("retry", BROKEN)
        again = tuple(choose(herd, [BROKEN], []))
        report(run_and_watch(Batch(connection.api, again, alive=here.alive)), "text", "")
        claims += repaired_alike(_DATABASE, _LAKE, before)
        claims += runs_as_told(connection.api, herd.deployments, _DATABASE, since)
    return claims


def _home(folder: Path) -> tuple[Path, Mapping[str, str]]:
    """Prefect home for the demo, and the environment in which the next commands find it.

    The user's own, so that the next commands need nothing; but a home of its own where
    these would speak to another server.
    """
    home = prefect_home()
    if will_be_private():
        return home, MappingProxyType({})
    return folder / ".prefect", MappingProxyType(
        {"PREFECT_HOME": ".prefect", "PREFECT_PROFILE": "ephemeral", "PREFECT_API_URL": ""}
    )


def _prepare(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="duckherd demo OTHER-FOLDER")
    there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if there - _OURS or (there and _DATABASE.name not in there):
        raise UsageError(
            f"{folder} holds other things than an earlier demo: {sorted(there - _OURS)[:3]}",
            hint="duckherd demo OTHER-FOLDER",
        )
    # The Prefect home of an earlier demo stays: it is a history like any other.
    shutil.rmtree(folder / _LAKE, ignore_errors=True)
    for name in (_DATABASE, _PROJECT):
        (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _generate(scale: float) -> None:
    from duckherd.demo.generate import generate

    began = time.monotonic()
    rows = generate(_DATABASE, scale=scale)
    _say(
        f"shop.db: {count(rows)} rows, {count(int(ITEMS * scale))} of them in order_items, "
        f"{size(_DATABASE.stat().st_size)}, in {duration(time.monotonic() - began)}"
    )


def _init() -> None:
    from duckherd.project.create import create
    from duckherd.project.scaffold import Scaffold

    options = Scaffold(name="", source=f"sqlite:///{_DATABASE}", lake=str(_LAKE), work_pool=_POOL)
    made = create(_PROJECT, options)
    _say(f"{made.path}: {plural(made.tables, 'deployment')}")


def _repair(first: Result) -> None:
    from duckherd.demo.generate import repair

    good = len(first.runs) - len(first.bad)
    _say(f"\nThe other {plural(good, 'table')} are published. Now the data are repaired:")
    _say(f'$ sqlite3 shop.db "{REPAIR}"')
    _say(f"{plural(repair(_DATABASE), 'row')} repaired")


def _command(*words: str) -> None:
    _say(f"\n$ duckherd {' '.join(words)}")


def _say(text: str) -> None:
    # A demo is read, not parsed: all it says is its output.
    print(text, flush=True)


def _end(folder: Path, claims: list[Claim], environment: Mapping[str, str], seconds: float) -> int:
    _say("\nProved just now:")
    for claim in claims:
        _say(f"  {'ok   ' if claim.true else 'FALSE'} {claim.text}")
        for line in claim.wrong:
            _say(f"        {line}")
    if not all(claim.true for claim in claims):
        return Exit.FAILED
    _say(f"\nDone in {duration(seconds)}. Open {folder / _PROJECT} and {folder / _LAKE}, and try:")
    _say(f"  cd {shlex.quote(str(folder))}")
    for name, value in environment.items():
        _say(f"  export {name}={value}")
    for command, why in _NEXT:
        _say(f"  {command:<26}{why}")
    return Exit.GOOD


_NEXT = (
    ("duckherd status", "what is going on and why"),
    ("duckherd run 'order*'", "a few tables again"),
    ("duckherd plan", "what apply would do after a change"),
    ("duckherd up", "Prefect's UI with these runs, until Ctrl-C"),
)
