"""Events of a quick task: one where it succeeded at once, all of them where it did not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import Event
from prefect.states import AwaitingRetry, Completed, Failed, Pending, Running

from duckherd.worker import quick_tasks
from duckherd.worker.quick_tasks import QuickTasks
from servers import wait_until


@dataclass
class Told:
    """Stands where Prefect's own function would; remembers what it was asked to tell."""

    events: list[tuple[str, str | None]] = field(default_factory=list)
    runs: list[TaskRun] = field(default_factory=list)

    def __call__(
        self, run: TaskRun, before: State[Any] | None, state: State[Any], follows: Event | None
    ) -> Event:
        self.events.append((state.name or "", cast("str | None", follows)))
        self.runs.append(run)
        return cast("Event", state.name)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture
def told() -> Told:
    """What was told."""
    return Told()


@pytest.fixture
def quick(told: Told) -> QuickTasks:
    """Only tasks named `extract` are quick."""
    return QuickTasks(told, lambda run: run.name == "extract")


def task_run(name: str = "extract") -> TaskRun:
    """A task run before its first state."""
    return TaskRun(
        id=uuid4(), name=name, task_key=name, dynamic_key="0", flow_run_id=uuid4(), run_count=0
    )


def through(quick: QuickTasks, run: TaskRun, *states: State[Any]) -> None:
    """Set the states in turn, as Prefect's engine does."""
    before, last = None, None
    for state in states:
        run.state = state
        run.run_count += state.is_running()
        last = quick(run, before, state, last)
        before = state


def test_a_quick_success_is_one_event(quick: QuickTasks, told: Told) -> None:
    """It follows no event that was never told, and nothing is left to tell."""
    through(quick, task_run(), Pending(), Running(), Completed())
    assert told.events == [("Completed", None)]
    assert not quick._held


def test_a_slow_task_is_told_while_it_runs(
    quick: QuickTasks, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event as it was when it happened, in order, each naming the one before."""
    monkeypatch.setattr(quick_tasks, "HELD_SECONDS", 0.05)
    run = task_run()
    through(quick, run, Pending(), Running())
    run.name = "changed later"
    wait_until(lambda: len(told.events) == 2, "the first events", 20)
    assert [one.name for one in told.runs] == ["extract"] * 2
    assert [one.run_count for one in told.runs] == [0, 1]
    run.name = "extract"
    quick(run, run.state, Completed())
    assert told.events == [("Pending", None), ("Running", "Pending"), ("Completed", "Running")]


@pytest.mark.parametrize("end", [Failed(), AwaitingRetry()])
def test_any_other_end_is_told_whole(quick: QuickTasks, told: Told, end: State[Any]) -> None:
    """Somebody will want to know how it came to that."""
    through(quick, task_run(), Pending(), Running(), end)
    assert told.names == ["Pending", "Running", end.name]


def test_a_retry_that_succeeds_shows_what_failed(quick: QuickTasks, told: Told) -> None:
    """Only the start of the attempt that succeeded at once is left out."""
    through(quick, task_run(), Pending(), Running(), AwaitingRetry(), Running(), Completed())
    assert told.names == ["Pending", "Running", "AwaitingRetry", "Completed"]


def test_tasks_of_others_pass(quick: QuickTasks, told: Told) -> None:
    """Automations may wait for any of their events."""
    through(quick, task_run("theirs"), Pending(), Running(), Completed())
    assert told.events == [("Pending", None), ("Running", "Pending"), ("Completed", "Running")]
