"""The cache file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from duckherd.errors import UsageError
from duckherd.history import store as module
from duckherd.history.store import Store, cache_folder, cache_path


def test_two_servers_never_share_a_cache(tmp_path):
    """The file's name comes from the API's address."""
    one = cache_path("http://a/api", tmp_path)
    assert one != cache_path("http://b/api", tmp_path)
    assert one == cache_path("http://a/api", tmp_path)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"DUCKHERD_CACHE": "/x/y"}, "/x/y"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/duckherd"),
    ],
)
def test_the_folder_is_where_the_platform_keeps_caches(environment, folder):
    """DUCKHERD_CACHE chooses; else the XDG folder on Linux."""
    assert cache_folder(environment) == Path(folder)


def test_a_cache_of_another_format_is_made_anew(tmp_path):
    """It is only a cache: better fetched again than misread."""
    path = tmp_path / "cache"
    with Store(path) as store:
        store.set("format", "0")
        store.set("fetched_at", "2025-01-01T00:00:00+00:00")
    with Store(path) as store:
        assert store.get("fetched_at") is None


def test_a_cache_in_use_is_waited_for_and_then_refused(tmp_path, monkeypatch):
    """Another process has the file open: a clear error after a while, not a crash."""
    path = tmp_path / "cache"
    Store(path).close()
    hold = (
        f"import duckdb, sys; db = duckdb.connect({str(path)!r}); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        monkeypatch.setattr(module, "_LOCK_SECONDS", 0.3)
        with pytest.raises(UsageError, match="in use by another process"):
            Store(path)
        holder.stdin.close()
        holder.wait()
    Store(path).close()


def test_a_file_that_is_no_cache_is_an_error_with_a_way_out(tmp_path):
    """The hint says the file may be deleted."""
    path = tmp_path / "cache"
    path.write_text("hello, not a database" * 500)
    with pytest.raises(UsageError, match="cannot be used") as caught:
        Store(path)
    assert "delete" in caught.value.hint
