"""Prefect's `{{ ... }}` templates in `prefect.yaml`, filled in as `prefect deploy` does.

`{{ $NAME }}` is an environment variable and `{{ prefect.variables.name }}` a variable of
the server. What only a build step or a block could fill stays with `prefect deploy`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Prefect's own pattern (prefect.utilities.templating), so that both see the same templates.
_TEMPLATE = re.compile(r"({{\s*([\w\.\-\[\]$]+)\s*}})")
_VARIABLE = "prefect.variables."


def templates(value: Any) -> Iterator[str]:
    """Names of all templates in a value, mappings and lists searched; `ctx.` ones left out."""
    if isinstance(value, str):
        yield from (name for _, name in _TEMPLATE.findall(value) if not name.startswith("ctx."))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from templates(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from templates(each)


def fill(value: Any, value_of: Callable[[str], Any]) -> Any:
    """The value with each template replaced by `value_of(name)`; None leaves it as it is.

    A text that is one template and nothing else becomes the value with its type.
    """
    if isinstance(value, str):
        return _fill_text(value, value_of)
    if isinstance(value, Mapping):
        return {key: fill(each, value_of) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, value_of) for each in value]
    return value


def _fill_text(text: str, value_of: Callable[[str], Any]) -> Any:
    for template, name in _TEMPLATE.findall(text):
        found = None if name.startswith("ctx.") else value_of(name)
        if found is None:
            continue
        if template == text and not name.startswith("$"):
            return found
        text = text.replace(template, str(found))
    return text


def from_environment(name: str) -> str | None:
    """Value of `$NAME`; None for other templates and for a variable that is not set."""
    return os.environ.get(name[1:]) if name.startswith("$") else None


def variable_name(name: str) -> str | None:
    """`prefect.variables.x` -> `x`; None for other templates."""
    return name.removeprefix(_VARIABLE) if name.startswith(_VARIABLE) else None
