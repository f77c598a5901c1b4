"""Changed code is noticed, unchanged code is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from duckherd.worker.code_version import ImportedCode


def test_a_changed_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only modules imported since, and only when their file has changed."""
    module = tmp_path / "just_imported.py"
    module.write_text("A = 1\n")
    code = ImportedCode()
    monkeypatch.syspath_prepend(tmp_path)
    __import__("just_imported")
    code.record()
    assert code.changed() is None
    os.utime(module, ns=(1, 1))
    assert code.changed() == str(module)
    monkeypatch.delitem(sys.modules, "just_imported")


def test_a_removed_module_counts_as_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone is a change, too."""
    module = tmp_path / "soon_gone.py"
    module.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("soon_gone")
    code = ImportedCode()
    code.record()
    module.unlink()
    assert code.changed() == str(module)
    monkeypatch.delitem(sys.modules, "soon_gone")
