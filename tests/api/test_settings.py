"""Finding the Prefect API as Prefect does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from duckherd.api.settings import load_settings
from duckherd.errors import UsageError

PROFILES = """
active = "work"
[profiles.work]
PREFECT_API_URL = "https://work.example/api"
PREFECT_API_KEY = "pnu_work"
PREFECT_API_TLS_INSECURE_SKIP_VERIFY = true
[profiles.other]
PREFECT_API_URL = "https://other.example/api/"
PREFECT_API_AUTH_STRING = "me:pw:x"
PREFECT_CLIENT_CUSTOM_HEADERS = '{"X-A": "b"}'
"""

CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "environment": {"env": {"PREFECT_API_URL": "http://e.example/api"}},
    "profile": {"profiles": PROFILES},
    "asked profile": {"profiles": PROFILES, "env": {"PREFECT_PROFILE": "other"}},
    "built-in profile": {"env": {"PREFECT_PROFILE": "local"}},
    "environment over profile": {
        "profiles": PROFILES,
        "env": {"PREFECT_API_URL": "http://e.example/api"},
    },
    "dotenv": {
        "profiles": PROFILES,
        ".env": "# x=y\nexport PREFECT_API_URL='http://d.example/api'\n",
    },
    "prefect.toml": {
        "profiles": PROFILES,
        "prefect.toml": '[api]\nurl = "http://t.example/api"\n[client.custom_headers]\nX-T = "u"\n',
    },
    "pyproject.toml": {
        "profiles": PROFILES,
        "pyproject.toml": '[tool.prefect.api]\nurl = "http://p.example/api"\nkey = "pnu_p"\n',
    },
    "all": {
        "profiles": PROFILES,
        "env": {"PREFECT_API_KEY": "pnu_e"},
        ".env": "PREFECT_API_URL=http://d.example/api",
        "prefect.toml": '[api]\nurl = "http://t.example/api"\n',
        "pyproject.toml": '[tool.prefect.api]\nurl = "http://p.example/api"\n',
    },
}

ASK_PREFECT = """
import json, os, sys
from prefect.context import root_settings_context
found = {}
for name, case in json.load(sys.stdin).items():
    os.chdir(case["folder"])
    for key in [key for key in os.environ if key.startswith("PREFECT_")]:
        del os.environ[key]
    os.environ.update(case["env"])
    settings = root_settings_context().settings
    key, auth = settings.api.key, settings.api.auth_string
    found[name] = {
        "url": (settings.api.url or "").rstrip("/") or None,
        "key": key and key.get_secret_value(),
        "auth": auth and auth.get_secret_value(),
        "verify": not settings.api.tls_insecure_skip_verify,
        "headers": settings.client.custom_headers,
    }
print(json.dumps(found))
"""


def _prepare(case: dict[str, Any], folder: Path) -> dict[str, str]:
    folder.mkdir()
    (folder / "home").mkdir()
    for name in (".env", "prefect.toml", "pyproject.toml"):
        if name in case:
            (folder / name).write_text(case[name])
    if "profiles" in case:
        (folder / "home" / "profiles.toml").write_text(case["profiles"])
    return {"PREFECT_HOME": str(folder / "home"), **case.get("env", {})}


def test_the_api_is_where_prefect_finds_it(tmp_path: Path) -> None:
    """For every source of settings and their order, Prefect's own answer is ours."""
    cases, ours = {}, {}
    for number, (name, case) in enumerate(CASES.items()):
        folder = tmp_path / str(number)
        environment = _prepare(case, folder)
        cases[name] = {"folder": str(folder), "env": environment}
        found = load_settings(environment, folder)
        ours[name] = {
            "url": found.url,
            "key": found.key,
            "auth": found.auth,
            "verify": found.verify,
            "headers": dict(found.headers),
        }
    run = subprocess.run(
        [sys.executable, "-c", ASK_PREFECT],
        input=json.dumps(cases), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert ours == json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"env": {"PREFECT_PROFILE": "none"}}, "profile 'none'"),
        ({"profiles": "not toml ["}, "profiles.toml cannot be read"),
        ({"env": {"PREFECT_CLIENT_CUSTOM_HEADERS": "x"}}, "not a JSON object"),
    ],
)
def test_broken_settings_are_told(case: dict[str, Any], message: str, tmp_path: Path) -> None:
    """Settings that cannot be read are an error of usage, not a traceback."""
    folder = tmp_path / "x"
    environment = _prepare(case, folder)
    with pytest.raises(UsageError, match=message):
        load_settings(environment, folder)


def test_secrets_are_not_shown() -> None:
    """Key, auth string and headers are not part of the settings' text."""
    environment = {
        "PREFECT_API_KEY": "pnu_secret",
        "PREFECT_API_AUTH_STRING": "me:secret",
        "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X": "secret"}',
        "PREFECT_HOME": "/nowhere",
    }
    assert "secret" not in repr(load_settings(environment, Path("/nowhere")))


@pytest.mark.parametrize(
    ("url", "ui"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        (
            "https://api.prefect.cloud/api/accounts/a/workspaces/w",
            "https://app.prefect.cloud/account/a/workspace/w",
        ),
    ],
)
def test_the_ui_is_derived_from_the_api(url: str, ui: str, tmp_path: Path) -> None:
    """People are sent to the UI that belongs to the API."""
    environment = {"PREFECT_API_URL": url, "PREFECT_HOME": str(tmp_path)}
    assert load_settings(environment, tmp_path).ui_url == ui
