"""Verdicts against plain SQL counts: every kind, pass, fail, threshold, NULL, empty, where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from check_tables import Table
from duckherd.checks.kinds import KINDS
from duckherd.checks.model import Context, Load
from duckherd.checks.options import MetricOptions, RowOptions

NOW = "2024-01-11T00:00:00+00:00"


@dataclass(frozen=True)
class Rows:
    """A check that rows pass or fail, and the same in plain SQL.

    Attributes:
        count: query for the failures; `{where}` is a condition on the rows.
        good: a condition under which nothing fails.
        fails_on_null: failures among three rows of NULL.
    """

    kind: str
    options: dict[str, Any]
    count: str
    good: str
    fails_on_null: int = 0

    def check(self, **more: Any) -> dict[str, Any]:
        return {self.kind: {**self.options, **more}}

    def plain(self, table: Table, where: str = "true") -> int:
        return int(table.ask(self.count.format(where=where)))


_COUNT = "select count(*) from t where ({{where}}) and ({})"
_DUPLICATES = (
    "select coalesce(sum(n - 1), 0) from (select count(*) n from t "
    "where ({{where}}) and {known} group by {key})"
)

ROWS = {
    "not_null": Rows(
        "not_null", {"columns": "id"}, _COUNT.format("id is null"), "id is not null", 3
    ),
    "unique integer": Rows(
        "unique",
        {"columns": "customer"},
        _DUPLICATES.format(known="customer is not null", key="customer"),
        "id in (1, 3)",
    ),
    "unique text": Rows(
        "unique",
        {"columns": "status"},
        _DUPLICATES.format(known="status is not null", key="status"),
        "id in (1, 2)",
    ),
    "unique integers": Rows(
        "unique",
        {"columns": ["customer", "line"]},
        _DUPLICATES.format(known="customer is not null and line is not null", key="customer, line"),
        "id > 1",
    ),
    "unique mixed": Rows(
        "unique",
        {"columns": ["line", "status"]},
        _DUPLICATES.format(known="line is not null and status is not null", key="line, status"),
        "id <> 3",
    ),
    "accepted_values": Rows(
        "accepted_values",
        {"column": "status", "values": ["new", "paid", "shipped"]},
        _COUNT.format("not (status = 'new' or status = 'paid' or status = 'shipped')"),
        "id < 4",
    ),
    "accepted_values numbers": Rows(
        "accepted_values",
        {"column": "total", "values": [1.5, 2.5, 0, 1]},
        _COUNT.format("total <> 1.5 and total <> 2.5 and total <> 0 and total <> 1"),
        "id < 3",
    ),
    "rejected_values": Rows(
        "rejected_values",
        {"column": "status", "values": ["lost", "Paid"]},
        _COUNT.format("status = 'lost' or status = 'Paid'"),
        "id < 4",
    ),
    "range": Rows(
        "range",
        {"column": "total", "min": 0, "max": 50},
        _COUNT.format("total < 0 or total > 50"),
        "id <> 3 and id <> 6",
    ),
    "range nan": Rows(
        "range",
        {"column": "score", "max": 100},
        _COUNT.format("isnan(score) or score > 100"),
        "id <> 3",
    ),
    "range exclusive": Rows(
        "range",
        {"column": "total", "min": 0, "exclusive": True},
        _COUNT.format("total <= 0"),
        "id < 3",
    ),
    "range of moments": Rows(
        "range",
        {"column": "created_at", "max": "2024-01-05"},
        _COUNT.format("created_at > timestamp '2024-01-05 00:00:00'"),
        "id <= 5",
    ),
    "length": Rows(
        "length",
        {"column": "email", "min": 1, "max": 6},
        _COUNT.format("strlen(replace(email, 'é', 'e')) not between 1 and 6"),
        "id in (3, 6)",
    ),
    "matches": Rows(
        "matches",
        {"column": "email", "regex": r"^[^@]+@[a-z]+\.org$"},
        _COUNT.format("email not like '%_@x.org'"),
        "id < 3",
    ),
    "expression": Rows(
        "expression",
        {"expression": "total > 0 or status = 'new' -- a comment"},
        _COUNT.format("total <= 0 and status <> 'new'"),
        "id <> 3",
    ),
    "sql": Rows(
        "sql",
        {"query": "with n as (select * from this where total < 5) select * from n;"},
        _COUNT.format("total < 5"),
        "total >= 5",
    ),
    "relationships": Rows(
        "relationships",
        {"column": "customer", "to": "sales.customers", "field": "id"},
        _COUNT.format("customer = 60"),
        "id < 10",
    ),
}


@pytest.fixture
def context(lake: str) -> Context:
    """The lake, and no history."""
    return Context("sales.orders", NOW, lake=lake)


@pytest.fixture(params=ROWS.values(), ids=ROWS.keys())
def case(request: pytest.FixtureRequest) -> Rows:
    """Each check of rows in turn."""
    return request.param


def test_failures_are_those_of_plain_sql(case: Rows, orders: Table, context: Context) -> None:
    """A failing check counts rows, failures and ratio as plain SQL does, and shows rows."""
    failures = case.plain(orders)
    assert failures > 0
    verdict = orders.one(case.check(), context)
    assert (verdict.outcome, verdict.failures, verdict.rows) == ("fail", failures, 10)
    assert verdict.ratio == failures / 10
    assert verdict.blocks
    assert 0 < len(verdict.samples) <= min(failures, 5)


def test_failing_query_gives_the_failing_rows(case: Rows, orders: Table, context: Context) -> None:
    """The SQL of a verdict, run by hand, returns what failed."""
    verdict = orders.one(case.check(), context)
    measure = 'sum("rows" - 1)' if case.kind == "unique" else "count(*)"
    customers = "create schema sales; create table sales.customers as select 10 * i as id "
    found = orders.ask(
        f"with this as (from t) select {measure} from ({verdict.sql}\n)",
        before=customers + "from range(1, 6) r(i)",
    )
    assert found == verdict.failures


def test_where_restricts_the_rows(case: Rows, orders: Table, context: Context) -> None:
    """`where` counts failures and rows among its own rows only."""
    where = "id <= 6 or id is null"
    verdict = orders.one(case.check(where=where), context)
    assert verdict.failures == case.plain(orders, where)
    assert verdict.rows == orders.ask(f"select count(*) from t where {where}")


def test_passes_where_nothing_fails(case: Rows, orders: Table, context: Context) -> None:
    """Without failures the check passes and shows nothing."""
    assert case.plain(orders, case.good) == 0
    verdict = orders.one(case.check(where=case.good), context)
    assert (verdict.outcome, verdict.failures, verdict.samples) == ("pass", 0, ())
    assert verdict.rows > 0


def test_threshold_is_inclusive(case: Rows, orders: Table, context: Context) -> None:
    """As many failures as allowed pass, one more fails, as a number and as a percentage."""
    failures = case.plain(orders)
    for allowed, outcome in (
        (failures, "pass"),
        (failures - 1, "fail"),
        (f"{failures * 10}%", "pass"),
        (f"{failures * 10 - 0.1:g}%", "fail"),
    ):
        verdict = orders.one(case.check(max_failures=allowed), context)
        assert (verdict.outcome, verdict.failures) == (outcome, failures), allowed


def test_warn_fails_without_blocking(case: Rows, orders: Table, context: Context) -> None:
    """Severity warn gives the same verdict, which does not keep the table back."""
    verdict = orders.one(case.check(severity="warn"), context)
    assert verdict.outcome == "fail"
    assert not verdict.blocks


def test_empty_table_has_no_failures(case: Rows, no_orders: Table, context: Context) -> None:
    """No rows, no failures, no division by zero."""
    verdict = no_orders.one(case.check(), context)
    assert (verdict.outcome, verdict.failures, verdict.rows) == ("pass", 0, 0)
    assert verdict.ratio == 0.0


def test_null_passes_all_but_not_null(case: Rows, null_orders: Table, context: Context) -> None:
    """As in dbt, a comparison with NULL is no failure."""
    verdict = null_orders.one(case.check(), context)
    assert verdict.failures == case.fails_on_null
    assert verdict.rows == 3


@dataclass(frozen=True)
class Figure:
    """A check of one figure of the table, and the same in plain SQL.

    Attributes:
        empty: the figure of no rows; None where there is none.
        nulls: the figure of three rows of NULL.
        step: added to a bound to make it one too far.
    """

    kind: str
    options: dict[str, Any]
    plain: str
    empty: float | None
    nulls: float | None
    step: float = 1

    def check(self, **more: Any) -> dict[str, Any]:
        return {self.kind: {**self.options, **more}}


FIGURES = {
    "row_count": Figure("row_count", {}, "count(*)", 0, 3),
    "null_ratio": Figure(
        "null_ratio", {"column": "id"}, "count(*) filter (id is null) / count(*)", 0, 1, 0.001
    ),
    "distinct_count": Figure(
        "distinct_count", {"column": "status"}, "count(distinct status)", 0, 0
    ),
    "distinct_count integer": Figure(
        "distinct_count", {"column": "customer"}, "count(distinct customer)", 0, 0
    ),
    "sum": Figure("sum", {"column": "total"}, "sum(total)", 0, 0),
    "mean": Figure("mean", {"column": "line"}, "avg(line)", None, None),
    "min": Figure("min", {"column": "total"}, "min(total)", None, None),
    "max": Figure("max", {"column": "total"}, "max(total)", None, None),
}


@pytest.fixture(params=FIGURES.values(), ids=FIGURES.keys())
def figure(request: pytest.FixtureRequest) -> Figure:
    """Each check of a figure in turn."""
    return request.param


def _expected(figure: Figure, table: Table, where: str = "true") -> float:
    value = table.ask(f"select {figure.plain} from t where {where}")
    return int(value) if float(value).is_integer() else float(value)


def test_figure_is_that_of_plain_sql(figure: Figure, orders: Table) -> None:
    """The metric is the number SQL gives; bounds are inclusive on both sides."""
    exact = _expected(figure, orders)
    verdict = orders.one(figure.check(min=exact, max=exact))
    assert verdict.metric == pytest.approx(float(exact), rel=1e-12)
    assert (verdict.outcome, verdict.rows) == ("pass", 10)


def test_figure_beyond_a_bound_fails(figure: Figure, orders: Table) -> None:
    """Below min or above max fails."""
    exact = _expected(figure, orders)
    assert orders.one(figure.check(min=exact + figure.step)).outcome == "fail"
    below = exact - figure.step
    assert orders.one(figure.check(max=below)).outcome == "fail"


def test_figure_of_the_rows_of_where(figure: Figure, orders: Table) -> None:
    """`where` restricts the rows of the figure."""
    exact = _expected(figure, orders, "id <= 6")
    verdict = orders.one(figure.check(min=exact, max=exact, where="id <= 6"))
    assert verdict.metric == pytest.approx(float(exact), rel=1e-12)
    assert (verdict.outcome, verdict.rows) == ("pass", 6)


def test_figure_of_no_rows(figure: Figure, no_orders: Table) -> None:
    """Counts of nothing are zero; a mean, least or greatest value of nothing is skipped."""
    verdict = no_orders.one(figure.check(min=1))
    assert verdict.metric == figure.empty
    assert verdict.outcome == ("skipped" if figure.empty is None else "fail")


def test_figure_of_nulls(figure: Figure, null_orders: Table) -> None:
    """NULL counts as a row and as nothing else."""
    verdict = null_orders.one(figure.check(min=0))
    assert verdict.metric == figure.nulls
    assert verdict.outcome == ("skipped" if figure.nulls is None else "pass")


def _loads(*figures: float, name: str = "row_count") -> tuple[Load, ...]:
    return tuple(
        Load(f"2024-01-{10 - day:02}T00:00:00+00:00", int(value), {name: value})
        for day, value in enumerate(figures)
    )


@pytest.mark.parametrize(
    ("options", "previous", "outcome"),
    [
        ({"max_drop": "50%"}, 20, "pass"),
        ({"max_drop": "49.9%"}, 20, "fail"),
        ({"max_growth": "25%"}, 8, "pass"),
        ({"max_growth": "24.9%"}, 8, "fail"),
        ({"max_drop": "1%"}, 8, "pass"),
        ({"max_growth": "1%"}, 20, "pass"),
        ({"max_growth": "100%"}, 0, "fail"),
    ],
)
def test_change_against_the_previous_load(
    options: dict[str, str], previous: int, outcome: str, orders: Table
) -> None:
    """Ten rows against the newest load's, older loads not looked at."""
    context = Context("sales.orders", NOW, history=_loads(previous, 10, 10))
    assert orders.one({"row_count": options}, context).outcome == outcome


def test_change_of_a_figure_is_found_by_its_name(orders: Table) -> None:
    """Other checks compare with the metric kept under the verdict's name."""
    check = {"sum": {"column": "total", "max_growth": "10%"}}
    context = Context("sales.orders", NOW, history=_loads(100, name="sum(total)"))
    assert orders.one(check, context).outcome == "fail"
    other = Context("sales.orders", NOW, history=_loads(100, name="sum(other)"))
    assert orders.one(check, other).outcome == "skipped"


def test_change_without_history_is_skipped(orders: Table) -> None:
    """A first load has nothing to compare with, which is neither a pass nor a failure."""
    verdict = orders.one({"row_count": {"max_drop": "10%"}})
    assert (verdict.outcome, verdict.blocks) == ("skipped", False)
    assert "no previous load" in verdict.observed


def test_anomaly_is_silent_below_its_minimum_of_history(orders: Table) -> None:
    """Six loads are too few, seven are enough; the verdict names the method."""
    check = {"row_count": {"anomaly": 3}}
    history = _loads(100, 101, 99, 100, 102, 98, 100)
    few = Context("sales.orders", NOW, history=history[:6])
    assert orders.one(check, few).outcome == "skipped"
    verdict = orders.one(check, Context("sales.orders", NOW, history=history))
    assert verdict.outcome == "fail"
    assert "median ± 3 deviations over 7 loads" in verdict.expected


@pytest.mark.parametrize(
    ("source", "rows", "outcome"),
    [
        (True, 10, "pass"),
        (True, 11, "fail"),
        ("10%", 11, "pass"),
        ("10%", 12, "fail"),
        ("10%", 9, "fail"),
        (True, None, "skipped"),
    ],
)
def test_rows_against_the_source(
    source: bool | str, rows: int | None, outcome: str, orders: Table
) -> None:
    """As many rows as the source counted, or within a percentage of them."""
    context = Context("sales.orders", NOW, source_rows=rows)
    assert orders.one({"row_count": {"source": source}}, context).outcome == outcome


def _newest(table: Table, where: str = "true") -> float:
    return float(table.ask(f"select epoch(max(created_at)) from t where {where}"))


@pytest.mark.parametrize(("max_age", "outcome"), [("1d", "pass"), ("23h59m", "fail")])
def test_freshness(max_age: str, outcome: str, orders: Table) -> None:
    """The newest value is held against the moment the table was read, bounds inclusive."""
    verdict = orders.one({"freshness": {"column": "created_at", "max_age": max_age}})
    assert (verdict.outcome, verdict.metric) == (outcome, _newest(orders))


def test_freshness_of_the_rows_of_where(orders: Table) -> None:
    """`where` restricts the rows whose newest value counts."""
    check = {"freshness": {"column": "created_at", "max_age": "5d", "where": "id <= 6"}}
    verdict = orders.one(check)
    assert (verdict.outcome, verdict.metric) == ("pass", _newest(orders, "id <= 6"))
    assert verdict.rows == orders.ask("select count(*) from t where id <= 6")


@pytest.mark.parametrize("rows", ["no_orders", "null_orders"])
def test_freshness_of_nothing_fails(rows: str, request: pytest.FixtureRequest) -> None:
    """Without any value there is nothing fresh."""
    table: Table = request.getfixturevalue(rows)
    assert table.one({"freshness": {"column": "created_at", "max_age": "1d"}}).outcome == "fail"


@pytest.mark.parametrize(("max_age", "outcome"), [("2d", "pass"), ("1d", "fail")])
def test_freshness_of_a_slice_knows_earlier_ones(
    max_age: str, outcome: str, no_orders: Table
) -> None:
    """An hour without new rows is as fresh as the newest row published before."""
    check = {"freshness": {"column": "created_at", "max_age": max_age, "name": "fresh"}}
    newest = datetime(2024, 1, 9, 12, tzinfo=UTC).timestamp()
    earlier = Load("2024-01-10T00:00:00+00:00", 3, {"fresh": newest})
    older = Load("2024-01-08T00:00:00+00:00", 3, {"fresh": newest - 86400})
    context = Context("sales.orders", NOW, history=(earlier, older), slice=True)
    verdict = no_orders.one(check, context)
    assert (verdict.outcome, verdict.metric) == (outcome, newest)
    assert no_orders.one(check, replace(context, slice=False)).outcome == "fail"


def test_freshness_ignores_infinity(table: Any) -> None:
    """An infinite timestamp is no age."""
    moments = table(
        "select unnest(['infinity'::timestamptz, '2024-01-10 02:00:00+02'::timestamptz]) as seen"
    )
    verdict = moments.one({"freshness": {"column": "seen", "max_age": "1d"}})
    assert (verdict.outcome, verdict.metric) == (
        "pass",
        datetime(2024, 1, 10, tzinfo=UTC).timestamp(),
    )


SCHEMA = {
    "id": "int",
    "customer": "integer",
    "line": "bigint",
    "status": "text",
    "total": "numeric(4, 2)",
    "email": None,
    "created_at": "timestamp",
    "score": "double",
}


@pytest.mark.parametrize(
    ("options", "failures", "observed"),
    [
        ({"columns": SCHEMA, "ordered": True}, 0, "as agreed"),
        ({"columns": {**SCHEMA, "id": "bigint"}}, 1, "id is INTEGER, not BIGINT"),
        ({"columns": {**SCHEMA, "more": "int"}}, 1, "more is missing"),
        ({"columns": {"id": "int"}, "extra": True}, 0, "as agreed"),
        ({"columns": {"id": "int"}}, 7, "customer is not agreed on"),
        ({"columns": dict(reversed(SCHEMA.items())), "ordered": True}, 1, "the order is id,"),
        ({"columns": dict(reversed(SCHEMA.items()))}, 0, "as agreed"),
    ],
)
def test_schema(options: dict[str, Any], failures: int, observed: str, orders: Table) -> None:
    """Names, types in any spelling, order and further columns, each as asked."""
    verdict = orders.one({"schema": options})
    assert (verdict.outcome, verdict.failures) == ("fail" if failures else "pass", failures)
    assert observed in verdict.observed


@pytest.mark.parametrize("rows", ["no_orders", "null_orders"])
def test_schema_does_not_depend_on_rows(rows: str, request: pytest.FixtureRequest) -> None:
    """A table without rows or values has its columns all the same."""
    table: Table = request.getfixturevalue(rows)
    assert table.one({"schema": {"columns": SCHEMA, "ordered": True}}).outcome == "pass"
    assert table.one({"schema": {"columns": {**SCHEMA, "id": "text"}}}).failures == 1


def test_every_kind_is_tested() -> None:
    """A new kind joins the cases above, or gets tests of its own here."""
    assert {case.kind for case in ROWS.values()} == _kinds(RowOptions)
    assert {case.kind for case in FIGURES.values()} == _kinds(MetricOptions)
    assert set(KINDS) - _kinds(RowOptions) - _kinds(MetricOptions) == {"freshness", "schema"}


def _kinds(family: type) -> set[str]:
    return {kind for kind, model in KINDS.items() if issubclass(model, family)}


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ({"not_null": "nope"}, 'Referenced column "nope" not found'),
        ({"matches": {"column": "email", "regex": "("}}, "missing )"),
        ({"expression": "total >"}, "syntax error"),
        ({"sql": "select * from other"}, "does not exist"),
        ({"range": {"column": "line", "min": "low"}}, "Could not convert"),
        ({"not_null": {"columns": "id", "where": "nope = 1"}}, "nope"),
        ({"relationships": {"column": "id", "to": "a.b", "field": "x"}}, "not published"),
        ({"relationships": {"column": "id", "to": "sales.customers", "field": "x"}}, "x"),
        ({"schema": {"columns": {"id": "no_type"}}}, "no_type does not exist"),
        ({"mean": {"column": "status", "min": 1}}, "avg"),
    ],
)
def test_check_that_cannot_be_judged_is_never_a_pass(
    check: dict[str, Any], says: str, orders: Table, context: Context
) -> None:
    """A wrong check is an error of its own and spoils no other check's verdict."""
    good, bad, failing = orders.judge(
        [{"row_count": {"min": 10}}, check, {"not_null": "id"}], context
    )
    assert (good.outcome, failing.outcome, failing.failures) == ("pass", "fail", 2)
    assert (bad.outcome, bad.blocks) == ("error", True)
    assert says in bad.observed
    assert len(bad.observed) < 200


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_text('/etc/hostname')",
        "select * from '/etc/passwd'",
        "copy this to 'leak.csv'",
        "set memory_limit = '1TB'",
        "select 1; select 2",
    ],
)
def test_sql_of_a_check_reaches_nothing_but_its_table(query: str, orders: Table) -> None:
    """User SQL cannot read other files, write, change settings or run two statements."""
    assert orders.one({"sql": query}).outcome == "error"


def test_masked_columns_stay_masked(orders: Table) -> None:
    """Samples show that a masked value is there, not what it is; NULL stays NULL."""
    context = Context("sales.orders", NOW, masked=frozenset({"email"}), key=("line",))
    verdict = orders.one({"matches": {"column": "email", "regex": "@x"}}, context)
    assert verdict.samples == (
        {"line": "1", "email": "[masked]"},
        {"line": "3", "email": "[masked]"},
    )
    (sample, *_) = orders.one({"sql": "select * from this where id = 4"}, context).samples
    assert (sample["email"], sample["total"]) == (None, "4.00")


def test_samples_are_few_and_short(table: Any) -> None:
    """At most `sample_rows` rows, long values cut."""
    long = table("select repeat('x', 1000) as text from range(100)")
    context = replace(Context("a.b", NOW), sample_rows=3)
    verdict = long.one({"length": {"column": "text", "max": 10}}, context)
    assert verdict.failures == 100
    assert [sample["text"] for sample in verdict.samples] == ["x" * 79 + "…"] * 3


def test_names_are_unique_and_say_what_is_checked(orders: Table) -> None:
    """Made names name kind and columns; a repeated one gets a number."""
    verdicts = orders.judge(
        """
        - not_null: [id, line]
        - unique: [id, line]
        - not_null: id
        - not_null: {columns: [id, line], name: required}
        - row_count: {min: 1}
        - expression: {expression: total > 0, name: positive}
        """
    )
    assert [verdict.name for verdict in verdicts] == [
        "not_null(id)",
        "not_null(line)",
        "unique(id, line)",
        "not_null(id) #2",
        "required (id)",
        "required (line)",
        "row_count",
        "positive",
    ]


def test_odd_identifiers_and_values_are_quoted(table: Any) -> None:
    """Quotes, dots and percent signs in names and values are nothing special."""
    odd = table("""select 'it''s' as "a ""b"".c%", 1 as "select" """)
    verdicts = odd.judge(
        [
            {"not_null": ['a "b".c%', "select"]},
            {"unique": ["select", 'a "b".c%']},
            {"accepted_values": {"column": 'a "b".c%', "values": ["it's"]}},
            {"matches": {"column": 'a "b".c%', "regex": "'"}},
            {"distinct_count": {"column": "select", "min": 1}},
        ]
    )
    assert {verdict.outcome for verdict in verdicts} == {"pass"}


@pytest.mark.parametrize(
    "keys",
    [
        "select i from range(100000) t(i) union all select 77",
        "select i * 1000000000 as i from range(1000) t(i) union all select 77000000000",
        "select (i - 50000)::smallint as i from range(30000, 70000) t(i) union all select 77",
        (
            "select (9223372036854775807 - i)::bigint i from range(9) t(i) "
            "union all select 9223372036854775807"
        ),
        "select i::hugeint as i from range(100) t(i) union all select 5",
        (
            "select (18446744073709551615 - i::ubigint)::ubigint i from range(5) t(i) "
            "union all select 18446744073709551615::ubigint"
        ),
        "select i::varchar i from range(10000) t(i) union all select '77'",
        (
            "select date '2024-01-01' + i::int as i from range(100) t(i) union all select date "
            "'2024-01-02'"
        ),
    ],
)
def test_one_duplicate_is_found_in_any_type(keys: str, table: Any) -> None:
    """Narrow, wide, signed, unsigned, huge integers, text and dates: exactly one duplicate."""
    duplicated = table(keys)
    verdict = duplicated.one({"unique": "i"})
    assert (verdict.outcome, verdict.failures) == ("fail", 1)
    rows = duplicated.ask("select count(*) from t")
    distinct = duplicated.one({"distinct_count": {"column": "i", "min": 1}})
    assert distinct.metric == rows - 1


def test_many_keys_within_little_memory(table: Any) -> None:
    """Two million text keys are proven unique in 100 MiB, the rest is spilled."""
    keys = table("select md5(i::varchar) as key from range(2_000_000) t(i)")
    verdicts = keys.judge([{"unique": "key"}], memory_limit=100 * 2**20, threads=1)
    assert [verdict.outcome for verdict in verdicts] == ["pass"]
