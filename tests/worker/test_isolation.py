"""What runs share in `reuse`, what they never share, and what `fork` gives each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from warm_herd import Herd, wait_for


def _tell(herd: Herd, deployment: str) -> dict[str, Any]:
    out = herd.file()
    run = herd.run(deployment, out=str(out))
    assert run["state_name"] == "Completed", run["state"]
    return dict(json.loads(out.read_text()))


def test_reuse_keeps_the_process_and_its_modules(herd: Herd) -> None:
    """Runs one after the other share a process, in which the module was imported once."""
    deployment = herd.deploy("warm_flows.tell")
    # A run may be told Completed before its process is free: the next may get another one.
    told = [_tell(herd, deployment) for _ in range(4)]
    [(pid, times)] = Counter(one["pid"] for one in told).most_common(1)
    assert times > 1
    same = [one for one in told if one["pid"] == pid]
    # By the process, or by its fork server where a run in `fork` came before.
    assert len({one["imported_by"] for one in same}) == 1
    assert [one["runs"] - same[0]["runs"] for one in same] == list(range(times))


def test_fork_gives_each_run_a_fresh_process(herd: Herd) -> None:
    """Each run has a process of its own and finds the module imported but unused."""
    deployment = herd.deploy("warm_flows.tell", job_variables={"isolation": "fork"})
    first, second = _tell(herd, deployment), _tell(herd, deployment)
    assert first["pid"] != second["pid"]
    assert first["imported_by"] == second["imported_by"] not in {first["pid"], second["pid"]}
    assert first["runs"] == second["runs"] == 1


def test_nothing_leaks_into_the_next_run(herd: Herd) -> None:
    """Environment, folder, path, logging, warnings, signals and mask are as before."""
    tell, litter = herd.deploy("warm_flows.tell"), herd.deploy("warm_flows.litter")
    before = _tell(herd, tell)
    out = herd.file()
    assert herd.run(litter, out=str(out))["state_name"] == "Completed"
    after = _tell(herd, tell)
    assert int(out.read_text()) == after["pid"] == before["pid"]
    for one in (before, after):
        one.pop("runs")
        folder = Path(one.pop("cwd"))
        assert not folder.exists()
        one["env"] = {
            name: value for name, value in one["env"].items() if not name.startswith("PREFECT__")
        }
    assert after == before


def test_environment_and_folder_are_of_the_run(herd: Herd, tmp_path: Path) -> None:
    """Job variables set a run's environment and folder; others' processes do not see them."""
    own = herd.deploy(
        "warm_flows.tell",
        job_variables={"env": {"OF_THE_RUN": "1"}, "working_dir": str(tmp_path)},
    )
    seen = _tell(herd, own)
    assert (seen["env"]["OF_THE_RUN"], seen["cwd"]) == ("1", str(tmp_path))
    other = _tell(herd, herd.deploy("warm_flows.tell"))
    assert "OF_THE_RUN" not in other["env"]
    assert other["pid"] != seen["pid"]
    assert other["env"]["OF_THE_WORKER"] == "yes"


def test_a_pulled_script_runs_in_its_own_process(herd: Herd, code: Path) -> None:
    """A script that pull steps lead to is forked for, and finds its neighbours."""
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(code)}}
    deployment = herd.deploy("script.py:scripted", pull_steps=[step])
    seen = []
    for _ in range(2):
        out = herd.file()
        assert herd.run(deployment, out=str(out))["state_name"] == "Completed"
        seen.append(json.loads(out.read_text()))
    assert seen[0]["pid"] != seen[1]["pid"]
    assert (seen[0]["cwd"], seen[0]["beside"]) == (str(code), "beside")


def test_a_copied_script_runs_in_a_folder_of_its_own(herd: Herd, code: Path) -> None:
    """Without pull steps the deployment's folder is copied to one that is removed."""
    deployment = herd.deploy("script.py:scripted", path=str(code))
    out = herd.file()
    assert herd.run(deployment, out=str(out))["state_name"] == "Completed"
    folder = Path(json.loads(out.read_text())["cwd"])
    assert folder != code
    assert not folder.exists()


def test_a_module_beside_a_set_directory_is_imported(herd: Herd, tmp_path: Path) -> None:
    """A module entrypoint with `set_working_directory` is imported from there, and reused."""
    (tmp_path / "local_flow.py").write_text(
        "import os\nfrom pathlib import Path\nfrom prefect import flow\n"
        "@flow\ndef where(out: str) -> None:\n"
        "    Path(out).write_text(f'{os.getpid()} {Path.cwd()}')\n"
    )
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}
    deployment = herd.deploy("local_flow.where", pull_steps=[step])
    outs = [herd.file(), herd.file()]
    for out in outs:
        assert herd.run(deployment, out=str(out))["state_name"] == "Completed"
    first, second = (wait_for(out).split() for out in outs)
    assert first == second
    assert first[1] == str(tmp_path)
