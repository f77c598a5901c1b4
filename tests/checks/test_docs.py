"""The page on checks says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from check_tables import parse
from duckherd.checks.kinds import KINDS

DOCS = Path(__file__).parents[2] / "docs"


def test_kinds_are_up_to_date() -> None:
    """The section of every kind is the generated one."""
    script = str(DOCS / "generate_checks.py")
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_are_valid() -> None:
    """Every kind has a heading, and every example is a valid list of checks."""
    page = (DOCS / "checks.md").read_text("utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == set(KINDS)
    for example in re.findall(r"```yaml\n(- .*?)```", page, re.DOTALL):
        assert parse(yaml.safe_load(example))
