"""Makers of realistic column values, all from one seeded generator.

A maker takes the generator and the number of rows and gives that many values, lazily:
one generator expression a column is the fastest way to a million rows in plain Python.
Only `Random.random` and `getrandbits` are used, so one seed gives the same data on
every machine.
"""
# ruff: noqa: SIM905  (lists of words read best as words)

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

Maker = Callable[[Random, int], Iterable[Any]]

FIRST_NAMES = (
    "Ada Ben Chloé Dawid Elif Farid Grace Hugo Ines Jakub Kaya Liam Márta Noor Oskar Paula "
    "Quinn Rosa Søren Tomasz Uma Victor Wanda Xavier Yusuf Zoë"
).split()
LAST_NAMES = (
    "Adler Bauer Castro Dąbrowski Evans Fischer García Haddad Ivanova Jensen Kowalska Lindqvist "
    "Müller Novák O'Brien Petrov Quist Rossi Šimić Tanaka Urbańska Vogel Wójcik Young Zhang"
).split()
NOUNS = (
    "kettle lamp chair blanket notebook backpack bottle headset keyboard clock mug towel tent "
    "jacket boots puzzle globe mirror basket candle"
).split()
ADJECTIVES = (
    "quiet red foldable warm light sturdy small recycled woollen steel oak blue wide handy soft"
).split()
PHRASES = (
    "arrived on time", "the colour is lighter than shown", "please ring the bell",
    "works as described", "second order, happy again", "box was damaged; content fine",
    "asked for an invoice", "très bien", "würde wieder kaufen", "size runs small",
)  # fmt: skip

_FIRST_DAY = date(2023, 1, 1)
_DAYS = [str(_FIRST_DAY + timedelta(number)) for number in range(3 * 365)]
_TIMES = [
    f"{hour:02d}:{minute:02d}:{second:02d}"
    for hour in range(24)
    for minute in range(60)
    for second in range(0, 60, 7)
]


def key() -> Maker:
    """1, 2, 3 ..."""
    return lambda _, rows: range(1, rows + 1)


def listed(values: Sequence[Any]) -> Maker:
    """The values as they are."""
    return lambda _, rows: values[:rows]


def code(prefix: str, digits: int = 6) -> Maker:
    """`PRE-000001` ..."""
    return lambda _, rows: (f"{prefix}-{row:0{digits}d}" for row in range(1, rows + 1))


def among(count: int) -> Maker:
    """A key of another table with `count` rows; low keys, the old customers, come more often."""

    def make(random: Random, rows: int) -> Iterable[int]:
        r = random.random
        return (1 + int(count * r() * r()) for _ in range(rows))

    return make


def even(count: int) -> Maker:
    """A key of another table with `count` rows, each as likely."""
    return whole(1, count)


def spread(count: int, children: int) -> Maker:
    """A parent's key, such that `children` rows come in the order of `count` parents."""
    return lambda _, rows: (1 + row * count // children for row in range(rows))


def pick(values: Sequence[Any]) -> Maker:
    """One of the values; the first ones come more often."""
    size = len(values)

    def make(random: Random, rows: int) -> Iterable[Any]:
        r = random.random
        return (values[int(size * r() * r())] for _ in range(rows))

    return make


def whole(low: int, high: int) -> Maker:
    """A whole number, both ends included."""
    size = high - low + 1

    def make(random: Random, rows: int) -> Iterable[int]:
        r = random.random
        return (low + int(size * r()) for _ in range(rows))

    return make


def decimal(low: float, high: float, digits: int = 2) -> Maker:
    """A number with that many digits after the point."""
    unit = 10**digits
    first, size = int(low * unit), int((high - low) * unit) + 1

    def make(random: Random, rows: int) -> Iterable[float]:
        r = random.random
        return ((first + int(size * r())) / unit for _ in range(rows))

    return make


def flag(share: float) -> Maker:
    """1 in that share of the rows, else 0."""

    def make(random: Random, rows: int) -> Iterable[int]:
        r = random.random
        return (int(r() < share) for _ in range(rows))

    return make


def day() -> Maker:
    """A date as text, `2024-02-29`, in three years from 2023 on."""

    def make(random: Random, rows: int) -> Iterable[str]:
        r, days = random.random, len(_DAYS)
        return (_DAYS[int(days * r())] for _ in range(rows))

    return make


def moment() -> Maker:
    """A timestamp as text, `2024-02-29 13:05:56`."""

    def make(random: Random, rows: int) -> Iterable[str]:
        r, days, times = random.random, len(_DAYS), len(_TIMES)
        return (f"{_DAYS[int(days * r())]} {_TIMES[int(times * r())]}" for _ in range(rows))

    return make


def maybe(maker: Maker, nulls: float) -> Maker:
    """NULL in that share of the rows."""

    def make(random: Random, rows: int) -> Iterable[Any]:
        r = random.random
        return (None if r() < nulls else value for value in maker(random, rows))

    return make


def joined(pattern: str, *makers: Maker) -> Maker:
    """Texts put together, e.g. `joined("{} {}", first, last)`."""

    def make(random: Random, rows: int) -> Iterable[str]:
        parts = (maker(random, rows) for maker in makers)
        return (pattern.format(*values) for values in zip(*parts, strict=True))

    return make


def person() -> Maker:
    """A full name."""
    return joined("{} {}", pick(FIRST_NAMES), pick(LAST_NAMES))


def email() -> Maker:
    """A unique address."""
    return joined("{}.{}@example.org", pick([name.lower() for name in FIRST_NAMES]), key())


def product() -> Maker:
    """A product's name."""
    return joined("{} {}", pick([word.capitalize() for word in ADJECTIVES]), pick(NOUNS))


def phrase() -> Maker:
    """A short text."""
    return pick(PHRASES)


def bytes_of(size: int) -> Maker:
    """That many bytes."""
    return lambda random, rows: (
        random.getrandbits(8 * size).to_bytes(size, "big") for _ in range(rows)
    )
