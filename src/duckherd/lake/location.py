"""From a lake's URL to the store behind it.

A URL's query holds the store's options, secrets among them; they stay in the clients
made here and are shown nowhere: `str(lake)` is the URL without its options.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from duckherd.catalog.model import TableName
from duckherd.errors import LakeError
from duckherd.lake.model import TableState
from duckherd.lake.naming import state_path
from duckherd.lake.state import decode_state
from duckherd.lake.store import Store

_SCHEMES = ("file", "s3", "gs", "az", "abfss")
_S3 = (
    "region", "endpoint", "access_key_id", "secret_access_key", "session_token", "allow_http",
    "virtual_hosted_style_request", "skip_signature", "server_side_encryption", "sse_kms_key_id",
    "sse_bucket_key_enabled", "unsigned_payload", "request_payer", "checksum_algorithm",
    "conditional_put", "role_arn", "web_identity_token_file",
)  # fmt: skip
_GS = (
    "service_account", "service_account_key", "application_credentials", "bearer_token",
    "skip_signature", "endpoint", "allow_http", "conditional_put",
)  # fmt: skip
_AZ = (
    "account_name", "account_key", "sas_key", "client_id", "client_secret", "tenant_id",
    "token", "endpoint", "use_emulator", "use_azure_cli", "skip_signature", "allow_http",
    "msi_endpoint", "object_id", "federated_token_file", "authority_host", "conditional_put",
)  # fmt: skip
_OPTIONS = {"file": (), "s3": _S3, "gs": _GS, "az": _AZ, "abfss": _AZ}
_OURS = ("allow_http", "conditional_put")

# A wrong endpoint must fail in seconds: two retries of at most three seconds to connect.
_CLIENT: dict[str, Any] = {"connect_timeout": timedelta(seconds=3), "timeout": timedelta(minutes=5)}
_RETRY: dict[str, Any] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}


@dataclass(frozen=True)
class Location:
    """Where a lake is.

    Attributes:
        scheme: `file`, `s3`, `gs` or `az`.
        url: without options; safe to print.
        root: the bucket or container; the absolute folder for `file`.
        prefix: below the bucket, without slashes at its ends; empty for `file`.
        options: of the store, secrets among them.
    """

    scheme: str
    url: str
    root: str
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @classmethod
    def parse(cls, url: str) -> Location:
        """Read a URL or a folder's path. Raises LakeError naming what is wrong with it."""
        if not url.strip():
            raise LakeError("the lake's URL is empty", hint=_EXAMPLES)
        scheme, separator, _ = url.partition("://")
        if not separator:
            return cls._folder(Path(url).expanduser())
        if scheme not in _SCHEMES:
            raise LakeError(
                f"{scheme}:// is no lake duckherd can write to", hint=_nearest(scheme, _SCHEMES)
            )
        parts = urlsplit(url)
        options = _options(scheme, parts)
        if scheme == "file":
            return cls._folder(_file_path(parts))
        return cls._bucket(scheme, parts, options)

    @classmethod
    def _folder(cls, path: Path) -> Location:
        root = str(path.absolute())
        return cls("file", root, root)

    @classmethod
    def _bucket(cls, scheme: str, parts: SplitResult, options: dict[str, str]) -> Location:
        bucket = parts.netloc
        if scheme == "abfss" and "@" in bucket:
            bucket, _, host = bucket.partition("@")
            options.setdefault("account_name", host.partition(".")[0])
        if "@" in bucket:
            raise LakeError(
                f"the {scheme}:// URL of the lake holds credentials before an @",
                hint="write them as options: ?access_key_id=...&secret_access_key=...",
            )
        if not bucket:
            raise LakeError(f"the {scheme}:// URL of the lake names no bucket", hint=_EXAMPLES)
        prefix = unquote(parts.path).strip("/")
        url = f"{scheme}://{parts.netloc}/{prefix}".rstrip("/")
        kind = "az" if scheme == "abfss" else scheme
        return cls(kind, url, bucket, prefix, MappingProxyType(options))

    def option(self, name: str) -> str | None:
        """The option's value, None where it is not given."""
        return self.options.get(name)

    @property
    def client_options(self) -> dict[str, str]:
        """The options that the store's client understands."""
        return {name: value for name, value in self.options.items() if name not in _OURS}

    @property
    def allow_http(self) -> bool:
        """Whether the store may be spoken to without TLS: asked for, or said by its endpoint."""
        endpoint = self.options.get("endpoint", "")
        return endpoint.startswith("http://") or _true(self.options.get("allow_http", "false"))


_EXAMPLES = "for example ./lake, s3://bucket/prefix?region=eu-central-1, gs://bucket/prefix"


def _options(scheme: str, parts: SplitResult) -> dict[str, str]:
    # Not parse_qsl: it turns a secret's + into a space.
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    if parts.fragment:
        raise LakeError(
            f"the {scheme}:// URL of the lake holds a #", hint="write it as %23 inside a value"
        )
    known = _OPTIONS[scheme]
    for name, _, _ in pairs:
        if name not in known:
            raise LakeError(
                f"{name!r} is no option of a {scheme}:// lake",
                hint=_nearest(name, known) if known else "a local folder has no options",
            )
    return {name: unquote(value) for name, _, value in pairs}


def _nearest(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word.lower(), known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def _file_path(parts: SplitResult) -> Path:
    if parts.netloc not in ("", "localhost"):
        raise LakeError(
            f"file://{parts.netloc} names another machine",
            hint="write an absolute path with three slashes: file:///data/lake",
        )
    return Path(unquote(parts.path))


def _true(text: str) -> bool:
    return text.lower() in ("true", "1", "yes")


@dataclass(frozen=True)
class Lake:
    """Where tables are published. `str()` and `repr()` of it are safe to print."""

    location: Location = field(repr=False)

    @property
    def url(self) -> str:
        """Without options."""
        return self.location.url

    @cached_property
    def store(self) -> Store:
        """The store behind the URL; the first use makes its client."""
        return _open_store(self.location)

    @property
    def delta_options(self) -> dict[str, str]:
        """What deltalake's own client is told: the same store with the same patience."""
        return _delta_options(self.location)

    def read_state(self, table: TableName) -> tuple[TableState, str | None]:
        """The table's state and its version; version 0 and None before the first publish."""
        found = self.store.read(state_path(table))
        if found is None:
            return TableState(table=str(table)), None
        return decode_state(found.data, table, self.url), found.version

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"Lake({self.url!r})"


def open_lake(url: str) -> Lake:
    """The lake at a URL with its secrets resolved.

    Args:
        url: a folder (plain, relative or `file://`), `s3://bucket/prefix?options`,
            `gs://bucket/prefix?options`, `az://container/prefix?options` or
            `abfss://container@account.dfs.core.windows.net/prefix?options`.

    Raises LakeError where the URL makes no sense; nothing is asked of the store yet.
    """
    return Lake(Location.parse(url))


def _delta_options(location: Location) -> dict[str, str]:
    if location.scheme == "file":
        return {}
    options = location.client_options
    if location.scheme == "gs" and "endpoint" in options:
        options["google_base_url"] = options.pop("endpoint")
    options |= {"connect_timeout": "3s", "timeout": "300s", "max_retries": "2"}
    options |= {"retry_timeout": "20s", "allow_http": str(location.allow_http).lower()}
    if location.option("conditional_put") == "disabled":
        options["aws_s3_allow_unsafe_rename"] = "true"
    return options


def _open_store(location: Location) -> Store:
    if location.scheme == "file":
        from duckherd.lake.folder import FolderStore

        return FolderStore(Path(location.root))
    from duckherd.lake.bucket import BucketStore

    return BucketStore(
        _client(location),
        location.url,
        endpoint=location.option("endpoint"),
        by_generation=location.scheme == "gs",
        conditional=location.option("conditional_put") != "disabled",
    )


def _client(location: Location) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    kinds: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    config = location.client_options
    if location.scheme == "gs" and "endpoint" in config:
        config["base_url"] = config.pop("endpoint")
    try:
        return kinds[location.scheme](
            location.root,
            prefix=location.prefix or None,
            config=config,
            client_options={**_CLIENT, "allow_http": location.allow_http},
            retry_config=_RETRY,
        )
    except (BaseError, ValueError, TypeError) as error:
        from duckherd.lake.refusal import explained

        raise explained(error, location.url, "opening it") from None
