"""The deployments a command about runs means: of the project file, as the server has them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from duckherd.cli.connection import Connection, connect, will_be_private
from duckherd.cli.units import plural
from duckherd.errors import UsageError
from duckherd.runs.deployments import read_deployments
from duckherd.runs.fetch import read_last_runs
from duckherd.runs.model import Run, TableDeployment
from duckherd.server.process import Guarded
from duckherd.server.worker import WARM, local_worker

if TYPE_CHECKING:
    from duckherd.project import Project
    from duckherd.project.selection import Lookup, Selectable


@dataclass(frozen=True, slots=True)
class Herd:
    """Deployments to choose from, and their last runs as far as they were read.

    Attributes:
        deployments: on the server.
        missing: names that the project file has and the server has not.
        last: deployment id -> last run.
    """

    deployments: tuple[TableDeployment, ...]
    missing: tuple[str, ...] = ()
    last: Mapping[str, Run] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, project: Project | None) -> Herd:
        """The part of it that the project has; all of it without a project."""
        if project is None:
            return self
        names = {entry.name for entry in project.tables}
        kept = tuple(each for each in self.deployments if each.name in names)
        missing = tuple(sorted(names - {each.name for each in kept}))
        return Herd(kept, missing, self.last)


@dataclass(frozen=True, slots=True)
class Session:
    """A server on which the project's tables can run.

    Attributes:
        project: None where there is no project file: then all of the server's herd.
        workers: of our own, on a private server.
    """

    connection: Connection
    project: Project | None
    workers: tuple[Guarded, ...] = ()

    def alive(self) -> None:
        """Raise ProcessEnded when a process of ours ended by itself."""
        for worker in self.workers:
            worker.check()
        if self.connection.private is not None:
            self.connection.private.process.check()


@contextmanager
def session(command: str, file: Path) -> Iterator[Session]:
    """Where the tables of the project file run.

    On the server that is configured, as it is; else on a private one, where the file is
    applied first and workers run for as long as the session. `command` is what asks.
    """
    from duckherd.project import load

    if will_be_private():
        # Says that there is no file, or what is wrong with it, before a server is started.
        load(file)
    with connect(command) as connection, session_on(connection, file) as found:
        yield found


@contextmanager
def session_on(connection: Connection, file: Path) -> Iterator[Session]:
    """The same on a server that is already there."""
    from duckherd.project import load

    alone = connection.private is not None
    project = load(file) if alone or file.exists() else None
    with ExitStack() as stack:
        workers = start_privately(connection, project, stack) if alone and project else []
        yield Session(connection, project, tuple(workers))


def project_of(file: Path) -> Project | None:
    """The project of the file, None where there is no file."""
    from duckherd.project import load

    return load(file) if file.exists() else None


def pools_of(project: Project | None) -> list[str]:
    """Work pools of the project's tables."""
    pools = [each.config.work_pool for each in project.tables] if project else []
    return sorted({str(pool.name) for pool in pools if pool is not None and pool.name})


def read_herd(connection: Connection, project: Project | None, *, last: bool) -> Herd:
    """The project's deployments on the server, all of the herd without a project.

    Args:
        connection: the server.
        project: what limits the herd.
        last: whether their last runs are read too.
    """
    # A private server has another address each time, and is quick enough without memory.
    home = connection.home if connection.private is None else None
    herd = Herd(read_deployments(connection.api, home)).of(project)
    if not last:
        return herd
    runs = read_last_runs(connection.api, [each.id for each in herd.deployments])
    return replace(herd, last=runs)


def choose(herd: Herd, include: Sequence[str], exclude: Sequence[str]) -> list[TableDeployment]:
    """The deployments of the herd that are meant. Raises SelectionError for none."""
    from duckherd.project.selection import select

    if not herd.deployments:
        raise not_applied(herd.missing)
    return list(select(herd.deployments, include, exclude, _lookups(herd)))


def needs_runs(*selections: Sequence[str]) -> bool:
    """Whether a selection asks how runs went."""
    from duckherd.project.selection import parse

    asked = {attribute for words in selections for attribute in parse(words).attributes}
    return bool(asked & {"result", "check"})


def not_applied(missing: Sequence[str]) -> UsageError:
    """Deployments of the file that the server does not have."""
    if not missing:
        return UsageError(
            "the Prefect server has no deployment of the flow ingest-table",
            hint="duckherd init --source URL --lake URL, then duckherd apply",
        )
    shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    return UsageError(
        f"{plural(len(missing), 'deployment')} of the file not on the server: {shown}",
        hint="duckherd apply",
    )


def start_privately(connection: Connection, project: Project, stack: ExitStack) -> list[Guarded]:
    """On a private server: apply the project, with a worker starting for each work pool.

    Raises:
        UsageError: the server refused a deployment.
    """
    from duckherd.project.apply import apply, create_pools
    from duckherd.project.planning import plan_for

    plan = plan_for(project, connection.api)
    create_pools(plan, connection.api, WARM)
    plan = replace(plan, missing_pools=())
    pools = sorted({str(step.deployment.work_pool) for step in plan.steps})
    workers = [
        # Not waited for: it imports Prefect while the deployments and runs are created.
        stack.enter_context(local_worker(connection.api, pool, connection.home, wait=False))
        for pool in pools
    ]
    for outcome in apply(plan, connection.api):
        if outcome.error:
            raise UsageError(f"deployment {outcome.name} was refused: {outcome.error}")
    return workers


def _lookups(herd: Herd) -> Mapping[str, Lookup]:
    ids = {each.name: each.id for each in herd.deployments}

    def last(record: Selectable) -> Run | None:
        return herd.last.get(ids[record.name])

    def result(record: Selectable) -> Collection[str]:
        run = last(record)
        return ["missing"] if run is None else [run.outcome]

    def check(record: Selectable) -> Collection[str]:
        run = last(record)
        return ["failed"] if run is not None and run.labels.get("duckherd.checks_failed") else []

    return {"result": result, "check": check}
