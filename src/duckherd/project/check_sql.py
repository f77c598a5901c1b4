"""SQL and regular expressions of a project's checks that can never be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from duckherd.checks.validate import validate_checks
from duckherd.project.file import Entry, Project
from duckherd.project.problems import Problem


def wrong_checks(project: Project, entries: Iterable[Entry]) -> Iterator[Problem]:
    """What is wrong with the checks of our deployments, whatever their tables hold."""
    for entry in entries:
        if not entry.ours:
            continue
        for problem in validate_checks(entry.ingest().checks):
            path = ("deployments", entry.index, "parameters", "checks", problem.position)
            yield Problem(
                project.document.position(path),
                f"check {problem}",
                "see docs/checks.md",
                f"deployment {entry.name!r}",
            )
