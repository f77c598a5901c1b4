# ruff: noqa: D103, ASYNC240 - flows named for what they do
"""Flows of the worker's tests; each does one thing a worker must cope with."""

import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

from prefect import flow, get_run_logger, pause_flow_run, suspend_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.concurrency.sync import concurrency
from prefect.task_runners import ProcessPoolTaskRunner

IMPORTED_BY = os.getpid()
RUNS_OF_THIS_MODULE = []


@task
def add(x: int, y: int) -> int:
    return x + y


@flow(log_prints=True)
def tell(out: str) -> None:
    """Write down what the run sees around it."""
    RUNS_OF_THIS_MODULE.append(out)
    handler = signal.getsignal(signal.SIGUSR1)
    seen = {
        "pid": os.getpid(),
        "imported_by": IMPORTED_BY,
        "runs": len(RUNS_OF_THIS_MODULE),
        "cwd": str(Path.cwd()),
        "env": dict(os.environ),
        "path": sys.path,
        "root_level": logging.getLogger().level,
        "own_level": logging.getLogger("warm_flows").level,
        "root_handlers": len(logging.getLogger().handlers),
        "filters": len(warnings.filters),
        "handler": str(handler),
        "argv": sys.argv,
        "umask": os.umask(0o022),
    }
    os.umask(seen["umask"])
    print("told")
    Path(out).write_text(json.dumps(seen))


@flow
def litter(out: str) -> None:
    """Change everything a tidy flow would leave alone."""
    os.environ["LITTER"] = "1"
    os.environ.pop("OF_THE_WORKER", None)
    os.environ["PREFECT_LOGGING_LEVEL"] = "DEBUG"
    os.chdir("/")
    sys.path.insert(0, "/litter")
    sys.argv.append("litter")
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("warm_flows").setLevel(logging.DEBUG)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.umask(0o077)
    Path(out).write_text(str(os.getpid()))


@flow
def sleeper(out: str, seconds: float = 60) -> None:
    Path(out).write_text(str(os.getpid()))
    time.sleep(seconds)
    Path(out + ".done").write_text("slept")


def _note_cancelled(flow, flow_run, state) -> None:
    Path(flow_run.parameters["out"] + ".cancelled").write_text(state.name)


def _note_crashed(flow, flow_run, state) -> None:
    Path(flow_run.parameters["out"] + ".crashed").write_text(state.message)


def _note_failed(flow, flow_run, state) -> None:
    Path(flow_run.parameters["out"] + ".failed").write_text(state.message)


@flow(on_cancellation=[_note_cancelled])
def cancellable(out: str) -> None:
    Path(out).write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        Path(out + ".unwound").write_text("yes")


@flow(on_crashed=[_note_crashed])
def crash(out: str, how: str) -> None:
    Path(out).write_text(str(os.getpid()))
    if how == "exit":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


@flow(on_failure=[_note_failed])
def fail(out: str) -> None:
    raise ValueError("as told")


@flow(timeout_seconds=1)
def too_slow(out: str) -> None:
    Path(out).write_text(str(os.getpid()))
    time.sleep(30)


@flow(retries=1)
def second_time_lucky(out: str) -> None:
    if not Path(out).exists():
        Path(out).write_text("once")
        raise ValueError("first time")


@flow(log_prints=True)
def complete() -> int:
    """Leave a task run, logs and an artifact."""
    get_run_logger().info("from the logger")
    print("from print")
    create_markdown_artifact("# found", key="of-the-test")
    return add(1, 2)


@flow
def inner(x: int) -> int:
    return add(x, 1)


@flow
def outer() -> int:
    """Subflow, submitted and mapped tasks."""
    futures = add.map([1, 2, 3], 1)
    return inner(sum(future.result() for future in futures) + add.submit(1, 1).result())


@flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
def in_processes() -> int:
    return sum(future.result() for future in add.map([1, 2], 1))


@flow
async def asynchronous(out: str) -> None:
    on_main = threading.current_thread() is threading.main_thread()
    Path(out).write_text(str(on_main))


@flow
def pauses(out: str) -> None:
    Path(out).write_text("before")
    pause_flow_run(timeout=60, poll_interval=1)
    Path(out + ".after").write_text("after")


@flow
def suspends(out: str) -> None:
    if Path(out).exists():
        Path(out + ".after").write_text("after")
        return
    Path(out).write_text("before")
    suspend_flow_run(timeout=60)


@flow
def steps(out: str) -> None:
    for number in range(200):
        add(number, 1)
        Path(out).write_text(str(number))
        time.sleep(0.1)


@flow
def leaves_thread(out: str) -> None:
    Path(out).write_text(str(os.getpid()))
    threading.Thread(target=time.sleep, args=(3,), name="left-behind").start()


@flow
def grows(out: str) -> None:
    Path(out).write_text(str(os.getpid()))
    RUNS_OF_THIS_MODULE.append(bytearray(os.urandom(1)) * (300 * 2**20))


@flow
def exclusive(out: str) -> None:
    """Show the time it held the global limit `of-the-test`."""
    with concurrency("of-the-test", occupy=1):
        start = time.time()
        time.sleep(0.7)
        Path(out).write_text(json.dumps([start, time.time()]))


@flow
def takes(out: str, seconds: float = 0.7) -> None:
    start = time.time()
    time.sleep(seconds)
    Path(out).write_text(json.dumps([start, time.time()]))
