"""Fixtures of the project's tests: a file, a server with a work pool."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from duckherd.api import Api
from duckherd.project import Project, load


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a prefect.yaml of this test and gives its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "prefect.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def project(write: Callable[[str], Path]) -> Callable[[str], Project]:
    """Writes and loads a prefect.yaml of this test."""
    return lambda text: load(write(text))


@pytest.fixture
def api(prefect_api: str) -> Iterator[Api]:
    """The real server of this session, without any deployment."""
    with Api.from_environment() as api:
        for deployment in list(api.pages("deployments/filter")):
            api.delete(f"deployments/{deployment['id']}")
        yield api


@pytest.fixture
def pool(api: Api) -> Iterator[str]:
    """Name of a work pool of this test."""
    name = f"pool-{uuid.uuid4().hex[:8]}"
    api.post("work_pools/", {"name": name, "type": "process"})
    yield name
    api.delete(f"work_pools/{name}")
