"""Fixtures of the secrets' tests."""

from __future__ import annotations

import importlib

import pytest

# The package's public names `resolve` and `scrub` are the functions, not these modules.
_resolve = importlib.import_module("duckherd.secrets.resolve")
_scrub = importlib.import_module("duckherd.secrets.scrub")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts as a process that has resolved no secret yet."""
    monkeypatch.setattr(_scrub, "_known", set())
    monkeypatch.setattr(_resolve, "_cache", {})
