"""Editing `prefect.yaml` in place, so that every byte that is not meant stays.

A round trip through a YAML library would move comments and quotes; here entries are found
by their tokens, and only their own text is taken out, put in or replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import yaml

from duckherd.errors import ProjectError
from duckherd.project.document import Loader

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of one entry.

    Attributes:
        start, end: 0-based half-open range of characters, whole lines.
        dash, key: 0-based columns of the entry's `-` and of its keys.
    """

    start: int
    end: int
    dash: int
    key: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters [start, end) become `text`; its line breaks become the file's."""

    start: int
    end: int
    text: str = ""


class Lines:
    """The lines of a text as YAML counts them."""

    def __init__(self, text: str) -> None:
        ends = [match.end() for match in _BREAK.finditer(text)]
        pieces = [text[a:b] for a, b in pairwise([0, *ends, len(text)]) if a < b]
        self.lines = pieces
        self._starts = [0, *accumulate(map(len, pieces))]

    def offset(self, line: int, column: int = 0) -> int:
        """Characters before a 0-based line and column."""
        return self._starts[min(line, len(self.lines))] + column


def entry_spans(text: str, path: str) -> tuple[Span, ...]:
    """Where each item of `deployments` stands, comments around it left out.

    Raises ProjectError where the list is written in brackets or entries share a line.
    """
    sequence, lines = _deployments(text, path), Lines(text)
    if sequence is None:
        return ()
    firsts = [item.start_mark.line for item in sequence.value]
    end = sequence.end_mark
    bounds = [*firsts[1:], end.line + (1 if end.column else 0)]
    content = _content_lines(text)
    spans = []
    for item, first, bound in zip(sequence.value, firsts, bounds, strict=True):
        if first == bound:
            raise _by_hand(path, first, "two deployments share a line")
        last = max(last for line, last in content if first <= line < bound)
        key = item.start_mark.column
        dash = lines.lines[first].rfind("-", 0, key)
        spans.append(Span(lines.offset(first), lines.offset(last + 1), dash, key))
    return tuple(spans)


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with each edit made; edits do not overlap, equal places keep their order."""
    found = _BREAK.search(text)
    newline = found[0] if found else "\n"
    ordered = sorted(edits, key=lambda each: (each.start, each.end))
    for edit in ordered[::-1]:
        before = text[: edit.start]
        # The last line of the file may have no end.
        joint = newline if edit.text and edit.start == len(text) and _unended(before) else ""
        text = before + joint + edit.text.replace("\n", newline) + text[edit.end :]
    return text


def indented(lines: str, span: Span) -> str:
    """A scaffolded entry (dash in column 2, keys in column 4) with the columns of `span`."""
    first, *others = lines.splitlines(keepends=True)
    dash = " " * span.dash + "-" + " " * (span.key - span.dash - 1) + first[4:]
    return dash + "".join(" " * span.key + line[4:] if line.strip() else line for line in others)


def _unended(text: str) -> bool:
    return bool(text) and _BREAK.fullmatch(text[-1]) is None


def _deployments(text: str, path: str) -> yaml.SequenceNode | None:
    root = yaml.compose(text, Loader=Loader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "deployments" and isinstance(value, yaml.SequenceNode):
            if value.flow_style:
                raise _by_hand(path, value.start_mark.line, "the list is written in brackets")
            return value
    return None


def _content_lines(text: str) -> list[tuple[int, int]]:
    """Of each token that is content: its first and its last line, 0-based."""
    return [
        (token.start_mark.line, _last_line(token))
        for token in yaml.scan(text, Loader=Loader)
        if not isinstance(token, yaml.StreamEndToken | yaml.BlockEndToken)
    ]


def _last_line(token: yaml.Token) -> int:
    end = token.end_mark
    # A block text (|, >) ends where the line after it begins.
    after = end.column == 0 and end.line > token.start_mark.line
    return int(end.line - 1 if after else end.line)


def _by_hand(path: str, line: int, reason: str) -> ProjectError:
    return ProjectError(
        f"cannot be edited in place: {reason}",
        path=path,
        line=line + 1,
        hint="write each deployment on lines of its own, beginning with '- '",
    )
