"""Judge the checks of one table: one scan, and more only where a check fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from duckherd.checks import sql
from duckherd.checks.compile import (
    Probe,
    aggregate_query,
    other_tables,
    probes_of,
)
from duckherd.checks.engine import Files, Resources, canonical_types, opened
from duckherd.checks.footers import known
from duckherd.checks.judge import Measured, judge, unjudged
from duckherd.checks.kinds import Expression, Relationships, Schema, Sql, Unique
from duckherd.checks.model import Context, Verdict
from duckherd.checks.published import published_tables
from duckherd.checks.vocabulary import Check
from duckherd.extract.model import SpoolColumn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SAMPLE_COLUMNS = 10
_SAMPLE_TEXT = 80
_MASKED = "[masked]"


def run_checks(
    files: Files,
    columns: Sequence[SpoolColumn],
    checks: Sequence[Check],
    context: Context,
    resources: Resources | None = None,
) -> tuple[Verdict, ...]:
    """The verdicts of all `checks` on the Parquet `files`, in the order of the checks.

    A check that cannot be judged, because its SQL is wrong or the table it refers to is
    not published, gets the outcome `error`; it stops no other check.
    """
    if not checks:
        return ()
    resources = resources or Resources()
    with (
        published_tables(context.lake, other_tables(checks)) as others,
        opened(files, others.files, resources) as connection,
    ):
        probes = probes_of(checks, columns, known(connection, files, checks, columns))
        judging = _Judging(connection, tuple(columns), context, others.missing)
        return judging.verdicts(probes)


@dataclass(frozen=True, slots=True)
class _Judging:
    """One table while its checks are judged."""

    connection: DuckDBPyConnection
    columns: tuple[SpoolColumn, ...]
    context: Context
    missing: Mapping[str, str]

    def verdicts(self, probes: Sequence[Probe]) -> tuple[Verdict, ...]:
        measures, failed = self._measure(probes)
        return tuple(
            unjudged(probe, failed[probe.name])
            if probe.name in failed
            else self._verdict(probe, measures)
            for probe in probes
        )

    def _measure(self, probes: Sequence[Probe]) -> tuple[dict[str, object], dict[str, str]]:
        """Measure -> value of one scan, and the probes whose measures cannot be computed."""
        import duckdb

        try:
            return self._scan(probes), {}
        except duckdb.Error:
            # One bad check spoils the common query: find out which.
            measures: dict[str, object] = {}
            failed: dict[str, str] = {}
            for probe in probes:
                try:
                    measures |= self._scan([probe])
                except duckdb.Error as error:
                    failed[probe.name] = reason(error)
            return measures, failed

    def _scan(self, probes: Iterable[Probe]) -> dict[str, object]:
        query, measures = aggregate_query(probes)
        if not measures:
            return {}
        row = self.connection.execute(query).fetchall()[0]
        return dict(zip(measures, row, strict=True))

    def _verdict(self, probe: Probe, measures: Mapping[str, object]) -> Verdict:
        import duckdb

        if isinstance(probe.options, Relationships) and probe.options.to in self.missing:
            return unjudged(probe, self.missing[probe.options.to])
        values = tuple(measures[measure] for measure in probe.measures)
        try:
            measured = Measured(
                values, self._count(probe, values), self.columns, self._types(probe)
            )
        except duckdb.Error as error:
            return unjudged(probe, reason(error))
        verdict = judge(probe, measured, self.context)
        if verdict.outcome != "fail" or probe.failing is None:
            return verdict
        return replace(verdict, samples=self._samples(probe))

    def _count(self, probe: Probe, values: tuple[object, ...]) -> int | None:
        proven = isinstance(probe.options, Unique) and values[1] == 0
        if probe.count is None or proven:
            return None
        return int(self.connection.execute(probe.count).fetchall()[0][0])

    def _types(self, probe: Probe) -> Mapping[str, str]:
        if not isinstance(probe.options, Schema):
            return {}
        types = [type_ for type_ in probe.options.columns.values() if type_]
        return canonical_types(self.connection, types)

    def _samples(self, probe: Probe) -> tuple[Mapping[str, str | None], ...]:
        import duckdb

        # Samples illustrate a verdict; without them it stands all the same.
        with contextlib.suppress(duckdb.Error):
            cursor = self.connection.execute(
                f"select {self._shown(probe)} from ({probe.failing}\n) "
                f"limit {self.context.sample_rows}"
            )
            names = [column[0] for column in cursor.description or ()][:_SAMPLE_COLUMNS]
            return tuple(
                {name: self._cell(name, value) for name, value in zip(names, row, strict=False)}
                for row in cursor.fetchall()
            )
        return ()

    def _shown(self, probe: Probe) -> str:
        """What of a failing row is shown: its key and the columns of the check."""
        if isinstance(probe.options, Sql | Expression | Unique):
            return "columns(*)::varchar"
        known = {column.name for column in self.columns}
        key = [name for name in self.context.key if name in known]
        names = dict.fromkeys((*key, *probe.columns))
        return ", ".join(
            f"{sql.identifier(name)}::varchar as {sql.identifier(name)}" for name in names
        )

    def _cell(self, name: str, value: str | None) -> str | None:
        if value is None:
            return None
        if name in self.context.masked:
            return _MASKED
        return value if len(value) <= _SAMPLE_TEXT else value[: _SAMPLE_TEXT - 1] + "…"


def reason(error: Exception) -> str:
    """A DuckDB error on one line, without the query and the candidates that may follow it."""
    text = str(error).partition("\nLINE ")[0].partition("\n\n")[0]
    text = text.partition("Candidate functions:")[0]
    return " ".join(text.split())
