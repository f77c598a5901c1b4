"""Pydantic's complaints as problems with positions, the nearest valid key and no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from duckherd.project.document import Document, Path
from duckherd.project.problems import Problem, nearest

_PLAIN = {
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "does not match {pattern}",
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
}
_NAMED_CHARACTERS = {"^[^/%&><]+$": "must not hold any of / % & > <"}


def problems_of(
    model: type[BaseModel], value: Mapping[str, Any], document: Document, path: Path, what: str
) -> tuple[Problem, ...]:
    """What `model` finds wrong with the mapping at `path`; empty where nothing.

    Args:
        model: refuses unknown keys.
        value: what is validated.
        document: where it stands, for positions.
        path: of the mapping in the document.
        what: whose mapping it is, e.g. `deployment 'erp.sales.orders'`.
    """
    try:
        model.model_validate(dict(value))
    except ValidationError as error:
        return tuple(_problem(model, each, value, document, path, what) for each in error.errors())
    return ()


def _problem(
    model: type[BaseModel],
    error: Any,
    value: Mapping[str, Any],
    document: Document,
    path: Path,
    what: str,
) -> Problem:
    loc = _keys(error, value)
    where = (*path, *loc)
    field = _spelled(loc)
    if error["type"] == "extra_forbidden":
        known = known_keys(model, loc[:-1])
        place = f" of {_spelled(loc[:-1])!r}" if loc[:-1] else ""
        return Problem(
            document.key_position(where),
            f"unknown key {loc[-1]!r}{place}",
            nearest(str(loc[-1]), known),
            what,
        )
    text, _, hint = _said(error).partition("\n  hint: ")
    subject = f"{field} " if field and error["type"] in _PLAIN else f"{field}: " if field else ""
    return Problem(document.position(where), f"{subject}{text}", hint or None, what)


def _said(error: Any) -> str:
    context = error.get("ctx", {})
    if context.get("pattern") in _NAMED_CHARACTERS:
        return _NAMED_CHARACTERS[context["pattern"]]
    if error["type"] in _PLAIN:
        return _PLAIN[error["type"]].format(**context)
    return str(context["error"]) if "error" in context else _lowered(error["msg"])


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _keys(error: Any, value: Any) -> tuple[str | int, ...]:
    """The error's location without the branches of unions, which are nothing in the file."""
    kept: list[str | int] = []
    for part in error["loc"]:
        inside = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        )
        if inside:
            value = value[part]
        if inside or (error["type"] == "missing" and part == error["loc"][-1]):
            kept.append(part)
    return tuple(kept)


def _spelled(loc: tuple[str | int, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that may stand in the mapping which `loc` leads to, as users spell them."""
    current = {model}
    for part in loc:
        current = {
            inner
            for each in current
            for name, field in each.model_fields.items()
            if part in {name, field.alias}
            for inner in _models_in(field.annotation)
        } or current
    return tuple(
        field.alias or name for each in current for name, field in each.model_fields.items()
    )


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
