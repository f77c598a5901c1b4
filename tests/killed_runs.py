"""Runs of one table in processes that may be killed: importable, unlike the tests themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from duckherd import flow
from duckherd.errors import DuckherdError
from duckherd.extract import retry, slices
from duckherd.parameters import IngestParameters
from duckherd.run_record import RunRecord
from duckherd.spool import open_spool

STAGES = ("extract", "check", "publish")


def run(parameters: dict[str, Any], run_id: str, spools: Path, tell: Connection) -> None:
    """The three steps of the flow with the very functions of its tasks, without Prefect's engine.

    Tells each step and waits for leave to begin it; at the end its seconds, or the error.
    """
    # A table of a megabyte is cut and tried again as if it were big.
    slices.SMALLEST = 64 * 1024
    retry._FIRST_PAUSE = 0.05
    for name, task in (
        ("extract", flow.extract),
        ("check", flow.check),
        ("publish", flow.publish_table),
    ):
        setattr(flow, task.fn.__name__, _announced(name, task.fn, tell))
    flow._whole = lambda value: value  # nobody takes the arguments out of Prefect's quotes
    # Both ask Prefect: whether a run that is dead here is over, and for a slot of the source.
    flow._is_over = lambda _run: True
    flow._source_slots = _free_slots
    valid = IngestParameters.model_validate(parameters)
    record = RunRecord(table=valid.table, lake=valid.lake)
    try:
        with open_spool(run_id, spools) as spool:
            flow._ingest(valid, run_id, spool, record)
            spool.discard()
    except DuckherdError as error:
        tell.send(f"{type(error).__name__}: {error}")
    else:
        tell.send(record.seconds)


def _announced(name: str, step: Callable[..., Any], tell: Connection) -> Callable[..., Any]:
    def announced(*arguments: Any) -> Any:
        tell.send(name)
        tell.recv()
        return step(*arguments)

    return announced


@contextlib.contextmanager
def _free_slots(*_: object) -> Iterator[None]:
    yield
