"""Adding checks to a deployment of `prefect.yaml`, all other lines left as they are."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from duckherd.errors import ProjectError
from duckherd.project.document import Loader

Item = Mapping[str, Any]


def add_checks(file: Path, name: str, items: Sequence[Item]) -> None:
    """Append checks to `parameters.checks` of the deployment `name` in `file`.

    Raises ProjectError, the file untouched, where the entry's parameters are not written
    in the entry itself.
    """
    text = file.read_bytes().decode("utf-8")
    entries = yaml.safe_load(text)["deployments"]
    index = next(at for at, entry in enumerate(entries) if entry.get("name") == name)
    file.write_bytes(with_checks(text, str(file), index, items).encode("utf-8"))


def with_checks(text: str, path: str, index: int, items: Sequence[Item]) -> str:
    """The text with checks appended to the deployment at a 0-based place in the list."""
    before = yaml.safe_load(text)
    parameters = _parameters(text, path, index)
    present = _pair(parameters, "checks")
    if parameters.flow_style:
        changed = _unfolded(text, path, parameters)
        return with_checks(changed, path, index, items)
    if present is None:
        # A list of its own replaces an inherited one, so that has to be repeated.
        inherited = before["deployments"][index]["parameters"].get("checks") or []
        changed = _with_list(text, parameters, [*inherited, *items])
    else:
        changed = _with_items(text, path, present, items)
    _verify(before, changed, path, index, items)
    return changed


def item_line(item: Item) -> str:
    """One check as one line of YAML, without its dash."""
    ((kind, options),) = item.items()
    flow = yaml.safe_dump(
        options, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return f"{kind}: {flow.strip().removesuffix('...').strip()}"


def _parameters(text: str, path: str, index: int) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=Loader)
    entries = _pair(root, "deployments")
    entry = entries[1].value[index] if entries else None
    pair = _pair(entry, "parameters")
    if pair is None or not _local(pair) or not isinstance(pair[1], yaml.MappingNode):
        line = entry.start_mark.line if entry is not None else 0
        raise _by_hand(path, line, "its parameters are not written in the entry itself")
    return pair[1]


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key, value) for key, value in pairs if key.value == name), None)


def _local(pair: tuple[yaml.Node, yaml.Node]) -> bool:
    # The value of an alias stands where its anchor is, before the key.
    return bool(pair[1].start_mark.index >= pair[0].end_mark.index)


def _unfolded(text: str, path: str, mapping: yaml.MappingNode) -> str:
    """`{a: 1, b: 2}` on lines of its own, each pair as it was written."""
    keys = [key.start_mark.index for key, _ in mapping.value]
    ends = [*keys[1:], mapping.end_mark.index - 1]
    pairs = [text[a:b].rstrip(" \t\r\n,") for a, b in zip(keys, ends, strict=True)]
    if any("#" in pair for pair in pairs):
        raise _by_hand(path, mapping.start_mark.line, "its parameters in braces hold a comment")
    line = text[text.rfind("\n", 0, mapping.start_mark.index) + 1 :]
    indent = " " * (len(line) - len(re.sub(r"^[ -]*", "", line)) + 2)
    block = "".join(f"\n{indent}{' '.join(pair.split())}" for pair in pairs)
    start = len(text[: mapping.start_mark.index].rstrip(" "))
    return text[:start] + block + text[mapping.end_mark.index :]


def _with_list(text: str, mapping: yaml.MappingNode, items: Sequence[Item]) -> str:
    indent = " " * mapping.value[0][0].start_mark.column
    lines = f"{indent}checks:\n" + "".join(f"{indent}  - {item_line(item)}\n" for item in items)
    after = _last_line(text, mapping) + 1
    return _inserted(text, after, lines)


def _with_items(
    text: str, path: str, pair: tuple[yaml.Node, yaml.Node], items: Sequence[Item]
) -> str:
    key, value = pair
    if not _local(pair) or not isinstance(value, yaml.SequenceNode):
        raise _by_hand(path, key.start_mark.line, "its checks are not written in the entry itself")
    if value.flow_style:
        inner = text[value.start_mark.index + 1 : value.end_mark.index - 1].rstrip(" ,\n")
        more = ", ".join("{" + item_line(item) + "}" for item in items)
        joined = f"[{inner}, {more}]" if inner.strip() else f"[{more}]"
        return text[: value.start_mark.index] + joined + text[value.end_mark.index :]
    dash = " " * value.start_mark.column
    after = _last_line(text, value) + 1
    lines = "".join(f"{dash}- {item_line(item)}\n" for item in items)
    return _inserted(text, after, lines)


def _inserted(text: str, line: int, block: str) -> str:
    """The text with whole lines put in before its 0-based `line`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    before, after = "".join(lines[:line]), "".join(lines[line:])
    joint = "" if before.endswith("\n") else newline
    return before + joint + block.replace("\n", newline) + after


def _last_line(text: str, node: yaml.Node) -> int:
    """0-based line on which the content of a block ends; comments after it do not count."""
    content = [
        token
        for token in yaml.scan(text, Loader=Loader)
        if node.start_mark.index <= token.start_mark.index < node.end_mark.index
        and not isinstance(token, yaml.BlockEndToken)
    ]
    end = content[-1].end_mark
    # A block text (|, >) ends where the line after it begins.
    return int(end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line)


def _verify(
    before: dict[str, Any], changed: str, path: str, index: int, items: Sequence[Item]
) -> None:
    """The edit added exactly the checks; an unusual layout is refused, not damaged."""
    expected = copy.deepcopy(before)
    entry = expected["deployments"][index]
    checks = [*(entry["parameters"].get("checks") or []), *map(dict, items)]
    entry["parameters"] = {**entry["parameters"], "checks": checks}
    try:
        done = yaml.safe_load(changed) == expected
    except yaml.YAMLError:
        done = False
    if not done:
        raise _by_hand(path, 0, f"the layout of deployment {entry.get('name')} is unusual")


def _by_hand(path: str, line: int, reason: str) -> ProjectError:
    return ProjectError(
        f"checks cannot be added: {reason}",
        path=path,
        line=line + 1,
        hint="run the command without --write and paste its output",
    )
