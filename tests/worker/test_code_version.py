"""Changed code is noticed, unchanged code is not."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from duckherd.worker.code_version import ImportedCode


def test_a_changed_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only modules imported since, and only when their file has changed."""
    module = tmp_path / "just_imported.py"
    module.write_text("A = 1\n")
    os.utime(module, ns=(0, 0))
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
    os.utime(module, ns=(0, 0))
    __import__("soon_gone")
    code = ImportedCode()
    code.record()
    module.unlink()
    assert code.changed() == str(module)
    monkeypatch.delitem(sys.modules, "soon_gone")


def test_a_module_changed_while_it_may_have_been_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old version is in memory, the new one's time is on disk: that is a change."""
    module = tmp_path / "changed_meanwhile.py"
    module.write_text("A = 1\n")
    os.utime(module, ns=(0, 0))
    code = ImportedCode()
    monkeypatch.syspath_prepend(tmp_path)
    code.begin()
    __import__("changed_meanwhile")
    module.write_text("A = 2\n")
    code.record()
    assert code.changed() == str(module)
    monkeypatch.delitem(sys.modules, "changed_meanwhile")


def test_a_module_changed_before_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the process waited for the run that imports it."""
    module = tmp_path / "changed_before.py"
    code = ImportedCode()
    module.write_text("A = 1\n")
    time.sleep(0.1)
    monkeypatch.syspath_prepend(tmp_path)
    code.begin()
    __import__("changed_before")
    code.record()
    assert code.changed() is None
    monkeypatch.delitem(sys.modules, "changed_before")
