"""However a run ends, it ends as under Prefect's process worker, and alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import servers
from warm_herd import Herd, wait_for


@pytest.mark.parametrize("isolation", ["reuse", "fork"])
def test_cancelling_stops_the_run_and_calls_its_hook(herd: Herd, isolation: str) -> None:
    """A cancelled run unwinds, its hook runs once, its state is Cancelled."""
    deployment = herd.deploy("warm_flows.cancellable", job_variables={"isolation": isolation})
    out = herd.file()
    run = herd.start(deployment, out=str(out))
    pid = int(wait_for(out))
    herd.set_state(run, "CANCELLING", "Cancelling")
    assert herd.wait(run, "Cancelled", seconds=30)["state_type"] == "CANCELLED"
    assert wait_for(Path(f"{out}.unwound")) == "yes"
    assert wait_for(Path(f"{out}.cancelled")) == "Cancelling"
    servers.wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")


def test_cancelling_spares_the_other_runs(herd: Herd) -> None:
    """Only the run that was cancelled is stopped."""
    deployment = herd.deploy("warm_flows.sleeper")
    doomed, spared = herd.file(), herd.file()
    first = herd.start(deployment, out=str(doomed))
    second = herd.start(deployment, out=str(spared), seconds=6)
    wait_for(doomed)
    wait_for(spared)
    herd.set_state(first, "CANCELLING", "Cancelling")
    assert herd.wait(first, "Cancelled")["state_type"] == "CANCELLED"
    assert herd.wait(second)["state_name"] == "Completed"


@pytest.mark.parametrize(
    ("how", "reason"), [("exit", "code: 3"), ("segfault", "code: -11"), ("kill", "code: -9")]
)
def test_a_crash_is_reported_with_its_reason(herd: Herd, how: str, reason: str) -> None:
    """The run is Crashed, its hook runs, the run beside it completes, the slot is free again."""
    beside = herd.start(herd.deploy("warm_flows.sleeper"), out=str(herd.file()), seconds=4)
    out = herd.file()
    run = herd.run(herd.deploy("warm_flows.crash"), out=str(out), how=how)
    assert run["state_name"] == "Crashed"
    assert reason in run["state"]["message"]
    assert reason in wait_for(Path(f"{out}.crashed"))
    assert herd.wait(beside)["state_name"] == "Completed"
    again = herd.run(herd.deploy("warm_flows.tell"), out=str(herd.file()))
    assert again["state_name"] == "Completed"


def test_a_killed_process_crashes_its_run_only(herd: Herd) -> None:
    """`kill -9` from outside, as the kernel does when memory runs out."""
    out = herd.file()
    run = herd.start(herd.deploy("warm_flows.sleeper"), out=str(out))
    os.kill(int(wait_for(out)), signal.SIGKILL)
    crashed = herd.wait(run)
    assert crashed["state_name"] == "Crashed"
    assert "SIGKILL" in crashed["state"]["message"]


def test_a_terminated_process_crashes_its_run(herd: Herd) -> None:
    """SIGTERM from outside is no cancellation."""
    out = herd.file()
    run = herd.start(herd.deploy("warm_flows.sleeper"), out=str(out))
    os.kill(int(wait_for(out)), signal.SIGTERM)
    assert herd.wait(run)["state_name"] == "Crashed"


def test_a_timeout_ends_the_run_and_its_process(herd: Herd) -> None:
    """`timeout_seconds` gives TimedOut; what it interrupted is not used again."""
    out = herd.file()
    run = herd.run(herd.deploy("warm_flows.too_slow"), out=str(out))
    assert (run["state_type"], run["state_name"]) == ("FAILED", "TimedOut")
    told = herd.file()
    herd.run(herd.deploy("warm_flows.tell"), out=str(told))
    assert f'"pid": {out.read_text()},' not in told.read_text()


def test_retries(herd: Herd) -> None:
    """A flow with retries is run again, as the same flow run."""
    run = herd.run(herd.deploy("warm_flows.second_time_lucky"), out=str(herd.file()))
    assert (run["state_name"], run["run_count"]) == ("Completed", 2)


def test_failure_and_its_hook(herd: Herd) -> None:
    """A flow that raises is Failed and its `on_failure` hook runs."""
    out = herd.file()
    assert herd.run(herd.deploy("warm_flows.fail"), out=str(out))["state_name"] == "Failed"
    assert "as told" in wait_for(Path(f"{out}.failed"))


def test_parameters_that_do_not_validate(herd: Herd) -> None:
    """The run fails with the reason before the flow is called."""
    run = herd.run(herd.deploy("warm_flows.sleeper"), out="x", seconds="many")
    assert run["state_name"] == "Failed"
    assert "seconds" in run["state"]["message"]


def test_a_module_that_fails_to_import(herd: Herd) -> None:
    """That run has the traceback in its logs; the process goes on with the next run."""
    out = herd.file()
    herd.run(herd.deploy("warm_flows.tell"), out=str(out))
    run = herd.run(herd.deploy("broken_flow.never"))
    assert run["state_name"] == "Crashed"
    assert herd.logs(run["id"], "broken on purpose")
    again = herd.file()
    assert herd.run(herd.deploy("warm_flows.tell"), out=str(again))["state_name"] == "Completed"
    assert again.read_text().split(",")[0] == out.read_text().split(",")[0]
