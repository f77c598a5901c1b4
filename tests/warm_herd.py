"""A client of a Prefect server in the words of the worker's tests, and the worker they start."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import servers

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


@dataclass(frozen=True)
class Herd:
    """What the tests ask of Prefect's API, in the words of the tests."""

    api: str
    http: httpx.Client
    pool: str
    folder: Path

    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, self.api + path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def deploy(self, entrypoint: str, **fields: Any) -> str:
        """Create or update a deployment; its id."""
        name = entrypoint.rpartition(".")[2].rpartition(":")[2]
        flow = self.ask("POST", "/flows/", {"name": name.replace("_", "-")})
        fields.setdefault("name", f"{name}-{time.monotonic_ns()}")
        fields.setdefault("work_pool_name", self.pool)
        body = {"flow_id": flow["id"], "entrypoint": entrypoint, **fields}
        return str(self.ask("POST", "/deployments/", body)["id"])

    def start(self, deployment: str, **parameters: Any) -> str:
        """Create a flow run that is due now; its id."""
        body = {"state": {"type": "SCHEDULED"}, "parameters": parameters}
        return str(self.ask("POST", f"/deployments/{deployment}/create_flow_run", body)["id"])

    def get(self, run: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/flow_runs/{run}"))

    def wait(self, run: str, *states: str, seconds: float = 90) -> dict[str, Any]:
        """The flow run once it is in one of these states, by name, or any final one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.get(run)
            if found["state_name"] in states or (not states and found["state_type"] in FINAL):
                return found
            time.sleep(0.1)
        raise TimeoutError(f"{run} is {self.get(run)['state']}, not {states or 'final'}")

    def run(self, deployment: str, **parameters: Any) -> dict[str, Any]:
        """A flow run, from its creation to its final state."""
        return self.wait(self.start(deployment, **parameters))

    def logs(self, run: str, expected: str, seconds: float = 30) -> list[str]:
        """Log messages of a run, once one contains `expected`."""
        deadline = time.monotonic() + seconds
        body = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        while time.monotonic() < deadline:
            found = [log["message"] for log in self.ask("POST", "/logs/filter", body)]
            if any(expected in message for message in found):
                return found
            time.sleep(0.2)
        raise TimeoutError(f"no log of {run} has {expected!r}: {found}")

    def set_state(self, run: str, type_: str, name: str, **more: Any) -> None:
        state = {"type": type_, "name": name, **more}
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state})

    def file(self) -> Path:
        """A path no other test uses."""
        return self.folder / f"out-{time.monotonic_ns()}"


def wait_for(path: Path, seconds: float = 60) -> str:
    """Text of a file a flow writes, once it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise TimeoutError(f"{path} was not written")


@contextlib.contextmanager
def warm_worker(
    api: str, pool: str, code: Path, log: Path, *options: str, **env: str
) -> Iterator[Any]:
    """A warm worker of its own process."""
    with servers.process(
        [sys.executable, "-m", "duckherd.worker", "--pool", pool, *options],
        log,
        env={
            "PREFECT_API_URL": api,
            "PYTHONPATH": os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")]),
            "PREFECT_WORKER_QUERY_SECONDS": "5",
            "OF_THE_WORKER": "yes",
            **env,
        },
    ) as process:
        servers.wait_until(
            lambda: b"started!" in log.read_bytes() or process.poll() is not None, "worker"
        )
        yield process
