"""A YAML file with the position of every value, read exactly as Prefect reads it.

PyYAML and not a YAML 1.2 library, because Prefect uses PyYAML: `on`, `16:00` or
`1e3` must mean the same to both, and a file must never be valid for one of them only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from duckherd.errors import ProjectError

Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: thousands of deployments in a moment."""

Path = tuple[str | int, ...]
"""Keys and 0-based list indexes from the top of the document, e.g. `("deployments", 3, "tags")`."""

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Position:
    """Where something starts: 1-based line and column."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed YAML file.

    Attributes:
        path: as shown in messages.
        text: the file's content.
        data: the value, anchors and merges resolved, plain Python objects.
        root: the node tree of the same, `data`'s positions; None for an empty file.
    """

    path: str
    text: str
    data: Any
    root: yaml.Node | None

    @classmethod
    def parse(cls, text: str, path: str) -> Document:
        """Read a YAML text. Raises ProjectError with line and column."""
        try:
            return cls._parse(text, path)
        except yaml.MarkedYAMLError as error:
            raise _malformed(error, path) from error
        except yaml.YAMLError as error:
            raise ProjectError(f"is not YAML: {error}", path=path) from error

    @classmethod
    def _parse(cls, text: str, path: str) -> Document:
        loader = Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return cls(path, text, None, None)
            _refuse_ambiguity(root, path)
            return cls(path, text, loader.construct_document(root), root)
        finally:
            loader.dispose()

    def position(self, path: Path) -> Position:
        """Where the value at `path` starts; of the deepest part of `path` that exists."""
        return _position(self._deepest(path)[-1])

    def key_position(self, path: Path) -> Position:
        """Where the key that ends `path` stands (the value, in a list)."""
        *parents, last = path
        parent = self._deepest(tuple(parents))[-1]
        if isinstance(parent, yaml.MappingNode):
            for key, _ in reversed(parent.value):
                if key.value == str(last):
                    return _position(key)
        return self.position(path)

    def node(self, path: Path) -> yaml.Node | None:
        """The node at `path`, None where there is none."""
        nodes = self._deepest(path)
        return nodes[-1] if len(nodes) == len(path) + 1 else None

    def _deepest(self, path: Path) -> list[Any]:
        nodes: list[Any] = [self.root]
        for step in path:
            child = _child(nodes[-1], step)
            if child is None:
                break
            nodes.append(child)
        return nodes


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        # The last of equal keys wins: what a mapping says itself stands after what it merged.
        pairs = reversed(node.value)
        return next((value for key, value in pairs if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _refuse_ambiguity(root: yaml.Node, path: str) -> None:
    """Raise for a key given twice in one mapping and for an anchor inside itself."""
    seen: set[int] = set()
    stack: list[tuple[yaml.Node, tuple[int, ...]]] = [(root, ())]
    while stack:
        node, above = stack.pop()
        if id(node) in above:
            raise _at(node, path, "an anchor contains itself")
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        _refuse_duplicates(node, path)
        stack += [(child, (*above, id(node))) for child in _children(node)]


def _refuse_duplicates(node: yaml.Node, path: str) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[tuple[str, Any], yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        known = first.setdefault((key.tag, key.value), key)
        if known is not key:
            line = _position(known).line
            raise _at(key, path, f"key {key.value!r} is given twice (first in line {line})")


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for item in node.value:
        yield from item if isinstance(item, tuple) else (item,)


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _at(node: yaml.Node, path: str, message: str) -> ProjectError:
    position = _position(node)
    return ProjectError(message, path=path, line=position.line, column=position.column)


def _malformed(error: yaml.MarkedYAMLError, path: str) -> ProjectError:
    mark = error.problem_mark or error.context_mark
    context = f" {error.context}" if error.context else ""
    return ProjectError(
        f"malformed YAML{context}: {error.problem}",
        path=path,
        line=mark.line + 1 if mark else None,
        column=mark.column + 1 if mark else None,
    )
