"""The local server answers as Prefect's own does: one conversation, held with both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import servers
from duckherd.server.local import local_server
from duckherd.worker import server_settings

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)?")
TOKEN = re.compile(r'"(name|lease_id)": "[a-z]+-[a-z]+"')
MEASURED = re.compile(r'"(total_run_time|estimated_\w+)": [-\d.e]+')


class Conversation:
    """Questions to one server, and its answers with what differs by nature left out."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.heard: list[tuple[str, int, str]] = []
        self._ids: dict[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        content = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json", **options.pop("headers", {})}
        answer = self.http.request(method, path, content=content, headers=headers, **options)
        self._hear(f"{method} {path}", answer)
        return answer.json() if answer.content else None

    def ask_untyped(self, path: str, body: object) -> Any:
        """As old clients do: a body without a content type."""
        request = self.http.build_request("POST", path, content=json.dumps(body))
        request.headers.pop("content-type", None)
        answer = self.http.send(request)
        self._hear(f"untyped {path}", answer)
        return answer.json()

    def set(self, run: str, type_: str, name: str | None = None, **details: Any) -> Any:
        state = {"type": type_, "name": name, "state_details": details}
        return self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state})

    def _hear(self, question: str, answer: httpx.Response) -> None:
        text = answer.text
        if "json" in answer.headers.get("content-type", ""):
            text = json.dumps(answer.json(), sort_keys=True)
        for pattern, token in ((TIME, "TIME"), (TOKEN, r'"\1": "WORDS"'), (MEASURED, r'"\1": 0')):
            text = pattern.sub(token, text)
        self.heard.append((self._same(question), answer.status_code, self._same(text)))

    def _same(self, text: str) -> str:
        return UUID.sub(lambda found: self._ids.setdefault(found[0], f"#{len(self._ids)}"), text)


def converse(http: httpx.Client) -> list[tuple[str, int, str]]:
    """What workers, engines, the UI and their mistakes ask."""
    say = Conversation(http)
    flow = say.ask("POST", "/flows/", {"name": "tiny"})["id"]
    say.ask("POST", "/work_pools/", {"name": "pool", "type": "warm"})
    limited = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "ENQUEUE"}}
    deployments = [
        say.ask(
            "POST",
            "/deployments/",
            {"flow_id": flow, "name": name, "work_pool_name": "pool", "schedules": [], **more},
        )["id"]
        for name, more in (("free", {}), ("limited", limited))
    ]
    due = {"state": {"type": "SCHEDULED"}}
    for deployment in deployments:
        first, second = (
            say.ask("POST", f"/deployments/{deployment}/create_flow_run", due)["id"]
            for _ in range(2)
        )
        for run in (first, second):
            say.set(run, "PENDING")
            say.set(run, "PENDING")
        for run in (first, second):
            say.set(run, "RUNNING")
        say.ask("PATCH", f"/flow_runs/{first}", {"flow_version": "1", "infrastructure_pid": "7"})
        say.ask("PATCH", f"/flow_runs/{first}/labels", {"duckherd.rows": 1})
        say.ask("PATCH", f"/flow_runs/{first}/labels", {"duckherd.rows": 2, "other": "x"})
        say.ask("GET", f"/flow_runs/{first}")
        say.set(first, "COMPLETED")
        say.set(first, "RUNNING")
        say.set(second, "RUNNING")
        say.set(second, "PAUSED", pause_timeout="2099-01-01T00:00:00Z", pause_key="key")
        say.ask("POST", f"/flow_runs/{second}/resume", {})
        say.set(second, "CANCELLING")
        say.set(second, "CANCELLED")
        say.ask("GET", f"/flow_runs/{second}")
        say.ask("GET", f"/deployments/{deployment}")
    failing = say.ask("POST", f"/deployments/{deployments[0]}/create_flow_run", due)["id"]
    for state in ("PENDING", "RUNNING", "FAILED", "CRASHED", "SCHEDULED"):
        say.set(failing, state)
    say.ask("PATCH", f"/flow_runs/{failing}", {"empirical_policy": {"retries": 1}})
    by_id = {"flow_runs": {"id": {"any_": [failing]}}}
    say.ask("POST", "/flow_runs/filter", by_id)
    say.ask("POST", "/flow_runs/count", by_id)
    say.ask("POST", "/work_pools/pool/get_scheduled_flow_runs", {})
    say.ask_untyped("/flow_runs/filter", by_id)
    unknown = "00000000-0000-4000-8000-000000000000"
    say.set(unknown, "RUNNING")
    say.ask("PATCH", f"/flow_runs/{unknown}/labels", {"a": "b"})
    say.ask("GET", f"/flow_runs/{unknown}")
    say.ask("POST", f"/flow_runs/{failing}/set_state", {"state": {"type": "NOTHING"}})
    say.ask("GET", "/health", headers={"x-prefect-api-version": "0.0.1"})
    say.ask("POST", "/flows/filter", {}, headers={"x-prefect-api-version": "0.0.1"})
    say.ask("POST", "/flows/filter", {}, headers={"x-prefect-api-version": "x"})
    say.ask("POST", "/artifacts/", {"key": "k", "data": "text", "flow_run_id": failing})
    say.ask("DELETE", f"/deployments/{deployments[1]}")
    return say.heard


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server of `duckherd up`."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with local_server(tmp_path / "own", server_settings(), command="pytest") as server:
        yield server.url


def test_every_answer_is_the_same(own: str, tmp_path: Path, postgres_url: str) -> None:
    """Status and body, times and ids apart."""
    database = postgres_url.replace("postgresql://", "postgresql+asyncpg://", 1)
    env = {"PREFECT_API_DATABASE_CONNECTION_URL": database, **server_settings()}
    with servers.prefect_server(tmp_path, env) as prefects:
        answers = []
        for url in (prefects, own):
            with httpx.Client(base_url=url, timeout=60) as http:
                answers.append(converse(http))
    theirs, ours = answers
    assert len(theirs) > 60
    for their, our in zip(theirs, ours, strict=True):
        assert our == their
