"""What Prefect's server and engine promise, kept by warm processes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from warm_herd import Herd, wait_for


def test_task_runs_logs_and_artifacts_are_complete(herd: Herd) -> None:
    """Everything the run leaves behind is found through the API."""
    run = herd.run(herd.deploy("warm_flows.complete"))
    assert run["state_name"] == "Completed"
    assert run["infrastructure_pid"]
    logs = herd.logs(run["id"], "Finished in state")
    assert {"from the logger", "from print"} <= set(logs)
    of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    tasks = _eventually(herd, "/task_runs/filter", of_run)
    assert [(task["name"][:4], task["state_name"]) for task in tasks] == [("add-", "Completed")]
    artifacts = herd.ask("POST", "/artifacts/filter", of_run)
    assert [artifact["key"] for artifact in artifacts] == ["of-the-test"]


def test_subflows_and_submitted_tasks(herd: Herd) -> None:
    """Mapped and submitted tasks and a subflow run; the subflow is a run of its own."""
    run = herd.run(herd.deploy("warm_flows.outer"))
    assert run["state_name"] == "Completed", run["state"]
    body = {"flow_runs": {"parent_flow_run_id": {"any_": [run["id"]]}}}
    children = _eventually(herd, "/flow_runs/filter", body)
    assert [child["state_name"] for child in children] == ["Completed"]


def test_tasks_in_subprocesses(herd: Herd) -> None:
    """A process pool task runner starts its processes from a warm one."""
    assert herd.run(herd.deploy("warm_flows.in_processes"))["state_name"] == "Completed"


def test_asynchronous_flows_run_on_the_main_thread(herd: Herd) -> None:
    """Only there can a run be cancelled by a signal."""
    out = herd.file()
    assert herd.run(herd.deploy("warm_flows.asynchronous"), out=str(out))["state_name"] == (
        "Completed"
    )
    assert out.read_text() == "True"


def test_pause_and_resume(herd: Herd) -> None:
    """A paused run waits in its process and goes on when resumed."""
    out = herd.file()
    run = herd.start(herd.deploy("warm_flows.pauses"), out=str(out))
    herd.wait(run, "Paused")
    herd.ask("POST", f"/flow_runs/{run}/resume", {})
    assert herd.wait(run)["state_name"] == "Completed"
    assert wait_for(Path(f"{out}.after")) == "after"


def test_suspend_and_resume(herd: Herd) -> None:
    """A run that suspends itself leaves its process and is started again when resumed."""
    out = herd.file()
    run = herd.start(herd.deploy("warm_flows.suspends"), out=str(out))
    herd.wait(run, "Suspended")
    herd.ask("POST", f"/flow_runs/{run}/resume", {})
    assert herd.wait(run)["state_name"] == "Completed"
    assert wait_for(Path(f"{out}.after")) == "after"


def test_a_run_suspended_from_outside_stops_at_its_next_task(herd: Herd) -> None:
    """Suspending in the UI reaches the running process."""
    out = herd.file()
    run = herd.start(herd.deploy("warm_flows.steps"), out=str(out))
    wait_for(out)
    details = {"pause_timeout": "2099-01-01T00:00:00Z", "pause_reschedule": True}
    herd.set_state(run, "PAUSED", "Suspended", state_details=details)
    tell = herd.deploy("warm_flows.tell")
    for _ in range(4):  # the other slots are not blocked by it
        assert herd.run(tell, out=str(herd.file()))["state_name"] == "Completed"
    stopped = out.read_text()
    assert herd.get(run)["state_name"] == "Suspended"
    herd.run(tell, out=str(herd.file()))
    assert out.read_text() == stopped


def test_a_scheduled_run_starts_when_it_is_due(herd: Herd) -> None:
    """A run polled before its time holds no slot and starts neither early nor at a later poll."""
    due = datetime.now(UTC) + timedelta(seconds=6)
    details = {"scheduled_time": due.isoformat()}
    body = {"state": {"type": "SCHEDULED", "state_details": details}, "parameters": {}}
    body["parameters"] = {"out": str(herd.file())}
    path = f"/deployments/{herd.deploy('warm_flows.tell')}/create_flow_run"
    run = herd.wait(herd.ask("POST", path, body)["id"])
    assert run["state_name"] == "Completed"
    assert datetime.fromisoformat(run["start_time"]) >= due


def test_deployment_concurrency_limit(herd: Herd) -> None:
    """Two runs of a deployment limited to one do not overlap."""
    deployment = herd.deploy("warm_flows.takes", concurrency_limit=1)
    _assert_one_after_the_other(herd, [deployment] * 2, seconds=180)


def test_global_concurrency_limit(herd: Herd) -> None:
    """Runs that ask for a global limit's one slot do not overlap."""
    body = {"name": "of-the-test", "limit": 1, "active": True}
    herd.ask("POST", "/v2/concurrency_limits/", body)
    _assert_one_after_the_other(herd, [herd.deploy("warm_flows.exclusive")] * 3)


def test_work_queue_limit_and_priority(herd: Herd) -> None:
    """A queue's limit holds; the queue with the higher priority is served first."""
    for name, priority in (("urgent", 1), ("idle", 9)):
        body = {"name": name, "priority": priority, "concurrency_limit": 1}
        herd.ask("POST", f"/work_pools/{herd.pool}/queues", body)
    deployments = {
        name: herd.deploy("warm_flows.takes", work_queue_name=name) for name in ("urgent", "idle")
    }
    # One poll must see all of them: the less urgent ones are created first and would win else.
    herd.ask("PATCH", f"/work_pools/{herd.pool}", {"is_paused": True, "concurrency_limit": 1})
    outs = [(name, herd.file()) for name in ("idle", "idle", "urgent", "urgent")]
    runs = [herd.start(deployments[name], out=str(out)) for name, out in outs]
    herd.ask("PATCH", f"/work_pools/{herd.pool}", {"is_paused": False})
    for run in runs:
        assert herd.wait(run)["state_name"] == "Completed"
    herd.ask("PATCH", f"/work_pools/{herd.pool}", {"concurrency_limit": None})
    times = sorted((*json.loads(out.read_text()), name) for name, out in outs)
    assert [name for *_, name in times] == ["urgent", "urgent", "idle", "idle"]
    assert all(one[1] <= other[0] for one, other in pairwise(times))


def test_a_changed_deployment_is_noticed(herd: Herd) -> None:
    """The next run of an updated deployment has the new entrypoint and job variables."""
    out, again = herd.file(), herd.file()
    herd.run(herd.deploy("warm_flows.tell", name="changes"), out=str(out))
    flow = herd.ask("POST", "/flows/", {"name": "tell"})["id"]
    body = {
        "name": "changes",
        "flow_id": flow,
        "entrypoint": "warm_flows.tell",
        "work_pool_name": herd.pool,
        "job_variables": {"env": {"CHANGED": "1"}},
    }
    deployment = herd.ask("POST", "/deployments/", body)["id"]
    herd.run(deployment, out=str(again))
    assert "CHANGED" not in json.loads(out.read_text())["env"]
    assert json.loads(again.read_text())["env"]["CHANGED"] == "1"


def _assert_one_after_the_other(herd: Herd, deployments: list[str], seconds: float = 90) -> None:
    outs = [herd.file() for _ in deployments]
    runs = [
        herd.start(deployment, out=str(out))
        for deployment, out in zip(deployments, outs, strict=True)
    ]
    for run in runs:
        assert herd.wait(run, seconds=seconds)["state_name"] == "Completed"
    times = sorted(json.loads(out.read_text()) for out in outs)
    assert all(before[1] <= after[0] for before, after in pairwise(times))


def _eventually(herd: Herd, path: str, body: object) -> list[dict[str, Any]]:
    """What a filter finds, once it finds anything that is final."""
    for _ in range(100):
        found: list[dict[str, Any]] = herd.ask("POST", path, body)
        if found and all(one["state_name"] == "Completed" for one in found):
            return found
        time.sleep(0.2)
    raise TimeoutError(f"{path} found {found}")
