"""`duckherd debug`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from duckherd.cli.connection import Connection, connect
from duckherd.cli.ending import Exit
from duckherd.cli.herd import pools_of, project_of
from duckherd.cli.output import Field, Output, Row, emit
from duckherd.cli.project import PROJECT_FILE, File
from duckherd.cli.units import duration
from duckherd.errors import DuckherdError

if TYPE_CHECKING:
    from duckherd.project import Project

_FIELDS = (
    Field("what", "WHAT"),
    Field("name", "NAME"),
    Field("result", "RESULT", style=lambda value: "green" if value == "ok" else "red"),
    Field("detail", "DETAIL"),
    Field("seconds", "TIME", show=duration, right=True),
    Field("hint"),
)


def debug(*, file: File = PROJECT_FILE, output: Output = "text") -> int:
    """Test source, lake, API and work pool, one line each.

    Each source is connected to; in each lake a small object is written and removed again;
    the Prefect API and the work pools of the project are asked. Exit code 1 if any fails.
    """
    project = project_of(file)
    rows = [_tried("project", str(file), lambda: _about(project))]
    if project is not None:
        rows += _places(project)
    rows += _prefect(project)
    emit(rows, _FIELDS, output, name="tests")
    return Exit.GOOD if all(row["result"] == "ok" for row in rows) else Exit.FAILED


def _about(project: Project | None) -> str:
    if project is None:
        raise DuckherdError("there is none here", hint="duckherd init --source URL --lake URL")
    return f"{len(project.tables):,} tables"


def _places(project: Project) -> Iterator[Row]:
    from duckherd.secrets import shape

    sources = dict.fromkeys(str(each.parameters["source"]) for each in project.tables)
    lakes = dict.fromkeys(str(each.parameters["lake"]) for each in project.tables)
    for url in sources:
        yield _tried("source", _shown(url, shape), partial(_test_source, url))
    for url in lakes:
        yield _tried("lake", url.partition("?")[0], partial(_test_lake, url))


def _shown(url: str, shape: Callable[[str], str]) -> str:
    """A source's URL without its password and options."""
    from duckherd.catalog.source import Source

    try:
        return str(Source.parse(shape(url)))
    except DuckherdError:
        return "source"


def _test_source(url: str) -> str:
    from duckherd.catalog.dialect import dialect_for
    from duckherd.catalog.source import Source
    from duckherd.secrets import guard, resolve_url

    resolved = resolve_url(url)
    with guard():
        source = Source.parse(resolved)
        return dialect_for(source).check_source(source)


def _test_lake(url: str) -> str:
    import uuid

    from duckherd.lake import open_lake
    from duckherd.secrets import guard, resolve_url

    resolved = resolve_url(url)
    with guard():
        store = open_lake(resolved).store
        path = f"_duckherd/debug-{uuid.uuid4().hex}.json"
        store.prepare()
        store.swap(path, b"{}", None)
        store.remove([path])
    return "written and removed"


def _prefect(project: Project | None) -> list[Row]:
    rows: list[Row] = []
    try:
        with connect("duckherd debug") as connection:
            rows.append(_tried("api", connection.api.url, lambda: _test_api(connection)))
            if connection.private is None and rows[0]["result"] == "ok":
                rows += [
                    _tried("work pool", n, _pool_test(connection, n)) for n in pools_of(project)
                ]
    except DuckherdError as error:
        rows.append(_failed("api", "Prefect", error))
    return rows


def _test_api(connection: Connection) -> str:
    connection.api.get("health")
    version = connection.api.get("admin/version")
    where = "a private server, only for this command" if connection.private else "answers"
    return f"Prefect {version}, {where}"


def _pool_test(connection: Connection, name: str) -> Callable[[], str]:
    from duckherd.api.work_pools import online_workers, read_work_pool
    from duckherd.cli.watching import worker_command

    def test() -> str:
        pool = read_work_pool(connection.api, name)
        if pool is None:
            raise DuckherdError("it does not exist", hint="duckherd apply --create-work-pool")
        workers = online_workers(connection.api, name)
        if pool.needs_worker and not workers:
            raise DuckherdError("no worker polls it", hint=worker_command(name, pool.type))
        if pool.status == "PAUSED":
            raise DuckherdError("it is paused", hint=f"prefect work-pool resume {name}")
        return f"type {pool.type}, workers: {', '.join(workers) or 'none needed'}"

    return test


def _tried(what: str, name: str, test: Callable[[], str]) -> Row:
    began = time.monotonic()
    try:
        detail = test()
    except DuckherdError as error:
        return {**_failed(what, name, error), "seconds": time.monotonic() - began}
    seconds = time.monotonic() - began
    return {"what": what, "name": name, "result": "ok", "detail": detail, "seconds": seconds}


def _failed(what: str, name: str, error: DuckherdError) -> dict[str, object]:
    detail = f"{error.message}; {error.hint}" if error.hint else error.message
    return {
        "what": what,
        "name": name,
        "result": "failed",
        "detail": detail,
        "hint": error.hint,
    }
