"""One of each server a session, an empty database, bucket or folder a test."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

import servers

pytest_plugins = ["simulator.fixtures"]

# A deadline is an assertion about time, which a busy machine breaks.
settings.register_profile("duckherd", deadline=None, max_examples=60)
settings.load_profile("duckherd")

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def private_prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the user's own Prefect profile, database or cloud credentials."""
    home = tmp_path_factory.mktemp("prefect-home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PREFECT_", "AWS_"))]:
            patch.delenv(name)
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("DO_NOT_TRACK", "1")
        yield home


@pytest.fixture(scope="session")
def children() -> BaseContext:
    """Starts processes in milliseconds: forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["lake.harness", "killed_runs", "pytest", "pandas", "pyarrow.compute", "duckdb",
         "deltalake", "obstore.store", "duckherd.lake.bucket", "duckherd.lake.folder",
         "duckherd.lake.delta", "duckherd.lake.state", "duckherd.extract.postgres"]
    )  # fmt: skip
    # The server forgets this process's import path and keeps silent about what it cannot import.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the superuser of a PostgreSQL of this session."""
    with servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server, autocommit=True) as db:
        db.execute(f"create database {name}")
    yield urlsplit(postgres_server)._replace(path=f"/{name}").geturl()
    with psycopg.connect(postgres_server, autocommit=True) as db:
        db.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a MariaDB of this session."""
    if shutil.which("mariadbd") is None and not Path("/usr/sbin/mariadbd").exists():
        pytest.skip("MariaDB tests skipped: apt-get install mariadb-server")
    with servers.mariadb(tmp_path_factory.mktemp("mariadb")) as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """URL of an empty MariaDB database of this test."""
    import pymysql

    parts = urlsplit(mariadb_server)
    name = f"test_{next(_numbers)}"

    def run(statement: str) -> None:
        with pymysql.connect(
            host=parts.hostname, port=parts.port, user=parts.username, password=servers.PASSWORD
        ) as db:
            db.cursor().execute(statement)

    run(f"create database {name} character set utf8mb4")
    yield parts._replace(path=f"/{name}").geturl()
    run(f"drop database {name}")


@pytest.fixture(scope="session")
def mssql_url() -> str:
    """URL of a live SQL Server; its tests are skipped where none is given."""
    url = os.environ.get("DUCKHERD_TEST_MSSQL_URL")
    if not url:
        pytest.skip("SQL Server tests skipped: set DUCKHERD_TEST_MSSQL_URL to run them")
    return url


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """API URL of a Prefect server of this session."""
    with servers.prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture(scope="module")
def prefect_api(prefect_server: str) -> Iterator[str]:
    """The same, set as PREFECT_API_URL for this module: other modules start their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", prefect_server)
        yield prefect_server


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Endpoint of an S3-speaking server of this session."""
    with servers.s3(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture
def s3_lake(s3_endpoint: str) -> str:
    """URL of an empty bucket of this test, with its credentials."""
    import boto3

    bucket = f"lake-{next(_numbers)}"
    client = boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=bucket)
    return (
        f"s3://{bucket}/raw?endpoint={s3_endpoint}&region=us-east-1"
        "&access_key_id=key&secret_access_key=secret&allow_http=true"
    )


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and root token of an OpenBao of this session."""
    with servers.openbao(tmp_path_factory.mktemp("openbao")) as address:
        yield address
