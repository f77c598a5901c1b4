"""All that duckherd knows of one table: the parameters of its deployment.

`IngestParameters` is what `prefect.yaml` is validated against without importing
Prefect; the flow's signature has the same names, types and defaults (a test says so).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from duckherd.catalog.model import TableName
from duckherd.checks.vocabulary import Check
from duckherd.errors import DuckherdError
from duckherd.extract.rules import ColumnRule
from duckherd.sla.objective import Duration, Objective

FLOW_NAME = "ingest-table"
FLOW_ENTRYPOINT = "duckherd.flow.ingest_table"
"""Module path of the flow: what a deployment's `entrypoint` says."""
FLOW_DESCRIPTION = "Extract one table, check it, publish it."
"""What a deployment is described with that says nothing of its own."""


def _table_name(text: str) -> str:
    try:
        return str(TableName.parse(text))
    except DuckherdError as error:
        raise ValueError(str(error)) from error


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


TableText = Annotated[str, AfterValidator(_table_name)]
# The schema tells the short forms too: Prefect's server validates deployments against it.
Names = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Bound = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int | float)]


class Backfill(BaseModel):
    """A range of the cursor to read again: from (exclusive of earlier rows) to, both inclusive."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Bound | None = Field(default=None, alias="from", title="From")
    to: Bound | None = None


class SourceLimits(BaseModel):
    """How gently the source is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(
        default=8, ge=1, le=256, description="Connections to this source across the whole herd."
    )
    connections_per_table: int = Field(
        default=2, ge=1, le=32, description="Of them, for one table."
    )
    statement_timeout: Duration | None = Field(
        default=None, description="Longest one query may run."
    )
    lock_timeout: Duration | None = Field(default="30s", description="Longest wait for a lock.")
    slice_size: str = Field(
        default="256MB", pattern=r"^\d+(KB|MB|GB)$", description="Aim for one slice of a big table."
    )

    @property
    def slice_bytes(self) -> int:
        """`slice_size` in bytes; a KB is 1024 of them."""
        unit = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[self.slice_size[-2:]]
        return int(self.slice_size[:-2]) * unit


Mode = Literal["replace", "append", "merge"]
Format = Literal["parquet", "delta"]
Deletes = Literal["ignore", "compare_keys"]
OnSchemaChange = Literal["evolve", "fail", "ignore"]
ColumnRules = dict[str, ColumnRule]
Checks = list[Check]


class IngestParameters(BaseModel):
    """Parameters of the flow `ingest-table`.

    Attributes:
        table: schema.name in the source.
        source: Database URL; secrets only as ${provider:name}.
        lake: Where to publish: a folder, s3://, gs:// or az:// URL.
        mode: replace the whole table, append new slices, or merge changed rows by key.
        format: parquet, or delta (a Delta Lake table, needed by merge).
        key: Columns that identify a row, named as in the source.
        cursor: Column that grows with every change; only newer rows are read.
        lookback: Re-read this far below the watermark for late rows, e.g. 1h or 1000.
        deletes: compare_keys removes rows whose key is gone from the source.
        backfill: Range of the cursor to read again.
        columns: Rules by source column: as, mask, rename, include, exclude.
        where: SQL condition in the source's own dialect.
        checks: What must hold before anything is published.
        on_schema_change: evolve publishes and says so, fail stops, ignore keeps silent.
        objective: What the table promises: deadline, freshness, target.
        limits: How gently the source is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: TableText
    source: str
    lake: str
    mode: Mode = "replace"
    format: Format = "parquet"
    key: Names | None = None
    cursor: str | None = None
    lookback: Bound | None = None
    deletes: Deletes = "ignore"
    backfill: Backfill | None = None
    columns: ColumnRules = Field(default_factory=dict)
    where: str | None = None
    checks: Checks = Field(default_factory=list)
    on_schema_change: OnSchemaChange = "evolve"
    objective: Objective | None = None
    limits: SourceLimits = Field(default_factory=SourceLimits)

    @model_validator(mode="after")
    def _coherent(self) -> IngestParameters:
        problem = incoherence(self)
        if problem:
            raise ValueError(problem)
        return self

    @property
    def table_name(self) -> TableName:
        """The table, parsed."""
        return TableName.parse(self.table)


def incoherence(parameters: IngestParameters) -> str | None:
    """Why these parameters contradict each other; None when they do not."""
    given = parameters
    rules = (
        (
            given.mode == "merge" and given.format == "parquet",
            (
                "mode merge needs format: delta: a plain Parquet file cannot be changed in place, "
                "so readers would see a half-merged table"
            ),
        ),
        (
            given.mode == "merge" and not given.key,
            "mode merge needs key: the columns that identify a row",
        ),
        (
            given.mode == "append" and not given.cursor,
            "mode append needs cursor: a column that grows with every new row",
        ),
        (
            given.mode == "replace" and given.cursor is not None,
            "cursor needs mode append or merge: replace reads the whole table each time",
        ),
        (
            given.deletes == "compare_keys" and given.mode != "merge",
            "deletes: compare_keys needs mode: merge",
        ),
        (given.lookback is not None and not given.cursor, "lookback needs cursor"),
        (
            given.backfill is not None and not given.cursor,
            "backfill needs cursor: without one there is no range to read again",
        ),
    )
    return next((reason for wrong, reason in rules if wrong), None)
