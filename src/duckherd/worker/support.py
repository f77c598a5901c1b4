"""Whether the installed Prefect is one the warm processes were made for."""

from __future__ import annotations

import os
from importlib.metadata import version

from packaging.specifiers import SpecifierSet

TESTED = SpecifierSet(">=3.8.8,<3.9")
"""Prefect versions whose private parts `prefect_internals` was tested with."""


def unsupported_reason() -> str | None:
    """Why flow runs must be started Prefect's own way here, or None if warm is fine."""
    if not hasattr(os, "fork"):
        return "this operating system cannot fork processes"
    installed = version("prefect")
    if installed not in TESTED:
        return f"Prefect {installed} is installed; warm processes were tested with {TESTED}"
    try:
        import duckherd.worker.prefect_internals  # noqa: F401
    except ImportError as error:
        return f"Prefect {installed} has changed: {error}"
    return None
