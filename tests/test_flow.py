"""The flow of every table, run by Prefect's engine against a real server."""

from __future__ import annotations

import inspect
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import duckdb
import psycopg
import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun

import servers
from duckherd.errors import ChecksFailed, SchemaChanged, SourceDenied, SourceError
from duckherd.flow import ingest_table
from duckherd.lake import open_lake
from duckherd.parameters import IngestParameters
from duckherd.run_record import artifact_key
from flow_runs import engine, ingest, private_spool  # noqa: F401  # fixtures


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A SQLite database with one table of three orders."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("create table orders (id integer primary key, status text, total real)")
        db.executemany(
            "insert into orders values (?, ?, ?)",
            [(1, "new", 1.5), (2, "paid", 2.5), (3, None, 3.5)],
        )
    return path


def _objects(lake: str) -> dict[str, bytes]:
    """Every object of a lake, path -> content."""
    if not lake.startswith("s3://"):
        root = Path(lake)
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    import boto3

    parts = urlsplit(lake)
    options = dict(parse_qsl(parts.query))
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint"],
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    listed = client.list_objects_v2(Bucket=parts.netloc).get("Contents", [])
    return {
        item["Key"]: client.get_object(Bucket=parts.netloc, Key=item["Key"])["Body"].read()
        for item in listed
    }


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty lake: a local folder, then a bucket."""
    if request.param == "folder":
        yield str(tmp_path / "lake")
    else:
        yield request.getfixturevalue("s3_lake")


def test_signature_is_what_prefect_yaml_is_validated_against() -> None:
    """Flow and model have the same parameters, types and defaults."""
    signature = inspect.signature(ingest_table.fn, eval_str=True).parameters
    model = IngestParameters.model_fields
    hints = inspect.get_annotations(IngestParameters, eval_str=True)
    assert list(signature) == list(model)
    for name, parameter in signature.items():
        assert parameter.annotation == hints[name], name
        required = parameter.default is inspect.Parameter.empty
        assert required == model[name].is_required(), name
        if not required:
            assert parameter.default == model[name].get_default(call_default_factory=True), name


def test_flow_describes_each_parameter_as_the_model_does() -> None:
    """The two docstrings, one shown by Prefect's form and one by our errors, agree."""

    def described(doc: str | None, heading: str) -> list[str]:
        lines = (doc or "").partition(heading)[2].splitlines()
        return [line.strip() for line in lines if line.strip()]

    assert described(ingest_table.fn.__doc__, "Args:") == described(
        IngestParameters.__doc__, "Attributes:"
    )


def test_table_is_published_with_labels_and_artifact(shop: Path, tmp_path: Path) -> None:
    """One run publishes the table and tells rows, bytes, seconds, object and checks."""
    run = ingest(
        table="main.orders",
        source=f"sqlite:///{shop}",
        lake=str(tmp_path / "lake"),
        checks=[{"not_null": ["id"]}, {"not_null": {"columns": ["status"], "severity": "warn"}}],
    )
    assert run.state_name == "Completed"
    published = duckdb.sql(f"from '{tmp_path}/lake/main/orders.parquet' order by id").fetchall()
    assert published == [(1, "new", 1.5), (2, "paid", 2.5), (3, None, 3.5)]
    assert run.labels["duckherd.table"] == "main.orders"
    assert run.labels["duckherd.rows"] == 3
    assert run.labels["duckherd.version"] == 1
    assert run.labels["duckherd.checks"] == 2
    assert run.labels["duckherd.checks_warned"] == 1
    assert run.labels["duckherd.object"] == "main/orders.parquet"
    assert {
        "duckherd.extract_seconds",
        "duckherd.check_seconds",
        "duckherd.publish_seconds",
    } <= set(run.labels)
    with get_client(sync_client=True) as client:
        found = client.request(
            "POST",
            "/artifacts/filter",
            json={"artifacts": {"flow_run_id": {"any_": [str(run.id)]}}},
        ).json()
    assert [item["key"] for item in found] == [artifact_key("main.orders")]
    assert "main/orders.parquet" in found[0]["data"]


def test_failed_check_leaves_the_lake_byte_for_byte(shop: Path, lake: str) -> None:
    """A blocking check keeps file, state and watermark as they were, and says which check."""
    good: dict[str, Any] = {
        "table": "main.orders", "source": f"sqlite:///{shop}", "lake": lake,
        "mode": "append", "cursor": "id",
    }  # fmt: skip
    assert ingest(**good).state_name == "Completed"
    before = _objects(lake)
    assert any(b'"watermark": "3"' in content for content in before.values())
    with sqlite3.connect(shop) as db:
        db.execute("insert into orders values (4, 'lost', 4.5)")
    run = ingest(
        **good,
        checks=[{"accepted_values": {"column": "status", "values": ["new", "paid"]}}],
    )
    assert run.state_name == "ChecksFailed"
    assert run.state_type is not None
    assert run.state_type.value == "FAILED"
    assert "status" in (run.state.message if run.state and run.state.message else "")
    assert run.labels["duckherd.step"] == "check"
    assert run.labels["duckherd.error"] == "ChecksFailed"
    assert run.labels["duckherd.checks_failed"] == 1
    assert _objects(lake) == before


def test_rows_are_held_against_the_sources_own_count(shop: Path, tmp_path: Path) -> None:
    """`row_count: {source: true}` counts what the run reads: the slice, under `where`."""
    good: dict[str, Any] = {
        "table": "main.orders", "source": f"sqlite:///{shop}", "lake": str(tmp_path / "lake"),
        "mode": "append", "cursor": "id", "where": "id <> 2",
        "checks": [{"row_count": {"source": True}}],
    }  # fmt: skip
    for read in (2, 1):
        run = ingest(**good)
        assert (run.state_name, run.labels["duckherd.rows"]) == ("Completed", read)
        assert f"{read} rows of the source's {read}" in _artifact(run)
        with sqlite3.connect(shop) as db:
            db.execute("insert or ignore into orders values (4, 'new', 4.5)")


def _artifact(run: FlowRun) -> str:
    """The text of the artifact a run left."""
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(run.id)]}}}
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json=wanted).json()
    return str(found[0]["data"])


def test_failed_check_raises_where_the_flow_is_called_as_a_function(
    shop: Path, tmp_path: Path
) -> None:
    """Called directly the flow raises the error itself."""
    with pytest.raises(ChecksFailed, match="nothing was published"):
        ingest_table(
            table="main.orders",
            source=f"sqlite:///{shop}",
            lake=str(tmp_path / "lake"),
            checks=[{"row_count": {"min": 10}}],
        )
    assert not (tmp_path / "lake" / "main").exists()


def test_empty_table_publishes_its_schema(shop: Path, tmp_path: Path) -> None:
    """No rows are a file with columns and no rows."""
    with sqlite3.connect(shop) as db:
        db.execute("delete from orders")
    assert (
        ingest(
            table="main.orders", source=f"sqlite:///{shop}", lake=str(tmp_path / "lake")
        ).state_name
        == "Completed"
    )
    relation = duckdb.sql(f"from '{tmp_path}/lake/main/orders.parquet'")
    assert relation.columns == ["id", "status", "total"]
    assert relation.fetchall() == []


def test_odd_table_name_works_end_to_end(shop: Path, tmp_path: Path) -> None:
    """A table called `we]ird "na'me` is read, published and labelled."""
    with sqlite3.connect(shop) as db:
        db.execute("""create table "we]ird ""na'me" ("c""ol's]" integer)""")
        db.execute("""insert into "we]ird ""na'me" values (7)""")
    run = ingest(
        table="""main.we]ird "na'me""",
        source=f"sqlite:///{shop}",
        lake=str(tmp_path / "lake"),
        checks=[{"not_null": ["""c"ol's]"""]}],
    )
    assert run.state_name == "Completed", run.state
    files = list((tmp_path / "lake" / "main").rglob("*.parquet"))
    assert len(files) == 1
    assert duckdb.read_parquet(str(files[0])).fetchall() == [(7,)]


def test_appended_numbers_keep_the_type_of_the_first_load(
    postgres_url: str, tmp_path: Path
) -> None:
    """A numeric without precision is as wide in every slice as the first load found it."""
    parameters: dict[str, Any] = {
        "table": "public.t",
        "source": postgres_url,
        "lake": str(tmp_path / "lake"),
        "mode": "append",
        "cursor": "id",
    }
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("create table t as select 1 as id, 1::numeric / 3 as share")
        assert ingest(**parameters).state_name == "Completed"
        db.execute("insert into t values (2, 0.5)")
        assert ingest(**parameters).state_name == "Completed"
    slices = sorted((tmp_path / "lake").rglob("*.parquet"))
    assert len(slices) == 2
    assert {str(duckdb.read_parquet(str(file)).types[1]) for file in slices} == {"DECIMAL(38,28)"}


def test_missing_table_is_named(shop: Path, tmp_path: Path) -> None:
    """A table that does not exist fails naming it; nothing is left half-done."""
    run = ingest(table="main.ordres", source=f"sqlite:///{shop}", lake=str(tmp_path / "lake"))
    assert run.state_name == "Failed"
    assert run.labels["duckherd.error"] == "TableNotFound"
    assert "ordres" in (run.state.message if run.state and run.state.message else "")
    assert not (tmp_path / "lake" / "main").exists()
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []


def test_schema_change_can_stop_a_run(shop: Path, tmp_path: Path) -> None:
    """`on_schema_change: fail` publishes nothing and names the column; evolve tells it."""
    good: dict[str, Any] = {
        "table": "main.orders",
        "source": f"sqlite:///{shop}",
        "lake": str(tmp_path / "lake"),
    }
    ingest(**good)
    with sqlite3.connect(shop) as db:
        db.execute("alter table orders add column note text")
    before = _objects(good["lake"])
    with pytest.raises(SchemaChanged, match="note"):
        ingest_table(**good, on_schema_change="fail")
    assert _objects(good["lake"]) == before
    run = ingest(**good)
    assert run.state_name == "Completed"
    assert "note" in str(run.labels["duckherd.schema_change"])


def test_secret_reaches_no_output(
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A resolved password, right or wrong, is in no state, label, artifact, log or parameter."""
    import psycopg

    with psycopg.connect(postgres_url) as db:
        db.execute("create table orders (id int primary key, total numeric(10,2))")
        db.execute("insert into orders values (1, 1.10)")
    parts = urlsplit(postgres_url)
    source = f"postgresql://postgres:${{env:SHOP_PW}}@127.0.0.1:{parts.port}{parts.path}"
    outcomes = {}
    wrong = "wr0ng/secret%word"
    for password in (servers.PASSWORD, wrong):
        monkeypatch.setenv("SHOP_PW", password)
        with caplog.at_level(logging.DEBUG):
            outcomes[password] = ingest(
                table="public.orders", source=source, lake=str(tmp_path / "lake")
            )
    assert outcomes[servers.PASSWORD].state_name == "Completed", outcomes[servers.PASSWORD].state
    assert outcomes[wrong].state_name == "Failed"
    assert outcomes[wrong].labels["duckherd.error"] == SourceDenied.__name__
    printed = capfd.readouterr()
    with get_client(sync_client=True) as client:
        ids = [str(run.id) for run in outcomes.values()]
        kept = [
            client.request(
                "POST", f"/{kind}/filter", json={kind: {"flow_run_id": {"any_": ids}}}
            ).text
            for kind in ("artifacts", "logs")
        ]
    told = "".join(
        [
            caplog.text,
            printed.out,
            printed.err,
            *kept,
            *(run.model_dump_json() for run in outcomes.values()),
            *(path.read_text("latin-1") for path in (tmp_path / "lake").rglob("*.json")),
        ]
    )
    assert "${env:SHOP_PW}" in told
    for password in (servers.PASSWORD, wrong, servers.PASSWORD_IN_URL):
        assert password not in told


def test_unresolved_secret_names_the_reference(tmp_path: Path) -> None:
    """A reference that does not resolve is named and nothing is contacted."""
    with pytest.raises(Exception, match="NO_SUCH_VARIABLE"):
        ingest_table(
            table="public.orders",
            source="postgresql://u:${env:NO_SUCH_VARIABLE}@127.0.0.1:1/db",
            lake=str(tmp_path / "lake"),
        )


def test_unknown_scheme_lists_the_known_ones(tmp_path: Path) -> None:
    """A source of an unknown kind says which kinds there are."""
    with pytest.raises(SourceError, match="postgresql"):
        ingest_table(table="a.b", source="oracel://u@h/d", lake=str(tmp_path / "lake"))


def test_failed_publish_is_retried_without_reading_again(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is retried after its publish failed uses what it had read."""
    lake = tmp_path / "lake"
    reads = []
    import duckherd.flow as module

    real = module.dialect_for

    def counted(source: Any) -> Any:
        reads.append(source)
        return real(source)

    monkeypatch.setattr(module, "dialect_for", counted)
    real_publish = module.publish
    tries = []

    def unwritable_once(*arguments: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            (tmp_path / "lake" / "main").write_text("a file where a folder must be")
        elif (tmp_path / "lake" / "main").is_file():
            (tmp_path / "lake" / "main").unlink()
        return real_publish(*arguments)

    monkeypatch.setattr(module, "publish", unwritable_once)
    lake.mkdir()
    state = ingest_table.with_options(retries=1, retry_delay_seconds=0)(
        table="main.orders", source=f"sqlite:///{shop}", lake=str(lake), return_state=True
    )
    assert state.is_completed(), state
    assert len(reads) == 1
    assert len(tries) == 2
    assert duckdb.read_parquet(str(lake / "main/orders.parquet")).fetchall()


def test_connections_to_a_source_are_bounded_by_a_global_limit(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read holds as many of its source's slots as it may open connections, and frees them.

    The limit follows `max_connections`, also after the first run.
    """
    import psycopg

    from duckherd.extract import postgres
    from duckherd.source_limit import limit_name

    with psycopg.connect(postgres_url) as db:
        db.execute("create table t (id int)")
    name = limit_name(postgres_url)
    assert name is not None

    def slots() -> tuple[int, int]:
        with get_client(sync_client=True) as client:
            limit = client.read_global_concurrency_limit_by_name(name)
        return limit.limit, limit.active_slots

    while_reading = []
    real = postgres.Postgres.extract

    def watched(self: Any, request: Any) -> Any:
        while_reading.append(slots())
        return real(self, request)

    monkeypatch.setattr(postgres.Postgres, "extract", watched)
    for most in (3, 5):
        run = ingest(
            table="public.t",
            source=postgres_url,
            lake=str(tmp_path / "lake"),
            limits={"max_connections": most, "connections_per_table": 2},
        )
        assert run.state_name == "Completed", run.state
        assert slots() == (most, 0)
    assert while_reading == [(3, 2), (5, 2)]


def test_state_in_the_lake_names_the_run(shop: Path, tmp_path: Path) -> None:
    """The table's state tells version, rows and the flow run that committed."""
    run = ingest(table="main.orders", source=f"sqlite:///{shop}", lake=str(tmp_path / "lake"))
    parameters = IngestParameters(table="main.orders", source="x://", lake="y")
    state, _ = open_lake(str(tmp_path / "lake")).read_state(parameters.table_name)
    assert (state.version, state.rows, state.flow_run) == (1, 3, str(run.id))
    assert state.pending is None
