"""Selections that ask a question: that no table is late is an answer, a mistyped name is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from duckherd.errors import SelectionError

if TYPE_CHECKING:
    from duckherd.project.selection import Selectable

T = TypeVar("T")

_HOW_IT_WENT = frozenset({"result", "check", "objective"})


def or_none(
    choose: Callable[[], T], records: Sequence[Selectable], include: Sequence[str], none: T
) -> T:
    """What `choose` gives, or `none` where it finds nothing because nothing went as asked.

    Raises SelectionError where a part of the selection means no table, however it went.
    """
    try:
        return choose()
    except SelectionError:
        if not _could_be_some(records, include):
            raise
        return none


def _could_be_some(records: Sequence[Selectable], include: Sequence[str]) -> bool:
    """Whether results are asked of each term, and it means some table apart from them."""
    from duckherd.project.selection import Expression, parse

    terms = parse(include).terms
    for term in terms:
        others = tuple(part for part in term if part.attribute not in _HOW_IT_WENT)
        named = Expression((others,))
        if others == term or named.attributes:
            return False
        if others and not any(named.matches(record, {}) for record in records):
            return False
    return bool(terms)
