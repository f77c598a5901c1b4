"""What is remembered of deployments is what the server has, on a real server."""

from __future__ import annotations

import json
import uuid

import pytest

from duckherd.api.client import Api
from duckherd.history.herd import FLOW
from duckherd.parameters import FLOW_NAME
from duckherd.runs.deployments import read_deployments


@pytest.fixture
def api(prefect_api):
    """The session's server."""
    with Api.from_environment() as client:
        yield client


@pytest.fixture
def flow(api):
    """Id of the herd's flow; its deployments of this test are deleted at the end."""
    made = api.post("flows/", {"name": FLOW})["id"]
    before = {each.id for each in read_deployments(api)}
    yield made
    for each in read_deployments(api):
        if each.id not in before:
            api.delete(f"deployments/{each.id}")


def make(api, flow: str, name: str, **more) -> str:
    """Create or replace a deployment; its id."""
    body = {"name": name, "flow_id": flow, "parameters": {"table": f"main.{name}"}, **more}
    return api.post("deployments/", body)["id"]


def names(api, home) -> set[str]:
    """Names of the deployments as the memory in `home` has them."""
    return {each.name for each in read_deployments(api, home)}


def test_memory_follows_the_server(api, flow, tmp_path):
    """New, changed and deleted deployments are seen although the others are remembered."""
    mark = uuid.uuid4().hex[:6]
    ids = {n: make(api, flow, f"{mark}{n}") for n in "abc"}
    assert names(api, tmp_path) == names(api, None)
    make(api, flow, f"{mark}d")
    make(api, flow, f"{mark}b", tags=["late"])
    found = {each.name: each for each in read_deployments(api, tmp_path)}
    assert f"{mark}d" in found
    assert found[f"{mark}b"].tags == ("late",)
    assert found[f"{mark}b"].id == ids["b"]
    api.delete(f"deployments/{ids['a']}")
    assert names(api, tmp_path) == names(api, None)
    assert f"{mark}a" not in names(api, tmp_path)


def test_memory_of_another_server_is_not_believed(api, flow, tmp_path):
    """A database that was made anew behind the same address is read as a whole."""
    mark = uuid.uuid4().hex[:6]
    make(api, flow, f"{mark}a")
    names(api, tmp_path)
    (memory,) = (tmp_path / "duckherd").glob("deployments-*.json")
    document = json.loads(memory.read_text())
    for each in document["deployments"]:
        each["id"], each["updated"] = str(uuid.uuid4()), "2099-01-01T00:00:00Z"
    memory.write_text(json.dumps(document))
    assert read_deployments(api, tmp_path) == read_deployments(api)


def test_spoilt_memory_is_ignored(api, flow, tmp_path):
    """A memory that cannot be read is made anew."""
    make(api, flow, uuid.uuid4().hex[:6])
    names(api, tmp_path)
    (memory,) = (tmp_path / "duckherd").glob("deployments-*.json")
    memory.write_text("{")
    assert names(api, tmp_path) == names(api, None)


def test_the_herd_is_of_one_flow():
    """History and project mean the same flow."""
    assert FLOW == FLOW_NAME
