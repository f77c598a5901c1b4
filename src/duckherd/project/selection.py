"""The selection language: which deployments a command is about.

    expression  = union of terms, separated by white space
    term        = intersection of parts, separated by commas
    part        = [attribute ":"] pattern
    pattern     = text with * and ?; in double quotes ("" for one) taken literally

A part without attribute is a name: of the deployment (`erp.sales.orders`), of the table
(`sales.orders`), or of the table without its schema (`orders`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeVar

from duckherd.catalog.model import TableName
from duckherd.errors import SelectionError

FIXED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "state": ("new", "modified", "orphaned"),
        "result": ("failed", "crashed", "late", "missing", "ok"),
        "check": ("failed",),
        "objective": ("breached",),
    }
)
"""Attributes that a command must look up, and their values."""

_ATTRIBUTES = ("name", "tag", "owner", *FIXED)
_OWNER = "owner:"
_TOKEN = re.compile(r'(?P<quoted>"(?:[^"]|"")*")|(?P<space>\s+)|(?P<comma>,)|(?P<plain>[^\s",]+)')


class Selectable(Protocol):
    """What can be selected."""

    @property
    def name(self) -> str:
        """Of the deployment."""
        ...

    @property
    def table(self) -> str | None:
        """`schema.name`; None for another flow's deployment."""
        ...

    @property
    def tags(self) -> Collection[str]:
        """Of the deployment."""
        ...


R = TypeVar("R", bound=Selectable)
Lookup = Callable[[Selectable], Collection[str]]


@dataclass(frozen=True, slots=True)
class Part:
    """One condition: `attribute` has a value that `pattern` matches."""

    attribute: str
    pattern: re.Pattern[str]
    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed selection: a union of intersections; no term at all means everything."""

    terms: tuple[tuple[Part, ...], ...]

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes of `FIXED` that must be looked up to evaluate it."""
        used = {part.attribute for term in self.terms for part in term}
        return frozenset(used & set(FIXED))

    def matches(self, record: Selectable, lookups: Mapping[str, Lookup]) -> bool:
        """Whether a record is meant."""
        return not self.terms or any(
            all(_holds(part, record, lookups) for part in term) for term in self.terms
        )


def parse(words: Iterable[str]) -> Expression:
    """Read a selection. Raises SelectionError for an unknown attribute or value."""
    terms: list[tuple[Part, ...]] = []
    for word in words:
        terms += _terms(word)
    return Expression(tuple(terms))


def select(
    records: Sequence[R],
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    lookups: Mapping[str, Lookup] = MappingProxyType({}),
) -> tuple[R, ...]:
    """The records meant, in their order.

    Args:
        records: to choose from.
        include: a selection; nothing means all.
        exclude: a selection to leave out.
        lookups: attribute of `FIXED` -> its values for a record.

    Raises:
        SelectionError: nothing is selected (the hint tells the nearest names), or an
            attribute is used that has no lookup.
    """
    include, exclude = tuple(include), tuple(exclude)
    wanted, unwanted = parse(include), parse(exclude)
    _require(wanted.attributes | unwanted.attributes, lookups)
    chosen = [record for record in records if wanted.matches(record, lookups)]
    if unwanted.terms:
        chosen = [record for record in chosen if not unwanted.matches(record, lookups)]
    if not chosen:
        raise _nothing(records, include, exclude, wanted)
    return tuple(chosen)


def quote(name: str) -> str:
    """The name as a selection that means exactly it, e.g. for a command to rerun."""
    plain = re.fullmatch(r'[^\s",*?:]+', name)
    return name if plain else '"' + name.replace('"', '""') + '"'


def owner_of(record: Selectable) -> str | None:
    """Who owns it: the tag `owner:<name>`, None without one."""
    return next((tag.removeprefix(_OWNER) for tag in record.tags if tag.startswith(_OWNER)), None)


def _terms(word: str) -> list[tuple[Part, ...]]:
    terms: list[list[list[re.Match[str]]]] = [[[]]]
    end = 0
    for token in _TOKEN.finditer(word):
        if token.start() != end:
            break
        end = token.end()
        if token["space"]:
            terms.append([[]])
        elif token["comma"]:
            terms[-1].append([])
        else:
            terms[-1][-1].append(token)
    if end != len(word):
        raise SelectionError(
            f'the selection {word!r} has a double quote that is not closed (write "" for one)'
        )
    return [_term(term, word) for term in terms if term != [[]]]


def _term(term: list[list[re.Match[str]]], word: str) -> tuple[Part, ...]:
    if not all(term):
        raise SelectionError(f"the selection {word!r} has a comma with nothing beside it")
    return tuple(_part(tokens) for tokens in term)


def _part(tokens: list[re.Match[str]]) -> Part:
    text = "".join(token[0] for token in tokens)
    attribute, colon, _ = str(tokens[0]["plain"] or "").partition(":")
    if not colon:
        return Part("name", _pattern(tokens, 0), text)
    if attribute not in _ATTRIBUTES:
        raise SelectionError(
            f"unknown attribute {attribute!r} in the selection {text!r}",
            hint=_did_you_mean(attribute, _ATTRIBUTES)
            or f"known are {', '.join(_ATTRIBUTES)}; a name with a colon goes in double quotes",
        )
    value = text[len(attribute) + 1 :]
    if attribute in FIXED and value not in FIXED[attribute]:
        raise SelectionError(
            f"{attribute}:{value} is no selection; {attribute} is {' or '.join(FIXED[attribute])}",
            hint=_did_you_mean(value, FIXED[attribute]),
        )
    return Part(attribute, _pattern(tokens, len(attribute) + 1), text)


def _pattern(tokens: list[re.Match[str]], skip: int) -> re.Pattern[str]:
    expression = ""
    for token in tokens:
        if token["quoted"]:
            expression += re.escape(token[0][1:-1].replace('""', '"'))
        else:
            plain = re.escape(token[0][skip:])
            expression += plain.replace(r"\*", ".*").replace(r"\?", ".")
        skip = 0
    return re.compile(expression, re.DOTALL)


def _holds(part: Part, record: Selectable, lookups: Mapping[str, Lookup]) -> bool:
    return any(part.pattern.fullmatch(value) for value in _values(part, record, lookups))


def _values(part: Part, record: Selectable, lookups: Mapping[str, Lookup]) -> Collection[str]:
    if part.attribute == "tag":
        return record.tags
    if part.attribute == "owner":
        return [owner] if (owner := owner_of(record)) else []
    if part.attribute in FIXED:
        return lookups[part.attribute](record)
    return _names(record)


def _names(record: Selectable) -> list[str]:
    if record.table is None:
        return [record.name]
    return [record.name, record.table, TableName.parse(record.table).name]


def _require(attributes: Collection[str], lookups: Mapping[str, Lookup]) -> None:
    for attribute in sorted(set(attributes) - set(lookups)):
        known = sorted({"tag", "owner", *lookups})
        raise SelectionError(
            f"this command cannot select by {attribute}:",
            hint=f"select by name, {', '.join(f'{each}:' for each in known)}",
        )


def _nothing(
    records: Sequence[Selectable],
    include: Sequence[str],
    exclude: Sequence[str],
    wanted: Expression,
) -> SelectionError:
    if not records:
        return SelectionError("there is nothing to select: the project has no tables")
    without = f" without {' '.join(exclude)!r}" if exclude else ""
    asked = " ".join(include)
    near = _nearest(records, wanted)
    return SelectionError(
        f"the selection {asked!r}{without} means none of {len(records)} tables",
        hint=f"nearest are {', '.join(near)}" if near else "duckherd ls lists them all",
    )


def _nearest(records: Sequence[Selectable], wanted: Expression) -> list[str]:
    near: dict[str, None] = {}
    for part in (part for term in wanted.terms for part in term):
        if part.attribute in FIXED:
            continue
        prefix = "" if part.attribute == "name" else f"{part.attribute}:"
        # Names are compared without case, so that Orders finds orders.
        known = {
            value.lower(): prefix + quote(value)
            for record in records
            for value in _values(part, record, {})
        }
        asked = part.text.removeprefix(prefix).strip('"*?').lower()
        for match in difflib.get_close_matches(asked, known, n=3, cutoff=0.5):
            near[known[match]] = None
    return list(near)[:5]


def _did_you_mean(word: str, known: Collection[str]) -> str | None:
    match = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {match[0]}?" if match else None
