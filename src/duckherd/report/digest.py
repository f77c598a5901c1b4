"""The night in one message: a digest as a value, and as text, Markdown and HTML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from duckherd.history import figures
from duckherd.history.figures import RunFacts
from duckherd.history.store import Store
from duckherd.report import sections
from duckherd.report.judged import Judged, risk
from duckherd.sla.model import Outcome, Slot
from duckherd.sla.schedule import utc
from duckherd.units import duration, plural

MOST = 10
"""Lines of one part; the rest is counted."""

_MISSED = (Outcome.MISSING, Outcome.LATE, Outcome.STALE)


@dataclass(frozen=True, slots=True)
class Part:
    """A heading and its lines; `command`: lines are shell commands."""

    heading: str
    lines: tuple[str, ...]
    command: bool = False


@dataclass(frozen=True, slots=True)
class Digest:
    """What one message says."""

    subject: str
    numbers: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]


def digest(store: Store, judged: Judged, since: float) -> Digest:
    """The last `since` seconds of the selected tables."""
    start = judged.now - since
    names = [table.name for table in judged.tables]
    slots = [slot for name in names for slot in judged.slots[name] if slot.deadline >= start]
    missed = [slot for slot in slots if slot.outcome.is_bad]
    failed = figures.failed_runs(store, names, start)
    changes = figures.schema_changes(store, names, start)
    verdict = sections.verdict(judged)
    parts = (
        Part("Failed", _limited(_causes(failed))),
        Part("Late, stale or missing", _limited(_late(missed))),
        Part("Breached objectives", _limited(_breached(judged))),
        Part("The next miss breaches", _limited(_next(judged))),
        Part("Schema changes", _limited(f"{r.deployment}: {r.schema_change}" for r in changes)),
        Part("Run again", rerun(judged, missed), command=True),
    )
    told = tuple(part for part in parts if part.lines)
    return Digest(verdict.sentence, verdict.numbers, told)


def _limited(lines: Iterable[str]) -> tuple[str, ...]:
    found = tuple(lines)
    rest = len(found) - MOST
    return (*found[:MOST], f"and {rest:,} more") if rest > 0 else found


def _causes(failed: Sequence[RunFacts]) -> Iterable[str]:
    for cause in sections.causes(failed):
        where = f" in {cause.step}" if cause.step else ""
        tables = ", ".join(cause.tables[:5])
        more = f" and {len(cause.tables) - 5} more" if len(cause.tables) > 5 else ""
        yield f"{cause.name}{where}: {plural(cause.runs, 'run')} of {tables}{more}"


def _late(missed: Sequence[Slot]) -> Iterable[str]:
    for slot in missed:
        if slot.outcome in _MISSED:
            late = f", {duration(slot.lateness)} after its deadline" if slot.lateness else ""
            yield f"{slot.table}: {slot.outcome}, due {_clock(slot.time)}{late}"


def _breached(judged: Judged) -> Iterable[str]:
    kept = judged.attainments
    for table in sorted(judged.tables, key=lambda each: (kept[each.name].left, each.name)):
        one = kept[table.name]
        if one.breached:
            owner = f" ({table.owner})" if table.owner else ""
            yield f"{table.name}{owner}: {one.percent:.2f} % of {one.target:g} %"


def _next(judged: Judged) -> Iterable[str]:
    promised = (table for table in judged.tables if table.objective)
    risks = sorted((risk(judged, table) for table in promised), key=lambda one: one.order)
    for one in risks:
        if one.failing and one.left == 0 and not one.attainment.breached:
            due = f", due {_clock(one.deadline)}" if one.deadline else ""
            yield f"{one.table.name}{due}"


def rerun(judged: Judged, missed: Iterable[Slot]) -> tuple[str, ...]:
    """The command that runs again what missed and has not been published since; or nothing."""
    newest = {name: found[-1] for name, found in judged.slots.items() if found}
    names = sorted(
        {
            slot.table
            for slot in missed
            if slot.published is None and not newest[slot.table].outcome.is_good
        }
    )
    return (f"duckherd run {' '.join(map(_word, names))}",) if names else ()


def _word(name: str) -> str:
    """The name as a selection, as a shell takes it."""
    if re.fullmatch(r"[\w.-]+", name):
        return name
    # Imported for odd names only: the package reads prefect.yaml, which takes a while.
    from duckherd.project.selection import quote

    return shlex.quote(quote(name))


def _clock(moment: float) -> str:
    return f"{utc(moment).astimezone():%a %H:%M}"


def text(one: Digest) -> str:
    """For a terminal or a plain mail."""
    numbers = [f"  {number:>12}  {label}" for number, label in one.numbers]
    parts = ["\n".join([part.heading, *(f"  {line}" for line in part.lines)]) for part in one.parts]
    return "\n\n".join([one.subject, "\n".join(numbers), *parts]) + "\n"


def markdown(one: Digest) -> str:
    """For chat and for Prefect's artifacts."""
    numbers = "\n".join(f"- **{number}** {_md(label)}" for number, label in one.numbers)
    parts = [f"### {part.heading}\n\n{_md_lines(part)}" for part in one.parts]
    return "\n\n".join([f"## {_md(one.subject)}", numbers, *parts]) + "\n"


def _md_lines(part: Part) -> str:
    if part.command:
        return "```sh\n" + "\n".join(part.lines) + "\n```"
    return "\n".join(f"- {_md(line)}" for line in part.lines)


def _md(line: str) -> str:
    safe = escape(line, quote=False).replace("\\", "\\\\")
    return re.sub(r"([`*_\[\]])", r"\\\1", safe).replace("\n", " ")


def html(one: Digest) -> str:
    """For HTML mail: no style sheet, no script, no image."""
    numbers = "".join(f"<li><b>{escape(n)}</b> {escape(label)}</li>" for n, label in one.numbers)
    parts = "".join(f"<h3>{escape(p.heading)}</h3>{_html_lines(p)}" for p in one.parts)
    return f"<h2>{escape(one.subject)}</h2><ul>{numbers}</ul>{parts}\n"


def _html_lines(part: Part) -> str:
    if part.command:
        return f"<pre>{escape(chr(10).join(part.lines))}</pre>"
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in part.lines) + "</ul>"


FORMATS = {"text": text, "markdown": markdown, "html": html}
"""Name of a format -> its writer."""
