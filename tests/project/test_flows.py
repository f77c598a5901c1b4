"""Facts of flows, without importing them where they are ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from duckherd.errors import ProjectError
from duckherd.parameters import FLOW_ENTRYPOINT, IngestParameters
from duckherd.project.flows import facts_of
from duckherd.project.jsonable import plain


def test_our_facts_are_what_prefect_computes() -> None:
    """Name, description and parameter schema equal those of the imported flow."""
    from prefect.utilities.callables import parameter_schema

    from duckherd.flow import ingest_table

    facts = facts_of(FLOW_ENTRYPOINT)
    assert (facts.name, facts.description) == (ingest_table.name, ingest_table.description)
    theirs = parameter_schema(ingest_table).model_dump(exclude_unset=True)
    assert facts.parameter_schema == plain(theirs)


def test_our_facts_need_no_prefect() -> None:
    """The schema is made without Prefect's start-up time."""
    code = (
        "import sys; from duckherd.project.flows import facts_of;"
        f"facts_of({FLOW_ENTRYPOINT!r}); print('prefect' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    "short",
    [
        {"key": "id"},
        {"lookback": 5},
        {"backfill": {"from": 1, "to": "2026-01-01"}},
        {"columns": {"a": "exclude", "b": "include", "c": {"as": "text"}, "*": "exclude"}},
        {"checks": [{"unique": "id"}, {"not_null": ["a", "b"]}, {"row_count": {"min": 1}}]},
        {"objective": {"within": "1h"}},
    ],
)
def test_the_schema_allows_what_the_parameters_allow(short: dict[str, object]) -> None:
    """Prefect's server refuses a deployment whose parameters its schema does not describe."""
    given = {"table": "a.b", "source": "sqlite:////x", "lake": "/y", "mode": "append"}
    given |= {"cursor": "c", **short}
    IngestParameters.model_validate(given)
    jsonschema.validate(given, dict(facts_of(FLOW_ENTRYPOINT).parameter_schema))


def test_another_flow_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow of the user's own, beside the project file, is asked of Prefect."""
    (tmp_path / "dh_other.py").write_text(
        "from prefect import flow\n\n"
        '@flow(name="other-flow")\ndef other(size: int = 3):\n    """Another one."""\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    facts = facts_of("dh_other.other")
    assert (facts.name, facts.description) == ("other-flow", "Another one.")
    assert facts.parameter_schema["properties"]["size"]["default"] == 3


def test_a_flow_that_cannot_be_imported_is_told() -> None:
    """The module that fails is named, with the command that shows why."""
    with pytest.raises(ProjectError, match=r"python -c 'import no\.such\.module'"):
        facts_of("no.such.module.flow")
