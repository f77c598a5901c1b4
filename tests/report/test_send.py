"""The digest sent by a deployment of its own, through a notification block, on a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

import servers
from simulator import database
from simulator.fixtures import QUIET
from simulator.world import SimRun, SimTable, World
from warm_herd import Herd, warm_worker

DOCUMENTED = Path(__file__).parents[2] / "docs" / "report.md"
EVIL = "erp.sales.<script>alert(1)</script>"


class Received(list[dict[str, str]]):
    """What the loopback receiver was sent."""

    url: str


@pytest.fixture(scope="module")
def received() -> Iterator[Received]:
    """An HTTP server that keeps the JSON it is sent."""
    kept = Received()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        kept.url = f"http://127.0.0.1:{server.server_port}/hook"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield kept
        server.shutdown()


def _world() -> World:
    """An hourly table whose run three hours ago failed; all others published."""
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    table = SimTable(
        name=EVIL, id=uuid.uuid4(), owner="sales-data", tags=["owner:sales-data"],
        cron="0 * * * *", hours=tuple(range(24)), deadline=None, freshness=None, target=99.0,
        created=(now - timedelta(days=2)).date(), removed=None, paused=None, rows=10, seconds=5.0,
    )  # fmt: skip
    return World(table.created, now, [table], [_run(table, hour, back) for back in range(20)])


def _run(table: SimTable, hour: datetime, back: int) -> SimRun:
    due, failed = hour - timedelta(hours=back), back == 3
    labels = {"duckherd.published_at": due.isoformat()}
    if failed:
        labels = {"duckherd.error": "DiskOnFire", "duckherd.step": "extract"}
    state = "FAILED" if failed else "COMPLETED"
    return SimRun(
        uuid.uuid4(), table.id, due, True, state, state.title(), None, 1, due, due, labels
    )


@pytest.fixture(scope="module")
def herd(tmp_path_factory) -> Iterator[Herd]:
    """A server with that table, and a warm worker of its own cache."""
    folder = tmp_path_factory.mktemp("digest")
    with servers.prefect_server(folder, QUIET) as url, httpx.Client(timeout=30) as http:
        database.write(_world(), folder / "prefect.db")
        environment = {"DUCKHERD_CACHE": str(folder / "cache")}
        with warm_worker(url, "herd", folder, folder / "worker.log", **environment):
            yield Herd(url, http, "herd", folder)


def _python(herd: Herd, *arguments: str) -> None:
    environment = {**os.environ, "PREFECT_API_URL": herd.api}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, timeout=120)


def test_the_documented_deployment_sends_the_night(herd, received):
    """Applied as docs/report.md shows it, it sends subject and digest through the block."""
    _python(
        herd, "-c",
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block\n"
        "message = {'title': '{{subject}}', 'text': '{{body}}'}\n"
        f"Block(name='team', url={received.url!r}, json_data=message).save('team')",
    )  # fmt: skip
    example = re.search(r"```yaml\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)[1]
    assert "slack-webhook/data-team" in example
    file = herd.folder / "prefect.yaml"
    text = example.replace("slack-webhook/data-team", "custom-webhook/team")
    file.write_text("deployments:\n" + text.replace("*herd", "{name: herd}"))
    _python(herd, "-m", "duckherd.cli", "apply", "--file", str(file))
    deployment = herd.ask("GET", "/deployments/name/duckherd-digest/digest")
    run = herd.wait(herd.start(deployment["id"]), seconds=120)
    assert run["state_type"] == "COMPLETED", run["state"]
    (message,) = received
    assert message["title"].startswith("The only table due delivered in time; ")
    assert f"## {message['title']}" in message["text"]
    assert "DiskOnFire in extract: 1 run of" in message["text"]
    # Markdown lets HTML through: a table's name must not become any.
    assert "<script>" not in message["text"]
