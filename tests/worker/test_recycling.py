"""When a reused process is replaced."""

from __future__ import annotations

import json
from pathlib import Path

from warm_herd import Herd, wait_for


def _pid(herd: Herd, deployment: str) -> int:
    out = herd.file()
    assert herd.run(deployment, out=str(out))["state_name"] == "Completed"
    text = out.read_text()
    return int(json.loads(text)["pid"] if text.startswith("{") else text)


def test_after_so_many_runs(herd: Herd) -> None:
    """`max_runs_per_process` runs, then a new process."""
    deployment = herd.deploy("warm_flows.tell", job_variables={"max_runs_per_process": 2})
    pids = [_pid(herd, deployment) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_above_so_much_memory(herd: Herd) -> None:
    """A run that leaves the process above `max_memory_mib` is its last."""
    variables = {"max_memory_mib": 256}
    grown = _pid(herd, herd.deploy("warm_flows.grows", job_variables=variables))
    assert _pid(herd, herd.deploy("warm_flows.tell", job_variables=variables)) != grown


def test_after_a_run_that_left_threads(herd: Herd) -> None:
    """Threads of one run do not go on beside the next."""
    variables = {"max_runs_per_process": 50}
    left = _pid(herd, herd.deploy("warm_flows.leaves_thread", job_variables=variables))
    assert _pid(herd, herd.deploy("warm_flows.tell", job_variables=variables)) != left


def test_when_the_code_changed(herd: Herd, code: Path) -> None:
    """The run after a change on disk runs the new code, in both isolations."""
    for isolation in ("reuse", "fork"):
        deployment = herd.deploy("changing_flow.version", job_variables={"isolation": isolation})
        module = code / "changing_flow.py"
        for version in (f"{isolation}-two", f"{isolation}-three"):
            out = herd.file()
            herd.run(deployment, out=str(out))
            lines = module.read_text().splitlines()
            changed = [f'VERSION = "{version}"' if "VERSION =" in one else one for one in lines]
            module.write_text("\n".join(changed) + "\n")
            out = herd.file()
            herd.run(deployment, out=str(out))
            assert wait_for(out) == version
