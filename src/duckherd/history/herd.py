"""Which of the server's objects are the herd's."""

from __future__ import annotations

from typing import Any

FLOW = "ingest-table"
"""Name of the flow whose deployments and runs are the herd."""

FLOWS: dict[str, Any] = {"name": {"any_": [FLOW]}}
"""The same as the `flows` filter of Prefect's API."""
