"""Where the Prefect API is, found as Prefect finds it but without importing Prefect.

Order, as in Prefect's settings: environment, `.env`, `prefect.toml`, `pyproject.toml`'s
`[tool.prefect]`, the active profile of `profiles.toml`.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from duckherd.errors import UsageError

_NAMES = {
    "PREFECT_API_URL": ("api", "url"),
    "PREFECT_API_KEY": ("api", "key"),
    "PREFECT_API_AUTH_STRING": ("api", "auth_string"),
    "PREFECT_API_SSL_CERT_FILE": ("api", "ssl_cert_file"),
    "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": ("api", "tls_insecure_skip_verify"),
    "PREFECT_CLIENT_CUSTOM_HEADERS": ("client", "custom_headers"),
    "PREFECT_UI_URL": ("ui_url",),
}

_BUILT_IN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ephemeral": {},
        "local": {"PREFECT_API_URL": "http://127.0.0.1:4200/api"},
        "test": {},
        "cloud": {},
    }
)
"""Profiles that Prefect brings itself."""


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How to reach a Prefect API.

    Attributes:
        url: ends in `/api`; None where no server is configured.
        key: Prefect Cloud's API key; auth: `user:password` of a self-hosted server.
        ui_url: where people look, derived from `url` unless set.
        profile: name of the Prefect profile in force.
        certificates: file of certificates to trust; None for the system's.
        verify: False trusts any certificate, which is the user's explicit choice.
        headers: sent with every request, e.g. for a proxy.
    """

    url: str | None
    key: str | None = field(default=None, repr=False)
    auth: str | None = field(default=None, repr=False)
    ui_url: str | None = None
    profile: str = "ephemeral"
    certificates: str | None = None
    verify: bool = True
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


def prefect_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Prefect's folder for profiles and its local database, `~/.prefect` unless set."""
    return Path(environment.get("PREFECT_HOME") or "~/.prefect").expanduser()


def load_settings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> ApiSettings:
    """Settings for this process. Raises UsageError for a profile that does not exist."""
    environment = os.environ if environment is None else environment
    folder = folder or Path.cwd()
    profile, profile_values = _profile(environment)
    layers = [
        environment,
        _dotenv(folder / ".env"),
        _toml(folder / "prefect.toml", ()),
        _toml(folder / "pyproject.toml", ("tool", "prefect")),
        profile_values,
    ]

    def value(name: str) -> str | None:
        return next((layer[name] for layer in layers if layer.get(name)), None)

    url = value("PREFECT_API_URL")
    return ApiSettings(
        url=url.rstrip("/") if url else None,
        key=value("PREFECT_API_KEY"),
        auth=value("PREFECT_API_AUTH_STRING"),
        ui_url=value("PREFECT_UI_URL") or _ui_of(url),
        profile=profile,
        certificates=value("PREFECT_API_SSL_CERT_FILE") or environment.get("SSL_CERT_FILE"),
        verify=not _true(value("PREFECT_API_TLS_INSECURE_SKIP_VERIFY")),
        headers=_headers(value("PREFECT_CLIENT_CUSTOM_HEADERS")),
    )


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in {"1", "true", "t", "yes", "y", "on"}


def _headers(text: str | None) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict):
        raise UsageError(
            "PREFECT_CLIENT_CUSTOM_HEADERS is not a JSON object",
            hint="""for example '{"X-Proxy-Token": "..."}'""",
        )
    return {str(name): str(value) for name, value in headers.items()}


def _ui_of(url: str | None) -> str | None:
    if url is None:
        return None
    if "api.prefect.cloud" in url:
        workspace = url.partition("/api/")[2].rstrip("/")
        return "https://app.prefect.cloud/" + workspace.replace("accounts/", "account/").replace(
            "workspaces/", "workspace/"
        )
    return url.rstrip("/").removesuffix("/api")


def _profile(environment: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    path = Path(
        environment.get("PREFECT_PROFILES_PATH") or prefect_home(environment) / "profiles.toml"
    )
    data = _read_toml(path)
    asked = environment.get("PREFECT_PROFILE")
    name = asked or str(data.get("active", "ephemeral"))
    profiles = data.get("profiles", {})
    if not path.exists() and "PREFECT_HOME" not in environment:
        # Only in its default home does Prefect fall back to the profiles it brings.
        profiles = _BUILT_IN
    if asked and asked not in {**profiles, **_BUILT_IN}:
        raise UsageError(
            f"Prefect profile {asked!r} (PREFECT_PROFILE) does not exist in {path}",
            hint="prefect profile ls",
        )
    return name, {key: _text(value) for key, value in profiles.get(name, {}).items()}


def _toml(path: Path, section: tuple[str, ...]) -> Mapping[str, str]:
    data: Any = _read_toml(path)
    for part in section:
        data = data.get(part, {})
    found = {}
    for name, keys in _NAMES.items():
        value: Any = data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found[name] = _text(value)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _dotenv(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (
        line.strip().removeprefix("export ").partition("=")
        for line in lines
        if "=" in line and not line.lstrip().startswith("#")
    )
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}
