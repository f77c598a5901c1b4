"""All that is wrong with a file, told at once and in the order of its lines."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from duckherd.errors import ProjectError
from duckherd.project.document import Position

_MOST = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file.

    Attributes:
        position: where.
        message: what, without a full stop.
        hint: the way out, None where there is none.
        subject: whose problem it is, e.g. `deployment 'erp.sales.orders'`; may be empty.
    """

    position: Position
    message: str
    hint: str | None = None
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}" if self.subject else self.message


def refuse(path: str, problems: Iterable[Problem]) -> None:
    """Raise one ProjectError that tells all the problems; nothing where there are none."""
    found = _once(sorted(problems, key=lambda each: (each.position.line, each.position.column)))
    if not found:
        return
    first, *others = found
    lines = [str(first), *(_line(path, problem) for problem in others[:_MOST])]
    if others and first.hint:
        lines[0] += f" ({first.hint})"
    if len(others) > _MOST:
        lines.append(f"... and {len(others) - _MOST} more")
    raise ProjectError(
        "\n".join(lines),
        path=path,
        line=first.position.line,
        column=first.position.column,
        hint=None if others else first.hint,
    )


def _once(problems: Sequence[Problem]) -> list[Problem]:
    """One problem of an anchor's content, not one for each deployment that uses it."""
    groups: dict[Problem, list[str]] = {}
    for problem in problems:
        subjects = groups.setdefault(replace(problem, subject=""), [])
        if problem.subject not in subjects:
            subjects.append(problem.subject)
    return [replace(each, subject=_together(names)) for each, names in groups.items()]


def _together(subjects: Sequence[str]) -> str:
    more = len(subjects) - 1
    return subjects[0] + (f" and {more} other{'s' * (more > 1)}" if more else "")


def _line(path: str, problem: Problem) -> str:
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"{path}:{problem.position.line}:{problem.position.column}: {problem}{hint}"


def nearest(word: str, known: Collection[str]) -> str:
    """A hint: `did you mean 'x'?`, or the known words where none is near."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if match:
        return f"did you mean {match[0]!r}?"
    return f"known are {', '.join(sorted(known))}"
